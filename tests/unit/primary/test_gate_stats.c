/* The statistics of gates on distributions of which the answer is known. Chance by BATON_TEST_SEED. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <time.h>

#include "gate_stats.h"
#include "gates_rig.h"

static void bounds_are_those_of_clopper_and_pearson(void **unused)
{
	(void)unused;
	/* of nothing and of all they have a closed form */
	for (uint64_t n = 1; n <= 10000000; n *= 10) {
		assert_float_equal(gate_upper(0, n, 0.001), 1 - pow(0.001, 1 / (double)n), 1e-9);
		assert_float_equal(gate_lower(n, n, 0.001), pow(0.001, 1 / (double)n), 1e-9);
		assert_true(gate_lower(0, n, 0.001) == 0 && gate_upper(n, n, 0.001) == 1);
	}
	/* 10 of 100 at 95 %, two-sided: 4.900 % to 17.622 %; 1 of 10: 0.253 % to 44.502 % */
	assert_float_equal(gate_lower(10, 100, 0.025), 0.0490047, 1e-6);
	assert_float_equal(gate_upper(10, 100, 0.025), 0.1762226, 1e-6);
	assert_float_equal(gate_lower(1, 10, 0.025), 0.0025286, 1e-6);
	assert_float_equal(gate_upper(1, 10, 0.025), 0.4450161, 1e-6);
	/* nothing seen says nothing */
	assert_true(gate_lower(0, 0, 0.01) == 0 && gate_upper(0, 0, 0.01) == 1);
	assert_true(gate_lower(5, 0, 0.01) == 0 && gate_upper(5, 0, 0.01) == 1);
}

static double below(uint64_t k, uint64_t n, double p)
{
	double sum = 0;

	for (uint64_t i = 0; i <= k; i++)
		sum += exp(lgamma((double)n + 1) - lgamma((double)i + 1) - lgamma((double)(n - i) + 1) +
			   (double)i * log(p) + (double)(n - i) * log1p(-p));
	return sum;
}

/* By definition: at the bound, what was seen or more (less) has probability alpha. */
static void a_bound_is_where_what_was_seen_has_its_probability(void **unused)
{
	static const double alpha[] = {0.05, 1e-3, 1e-6};

	(void)unused;
	for (uint64_t n = 10; n <= 300; n += 29)
		for (uint64_t x = 1; x < n; x += 1 + x / 2)
			for (uint32_t a = 0; a < 3; a++) {
				double low = gate_lower(x, n, alpha[a]), high = gate_upper(x, n, alpha[a]);

				assert_true(low < (double)x / (double)n && (double)x / (double)n < high);
				assert_float_equal((1 - below(x - 1, n, low)) / alpha[a], 1, 1e-3 + 1e-9 / alpha[a]);
				assert_float_equal(below(x, n, high) / alpha[a], 1, 1e-3);
			}
}

static void where_the_exact_bound_ends_the_score_bound_goes_on(void **unused)
{
	(void)unused;
	for (uint64_t n = 20000; n <= 20000000000ull; n *= 100) {
		double a = gate_lower(GATE_EXACT, n, 1e-6), b = gate_lower(GATE_EXACT + 1, n, 1e-6);

		assert_float_equal(b / a, 1, 2e-3);
		a = gate_upper(GATE_EXACT, n, 1e-6), b = gate_upper(GATE_EXACT + 1, n, 1e-6);
		assert_float_equal(b / a, 1, 2e-3);
	}
}

/* Rounds of 20000 trials each: bounds are missed as rarely as they say. */
static void bounds_are_missed_as_rarely_as_they_say(void **unused)
{
	static const struct { uint64_t n; double p, alpha; } cases[] = {
		{50, 0.3, 0.05}, {200, 0.01, 0.05}, {500, 0.002, 0.01}, {100, 0.97, 0.01},
	};
	const uint32_t rounds = 20000;

	(void)unused;
	for (uint32_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		uint32_t low = 0, high = 0;
		double lower[501], upper[501];

		for (uint64_t x = 0; x <= cases[c].n; x++) {
			lower[x] = gate_lower(x, cases[c].n, cases[c].alpha);
			upper[x] = gate_upper(x, cases[c].n, cases[c].alpha);
		}
		for (uint32_t i = 0; i < rounds; i++) {
			uint64_t x = chance_events(cases[c].n, cases[c].p);

			low += lower[x] > cases[c].p;
			high += upper[x] < cases[c].p;
		}
		/* six standard deviations: a false alarm of this test in 10^9 */
		double most = rounds * cases[c].alpha + 6 * sqrt(rounds * cases[c].alpha);
		assert_true(low <= most && high <= most);
	}
}

static double choose(uint32_t n, uint32_t k) { return k == 0 ? 1 : choose(n - 1, k - 1) * n / k; }

static void the_sign_test_needs_as_many_as_pascals_triangle_says(void **unused)
{
	static const double alpha[] = {0.05, 1e-3, 1e-6};

	(void)unused;
	for (uint32_t n = 0; n <= 40; n++)
		for (uint32_t a = 0; a < 3; a++) {
			double tail = 0;
			uint32_t k = n + 1;

			while (k > 0 && tail + choose(n, k - 1) <= alpha[a] * pow(2, n))
				tail += choose(n, --k);
			assert_int_equal(gate_sign_needed(n, alpha[a]), k);
		}
	assert_int_equal(gate_sign_needed(20, 1e-3), 18);
	assert_int_equal(gate_sign_needed(10, 1e-3), 10);
	assert_int_equal(gate_sign_needed(9, 1e-3), 10); /* none would do */
	assert_int_equal(gate_sign_needed(20, 1e-6), 20);
}

static uint64_t cycles_floor(uint32_t bucket) { return stats_cycles_floor(bucket); }

static void buckets_of_cycles_are_edge_to_edge(void **unused)
{
	(void)unused;
	for (uint32_t b = 0; b + 1 < STATS_CYCLES_BUCKETS; b++) {
		assert_true(stats_cycles_floor(b) < stats_cycles_floor(b + 1));
		assert_int_equal(stats_cycles_bucket(stats_cycles_floor(b)), b);
		assert_int_equal(stats_cycles_bucket(stats_cycles_floor(b + 1) - 1), b);
		/* known to 6.25 % */
		assert_true((double)(stats_cycles_floor(b + 1) - stats_cycles_floor(b)) <=
			    fmax(1, (double)stats_cycles_floor(b) / 16));
	}
	assert_int_equal(stats_cycles_bucket(UINT64_MAX), STATS_CYCLES_BUCKETS - 1);
	for (uint32_t n = 1; n <= BATON_BURST; n++)
		assert_int_equal(stats_burst_class(n), n >= 32 ? 5 : n >= 16 ? 4 : n >= 8 ? 3 : n >= 4 ? 2 : n >= 2 ? 1 : 0);
}

static void quantiles_are_the_edges_of_their_buckets(void **unused)
{
	uint64_t base[STATS_HIST_BUCKETS], now[STATS_HIST_BUCKETS];
	struct gate_quantile q;

	(void)unused;
	for (uint32_t i = 0; i < STATS_HIST_BUCKETS; i++)
		base[i] = now[i] = chance() >> 32; /* of a past that does not count */
	q = gate_quantile(now, base, STATS_HIST_BUCKETS, hist_floor, 0.5);
	assert_true(q.samples == 0 && q.low == 0 && isinf(q.high));
	now[hist_bucket(1000)]++;
	q = gate_quantile(now, base, STATS_HIST_BUCKETS, hist_floor, 0.5);
	assert_true(q.samples == 1 && q.low == 0 && isinf(q.high)); /* one sample is half of nothing */
	now[hist_bucket(1000)] += 98;
	now[hist_bucket(70000)]++;
	q = gate_quantile(now, base, STATS_HIST_BUCKETS, hist_floor, 0.5);
	assert_int_equal(q.samples, 100);
	assert_int_equal(q.low, hist_floor(hist_bucket(1000)));
	assert_int_equal(q.high, hist_floor(hist_bucket(1000) + 1));
	assert_true(q.low <= 1000 && q.high > 1000 && q.high / q.low <= 1.125 + 1e-9);
	q = gate_quantile(now, base, STATS_HIST_BUCKETS, hist_floor, 0.99); /* from below the 99th, from above the last */
	assert_int_equal(q.low, hist_floor(hist_bucket(1000)));
	assert_int_equal(q.high, hist_floor(hist_bucket(70000) + 1));
	now[STATS_HIST_BUCKETS - 1] += 1000; /* which has no end */
	q = gate_quantile(now, base, STATS_HIST_BUCKETS, hist_floor, 0.5);
	assert_true(q.low == (double)hist_floor(STATS_HIST_BUCKETS - 1) && isinf(q.high));
}

/* Two exponentials with the same mean, of any two sizes: `low` above the true quantile and `high` below it in half of
 * the rounds at most, and one above the other in half of them at most. */
static void two_slices_of_one_distribution_are_a_fair_coin_at_best(void **unused)
{
	static const uint32_t sizes[][2] = {{20, 20}, {20, 400}, {400, 20}, {200, 200}, {200, 5000}, {333, 777}};
	static const double quantiles[] = {0.5, 0.99};
	const uint32_t rounds = 1000;
	const double mean = 50000, half = rounds / 2 + 6 * sqrt(rounds) / 2;

	(void)unused;
	for (uint32_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
		for (uint32_t n = 0; n < 2; n++) {
			double q = quantiles[n], truth = -log(1 - q) * mean;
			uint32_t low = 0, high = 0, wins = 0;

			for (uint32_t round = 0; round < rounds; round++) {
				uint64_t none[STATS_HIST_BUCKETS] = {0}, at[2][STATS_HIST_BUCKETS] = {{0}};

				for (uint32_t side = 0; side < 2; side++)
					for (uint32_t i = 0; i < sizes[s][side]; i++)
						at[side][hist_bucket((uint64_t)(-log(1 - chance_unit()) * mean))]++;
				struct gate_quantile c = gate_quantile(at[0], none, STATS_HIST_BUCKETS, hist_floor, q);
				struct gate_quantile k = gate_quantile(at[1], none, STATS_HIST_BUCKETS, hist_floor, q);
				low += c.low > truth;
				high += k.high < truth;
				wins += c.low > k.high;
			}
			assert_true(low <= half && high <= half && wins <= half);
		}
}

static void the_median_is_not_moved_by_the_few_that_were_preempted(void **unused)
{
	uint64_t none[STATS_CYCLES_BUCKETS] = {0}, now[STATS_CYCLES_BUCKETS] = {0};

	(void)unused;
	now[stats_cycles_bucket(40)] = 1000;
	now[stats_cycles_bucket(400000)] = 480;
	struct gate_quantile q = gate_quantile(now, none, STATS_CYCLES_BUCKETS, cycles_floor, 0.5);
	assert_true(q.low <= 40 && q.high > 40 && q.high < 44);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bounds_are_those_of_clopper_and_pearson),
		cmocka_unit_test(a_bound_is_where_what_was_seen_has_its_probability),
		cmocka_unit_test(where_the_exact_bound_ends_the_score_bound_goes_on),
		cmocka_unit_test(bounds_are_missed_as_rarely_as_they_say),
		cmocka_unit_test(the_sign_test_needs_as_many_as_pascals_triangle_says),
		cmocka_unit_test(buckets_of_cycles_are_edge_to_edge),
		cmocka_unit_test(quantiles_are_the_edges_of_their_buckets),
		cmocka_unit_test(two_slices_of_one_distribution_are_a_fair_coin_at_best),
		cmocka_unit_test(the_median_is_not_moved_by_the_few_that_were_preempted),
	};
	const char *seed = getenv("BATON_TEST_SEED");

	chance_state = seed != NULL ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL);
	print_message("test_gate_stats: BATON_TEST_SEED=%#llx\n", (unsigned long long)chance_state);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
