/* The words of batonctl: what is understood, what is a usage error and what it should have been. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "ctl_rig.h"

/* ---- words ---- */

static void wrong_words_are_usage_errors_with_a_hint(void **unused)
{
	static const struct { const char *words, *hint; } wrong[] = {
		{ "", "give a command: status, worker, buckets, rollout, balance, config, plugin, state, stats, audit, crash, "
		      "quarantine, ping" },
		{ "staus", "did you mean 'status'?" },
		{ "wroker list", "did you mean 'worker'?" },
		{ "worker", "needs one of: list, restart" },
		{ "worker lsit", "did you mean 'list'?" },
		{ "xyzzy", "see `batonctl --help`" },
		{ "st", "unknown command" }, /* status, state or stats */
		{ "status now", "one word too many" },
		{ "worker restart", "needs NAME|GROUP" },
		{ "worker restart game again", "one word too many" },
		{ "worker xyzzy", "unknown verb 'xyzzy': 'worker' has list, restart, start, stop, drain" },
		{ "restart game", "did you mean 'worker restart'?" },
		{ "show", "did you mean 'buckets show' or 'config show' or 'crash show' or 'quarantine show'?" },
		{ "help xyzzy", "see `batonctl --help`" },
		{ "--jsno status", "unknown option '--jsno': did you mean '--json'?" },
		{ "-x status", "unknown option '-x': see `batonctl --help`" },
		{ "worker restart game --wait", "unknown option '--wait': see `batonctl worker restart --help`" },
		{ "status --xyzzy", "see `batonctl status --help`" },
		{ "status --timeout 3s", "unknown option" },
		{ "worker restart game --timeout", "needs a value" },
		{ "worker restart game --timeout 3x", "give a time" },
		{ "worker restart game --timeout 0", "give a time" },
		{ "worker restart game --timeout -5", "give a time" },
		{ "worker restart game --timeout nan", "give a time" },
		{ "stats --interval 2d", "give a time" },
		{ "--json=yes status", "takes no value" },
		{ "-i a -s b status", "not both" },
		{ "stats --prom --json", "not both" },
		{ "status --prom", "unknown option" },
		{ "-i a/b status", "use -s" },
		{ "-i 12345678901234567890123456789012 status", "31 characters" },
	};

	(void)unused;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		run("%s", wrong[i].words);
		assert_int_equal(last.rc, CTL_USAGE);
		assert_string_equal(last.out, "");
		one_line(last.err);
		says(last.err, wrong[i].hint);
	}
}

static void help_is_there_for_the_program_and_each_command(void **unused)
{
	(void)unused;
	run("--help");
	assert_int_equal(last.rc, CTL_OK);
	for (const struct ctl_command *c = ctl_commands; c->noun; c++) {
		says(last.out, c->summary);
	}
	for (const struct ctl_command *c = ctl_commands; c->noun; c++) {
		run("%s %s --help", c->noun, c->verb ? c->verb : "");
		assert_int_equal(last.rc, CTL_OK);
		says(last.out, c->help);
		says(last.out, "--json");
		assert_string_equal(last.err, "");
	}
	run("help");
	assert_int_equal(last.rc, CTL_OK);
	says(last.out, "usage: batonctl");
	says(last.out, "6 degraded, 7 paused");
	run("rollout --help");
	assert_int_equal(last.rc, CTL_OK);
	says(last.out, "rollout undo GROUP");
	assert_null(strstr(last.out, "worker restart"));
	run("help worker restart");
	assert_int_equal(last.rc, CTL_OK);
	says(last.out, "--version V");
	run("worker restart -h");
	says(last.out, "--timeout");
	says(last.out, "--version V");
	run("status -h");
	assert_null(strstr(last.out, "--timeout"));
}

static void the_nearest_word_is_suggested_if_it_is_near(void **unused)
{
	static const char *const words[] = { "status", "stats", "worker", NULL };

	(void)unused;
	assert_string_equal(ctl_suggest("statsu", words), "status"); /* one edit, as to "stats": the first wins */
	assert_string_equal(ctl_suggest("statuss", words), "status");
	assert_string_equal(ctl_suggest("owrker", words), "worker");
	assert_null(ctl_suggest("", words));
	assert_null(ctl_suggest("w", words));
	assert_null(ctl_suggest("banana", words));
	assert_null(ctl_suggest("a word that is longer than any that could be meant by anybody at all, ever", words));
}

static void beginnings_of_words_are_enough(void **unused)
{
	(void)unused;
	run_with("{\"ok\":true,\"workers\":[]}", "w l");
	assert_int_equal(last.rc, CTL_OK);
	says(server.heard, "\"worker.list\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_words_are_usage_errors_with_a_hint),
		cmocka_unit_test(help_is_there_for_the_program_and_each_command),
		cmocka_unit_test(the_nearest_word_is_suggested_if_it_is_near),
		cmocka_unit_test(beginnings_of_words_are_enough),
	};

	return cmocka_run_group_tests(tests, start, end);
}
