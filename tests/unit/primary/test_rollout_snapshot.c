/* The snapshot step of a rollout: nobody gets the candidate before the copy is whole; a few copies are kept. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <sys/stat.h>

#include "rollout_rig.h"

static const struct config_step careful[] = {
	{ .kind = STEP_SNAPSHOT, .keep = 2 }, { .kind = STEP_WEIGHT, .permille = 100 }, { .kind = STEP_PAUSE },
	{ .kind = STEP_WEIGHT, .permille = 1000 },
};

static void how_it_goes(const char *word)
{
	plan(4, careful);
	snprintf(rig.primary->state_path, sizeof(rig.primary->state_path), "%s", word);
}

/* Files of the directory; *last: one of the group's, the latest. */
static uint32_t files(char last[BATON_PATH_BYTES])
{
	char dir[BATON_PATH_BYTES];
	struct dirent **list = NULL;
	uint32_t count = 0;
	int n = scandir(rig_path(dir, "snapshots"), &list, NULL, alphasort);

	for (int i = 0; i < n; i++) {
		if (list[i]->d_name[0] != '.') {
			count++;
			if (strncmp(list[i]->d_name, "game-2", 6) == 0)
				snprintf(last, BATON_PATH_BYTES, "%.60s/%.180s", dir, list[i]->d_name);
		}
		free(list[i]);
	}
	free(list);
	return count;
}

static bool nobody_before_it_is_whole(void)
{
	if (!r()->snapped) {
		assert_int_equal(owned_by_role(ROLE_CANDIDATE, 0), 0);
		assert_int_equal(rollout_count(rig.primary->supervisor, 0, ROLE_CANDIDATE), 0);
	}
	return true;
}

static void the_first_weight_comes_after_the_snapshot(void **unused)
{
	struct rollout_order o = order(NULL);
	char path[BATON_PATH_BYTES] = "", name[BATON_NAME_BYTES];
	json_t *row;

	(void)unused;
	how_it_goes("well");
	start("r2.so");
	wait_until(nobody_before_it_is_whole() && r()->at == AT_PAUSE);
	has(6, 6);
	assert_int_equal(files(path), 1);
	assert_string_equal(r()->snapshot, path);
	row = rollout_row(rig.primary->supervisor, r());
	assert_string_equal(text(row, "snapshot"), path);
	assert_string_equal(text(row, "doing"), "pause until resumed");
	assert_string_equal(text(row, "next"), "weight 100%");
	json_decref(row);
	snprintf(name, sizeof(name), "%s", rig_worker(a_worker(ROLE_CANDIDATE))->name);
	kill(rig_pid(a_worker(ROLE_CANDIDATE)), SIGKILL);
	wait_until(r()->at == AT_DEGRADED);
	only_the_groups_own();
	said = rollout_history(rig.primary, "game"); /* where to find it when it is needed */
	assert_string_equal(text(json_array_get(json_object_get(said, "history"), 0), "snapshot"), path);
	assert_false(ok(rollout_pause(rig.primary, &o)));
}

/* Not barred: it has done nothing. */
static void without_a_snapshot_nobody_gets_the_candidate(void **unused)
{
	static const char *const ways[][2] = { { "full", "file system full" }, { "dies", "died" } };
	char path[BATON_PATH_BYTES];

	(void)unused;
	for (uint32_t i = 0; i < 2; i++) {
		how_it_goes(ways[i][0]);
		start("r2.so");
		wait_until(nobody_before_it_is_whole() && (r()->at == AT_DEGRADED || r()->at == AT_PAUSE));
		assert_int_equal(r()->at, AT_DEGRADED);
		assert_non_null(strstr(r()->why, "no snapshot"));
		assert_non_null(strstr(r()->why, ways[i][1]));
		assert_int_equal(r()->bars, 0);
		assert_int_equal(files(path), 0); /* nor half a file */
		assert_string_equal(r()->snapshot, "");
		only_the_groups_own();
	}
}

static void an_abort_calls_off_the_snapshot(void **unused)
{
	struct rollout_order o = order(NULL);
	char path[BATON_PATH_BYTES] = "";

	(void)unused;
	how_it_goes("hangs");
	start("r2.so");
	wait_until(r()->at == AT_SNAPSHOT && r()->snapping[0] && files(path) == 1);
	assert_int_equal(rollout_state_of(r()), ROLLOUT_PROGRESSING);
	assert_true(ok(rollout_abort(rig.primary, &o)));
	wait_until(r()->at == AT_DEGRADED && rig.primary->supervisor->state_op.kind == STATE_OP_NONE);
	assert_int_equal(files(path), 0);
	assert_non_null(strstr(r()->why, "the snapshot that was being written is removed"));
	assert_int_equal(r()->bars, 0);
	how_it_goes("well"); /* the next one takes its own */
	start("r2.so");
	until_pause(100);
	assert_int_equal(files(path), 1);
	assert_string_equal(r()->snapshot, path);
}

/* One that is not the rollout's goes on, and the rollout's waits its turn. */
static void a_snapshot_of_an_operator_is_waited_for(void **unused)
{
	struct rollout_order o = order(NULL);
	char path[BATON_PATH_BYTES], why[300];

	(void)unused;
	how_it_goes("hangs");
	rig_path(path, "mine.snap");
	assert_int_equal(state_snapshot_begin(rig.primary->supervisor, path, "game", rig_done, 1, why, sizeof(why)), 0);
	start("r2.so");
	wait_until(r()->at == AT_SNAPSHOT && r()->why[0]);
	assert_non_null(strstr(r()->why, "the snapshot waits"));
	wait_until(access(path, F_OK) == 0);
	assert_true(ok(rollout_abort(rig.primary, &o)));
	wait_until(r()->at == AT_DEGRADED);
	assert_null(strstr(r()->why, "removed"));
	assert_int_equal(rig.primary->supervisor->state_op.kind, STATE_OP_SNAPSHOT);
	assert_int_equal(access(path, F_OK), 0);
	only_the_groups_own();
}

static void the_latest_are_kept(void **unused)
{
	struct rollout_order o = order(NULL);
	char path[BATON_PATH_BYTES], first[BATON_PATH_BYTES] = "", last[BATON_PATH_BYTES] = "";

	(void)unused;
	how_it_goes("well");
	for (uint32_t i = 0; i < 4; i++) {
		start("r2.so");
		until_pause(100);
		assert_int_equal(files(last), i == 0 ? 1 : i == 1 ? 2 : 3);
		if (i == 0)
			memcpy(first, last, sizeof(first));
		assert_string_equal(r()->snapshot, last);
		assert_true(ok(rollout_abort(rig.primary, &o)));
		wait_until(r()->at == AT_DEGRADED);
		if (i == 1) { /* what is not a rollout's of this group stays */
			FILE *file = fopen(rig_path(path, "snapshots/game-2-20200101T000000.000Z.snap"), "w");
			assert_non_null(file);
			fclose(file);
		}
	}
	assert_int_not_equal(access(first, F_OK), 0);
	assert_int_equal(access(path, F_OK), 0);
}

/* The next primary takes the step again: it does not know whether the copy was whole. */
static void the_next_primary_takes_it_anew(void **unused)
{
	struct rollout_order o = order(NULL);

	(void)unused;
	how_it_goes("hangs");
	start("r2.so");
	wait_until(r()->at == AT_SNAPSHOT && r()->snapping[0]);
	struct rollouts *mine = rig.primary->rollouts;
	rig.primary->rollouts = NULL;
	assert_int_equal(rollouts_init(rig.primary), 0);
	rig_path(rig.primary->rollouts->path, "rollout.json");
	rollout_load(rig.primary);
	assert_int_equal(r()->at, AT_CHECK);
	assert_int_equal(r()->step, 0);
	assert_int_equal(r()->plan.step[0].kind, STEP_SNAPSHOT);
	assert_int_equal(r()->plan.step[0].keep, 2);
	rollouts_fini(rig.primary);
	rig.primary->rollouts = mine;
	assert_true(ok(rollout_abort(rig.primary, &o)));
	wait_until(r()->at == AT_DEGRADED);
}

/* A plugin without records has nothing that could be spoiled. */
static void without_records_there_is_nothing_to_copy(void **unused)
{
	char path[BATON_PATH_BYTES];

	(void)unused;
	how_it_goes("full");
	rig.primary->state.header->group[0].record_size = 0;
	start("r2.so");
	until_pause(100);
	assert_int_equal(files(path), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(the_first_weight_comes_after_the_snapshot),
		TEST(without_a_snapshot_nobody_gets_the_candidate),
		TEST(an_abort_calls_off_the_snapshot),
		TEST(a_snapshot_of_an_operator_is_waited_for),
		TEST(the_latest_are_kept),
		TEST(the_next_primary_takes_it_anew),
		TEST(without_records_there_is_nothing_to_copy),
	};

	fake_zygote_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
