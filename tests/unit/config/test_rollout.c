/* The section rollouts: what is read from it, and each mistake at its place. */
#include "config_test.h"

#include <math.h>

#include "items.h"

#define VERSIONS "groups:\n- {name: game, plugin: /p/game.so, versions: [{name: 1.5.0, plugin: /p/b.so}]}\n"
#define HEAD PORTS SERVICES VERSIONS "rollouts:\n- group: game\n" /* lines 1 to 9 */
#define STEPS "  steps: [{weight: 1%}, {weight: 100%}]\n"         /* line 10 */

static void everything_that_is_written_is_kept(void **state)
{
	const struct config_rollout *r = &outcome.config.rollout[0];

	(void)state;
	load_text(HEAD "  candidate: 1.5.0\n  cohort: [1001, 0x7b, \"10.0.0.1:4000\"]\n"
		  "  steps:\n  - shadow: {for: 5m, compare: digest, sample: 5‰}\n  - {shadow: {for: 90s}}\n"
		  "  - snapshot: {keep: 7}\n"
		  "  - weight: 0.1%\n  - pause: 2m\n  - weight: 12.5%\n  - pause: {}\n  - weight: 100%\n  - pause: 1s\n"
		  "  on_failure: pause\n  deadline: none\n  accept_one_way: true\n"
		  "  analysis:\n    interval: 250ms\n    warmup: none\n    min_packets: 20k\n    failure_limit: 2\n"
		  "    of_windows: 2\n    gates:\n      drop_ratio: {max: 1%, max_delta: 0.05%}\n"
		  "      latency_p99: {max_ratio: 1.2, max: 250us}\n      cycles_per_packet: {max: 20k, dry_run: true}\n"
		  "      malformed_ratio: off\n      error_reply_ratio: {max_delta: 2%, immediate: true}\n"
		  "      messages: {max: 4, max_delta: 0.5}\n      sends: off\n");
	expect_good();
	assert_int_equal(outcome.config.rollouts, 1);
	assert_string_equal(r->name, "game");
	assert_string_equal(r->candidate, "1.5.0");
	assert_int_equal(r->line, 9);
	assert_int_equal(r->cohorts, 3);
	assert_string_equal(r->cohort[1], "0x7b");
	assert_string_equal(r->cohort[2], "10.0.0.1:4000");
	static const struct config_step want[] = {
		{ STEP_SHADOW, 5, 300000000000, true, 0 }, { STEP_SHADOW, 100, 90000000000, false, 0 },
		{ STEP_SNAPSHOT, 0, 0, false, 7 }, { STEP_WEIGHT, 1, 0, false, 0 },
		{ STEP_PAUSE, 0, 120000000000, false, 0 }, { STEP_WEIGHT, 125, 0, false, 0 }, { STEP_PAUSE, 0, 0, false, 0 },
		{ STEP_WEIGHT, 1000, 0, false, 0 }, { STEP_PAUSE, 0, 1000000000, false, 0 },
	};
	assert_int_equal(r->steps, sizeof(want) / sizeof(want[0]));
	for (uint32_t i = 0; i < r->steps; i++) {
		assert_int_equal(r->step[i].kind, want[i].kind);
		assert_int_equal(r->step[i].permille, want[i].permille);
		assert_int_equal(r->step[i].ns, want[i].ns);
		assert_int_equal(r->step[i].digest, want[i].digest);
		assert_int_equal(r->step[i].keep, want[i].keep);
	}
	assert_true(r->pause_on_failure && r->accept_one_way && r->deadline_ns == 0);
	const struct config_analysis *a = &r->analysis;
	assert_int_equal(a->interval_ns, 250000000);
	assert_int_equal(a->warmup_ns, 0);
	assert_int_equal(a->min_packets, 20000);
	assert_int_equal(a->failure_limit * 10 + a->of, 22);
	const struct config_gate *g = a->gate;
	assert_true(g[GATE_DROPS].on && g[GATE_DROPS].max == 0.01 && g[GATE_DROPS].max_delta == 0.0005);
	assert_true(isnan(g[GATE_DROPS].max_ratio) && !g[GATE_DROPS].dry_run && !g[GATE_DROPS].immediate);
	assert_true(g[GATE_RESIDENCE_P99].max == 250000 && g[GATE_RESIDENCE_P99].max_ratio == 1.2);
	assert_true(isnan(g[GATE_RESIDENCE_P99].max_delta)); /* what is written stands for the whole gate */
	assert_true(g[GATE_CYCLES].max == 20000 && g[GATE_CYCLES].dry_run && isnan(g[GATE_CYCLES].max_ratio));
	assert_false(g[GATE_MALFORMED].on || g[GATE_SENDS].on);
	assert_true(g[GATE_MESSAGES].max == 4 && g[GATE_MESSAGES].max_delta == 0.5 && isnan(g[GATE_MESSAGES].max_ratio));
	assert_true(g[GATE_ERROR_REPLIES].immediate && g[GATE_ERROR_REPLIES].max_delta == 0.02);
	assert_true(g[GATE_CRASHES].on && g[GATE_CRASHES].max == 0 && g[GATE_CRASHES].immediate);
	assert_true(g[GATE_STALLS].on && g[GATE_STALLS].max == 0 && g[GATE_STALLS].immediate);
}

static void expect_defaults(const struct config_rollout *r)
{
	const struct config_gate *g = r->analysis.gate;

	assert_true(!r->pause_on_failure && !r->accept_one_way && r->candidate[0] == '\0' && r->cohorts == 0);
	assert_int_equal(r->deadline_ns, 3600000000000);
	assert_int_equal(r->analysis.interval_ns, 5000000000);
	assert_int_equal(r->analysis.warmup_ns, 10000000000);
	assert_int_equal(r->analysis.min_packets, 1000);
	assert_int_equal(r->analysis.failure_limit * 10 + r->analysis.of, 35);
	for (uint32_t i = 0; i < GATE_COUNT; i++)
		assert_true(g[i].on && !g[i].dry_run && g[i].immediate == (i >= GATE_CRASHES));
	assert_true(g[GATE_DROPS].max_delta == 0.0005 && g[GATE_MALFORMED].max_delta == 0.0001);
	assert_true(g[GATE_ERROR_REPLIES].max_delta == 0.001 && g[GATE_RESIDENCE_P50].max_ratio == 1.5);
	assert_true(g[GATE_RESIDENCE_P99].max_ratio == 2 && g[GATE_CYCLES].max_ratio == 1.3);
	assert_true(g[GATE_MESSAGES].max_ratio == 2.5 && g[GATE_SENDS].max_ratio == 2.5 && isnan(g[GATE_SENDS].max));
	assert_true(g[GATE_SHADOW_DIFF].max_delta == 0.001 && isnan(g[GATE_SHADOW_DIFF].max));
}

static void what_is_not_written_is_the_default_with_or_without_an_entry(void **state)
{
	static const uint32_t weights[] = { 10, 0, 100, 0, 500, 0, 1000 };
	struct config_rollout r;

	(void)state;
	load_text(HEAD STEPS);
	expect_good();
	config_rollout_of(&outcome.config, 0, &r);
	assert_int_equal(r.steps, 2);
	assert_int_equal(r.line, 9);
	expect_defaults(&r);
	load_text(PORTS SERVICES VERSIONS);
	expect_good();
	memset(&r, 0x5a, sizeof(r));
	config_rollout_of(&outcome.config, 0, &r);
	assert_string_equal(r.name, "game");
	assert_int_equal(r.line, 0);
	expect_defaults(&r);
	assert_int_equal(r.steps, 7);
	for (uint32_t i = 0; i < r.steps; i++) {
		assert_int_equal(r.step[i].kind, weights[i] ? STEP_WEIGHT : STEP_PAUSE);
		assert_int_equal(r.step[i].permille, weights[i]);
		assert_int_equal(r.step[i].ns, 0);
	}
}

static void candidate_is_a_version_of_the_group_or_a_path(void **state)
{
	(void)state;
	load_text(HEAD STEPS "  candidate: 1.5\n");
	expect_only(11, 14, "rollouts[0].candidate: group 'game' has no version '1.5'; did you mean '1.5.0'?");
	load_text(HEAD STEPS "  candidate: other\n");
	expect_only(11, 14, "rollouts[0].candidate: group 'game' has no version 'other'; it has: 1.5.0");
	load_text(PORTS SERVICES GROUPS "rollouts:\n- group: game\n" STEPS "  candidate: other\n");
	expect_only(11, 14, "rollouts[0].candidate: group 'game' has no version 'other'; name it under groups[].versions");
	load_text(HEAD STEPS "  candidate: /p/other.so\n");
	expect_good();
	assert_string_equal(outcome.config.rollout[0].candidate, "/p/other.so");
	load_text(HEAD STEPS "  candidate: none\n");
	expect_good();
	assert_string_equal(outcome.config.rollout[0].candidate, "");
	load_text(HEAD STEPS "  candidate: \"a b\"\n");
	expect_only(11, 14, "rollouts[0].candidate: expected the name of a version or a path (with a slash in it)");
}

static void group_is_one_that_exists_and_has_one_entry(void **state)
{
	(void)state;
	load_text(PORTS SERVICES VERSIONS "rollouts:\n- group: gane\n" STEPS);
	expect_only(9, 10, "rollouts[0].group: no group is called 'gane'; did you mean 'game'?");
	load_text(HEAD STEPS "- group: game\n" STEPS);
	expect_only(11, 10, "rollouts[1].group: 'game' already has rollouts[0]");
}

static void expect_step(const char *steps, const char *at, const char *message)
{
	char text[2048];

	snprintf(text, sizeof(text), "%s  steps: %s\n", HEAD, steps);
	load_text(text);
	expect_only(10, column_of(10, at), message);
}

static void steps_go_from_shadow_to_the_whole(void **state)
{
	(void)state;
	expect_step("[{weight: 10%}, {weight: 5%}, {weight: 100%}]", "{weight: 5%}",
		    "rollouts[0].steps[1]: weights rise: 5% comes after 10%");
	expect_step("[{weight: 10%}, {pause: 1s}, {weight: 10%}, {weight: 100%}]", "{weight: 10%}, {weight: 100%}",
		    "rollouts[0].steps[2]: weights rise: 10% comes after 10%");
	expect_step("[{weight: 0.5%}, {shadow: {for: 1m}}, {weight: 100%}]", "{shadow",
		    "rollouts[0].steps[1]: shadow comes before every weight: at 0.5% players have");
	expect_step("[{weight: 10%}, {pause: {}}]", "[{", "rollouts[0].steps: the last weight must be 100%, not 10%");
	expect_step("[{pause: {}}]", "[{", "rollouts[0].steps: the last weight must be 100%; there is none");
	expect_step("[{weight: 10%}, {snapshot: {}}, {weight: 100%}]", "{snapshot",
		    "rollouts[0].steps[1]: a snapshot comes before every weight");
	expect_step("[{snapshot: {}}, {pause: 1s}, {snapshot: {}}, {weight: 100%}]", "{snapshot: {}}, {weight",
		    "rollouts[0].steps[2]: a rollout takes one snapshot");
	load_text(HEAD "  steps: [{shadow: {for: 1m}}, {pause: 1s}, {snapshot: {}}, {weight: 100%}, {pause: 1s}]\n");
	expect_good();
	assert_int_equal(outcome.config.rollout[0].step[2].keep, 3); /* unless it is written */
	load_text(HEAD "  steps: [{shadow: {for: 1m}}, {pause: 1s}, {weight: 100%}, {pause: 1s}]\n");
	expect_good();
}

static void step_that_is_none_is_refused_at_its_place(void **state)
{
	(void)state;
	expect_step("[{wieght: 10%}, {weight: 100%}]", "wieght",
		    "unknown key 'wieght' in rollouts[0].steps[0]; did you mean 'weight'?");
	expect_step("[{hold: 10%}, {weight: 100%}]", "hold",
		    "unknown key 'hold' in rollouts[0].steps[0]; known are: shadow weight pause snapshot");
	expect_step("[{weight: 10%, pause: 5m}, {weight: 100%}]", "{weight: 10%,",
		    "rollouts[0].steps[0]: a step is one of shadow, weight, pause and snapshot");
	expect_step("[{}, {weight: 100%}]", "{}",
		    "rollouts[0].steps[0]: a step is one of shadow, weight, pause and snapshot");
	expect_step("[10%, {weight: 100%}]", "10%", "rollouts[0].steps[0]: expected a step such as {weight: 10%}");
	expect_step("[{weight: 10}, {weight: 100%}]", "10}",
		    "rollouts[0].steps[0].weight: '10' needs its unit, for example '10%'");
	expect_step("[{weight: 0%}, {weight: 100%}]", "0%", "rollouts[0].steps[0].weight: '0%' is out of range");
	expect_step("[{weight: 101%}]", "101%",
		    "rollouts[0].steps[0].weight: '101%' is out of range; allowed 0.1% to 100%");
	expect_step("[{weight: 0.25%}, {weight: 100%}]", "0.25%", "rollouts[0].steps[0].weight: '0.25%' is too fine");
	expect_step("[{weight: half}, {weight: 100%}]", "half",
		    "rollouts[0].steps[0].weight: expected a share such as 10%, 0.5% or 5‰, found 'half'");
	expect_step("[{pause: 5}, {weight: 100%}]", "5}", "rollouts[0].steps[0].pause: '5' needs a unit");
	expect_step("[{pause: {for: 5m}}, {weight: 100%}]", "{for", "rollouts[0].steps[0].pause: expected a duration");
	expect_step("[{shadow: {sample: 10%}}, {weight: 100%}]", "{sample",
		    "rollouts[0].steps[0].shadow: 'for' is missing");
	expect_step("[{shadow: {for: 1m, compare: digets}}, {weight: 100%}]", "digets",
		    "rollouts[0].steps[0].shadow.compare: expected one of bytes, digest, found 'digets'; did you mean "
		    "'digest'?");
	expect_step("[{shadow: {for: 1m, smaple: 1%}}, {weight: 100%}]", "smaple",
		    "unknown key 'smaple' in rollouts[0].steps[0].shadow; did you mean 'sample'?");
	expect_step("[{shadow: 5m}, {weight: 100%}]", "5m}", "rollouts[0].steps[0].shadow: expected a section such as");
	expect_step("[{snapshot: now}, {weight: 100%}]", "now",
		    "rollouts[0].steps[0].snapshot: expected a section such as");
	expect_step("[{snapshot: {keep: 0}}, {weight: 100%}]", "0}",
		    "rollouts[0].steps[0].snapshot.keep: '0' is out of range");
	expect_step("[{snapshot: {kept: 2}}, {weight: 100%}]", "kept",
		    "unknown key 'kept' in rollouts[0].steps[0].snapshot; did you mean 'keep'?");
	expect_step("[{weight: 1%, weight: 2%}, {weight: 100%}]", "weight: 2%",
		    "duplicate key 'weight' in rollouts[0].steps[0]");
}

static void all_mistakes_are_told_in_one_run(void **state)
{
	(void)state;
	load_text(HEAD "  steps: [{weight: 10}, {pause: soon}]\n  analysis:\n    intervall: 5s\n    failure_limit: 6\n"
		  "    gates:\n      latency_p99: {max: 250, max_ration: 1.2}\n      drop_ration: {max: 1%}\n"
		  "      crashes: off\n");
	expect_error(10, column_of(10, "10}"), "rollouts[0].steps[0].weight: '10' needs its unit");
	expect_error(10, column_of(10, "soon"), "rollouts[0].steps[1].pause: expected a duration");
	expect_error(12, 5, "unknown key 'intervall' in rollouts[0].analysis; did you mean 'interval'?");
	expect_error(13, 20, "rollouts[0].analysis.failure_limit: 6 of the last 5 windows can never fail");
	expect_error(15, column_of(15, "250,"), "rollouts[0].analysis.gates.latency_p99.max: '250' needs a unit");
	expect_error(15, column_of(15, "max_ration"), "unknown key 'max_ration' in rollouts[0].analysis.gates.latency_p99; "
		     "did you mean 'max_ratio'?");
	expect_error(16, 7, "unknown key 'drop_ration' in rollouts[0].analysis.gates; did you mean 'drop_ratio'?");
	expect_error(17, 16, "rollouts[0].analysis.gates.crashes: expected a section such as {max: 0, immediate: true}");
	assert_int_equal(outcome.errors, 8);
}

static void expect_gate(const char *gate, const char *at, const char *message)
{
	char text[2048];

	snprintf(text, sizeof(text), "%s  analysis: {gates: {%s}}\n", HEAD STEPS, gate);
	load_text(text);
	expect_only(11, column_of(11, at), message);
}

static void threshold_has_the_unit_of_its_gate(void **state)
{
	(void)state;
#define GATES "rollouts[0].analysis.gates."
	expect_gate("drop_ratio: {max: 0.5}", "0.5", GATES "drop_ratio.max: '0.5' needs its unit, for example '0.5%'");
	expect_gate("drop_ratio: {max: 101%}", "101%", GATES "drop_ratio.max: '101%' is out of range");
	expect_gate("latency_p50: {max_ratio: 120%}", "120%", GATES "latency_p50.max_ratio: expected a factor such as 1.2");
	expect_gate("latency_p50: {max_ratio: 0.9}", "0.9", GATES "latency_p50.max_ratio: '0.9' is out of range");
	expect_gate("cycles_per_packet: {max: 5ms}", "5ms", GATES "cycles_per_packet.max: '5ms': no unit 'ms' here");
	expect_gate("cycles_per_packet: {dry_run: true}", "{dry", GATES "cycles_per_packet: needs a threshold");
	expect_gate("cycles_per_packet: {max_ratio: 2, dry_run: yes}", "yes",
		    GATES "cycles_per_packet.dry_run: expected true or false");
	expect_gate("crashes: {max: 1}", "1}", GATES "crashes.max: '1' is out of range; allowed is 0");
	expect_gate("crashes: {max: 0, immediate: false}", "false", GATES "crashes.immediate: is always true here");
	expect_gate("stalls: {max: 0, dry_run: true}", "true", GATES "stalls.dry_run: has no meaning here");
#undef GATES
}

static void workers_of_both_versions_fit_the_slots(void **state)
{
	(void)state;
	load_text("memory: {worker_slots: 8}\n" PORTS SERVICES "groups:\n- {name: game, plugin: /p, count: 4}\n"
		  "rollouts:\n- group: game\n  steps: [{weight: 10%}, {weight: 50%}, {weight: 100%}]\n");
	expect_only(11, 10, "rollouts[0].steps: at 50% it takes 4 workers of candidate and control beside 4 workers, "
		    "1 standbys and 1 slot for a restart: 10, and memory.worker_slots is 8: raise it to 10");
	load_text("memory: {worker_slots: 10}\n" PORTS SERVICES "groups:\n- {name: game, plugin: /p, count: 4}\n"
		  "rollouts:\n- group: game\n  steps: [{weight: 10%}, {weight: 50%}, {weight: 100%}]\n");
	expect_good();
	load_text("memory: {worker_slots: 9}\n" PORTS SERVICES "groups:\n- {name: game, plugin: /p, count: 4}\n"
		  "rollouts:\n- group: game\n  steps: [{weight: 10%}, {weight: 100%}]\n");
	expect_only(11, 10, "rollouts[0].steps: at 100% it takes 4 workers of candidate beside 4 workers");
	load_text("memory: {worker_slots: 4}\n" PORTS SERVICES "groups:\n- {name: game, plugin: /p, count: 1}\n"
		  "rollouts:\n- group: game\n  steps: [{shadow: {for: 1s}}, {weight: 100%}]\n");
	expect_only(11, 10, "rollouts[0].steps: in shadow it takes 2 workers of candidate and control");
}

static void deadline_leaves_time_for_the_steps(void **state)
{
	(void)state;
	load_text(HEAD "  steps: [{shadow: {for: 30m}}, {weight: 1%}, {pause: 30m}, {weight: 100%}]\n");
	expect_only(9, 3, "rollouts[0].deadline: 1h is over before the steps are, whose shadows and pauses take 1h alone");
	load_text(HEAD "  steps: [{shadow: {for: 30m}}, {weight: 1%}, {pause: {}}, {weight: 100%}]\n");
	expect_good();
}

static void players_of_a_cohort_are_named_once(void **state)
{
	(void)state;
	load_text(HEAD STEPS "  cohort: [1001, 1002, 1001]\n");
	expect_only(11, column_of(11, "1001]"), "rollouts[0].cohort[2]: the player is already there");
	load_text(HEAD STEPS "  cohort: [\"\"]\n");
	expect_only(11, 12, "rollouts[0].cohort[0]: a key has 1 to 63 bytes");
}

static void candidates_are_as_many_as_the_weight_needs(void **state)
{
	(void)state;
	assert_int_equal(config_rollout_candidates(1, 0), 1);
	assert_int_equal(config_rollout_candidates(1, 1000), 1);
	assert_int_equal(config_rollout_candidates(3, 10), 1);
	assert_int_equal(config_rollout_candidates(3, 333), 1);
	assert_int_equal(config_rollout_candidates(3, 334), 2);
	assert_int_equal(config_rollout_candidates(4, 500), 2);
	assert_int_equal(config_rollout_candidates(4, 501), 3);
	assert_int_equal(config_rollout_candidates(63, 1000), 63);
}

static void note_change(const struct config_item *item, void *arg)
{
	strcat(strcat(arg, item->path), "\n");
	config_item_copy(&outcome.config, (const struct config *)(void *)((char *)arg + 1024), item);
}

static void reload_sees_each_change_and_carries_it_over(void **state)
{
	static struct {
		char paths[1024];
		struct config next;
	} to;
	struct config_rollout want, got;

	(void)state;
	load_text(HEAD "  steps: [{weight: 2%}, {weight: 100%}]\n  candidate: 1.5.0\n"
		  "  analysis: {gates: {drop_ratio: {max: 1%}}}\n");
	expect_good();
	to.next = outcome.config;
	load_text(HEAD STEPS);
	expect_good();
	static struct config before;
	before = outcome.config;
	config_diff(&before, &to.next, note_change, &to);
	assert_string_equal(to.paths, "rollouts[0].candidate\nrollouts[0].steps\nrollouts[0].analysis.gates.drop_ratio\n");
	config_rollout_of(&to.next, 0, &want);
	config_rollout_of(&outcome.config, 0, &got);
	assert_memory_equal(want.step, got.step, sizeof(want.step));
	assert_string_equal(got.candidate, "1.5.0");
	assert_true(got.analysis.gate[GATE_DROPS].max == 0.01 && isnan(got.analysis.gate[GATE_DROPS].max_delta));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_that_is_written_is_kept),
		cmocka_unit_test(what_is_not_written_is_the_default_with_or_without_an_entry),
		cmocka_unit_test(candidate_is_a_version_of_the_group_or_a_path),
		cmocka_unit_test(group_is_one_that_exists_and_has_one_entry),
		cmocka_unit_test(steps_go_from_shadow_to_the_whole),
		cmocka_unit_test(step_that_is_none_is_refused_at_its_place),
		cmocka_unit_test(all_mistakes_are_told_in_one_run),
		cmocka_unit_test(threshold_has_the_unit_of_its_gate),
		cmocka_unit_test(workers_of_both_versions_fit_the_slots),
		cmocka_unit_test(deadline_leaves_time_for_the_steps),
		cmocka_unit_test(players_of_a_cohort_are_named_once),
		cmocka_unit_test(candidates_are_as_many_as_the_weight_needs),
		cmocka_unit_test(reload_sees_each_change_and_carries_it_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
