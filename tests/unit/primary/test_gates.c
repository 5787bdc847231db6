/* Gates: each passes, fails, cannot tell and is tried dry; windows, warmup, k of n, what is immediate, control that is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "gates_rig.h"

static int begin(void **unused)
{
	(void)unused;
	world_begin();
	return 0;
}

/* What makes the candidate fail a gate, and nothing else. */
static void spoil(struct traffic *t, enum config_gate_id gate)
{
	switch (gate) {
	case GATE_DROPS: t->drops += 0.004; break;
	case GATE_MALFORMED: t->malformed += 0.004; break;
	case GATE_ERROR_REPLIES: t->errors += 0.03; break;
	case GATE_RESIDENCE_P50: t->residence = 1.5e6; break; /* below p99, which is 2 ms */
	case GATE_RESIDENCE_P99: t->slow_residence = 9e6; break;
	case GATE_CYCLES: t->cycles *= 4; break;
	case GATE_SHADOW_DIFF: t->differs += 0.02; break;
	case GATE_CRASHES: world.counts[0].crashes++; break;
	case GATE_STALLS: world.counts[0].stalls++, world.counts[0].crashes++; break;
	default: fail();
	}
}

static bool is_count(enum config_gate_id gate) { return gate == GATE_CRASHES || gate == GATE_STALLS; }

static void only(enum config_gate_id gate)
{
	for (uint32_t i = 0; i < GATE_COUNT; i++)
		world.analysis.gate[i].on = i == gate;
	gates_begin(&world.gates, &world.analysis, world.now_ns);
}

static void assert_others_pass(enum config_gate_id but)
{
	for (uint32_t i = 0; i < GATE_COUNT; i++)
		if (i != but && !(but == GATE_STALLS && i == GATE_CRASHES)) {
			if (result(i)->verdict != GATE_PASS)
				print_message("%s: %s\n", rollout_gate_name(i), result(i)->why);
			assert_int_equal(result(i)->verdict, GATE_PASS);
		}
}

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
		begin(unused);
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
		begin(unused);
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

static void a_gate_that_is_dry_says_so_and_fails_nothing(void **unused)
{
	for (enum config_gate_id gate = 0; gate < GATE_COUNT; gate++) {
		begin(unused);
		world.analysis.gate[gate].dry_run = true;
		gates_begin(&world.gates, &world.analysis, world.now_ns);
		assert_int_equal(world_window(), GATES_PASS);
		spoil(&world.candidate, gate);
		if (gate == GATE_STALLS)
			world.counts[0].crashes--;
		assert_int_equal(world_windows(10), GATES_PASS);
		assert_int_equal(world.failed + world.inconclusive, 0);
		assert_int_equal(result(gate)->verdict, GATE_DRY_FAIL);
		assert_true(result(gate)->failures != 0);
		assert_true(result(gate)->why[0] != 0);
	}
}

static void a_gate_that_is_off_is_not_looked_at(void **unused)
{
	for (enum config_gate_id gate = 0; gate < GATE_COUNT; gate++) {
		begin(unused);
		world.analysis.gate[gate].on = false;
		gates_begin(&world.gates, &world.analysis, world.now_ns);
		assert_int_equal(world_window(), GATES_PASS);
		spoil(&world.candidate, gate);
		if (gate == GATE_STALLS)
			world.counts[0].crashes--;
		assert_int_equal(world_windows(10), GATES_PASS);
		assert_int_equal(result(gate)->verdict, GATE_OFF);
	}
}

/* ---- windows ---- */

static void nothing_counts_before_the_warmup_is_over(void **unused)
{
	(void)unused;
	spoil(&world.candidate, GATE_DROPS);
	spoil(&world.candidate, GATE_CYCLES);
	for (uint64_t t = 0; t < WARMUP; t += LOOK) {
		assert_false(gates_due(&world.gates, world.now_ns));
		assert_int_equal(world_step(LOOK), GATES_WAIT);
	}
	world.candidate = good_traffic;
	assert_int_equal(world_windows(5), GATES_PASS);
	assert_int_equal(result(GATE_DROPS)->failures, 0);
	assert_float_equal(result(GATE_DROPS)->value, 0.001, 1e-5);
}

static void k_of_the_last_n_windows_fail_and_fewer_do_not(void **unused)
{
	(void)unused;
	/* good and bad in turn: never three of five... */
	only(GATE_DROPS);
	for (uint32_t i = 0; i < 30; i++) {
		world.candidate = good_traffic;
		if (i % 5 < 2)
			spoil(&world.candidate, GATE_DROPS);
		assert_int_equal(world_window(), i % 5 < 2 ? GATES_INCONCLUSIVE : GATES_PASS);
		assert_true(result(GATE_DROPS)->failures <= 2);
	}
	/* ... and then three of five */
	for (uint32_t i = 0; i < 4; i++) {
		world.candidate = good_traffic;
		if (i != 2)
			spoil(&world.candidate, GATE_DROPS);
		assert_int_equal(world_window(), i == 3 ? GATES_FAIL : i == 2 ? GATES_PASS : GATES_INCONCLUSIVE);
	}
}

static void inconclusive_windows_are_not_of_the_last_n(void **unused)
{
	(void)unused;
	only(GATE_DROPS);
	spoil(&world.candidate, GATE_DROPS);
	assert_int_equal(world_windows(2), GATES_INCONCLUSIVE);
	world.candidate.packets = 100;
	assert_int_equal(world_windows(50), GATES_INCONCLUSIVE);
	assert_int_equal(result(GATE_DROPS)->failures, 2);
	world.candidate.packets = 2000;
	assert_int_equal(world_window(), GATES_FAIL);
}

static void a_new_weight_begins_with_a_warmup_and_without_failures(void **unused)
{
	(void)unused;
	only(GATE_DROPS);
	spoil(&world.candidate, GATE_DROPS);
	assert_int_equal(world_windows(2), GATES_INCONCLUSIVE);
	gates_begin(&world.gates, &world.analysis, world.now_ns);
	assert_int_equal(result(GATE_DROPS)->verdict, GATE_INCONCLUSIVE);
	assert_int_equal(world_step(WARMUP / 2), GATES_WAIT);
	assert_int_equal(world_windows(2), GATES_INCONCLUSIVE);
	assert_int_equal(world_window(), GATES_FAIL);
}

static void an_immediate_gate_needs_one_window(void **unused)
{
	for (enum config_gate_id gate = 0; gate < GATE_COUNT; gate++) {
		begin(unused);
		world.analysis.gate[gate].immediate = true;
		world.analysis.failure_limit = world.analysis.of = 60;
		only(gate);
		assert_int_equal(world_window(), is_count(gate) ? GATES_INCONCLUSIVE : GATES_PASS);
		spoil(&world.candidate, gate);
		assert_int_equal(world_windows(2), GATES_FAIL);
		assert_int_equal(result(gate)->failures, is_count(gate) ? 1 : world.inconclusive - is_count(gate) + 1);
	}
}

/* ---- at once ---- */

static void a_crash_is_seen_at_once_even_in_the_warmup_and_between_looks(void **unused)
{
	(void)unused;
	world.counts[0].crashes = 7; /* of another rollout */
	assert_int_equal(world_step(1), GATES_WAIT);
	world.counts[1].crashes = 3; /* control's are its own affair */
	assert_int_equal(world_step(1), GATES_WAIT);
	world.counts[0].crashes = 8;
	assert_int_equal(world_step(1), GATES_FAIL);
	assert_int_equal(gates_guilty(&world.gates), GATE_CRASHES);
	begin(unused);
	assert_int_equal(world_windows(2), GATES_PASS);
	assert_int_equal(world_step(1), GATES_WAIT);
	assert_false(gates_due(&world.gates, world.now_ns + 1));
	world.counts[0].crashes++;
	assert_int_equal(gates_poll(&world.gates, world.now_ns + 1, &world.counts[0], &world.counts[1]), GATES_FAIL);
}

static void so_many_crashes_may_be_allowed(void **unused)
{
	(void)unused;
	world.analysis.gate[GATE_CRASHES].max = 2;
	gates_begin(&world.gates, &world.analysis, world.now_ns);
	assert_int_equal(world_step(1), GATES_WAIT);
	for (uint32_t i = 1; i <= 3; i++) {
		world.counts[0].crashes++;
		assert_int_equal(world_step(1), i == 3 ? GATES_FAIL : GATES_WAIT);
	}
}

static void a_malformed_storm_does_not_wait_for_its_window(void **unused)
{
	(void)unused;
	assert_int_equal(world_windows(2), GATES_PASS);
	world.candidate.malformed = 0.9;
	assert_int_equal(world_step(LOOK), GATES_FAIL);
	assert_int_equal(gates_guilty(&world.gates), GATE_MALFORMED);
	assert_non_null(strstr(result(GATE_MALFORMED)->why, "storm"));
	/* nor for min_packets */
	begin(unused);
	world.candidate.packets = 200;
	assert_int_equal(world_windows(2), GATES_PASS);
	world.candidate.malformed = 0.9;
	for (uint32_t i = 0; i < GATE_SLICES / 2; i++)
		world_step(LOOK);
	assert_int_equal(gates_guilty(&world.gates), GATE_MALFORMED);
}

static void a_storm_that_control_has_as_well_is_the_players(void **unused)
{
	(void)unused;
	assert_int_equal(world_windows(2), GATES_PASS);
	world.candidate.malformed = world.control.malformed = 0.9;
	assert_int_equal(world_windows(20), GATES_PASS);
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
		begin(unused);
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
	begin(unused);
	only(GATE_SHADOW_DIFF);
	assert_int_equal(world_windows(2), GATES_PASS);
	world.candidate.differs = 0.3;
	world.candidate.noise = 0.3;
	assert_int_equal(world_windows(5), GATES_PASS);
}

static void without_control_its_last_window_stands_for_it(void **unused)
{
	for (enum config_gate_id gate = 0; gate < GATE_COUNT; gate++) {
		begin(unused);
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
	for (uint32_t i = 0; i < GATE_COUNT; i++)
		world.analysis.gate[i].max = i < GATE_RESIDENCE_P50 || i == GATE_SHADOW_DIFF ? 0.1 : i < GATE_CYCLES ? 50e6 : 20e3;
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
	/* ten times as slow to be woken up, three times as long until it gets its core, lines of another core in each burst */
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

/* ---- counts that make no sense ---- */

static void a_count_that_goes_back_voids_its_window(void **unused)
{
	(void)unused;
	assert_int_equal(world_windows(2), GATES_PASS);
	for (uint32_t i = 0; i < 40; i++) {
		enum gates_say say;

		/* now one side's, now the other's, now of packets, now of a bucket */
		if (i % 8 == 0)
			world.counts[i / 8 % 2].packets /= 2;
		if (i % 8 == 4)
			memset(world.counts[i / 8 % 2].residence, 0, sizeof(world.counts[0].residence));
		say = world_step(LOOK);
		assert_int_equal(say, GATES_WAIT);
	}
	assert_int_equal(world_windows(4), GATES_PASS);
	assert_others_pass(GATE_COUNT);
	/* fewer crashes than before are none */
	world.counts[0].crashes = 5;
	gates_begin(&world.gates, &world.analysis, world.now_ns);
	assert_int_equal(world_step(1), GATES_WAIT);
	world.counts[0].crashes = 0;
	assert_int_equal(world_step(1), GATES_WAIT);
	world.counts[0].crashes = 1;
	assert_int_equal(world_step(1), GATES_FAIL);
}

static void a_group_without_traffic_is_inconclusive_for_ever(void **unused)
{
	(void)unused;
	world.candidate.packets = world.candidate.compared = world.control.packets = world.control.compared = 0;
	world.analysis.min_packets = 0;
	gates_begin(&world.gates, &world.analysis, world.now_ns);
	assert_int_equal(world_windows(100), GATES_INCONCLUSIVE);
	assert_int_equal(world.inconclusive, 100);
}

static void nonsense_in_the_configuration_has_a_meaning(void **unused)
{
	(void)unused;
	world.analysis.interval_ns = world.analysis.warmup_ns = 0;
	world.analysis.failure_limit = world.analysis.of = 0;
	world.analysis.gate[GATE_CRASHES].max = NAN;
	gates_begin(&world.gates, &world.analysis, world.now_ns);
	assert_int_equal(world_step(1), GATES_WAIT);
	world.analysis.of = 1000;
	gates_begin(&world.gates, &world.analysis, world.now_ns);
	assert_int_equal(world_step(1), GATES_WAIT);
	assert_int_equal(gates_result(&world.gates, GATE_COUNT)->verdict, GATE_OFF);
	world.counts[0].crashes++;
	assert_int_equal(world_step(1), GATES_FAIL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_gate_passes_a_candidate_that_is_like_control, begin),
		cmocka_unit_test(every_gate_fails_a_candidate_that_is_worse_and_no_other_gate_does),
		cmocka_unit_test(too_little_traffic_is_neither_a_pass_nor_a_failure),
		cmocka_unit_test_setup(too_little_traffic_of_control_is_no_failure_either, begin),
		cmocka_unit_test(a_gate_that_is_dry_says_so_and_fails_nothing),
		cmocka_unit_test(a_gate_that_is_off_is_not_looked_at),
		cmocka_unit_test_setup(nothing_counts_before_the_warmup_is_over, begin),
		cmocka_unit_test_setup(k_of_the_last_n_windows_fail_and_fewer_do_not, begin),
		cmocka_unit_test_setup(inconclusive_windows_are_not_of_the_last_n, begin),
		cmocka_unit_test_setup(a_new_weight_begins_with_a_warmup_and_without_failures, begin),
		cmocka_unit_test(an_immediate_gate_needs_one_window),
		cmocka_unit_test_setup(a_crash_is_seen_at_once_even_in_the_warmup_and_between_looks, begin),
		cmocka_unit_test_setup(so_many_crashes_may_be_allowed, begin),
		cmocka_unit_test_setup(a_malformed_storm_does_not_wait_for_its_window, begin),
		cmocka_unit_test_setup(a_storm_that_control_has_as_well_is_the_players, begin),
		cmocka_unit_test_setup(what_control_has_as_well_is_not_held_against_the_candidate, begin),
		cmocka_unit_test(a_max_that_control_keeps_is_held_against_the_candidate),
		cmocka_unit_test_setup(shadow_differences_count_above_the_noise_floor, begin),
		cmocka_unit_test(without_control_its_last_window_stands_for_it),
		cmocka_unit_test_setup(without_any_control_max_is_all_there_is, begin),
		cmocka_unit_test_setup(differences_below_the_floors_do_not_count, begin),
		cmocka_unit_test_setup(bursts_of_another_size_are_not_other_code, begin),
		cmocka_unit_test_setup(preempted_bursts_do_not_count, begin),
		cmocka_unit_test_setup(a_count_that_goes_back_voids_its_window, begin),
		cmocka_unit_test_setup(a_group_without_traffic_is_inconclusive_for_ever, begin),
		cmocka_unit_test_setup(nonsense_in_the_configuration_has_a_meaning, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
