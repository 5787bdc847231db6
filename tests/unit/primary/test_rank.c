/* Which buckets a rollout takes, at which weight. Random tests print their seed; SEED=n repeats one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rank.h"
#include "share.h"

static uint64_t seed;
static uint16_t order[BATON_MAX_BUCKETS];
static uint8_t role[BATON_MAX_BUCKETS], before[BATON_MAX_BUCKETS];

static uint64_t roll(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static uint32_t count_role(uint32_t buckets, uint8_t which)
{
	uint32_t count = 0;

	for (uint32_t b = 0; b < buckets; b++)
		count += role[b] == which;
	return count;
}

static void the_number_is_exact(void **unused)
{
	(void)unused;
	assert_int_equal(rank_count(0, 1024), 0);
	assert_int_equal(rank_count(1, 1024), 1);
	assert_int_equal(rank_count(1, 16), 1); /* 0.016: at least one */
	assert_int_equal(rank_count(10, 1024), 10);
	assert_int_equal(rank_count(100, 1024), 102);
	assert_int_equal(rank_count(500, 1024), 512);
	assert_int_equal(rank_count(999, 4096), 4092);
	assert_int_equal(rank_count(1000, 65536), 65536);
	for (uint32_t permille = 0; permille <= 1000; permille++) {
		rank_roles(4096, 7, NULL, permille, permille <= 500 ? permille : 0, role);
		assert_int_equal(count_role(4096, RANK_CANDIDATE), rank_count(permille, 4096));
		assert_int_equal(count_role(4096, RANK_CONTROL), permille <= 500 ? rank_count(permille, 4096) : 0);
	}
}

static void every_bucket_has_one_place(void **unused)
{
	static uint8_t seen[BATON_MAX_BUCKETS];

	(void)unused;
	for (uint32_t buckets = 1; buckets <= BATON_MAX_BUCKETS; buckets *= 4) {
		memset(seen, 0, sizeof(seen));
		rank_buckets(buckets, roll(), NULL, order);
		for (uint32_t i = 0; i < buckets; i++) {
			assert_true(order[i] < buckets);
			assert_false(seen[order[i]]++);
		}
	}
}

/* Raising the weight takes no bucket away from the candidate; lowering gives it none. */
static void a_greater_weight_keeps_what_it_has(void **unused)
{
	(void)unused;
	for (uint32_t round = 0; round < 200; round++) {
		uint32_t buckets = 1u << (1 + roll() % 11), low = (uint32_t)(roll() % 1001);
		uint32_t high = low + (uint32_t)(roll() % (1001 - low));
		uint64_t salt = roll(), cohort[SHARE_WORDS] = { roll() & roll() & roll() };

		rank_roles(buckets, salt, cohort, low, 0, role);
		memcpy(before, role, buckets);
		rank_roles(buckets, salt, cohort, high, 0, role);
		for (uint32_t b = 0; b < buckets; b++)
			if (before[b] == RANK_CANDIDATE)
				assert_int_equal(role[b], RANK_CANDIDATE);
	}
}

static void the_cohort_goes_first(void **unused)
{
	uint64_t cohort[SHARE_WORDS] = { 0 };

	(void)unused;
	buckets_add(cohort, 3);
	buckets_add(cohort, 900);
	buckets_add(cohort, 901);
	rank_buckets(1024, 99, cohort, order);
	for (uint32_t i = 0; i < 3; i++)
		assert_true(order[i] == 3 || order[i] == 900 || order[i] == 901);
	rank_roles(1024, 99, cohort, 10, 10, role); /* 10 buckets: 3 of the cohort, 7 others */
	assert_int_equal(role[3], RANK_CANDIDATE);
	assert_int_equal(role[900], RANK_CANDIDATE);
	assert_int_equal(role[901], RANK_CANDIDATE);
	assert_int_equal(count_role(1024, RANK_CANDIDATE), 10);
}

/* Not the same players are the first every time: two salts agree on about a tenth of a tenth. */
static void another_salt_takes_others(void **unused)
{
	uint32_t same = 0;

	(void)unused;
	rank_roles(4096, 1, NULL, 100, 0, role);
	memcpy(before, role, sizeof(before));
	rank_roles(4096, 2, NULL, 100, 0, role);
	for (uint32_t b = 0; b < 4096; b++)
		same += before[b] == RANK_CANDIDATE && role[b] == RANK_CANDIDATE;
	assert_in_range(same, 10, 90);
}

static void control_never_takes_the_candidates(void **unused)
{
	(void)unused;
	rank_roles(1, 5, NULL, 500, 500, role); /* one bucket: it is the candidate's */
	assert_int_equal(role[0], RANK_CANDIDATE);
	rank_roles(8, 5, NULL, 900, 900, role);
	assert_int_equal(count_role(8, RANK_CANDIDATE), 7);
	assert_int_equal(count_role(8, RANK_CONTROL), 1);
}

int main(void)
{
	const char *given = getenv("SEED");
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_number_is_exact),
		cmocka_unit_test(every_bucket_has_one_place),
		cmocka_unit_test(a_greater_weight_keeps_what_it_has),
		cmocka_unit_test(the_cohort_goes_first),
		cmocka_unit_test(another_salt_takes_others),
		cmocka_unit_test(control_never_takes_the_candidates),
	};

	seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) * 2654435761u + 1;
	printf("seed %llu\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
