/* What a rollout waits for, and what it does not: gates of a pause that an operator ends, nothing where nobody has the
 * candidate, nothing when players sleep. And whether it says so. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>

#include "shadow_rig.h"

static void gates_of(uint32_t count, const struct config_step *step)
{
	struct config_analysis *a = &rig.primary->config.rollout[0].analysis;

	plan(count, step);
	for (uint32_t i = 0; i < GATE_COUNT; i++)
		a->gate[i] = (struct config_gate){ .max = NAN, .max_delta = NAN, .max_ratio = NAN };
	a->interval_ns = 20000000;
	a->min_packets = 100;
	a->failure_limit = a->of = 2;
	a->gate[GATE_DROPS].on = a->gate[GATE_SHADOW_DIFF].on = true;
	a->gate[GATE_DROPS].max_delta = a->gate[GATE_SHADOW_DIFF].max_delta = 0.001;
}

static bool handled(uint64_t dropped)
{
	for (uint32_t i = 0; i < sup()->workers; i++) {
		const struct worker *w = rig_worker(i);

		if (w->slot == SLOT_NONE || w->role == ROLE_STABLE)
			continue;
		rig.primary->stats.slot[w->slot].packets += 200;
		rig.primary->stats.slot[w->slot].refused += w->role == ROLE_CANDIDATE ? dropped : 0;
	}
	return true;
}

static void windows(uint32_t more)
{
	uint32_t before = rollout_gates_windows(r());

	wait_until(rollout_gates_windows(r()) >= before + more || r()->at != AT_PAUSE);
}

/* `resume` ends the pause, and is no word on what nobody has looked at: that is `promote`. */
static void who_resumes_waits_for_the_gates_all_the_same(void **unused)
{
	struct rollout_order o = order(NULL);

	(void)unused;
	gates_of(5, weights);
	start("r2.so");
	until_pause(100);
	assert_true(ok(rollout_resume(rig.primary, &o)));
	windows(3);
	assert_int_equal(r()->at, AT_PAUSE);
	assert_int_equal(r()->weight, 100);
	assert_non_null(strstr(r()->why, "the pause is over, but the weight stays"));
	assert_non_null(strstr(r()->why, "drop_ratio: 0 of 100 packets"));
	json_t *row = rollout_row(sup(), r());
	assert_true(json_is_number(json_object_get(row, "until"))); /* it is no operator who is waited for */
	json_decref(row);
	wait_until(handled(0) && (r()->weight == 500 || r()->at == AT_DEGRADED));
	assert_int_equal(r()->weight, 500);
	until_pause(500);
	assert_true(ok(rollout_promote(rig.primary, &o)));
	wait_until(r()->weight == 1000);
}

/* All has been judged, and has passed; then nobody plays. */
static void a_window_without_players_takes_nothing_back(void **unused)
{
	struct rollout_order o = order(NULL);

	(void)unused;
	gates_of(5, weights);
	start("r2.so");
	until_pause(100);
	wait_until(handled(0) && rollout_gates_windows(r()) >= 3);
	windows(3);
	assert_true(ok(rollout_resume(rig.primary, &o)));
	wait_until(r()->weight == 500 || r()->why[0] || r()->at == AT_DEGRADED);
	assert_string_equal(r()->why, "");
	until_pause(500);
	assert_true(ok(rollout_resume(rig.primary, &o))); /* but it has not been judged at this weight */
	windows(3);
	assert_int_equal(r()->weight, 500);
	assert_non_null(strstr(r()->why, "the weight stays"));
}

/* on_failure: pause. He has paused it himself, and is told all the same. */
static void a_gate_that_fails_in_an_operators_pause_is_named(void **unused)
{
	struct rollout_order o = order(NULL);

	(void)unused;
	gates_of(5, weights);
	rig.primary->config.rollout[0].pause_on_failure = true;
	start("r2.so");
	until_pause(100);
	assert_true(ok(rollout_pause(rig.primary, &o)));
	assert_non_null(strstr(r()->why, "paused by"));
	wait_until(handled(40) && (r()->fired.gate[0] || r()->at == AT_DEGRADED));
	assert_true(r()->paused);
	assert_non_null(strstr(r()->why, "gate drop_ratio: "));
	assert_true(ok(rollout_pause(rig.primary, &o))); /* that is still why */
	assert_non_null(strstr(r()->why, "gate drop_ratio: "));
	assert_true(ok(rollout_resume(rig.primary, &o)));
	assert_string_equal(r()->why, "");
	assert_false(r()->paused);
	wait_until(handled(40) && (r()->paused || r()->at == AT_DEGRADED)); /* and again */
	assert_non_null(strstr(r()->why, "gate drop_ratio: "));
	assert_int_equal(owned_by_role(ROLE_CANDIDATE, 0), 6);
}

static void a_pause_before_the_first_weight_waits_for_no_gate(void **unused)
{
	static const struct config_step first[] = {
		{ .kind = STEP_PAUSE, .ns = 1000000 }, { .kind = STEP_WEIGHT, .permille = 1000 },
	};

	(void)unused;
	gates_of(2, first);
	start("r2.so");
	wait_until(r()->weight == 1000 || r()->why[0] || r()->at == AT_DEGRADED);
	assert_string_equal(r()->why, "");
	assert_int_equal(r()->weight, 1000);
}

static void a_pause_after_a_shadow_waits_for_no_gate(void **unused)
{
	static const struct config_step after[] = {
		{ .kind = STEP_SHADOW, .permille = 500, .ns = 3600000000000ull }, { .kind = STEP_PAUSE, .ns = 1000000 },
		{ .kind = STEP_WEIGHT, .permille = 1000 },
	};
	struct rollout_order o = order(NULL);

	(void)unused;
	gates_of(3, after);
	rig.primary->config.rollout[0].analysis.gate[GATE_DROPS].max = 0.5; /* it takes no control to be judged */
	to_on();
	assert_true(ok(rollout_promote(rig.primary, &o)));
	wait_until(r()->weight == 1000 || r()->why[0] || r()->at == AT_DEGRADED);
	assert_string_equal(r()->why, "");
	assert_int_equal(r()->weight, 1000);
}

#undef TEST
#define TEST(claim) cmocka_unit_test_setup_teardown(claim, begin, end_rollouts)

/* Whoever has its one bucket has everything: there is nobody to compare with, and none is waited for. */
static void a_group_of_one_bucket_waits_for_no_control(void **unused)
{
	static const struct config_step two[] = { { .kind = STEP_WEIGHT, .permille = 100 },
						  { .kind = STEP_WEIGHT, .permille = 1000 } };

	(void)unused;
	gates_of(2, two);
	for (uint32_t s = 0; s < rig.primary->config.services; s++)
		rig.primary->config.service[s].buckets = 1;
	start("r2.so");
	wait_until(r()->want == 1000 || rollout_gates_windows(r()) >= 5);
	assert_int_equal(r()->want, 1000);
	assert_int_equal(rollout_count(sup(), 0, ROLE_CONTROL), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(who_resumes_waits_for_the_gates_all_the_same),
		TEST(a_window_without_players_takes_nothing_back),
		TEST(a_gate_that_fails_in_an_operators_pause_is_named),
		TEST(a_pause_before_the_first_weight_waits_for_no_gate),
		TEST(a_pause_after_a_shadow_waits_for_no_gate),
		TEST(a_group_of_one_bucket_waits_for_no_control),
	};

	fake_zygote_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
