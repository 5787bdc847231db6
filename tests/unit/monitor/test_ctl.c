/* batonctl against a lying and an honest daemon: words, exit codes, what it prints. */
#define _GNU_SOURCE
#include "ctl_rig.h"

#include "core_stats.h"

/* ---- words ---- */

/* ---- exit codes ---- */

static void status_exits_with_the_verdict(void **unused)
{
	(void)unused;
	run_with("{\"ok\":true,\"verdict\":\"ok\",\"instance\":\"demo\",\"sentences\":[]}", "status");
	assert_int_equal(last.rc, 0);
	says(last.out, "demo: ok");
	run_with("{\"ok\":true,\"verdict\":\"warn\",\"sentences\":[{\"level\":\"warn\",\"text\":\"no spare\"}]}",
		 "status");
	assert_int_equal(last.rc, 1);
	says(last.out, "warn: no spare");
	run_with("{\"ok\":true,\"verdict\":\"critical\"}", "--json status");
	assert_int_equal(last.rc, 2);
	run_with("{\"ok\":true}", "status"); /* no verdict is not a good one */
	assert_int_equal(last.rc, 2);
	run("-s %s status", path);
	assert_int_equal(last.rc, CTL_UNREACHABLE);
	one_line(last.err);
	run_with(NULL, "status");
	assert_int_equal(last.rc, CTL_UNREACHABLE);
}

static void refusals_exit_with_what_their_code_means(void **unused)
{
	static const struct { const char *code; int exit_code; } codes[] = {
		{ "usage", 2 }, { "not_found", 4 }, { "denied", 8 }, { "busy", 1 }, { "failed", 1 }, { "never heard of", 1 },
	};
	char answer[200];

	(void)unused;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		snprintf(answer, sizeof(answer), "{\"ok\":false,\"code\":\"%s\",\"error\":\"because of %zu\"}",
			 codes[i].code, i);
		run_with(answer, "worker restart game");
		assert_int_equal(last.rc, codes[i].exit_code);
		one_line(last.err);
		says(last.err, "because of");
		run_with(answer, "worker restart game --json");
		assert_int_equal(last.rc, codes[i].exit_code);
		assert_string_equal(last.out, "");
		json_t *error = json_loads(last.err, 0, NULL);
		assert_true(json_is_false(json_object_get(error, "ok")));
		json_decref(error);
	}
}

static void a_daemon_that_does_not_answer_is_given_up(void **unused)
{
	(void)unused;
	run_with("", "worker restart game --timeout 50ms");
	assert_int_equal(last.rc, CTL_TIMEOUT);
	says(last.err, "within 0.1 s");
}

static void answers_that_are_none_are_errors(void **unused)
{
	static const char *const junk[] = { "x", "[]", "{\"ok\":tru", "\xff\xfe" };

	(void)unused;
	for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++) {
		run_with(junk[i], "status");
		assert_int_equal(last.rc, CTL_FAILED);
		one_line(last.err);
	}
	for (uint32_t i = 0; i < 2; i++) {
		daemon_start("{}");
		server.announced = i ? 0xffffffff : 100; /* impossible; more than comes */
		run("-s %s status", path);
		daemon_end();
		assert_int_equal(last.rc, i ? CTL_FAILED : CTL_UNREACHABLE);
		one_line(last.err);
	}
	run_with("{\"ok\":true,\"verdict\":7,\"workers\":{\"a\":1},\"sentences\":\"x\",\"instance\":[]}", "status");
	assert_int_equal(last.rc, 2);
	run_with("{\"ok\":true,\"workers\":[1,{\"name\":[],\"pid\":\"x\"},null]}", "worker list");
	assert_int_equal(last.rc, 0);
}

static void errors_are_json_if_that_was_asked_for(void **unused)
{
	(void)unused;
	run("--json -s %s status", path);
	assert_int_equal(last.rc, CTL_UNREACHABLE);
	json_t *error = json_loads(last.err, 0, NULL);
	assert_int_equal(json_integer_value(json_object_get(error, "exit_code")), CTL_UNREACHABLE);
	assert_int_equal(json_integer_value(json_object_get(error, "schema")), 1);
	json_decref(error);
	run("staus --json");
	error = json_loads(last.err, 0, NULL);
	assert_int_equal(json_integer_value(json_object_get(error, "exit_code")), CTL_USAGE);
	json_decref(error);
}

static void expect_json_error(enum ctl_exit code)
{
	json_error_t why;
	json_t *error = json_loads(last.err, 0, &why);

	if (!error)
		fail_msg("'%s': %s", last.err, why.text);
	assert_int_equal(last.rc, code);
	assert_int_equal(json_integer_value(json_object_get(error, "exit_code")), code);
	assert_true(json_string_length(json_object_get(error, "error")) > 10);
	json_decref(error);
}

/* Names in the coding of another locale, and a letter of two bytes that a limit cuts. */
static void errors_are_json_whatever_was_typed(void **unused)
{
	static const char *const typed[] = { "\xff\xfe", "ping \xe4", "config explain \xe4", "plugin check /\xe4.so",
					     "state verify /\xe4", "status --\xc3", "audit --file /\xe4", "-i \xe4/ ping" };
	char long_word[1200] = "ping x";

	(void)unused;
	for (size_t i = 0; i < sizeof(typed) / sizeof(typed[0]); i++) {
		run("--json %s", typed[i]);
		expect_json_error((enum ctl_exit)last.rc);
		assert_int_not_equal(last.rc, CTL_OK);
	}
	for (size_t at = 0; at < 2; at++) {
		size_t used = 6 - at;

		for (; used < 1000; used += 2)
			memcpy(long_word + used, "\xc3\xa4", 3);
		run("--json %s", long_word);
		expect_json_error(CTL_USAGE);
	}
}

/* Who is late with a look is as good as gone; an order goes on. */
static void the_json_says_the_exit_code(void **unused)
{
	static const struct { const char *command; enum ctl_exit code; } row[] = {
		{ "ping", CTL_UNREACHABLE }, { "status", CTL_UNREACHABLE }, { "worker.list", CTL_UNREACHABLE },
		{ "worker.restart", CTL_TIMEOUT }, { "buckets.show", CTL_TIMEOUT },
	};
	struct ctl_options o = { .json = true };

	(void)unused;
	snprintf(o.socket, sizeof(o.socket), "%s", path);
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		json_t *reply = NULL;
		size_t bytes;

		daemon_start("");
		free(last.err);
		FILE *err = open_memstream(&last.err, &bytes);
		last.rc = ctl_ask(&o, row[i].command, json_object(), 20, &reply, err);
		fclose(err);
		daemon_end();
		assert_null(reply);
		expect_json_error(row[i].code);
	}
}

/* ---- what is sent and printed ---- */

static void a_restart_says_what_moved(void **unused)
{
	(void)unused;
	run_with("{\"ok\":true,\"workers\":[{\"name\":\"game.0\",\"old_pid\":11,\"pid\":12,\"old_version\":\"1.0\","
		 "\"version\":\"1.1\","
		 "\"build_id\":\"0123456789abcdef\",\"buckets\":2048,\"gap_us\":12.34,\"parked\":5}]}",
		 "worker restart game.0 --version 1.1");
	assert_int_equal(last.rc, 0);
	assert_string_equal(last.out,
			    "game.0: pid 11 -> 12, version 1.0 -> 1.1, build 0123456789ab, 2048 buckets, gap 12.3 us, "
			    "5 packets waited\n");
	json_t *heard = json_loads(server.heard, 0, NULL), *args = json_object_get(heard, "args");
	assert_string_equal(json_string_value(json_object_get(heard, "command")), "worker.restart");
	assert_string_equal(json_string_value(json_object_get(args, "target")), "game.0");
	assert_string_equal(json_string_value(json_object_get(args, "version")), "1.1");
	json_decref(heard);
	run_with("{\"ok\":false,\"code\":\"failed\",\"error\":\"game.1: no\","
		 "\"workers\":[{\"name\":\"game.0\",\"pid\":12}]}",
		 "worker restart game");
	assert_int_equal(last.rc, 1);
	says(last.out, "game.0"); /* what was done before it failed */
	assert_null(strstr(server.heard, "version"));
}

static void a_path_is_sent_as_the_daemon_can_open_it(void **unused)
{
	char here[PATH_MAX], want[PATH_MAX + 64];

	(void)unused;
	assert_non_null(getcwd(here, sizeof(here)));
	run_with("{\"ok\":true}", "worker restart game --version ./no/such.so");
	snprintf(want, sizeof(want), "\"version\":\"%s/./no/such.so\"", here);
	says(server.heard, want);
	run_with("{\"ok\":true}", "worker restart game --version=/tmp/../tmp/");
	says(server.heard, "\"version\":\"/tmp\"");
}

static void ports_are_shown_with_their_state(void **unused)
{
	(void)unused;
	run_with("{\"ok\":true,\"verdict\":\"critical\",\"ports\":["
		 "{\"name\":\"lan\",\"interface\":\"bt0\",\"state\":\"gone\"},"
		 "{\"name\":\"wan\",\"interface\":\"\",\"state\":\"up\"}]}", "status");
	assert_int_equal(last.rc, 2);
	says(last.out, "\nport lan: gone, interface bt0\nport wan: up\n");
}

static void workers_are_a_table_that_lines_up(void **unused)
{
	(void)unused;
	run_with("{\"ok\":true,\"workers\":["
		 "{\"name\":\"a.0\",\"role\":\"serving\",\"state\":\"active\",\"slot\":0,\"pid\":123456,\"cpu\":null,"
		 "\"version\":\"1\","
		 "\"build_id\":\"0123456789abcdef0123\",\"buckets\":64,\"restarts\":1,\"crashes\":0,\"age_s\":1.25,"
		 "\"trouble\":\"\"},"
		 "{\"name\":\"a-longer-name.1\",\"role\":\"serving\",\"state\":\"none\",\"trouble\":\"it died\"}]}",
		 "worker list");
	assert_int_equal(last.rc, 0);
	char *second = strchr(last.out, '\n') + 1, *third = strchr(second, '\n') + 1;
	assert_int_equal(strstr(last.out, "STATE") - last.out, strstr(second, "active") - second);
	assert_int_equal(strstr(last.out, "STATE") - last.out, strstr(third, "none") - third);
	says(second, "0123456789ab ");
	says(third, "a-longer-name.1: it died");
}

static void json_is_what_the_daemon_said(void **unused)
{
	(void)unused;
	run_with("{\"ok\":true,\"schema\":1,\"workers\":[{\"gap_us\":0.1}]}", "-j worker list");
	assert_string_equal(last.out, "{\"ok\":true,\"schema\":1,\"workers\":[{\"gap_us\":0.1}]}\n");
}

/* ---- stats, without a daemon ---- */

static void stats_needs_no_daemon_that_answers(void **unused)
{
	char name[BATON_NAME_BYTES];
	struct stats stats;
	int fd;

	(void)unused;
	snprintf(name, sizeof(name), "unit-ctl-%d", (int)getpid());
	assert_int_equal(stats_create(&stats, name, 1, 2, 1000000000, &fd), 0);
	stats_io(&stats, 0)->kind = CORE_IO;
	stats_add(&stats_io(&stats, 0)->rx_packets, 77);
	run("-i %s --json stats --interval 1ms", name);
	assert_int_equal(last.rc, CTL_OK);
	json_t *object = json_loads(last.out, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(object, "instance")), name);
	assert_int_equal(json_integer_value(json_object_get(json_object_get(object, "totals"), "rx_packets")), 77);
	json_decref(object);
	run("-i %s stats --prom --interval 60s", name); /* which it does not wait for */
	assert_int_equal(last.rc, CTL_OK);
	says(last.out, "# TYPE baton_rx_packets_total counter\nbaton_rx_packets_total{baton=\"");
	says(last.out, "\"} 77\n");
	stats_unlink(name);
	stats_detach(&stats);
	close(fd);
	run("-i %s stats --interval 1ms", name);
	assert_int_equal(last.rc, CTL_UNREACHABLE);
	one_line(last.err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_exits_with_the_verdict),
		cmocka_unit_test(refusals_exit_with_what_their_code_means),
		cmocka_unit_test(a_daemon_that_does_not_answer_is_given_up),
		cmocka_unit_test(answers_that_are_none_are_errors),
		cmocka_unit_test(errors_are_json_if_that_was_asked_for),
		cmocka_unit_test(errors_are_json_whatever_was_typed),
		cmocka_unit_test(the_json_says_the_exit_code),
		cmocka_unit_test(a_restart_says_what_moved),
		cmocka_unit_test(a_path_is_sent_as_the_daemon_can_open_it),
		cmocka_unit_test(ports_are_shown_with_their_state),
		cmocka_unit_test(workers_are_a_table_that_lines_up),
		cmocka_unit_test(json_is_what_the_daemon_said),
		cmocka_unit_test(stats_needs_no_daemon_that_answers),
	};

	return cmocka_run_group_tests(tests, start, end);
}
