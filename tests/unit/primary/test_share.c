/* Even shares and sets of buckets as text. The property test prints its seed; SEED=n repeats it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "share.h"

#define ROUNDS 3000u

static uint64_t seed, random_state;

static uint32_t roll(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 33) % below;
}

/* ---- even shares ---- */

static uint8_t owner[BATON_MAX_BUCKETS], want[BATON_MAX_BUCKETS];

static uint64_t some_members(void)
{
	uint64_t members = 0;

	for (uint32_t left = 1 + roll(roll(2) ? 8 : BATON_MAX_WORKERS); left > 0; left--)
		members |= 1ull << roll(BATON_MAX_WORKERS);
	return members;
}

/* The fewest owners that any even sharing changes, by its definition: who owns more than its quota gives the rest, and
 * what no member owns changes too. Quotas are best for those that own most. */
static uint32_t fewest(uint32_t buckets, uint64_t members)
{
	uint32_t have[BATON_MAX_WORKERS] = { 0 }, kept = 0, n = (uint32_t)__builtin_popcountll(members);
	uint32_t floor = buckets / n, extra = buckets % n, above = 0;

	for (uint32_t b = 0; b < buckets; b++)
		if (owner[b] < BATON_MAX_WORKERS && members >> owner[b] & 1)
			have[owner[b]]++;
	for (uint32_t i = 0; i < BATON_MAX_WORKERS; i++) {
		kept += have[i] < floor ? have[i] : floor;
		above += have[i] > floor;
	}
	return buckets - kept - (above < extra ? above : extra);
}

static void check_even(uint32_t buckets, uint64_t members)
{
	uint32_t have[BATON_MAX_WORKERS] = { 0 }, n = (uint32_t)__builtin_popcountll(members), changed = 0;
	uint32_t said = share_even(owner, buckets, members, want);

	for (uint32_t b = 0; b < buckets; b++) {
		assert_true(want[b] < BATON_MAX_WORKERS && members >> want[b] & 1);
		have[want[b]]++;
		changed += want[b] != owner[b];
	}
	for (uint32_t i = 0; i < BATON_MAX_WORKERS; i++)
		if (members >> i & 1)
			assert_in_range(have[i], buckets / n, (buckets + n - 1) / n);
	assert_int_equal(said, changed);
	assert_int_equal(changed, fewest(buckets, members));
}

static void shares_are_even_and_no_bucket_moves_without_need(void **unused)
{
	(void)unused;
	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint32_t buckets = 1u << roll(13);
		uint64_t before = some_members(), members = some_members();

		memset(owner, SHARE_NOBODY, sizeof(owner));
		if (roll(4) > 0)
			share_even(owner, buckets, before, owner); /* in place, too */
		for (uint32_t i = roll(3) ? 0 : roll(buckets); i > 0; i--)
			owner[roll(buckets)] = roll(8) ? (uint8_t)roll(BATON_MAX_WORKERS) : SHARE_NOBODY;
		check_even(buckets, members);
	}
}

/* The aim does not wander: carried out in steps, each reckoned anew as the operation does, it costs no bucket more. */
static void steps_reckoned_anew_cost_no_bucket_more(void **unused)
{
	(void)unused;
	for (uint32_t round = 0; round < 300; round++) {
		uint32_t buckets = 1u << (4 + roll(7)), moved = 0, planned, left;
		uint64_t before = some_members(), members = some_members();

		memset(owner, SHARE_NOBODY, sizeof(owner));
		share_even(owner, buckets, before, owner);
		planned = share_even(owner, buckets, members, want);
		while ((left = share_even(owner, buckets, members, want)) > 0) {
			uint32_t first = 0;

			while (owner[first] == want[first])
				first++;
			uint8_t from = owner[first], to = want[first];
			for (uint32_t b = first; b < buckets; b++)
				if (owner[b] == from && want[b] == to) {
					owner[b] = to;
					moved++;
				}
		}
		assert_int_equal(moved, planned);
	}
}

static void one_more_worker_takes_a_third_from_two(void **unused)
{
	uint64_t map[SHARE_WORDS] = { 0 };
	char *text;

	(void)unused;
	for (uint32_t b = 0; b < 1024; b++)
		owner[b] = b % 2;
	assert_int_equal(share_even(owner, 1024, 7, want), 341);
	for (uint32_t b = 0; b < 1024; b++)
		if (want[b] == 2)
			buckets_add(map, b);
	text = buckets_format(map, 1024);
	assert_true(strlen(text) < 40); /* the new one's are ranges, not a comb */
	free(text);
}

/* Who comes with nothing gets an even share, the others keep their order: nobody who had more ends up with less. */
static void several_newcomers_get_even_shares(void **unused)
{
	(void)unused;
	for (uint32_t round = 0; round < 500; round++) {
		uint32_t buckets = 256u << roll(4), had[BATON_MAX_WORKERS] = { 0 }, quota[BATON_MAX_WORKERS], sum = 0, olds = 0;
		uint64_t members = some_members();
		uint32_t n = (uint32_t)__builtin_popcountll(members);

		for (uint64_t m = members; m != 0; m &= m - 1)
			if (roll(2))
				olds += (had[__builtin_ctzll(m)] = 1 + roll(buckets / n)) > 0;
		share_grow(had, buckets, members, quota);
		for (uint32_t i = 0; i < BATON_MAX_WORKERS; i++) {
			sum += quota[i];
			if (!(members >> i & 1))
				assert_int_equal(quota[i], 0);
			else if (had[i] == 0)
				assert_in_range(quota[i], buckets / n, buckets / n + (olds == 0));
			for (uint32_t o = 0; o < i; o++)
				if (had[i] > 0 && had[o] > 0 && had[i] > had[o] + 1)
					assert_true(quota[i] + 1 >= quota[o]);
		}
		assert_int_equal(sum, buckets);
	}
}

/* ---- as text ---- */

static void expect_text(const char *text, uint32_t buckets, const char *wanted)
{
	uint64_t map[SHARE_WORDS];
	char why[300] = "", *said;

	assert_true(buckets_parse(text, buckets, map, why, sizeof(why)) >= 0);
	said = buckets_format(map, buckets);
	assert_string_equal(said, wanted);
	free(said);
}

/* ---- shares that are uneven on purpose ---- */

/* Whatever they had: quotas are whole, and a second reckoning in the middle of it comes to the same end. */
static void uneven_shares_stay_in_proportion(void **unused)
{
	(void)unused;
	for (uint32_t round = 0; round < 500; round++) {
		uint32_t buckets = 64u << roll(5), had[BATON_MAX_WORKERS] = { 0 }, quota[BATON_MAX_WORKERS], sum = 0, kept = 0;
		uint64_t members = some_members();
		uint32_t newcomer = roll(2) ? SHARE_NOBODY : (uint32_t)__builtin_ctzll(members);
		uint32_t n = (uint32_t)__builtin_popcountll(members);

		for (uint32_t b = 0; b < buckets; b++) { /* by chance, the square of it: far from even */
			owner[b] = (uint8_t)(roll(BATON_MAX_WORKERS) * roll(BATON_MAX_WORKERS) / BATON_MAX_WORKERS);
			if (newcomer != SHARE_NOBODY && owner[b] == newcomer)
				owner[b] = SHARE_NOBODY;
			if (owner[b] != SHARE_NOBODY)
				had[owner[b]]++;
		}
		for (uint64_t m = members; m != 0; m &= m - 1)
			kept += had[__builtin_ctzll(m)];
		share_keep(had, buckets, members, newcomer, quota);
		for (uint32_t i = 0; i < BATON_MAX_WORKERS; i++) {
			sum += quota[i];
			if (!(members >> i & 1))
				assert_int_equal(quota[i], 0);
			else if (i == newcomer)
				assert_int_equal(quota[i], n == 1 ? buckets : buckets / n);
			else if (newcomer == SHARE_NOBODY) /* others have left: each has as many more */
				assert_in_range(quota[i] - had[i], (buckets - kept) / n, (buckets - kept + n - 1) / n);
		}
		assert_int_equal(sum, buckets);
		for (uint32_t steps = 2; steps > 0; steps--) {
			uint32_t have[BATON_MAX_WORKERS] = { 0 };

			share_by(owner, buckets, members, quota, want);
			for (uint32_t b = 0; b < buckets; b++)
				have[want[b]]++;
			assert_memory_equal(have, quota, sizeof(have));
			for (uint32_t b = 0; b < buckets; b++) /* some are there already */
				owner[b] = roll(2) ? want[b] : owner[b];
		}
	}
}

static void sets_are_read_and_written_short(void **unused)
{
	uint64_t map[SHARE_WORDS];
	char why[300];

	(void)unused;
	expect_text("17", 1024, "17");
	expect_text("0-255,300", 1024, "0-255,300");
	expect_text("0-1022/2", 1024, "0-1022/2");
	expect_text("5,4,3,9", 1024, "3-5,9");
	expect_text("0-0", 1, "0");
	expect_text("1,3", 16, "1,3");
	expect_text("0,2,4,6,7,8", 16, "0-6/2,7-8");
	expect_text("0-15/4", 16, "0-12/4");
	expect_text("0-65535", 65536, "0-65535");
	assert_int_equal(buckets_parse("0-9,5,5", 16, map, why, sizeof(why)), 10);
}

static void what_is_no_set_is_refused_with_the_valid_range(void **unused)
{
	static const char *const bad[] = { "", ",", "1,", "-1", "1-", "a", "1-2-3", "1024", "0-1024", "9-3", "1 2", " 1",
					   "0-9/0", "0-9/", "1/2", "0x10", "99999999999999999999", "1,,2", "+1" };
	uint64_t map[SHARE_WORDS];
	char why[300];

	(void)unused;
	for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		why[0] = '\0';
		if (buckets_parse(bad[i], 1024, map, why, sizeof(why)) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
		assert_non_null(strstr(why, "0-1023"));
	}
}

/* What a list costs is what its buckets cost, not what a megabyte of text may name. */
static void a_list_that_names_buckets_over_and_over_is_refused(void **unused)
{
	uint64_t map[SHARE_WORDS];
	char why[300], text[] = "0-65535,0-65535,1";

	(void)unused;
	assert_int_equal(buckets_parse(text, 65536, map, why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "over and over"));
	assert_non_null(strstr(why, "0-65535"));
	text[15] = '\0';
	assert_int_equal(buckets_parse(text, 65536, map, why, sizeof(why)), 65536);
	assert_int_equal(buckets_parse("0-1023/999999999,0,0", 1024, map, why, sizeof(why)), 1);
}

static void what_is_written_is_read_again(void **unused)
{
	uint64_t map[SHARE_WORDS], again[SHARE_WORDS];
	char why[300], *text;

	(void)unused;
	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint32_t buckets = 1u << roll(11), step = 1 + roll(5);

		memset(map, 0, sizeof(map));
		for (uint32_t i = roll(buckets); i > 0; i--)
			buckets_add(map, roll(3) ? roll(buckets) : i / step * step % buckets);
		text = buckets_format(map, buckets);
		if (text[0]) {
			assert_true(buckets_parse(text, buckets, again, why, sizeof(why)) > 0);
			assert_memory_equal(map, again, (buckets + 63) / 64 * 8);
		}
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_are_even_and_no_bucket_moves_without_need),
		cmocka_unit_test(steps_reckoned_anew_cost_no_bucket_more),
		cmocka_unit_test(one_more_worker_takes_a_third_from_two),
		cmocka_unit_test(uneven_shares_stay_in_proportion),
		cmocka_unit_test(several_newcomers_get_even_shares),
		cmocka_unit_test(sets_are_read_and_written_short),
		cmocka_unit_test(what_is_no_set_is_refused_with_the_valid_range),
		cmocka_unit_test(a_list_that_names_buckets_over_and_over_is_refused),
		cmocka_unit_test(what_is_written_is_read_again),
	};

	seed = getenv("SEED") ? strtoull(getenv("SEED"), NULL, 0) : (uint64_t)time(NULL);
	random_state = seed * 0x9e3779b97f4a7c15ull + 1;
	printf("test_share: seed %llu\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
