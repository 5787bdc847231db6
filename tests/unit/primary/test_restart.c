/* Hot restart against a fake data path and real processes: what moves, what stays, what is said when it fails. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "restart_rig.h"

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

static void refused_by_name(const char *version, const char *words)
{
	restart("game", version);
	assert_false(rig_ok());
	assert_string_equal(text(rig.reply, "code"), "not_found");
	if (!strstr(rig_error(), words))
		fail_msg("'%s' does not say '%s'", rig_error(), words);
	assert_int_equal(rig.primary->supervisor->restarts_failed, 0);
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

/* The file that was started has been rebuilt: its old version is elsewhere, or nowhere. */
static void a_version_is_what_the_file_says(void **unused)
{
	char path[BATON_PATH_BYTES];

	(void)unused;
	rig_plugin("game.so", "ok 1.1");
	refused_by_name("1", "found are 1.1 (game.so), 2 (two.so)");
	rig_plugin("kept.so", "ok 1");
	restart("game", "1");
	assert_true(rig_ok());
	assert_string_equal(text(rig_row(0), "version"), "1");
	assert_string_equal(text(rig_row(0), "path"), rig_path(path, "kept.so"));
	restart("game", "1.1");
	assert_string_equal(text(rig_row(1), "version"), "1.1");
	restart("game", "2"); /* as the file of a version that has another name */
	assert_string_equal(text(rig_row(1), "version"), "2");
	unlink(rig_path(path, "kept.so"));
	rig_plugin("fake-1.so", "ok 1");
	restart("game", "1");
	assert_string_equal(text(rig_row(0), "path"), rig_path(path, "fake-1.so"));
}

static void a_file_that_was_changed_after_it_was_chosen_is_refused(void **unused)
{
	pid_t old = rig_pid(0);

	(void)unused;
	assert_int_equal(rig_begin("game", "2"), 0);
	wait_until(rig.primary->supervisor->restart.phase == RESTART_SPAWN);
	rig_plugin("two.so", "ok 2.1");
	wait_until(rig.reply != NULL);
	assert_false(rig_ok());
	assert_non_null(strstr(rig_error(), "says version 2.1 by now, not 2"));
	wait_until(rig_settled());
	assert_int_equal(rig_pid(0), old);
	assert_true(rig_shares_are_right());
}

static void a_search_under_way_ends_with_the_primary(void **unused)
{
	(void)unused;
	rig_plugin("slow.so", "hang");
	assert_int_equal(rig_begin("game", "9"), 0);
	wait_until(rig.primary->supervisor->find.ask.process.pid > 0 &&
		   strstr(rig.primary->supervisor->find.ask.file, "slow.so") != NULL);
	pid_t asked = rig.primary->supervisor->find.ask.process.pid;
	supervisor_fini(rig.primary);
	assert_non_null(rig.reply);
	assert_non_null(strstr(rig_error(), "stopping"));
	assert_true(is_gone(asked));
}

/* ---- refused ---- */

static void unknown_names_are_refused_at_once(void **unused)
{
	char why[600] = "";

	(void)unused;
	assert_int_equal(rig_begin("gane", NULL), -ENOENT);
	assert_int_equal(rig_begin("game.2", NULL), -ENOENT);
	assert_int_equal(rig_begin("", NULL), -ENOENT);
	assert_int_equal(restart_begin(rig.primary->supervisor, "game", "../two", rig_done, 0, why, sizeof(why)),
			 -EINVAL);
	assert_non_null(strstr(why, "absolute path"));
	assert_int_equal(rig_begin("game", "a version with more characters than fit"), -EINVAL);
	assert_int_equal(rig_begin("game", ""), -EINVAL);
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
	refused_with("schema", "schema 2 and does not migrate from schema 1");
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
	refused_with(NULL, "bad.so: not a shared object");
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
		claim(a_version_is_what_the_file_says),
		claim(a_file_that_was_changed_after_it_was_chosen_is_refused),
		claim(a_search_under_way_ends_with_the_primary),
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
	};

	log_init("test", getenv("BATON_TEST_LOG") ? LEVEL_DEBUG : LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
