/* The audit log: every order has its lines, whatever its giver writes into them. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <time.h>

#include "audit_rig.h"

static void an_order_is_recorded_when_it_begins_and_when_it_ends(void **unused)
{
	json_t *lines;

	(void)unused;
	order("{\"command\":\"echo\"}", true, ""); /* changes nothing: not in the log */
	order("{\"command\":\"mutate\",\"args\":{\"target\":\"game.0\",\"n\":[1]},\"id\":9}", true, "");
	order("{\"command\":\"mutate.fail\"}", false, "busy");
	story_is(path, "begin mutate, end mutate ok, begin mutate.fail, end mutate.fail failed");
	lines = lines_of(path);
	for (size_t i = 0; i < 2; i++) {
		const json_t *args = json_object_get(json_array_get(lines, i), "args");

		assert_int_equal(number(lines, i, "uid"), geteuid());
		assert_int_equal(number(lines, i, "pid"), getpid());
		assert_string_equal(word(lines, i, "process"), "test_audit");
		assert_string_equal(word(lines, i, "role"), "operator");
		assert_string_equal(word(lines, i, "boot"), "000000000000b007");
		assert_int_equal(number(lines, i, "request"), number(lines, 0, "request"));
		assert_string_equal(json_string_value(json_object_get(args, "target")), "game.0");
		assert_int_equal(json_array_size(json_object_get(args, "n")), 1);
	}
	if (geteuid() == 0)
		assert_string_equal(word(lines, 1, "user"), "root");
	/* RFC 3339, in UTC, to the microsecond */
	assert_int_equal(strlen(word(lines, 1, "time")), strlen("2026-01-02T03:04:05.123456Z"));
	assert_non_null(strptime(word(lines, 1, "time"), "%Y-%m-%dT%H:%M:%S.", &(struct tm){ 0 }));
	assert_true(json_real_value(json_object_get(json_array_get(lines, 1), "duration_ms")) >= 0);
	assert_true(number(lines, 2, "request") > number(lines, 1, "request"));
	assert_string_equal(word(lines, 3, "code"), "busy");
	assert_string_equal(word(lines, 3, "reason"), "another one is under way");
	json_decref(lines);
}

static void an_order_that_takes_time_ends_later_be_its_giver_gone_or_not(void **unused)
{
	int stays = connect_client(), goes = connect_client();

	(void)unused;
	laters = 0;
	push_frame(stays, "{\"command\":\"mutate.later\",\"args\":{\"who\":\"stays\"}}");
	push_frame(goes, "{\"command\":\"mutate.later\",\"args\":{\"who\":\"goes\"}}");
	wait_until(laters == 2);
	close(goes);
	for (uint32_t i = 0; i < 5; i++)
		turn(1);
	story_is(path, "begin mutate.later, begin mutate.later");
	command_reply(&primary, later[1], reply_error("failed", "no"));
	command_reply(&primary, later[0], reply_ok());
	expect(stays, true, "");
	story_is(path, "begin mutate.later, begin mutate.later, end mutate.later failed, end mutate.later ok");
	json_t *lines = lines_of(path);
	assert_int_equal(number(lines, 1, "request"), number(lines, 2, "request"));
	assert_int_equal(number(lines, 0, "request"), number(lines, 3, "request"));
	json_decref(lines);
	close(stays);
}

static void an_order_that_was_refused_has_one_line(void **unused)
{
	int fd = connect_client();

	(void)unused;
	push_frame(fd, "{\"command\":\"echo\"}");
	expect(fd, true, "");
	primary.config.viewers.users = 1;
	primary.config.viewers.user[0].id = 41001;
	primary.command->client[0].peer.uid = 41001;
	push_frame(fd, "{\"command\":\"mutate\",\"args\":{\"a\":1}}");
	expect(fd, false, "denied");
	story_is(path, "refused mutate refused");
	json_t *lines = lines_of(path);
	assert_string_equal(word(lines, 0, "code"), "denied");
	assert_string_equal(word(lines, 0, "role"), "viewer");
	assert_int_equal(number(lines, 0, "uid"), 41001);
	assert_non_null(strstr(word(lines, 0, "reason"), "needs an operator"));
	json_decref(lines);
	close(fd);
}

/* Nothing that a client writes can end a line, begin another, or drive the terminal of who reads it. */
static void no_argument_can_forge_a_line(void **unused)
{
	static const char evil[] =
		"{\"command\":\"mutate\",\"args\":{\"a\":\"x\\n{\\\"event\\\":\\\"end\\\",\\\"verb\\\":\\\"forged\\\"}\\n\","
		"\"b\\r\\n\\u001b[2J\":\"\\\"}\\u2028\\u0085\\u009b31m\",\"event\":\"end\",\"result\":\"ok\"}}";

	(void)unused;
	order(evil, true, "");
	story_is(path, "begin mutate, end mutate ok");
	for (const char *c = slurp(path); *c; c++)
		assert_true((*c >= 0x20 && *c < 0x7f) || *c == '\n');
	json_t *lines = lines_of(path);
	const char *a = json_string_value(json_object_get(json_object_get(json_array_get(lines, 1), "args"), "a"));
	assert_string_equal(a, "x\n{\"event\":\"end\",\"verb\":\"forged\"}\n"); /* and yet it is all there */
	json_decref(lines);
}

static void long_arguments_are_cut_and_lines_stay_short(void **unused)
{
	static char request[4000];
	json_t *lines;

	(void)unused;
	snprintf(request, sizeof(request), "{\"command\":\"mutate\",\"args\":{\"pad\":\"%03000d\"}}", 0);
	order(request, true, "");
	lines = lines_of(path);
	assert_int_equal(number(lines, 1, "args_bytes"), 3000 + strlen("{\"pad\":\"\"}"));
	assert_int_equal(strlen(word(lines, 1, "args_cut")), AUDIT_ARGS_BYTES);
	assert_null(json_object_get(json_array_get(lines, 1), "args"));
	json_decref(lines);
}

static void a_start_and_a_stop_are_orders_too(void **unused)
{
	json_t *lines;

	(void)unused;
	audit_fini(&primary);
	snprintf(primary.config_path, sizeof(primary.config_path), "/etc/demo.yaml");
	assert_int_equal(audit_init(&primary), 0);
	story_is(path, "begin batond.start");
	audit_started(&primary);
	primary.quit_by.uid = (sig_atomic_t)geteuid();
	primary.quit_by.pid = getpid();
	primary.quit = SIGTERM;
	audit_stopping(&primary);
	audit_fini(&primary);
	story_is(path, "begin batond.start, end batond.start ok, begin batond.stop, end batond.stop ok");
	lines = lines_of(path);
	assert_string_equal(json_string_value(json_object_get(json_object_get(json_array_get(lines, 0), "args"), "config")),
			    "/etc/demo.yaml");
	assert_int_equal(number(lines, 0, "pid"), getppid());
	assert_string_equal(word(lines, 2, "signal"), "TERM");
	assert_int_equal(number(lines, 2, "uid"), geteuid());
	assert_int_equal(number(lines, 2, "pid"), getpid());
	assert_string_equal(word(lines, 2, "process"), "test_audit");
	json_decref(lines);
	primary.quit = 0;
}

static void what_is_under_way_at_the_end_is_said_to_have_failed(void **unused)
{
	int fd = connect_client();

	(void)unused;
	laters = 0;
	push_frame(fd, "{\"command\":\"mutate.later\"}");
	wait_until(laters == 1);
	audit_fini(&primary);
	story_is(path, "begin mutate.later, end mutate.later failed");
	unlink(path);
	assert_int_equal(audit_init(&primary), 0); /* and a start that never gets ready has failed, too */
	audit_fini(&primary);
	story_is(path, "begin batond.start, end batond.start failed");
	close(fd);
}

#define claim(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		claim(an_order_is_recorded_when_it_begins_and_when_it_ends),
		claim(an_order_that_takes_time_ends_later_be_its_giver_gone_or_not),
		claim(an_order_that_was_refused_has_one_line),
		claim(no_argument_can_forge_a_line),
		claim(long_arguments_are_cut_and_lines_stay_short),
		claim(a_start_and_a_stop_are_orders_too),
		claim(what_is_under_way_at_the_end_is_said_to_have_failed),
	};

	log_init("test", LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
