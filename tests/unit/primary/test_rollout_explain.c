/* rollout explain: every figure, from a strategy and facts that are written down here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rollout_explain.h"

static struct config config;
static struct config_rollout rollout;
static struct rollout_facts facts;
static struct rollout_sums sums;

static int make(void **state)
{
	(void)state;
	memset(&config, 0, sizeof(config));
	config.groups = 1;
	strcpy(config.group[0].name, "game");
	config_rollout_default(&config, 0, &rollout);
	/* shadow 10 % 5 min, 1 %, 5 min, 10 %, 50 %, until resumed, 100 %, 10 min */
	static const struct config_step step[] = {
		{ STEP_SHADOW, 100, 300000000000, false, 0 }, { STEP_WEIGHT, 10, 0, false, 0 },
		{ STEP_PAUSE, 0, 300000000000, false, 0 },
		{ STEP_WEIGHT, 100, 0, false, 0 }, { STEP_WEIGHT, 500, 0, false, 0 }, { STEP_PAUSE, 0, 0, false, 0 },
		{ STEP_WEIGHT, 1000, 0, false, 0 }, { STEP_PAUSE, 0, 600000000000, false, 0 },
	};
	memcpy(rollout.step, step, sizeof(step));
	rollout.steps = 8;
	rollout.line = 12;
	facts = (struct rollout_facts){ .buckets = 4096, .workers = 3, .others = 2, .slots = 16, .stall_ns = 20000000,
					.pps = 204800, .players_known = true, .players = 8192 };
	return 0;
}

static void near(double have, double want)
{
	if (fabs(have - want) > 1e-9 * fabs(want) + 1e-12)
		fail_msg("%.12g, not %.12g", have, want);
}

static void exposure_is_counted_in_whole_buckets(void **state)
{
	static const struct { uint32_t permille, buckets, candidates, controls; } want[] = {
		{ 0, 410, 1, 1 }, { 10, 41, 1, 1 }, { 10, 41, 1, 1 }, { 100, 410, 1, 1 },
		{ 500, 2048, 2, 2 }, { 500, 2048, 2, 2 }, { 1000, 4096, 3, 0 }, { 1000, 4096, 3, 0 },
	};

	(void)state;
	rollout_sums(&rollout, &facts, &sums);
	for (uint32_t i = 0; i < rollout.steps; i++) {
		const struct rollout_step_sums *s = &sums.step[i];

		assert_int_equal(s->permille, want[i].permille);
		assert_int_equal(s->buckets, want[i].buckets);
		assert_int_equal(s->candidates, want[i].candidates);
		assert_int_equal(s->controls, want[i].controls);
		near(s->share, want[i].buckets / 4096.0);
		near(s->pps, want[i].buckets * 50.0); /* 50 packets/s a bucket */
		near(s->players, i == 0 ? 0 : want[i].buckets * 2.0); /* a shadow exposes nobody */
	}
	facts.buckets = 16; /* 1 % of 16 is no bucket; a weight has one at least */
	rollout_sums(&rollout, &facts, &sums);
	assert_int_equal(sums.step[1].buckets, 1);
	near(sums.step[1].players, 512);
}

static void times_are_those_of_the_windows(void **state)
{
	(void)state;
	rollout_sums(&rollout, &facts, &sums);
	near(sums.steady_s, 10 + 5 * 3);
	near(sums.slowest_s, 10 + 5 * 5);
	/* 300 + (1 %: the pause judges it) 300 + (10 %: no pause) 15 + (50 %) 0 + 15 + (100 %) 0 + 600 */
	near(sums.fastest_s, 1230);
	near(sums.step[3].least_s, 15);
	near(sums.step[5].least_s, 15);
	assert_int_equal(sums.resumes, 1);
	assert_true(sums.step[5].operator_waits && !sums.step[2].operator_waits);
	rollout.step[2].ns = 1000000000; /* a pause shorter than a window does not end before it */
	rollout_sums(&rollout, &facts, &sums);
	near(sums.step[2].least_s, 15);
	near(sums.fastest_s, 945);
}

static void bad_packets_are_those_until_the_slowest_gate(void **state)
{
	(void)state;
	rollout_sums(&rollout, &facts, &sums);
	near(sums.step[0].bad_packets, 0); /* nobody gets a shadow's replies */
	near(sums.step[1].bad_packets, 41 * 50 * 35.0);
	near(sums.step[6].bad_packets, 204800 * 35.0);
	facts.pps = NAN;
	facts.players_known = false;
	rollout_sums(&rollout, &facts, &sums);
	assert_true(isnan(sums.step[1].bad_packets) && isnan(sums.step[1].players) && !sums.step[1].window_short);
}

static void window_with_too_few_packets_is_told(void **state)
{
	(void)state;
	facts.pps = 19980; /* 41 of 4096 buckets x 5 s: 999.98; a packet a second more is enough */
	rollout_sums(&rollout, &facts, &sums);
	assert_true(sums.step[1].window_short && sums.step[2].window_short && !sums.step[3].window_short);
	facts.pps = 19981;
	rollout_sums(&rollout, &facts, &sums);
	assert_false(sums.step[1].window_short);
}

static void slots_are_those_of_the_widest_step(void **state)
{
	(void)state;
	rollout_sums(&rollout, &facts, &sums);
	assert_int_equal(sums.most_workers, 4);
	assert_int_equal(sums.slots_needed, 3 + 4 + 2);
}

static void expect_line(const json_t *o, const char *want)
{
	const json_t *lines = json_object_get(o, "text");

	for (size_t i = 0; i < json_array_size(lines); i++)
		if (strcmp(json_string_value(json_array_get(lines, i)), want) == 0)
			return;
	char *all = json_dumps(lines, JSON_INDENT(1));
	fail_msg("no line '%s' in %s", want, all);
}

/* Nobody is to find out after the deadline that it could not have been kept. */
static void a_deadline_that_cannot_be_kept_is_said(void **state)
{
	static const char *const said = "(!) the fastest promotion takes longer: raise deadline, or shorten the steps";
	json_t *o;
	char *all;

	(void)state;
	rollout.deadline_ns = 1229ull * 1000000000;
	o = rollout_explain_json(&rollout, &facts);
	expect_line(o, said);
	json_decref(o);
	rollout.deadline_ns = 1231ull * 1000000000;
	o = rollout_explain_json(&rollout, &facts);
	all = json_dumps(o, 0);
	assert_null(strstr(all, said));
	free(all);
	json_decref(o);
}

static void reply_has_figures_and_lines(void **state)
{
	(void)state;
	rollout.cohorts = 3;
	facts.cohort_known = true;
	facts.cohort_buckets = 2;
	facts.cohort_players = 9;
	json_t *o = rollout_explain_json(&rollout, &facts);
	const json_t *steps = json_object_get(o, "steps"), *second = json_array_get(steps, 1);

	assert_int_equal(json_array_size(steps), 8);
	assert_string_equal(json_string_value(json_object_get(second, "kind")), "weight");
	assert_int_equal(json_integer_value(json_object_get(second, "weight")), 10);
	near(json_real_value(json_object_get(second, "bad_packets")), 71750);
	near(json_real_value(json_object_get(o, "fastest_s")), 1230);
	near(json_real_value(json_object_get(json_object_get(o, "rollback"), "slowest_s")), 35);
	near(json_real_value(json_object_get(json_object_get(o, "rollback"), "stall_s")), 0.02);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(o, "cohort"), "others")), 6);
	assert_true(json_is_true(json_object_get(json_object_get(o, "slots"), "enough")));
	expect_line(o, "group game: configured strategy; 4096 buckets, 3 workers, 205k packets/s, 8192 players");
	expect_line(o, "   2  weight 1%                  41     1.00%        82    2050       0 s       71750");
	expect_line(o, "   6  pause until resumed      2048    50.00%      4096    102k      15 s       3584k");
	expect_line(o, "cohort: 3 players in 2 buckets, which come before all others; 6 other players share them");
	expect_line(o, "fastest promotion: 20.5 min, and what operators take");
	expect_line(o, "slowest: 35 s: warmup 10 s + interval 5 s x of_windows 5, if only 3 of them fail");
	expect_line(o, "a crash rolls back at once; a stall once it is found, within 0.02 s of CPU time");
	json_decref(o);
	facts.slots = 8;
	facts.pps = 100;
	o = rollout_explain_json(&rollout, &facts);
	assert_true(json_is_false(json_object_get(json_object_get(o, "slots"), "enough")));
	expect_line(o, "worker slots: 3 workers + 4 of candidate and control + 2 others (groups, standbys, a restart) = "
		    "9 of 8: NOT ENOUGH, raise memory.worker_slots");
	expect_line(o, "(!) step 1: about 50 packets in a window of 5 s, fewer than min_packets (1000): gates neither pass "
		    "nor");
	json_decref(o);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup(test, make)
	const struct CMUnitTest tests[] = {
		T(exposure_is_counted_in_whole_buckets),
		T(times_are_those_of_the_windows),
		T(bad_packets_are_those_until_the_slowest_gate),
		T(window_with_too_few_packets_is_told),
		T(slots_are_those_of_the_widest_step),
		T(a_deadline_that_cannot_be_kept_is_said),
		T(reply_has_figures_and_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
