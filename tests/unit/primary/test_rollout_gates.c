/* What follows of what a rollout's gates say, on the supervisor's rig: counts by worker slot in, buckets out. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>

#include "rollout_explain.h"
#include "rollout_rig.h"

static const struct config_step timed[] = {
	{ .kind = STEP_WEIGHT, .permille = 100 }, { .kind = STEP_PAUSE, .ns = 1000000 },
	{ .kind = STEP_WEIGHT, .permille = 1000 },
};

static void gate_of_drops(void)
{
	struct config_analysis *a = &rig.primary->config.rollout[0].analysis;

	plan(3, timed);
	for (uint32_t i = 0; i < GATE_COUNT; i++)
		a->gate[i] = (struct config_gate){ .max = NAN, .max_delta = NAN, .max_ratio = NAN };
	a->interval_ns = 20000000;
	a->min_packets = 100;
	a->failure_limit = a->of = 2;
	a->gate[GATE_DROPS].on = true;
	a->gate[GATE_DROPS].max_delta = 0.001;
}

/* So many packets more of all workers of the role, so many of them dropped. */
static void handled(enum worker_role role, uint64_t packets, uint64_t dropped)
{
	for (uint32_t i = 0; i < rig.primary->supervisor->workers; i++) {
		const struct worker *w = rig_worker(i);

		if (w->role != role || w->slot == SLOT_NONE)
			continue;
		rig.primary->stats.slot[w->slot].packets += packets;
		rig.primary->stats.slot[w->slot].refused += dropped;
	}
}

/* The gate's row of the status, or NULL. The caller's list. */
static json_t *gate_of(json_t *gates, const char *name)
{
	json_t *row;
	size_t i;

	json_array_foreach(gates, i, row)
		if (strcmp(text(row, "name"), name) == 0)
			return row;
	return NULL;
}

static void without_traffic_the_weight_stays(void **unused)
{
	(void)unused;
	gate_of_drops();
	start("r2.so");
	wait_until(r()->why[0] || r()->weight == 1000 || r()->at == AT_IDLE);
	assert_int_equal(r()->weight, 100);
	assert_non_null(strstr(r()->why, "too little traffic"));
	for (uint32_t i = 0; i < 200; i++)
		rig_turn();
	assert_int_equal(r()->at, AT_PAUSE);
	has(6, 6);
}

static void a_candidate_that_drops_packets_is_rolled_back(void **unused)
{
	(void)unused;
	gate_of_drops();
	uint32_t turns = 0; /* enough for a hundred windows */
	start("r2.so");
	wait_until((handled(ROLE_CANDIDATE, 200, 40), handled(ROLE_CONTROL, 200, 0),
		    r()->at == AT_DEGRADED || r()->at == AT_IDLE || ++turns > 10000));
	assert_int_equal(r()->at, AT_DEGRADED);
	assert_string_equal(r()->fired.gate, "drop_ratio");
	assert_int_equal(r()->bars, 1);
	only_the_groups_own();
	json_t *gates = rollout_gates_json(r());
	assert_int_equal(json_integer_value(json_object_get(json_array_get(gates, 0), "failures")), 2);
	json_decref(gates);
	struct rollout_order o = order("r2.so");
	assert_null(rollout_retry(rig.primary, &o));
	wait_until(r()->at != AT_CHECK && r()->at != AT_DEGRADED); /* what the last one's gates said is not said of it */
	gates = rollout_gates_json(r());
	for (size_t i = 0; i < json_array_size(gates); i++)
		assert_int_equal(json_integer_value(json_object_get(json_array_get(gates, i), "failures")), 0);
	json_decref(gates);
}

static void one_that_drops_none_is_promoted(void **unused)
{
	(void)unused;
	gate_of_drops();
	start("r2.so");
	wait_until((handled(ROLE_CANDIDATE, 200, 0), handled(ROLE_CONTROL, 200, 0), r()->at == AT_DEGRADED ||
		    r()->at == AT_IDLE));
	assert_int_equal(r()->at, AT_IDLE);
	only_the_groups_own();
}

/* As many bursts of one packet more of all workers of the role, each of so many cycles. */
static void bursts(enum worker_role role, uint64_t count, uint64_t cycles)
{
	for (uint32_t i = 0; i < rig.primary->supervisor->workers; i++) {
		const struct worker *w = rig_worker(i);

		if (w->role == role && w->slot != SLOT_NONE)
			rig.primary->stats.cycles[w->slot].bursts[0][stats_cycles_bucket(cycles)] += count;
	}
}

/* drop_ratio, which has all it needs, and another gate. */
static void drops_and(enum config_gate_id gate)
{
	struct config_gate *g = &rig.primary->config.rollout[0].analysis.gate[gate];

	gate_of_drops();
	g->on = true;
	g->max_ratio = 1.3;
}

static void good_packets(void)
{
	handled(ROLE_CANDIDATE, 200, 0);
	handled(ROLE_CONTROL, 200, 0);
}

#define FEW_WINDOWS 8u

/* Packets enough, and no bursts: drop_ratio passes window after window, and the weight stays. */
static void a_gate_that_was_never_judged_holds_its_step(void **unused)
{
	char what[96] = "";

	(void)unused;
	drops_and(GATE_CYCLES);
	start("r2.so");
	wait_until((good_packets(), rollout_gates_windows(r()) >= FEW_WINDOWS || r()->weight == 1000 ||
		    r()->at == AT_IDLE));
	assert_int_equal(r()->at, AT_PAUSE);
	assert_int_equal(r()->weight, 100);
	has(6, 6);
	assert_string_equal(r()->why, "the pause is over, but the weight stays: no window has passed all gates; too "
			    "little traffic? cycles_per_packet: 0 of 100 bursts");
	assert_true(rollout_gates_awaited(r(), what, sizeof(what)));
	assert_string_equal(what, "cycles_per_packet: 0 of 100 bursts");
	json_t *row = rollout_row(rig.primary->supervisor, r());
	assert_string_equal(text(row, "waits_for"), what);
	json_t *gates = json_object_get(row, "gates"), *drops = gate_of(gates, "drop_ratio");
	assert_string_equal(text(drops, "verdict"), "pass");
	assert_false(json_is_true(json_object_get(drops, "awaited")));
	assert_true(json_is_true(json_object_get(gate_of(gates, "cycles_per_packet"), "awaited")));
	json_decref(row);
	struct stats_rollout told = { .windows = 0 };
	rollout_gates_stats(r(), &told);
	assert_true(told.gate[GATE_CYCLES].awaited && told.gate[GATE_CYCLES].need == 100);
	assert_false(told.gate[GATE_DROPS].awaited);
	json_t *explained = rollout_explain_group(rig.primary, 0);
	assert_string_equal(text(explained, "waits_for"), what);
	json_decref(explained);
	/* bursts come: it is judged, and the step is left */
	wait_until((good_packets(), bursts(ROLE_CANDIDATE, 20, 1000), bursts(ROLE_CONTROL, 20, 1000),
		    r()->at == AT_DEGRADED || r()->at == AT_IDLE));
	assert_int_equal(r()->at, AT_IDLE);
	only_the_groups_own();
}

/* The candidate is slow, and shows it once it has the bursts: until then it has no more than its first weight. */
static void a_slow_candidate_gets_no_further_on_the_word_of_other_gates(void **unused)
{
	uint32_t most = 0;

	(void)unused;
	drops_and(GATE_CYCLES);
	start("r2.so");
	wait_until((good_packets(), most = r()->want > most ? r()->want : most,
		    rollout_gates_windows(r()) >= FEW_WINDOWS || most > 100 || r()->at == AT_DEGRADED));
	wait_until((good_packets(), bursts(ROLE_CANDIDATE, 20, 100000), bursts(ROLE_CONTROL, 20, 1000),
		    most = r()->want > most ? r()->want : most, r()->at == AT_DEGRADED || r()->at == AT_IDLE));
	assert_int_equal(most, 100);
	assert_int_equal(r()->at, AT_DEGRADED);
	assert_string_equal(r()->fired.gate, "cycles_per_packet");
	only_the_groups_own();
}

static void the_wait_for_a_gate_ends_at_the_deadline_or_by_an_operator(void **unused)
{
	struct rollout_order o;

	(void)unused;
	drops_and(GATE_RESIDENCE_P99);
	start("r2.so");
	wait_until((good_packets(), strstr(r()->why, "latency_p99: 0 of 2000 measured packets") != NULL ||
		    r()->at == AT_IDLE));
	assert_int_equal(r()->weight, 100);
	o = order(NULL);
	assert_true(ok(rollout_promote(rig.primary, &o)));
	wait_until((good_packets(), r()->weight == 1000 || r()->at == AT_DEGRADED));
	assert_int_equal(r()->weight, 1000);
	wait_until((good_packets(), r()->why[0] || r()->at == AT_IDLE));
	assert_non_null(strstr(r()->why, "the weight stays: no window has passed all gates; too little traffic? "
			       "latency_p99: "));
	r()->deadline_ns = 1; /* long past */
	wait_until(r()->at == AT_DEGRADED);
	assert_non_null(strstr(r()->why, " has passed; at the end: the weight stays: no window has passed all gates; "
			       "too little traffic? latency_p99: 0 of 2000 measured packets"));
	assert_int_equal(r()->bars, 0);
	only_the_groups_own();
}

/* A gate of shadows at a weight, one that is dry, one that has nothing to be held against: whatever the traffic. */
static void a_gate_that_no_traffic_can_judge_holds_nothing(void **unused)
{
	static const struct config_step all_at_once[] = { { .kind = STEP_WEIGHT, .permille = 1000 } };

	struct config_analysis *a = &rig.primary->config.rollout[0].analysis;

	(void)unused;
	drops_and(GATE_SHADOW_DIFF);
	a->gate[GATE_CYCLES] = a->gate[GATE_SHADOW_DIFF];
	a->gate[GATE_CYCLES].dry_run = true;
	start("r2.so");
	wait_until((good_packets(), r()->at == AT_DEGRADED || r()->at == AT_IDLE));
	assert_int_equal(r()->at, AT_IDLE);
	rig_plugin("r3.so", "ok r3");
	drops_and(GATE_RESIDENCE_P50); /* no max; and there never was a control */
	memcpy(rig.primary->config.rollout[0].step, all_at_once, sizeof(all_at_once));
	rig.primary->config.rollout[0].steps = 1;
	start("r3.so");
	wait_until((good_packets(), r()->at == AT_DEGRADED || r()->at == AT_IDLE));
	assert_int_equal(r()->at, AT_IDLE);
	only_the_groups_own();
}

/* on_failure: pause. An operator decides; a crash still does not wait for one. */
static void a_failing_gate_may_hold_instead(void **unused)
{
	(void)unused;
	gate_of_drops();
	rig.primary->config.rollout[0].pause_on_failure = true;
	start("r2.so");
	wait_until((handled(ROLE_CANDIDATE, 200, 40), handled(ROLE_CONTROL, 200, 0),
		    r()->paused || r()->at == AT_DEGRADED || r()->at == AT_IDLE));
	assert_true(r()->paused);
	assert_int_equal(rollout_state_of(r()), ROLLOUT_PAUSED);
	has(6, 6);
	kill(rig_pid(a_worker(ROLE_CANDIDATE)), SIGKILL);
	wait_until(r()->at == AT_DEGRADED);
	only_the_groups_own();
}

/* What was shown of the last window is not what ended it. */
static void a_death_is_shown_as_the_gate_that_ended_it(void **unused)
{
	struct config_analysis *a = &rig.primary->config.rollout[0].analysis;

	(void)unused;
	gate_of_drops();
	a->gate[GATE_CRASHES] = a->gate[GATE_STALLS] = (struct config_gate){ .on = true, .immediate = true };
	start("r2.so");
	wait_until((handled(ROLE_CANDIDATE, 200, 0), handled(ROLE_CONTROL, 200, 0), r()->at == AT_DEGRADED ||
		    (r()->at == AT_PAUSE && r()->weight == 100)));
	assert_int_equal(r()->at, AT_PAUSE);
	uint32_t candidate = a_worker(ROLE_CANDIDATE);
	char name[BATON_NAME_BYTES];
	memcpy(name, rig_worker(candidate)->name, sizeof(name));
	kill(rig_pid(candidate), SIGKILL);
	wait_until(r()->at == AT_DEGRADED);
	json_t *row = rollout_row(rig.primary->supervisor, r()), *gate = gate_of(json_object_get(row, "gates"), "crashes");
	assert_non_null(gate);
	assert_string_equal(text(gate, "verdict"), "fail");
	assert_true(json_number_value(json_object_get(gate, "value")) == 1);
	assert_non_null(strstr(text(gate, "why"), name));
	assert_string_equal(text(row, "gate"), "crashes");
	json_decref(row);
	struct stats_rollout told = { .windows = 0 };
	rollout_gates_stats(r(), &told); /* and so is what monitors are told */
	assert_int_equal(told.gate[GATE_CRASHES].verdict, STATS_GATE_FAIL);
	row = json_array_get(json_object_get((said = rollout_history(rig.primary, "game")), "history"), 0);
	gate = json_object_get(row, "gate");
	assert_string_equal(text(gate, "name"), "crashes");
	assert_true(json_number_value(json_object_get(gate, "value")) == 1);
	assert_true(json_number_value(json_object_get(gate, "limit")) == 0);
	only_the_groups_own();
	struct rollout_order o = order(NULL);
	assert_null(rollout_retry(rig.primary, &o));
	wait_until(r()->at != AT_CHECK && r()->at != AT_DEGRADED);
	row = rollout_row(rig.primary->supervisor, r()); /* what the last one failed is not shown of the next one */
	gate = gate_of(json_object_get(row, "gates"), "crashes");
	assert_true(gate == NULL || strcmp(text(gate, "verdict"), "fail") != 0);
	json_decref(row);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(without_traffic_the_weight_stays),
		TEST(a_candidate_that_drops_packets_is_rolled_back),
		TEST(one_that_drops_none_is_promoted),
		TEST(a_gate_that_was_never_judged_holds_its_step),
		TEST(a_slow_candidate_gets_no_further_on_the_word_of_other_gates),
		TEST(the_wait_for_a_gate_ends_at_the_deadline_or_by_an_operator),
		TEST(a_gate_that_no_traffic_can_judge_holds_nothing),
		TEST(a_failing_gate_may_hold_instead),
		TEST(a_death_is_shown_as_the_gate_that_ended_it),
	};

	fake_zygote_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
