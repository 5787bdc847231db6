/* Gates: windows, warmup, k of n; what does not wait for a window; counts that make no sense. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "gate_stats.h"
#include "gates_rig.h"

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
		world_setup(unused);
		world.analysis.gate[gate].immediate = true;
		world.analysis.failure_limit = world.analysis.of = 60;
		only(gate);
		assert_int_equal(world_window(), is_count(gate) ? GATES_INCONCLUSIVE : GATES_PASS);
		spoil(&world.candidate, gate);
		assert_int_equal(world_windows(2), GATES_FAIL);
		assert_int_equal(result(gate)->failures, is_count(gate) ? 1 : world.inconclusive - is_count(gate) + 1);
	}
}

/* ---- judged at all ---- */

static void a_gate_has_passed_once_it_was_judged_and_did_the_last_time(void **unused)
{
	static const struct { enum config_gate_id gate; uint64_t need; const char *what; } want[] = {
		{ GATE_DROPS, 20000, "packets" }, { GATE_RESIDENCE_P50, 200, "measured packets" },
		{ GATE_RESIDENCE_P99, 2000, "measured packets" }, { GATE_CYCLES, 100, "bursts" },
		{ GATE_SHADOW_DIFF, 20000, "compared" },
	};

	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		enum config_gate_id gate = want[i].gate;

		world_setup(unused);
		only(gate);
		assert_false(result(gate)->passed);
		assert_int_equal(result(gate)->need, want[i].need);
		assert_string_equal(gate_measure(gate), want[i].what);
		world.candidate.packets = world.candidate.compared = 900; /* 18000 a window, of 20000 */
		assert_int_equal(world_windows(3), GATES_INCONCLUSIVE);
		assert_false(result(gate)->passed);
		assert_int_equal(result(gate)->have, 18000);
		assert_int_equal(result(gate)->need, 20000);
		world.candidate = good_traffic;
		assert_int_equal(world_windows(2), GATES_PASS);
		assert_true(result(gate)->passed);
		world.candidate.packets = world.candidate.compared = 900; /* says nothing against it */
		assert_int_equal(world_window(), GATES_INCONCLUSIVE);
		assert_true(result(gate)->passed);
		world.candidate = good_traffic;
		spoil(&world.candidate, gate);
		assert_int_equal(world_windows(2), GATES_INCONCLUSIVE);
		assert_false(result(gate)->passed);
		world.candidate = good_traffic;
		gates_begin(&world.gates, &world.analysis, world.now_ns); /* another weight */
		assert_false(result(gate)->passed);
		assert_int_equal(result(gate)->have, 0);
	}
}

/* Few packets, which are enough for ratios, and no more: p99 goes on over several windows, and says how far it is. */
static void slices_go_on_over_windows_and_say_how_far_they_are(void **unused)
{
	(void)unused;
	world.analysis.min_packets = 100;
	gates_begin(&world.gates, &world.analysis, world.now_ns);
	world.candidate.packets = world.control.packets = 20; /* 400 a window */
	for (uint64_t i = 1; i <= 4; i++) {
		assert_int_equal(world_window(), GATES_PASS);
		assert_true(result(GATE_DROPS)->passed);
		assert_false(result(GATE_RESIDENCE_P99)->passed);
		assert_int_equal(result(GATE_RESIDENCE_P99)->have, 400 * i);
	}
	assert_int_equal(world_window(), GATES_PASS);
	assert_true(result(GATE_RESIDENCE_P99)->passed);
	assert_others_pass(GATE_COUNT);
}

/* Above 50 % bursts are longer than any that control had: they are held against its longest. */
static void longer_bursts_than_control_had_are_judged(void **unused)
{
	for (uint32_t bad = 0; bad < 2; bad++) {
		world_setup(unused);
		only(GATE_CYCLES);
		assert_int_equal(world_windows(2), GATES_PASS);
		gates_control_gone(&world.gates);
		gates_begin(&world.gates, &world.analysis, world.now_ns);
		world.candidate.burst = 32;
		world.candidate.cycles = bad ? 20000 : 1900;
		assert_int_equal(world_windows(4), bad ? GATES_FAIL : GATES_PASS);
		assert_true(result(GATE_CYCLES)->passed == !bad);
		assert_true(gates_comparable(&world.gates, GATE_CYCLES));
	}
	gates_control_back(&world.gates);
	assert_true(gates_comparable(&world.gates, GATE_CYCLES));
	gates_control_gone(&world.gates);
	assert_false(gates_comparable(&world.gates, GATE_CYCLES)); /* nothing of control is known */
	world.gates.analysis.gate[GATE_CYCLES].max = 100;
	assert_true(gates_comparable(&world.gates, GATE_CYCLES));
	assert_int_equal(gate_sign_needed(GATE_SLICES_LEAST, GATE_ALPHA), GATE_SLICES_LEAST);
	assert_true(gate_sign_needed(GATE_SLICES_LEAST - 1, GATE_ALPHA) > GATE_SLICES_LEAST - 1);
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
	world_setup(unused);
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
	world_setup(unused);
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
		cmocka_unit_test_setup(nothing_counts_before_the_warmup_is_over, world_setup),
		cmocka_unit_test_setup(k_of_the_last_n_windows_fail_and_fewer_do_not, world_setup),
		cmocka_unit_test_setup(inconclusive_windows_are_not_of_the_last_n, world_setup),
		cmocka_unit_test_setup(a_new_weight_begins_with_a_warmup_and_without_failures, world_setup),
		cmocka_unit_test(an_immediate_gate_needs_one_window),
		cmocka_unit_test(a_gate_has_passed_once_it_was_judged_and_did_the_last_time),
		cmocka_unit_test_setup(slices_go_on_over_windows_and_say_how_far_they_are, world_setup),
		cmocka_unit_test(longer_bursts_than_control_had_are_judged),
		cmocka_unit_test_setup(a_crash_is_seen_at_once_even_in_the_warmup_and_between_looks, world_setup),
		cmocka_unit_test_setup(so_many_crashes_may_be_allowed, world_setup),
		cmocka_unit_test_setup(a_malformed_storm_does_not_wait_for_its_window, world_setup),
		cmocka_unit_test_setup(a_storm_that_control_has_as_well_is_the_players, world_setup),
		cmocka_unit_test_setup(a_count_that_goes_back_voids_its_window, world_setup),
		cmocka_unit_test_setup(a_group_without_traffic_is_inconclusive_for_ever, world_setup),
		cmocka_unit_test_setup(nonsense_in_the_configuration_has_a_meaning, world_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
