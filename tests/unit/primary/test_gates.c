/* Gates: each passes, fails, cannot tell and is tried dry; what control has as well; control that is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "gates_rig.h"

static void every_gate_passes_a_candidate_that_is_like_control(void **unused)
{
	(void)unused;
	assert_int_equal(world_windows(10), GATES_PASS);
	assert_int_equal(world.passed, 10);
	assert_others_pass(GATE_COUNT);
	for (uint32_t i = 0; i < GATE_COUNT; i++) {
		assert_int_equal(result(i)->failures, 0);
		assert_string_equal(result(i)->why, "");
		assert_true(result(i)->value <= result(i)->limit);
	}
	assert_float_equal(result(GATE_ERROR_REPLIES)->value, 0.05, 1e-4);
	assert_float_equal(result(GATE_ERROR_REPLIES)->control, 0.05, 1e-4);
	assert_float_equal(result(GATE_ERROR_REPLIES)->limit, 0.06, 1e-4);
}

/* The world's traffic is exact, so the third bad window in a row is the one. */
static void every_gate_fails_a_candidate_that_is_worse_and_no_other_gate_does(void **unused)
{
	for (enum config_gate_id gate = 0; gate < GATE_COUNT; gate++) {
		world_setup(unused);
		assert_int_equal(world_windows(2), GATES_PASS);
		spoil(&world.candidate, gate);
		if (is_count(gate)) {
			assert_int_equal(world_step(1), GATES_FAIL);
		} else {
			/* of slices two of twenty may be the last good ones */
			assert_int_equal(world_windows(2), GATES_INCONCLUSIVE);
			assert_int_equal(result(gate)->verdict, GATE_FAIL);
			assert_int_equal(world_windows(2), GATES_FAIL);
			assert_int_equal(result(gate)->failures, 3);
			assert_true(result(gate)->value > result(gate)->limit);
			assert_true(result(gate)->value > result(gate)->control);
		}
		assert_int_equal(gates_guilty(&world.gates), gate);
		assert_int_equal(result(gate)->verdict, GATE_FAIL);
		assert_true(result(gate)->why[0] != 0);
		assert_others_pass(gate);
	}
}

static void too_little_traffic_is_neither_a_pass_nor_a_failure(void **unused)
{
	for (enum config_gate_id gate = 0; gate < GATE_COUNT; gate++) {
		if (is_count(gate))
			continue;
		world_setup(unused);
		only(gate);
		spoil(&world.candidate, gate);
		world.candidate.packets = world.candidate.compared = 900; /* 18000 a window: very bad ones, but too few */
		assert_int_equal(world_windows(20), GATES_INCONCLUSIVE);
		assert_int_equal(world.inconclusive, 20);
		assert_int_equal(result(gate)->verdict, GATE_INCONCLUSIVE);
		assert_int_equal(result(gate)->failures, 0);
		assert_true(result(gate)->why[0] != 0);
		world.candidate.packets = world.candidate.compared = 2000;
		assert_int_equal(world_windows(20), GATES_FAIL);
	}
}

static void too_little_traffic_of_control_is_no_failure_either(void **unused)
{
	(void)unused;
	spoil(&world.candidate, GATE_DROPS);
	spoil(&world.candidate, GATE_CYCLES);
	world.control.packets = 900;
	assert_int_equal(world_windows(20), GATES_PASS); /* for the shadow's gate has all it needs */
	assert_int_equal(result(GATE_DROPS)->verdict, GATE_INCONCLUSIVE);
	assert_int_equal(result(GATE_CYCLES)->verdict, GATE_INCONCLUSIVE);
	world.candidate.compared = 0;
	assert_int_equal(world_window(), GATES_INCONCLUSIVE);
}

/* A window that passes, then ten that would fail if this gate said so. */
static void pass_though_spoilt(enum config_gate_id gate)
{
	gates_begin(&world.gates, &world.analysis, world.now_ns);
	assert_int_equal(world_window(), GATES_PASS);
	spoil(&world.candidate, gate);
	if (gate == GATE_STALLS)
		world.counts[0].crashes--;
	assert_int_equal(world_windows(10), GATES_PASS);
}

static void a_gate_that_is_dry_says_so_and_fails_nothing(void **unused)
{
	for (enum config_gate_id gate = 0; gate < GATE_COUNT; gate++) {
		world_setup(unused);
		world.analysis.gate[gate].dry_run = true;
		pass_though_spoilt(gate);
		assert_int_equal(world.failed + world.inconclusive, 0);
		assert_int_equal(result(gate)->verdict, GATE_DRY_FAIL);
		assert_true(result(gate)->failures != 0);
		assert_true(result(gate)->why[0] != 0);
	}
}

static void a_gate_that_is_off_is_not_looked_at(void **unused)
{
	for (enum config_gate_id gate = 0; gate < GATE_COUNT; gate++) {
		world_setup(unused);
		world.analysis.gate[gate].on = false;
		pass_though_spoilt(gate);
		assert_int_equal(result(gate)->verdict, GATE_OFF);
	}
}

/* ---- control ---- */

static void what_control_has_as_well_is_not_held_against_the_candidate(void **unused)
{
	(void)unused;
	for (enum config_gate_id gate = 0; gate < GATE_COUNT; gate++) {
		if (is_count(gate) || gate == GATE_SHADOW_DIFF)
			continue;
		spoil(&world.candidate, gate);
		spoil(&world.control, gate);
		/* the machine misses what is wanted, whichever version it runs */
		world.analysis.gate[gate].max = gate < GATE_RESIDENCE_P50 ? 1e-3 : 1;
	}
	world.candidate.differs = world.candidate.noise = 0.2;
	gates_begin(&world.gates, &world.analysis, world.now_ns);
	assert_int_equal(world_windows(20), GATES_PASS);
	assert_others_pass(GATE_COUNT);
}

static void a_max_that_control_keeps_is_held_against_the_candidate(void **unused)
{
	static const struct { enum config_gate_id gate; double max; } limits[] = {
		{GATE_DROPS, 0.002}, {GATE_RESIDENCE_P50, 200e3}, {GATE_RESIDENCE_P99, 4e6}, {GATE_CYCLES, 3000},
	};

	for (uint32_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		world_setup(unused);
		world.analysis.gate[limits[i].gate] = gate_of(limits[i].max, NAN, NAN);
		only(limits[i].gate);
		assert_int_equal(world_windows(5), GATES_PASS);
		spoil(&world.candidate, limits[i].gate);
		assert_int_equal(world_windows(5), GATES_FAIL);
		assert_float_equal(result(limits[i].gate)->limit, limits[i].max, 1e-9);
	}
}

static void shadow_differences_count_above_the_noise_floor(void **unused)
{
	(void)unused;
	only(GATE_SHADOW_DIFF);
	world.candidate.packets = world.control.packets = 0; /* in a shadow step nobody is served by the candidate */
	world.candidate.differs = world.candidate.noise = 0.3; /* time in the replies */
	assert_int_equal(world_windows(20), GATES_PASS);
	world.candidate.differs = 0.32;
	assert_int_equal(world_windows(20), GATES_FAIL);
	/* no noise floor: nothing to subtract, and so nothing to say */
	world_setup(unused);
	only(GATE_SHADOW_DIFF);
	assert_int_equal(world_windows(2), GATES_PASS);
	world.candidate.differs = 0.3;
	world.candidate.noise = 0.3;
	assert_int_equal(world_windows(5), GATES_PASS);
}

static void without_control_its_last_window_stands_for_it(void **unused)
{
	for (enum config_gate_id gate = 0; gate < GATE_COUNT; gate++) {
		world_setup(unused);
		assert_int_equal(world_windows(3), GATES_PASS);
		gates_control_gone(&world.gates);
		gates_begin(&world.gates, &world.analysis, world.now_ns);
		memset(&world.counts[1], 0xff, sizeof(world.counts[1])); /* nobody looks there */
		assert_int_equal(world_windows(10), GATES_PASS);
		assert_others_pass(GATE_COUNT);
		spoil(&world.candidate, gate);
		world.candidate.slow_residence *= gate == GATE_RESIDENCE_P99 ? 2 : 1; /* floors are twice as high */
		assert_int_equal(world_windows(5), GATES_FAIL);
		assert_int_equal(gates_guilty(&world.gates), gate);
	}
}

static void without_any_control_max_is_all_there_is(void **unused)
{
	(void)unused;
	gates_control_gone(&world.gates);
	for (uint32_t i = 0; i < GATE_COUNT; i++) /* ratios, ns, cycles and deaths */
		world.analysis.gate[i].max = i < GATE_RESIDENCE_P50 || i == GATE_SHADOW_DIFF ? 0.1
					     : i < GATE_CYCLES ? 50e6 : 20e3;
	gates_begin(&world.gates, &world.analysis, world.now_ns);
	for (enum config_gate_id gate = 0; gate < GATE_SHADOW_DIFF; gate++) /* whose noise floor is another control */
		spoil(&world.candidate, gate);
	assert_int_equal(world_windows(10), GATES_PASS);
	world.candidate.cycles = 50e3;
	assert_int_equal(world_windows(5), GATES_FAIL);
	assert_int_equal(gates_guilty(&world.gates), GATE_CYCLES);
	assert_true(isnan(result(GATE_CYCLES)->control));
}

static void differences_below_the_floors_do_not_count(void **unused)
{
	(void)unused;
	/* ten times as slow to be woken up, three times as long until it gets its core, lines of another core in each
	 * burst */
	world.candidate.residence = 450e3;
	world.control.residence = 45e3;
	world.candidate.slow_residence = 6e6;
	world.candidate.burst = world.control.burst = 1;
	world.control.cycles = 1500;
	world.candidate.cycles = 4000;
	assert_int_equal(world_windows(20), GATES_PASS);
	assert_others_pass(GATE_COUNT);
}

static void bursts_of_another_size_are_not_other_code(void **unused)
{
	struct traffic busy = good_traffic;

	(void)unused;
	/* the candidate's players come one by one, control's in bursts: a packet alone costs what a burst costs */
	world.candidate.burst = 1;
	world.candidate.cycles = 9000;
	world.control.burst = 32;
	world.control.cycles = 300;
	for (uint32_t i = 0; i < 200; i++)
		world_step(LOOK);
	assert_int_equal(world.failed, 0);
	assert_int_equal(result(GATE_CYCLES)->verdict, GATE_INCONCLUSIVE);
	/* as soon as both have bursts of a size, these are compared */
	busy.burst = 32, busy.cycles = 900;
	for (uint32_t i = 0; i < 200 && world.failed == 0; i++) {
		deal(&busy, &world.counts[0]);
		world_step(LOOK);
	}
	assert_int_equal(world.failed, 1);
	assert_int_equal(gates_guilty(&world.gates), GATE_CYCLES);
}

static void preempted_bursts_do_not_count(void **unused)
{
	(void)unused;
	world.candidate.preempted = 0.3; /* of control none */
	assert_int_equal(world_windows(20), GATES_PASS);
	assert_others_pass(GATE_COUNT);
	assert_true(result(GATE_CYCLES)->value < 2100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_gate_passes_a_candidate_that_is_like_control, world_setup),
		cmocka_unit_test(every_gate_fails_a_candidate_that_is_worse_and_no_other_gate_does),
		cmocka_unit_test(too_little_traffic_is_neither_a_pass_nor_a_failure),
		cmocka_unit_test_setup(too_little_traffic_of_control_is_no_failure_either, world_setup),
		cmocka_unit_test(a_gate_that_is_dry_says_so_and_fails_nothing),
		cmocka_unit_test(a_gate_that_is_off_is_not_looked_at),
		cmocka_unit_test_setup(what_control_has_as_well_is_not_held_against_the_candidate, world_setup),
		cmocka_unit_test(a_max_that_control_keeps_is_held_against_the_candidate),
		cmocka_unit_test_setup(shadow_differences_count_above_the_noise_floor, world_setup),
		cmocka_unit_test(without_control_its_last_window_stands_for_it),
		cmocka_unit_test_setup(without_any_control_max_is_all_there_is, world_setup),
		cmocka_unit_test_setup(differences_below_the_floors_do_not_count, world_setup),
		cmocka_unit_test_setup(bursts_of_another_size_are_not_other_code, world_setup),
		cmocka_unit_test_setup(preempted_bursts_do_not_count, world_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
