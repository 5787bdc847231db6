/* batonctl crash: deaths as a table, and one of them in full. */
#define _GNU_SOURCE
#include "ctl_rig.h"

static const char rows[] =
	"{\"ok\":true,\"schema\":1,\"directory\":\"/var/log/baton/x.crash\",\"lost\":0,\"crashes\":["
	"{\"id\":12,\"time\":\"2026-01-31T12:00:00.000001Z\",\"worker\":\"game.10\",\"version\":\"1.2\","
	"\"what\":\"SIGSEGV at 0x8 in move+0x41\"},"
	"{\"id\":7,\"time\":\"2026-01-30T11:00:00.000001Z\",\"worker\":\"game.1\",\"version\":\"\","
	"\"what\":\"could not start: \\u001b[2J\"}]}";

static void deaths_are_a_line_each(void **unused)
{
	(void)unused;
	run_with(rows, "crash list --last 30");
	assert_int_equal(last.rc, 0);
	assert_string_equal(last.out, "    ID  TIME                 WORKER   VERSION  WHAT\n"
				      "    12  2026-01-31T12:00:00  game.10  1.2      SIGSEGV at 0x8 in move+0x41\n"
				      "     7  2026-01-30T11:00:00  game.1   -        could not start: ?[2J\n");
	says(server.heard, "{\"last\":30}");
	run_with(rows, "--json crash list");
	says(last.out, "\"id\":12");
	run_with("{\"ok\":true,\"crashes\":[],\"lost\":3,\"directory\":\"/d\"}", "crash list");
	assert_string_equal(last.out, "no death is on record\n"); /* three there were */
	assert_string_equal(last.err, "batonctl: 3 deaths could not be recorded in /d\n");
}

static const char crash[] =
	"{\"ok\":true,\"schema\":1,\"crash\":{\"id\":12,\"time\":\"T\",\"uptime_s\":1.5,\"worker\":\"game.0\",\"pid\":5,"
	"\"slot\":1,\"incarnation\":9,\"plugin\":\"game\",\"version\":\"1.2\",\"build_id\":\"abc\",\"file\":\"/p/game.so\","
	"\"cause\":\"fault\",\"words\":\"signal 11\",\"what\":\"SIGSEGV at 0x8 in move+0x41\",\"signal\":\"SIGSEGV\","
	"\"code\":\"SEGV_MAPERR\",\"code_words\":\"nothing is mapped there\",\"address\":\"0x8\","
	"\"at\":{\"address\":\"0x7f01\",\"module\":\"game.so\",\"file_address\":\"0x141\",\"function\":\"move\","
	"\"offset\":65},"
	"\"called_from\":[{\"address\":\"0x7f02\",\"module\":\"game.so\",\"file_address\":\"0x9\"},{\"address\":\"0x1\"}],"
	"\"unsettled\":3,\"undone\":2,"
	"\"entry\":{\"exact\":true,\"lcore\":0,\"position\":77,\"kind\":\"packet\",\"service\":\"game\",\"length\":18,"
	"\"bucket\":5,\"attempts\":1,\"received\":\"R\",\"payload\":\"3000000001000000070000000b0000007f41\","
	"\"game\":{\"type\":\"PLAYER_MOVE\",\"packet_type\":1,\"packet_size\":48,\"player\":7,\"sequence\":11}},"
	"\"log\":[\"first\",\"second \\u0007\"],\"commands\":[\"addr2line -Cfipe /p/game.so 0x141\"]}}";

static void one_death_is_shown_in_full(void **unused)
{
	(void)unused;
	run_with(crash, "crash show 12");
	assert_int_equal(last.rc, 0);
	says(server.heard, "{\"id\":12}");
	assert_string_equal(last.out,
		"crash 12: SIGSEGV at 0x8 in move+0x41\n"
		"  when       T, 1.500 s after its start\n"
		"  worker     game.0, pid 5, slot 1, incarnation 9\n"
		"  plugin     game 1.2, build abc, /p/game.so\n"
		"  cause      fault: signal 11\n"
		"  code       SEGV_MAPERR: nothing is mapped there\n"
		"  address    0x8\n"
		"  in         move+0x41 (game.so 0x141)\n"
		"  called by  game.so 0x9\n"
		"             0x1, where nothing is loaded\n"
		"  entry      packet of service game, bucket 5, 18 bytes, 1 deaths before, position 77 of I/O lcore 0\n"
		"             it was the one being handled\n"
		"  received   R\n"
		"  game       PLAYER_MOVE of player 7, sequence 11, packet_size 48\n"
		"  payload    0000  30 00 00 00 01 00 00 00 07 00 00 00 0b 00 00 00  0...............\n"
		"             0010  7f 41                                            .A\n"
		"  left       3 entries unsettled, 2 undo records rolled back\n"
		"  log        first\n"
		"             second ?\n"
		"  source     addr2line -Cfipe /p/game.so 0x141\n");
	run_with(crash, "crash show last");
	says(server.heard, "{\"id\":\"last\"}");
	run_with(crash, "crash show last --json");
	says(last.out, "\"player\":7");
}

static void what_is_withheld_is_said(void **unused)
{
	(void)unused;
	run_with("{\"ok\":true,\"crash\":{\"id\":1,\"entry\":{\"kind\":\"packet\",\"bucket\":1}},"
		 "\"withheld\":[\"log\",\"entry.payload\"]}", "crash show 1");
	assert_int_equal(last.rc, 0);
	says(last.out, "shown to operators only");
	says(last.out, "one of the 63 after it");
}

static void a_bad_number_is_no_question(void **unused)
{
	static const char *const bad[] = {"0", "x", "-1", "1x", "first", "999999999"};

	(void)unused;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		run("-s %s crash show %s", path, bad[i]);
		assert_int_equal(last.rc, CTL_USAGE);
		one_line(last.err);
	}
	run("-s %s crash show", path);
	assert_int_equal(last.rc, CTL_USAGE);
	run_with("{\"ok\":false,\"code\":\"not_found\",\"error\":\"no crash record 9\"}", "crash show 9");
	assert_int_equal(last.rc, CTL_NOT_FOUND);
}

/* Whatever a daemon says. */
static void odd_answers_do_no_harm(void **unused)
{
	static const char *const odd[] = {
		"{\"ok\":true}", "{\"ok\":true,\"crash\":[]}", "{\"ok\":true,\"crashes\":{}}",
		"{\"ok\":true,\"crash\":{\"entry\":{\"payload\":\"zz1\",\"game\":7},\"log\":[7],\"at\":3,\"called_from\":[1]}}",
		"{\"ok\":true,\"crashes\":[7,{\"id\":\"x\",\"worker\":5}]}",
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		run_with(odd[i], "crash list");
		assert_int_equal(last.rc, 0);
		run_with(odd[i], "crash show 3");
		assert_int_equal(last.rc, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deaths_are_a_line_each),
		cmocka_unit_test(one_death_is_shown_in_full),
		cmocka_unit_test(what_is_withheld_is_said),
		cmocka_unit_test(a_bad_number_is_no_question),
		cmocka_unit_test(odd_answers_do_no_harm),
	};

	return cmocka_run_group_tests(tests, start, end);
}
