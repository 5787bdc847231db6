/* batonctl audit: orders out of lines, from a daemon or a file. */
#define _GNU_SOURCE
#include "ctl_rig.h"

#include <errno.h>

#define FACTS(n)                                                                       \
	"\"boot\":\"b\",\"request\":" #n ",\"uid\":0,\"user\":\"root\",\"login\":\"alice\","      \
	"\"pid\":7,\"process\":\"batonctl\""
#define BEGIN(n, verb)                                                                 \
	"{\"time\":\"T" #n "\",\"event\":\"begin\",\"verb\":\"" verb "\"," FACTS(n)          \
	",\"args\":{\"target\":\"g\\u001b\"}}"
#define END(n, verb, rest) "{\"time\":\"U" #n "\",\"event\":\"end\",\"verb\":\"" verb "\"," FACTS(n) "," rest "}"

static const char answer[] =
	"{\"ok\":true,\"schema\":1,\"file\":\"/var/log/x\",\"lines\":["
	BEGIN(1, "worker.restart") "," BEGIN(2, "config.reload") ","
	END(1, "worker.restart", "\"args\":{\"target\":\"g\\u001b\"},\"result\":\"ok\",\"duration_ms\":12.34") ","
	"{\"time\":\"R3\",\"event\":\"refused\",\"verb\":\"worker.restart\",\"boot\":\"b\",\"request\":3,\"uid\":1001,"
	"\"result\":\"refused\",\"code\":\"denied\",\"reason\":\"it\\u001b[2J needs\",\"lines_lost_before\":4},"
	"{\"time\":\"S4\",\"event\":\"end\",\"verb\":\"batond.stop\",\"boot\":\"b\",\"request\":4,\"signal\":\"TERM\","
	"\"uid\":0,\"user\":\"root\",\"result\":\"ok\"}]}";

static void orders_are_a_line_each(void **unused)
{
	(void)unused;
	run_with(answer, "audit");
	assert_int_equal(last.rc, 0);
	assert_string_equal(last.out,
		"T2  root (login alice) by batonctl[7]  config.reload {\"target\":\"g\\u001B\"}  "
		"not ended: it is under way, or batond died meanwhile\n"
		"U1  root (login alice) by batonctl[7]  worker.restart {\"target\":\"g\\u001B\"}  ok after 12.3 ms\n"
		"(4 lines before this one could not be written)\n"
		"R3  uid 1001  worker.restart  refused: it?[2J needs\n"
		"S4  root SIGTERM  batond.stop  ok\n");
	says(server.heard, "{\"last\":40}"); /* two lines an order */
}

static void the_last_of_them_are_shown(void **unused)
{
	(void)unused;
	run_with(answer, "audit --last 2");
	says(server.heard, "{\"last\":4}");
	assert_null(strstr(last.out, "config.reload"));
	says(last.out, "R3  uid 1001");
	says(last.out, "S4  root");
	run_with(answer, "audit --last 1 --json");
	json_t *reply = json_loads(last.out, 0, NULL), *orders = json_object_get(reply, "orders");
	assert_int_equal(json_array_size(orders), 1);
	assert_string_equal(json_string_value(json_object_get(json_array_get(orders, 0), "verb")), "batond.stop");
	assert_null(json_object_get(reply, "lines"));
	json_decref(reply);
	for (size_t i = 0; i < 4; i++) {
		static const char *const bad[] = { "0", "501", "x", "-1" };
		run("-s %s audit --last %s", path, bad[i]);
		assert_int_equal(last.rc, CTL_USAGE);
		one_line(last.err);
		says(last.err, "from 1 to 500");
	}
}

static void a_file_is_read_without_a_daemon(void **unused)
{
	char file[96];
	FILE *out;

	(void)unused;
	snprintf(file, sizeof(file), "%s/audit", dir);
	out = fopen(file, "w");
	fputs(BEGIN(1, "a") "\n{\"torn\":\n" END(1, "a", "\"result\":\"failed\",\"reason\":\"why\"") "\n", out);
	fclose(out);
	run("audit --file %s", file);
	assert_int_equal(last.rc, 0);
	assert_string_equal(last.out, "U1  root (login alice) by batonctl[7]  a  failed: why\n");
	says(last.err, "1 lines of");
	unlink(file);
	run("audit --file %s", file);
	assert_int_equal(last.rc, CTL_NOT_FOUND);
	one_line(last.err);
}

static void a_dead_daemon_is_followed_by_where_its_log_is(void **unused)
{
	(void)unused;
	run("-s %s audit", path);
	assert_int_equal(last.rc, CTL_UNREACHABLE);
	says(last.err, "batonctl audit --file /var/log/baton/NAME.audit");
	run_with("{\"ok\":false,\"code\":\"denied\",\"error\":\"uid 5 has no role here\"}", "audit");
	assert_int_equal(last.rc, CTL_DENIED);
	run_with("{\"ok\":true,\"lines\":[7,null,{}],\"unreadable\":\"x\"}", "audit");
	assert_int_equal(last.rc, CTL_OK);
	run_with("{\"ok\":true,\"lines\":{}}", "audit");
	assert_int_equal(last.rc, CTL_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(orders_are_a_line_each),
		cmocka_unit_test(the_last_of_them_are_shown),
		cmocka_unit_test(a_file_is_read_without_a_daemon),
		cmocka_unit_test(a_dead_daemon_is_followed_by_where_its_log_is),
	};

	return cmocka_run_group_tests(tests, start, end);
}
