/* batonctl worker start|stop|drain and buckets against a daemon with one answer: what is sent, printed and returned. */
#define _GNU_SOURCE
#include "ctl_rig.h"

static const char done[] =
	"{\"ok\":true,\"operation\":\"worker start\",\"worker\":\"game.2\",\"pid\":77,\"moved\":341,\"moves\":2,"
	"\"gap_us\":31.25,\"parked\":4,\"shares\":[{\"name\":\"game.0\",\"buckets\":0,\"drained\":true},"
	"{\"name\":\"game.2\",\"buckets\":1024,\"drained\":false}]}";

static void each_order_is_sent_and_its_result_printed(void **unused)
{
	static const char *const verb[] = { "start", "stop", "drain" };
	char words[64], command[64];

	(void)unused;
	for (uint32_t i = 0; i < 3; i++) {
		snprintf(words, sizeof(words), "worker %s game.2", verb[i]);
		snprintf(command, sizeof(command), "\"worker.%s\"", verb[i]);
		run_with(done, words);
		assert_int_equal(last.rc, CTL_OK);
		says(server.heard, command);
		says(server.heard, "\"target\":\"game.2\"");
	}
	says(last.out, "game.2: pid 77, 341 buckets moved in 2 moves, longest gap 31.2 us, 4 packets waited\n");
	says(last.out, "0 buckets, drained\n");
	run_with(done, "--json buckets move 0-255,300 game.2");
	assert_int_equal(last.rc, CTL_OK);
	says(server.heard, "\"buckets\":\"0-255,300\"");
	says(server.heard, "\"target\":\"game.2\"");
	json_t *reply = json_loads(last.out, 0, NULL);
	assert_int_equal(json_integer_value(json_object_get(reply, "moved")), 341);
	json_decref(reply);
}

static const char balanced[] =
	"{\"ok\":true,\"groups\":[{\"group\":\"game\",\"on\":true,\"by\":\"order\",\"held\":null,\"moved\":39,"
	"\"moves\":4,\"rules\":{\"measure\":\"cost\",\"threshold_percent\":25},\"looked_s_ago\":0.4,\"last\":\"because\","
	"\"last_s_ago\":7.0,\"placed\":\"17,300\",\"placed_buckets\":2,"
	"\"roles\":[{\"role\":\"stable\",\"verdict\":\"stuck\",\"imbalance\":0.62,"
	"\"too_hot\":17,\"workers\":[{\"name\":\"game.0\",\"takes_part\":true,\"busy\":0.8,\"load\":0.8,\"buckets\":3,"
	"\"hottest\":{\"bucket\":17,\"load\":0.6}},{\"name\":\"game.1\",\"takes_part\":false,\"busy\":0,\"load\":0,"
	"\"buckets\":1021,\"hottest\":null}]}]}]}";

static void balancing_is_ordered_and_shown(void **unused)
{
	(void)unused;
	run_with(balanced, "balance status");
	assert_int_equal(last.rc, CTL_OK);
	says(server.heard, "\"balance.status\"");
	says(last.out, "game: balancing is on, as ordered; 39 buckets moved in 4 moves\n");
	says(last.out, "no bucket that may move would help; the busiest has 62 % more than the mean (threshold 25 %)\n");
	says(last.out, "bucket 17 alone is too hot for any other worker\n");
	says(last.out, "busy  80.0 %       3 buckets  hottest: bucket 17, 75.0 % of it\n");
	says(last.out, "1021 buckets  (left alone)\n");
	says(last.out, "2 buckets stay where `batonctl buckets move` placed them: 17,300\n");
	says(last.out, "latest move, 7 s ago: because\n");
	run_with(balanced, "balance off game");
	says(server.heard, "\"balance.off\"");
	says(server.heard, "\"group\":\"game\"");
	run_with(balanced, "balance on");
	says(server.heard, "\"balance.on\"");
	run_with("", "balance");
	assert_int_equal(last.rc, CTL_USAGE);
}

static void a_refusal_is_one_line_and_has_an_exit_code(void **unused)
{
	static const struct { const char *code; int exit; } refusal[] = {
		{ "failed", CTL_FAILED }, { "busy", CTL_FAILED }, { "usage", CTL_USAGE }, { "not_found", CTL_NOT_FOUND },
		{ "denied", CTL_DENIED },
	};
	char answer[128];

	(void)unused;
	for (uint32_t i = 0; i < sizeof(refusal) / sizeof(refusal[0]); i++) {
		snprintf(answer, sizeof(answer), "{\"ok\":false,\"code\":\"%s\",\"error\":\"so and so\"}", refusal[i].code);
		run_with(answer, "worker drain game.0");
		assert_int_equal(last.rc, refusal[i].exit);
		assert_string_equal(last.out, "");
		assert_string_equal(last.err, "batonctl: so and so\n");
	}
	run_with("", "buckets move 1 game.0 --timeout 50ms");
	assert_int_equal(last.rc, CTL_TIMEOUT);
}

static void words_that_are_missing_or_too_many_are_refused(void **unused)
{
	static const char *const bad[] = { "worker start", "worker drain", "worker stop", "buckets", "buckets move",
					   "buckets move 17", "buckets move 17 game.0 more", "buckets show a b",
					   "worker drain a b", "buckets shwo" };

	(void)unused;
	for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		run("-s %s %s", path, bad[i]);
		assert_int_equal(last.rc, CTL_USAGE);
		one_line(last.err);
	}
	run("--help");
	says(last.out, "worker start GROUP|GROUP.N");
	says(last.out, "buckets move BUCKETS GROUP.N");
	run("worker drain --help");
	says(last.out, "usage: batonctl");
	says(last.out, "gives its core away");
}

static void owners_are_shown_by_range(void **unused)
{
	(void)unused;
	run_with("{\"ok\":true,\"operation\":\"worker drain game.1\",\"services\":[{\"service\":\"game\","
		 "\"group\":\"game\",\"buckets\":1024,\"owners\":[{\"worker\":\"game.0\",\"state\":\"active\","
		 "\"buckets\":512,\"ranges\":\"0-1022/2\"},{\"worker\":\"game.1\",\"state\":\"drained\",\"buckets\":0,"
		 "\"ranges\":\"\"},{\"worker\":null,"
		 "\"state\":\"none\",\"buckets\":512,\"ranges\":\"1-1023/2\"}],\"moving\":[{\"from\":null,\"to\":\"game.0\","
		 "\"from_slot\":255,\"to_slot\":3,\"buckets\":512,\"ranges\":\"1-1023/2\"}]}]}", "buckets show game");
	assert_int_equal(last.rc, CTL_OK);
	says(server.heard, "\"group\":\"game\"");
	assert_string_equal(last.out,
			    "game: group game, 1024 buckets\n"
			    "  game.0         active      512  0-1022/2\n"
			    "  game.1         drained       0  -\n"
			    "  nobody         none        512  1-1023/2\n"
			    "  moving: 512 buckets from nobody to game.0 (slot 3)\n"
			    "`worker drain game.1` is under way\n");
	run_with("{\"ok\":true,\"operation\":\"\",\"services\":[]}", "buckets show");
	assert_int_equal(last.rc, CTL_OK);
	assert_null(strstr(server.heard, "group"));
}

static void long_lists_are_broken_behind_a_comma(void **unused)
{
	char answer[1200], *at = answer;

	(void)unused;
	at += sprintf(at, "{\"ok\":true,\"services\":[{\"service\":\"s\",\"group\":\"g\",\"buckets\":64,\"owners\":["
		      "{\"worker\":\"g.0\",\"state\":\"active\",\"buckets\":100,"
		      "\"ranges\":\"1000");
	for (int i = 1; i < 100; i++)
		at += sprintf(at, ",%d", 1000 + 2 * i);
	sprintf(at, "\"}],\"moving\":[]}]}");
	run_with(answer, "buckets show");
	for (char *line = strtok(last.out, "\n"), *rest; line; line = rest) {
		rest = strtok(NULL, "\n");
		assert_true(strlen(line) <= 132);
		if (rest && strstr(line, "1000"))
			assert_int_equal(line[strlen(line) - 1], ',');
	}
}

/* ---- buckets find ---- */

static const char found[] =
	"{\"ok\":true,\"service\":\"game\",\"group\":\"game\",\"buckets\":1024,\"steered_by\":\"payload\",\"keys\":["
	"{\"key\":123,\"bucket\":5,\"worker\":\"game.0\",\"slot\":1,\"pid\":4711,\"state\":\"active\",\"moving_to\":null,"
	"\"moving_to_slot\":null},"
	"{\"key\":\"18446744073709551615\",\"bucket\":1023,\"worker\":null,\"slot\":null,\"pid\":null,"
	"\"state\":\"none\",\"moving_to\":\"game.1\",\"moving_to_slot\":2}]}";

static void found_owners_are_a_line_each(void **unused)
{
	(void)unused;
	run_with(found, "buckets find 123 0xffffffffffffffff");
	assert_int_equal(last.rc, CTL_OK);
	says(server.heard, "\"buckets.find\"");
	says(server.heard, "[\"123\",\"0xffffffffffffffff\"]");
	assert_null(strstr(server.heard, "service"));
	assert_string_equal(last.out,
			    "123                   bucket     5  game.0, pid 4711, active\n"
			    "18446744073709551615  bucket  1023  nobody; moves to game.1 (slot 2)\n");
	run_with(found, "--json buckets find 123");
	json_t *reply = json_loads(last.out, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(reply, "keys")), 2);
	json_decref(reply);
}

static void a_service_goes_before_its_keys_and_options_anywhere(void **unused)
{
	static const struct { const char *words, *service, *keys; } line[] = {
		{ "find game 1 2", "\"service\":\"game\"", "[\"1\",\"2\"]" },
		{ "find game 1 --json 2 3", "\"service\":\"game\"", "[\"1\",\"2\",\"3\"]" },
		{ "find --json 2v2 1", "\"service\":\"2v2\"", "[\"1\"]" },
		{ "find 0x1 game 2", NULL, "[\"0x1\",\"game\",\"2\"]" }, /* the daemon says what is wrong with it */
		{ "find echo 10.0.0.2:40000", "\"service\":\"echo\"", "[\"10.0.0.2:40000\"]" },
		{ "find 10.0.0.2:40000", NULL, "[\"10.0.0.2:40000\"]" },
	};
	char words[64];

	(void)unused;
	for (size_t i = 0; i < sizeof(line) / sizeof(line[0]); i++) {
		snprintf(words, sizeof(words), "buckets %s", line[i].words);
		run_with(found, words);
		assert_int_equal(last.rc, CTL_OK);
		says(server.heard, line[i].keys);
		if (line[i].service)
			says(server.heard, line[i].service);
		else
			assert_null(strstr(server.heard, "service"));
	}
}

static void without_a_key_nothing_is_asked(void **unused)
{
	(void)unused;
	run("-s %s buckets find", path);
	assert_int_equal(last.rc, CTL_USAGE);
	one_line(last.err);
	says(last.err, "needs [SERVICE] KEY...");
	run("-s %s buckets find game", path);
	assert_int_equal(last.rc, CTL_USAGE);
	one_line(last.err);
	says(last.err, "give keys behind 'game'");
	run_with("{\"ok\":false,\"code\":\"usage\",\"error\":\"so and so\"}", "buckets find 1");
	assert_int_equal(last.rc, CTL_USAGE);
	assert_string_equal(last.err, "batonctl: so and so\n");
	run("buckets find --help");
	says(last.out, "which worker has player 123?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_order_is_sent_and_its_result_printed),
		cmocka_unit_test(balancing_is_ordered_and_shown),
		cmocka_unit_test(a_refusal_is_one_line_and_has_an_exit_code),
		cmocka_unit_test(words_that_are_missing_or_too_many_are_refused),
		cmocka_unit_test(owners_are_shown_by_range),
		cmocka_unit_test(long_lists_are_broken_behind_a_comma),
		cmocka_unit_test(found_owners_are_a_line_each),
		cmocka_unit_test(a_service_goes_before_its_keys_and_options_anywhere),
		cmocka_unit_test(without_a_key_nothing_is_asked),
	};

	return cmocka_run_group_tests(tests, start, end);
}
