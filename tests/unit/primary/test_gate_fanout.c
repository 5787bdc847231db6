/* Fan-out: what a candidate posts and sends against what its packets, messages and ticks explain. BATON_TEST_SEED=n
 * repeats a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <time.h>

#include "gate_stats.h"
#include "gates_rig.h"

static const enum config_gate_id both[] = { GATE_MESSAGES, GATE_SENDS };

/* The world with gates of fan-out alone, and the group's other workers like control. */
static struct traffic at_large;

static void begin(void)
{
	world_begin();
	for (uint32_t g = 0; g < GATE_COUNT; g++)
		world.analysis.gate[g].on = g == GATE_MESSAGES || g == GATE_SENDS;
	at_large = good_traffic;
	gates_begin(&world.gates, &world.analysis, world.now_ns);
}

static enum gates_say windows(uint32_t count)
{
	enum gates_say say = GATES_WAIT;

	for (uint32_t looks = 0; count != 0 && say != GATES_FAIL; looks++) {
		assert_true(looks < 10000);
		deal_fanout(&at_large, &world.counts[1].at_large);
		say = world_step(LOOK);
		count -= say != GATES_WAIT;
	}
	return say;
}

/* ---- the bounds ---- */

static double poisson_below(uint64_t events, double mean) /* P(X <= events) */
{
	double sum = 0;

	for (uint64_t i = 0; i <= events; i++)
		sum += exp(-mean + (double)i * log(mean) - lgamma((double)i + 1));
	return sum;
}

static void a_count_bounds_its_mean_in_half_of_all_cases(void **unused)
{
	(void)unused;
	assert_float_equal(gate_count_low(0), 0, 0);
	for (uint64_t n = 0; n < 400; n = n < 20 ? n + 1 : n * 3 / 2) {
		assert_float_equal(poisson_below(n, gate_count_high(n)), 0.5, 0.008);
		if (n > 0)
			assert_float_equal(1 - poisson_below(n - 1, gate_count_low(n)), 0.5, 0.008);
		assert_true(gate_count_low(n) <= (double)n && (double)n < gate_count_high(n));
	}
}

/* ---- either way ---- */

static void three_times_as_much_is_too_much_and_a_third_too_little(void **unused)
{
	static const struct { double posts, sends; enum config_gate_id guilty; const char *why; } cases[] = {
		{ 0.6 * 4, 0.3, GATE_MESSAGES, "above the limit" }, { 0, 0.3, GATE_MESSAGES, "below the limit" },
		{ 0.6, 0.3 + 2.5, GATE_SENDS, "above the limit" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin();
		assert_int_equal(windows(3), GATES_PASS);
		assert_float_equal(result(GATE_MESSAGES)->value, 0.7, 0.01);
		assert_float_equal(result(GATE_SENDS)->value, 0.8, 0.01);
		world.candidate.posts = cases[i].posts;
		world.candidate.sends = cases[i].sends;
		assert_int_equal(windows(4), GATES_FAIL);
		assert_int_equal(gates_guilty(&world.gates), cases[i].guilty);
		assert_non_null(strstr(result(cases[i].guilty)->why, cases[i].why));
		assert_int_equal(result(cases[i].guilty == GATE_SENDS ? GATE_MESSAGES : GATE_SENDS)->verdict, GATE_PASS);
	}
	/* ticks alone: none of their packets are sent any more */
	begin();
	world.candidate.sends = world.control.sends = at_large.sends = 0.05;
	assert_int_equal(windows(3), GATES_PASS);
	world.candidate.tick_sends = 0;
	assert_int_equal(windows(4), GATES_FAIL);
	assert_non_null(strstr(result(GATE_SENDS)->why, "below"));
	assert_true(result(GATE_SENDS)->value < result(GATE_SENDS)->limit);
}

static void twice_as_much_is_no_flood_nor_is_many_times_little(void **unused)
{
	(void)unused;
	begin();
	world.candidate.posts *= 2;
	world.candidate.tick_sends *= 2;
	assert_int_equal(windows(20), GATES_PASS);
	begin();
	world.candidate.posts = 0.2;
	world.control.posts = at_large.posts = 0.01;
	world.candidate.messages = world.control.messages = at_large.messages = 0;
	assert_int_equal(windows(20), GATES_PASS);
	assert_int_equal(world.passed, 20);
}

static void thresholds_are_a_packet_and_as_they_are_written(void **unused)
{
	(void)unused;
	for (uint32_t g = 0; g < 2; g++)
		for (uint32_t absolute = 0; absolute < 2; absolute++) {
			begin();
			world.analysis.gate[both[g]] = absolute ? gate_of(1.5, NAN, NAN) : gate_of(NAN, 0.7, NAN);
			only(both[g]);
			assert_int_equal(windows(5), GATES_PASS);
			assert_float_equal(result(both[g])->limit, 1.45, 0.1);
			world.candidate.posts += 1;
			world.candidate.sends += 1;
			assert_int_equal(windows(5), GATES_FAIL);
			assert_float_equal(result(both[g])->value, 1.75, 0.1);
		}
}

/* ---- what explains it ---- */

/* A busy cell: five times the messages of players who are others', whose ticks send as much more. */
static void what_comes_of_others_messages_is_not_held_against_it(void **unused)
{
	(void)unused;
	begin();
	world.candidate.messages = 5 * good_traffic.messages > 1 ? 1 : 5 * good_traffic.messages;
	world.control.messages = at_large.messages = 0.2;
	world.candidate.tick_sends = 4;
	assert_int_equal(windows(20), GATES_PASS);
	world.candidate.hits = 0.95; /* but for what it makes of one */
	world.candidate.messages = 1;
	world.candidate.hits = 4;
	assert_int_equal(windows(5), GATES_FAIL);
}

/* Control has no cell that anybody is in; the group has, at the rate that the candidate has. */
static void what_control_lacks_by_chance_the_others_explain(void **unused)
{
	(void)unused;
	begin();
	world.candidate.tick_sends = 3;
	at_large.tick_sends = 3;
	world.control.tick_sends = 0;
	assert_int_equal(windows(20), GATES_PASS);
	at_large.tick_sends = 0;
	assert_int_equal(windows(5), GATES_FAIL);
	assert_int_equal(gates_guilty(&world.gates), GATE_SENDS);
	/* nor is it too few that the candidate lacks one */
	begin();
	world.control.tick_sends = 3;
	at_large.tick_sends = 0;
	world.candidate.tick_sends = 0;
	assert_int_equal(windows(20), GATES_PASS);
}

/* Above 50 %: more buckets, more ticks, no more packets a second than the bots have. */
static void without_control_the_rates_of_its_last_window_stand(void **unused)
{
	(void)unused;
	for (uint32_t bad = 0; bad < 3; bad++) {
		begin();
		assert_int_equal(windows(3), GATES_PASS);
		gates_control_gone(&world.gates);
		gates_begin(&world.gates, &world.analysis, world.now_ns);
		memset(&world.counts[1], 0xff, sizeof(world.counts[1]));
		world.candidate.bucket_ticks *= 4;
		world.candidate.posts *= bad == 1 ? 4 : 1;
		world.candidate.tick_sends *= bad == 2 ? 4 : 1;
		assert_int_equal(windows(5), bad ? GATES_FAIL : GATES_PASS);
		if (bad)
			assert_int_equal(gates_guilty(&world.gates), bad == 1 ? GATE_MESSAGES : GATE_SENDS);
	}
	/* there has never been one: max is all there is */
	begin();
	gates_control_gone(&world.gates);
	world.candidate.posts = 4;
	world.analysis.gate[GATE_SENDS].max = 100;
	gates_begin(&world.gates, &world.analysis, world.now_ns);
	assert_false(gates_comparable(&world.gates, GATE_MESSAGES));
	assert_int_equal(windows(5), GATES_PASS);
	assert_true(isnan(result(GATE_MESSAGES)->control));
	world.analysis.gate[GATE_MESSAGES].max = 3;
	gates_begin(&world.gates, &world.analysis, world.now_ns);
	assert_true(gates_comparable(&world.gates, GATE_MESSAGES));
	assert_int_equal(windows(5), GATES_FAIL);
}

/* ---- windows ---- */

static void slices_go_on_over_windows_until_there_are_packets_enough(void **unused)
{
	(void)unused;
	begin();
	world.analysis.min_packets = 100;
	gates_begin(&world.gates, &world.analysis, world.now_ns);
	assert_int_equal(result(GATE_SENDS)->need, 500);
	assert_string_equal(gate_measure(GATE_SENDS), "packets");
	world.candidate.packets = world.control.packets = 10; /* 200 a window */
	for (uint32_t i = 1; i <= 2; i++) {
		assert_int_equal(windows(1), GATES_INCONCLUSIVE);
		assert_false(result(GATE_SENDS)->passed);
		assert_int_equal(result(GATE_SENDS)->have, 200 * i);
	}
	assert_int_equal(windows(1), GATES_PASS);
	assert_true(result(GATE_SENDS)->passed && result(GATE_MESSAGES)->passed);
}

static void a_count_at_large_that_goes_back_voids_its_window(void **unused)
{
	(void)unused;
	begin();
	assert_int_equal(windows(2), GATES_PASS);
	for (uint32_t i = 0; i < 40; i++) {
		world.counts[1].at_large.sent[CAUSE_TICK] = i % 2 ? 0 : 1000000000;
		assert_int_equal(world_step(LOOK), GATES_WAIT);
	}
	assert_int_equal(windows(3), GATES_PASS);
}

/* ---- chance ---- */

static uint64_t clusters(double mean, uint32_t largest) /* events: a Poisson number of clusters, each of any size */
{
	uint64_t sum = 0;

	for (double p = chance_unit(); p > exp(-mean); p *= chance_unit())
		sum += 1 + chance() % largest;
	return sum;
}

/* Fights and crowds: in each slice of 60 packets a few clusters, of either side as many as chance has it. */
static void deal_clusters(struct gate_fanout *f, double mean)
{
	f->causes[CAUSE_PACKET] += 60;
	f->causes[CAUSE_MESSAGE] += 30;
	f->causes[CAUSE_TICK] += 100;
	f->posted[CAUSE_PACKET] += clusters(mean, 32);
	f->posted[CAUSE_MESSAGE] += clusters(mean, 4);
	f->sent[CAUSE_PACKET] += clusters(mean, 4);
	f->sent[CAUSE_TICK] += clusters(mean / 2, 200);
}

static uint32_t failed_of(uint32_t count, double times)
{
	uint32_t failed = 0;

	world.candidate.packets = world.control.packets = at_large.packets = 0;
	world.candidate.bucket_ticks = world.control.bucket_ticks = at_large.bucket_ticks = 0;
	while (count != 0) {
		double moment = 1 + 8 * chance_unit(); /* for all of them */

		world.counts[0].packets += 60, world.counts[1].packets += 60;
		deal_clusters(&world.counts[0].fanout, times * moment);
		deal_clusters(&world.counts[1].fanout, moment);
		deal_clusters(&world.counts[1].at_large, moment);
		if (world_step(LOOK) == GATES_WAIT)
			continue;
		count--;
		failed += result(GATE_MESSAGES)->verdict == GATE_FAIL || result(GATE_SENDS)->verdict == GATE_FAIL;
	}
	return failed;
}

static void clusters_of_one_distribution_fail_as_rarely_as_is_said(void **unused)
{
	const uint32_t count = 2000;
	double mean = 4 * count * GATE_ALPHA; /* two gates, either way */

	(void)unused;
	begin();
	world.analysis.min_packets = 100;
	world.analysis.warmup_ns = 0;
	world.analysis.gate[GATE_MESSAGES] = world.analysis.gate[GATE_SENDS] = gate_of(NAN, NAN, 1);
	gates_begin(&world.gates, &world.analysis, world.now_ns);
	assert_true(failed_of(count, 1) <= mean + 5 * sqrt(mean)); /* 22 of 2000 */
}

/* As shipped: nothing in the way of a good one, nearly every window of a bad one. */
static void clusters_hide_no_flood(void **unused)
{
	(void)unused;
	begin();
	world.analysis.min_packets = 100;
	world.analysis.warmup_ns = 0;
	gates_begin(&world.gates, &world.analysis, world.now_ns);
	assert_int_equal(failed_of(1000, 1), 0); /* nor did any of 150,000 */
	failed_of(1, 8); /* slices of both */
	/* A window that is quiet by chance says nothing; the next one does. 98 was the fewest of 150 seeds. */
	assert_in_range(failed_of(100, 8), 90, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_count_bounds_its_mean_in_half_of_all_cases),
		cmocka_unit_test(three_times_as_much_is_too_much_and_a_third_too_little),
		cmocka_unit_test(twice_as_much_is_no_flood_nor_is_many_times_little),
		cmocka_unit_test(thresholds_are_a_packet_and_as_they_are_written),
		cmocka_unit_test(what_comes_of_others_messages_is_not_held_against_it),
		cmocka_unit_test(what_control_lacks_by_chance_the_others_explain),
		cmocka_unit_test(without_control_the_rates_of_its_last_window_stand),
		cmocka_unit_test(slices_go_on_over_windows_until_there_are_packets_enough),
		cmocka_unit_test(a_count_at_large_that_goes_back_voids_its_window),
		cmocka_unit_test(clusters_of_one_distribution_fail_as_rarely_as_is_said),
		cmocka_unit_test(clusters_hide_no_flood),
	};
	const char *seed = getenv("BATON_TEST_SEED");

	chance_state = seed != NULL ? strtoull(seed, NULL, 0) : (uint64_t)time(NULL);
	print_message("test_gate_fanout: BATON_TEST_SEED=%#llx\n", (unsigned long long)chance_state);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
