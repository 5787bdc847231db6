/* The histogram never flatters: every value lies between the edges of its bucket, quantiles report the upper one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "hist.h"

static void every_value_lies_within_its_bucket(void **state)
{
	(void)state;
	for (uint64_t v = 0; v < 100000; v++) {
		uint32_t b = hist_bucket(v);
		assert_true(hist_floor(b) <= v && v < hist_floor(b + 1));
	}
	for (unsigned bit = 10; bit < 34; bit++)
		for (int64_t near = -3; near <= 3; near++) {
			uint64_t v = (1ull << bit) + (uint64_t)near;
			uint32_t b = hist_bucket(v);
			assert_true(hist_floor(b) <= v);
			if (b < STATS_HIST_BUCKETS - 1)
				assert_true(v < hist_floor(b + 1));
		}
}

static void buckets_are_an_eighth_wide_at_most(void **state)
{
	(void)state;
	for (uint32_t b = 0; b < STATS_HIST_BUCKETS; b++) {
		uint64_t low = hist_floor(b), width = hist_floor(b + 1) - low;
		assert_true(width >= 1);
		assert_true(width == 1 || width * 8 <= low);
		assert_int_equal(hist_bucket(low), b);
	}
}

static void what_is_too_large_goes_to_the_last_bucket(void **state)
{
	(void)state;
	assert_int_equal(hist_bucket(1ull << 34), STATS_HIST_BUCKETS - 1);
	assert_int_equal(hist_bucket(UINT64_MAX), STATS_HIST_BUCKETS - 1);
	assert_int_equal(hist_bucket((1ull << 34) - 1), STATS_HIST_BUCKETS - 1);
}

static void quantile_is_never_below_the_true_one(void **state)
{
	(void)state;
	uint64_t h[STATS_HIST_BUCKETS] = { 0 };

	for (uint64_t v = 1; v <= 10000; v++)
		h[hist_bucket(v)]++;
	assert_int_equal(hist_count(h), 10000);
	for (unsigned permille = 0; permille <= 1000; permille += 50) {
		uint64_t truth = permille == 0 ? 1 : permille * 10ull;
		uint64_t told = hist_quantile(h, permille / 1000.0);
		assert_true(told >= truth);
		assert_true(told <= truth + truth / 8 + 1);
	}
}

static void quantile_of_nothing_is_zero(void **state)
{
	(void)state;
	uint64_t h[STATS_HIST_BUCKETS] = { 0 };

	assert_int_equal(hist_quantile(h, 0.5), 0);
}

static void one_slow_sample_of_a_thousand_is_p999_and_not_p99(void **state)
{
	(void)state;
	uint64_t h[STATS_HIST_BUCKETS] = { 0 };

	h[hist_bucket(1000)] = 998;
	h[hist_bucket(1000000)] = 2;
	assert_true(hist_quantile(h, 0.99) < 1200);
	assert_true(hist_quantile(h, 0.999) >= 1000000);
}

static void merging_adds_what_came_since_the_base(void **state)
{
	(void)state;
	uint64_t to[STATS_HIST_BUCKETS] = { 0 }, base[STATS_HIST_BUCKETS] = { 0 }, now[STATS_HIST_BUCKETS];

	base[7] = 40;
	memcpy(now, base, sizeof(now));
	now[7] += 2;
	now[200] += 3;
	to[7] = 1;
	hist_add(to, now, base);
	assert_int_equal(to[7], 3);
	assert_int_equal(to[200], 3);
	hist_add(to, now, NULL);
	assert_int_equal(to[7], 45);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_value_lies_within_its_bucket),
		cmocka_unit_test(buckets_are_an_eighth_wide_at_most),
		cmocka_unit_test(what_is_too_large_goes_to_the_last_bucket),
		cmocka_unit_test(quantile_is_never_below_the_true_one),
		cmocka_unit_test(quantile_of_nothing_is_zero),
		cmocka_unit_test(one_slow_sample_of_a_thousand_is_p999_and_not_p99),
		cmocka_unit_test(merging_adds_what_came_since_the_base),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
