/* Rollouts on the supervisor's rig: real processes, a fake data path; who owns what at each step, and what a death, an
 * order, or the end of the primary changes. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "rollout_rig.h"

static void every_weight_is_exact_and_control_has_as_much(void **unused)
{
	uint8_t before[FAKE_BUCKETS];
	struct rollout_order o = order(NULL);

	(void)unused;
	start("r2.so");
	assert_string_equal(r()->why, "");
	until_pause(100);
	has(6, 6); /* 64 * 0.1 */
	memcpy(before, fake.owner[0], sizeof(before));
	uint32_t slot = rig_worker(a_worker(ROLE_CANDIDATE))->slot;
	assert_true(ok(rollout_resume(rig.primary, &o)));
	until_pause(500);
	has(32, 32);
	for (uint32_t b = 0; b < FAKE_BUCKETS; b++) /* nobody who had it is moved away from it */
		if (before[b] == slot)
			assert_int_equal(fake.owner[0][b], slot);
}

static void the_promoted_file_is_the_groups(void **unused)
{
	struct rollout_order o = order(NULL);
	char path[BATON_PATH_BYTES];

	(void)unused;
	start("r2.so");
	o.full = true;
	assert_true(ok(rollout_promote(rig.primary, &o)));
	wait_until(r()->at == AT_IDLE);
	only_the_groups_own();
	assert_string_equal(rig.primary->supervisor->group_path[0], rig_path(path, "r2.so"));
	for (uint32_t i = 0; i < RIG_WORKERS; i++)
		assert_string_equal(rig_slot(rig_worker(i)->slot)->ready.version, "r2");
	assert_string_equal(rollout_plugin(rig.primary, 0), path); /* also at the next start */
	assert_int_equal(rollout_state_of(r()), ROLLOUT_HEALTHY);
}

/* In the turn in which the death is seen its buckets are on their way to a stable worker. */
static void a_dead_candidates_buckets_go_to_stable_at_once(void **unused)
{
	(void)unused;
	start("r2.so");
	until_pause(100);
	uint32_t candidate = a_worker(ROLE_CANDIDATE), slot = rig_worker(candidate)->slot;
	kill(rig_pid(candidate), SIGKILL);
	wait_until(r()->at == AT_ROLLBACK);
	bool on_their_way = false;
	for (uint32_t i = 0; i < rig.primary->supervisor->workers; i++) {
		const struct worker *w = rig_worker(i);
		on_their_way = on_their_way ||
			       (w->role == ROLE_STABLE && !w->transfer.part && w->transfer.from == slot &&
				w->slot == w->transfer.to);
	}
	assert_true(on_their_way);
	wait_until(r()->at == AT_DEGRADED);
	only_the_groups_own();
}

static void a_build_that_was_rolled_back_is_barred_until_retry(void **unused)
{
	struct rollout_order o = order(NULL);

	(void)unused;
	start("r2.so");
	until_pause(100);
	kill(rig_pid(a_worker(ROLE_CANDIDATE)), SIGKILL);
	wait_until(r()->at == AT_DEGRADED);
	assert_string_equal(r()->fired.gate, "crashes");
	start("r2.so");
	assert_int_equal(r()->at, AT_DEGRADED); /* and nothing has been started */
	only_the_groups_own();
	assert_null(rollout_retry(rig.primary, &o));
	until_pause(100);
	has(6, 6);
}

/* It goes from the first weight to the next, and a move of that has begun and does not end. */
static void held_on_its_way(struct rollout_order *o)
{
	start("r2.so");
	until_pause(100);
	assert_true(ok(rollout_resume(rig.primary, o)));
	fake.hold_moves = true;
	wait_until(r()->moving && rig.primary->supervisor->scale.receiver != SHARE_NOBODY);
}

static void an_abort_gives_everything_back(void **unused)
{
	struct rollout_order o = order(NULL);

	(void)unused;
	held_on_its_way(&o);
	assert_true(ok(rollout_abort(rig.primary, &o))); /* in the middle of a move */
	fake.hold_moves = false;
	wait_until(r()->at == AT_DEGRADED);
	only_the_groups_own();
	assert_int_equal(r()->bars, 0); /* he may have had other reasons */
	assert_true(ok(rollout_undo(rig.primary, &o)));
	assert_int_equal(rollout_state_of(r()), ROLLOUT_HEALTHY);
}

static void other_operations_wait_for_its_end(void **unused)
{
	struct rollout_order o = order("r2.so");

	(void)unused;
	start("r2.so");
	until_pause(100);
	assert_int_equal(begin_start("game"), -EBUSY);
	assert_non_null(strstr(rig_why, "rollout"));
	assert_int_equal(begin_drain("game.1", false), -EBUSY);
	assert_int_equal(begin_buckets("0-3", "game.1"), -EBUSY);
	assert_int_equal(rig_begin("game", NULL), -EBUSY);
	assert_false(ok(rollout_start(rig.primary, &o)));
	assert_non_null(strstr(error(), "--replace"));
	has(6, 6);
}

static void slots_that_are_missing_are_counted(void **unused)
{
	static const struct config_step half[] = { { .kind = STEP_WEIGHT, .permille = 500 } };

	(void)unused;
	plan(1, half);
	rig.primary->config.group[0].standby = 2; /* 2 workers, 2 of the rollout, 2 standbys, 1: 7 of 6 */
	start("r2.so");
	assert_int_equal(r()->at, AT_IDLE);
	assert_int_equal(rig.primary->supervisor->workers, RIG_WORKERS);
}

/* Stable cannot read what it writes, but it converts back; a dead candidate does not, a process of its version must. */
static void a_candidate_of_another_schema_needs_a_slot_more(void **unused)
{
	static const struct config_step half[] = { { .kind = STEP_WEIGHT, .permille = 500 }, { .kind = STEP_PAUSE } };
	struct rollout_order o = order(NULL);
	char raw[250];

	(void)unused;
	plan(2, half);
	snprintf(raw, sizeof(raw), "raw {\"abi\":%u,\"name\":\"fake\",\"version\":\"r3\",\"build_id\":\"33\","
		 "\"key\":\"flow\",\"key_offset\":0,\"key_length\":0,\"schema\":%u,\"record_size\":%u,"
		 "\"max_undo_bytes\":64,\"older\":[{\"schema\":%u,\"record_size\":%u,\"down\":true}]}",
		 BATON_PLUGIN_ABI, FAKE_SCHEMA + 1, FAKE_RECORD, FAKE_SCHEMA, FAKE_RECORD);
	assert_true(strlen(raw) < sizeof(raw) - 1);
	rig_plugin("r3.so", raw);
	rig.primary->supervisor->slots = 5; /* 2 workers, 2 of the rollout, 1 for a restart */
	start("r3.so");
	assert_int_equal(r()->at, AT_IDLE);
	assert_false(r()->ever);
	start("r2.so"); /* of the same schema: that is enough */
	until_pause(500);
	assert_true(ok(rollout_abort(rig.primary, &o)));
	wait_until(r()->at == AT_DEGRADED);
	rig.primary->supervisor->slots = RIG_SLOTS;
	start("r3.so");
	assert_string_equal(r()->candidate.version, "r3"); /* taken: what the fake does then is another matter */
	wait_until(r()->at == AT_DEGRADED);
}

/* The next primary reads what this one has written. */
static void the_next_primary_goes_on_at_its_step(void **unused)
{
	struct rollout_order o = order(NULL);
	char path[BATON_PATH_BYTES];

	(void)unused;
	start("r2.so");
	until_pause(100);
	assert_true(ok(rollout_resume(rig.primary, &o)));
	until_pause(500);
	uint64_t salt = r()->salt;
	struct rollouts *mine = rig.primary->rollouts;
	rig.primary->rollouts = NULL;
	assert_int_equal(rollouts_init(rig.primary), 0); /* of another place: it finds nothing */
	assert_int_equal(r()->at, AT_IDLE);
	rig_path(rig.primary->rollouts->path, "rollout.json");
	rollout_load(rig.primary);
	assert_int_equal(r()->at, AT_CHECK);
	assert_int_equal(r()->step, 3);
	assert_int_equal(r()->weight, 500);
	assert_true(r()->salt == salt); /* the same players */
	assert_true(r()->wish.resumed);
	assert_string_equal(r()->wish.to, rig_path(path, "r2.so"));
	rollouts_fini(rig.primary);
	rig.primary->rollouts = mine;
	assert_true(ok(rollout_abort(rig.primary, &o)));
	wait_until(r()->at == AT_DEGRADED);
}

/* Turns, and at no moment has the candidate more, or is to have more, than `most` permille. */
static bool no_more_than(uint32_t most)
{
	assert_in_range(r()->weight, 0, most);
	assert_in_range(r()->want, 0, most);
	assert_in_range(owned_by_role(ROLE_CANDIDATE, 0), 0, (most * FAKE_BUCKETS + 500) / 1000);
	return true;
}

static long read_all(const char *path, char *text, size_t bytes)
{
	FILE *file = fopen(path, "r");
	size_t n = file ? fread(text, 1, bytes, file) : 0;

	if (file)
		fclose(file);
	return (long)n;
}

/* What a killed primary leaves is its file; the next one starts with stable everywhere. */
static void a_killed_rollout_comes_back_to_its_weight_and_no_further(void **unused)
{
	static char left[65536];
	uint8_t before[FAKE_BUCKETS];
	struct rollout_order o = order(NULL);
	char path[BATON_PATH_BYTES];

	(void)unused;
	start("r2.so");
	until_pause(100);
	assert_true(ok(rollout_resume(rig.primary, &o)));
	until_pause(500);
	for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
		before[b] = rig_worker(rig_slot(fake.owner[0][b])->worker)->role;
	long bytes = read_all(rig_path(path, "rollout.json"), left, sizeof(left));
	assert_in_range(bytes, 1, sizeof(left) - 1);
	assert_true(ok(rollout_abort(rig.primary, &o)));
	wait_until(r()->at == AT_DEGRADED);
	only_the_groups_own();
	rollouts_fini(rig.primary);
	assert_int_equal(rollouts_init(rig.primary), 0);
	FILE *file = fopen(rig_path(rig.primary->rollouts->path, "rollout.json"), "w");
	assert_int_equal(fwrite(left, 1, (size_t)bytes, file), bytes);
	assert_int_equal(fclose(file), 0);
	rollout_load(rig.primary);
	wait_until(no_more_than(500) && r()->at == AT_PAUSE && r()->weight == 500);
	for (uint32_t i = 0; i < 100; i++) {
		rig_turn();
		no_more_than(500); /* it waits for an operator as it did before */
	}
	assert_int_equal(r()->at, AT_PAUSE);
	assert_int_equal(r()->step, 3);
	has(32, 32);
	for (uint32_t b = 0; b < FAKE_BUCKETS; b++) /* the same players */
		assert_int_equal(rig_worker(rig_slot(fake.owner[0][b])->worker)->role, before[b]);
}

/* The rollback that a kill cuts short is in the history all the same. */
static void a_rollback_that_was_cut_short_is_history(void **unused)
{
	struct rollout_order o = order(NULL);

	(void)unused;
	held_on_its_way(&o);
	kill(rig_pid(a_worker(ROLE_CANDIDATE)), SIGKILL);
	wait_until(r()->at == AT_ROLLBACK);
	struct rollouts *mine = rig.primary->rollouts;
	rig.primary->rollouts = NULL;
	assert_int_equal(rollouts_init(rig.primary), 0);
	rig_path(rig.primary->rollouts->path, "rollout.json");
	rollout_load(rig.primary);
	assert_int_equal(r()->at, AT_DEGRADED);
	assert_int_equal(r()->pasts, 1);
	assert_string_equal(r()->past[0].fired.gate, "crashes");
	assert_true(r()->past[0].fired.value == 1);
	json_t *gates = rollout_gates_json(r()), *gate = json_array_get(gates, 0);
	assert_string_equal(text(gate, "name"), "crashes");
	assert_string_equal(text(gate, "verdict"), "fail");
	json_decref(gates);
	rollouts_fini(rig.primary);
	rig.primary->rollouts = mine;
	fake.hold_moves = false;
	wait_until(r()->at == AT_DEGRADED);
}

/* It is refused by what its file says; nothing has been started, nothing has moved. */
static void a_candidate_with_other_records_is_refused(void **unused)
{
	char raw[250];

	(void)unused;
	snprintf(raw, sizeof(raw), "raw {\"abi\":%u,\"name\":\"fake\",\"version\":\"r3\",\"build_id\":\"33\","
		 "\"key\":\"flow\",\"key_offset\":0,\"key_length\":0,\"schema\":%u,"
		 "\"record_size\":%u,\"max_undo_bytes\":64}",
		 BATON_PLUGIN_ABI,
		 FAKE_SCHEMA + 1, FAKE_RECORD);
	assert_true(strlen(raw) < sizeof(raw) - 1);
	rig_plugin("r3.so", raw);
	uint32_t moved = fake.moved;
	start("r3.so");
	assert_int_equal(r()->at, AT_IDLE);
	assert_int_equal(rig.primary->supervisor->workers, RIG_WORKERS);
	assert_int_equal(fake.moved, moved);
}

/* A control that dies is replaced, and the rollout goes on. */
static void a_dead_control_is_replaced(void **unused)
{
	(void)unused;
	start("r2.so");
	until_pause(100);
	pid_t pid = rig_pid(a_worker(ROLE_CONTROL));
	kill(pid, SIGKILL);
	wait_until(rig_worker(a_worker(ROLE_CONTROL))->crashes == 1);
	wait_until(scale_settled());
	assert_int_not_equal(rig_pid(a_worker(ROLE_CONTROL)), pid);
	assert_int_equal(r()->at, AT_PAUSE);
	has(6, 6);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(every_weight_is_exact_and_control_has_as_much),
		TEST(the_promoted_file_is_the_groups),
		TEST(a_dead_candidates_buckets_go_to_stable_at_once),
		TEST(a_build_that_was_rolled_back_is_barred_until_retry),
		TEST(an_abort_gives_everything_back),
		TEST(other_operations_wait_for_its_end),
		TEST(slots_that_are_missing_are_counted),
		TEST(a_candidate_of_another_schema_needs_a_slot_more),
		TEST(the_next_primary_goes_on_at_its_step),
		TEST(a_killed_rollout_comes_back_to_its_weight_and_no_further),
		TEST(a_rollback_that_was_cut_short_is_history),
		TEST(a_candidate_with_other_records_is_refused),
		TEST(a_dead_control_is_replaced),
	};

	fake_zygote_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
