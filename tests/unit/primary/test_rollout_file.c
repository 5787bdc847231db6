/* What a rollout leaves on the disk for the next primary, when the disk or the files are not as they should be. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <sys/stat.h>

#include "rollout_rig.h"
#include "value.h"

static char text_of[65536];
static size_t bytes_of;

static void read_file(void)
{
	char path[BATON_PATH_BYTES];
	FILE *file = fopen(rig_path(path, "rollout.json"), "r");

	assert_non_null(file);
	bytes_of = fread(text_of, 1, sizeof(text_of), file);
	fclose(file);
	assert_in_range(bytes_of, 1, sizeof(text_of) - 1);
}

static void write_file(void)
{
	char path[BATON_PATH_BYTES];
	FILE *file = fopen(rig_path(path, "rollout.json"), "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text_of, 1, bytes_of, file), bytes_of);
	assert_int_equal(fclose(file), 0);
}

/* A kill of the primary, and the next one: all that is left of rollouts is the file. */
static void next_primary(void)
{
	rollouts_fini(rig.primary);
	assert_int_equal(rollouts_init(rig.primary), 0);
	rig_path(rig.primary->rollouts->path, "rollout.json");
	rollout_load(rig.primary);
}

/* There is no room: whatever is written fails. */
static void disk_is_full(bool full)
{
	char path[BATON_PATH_BYTES];

	rig_path(path, "rollout.json.part");
	assert_int_equal(full ? mkdir(path, 0700) : rmdir(path), 0);
}

/* What the last primary could write says that the candidate has its share. It crashed, and was barred. */
static void who_was_rolled_back_on_a_full_disk_is_not_taken_up(void **unused)
{
	struct rollout_order o = order("r2.so");
	char path[BATON_PATH_BYTES];

	(void)unused;
	start("r2.so");
	until_pause(100);
	disk_is_full(true);
	kill(rig_pid(a_worker(ROLE_CANDIDATE)), SIGKILL);
	wait_until(r()->at == AT_DEGRADED);
	only_the_groups_own();
	next_primary();
	for (uint32_t i = 0; i < 100; i++)
		rig_turn();
	assert_int_equal(r()->at, AT_DEGRADED);
	assert_int_equal(r()->weight, 0);
	assert_int_equal(r()->pasts, 1);
	assert_int_equal(r()->bars, 1);
	only_the_groups_own();
	disk_is_full(false);
	wait_until(access(rig_path(path, "rollout.json"), F_OK) == 0);
	assert_null(rollout_start(rig.primary, &o));
	wait_until(r()->at != AT_CHECK);
	assert_int_equal(r()->at, AT_DEGRADED);
	assert_null(rollout_retry(rig.primary, &o));
	until_pause(100);
	assert_int_not_equal(access(rig_path(path, "rollout.json.stale"), F_OK), 0); /* the file is true again */
	read_file();
}

/* That no step further could be written is no reason to go back. */
static void who_went_on_on_a_full_disk_is_taken_up_where_the_file_has_it(void **unused)
{
	struct rollout_order o = order(NULL);

	(void)unused;
	start("r2.so");
	until_pause(100);
	disk_is_full(true);
	assert_true(ok(rollout_resume(rig.primary, &o)));
	until_pause(500);
	disk_is_full(false);
	read_file();
	assert_true(ok(rollout_abort(rig.primary, &o)));
	wait_until(r()->at == AT_DEGRADED);
	write_file();
	next_primary();
	assert_int_equal(r()->at, AT_CHECK);
	wait_until(r()->at == AT_PAUSE);
	assert_int_equal(r()->weight, 100);
}

/* Nothing happens after its end: the file does not wait for the next rollout to be true again. */
static void the_end_is_written_when_there_is_room_again(void **unused)
{
	struct rollout_order o = order(NULL);
	char path[BATON_PATH_BYTES];

	(void)unused;
	start("r2.so");
	until_pause(100);
	disk_is_full(true);
	assert_true(ok(rollout_abort(rig.primary, &o)));
	wait_until(r()->at == AT_DEGRADED);
	assert_int_not_equal(access(rig_path(path, "rollout.json"), F_OK), 0);
	disk_is_full(false);
	wait_until(access(rig_path(path, "rollout.json"), F_OK) == 0);
	next_primary();
	assert_int_equal(r()->at, AT_DEGRADED);
	assert_int_equal(r()->bars, 0); /* as it was: by an operator, not by a doubt */
	assert_non_null(strstr(r()->why, "aborted by"));
}

/* A reload in the middle of it is for the next one, and a kill of the primary makes it no other. */
static void it_goes_on_by_the_strategy_it_was_begun_with(void **unused)
{
	struct config_rollout *c = &rig.primary->config.rollout[0];
	struct rollout_order o = order(NULL);

	(void)unused;
	snprintf(c->cohort[0], CONFIG_KEY_BYTES, "1001");
	c->cohorts = 1;
	c->pause_on_failure = true;
	c->deadline_ns = 3600000000000ull;
	c->analysis.min_packets = 77;
	c->analysis.failure_limit = 3;
	c->analysis.of = 5;
	gate_clear(&c->analysis.gate[GATE_DROPS]);
	c->analysis.gate[GATE_DROPS].on = true;
	c->analysis.gate[GATE_DROPS].max_delta = 0.25;
	start("r2.so");
	until_pause(100);
	read_file();
	assert_true(ok(rollout_abort(rig.primary, &o)));
	wait_until(r()->at == AT_DEGRADED);
	only_the_groups_own();
	write_file();
	plan(5, weights); /* the configuration says something else by now */
	next_primary();
	wait_until(r()->at == AT_PAUSE);
	assert_int_equal(r()->plan.cohorts, 1);
	assert_string_equal(r()->plan.cohort[0], "1001");
	assert_true(r()->plan.pause_on_failure);
	assert_int_equal(r()->plan.deadline_ns, 3600000000000ull);
	assert_int_equal(r()->plan.analysis.min_packets, 77);
	assert_int_equal(r()->plan.analysis.of, 5);
	assert_true(r()->plan.analysis.gate[GATE_DROPS].on);
	assert_true(r()->plan.analysis.gate[GATE_DROPS].max_delta == 0.25);
	assert_true(isnan(r()->plan.analysis.gate[GATE_DROPS].max));
}

/* Its file is gone: that is its end, which is told like any other, and nothing of it is shown as if it went on. */
static void one_that_cannot_be_taken_up_is_history(void **unused)
{
	struct rollout_order o = order(NULL);
	char path[BATON_PATH_BYTES];

	(void)unused;
	start("r2.so");
	until_pause(100);
	assert_true(ok(rollout_pause(rig.primary, &o)));
	read_file();
	assert_true(ok(rollout_abort(rig.primary, &o)));
	wait_until(r()->at == AT_DEGRADED);
	only_the_groups_own();
	write_file();
	assert_int_equal(unlink(rig_path(path, "r2.so")), 0);
	next_primary();
	assert_int_equal(r()->at, AT_CHECK);
	wait_until(r()->at != AT_CHECK);
	assert_int_equal(r()->at, AT_DEGRADED);
	assert_int_equal(r()->pasts, 1);
	assert_string_equal(r()->past[0].to.version, "r2");
	assert_true(r()->past[0].why[0] != '\0' && strcmp(r()->past[0].why, r()->why) == 0);
	assert_int_equal(r()->weight, 0);
	assert_false(r()->paused);
	only_the_groups_own();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(who_was_rolled_back_on_a_full_disk_is_not_taken_up),
		TEST(who_went_on_on_a_full_disk_is_taken_up_where_the_file_has_it),
		TEST(the_end_is_written_when_there_is_room_again),
		TEST(it_goes_on_by_the_strategy_it_was_begun_with),
		TEST(one_that_cannot_be_taken_up_is_history),
	};

	fake_zygote_main(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
