/* Hot restart against a fake data path and real processes: what moves, what stays, what is said when it fails. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "supervisor_rig.h"

static const char *text(json_t *row, const char *key)
{
	const char *value = json_string_value(json_object_get(row, key));
	return value ? value : "";
}

static long long number(json_t *row, const char *key)
{
	return (long long)json_integer_value(json_object_get(row, key));
}

static void restart(const char *target, const char *version)
{
	assert_int_equal(rig_begin(target, version), 0);
	wait_until(rig.reply != NULL);
}

/* ---- well ---- */

static void every_worker_gets_a_successor_and_the_old_ones_leave(void **unused)
{
	pid_t old[RIG_WORKERS] = { rig_pid(0), rig_pid(1) };

	(void)unused;
	restart("game", NULL);
	assert_true(rig_ok());
	for (uint32_t i = 0; i < RIG_WORKERS; i++) {
		assert_string_equal(text(rig_row(i), "name"), rig_worker(i)->name);
		assert_int_equal(number(rig_row(i), "old_pid"), old[i]);
		assert_int_equal(number(rig_row(i), "pid"), rig_pid(i));
		assert_int_not_equal(rig_pid(i), old[i]);
		assert_true(is_gone(old[i]));
		assert_int_equal(number(rig_row(i), "buckets"), FAKE_SERVICES * FAKE_BUCKETS / RIG_WORKERS);
		assert_int_equal(number(rig_row(i), "parked"), 3 * FAKE_SERVICES);
		assert_true(json_real_value(json_object_get(rig_row(i), "gap_us")) == 1.5);
		assert_int_equal(rig_worker(i)->restarts, 1);
		assert_int_equal(rig_worker(i)->crashes, 0);
	}
	assert_true(rig_settled());
	assert_true(rig_shares_are_right());
}

static void one_worker_is_restarted_alone(void **unused)
{
	pid_t other = rig_pid(0), old = rig_pid(1);

	(void)unused;
	restart("game.1", NULL);
	assert_true(rig_ok());
	assert_int_equal(json_array_size(json_object_get(rig.reply, "workers")), 1);
	assert_int_equal(rig_pid(0), other);
	assert_int_not_equal(rig_pid(1), old);
	assert_true(rig_shares_are_right());
}

static void fifty_restarts_leave_no_process_and_no_slot_behind(void **unused)
{
	(void)unused;
	for (uint32_t i = 0; i < 50; i++) {
		restart("game", NULL);
		assert_true(rig_ok());
		assert_true(rig_settled());
	}
	assert_true(rig_shares_are_right());
	assert_int_equal(process_any_ended(), 0);
}

static void the_file_is_read_again(void **unused)
{
	(void)unused;
	rig_plugin("game.so", "ok 1.1");
	assert_string_equal(rig_slot(rig_worker(0)->slot)->ready.version, "1"); /* a running worker has its own copy */
	restart("game", NULL);
	assert_string_equal(text(rig_row(0), "old_version"), "1");
	assert_string_equal(text(rig_row(0), "version"), "1.1");
}

static void a_version_is_a_name_or_a_path_and_stays(void **unused)
{
	char path[BATON_PATH_BYTES];

	(void)unused;
	restart("game", "two");
	assert_string_equal(text(rig_row(1), "version"), "2");
	restart("game", NULL); /* the current version is what ran last */
	assert_string_equal(text(rig_row(1), "version"), "2");
	kill(rig_pid(0), SIGKILL);
	wait_until(rig_worker(0)->crashes == 1 && rig_settled());
	assert_string_equal(rig_slot(rig_worker(0)->slot)->ready.version, "2");
	restart("game", "1"); /* what it started with */
	assert_string_equal(text(rig_row(0), "version"), "1");
	restart("game", rig_path(path, "two.so"));
	assert_string_equal(text(rig_row(0), "version"), "2");
}

/* ---- refused ---- */

static void unknown_names_are_refused_at_once(void **unused)
{
	char why[600] = "";

	(void)unused;
	assert_int_equal(rig_begin("gane", NULL), -ENOENT);
	assert_int_equal(rig_begin("game.2", NULL), -ENOENT);
	assert_int_equal(rig_begin("", NULL), -ENOENT);
	assert_int_equal(restart_begin(rig.primary->supervisor, "game", "three", rig_done, 0, why, sizeof(why)),
			 -ENOENT);
	assert_non_null(strstr(why, "two"));
	assert_null(rig.reply);
}

static void a_second_restart_waits_its_turn(void **unused)
{
	char why[600] = "";

	(void)unused;
	assert_int_equal(rig_begin("game", NULL), 0);
	assert_int_equal(restart_begin(rig.primary->supervisor, "game.0", NULL, rig_done, 0, why, sizeof(why)), -EBUSY);
	assert_non_null(strstr(why, "under way"));
	wait_until(rig.reply != NULL);
	assert_true(rig_ok());
	restart("game.0", NULL);
	assert_true(rig_ok());
}

/* The new version cannot start: words say why, and nothing has changed. */
static void refused_with(const char *plugin, const char *words)
{
	pid_t pid[RIG_WORKERS] = { rig_pid(0), rig_pid(1) };

	if (plugin)
		rig_plugin("bad.so", plugin);
	restart("game", "bad");
	assert_false(rig_ok());
	if (!strstr(rig_error(), words))
		fail_msg("'%s' does not say '%s'", rig_error(), words);
	wait_until(rig_settled());
	for (uint32_t i = 0; i < RIG_WORKERS; i++) {
		assert_int_equal(rig_pid(i), pid[i]);
		assert_int_equal(rig_worker(i)->restarts, 0);
		assert_int_equal(rig_worker(i)->crashes, 0);
	}
	assert_true(rig_shares_are_right());
	kill(pid[0], SIGKILL); /* and its replacement is of the old version */
	wait_until(rig_worker(0)->crashes == 1 && rig_settled());
	assert_string_equal(rig_slot(rig_worker(0)->slot)->ready.version, "1");
}

static void a_missing_plugin_is_refused(void **unused)
{
	(void)unused;
	refused_with(NULL, "cannot open plugin");
}

static void a_plugin_that_refuses_is_quoted(void **unused)
{
	(void)unused;
	refused_with("refuse built for ABI 7: rebuild it", "built for ABI 7: rebuild it");
}

static void a_plugin_that_crashes_at_init_is_refused(void **unused)
{
	(void)unused;
	refused_with("crash", "signal 11 (Segmentation fault)");
}

static void a_worker_that_leaves_without_a_word_is_refused(void **unused)
{
	(void)unused;
	refused_with("exit", "ended before its first word");
}

static void a_plugin_of_another_schema_is_refused(void **unused)
{
	(void)unused;
	refused_with("schema", "schema 2, the state file has 1");
}

static void a_worker_that_forgets_to_say_hello_is_known_all_the_same(void **unused)
{
	(void)unused;
	rig_plugin("two.so", "early");
	restart("game.0", "two");
	assert_true(rig_ok());
	pid_t pid = rig_pid(0);
	kill(pid, SIGKILL);
	wait_until(rig_worker(0)->crashes == 1 && rig_settled());
	assert_true(is_gone(pid));
}

static void a_plugin_whose_init_hangs_is_killed_and_refused(void **unused)
{
	(void)unused;
	rig.primary->config.start_timeout_ns = 100000000;
	refused_with("hang", "not ready within start_timeout");
}

static void what_is_no_plugin_is_refused(void **unused)
{
	char path[BATON_PATH_BYTES];
	FILE *file = fopen(rig_path(path, "bad.so"), "w");

	(void)unused;
	fputs("#!/bin/sh\n", file);
	fclose(file);
	refused_with(NULL, "is not a shared object");
}

static void a_group_that_stops_half_way_says_so(void **unused)
{
	pid_t old = rig_pid(1);

	(void)unused;
	rig_plugin("bad.so", "only game.0");
	restart("game", "bad");
	assert_false(rig_ok());
	assert_non_null(strstr(rig_error(), "game.1"));
	assert_non_null(strstr(rig_error(), "run the new version"));
	assert_int_equal(json_array_size(json_object_get(rig.reply, "workers")), 1);
	wait_until(rig_settled());
	assert_string_equal(rig_slot(rig_worker(0)->slot)->ready.version, "only game.0");
	assert_int_equal(rig_pid(1), old);
	restart("game", NULL); /* the group's version is still the old one */
	assert_true(rig_ok());
	assert_string_equal(rig_slot(rig_worker(0)->slot)->ready.version, "1");
}

/* ---- deaths on the way ---- */

static void the_new_one_dies_during_the_move_and_the_old_one_serves_on(void **unused)
{
	pid_t old = rig_pid(0);

	(void)unused;
	fake.hold_moves = true;
	assert_int_equal(rig_begin("game.0", NULL), 0);
	wait_until(rig_worker(0)->transfer.id > 0);
	pid_t fresh = rig_slot(rig.primary->supervisor->restart.fresh)->pid;
	kill(fresh, SIGKILL);
	wait_until(rig.reply != NULL);
	assert_false(rig_ok());
	fake.hold_moves = false;
	wait_until(rig_settled());
	assert_int_equal(rig_pid(0), old);
	assert_true(is_gone(fresh));
	assert_true(rig_shares_are_right());
}

/* It took the buckets and settles nothing: the old one has let go long ago and must not pay for it. */
static void a_new_one_that_hangs_is_killed_and_the_old_one_serves_on(void **unused)
{
	pid_t old = rig_pid(0);

	(void)unused;
	fake.hold_moves = fake.granted = true;
	assert_int_equal(rig_begin("game.0", NULL), 0);
	wait_until(rig_worker(0)->transfer.id > 0);
	pid_t fresh = rig_slot(rig.primary->supervisor->restart.fresh)->pid;
	wait_until(rig.reply != NULL); /* 10 s: what a move may take */
	assert_false(rig_ok());
	fake.hold_moves = fake.granted = false;
	wait_until(rig_settled());
	assert_int_equal(rig_pid(0), old);
	assert_true(is_gone(fresh));
	assert_true(rig_shares_are_right());
}

static void the_old_one_dies_during_the_move_and_the_new_one_serves(void **unused)
{
	pid_t old = rig_pid(0);

	(void)unused;
	fake.hold_moves = true;
	assert_int_equal(rig_begin("game.0", NULL), 0);
	wait_until(rig_worker(0)->transfer.id > 0);
	kill(old, SIGKILL);
	wait_until(rig_worker(0)->crashes == 1);
	fake.hold_moves = false;
	wait_until(rig.reply != NULL);
	assert_true(rig_ok());
	wait_until(rig_settled());
	assert_int_not_equal(rig_pid(0), old);
	assert_int_equal(number(rig_row(0), "pid"), rig_pid(0));
	assert_true(rig_shares_are_right());
}

static void the_old_one_dies_while_the_new_one_starts(void **unused)
{
	pid_t old = rig_pid(0);

	(void)unused;
	assert_int_equal(rig_begin("game.0", "two"), 0);
	wait_until(rig.primary->supervisor->restart.phase == RESTART_START);
	kill(old, SIGKILL);
	wait_until(rig.reply != NULL);
	wait_until(rig_settled());
	assert_true(is_gone(old));
	assert_true(rig_ok());
	assert_string_equal(rig_slot(rig_worker(0)->slot)->ready.version, "2");
	assert_true(rig_shares_are_right());
}

static void both_die_and_a_third_serves(void **unused)
{
	(void)unused;
	fake.hold_moves = true;
	assert_int_equal(rig_begin("game.0", NULL), 0);
	wait_until(rig_worker(0)->transfer.id > 0);
	pid_t old = rig_pid(0), fresh = rig_slot(rig.primary->supervisor->restart.fresh)->pid;
	kill(old, SIGKILL);
	kill(fresh, SIGKILL);
	wait_until(rig.reply != NULL);
	assert_false(rig_ok());
	fake.hold_moves = false;
	wait_until(rig_settled());
	assert_true(is_gone(old) && is_gone(fresh));
	assert_true(rig_shares_are_right());
}

static void a_group_that_cannot_start_is_saved_by_a_restart_with_a_good_version(void **unused)
{
	(void)unused;
	rig_plugin("game.so", "crash");
	kill(rig_pid(0), SIGKILL);
	wait_until(rig_worker(0)->failed_starts >= 2);
	restart("game", "two");
	assert_true(rig_ok());
	wait_until(rig_settled());
	assert_string_equal(rig_slot(rig_worker(0)->slot)->ready.version, "2");
	assert_true(rig_shares_are_right());
}

static void an_old_one_that_does_not_leave_is_killed(void **unused)
{
	(void)unused;
	rig_plugin("game.so", "stubborn");
	restart("game.0", NULL);
	assert_true(rig_ok());
	pid_t old = rig_pid(0);
	rig_plugin("game.so", "ok 1");
	restart("game.0", NULL);
	assert_true(rig_ok());
	assert_true(is_gone(old));
	assert_int_equal(rig_worker(0)->crashes, 0);
}

static void a_restart_under_way_is_answered_when_the_primary_stops(void **unused)
{
	(void)unused;
	fake.hold_moves = true;
	assert_int_equal(rig_begin("game", NULL), 0);
	wait_until(rig_worker(0)->transfer.id > 0);
	supervisor_fini(rig.primary);
	assert_non_null(rig.reply);
	assert_false(rig_ok());
	assert_non_null(strstr(rig_error(), "stopping"));
}

#define claim(test) cmocka_unit_test_setup_teardown(test, rig_start, rig_end)

int main(int argc, char **argv)
{
	fake_zygote_main(argc, argv);
	const struct CMUnitTest tests[] = {
		claim(every_worker_gets_a_successor_and_the_old_ones_leave),
		claim(one_worker_is_restarted_alone),
		claim(fifty_restarts_leave_no_process_and_no_slot_behind),
		claim(the_file_is_read_again),
		claim(a_version_is_a_name_or_a_path_and_stays),
		claim(unknown_names_are_refused_at_once),
		claim(a_second_restart_waits_its_turn),
		claim(a_missing_plugin_is_refused),
		claim(a_plugin_that_refuses_is_quoted),
		claim(a_plugin_that_crashes_at_init_is_refused),
		claim(a_worker_that_leaves_without_a_word_is_refused),
		claim(a_plugin_of_another_schema_is_refused),
		claim(a_worker_that_forgets_to_say_hello_is_known_all_the_same),
		claim(a_plugin_whose_init_hangs_is_killed_and_refused),
		claim(what_is_no_plugin_is_refused),
		claim(a_group_that_stops_half_way_says_so),
		claim(the_new_one_dies_during_the_move_and_the_old_one_serves_on),
		claim(a_new_one_that_hangs_is_killed_and_the_old_one_serves_on),
		claim(the_old_one_dies_during_the_move_and_the_new_one_serves),
		claim(the_old_one_dies_while_the_new_one_starts),
		claim(both_die_and_a_third_serves),
		claim(a_group_that_cannot_start_is_saved_by_a_restart_with_a_good_version),
		claim(an_old_one_that_does_not_leave_is_killed),
		claim(a_restart_under_way_is_answered_when_the_primary_stops),
	};

	log_init("test", getenv("BATON_TEST_LOG") ? LEVEL_DEBUG : LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
