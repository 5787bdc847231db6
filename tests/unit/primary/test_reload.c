/* Reading the configuration again, against a fake data path and real processes: all of it or nothing. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <sys/stat.h>

#include "reload_rig.h"

/* ---- claims ---- */

static void file_that_has_not_changed_changes_nothing(void **unused)
{
	pid_t pid[2] = { rig_pid(0), rig_pid(1) };

	(void)unused;
	reload();
	assert_true(ok());
	assert_int_equal(size_of("changes"), 0);
	expect_untouched(pid);
}

static void hot_key_takes_effect_at_once_and_restarts_nobody(void **unused)
{
	pid_t pid[2] = { rig_pid(0), rig_pid(1) };
	struct text text = usual;

	(void)unused;
	text.timeout = "7s";
	text.versions = ", versions: [{name: x, plugin: /x.so}]";
	reload_with(text);
	assert_true(ok());
	assert_int_equal(size_of("changes"), 2);
	assert_int_equal(rig.primary->config.start_timeout_ns, 7000000000ull);
	assert_string_equal(rig.primary->config.group[0].version[0].plugin, "/x.so");
	assert_int_equal(rig_pid(0), pid[0]);
	assert_int_equal(rig_pid(1), pid[1]);
}

static void worker_key_restarts_the_workers_of_its_group_only(void **unused)
{
	pid_t pid[2] = { rig_pid(0), rig_pid(1) };
	struct text text = usual;

	(void)unused;
	text.second = ", settings: {speed: fast}";
	reload_with(text);
	assert_true(ok());
	assert_int_equal(size_of("workers"), 1);
	assert_string_equal(row_text("workers", 0, "name"), "b.0");
	assert_string_equal(row_text("changes", 0, "path"), "groups[1].settings");
	assert_string_equal(rig.primary->config.group[1].setting[0].value, "fast");
	assert_int_equal(rig_pid(0), pid[0]);
	assert_int_not_equal(rig_pid(1), pid[1]);
	assert_null(rig_worker(1)->config);
	wait_until(rig_settled());
}

static void plugin_of_the_file_is_what_the_group_runs_from_then_on(void **unused)
{
	struct text text = usual;

	(void)unused;
	text.first_plugin = "two.so";
	reload_with(text);
	assert_true(ok());
	assert_string_equal(rig_slot(rig_worker(0)->slot)->ready.version, "2");
	assert_string_equal(rig.primary->plugin[0].version, "2");
	assert_non_null(strstr(rig.primary->supervisor->group_path[0], "two.so"));
	assert_int_equal(rig_begin("a", NULL), 0);
	wait_until(rig.reply != NULL);
	assert_string_equal(rig_slot(rig_worker(0)->slot)->ready.version, "2");
}

static void version_put_there_by_hand_survives_other_settings(void **unused)
{
	struct text text = usual;
	char path[BATON_PATH_BYTES];

	(void)unused;
	assert_int_equal(rig_begin("a", rig_path(path, "two.so")), 0);
	wait_until(rig.reply != NULL);
	text.first = ", settings: {x: 1}";
	reload_with(text);
	assert_true(ok());
	assert_string_equal(rig_slot(rig_worker(0)->slot)->ready.version, "2");
}

static void refused_with_two_errors(struct text text)
{
	pid_t pid[2] = { rig_pid(0), rig_pid(1) };

	reload_with(text);
	assert_false(ok());
	assert_int_equal(size_of("errors"), 2);
	expect_untouched(pid);
}

static void mistake_in_the_file_refuses_all_of_it(void **unused)
{
	struct text text = usual;

	(void)unused;
	text.timeout = "7s";
	text.level = "nonsense";
	text.first = ", setings: {}";
	refused_with_two_errors(text);
	says("did you mean 'settings'?");
	says("baton.yaml:14:14: error: log.level: expected one of");
}

static void key_of_class_restart_refuses_all_of_it_by_name(void **unused)
{
	struct text text = usual;

	(void)unused;
	text.timeout = "7s";
	text.io_cores = "[0, 0]";
	text.first = ", settings: {x: 1}, tick_period: 5s";
	refused_with_two_errors(text);
	assert_non_null(strstr(row_text("errors", 0, NULL), "baton.yaml:3:17: error: eal.io_cores: needs a restart"));
	assert_non_null(strstr(row_text("errors", 1, NULL), "groups[0].tick_period: needs a restart"));
}

static void workers_that_cannot_follow_take_everything_back(void **unused)
{
	pid_t second = rig_pid(1);
	struct text text = usual;

	(void)unused;
	rig_plugin("bad.so", "refuse no such luck");
	text.timeout = "7s";
	text.first_plugin = "two.so";
	text.first = ", settings: {x: 1}";
	text.second_plugin = "bad.so";
	reload_with(text);
	assert_false(ok());
	says("no such luck");
	/* The first group was through: it runs what it ran before, in a new process. */
	assert_string_equal(rig_slot(rig_worker(0)->slot)->ready.version, "1");
	assert_int_equal(rig_pid(1), second);
	assert_int_equal(rig.primary->config.start_timeout_ns, 20000000000ull);
	assert_int_equal(rig.primary->config.group[0].settings, 0);
	assert_null(rig_worker(0)->config);
	assert_non_null(strstr(rig.primary->supervisor->group_path[0], "game.so"));
	wait_until(rig_settled());
	/* And the next one is judged by what is in force. */
	write_file(usual);
	reload();
	assert_true(ok());
	assert_int_equal(size_of("changes"), 0);
}

static void hangup_waits_for_a_restart_and_then_reloads(void **unused)
{
	struct text text = usual;

	(void)unused;
	text.timeout = "7s";
	write_file(text);
	assert_int_equal(rig_begin("a", NULL), 0);
	rig.primary->hangup = 1;
	rig_turn();
	assert_int_equal(rig.primary->config.start_timeout_ns, 20000000000ull);
	wait_until(rig.primary->config.start_timeout_ns == 7000000000ull);
	assert_non_null(rig.reply); /* not before the restart was over */
	assert_int_equal(rig.primary->hangup, 0);
}

static void restart_and_reload_refuse_each_other(void **unused)
{
	struct text text = usual;

	(void)unused;
	assert_int_equal(rig_begin("a", NULL), 0);
	reload();
	assert_false(ok());
	says("a restart of a is under way");
	wait_until(rig.reply != NULL);
	text.first = ", settings: {x: 1}";
	write_file(text);
	ask_and_wait("{\"command\":\"config.reload\"}"); /* does not wait */
	assert_true(ok());
	assert_true(json_is_false(json_object_get(answer, "applied")));
	assert_true(reload_busy(rig.primary));
	ask_and_wait("{\"command\":\"worker.restart\",\"args\":{\"target\":\"b\"}}");
	assert_false(ok());
	says("reload");
	wait_until(!reload_busy(rig.primary));
	assert_int_equal(rig.primary->config.group[0].settings, 1);
}

static void stop_ends_a_reload_with_a_word(void **unused)
{
	struct text text = usual;

	(void)unused;
	text.first = ", settings: {x: 1}";
	write_file(text);
	fake.hold_moves = true;
	ask("{\"command\":\"config.reload\",\"args\":{\"wait\":true}}");
	wait_until(rig.primary->supervisor->restart.phase == RESTART_MOVE);
	fake.hold_moves = false;
	supervisor_fini(rig.primary);
	reload_fini(rig.primary);
	wait_until(answered());
	close(client.fd);
	assert_false(ok());
	says("the primary is stopping");
}

static void diff_and_show_tell_what_is_in_force_and_whence(void **unused)
{
	struct text text = usual;

	(void)unused;
	ask_and_wait("{\"command\":\"config.show\"}");
	says("\"path\": \"log.level\", \"value\": \"error\", \"origin\": \"");
	says("baton.yaml:14:14\"");
	assert_int_equal(size_of("values"), 22);
	ask_and_wait("{\"command\":\"config.show\",\"args\":{\"effective\":true}}");
	says("\"path\": \"memory.pending\", \"value\": \"auto\", \"origin\": \"default\", \"reload\": \"restart\"");
	text.level = "warn";
	write_file(text);
	ask_and_wait("{\"command\":\"config.diff\"}");
	assert_true(ok());
	assert_int_equal(size_of("changes"), 1);
	assert_string_equal(row_text("changes", 0, "from"), "error");
	assert_string_equal(row_text("changes", 0, "to"), "warn");
	assert_string_equal(row_text("changes", 0, "reload"), "hot");
	assert_int_equal(unlink(file), 0);
	ask_and_wait("{\"command\":\"config.diff\"}");
	assert_false(ok());
	says("No such file");
}

/* A pipe that nobody writes to is in the file's place: the control plane does not wait for it. */
static void what_is_no_plain_file_is_not_waited_for(void **unused)
{
	pid_t pid[2] = { rig_pid(0), rig_pid(1) };

	(void)unused;
	assert_int_equal(unlink(file), 0);
	assert_int_equal(mkfifo(file, 0600), 0);
	ask_and_wait("{\"command\":\"config.diff\"}");
	assert_false(ok());
	says("not a plain file");
	ask_and_wait("{\"command\":\"config.reload\"}");
	assert_false(ok());
	says("not a plain file");
	assert_int_equal(unlink(file), 0);
	expect_untouched(pid);
	write_file(usual);
	ask_and_wait("{\"command\":\"config.reload\"}");
	assert_true(ok());
}

#define claim(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		claim(file_that_has_not_changed_changes_nothing),
		claim(hot_key_takes_effect_at_once_and_restarts_nobody),
		claim(worker_key_restarts_the_workers_of_its_group_only),
		claim(plugin_of_the_file_is_what_the_group_runs_from_then_on),
		claim(version_put_there_by_hand_survives_other_settings),
		claim(mistake_in_the_file_refuses_all_of_it),
		claim(key_of_class_restart_refuses_all_of_it_by_name),
		claim(workers_that_cannot_follow_take_everything_back),
		claim(hangup_waits_for_a_restart_and_then_reloads),
		claim(restart_and_reload_refuse_each_other),
		claim(stop_ends_a_reload_with_a_word),
		claim(what_is_no_plain_file_is_not_waited_for),
		claim(diff_and_show_tell_what_is_in_force_and_whence),
	};

	fake_zygote_main(argc, argv);
	log_init("test_reload", LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
