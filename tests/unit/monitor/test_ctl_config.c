/* batonctl config against a daemon with one answer: what is sent, printed and returned. */
#define _GNU_SOURCE
#include "ctl_rig.h"

static void a_reload_shows_what_changed_or_why_it_was_refused(void **unused)
{
	(void)unused;
	run_with("{\"ok\":true,\"applied\":true,\"changes\":[{\"at\":\"/b.yaml:3:9\",\"path\":\"log.level\","
		 "\"from\":\"info\",\"to\":\"debug\",\"reload\":\"hot\"}],\"workers\":[]}",
		 "config reload --wait");
	assert_int_equal(last.rc, CTL_OK);
	assert_string_equal(last.out, "/b.yaml:3:9: log.level: info -> debug (hot)\napplied\n");
	says(server.heard, "\"wait\":true");
	run_with("{\"ok\":true,\"applied\":false,\"changes\":[],\"workers\":[]}", "config reload");
	says(server.heard, "\"wait\":false");
	says(last.out, "--wait waits");
	run_with("{\"ok\":false,\"code\":\"invalid\",\"error\":\"/b.yaml: errors 2\","
		 "\"errors\":[\"/b.yaml:1:1: error: a\",\"/b.yaml:2:1: error: b\"]}",
		 "config reload --wait");
	assert_int_equal(last.rc, CTL_FAILED);
	assert_string_equal(last.out, "");
	assert_string_equal(last.err,
			    "/b.yaml:1:1: error: a\n/b.yaml:2:1: error: b\nbatonctl: /b.yaml: errors 2\n");
	run_with("", "config reload --wait --timeout 50ms");
	assert_int_equal(last.rc, CTL_TIMEOUT);
}

static void a_difference_is_the_exit_code_of_diff(void **unused)
{
	(void)unused;
	run_with("{\"ok\":true,\"changes\":[]}", "config diff");
	assert_int_equal(last.rc, CTL_OK);
	assert_string_equal(last.out, "");
	run_with("{\"ok\":true,\"changes\":[{\"at\":\"f:1:2\",\"path\":\"p\",\"from\":\"1\",\"to\":\"2\",\"reload\":"
		 "\"restart\"}]}", "config diff");
	assert_int_equal(last.rc, CTL_FAILED);
	assert_string_equal(last.out, "f:1:2: p: 1 -> 2 (restart)\n");
}

static void each_value_is_shown_with_its_origin(void **unused)
{
	(void)unused;
	run_with("{\"ok\":true,\"values\":[{\"path\":\"name\",\"value\":\"demo\",\"origin\":\"/b.yaml:2:7\"}]}",
		 "config show --effective");
	assert_int_equal(last.rc, CTL_OK);
	assert_string_equal(last.out, "name: demo  # /b.yaml:2:7\n");
	says(server.heard, "\"effective\":true");
}

static void a_key_is_explained_without_a_daemon(void **unused)
{
	(void)unused;
	unlink(path);
	run("-s %s config explain groups[0].tick_period", path);
	assert_int_equal(last.rc, CTL_OK);
	says(last.out, "groups[].tick_period: ");
	says(last.out, "duration");
	says(last.out, "1ms to 1h, or off");
	says(last.out, "needs a restart of batond");
	run("--json config explain log.level");
	json_t *row = json_loads(last.out, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(row, "reload")), "hot");
	assert_string_equal(json_string_value(json_object_get(row, "tier")), "rarely");
	json_decref(row);
	run("config explain memory");
	says(last.out, "memory.pending");
	run("config explain log.levle");
	assert_int_equal(last.rc, CTL_NOT_FOUND);
	one_line(last.err);
	says(last.err, "did you mean 'log.level'?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reload_shows_what_changed_or_why_it_was_refused),
		cmocka_unit_test(a_difference_is_the_exit_code_of_diff),
		cmocka_unit_test(each_value_is_shown_with_its_origin),
		cmocka_unit_test(a_key_is_explained_without_a_daemon),
	};

	return cmocka_run_group_tests(tests, start, end);
}
