/* View 7, and what the verdict, events, text and JSON say of rollouts. */
#include "screen_rig.h"

#include <jansson.h>
#include <math.h>

#include "monitor/top/render.h"

static void gate(struct stats_rollout *r, enum config_gate_id id, enum stats_verdict verdict, uint32_t failures,
		 double value, double control, double limit)
{
	r->gate[id] = (struct stats_gate){ verdict, failures, value, control, limit, .awaited = 0 };
}

/* 1.4.2 to 1.5.0 at 10 %, one gate of three failed once. */
static struct stats_rollout *begun(enum rollout_state state, enum rollout_phase phase)
{
	struct stats_rollout *r = &b->rollout[0];

	*r = (struct stats_rollout){
		.state = state, .phase = phase, .step = 4, .steps = 9, .weight = 100, .want = 100, .exposed = 410,
		.buckets = 4096, .candidates = 1, .controls = 1, .failure_limit = 3, .of = 5, .windows = 12,
		.began_ns = b->wall_ns - 100 * SECOND, .until_ns = b->wall_ns + 185 * SECOND, .group = "game",
		.stable = "1.4.2", .candidate = "1.5.0", .candidate_build = "0f3c9a77d21be650418c2f0e9b6d35a1c7e84f12",
	};
	gate(r, GATE_DROPS, STATS_GATE_PASS, 0, 0.0001, 0.0002, 0.0007);
	gate(r, GATE_RESIDENCE_P99, STATS_GATE_INCONCLUSIVE, 0, 250000, 200000, 400000);
	gate(r, GATE_CYCLES, STATS_GATE_PASS, 0, 812, 790, 1027);
	gate(r, GATE_CRASHES, STATS_GATE_PASS, 0, 0, NAN, 0);
	return r;
}

static void shown(void)
{
	snapshot_derive(&s, a, b);
	press("7");
	for (const char *at = text, *end; (end = strchr(at, '\n')) != NULL; at = end + 1) {
		int columns = 0;

		for (const char *c = at; c < end; c++)
			columns += ((unsigned char)*c & 0xc0) != 0x80;
		if (columns > screen.canvas.width)
			fail_msg("%d columns: %.*s", columns, (int)(end - at), at);
	}
}

static void without_one_it_says_how_to_begin(void **state)
{
	(void)state;
	shown();
	has("[7 Rollouts]");
	has("\nno group has or had a rollout; to begin one:\nbatonctl rollout start GROUP --to VERSION\n");
	has("+ OK  nothing is wrong");
}

static void state_step_weight_versions_and_gates_stand_in_a_screen(void **state)
{
	(void)state;
	begun(ROLLOUT_PROGRESSING, PHASE_WEIGHT);
	shown();
	has("\ngame  progressing: weight, step 4 of 9, 3:05 left\n");
	has("\nweight  10.0% [##                  ]  410 of 4096 buckets, 1+1 workers\n");
	has("\ncandidate 1.5.0 (0f3c9a77d21b), stable 1.4.2\n");
	has("\nGATE                   VALUE   CONTROL     LIMIT   FAILED VERDICT\n");
	has("\ndrop_ratio             0.01%     0.02%     0.07%   0 of 5 pass\n");
	has("\nlatency_p99        250.00 us 200.00 us 400.00 us   0 of 5 inconclusive\n");
	has("\ncycles_per_packet        812       790     1.03k   0 of 5 pass\n");
	has("\ncrashes                    0         -         0   0 of 5 pass\n");
	has_not("latency_p50"); /* off */
	has("+ OK  nothing is wrong");
	b->rollout[0].want = 500;
	b->rollout[0].one_way = 1;
	shown();
	has("] to 50.0%  410 of");
	has("stable 1.4.2  one way: no way back\n");
}

static void pause_until_resumed_is_told(void **state)
{
	(void)state;
	begun(ROLLOUT_PAUSED, PHASE_PAUSE)->until_ns = 0;
	shown();
	has("\ngame  paused: pause, step 4 of 9, until resumed\n");
}

static void gate_that_the_step_waits_for_says_what_it_has(void **state)
{
	struct stats_rollout *r = begun(ROLLOUT_PAUSED, PHASE_PAUSE);

	(void)state;
	r->gate[GATE_CYCLES] = (struct stats_gate){ .verdict = STATS_GATE_INCONCLUSIVE, .value = NAN, .control = NAN,
						    .limit = NAN, .awaited = 1, .have = 37, .need = 100 };
	shown();
	has("\ncycles_per_packet          -         -         -   0 of 5 has 37 of 100\n");
	has("+ OK  nothing is wrong");
	demo_written(render_text);
	has("paused at 10.0%, step 4 of 9 (pause), to be judged yet: cycles_per_packet\n");
	strcpy(r->why, "the pause is over, but the weight stays: no window has passed all gates; too little traffic? "
		       "cycles_per_packet: 37 of 100 bursts");
	shown();
	has("cycles_per_packet: 37 of 100 bursts\n");
}

static void failing_gate_is_a_warning_before_it_ends_it(void **state)
{
	(void)state;
	gate(begun(ROLLOUT_PAUSED, PHASE_PAUSE), GATE_RESIDENCE_P99, STATS_GATE_FAIL, 2, 500000, 200000, 400000);
	shown();
	has("! WARN  rollout of game at 10.0%: latency_p99 failed in 2 of 5 windows, 3 end it\n");
	has("\ngame  ! paused: pause");
	has("\nlatency_p99        500.00 us 200.00 us 400.00 us   2 of 5 X fail\n");
	gate(&b->rollout[0], GATE_RESIDENCE_P99, STATS_GATE_DRY_FAIL, 5, 500000, 200000, 400000);
	shown();
	has("5 of 5 ! dry_fail\n");
	has("+ OK  nothing is wrong");
}

static void degraded_one_is_told_in_words_everywhere(void **state)
{
	struct stats_rollout *r = begun(ROLLOUT_DEGRADED, PHASE_IDLE);

	(void)state;
	strcpy(b->group[0].name, "game");
	r->weight = r->want = r->exposed = r->candidates = r->controls = 0;
	strcpy(r->why, "game.2 died: signal 11");
	shown();
	has("! WARN  rollout of game is degraded, stable serves: game.2 died: signal 11\n");
	has("\ngame  ! degraded\n");
	has("\nweight   0.0% [                    ]  0 of 4096 buckets, 0+0 workers\n");
	has("\ngame.2 died: signal 11\n");
	/* what was measured stands at the end of a reason: it is not cut at 80 columns */
	strcpy(r->why, "gate cycles_per_packet: above the limit in 20 of 20 slices, in the middle 20480, "
		       "control 88 cycles");
	shown();
	has("! WARN  rollout of game is degraded, stable serves: gate cycles_per_packet:\n"
	    "        above the limit in 20 of 20 slices, in the middle 20480, control 88\n        cycles\n");
	has("\ngate cycles_per_packet: above the limit in 20 of 20 slices, in the middle 20480,\n  control 88 cycles\n");
	strcpy(r->why, "game.2 died: signal 11");
	shown();
	record_observe(&record, a, b, &s);
	press("6");
	has("! WARN rollout of game: is degraded, stable serves: game.2 died: signa");
	demo_written(render_text);
	has("\n game         1.4.2 -> 1.5.0  is degraded, stable serves: game.2 died: signal 11\n");
	has("\n   drop_ratio         pass              0.01%, control      0.02%, limit      0.07%, failed 0 of 5\n");
}

static void finished_one_takes_a_line(void **state)
{
	(void)state;
	begun(ROLLOUT_HEALTHY, PHASE_IDLE);
	shown();
	has("\ngame  healthy\n");
	has_not("GATE");
	has_not("weight ");
	has("+ OK  nothing is wrong");
}

/* More than a screen has lines, and names as long as can be. */
static void many_rollouts_leave_the_screen_whole(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < BATON_MAX_GROUPS; i++) {
		begun(1 + i % 4, i % PHASE_COUNT);
		b->rollout[i] = b->rollout[0];
		snprintf(b->rollout[i].group, sizeof(b->rollout[i].group), "group-with-a-long-name-%08u", i);
		memset(b->rollout[i].candidate, 'c', sizeof(b->rollout[i].candidate) - 1);
		memset(b->rollout[i].stable, 's', sizeof(b->rollout[i].stable) - 1);
		memset(b->rollout[i].why, 'w', sizeof(b->rollout[i].why) - 1);
		gate(&b->rollout[i], GATE_DROPS, STATS_GATE_FAIL, 3, 1e300, -1, 1);
	}
	for (int height = 12; height <= 60; height += 7)
		for (int width = 60; width <= 200; width += 11) {
			sized(width, height, width % 2 != 0);
			shown();
			has("[7 Rollouts]");
			has("drop_ratio");
		}
}

static void json_has_what_status_has(void **state)
{
	(void)state;
	begun(ROLLOUT_PAUSED, PHASE_PAUSE);
	snapshot_derive(&s, a, b);
	FILE *out = open_memstream(&written, &written_len);
	assert_int_equal(render_json(out, &s), 0);
	fclose(out);
	json_t *root = json_loads(written, 0, NULL);
	const json_t *r = json_array_get(json_object_get(root, "rollouts"), 0);
	const json_t *drops = json_array_get(json_object_get(r, "gates"), GATE_DROPS);
	assert_string_equal(json_string_value(json_object_get(r, "state")), "paused");
	assert_int_equal(json_integer_value(json_object_get(r, "weight")), 100);
	assert_int_equal(json_integer_value(json_object_get(r, "exposed_buckets")), 410);
	assert_true(fabs(json_real_value(json_object_get(r, "until_s")) - 185) < 1e-6);
	assert_true(json_is_null(json_object_get(r, "why")));
	assert_string_equal(json_string_value(json_object_get(drops, "name")), "drop_ratio");
	assert_true(json_real_value(json_object_get(drops, "limit")) == 0.0007);
	assert_true(json_is_null(json_object_get(json_array_get(json_object_get(r, "gates"), GATE_CRASHES), "control")));
	json_decref(root);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, screen_make, screen_drop)
	const struct CMUnitTest tests[] = {
		T(without_one_it_says_how_to_begin),
		T(state_step_weight_versions_and_gates_stand_in_a_screen),
		T(pause_until_resumed_is_told),
		T(gate_that_the_step_waits_for_says_what_it_has),
		T(failing_gate_is_a_warning_before_it_ends_it),
		T(degraded_one_is_told_in_words_everywhere),
		T(finished_one_takes_a_line),
		T(many_rollouts_leave_the_screen_whole),
		T(json_has_what_status_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
