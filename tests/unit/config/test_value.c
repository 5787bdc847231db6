/* Claims about single values: what each type takes, and what it does not. */
#include "config_test.h"

#include "value.h"

static struct problem problem;

/* The number that `text` gives for the row with this path; fails the test if it is refused. */
static uint64_t number(const char *path, const char *text)
{
	uint64_t value = 0;

	if (number_parse(schema_find(path), text, &value, &problem))
		fail_msg("%s: %s: %s", path, text, problem.text);
	return value;
}

static void refused(const char *path, const char *text, const char *message)
{
	uint64_t field[BATON_PATH_BYTES / 8], untouched[BATON_PATH_BYTES / 8];

	memset(field, 0x5a, sizeof(field));
	memset(untouched, 0x5a, sizeof(untouched));
	assert_true(value_parse(schema_find(path), text, strlen(text), true, "/base", field, &problem) < 0);
	if (!strstr(problem.text, message))
		fail_msg("%s: %s: expected '%s', found '%s'", path, text, message, problem.text);
	assert_memory_equal(field, untouched, sizeof(field));
}

static void units_multiply(void **state)
{
	(void)state;
	assert_int_equal(number("eal.socket_memory", "2M"), 2097152);
	assert_int_equal(number("eal.socket_memory", "2MiB"), 2097152);
	assert_int_equal(number("eal.socket_memory", "4096K"), 4194304);
	assert_int_equal(number("eal.socket_memory", "4096KiB"), 4194304);
	assert_int_equal(number("eal.socket_memory", "1G"), 1073741824);
	assert_int_equal(number("eal.socket_memory", "1GiB"), 1073741824);
	assert_int_equal(number("eal.socket_memory", "2097152B"), 2097152);
	assert_int_equal(number("memory.pending", "16k"), 16000);
	assert_int_equal(number("memory.pending", "16Ki"), 16384);
	assert_int_equal(number("memory.pending", "1M"), 1000000);
	assert_int_equal(number("memory.pending", "1Mi"), 1048576);
	assert_int_equal(number("ports[].rate", "1G"), 1000000000);
	assert_int_equal(number("groups[].tick_period", "1000000ns"), 1000000);
	assert_int_equal(number("groups[].tick_period", "1000us"), 1000000);
	assert_int_equal(number("groups[].tick_period", "20ms"), 20000000);
	assert_int_equal(number("groups[].tick_period", "2s"), 2000000000);
	assert_int_equal(number("groups[].tick_period", "5m"), 300000000000);
	assert_int_equal(number("groups[].tick_period", "1h"), 3600000000000);
}

static void words_stand_for_zero(void **state)
{
	(void)state;
	assert_int_equal(number("groups[].tick_period", "off"), 0);
	assert_int_equal(number("memory.buffers", "auto"), 0);
	assert_int_equal(number("ports[].rate", "unlimited"), 0);
	refused("groups[].tick_period", "none", "expected a duration, found 'none' (or write off)");
	refused("memory.buffers", "0", "'0' is out of range; allowed 1024 to 8388608, or auto");
}

static void units_of_other_kinds_and_fractions_are_refused(void **state)
{
	(void)state;
	refused("eal.socket_memory", "2MB", "no unit 'MB' here; known are B KiB MiB GiB");
	refused("eal.socket_memory", "2s", "no unit 's' here");
	refused("eal.socket_memory", "2 MiB", "no unit ' MiB' here");
	refused("memory.pending", "16K", "no unit 'K' here; known are k M G Ki Mi Gi");
	refused("groups[].tick_period", "1.5s", "known are ns us ms s m h, and whole numbers only");
	refused("groups[].tick_period", "12:30", "no unit ':30' here");
	refused("groups[].tick_period", "1s ", "no unit 's ' here");
	refused("ports[].mtu", "1k", "expected a number, found '1k'");
	refused("ports[].mtu", "0x5dc", "expected a number");
	refused("ports[].mtu", "1_500", "expected a number");
	refused("ports[].mtu", "+1500", "expected a number");
	refused("ports[].mtu", "1500.0", "expected a number");
	refused("ports[].mtu", " 1500", "expected a number");
}

static void number_that_wraps_around_is_out_of_range(void **state)
{
	(void)state;
	refused("eal.socket_memory", "17179869185GiB", "is out of range"); /* 2^64 bytes and 1 GiB */
	refused("ports[].mtu", "18446744073709553116", "is out of range"); /* 2^64 + 1500 */
	refused("memory.pending", "18446744073709568000", "is out of range");
}

static void number_in_quotes_is_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < schema_rows; i++) {
		const struct schema_row *row = &schema[i];
		char value[64], want[256];

		if (row->type != SCHEMA_INT && row->type != SCHEMA_COUNT && row->type != SCHEMA_RATE &&
		    row->type != SCHEMA_BOOL)
			continue;
		snprintf(value, sizeof(value), "\"%s\"", row->example);
		struct document *d = load_row(row, value, SHAPE_PLAIN, NULL);
		snprintf(want, sizeof(want), "%s: expected %s, found text in quotes", row_shown(row),
			 schema_type_phrase(row->type));
		expect_only(d->value_line, d->value_column, want);
	}
}

static void leading_zero_is_not_octal(void **state)
{
	(void)state;
	refused("ports[].mtu", "01500", "'01500' has a leading zero; numbers are decimal here, never octal");
	refused("groups[].tick_period", "010s", "has a leading zero");
	refused("eal.main_core", "08", "has a leading zero");
	assert_int_equal(number("eal.main_core", "0"), 0);
}

static void only_true_and_false_are_bools(void **state)
{
	static const char *const others[] = { "yes", "no", "on", "off", "True", "FALSE",
					      "1",   "0",  "y",	 "~",	"null", "tru" };
	bool value = false;

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		refused("ports[].promiscuous", others[i], "expected true or false, found '");
	assert_int_equal(value_parse(schema_find("ports[].promiscuous"), "true", 4, true, "/", &value, &problem), 0);
	assert_true(value);
	assert_int_equal(value_parse(schema_find("ports[].promiscuous"), "false", 5, true, "/", &value, &problem), 0);
	assert_false(value);
}

static void names_cannot_leave_their_directory(void **state)
{
	static const char *const bad[] = {
		"..", ".", "a/b", "a b", "-a", "_a", ".a", "a.b", "\xc3\xa4", "a%s", "a\\b"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused("name", bad[i], "is not a name: use letters, digits, '-' and '_'");
	refused("groups[].versions[].name", "../1",
		"is not a version name: use letters, digits, '-', '_', '.' and '+'");
	refused("services[].group", "01234567890123456789012345678", "29 bytes are too long; allowed are 28");
}

static void version_names_may_hold_dots(void **state)
{
	char name[BATON_NAME_BYTES];

	(void)state;
	assert_int_equal(
		value_parse(schema_find("groups[].versions[].name"), "1.4.2+b_7-x", 11, true, "/", name, &problem), 0);
	assert_string_equal(name, "1.4.2+b_7-x");
}

static void misspelt_word_is_answered_with_the_right_one(void **state)
{
	(void)state;
	refused("eal.poll", "bussy", "expected one of adaptive, busy, found 'bussy'; did you mean 'busy'?");
	refused("eal.poll", "Busy", "did you mean 'busy'?");
	refused("log.level", "verbose", "expected one of error, warn, info, debug, found 'verbose'");
	assert_null(strstr(problem.text, "did you mean"));
	refused("log.level", "ware", "did you mean 'warn'?"); /* one edit; any other is further away */
	refused("ports[].promiscuous", "ture", "did you mean 'true'?");
	refused("groups[].tick_period", "of", "did you mean 'off'?");
}

static void relative_path_starts_at_the_directory_of_the_file(void **state)
{
	static const struct {
		const char *text, *base, *path;
	} cases[] = {
		{ "game.so", "/etc/baton", "/etc/baton/game.so" },
		{ "./game.so", "/etc/baton", "/etc/baton/game.so" },
		{ "../build/game.so", "/etc/baton", "/etc/build/game.so" },
		{ ".././/../x/../game.so", "/etc/baton", "/x/../game.so" },
		{ "../../../../game.so", "/etc/baton", "/game.so" },
		{ "game.so", "/", "/game.so" },
		{ "/abs/../game.so", "/etc/baton", "/abs/../game.so" },
		{ "..game.so", "/etc", "/etc/..game.so" },
	};
	char path[BATON_PATH_BYTES];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(value_parse(schema_find("groups[].plugin"), cases[i].text, strlen(cases[i].text), true,
					     cases[i].base, path, &problem), 0);
		assert_string_equal(path, cases[i].path);
	}
}

static void path_too_long_once_joined_is_refused(void **state)
{
	char base[300] = "/";
	uint64_t field[BATON_PATH_BYTES / 8];

	(void)state;
	memset(base + 1, 'd', 249);
	assert_true(value_parse(schema_find("groups[].plugin"), "game.so", 7, true, base, field, &problem) < 0);
	assert_non_null(
		strstr(problem.text, "the path is too long once joined with the configuration's directory (258 bytes"));
	base[247] = '\0';
	assert_int_equal(value_parse(schema_find("groups[].plugin"), "game.so", 7, true, base, field, &problem), 0);
	assert_int_equal(strlen((char *)field), 255);
}

static void cores_are_numbers_and_ranges(void **state)
{
	static const char *const bad[] = { "",	   "-1",   "1-", "3-2",	 "a",	   "1,",    ",1",
					   "1,,2", "1 ,2", "01", "1024", "0-1024", "1-2-3", "99999" };
	uint32_t cores[16], count = 0;

	(void)state;
	assert_int_equal(value_parse_cores("2-5,8,0-0", cores, &count, 16, &problem), 0);
	assert_int_equal(count, 6);
	assert_int_equal(cores[0], 2);
	assert_int_equal(cores[3], 5);
	assert_int_equal(cores[4], 8);
	assert_int_equal(cores[5], 0);
	assert_int_equal(value_parse_cores("1023", cores, &count, 16, &problem), 0);
	assert_int_equal(count, 7);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		count = 0;
		assert_true(value_parse_cores(bad[i], cores, &count, 16, &problem) < 0);
		assert_non_null(strstr(problem.text, "expected CPU numbers (0 to 1023)"));
	}
	assert_true(value_parse_cores("0-16", cores, &count, 16, &problem) < 0);
	assert_string_equal(problem.text, "too many CPUs; allowed are 16");
}

static void addresses_are_dotted_quads(void **state)
{
	static const char *const bad[] = { "1.2.3",	"1.2.3.4.5", "1.2.3.256", "01.2.3.4",
					   "0x1.2.3.4", "1.2.3.4 ",  "localhost", "::1" };
	uint32_t ip = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused("ports[].gateway", bad[i], "expected an IPv4 address such as 10.77.0.1, found '");
	assert_int_equal(value_parse(schema_find("ports[].gateway"), "1.2.3.4", 7, true, "/", &ip, &problem), 0);
	assert_memory_equal(&ip, "\1\2\3\4", 4);
}

static void shown_text_is_cut_at_a_whole_character(void **state)
{
	char text[128] = "", shown[SHOWN_BYTES];

	(void)state;
	for (int i = 0; i < 21; i++)
		strcat(text, i == 0 ? "a" : "\xc3\xa4"); /* byte 40 is in the middle of one */
	value_shown(text, strlen(text), shown);
	assert_int_equal(strlen(shown), 1 + 39 + 3 + 1);
	assert_string_equal(shown + 38, "\xc3\xa4...'");
	assert_string_equal(value_shown("a\x1b\x7f\n\xc2\x9b", 6, shown), "'a\?\?\?\?'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(units_multiply),
		cmocka_unit_test(words_stand_for_zero),
		cmocka_unit_test(units_of_other_kinds_and_fractions_are_refused),
		cmocka_unit_test(number_that_wraps_around_is_out_of_range),
		cmocka_unit_test(number_in_quotes_is_text),
		cmocka_unit_test(leading_zero_is_not_octal),
		cmocka_unit_test(only_true_and_false_are_bools),
		cmocka_unit_test(names_cannot_leave_their_directory),
		cmocka_unit_test(version_names_may_hold_dots),
		cmocka_unit_test(misspelt_word_is_answered_with_the_right_one),
		cmocka_unit_test(relative_path_starts_at_the_directory_of_the_file),
		cmocka_unit_test(path_too_long_once_joined_is_refused),
		cmocka_unit_test(cores_are_numbers_and_ranges),
		cmocka_unit_test(addresses_are_dotted_quads),
		cmocka_unit_test(shown_text_is_cut_at_a_whole_character),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
