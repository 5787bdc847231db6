/* Claims about hostile and broken files: refused in a line or two, at the right place, quickly, whatever they hold. */
#include "config_test.h"

static char big[(1u << 20) + 4096];

static void anchor_alias_and_tag_are_refused_where_they_stand(void **state)
{
	(void)state;
	load_text(PORTS SERVICES "groups: &all\n- {name: game, plugin: !file /p.so}\nlog: *all\n");
	expect_error(6, 9, "anchors ('&name') are not allowed");
	expect_error(7, 24, "tags ('!name') are not allowed");
	expect_error(8, 6, "aliases ('*name') are not allowed");
	assert_int_equal(outcome.errors, 3);
}

static void cycle_is_refused(void **state)
{
	(void)state;
	load_text("eal: &loop\n  poll: *loop\n");
	expect_error(1, 6, "anchors ('&name') are not allowed");
	expect_error(2, 9, "aliases ('*name') are not allowed");
	load_text("&r {eal: *r, *r : *r}\n");
	expect_error(1, 1, "anchors");
	assert_int_equal(outcome.errors, 4);
}

static void billion_laughs_are_not_laughed(void **state)
{
	char text[2048] = "a: &a [x, x, x, x, x, x, x, x, x]\n";

	(void)state;
	for (char c = 'b'; c < 'k'; c++)
		sprintf(text + strlen(text), "%c: &%c [*%c, *%c, *%c, *%c, *%c]\n", c, c, c - 1, c - 1, c - 1, c - 1,
			c - 1);
	load_text(text);
	assert_int_equal(outcome.errors, 10 + 45);
	assert_int_equal(lines_printed(), 20);
}

static void merge_key_is_refused(void **state)
{
	(void)state;
	load_text(PORTS SERVICES "groups:\n- name: game\n  plugin: /p.so\n  <<: {count: 2}\n");
	expect_only(9, 3, "merge keys ('<<') are not allowed; write the values out");
}

static void second_document_is_refused(void **state)
{
	(void)state;
	load_text("---\n" PORTS SERVICES GROUPS "---\nversion: 1\n");
	expect_only(9, 1, "a second document; one file is one configuration");
	load_text(PORTS SERVICES GROUPS "...\nversion: 1\n");
	expect_only(9, 1, "a second document; one file is one configuration");
	load_text("---\n---\n");
	expect_only(2, 1, "a second document; one file is one configuration");
	load_text("---\n" PORTS SERVICES GROUPS "...\n");
	expect_good();
}

static void directive_is_refused(void **state)
{
	(void)state;
	load_text("%TAG !e! tag:example.com,2000:\n---\n" PORTS SERVICES GROUPS);
	expect_only(1, 1, "directives ('%NAME') are not allowed");
}

static void empty_file_is_refused_with_the_way_out(void **state)
{
	static const char *const empty[] = { "", "\n\n", "# only a comment\n", "---\n", "\xef\xbb\xbf" };

	(void)state;
	for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++) {
		load_text(empty[i]);
		expect_only(1, 1, "the file is empty; see config/minimal.yaml");
	}
}

static void root_must_be_a_section(void **state)
{
	(void)state;
	load_text("hello\n");
	expect_only(1, 1, "expected a section (key: value), found 'hello'");
	load_text("- version: 1\n");
	expect_only(1, 1, "expected a section (key: value), found a list");
}

static void deep_nesting_is_refused_at_the_level_that_is_too_much(void **state)
{
	(void)state;
	memset(big, '[', 100000);
	load_bytes(big, 100000);
	expect_only(1, 17, "nested too deeply; 16 levels are allowed");
	memset(big, '{', 100000);
	load_bytes(big, 100000);
	expect_only(1, 17, "nested too deeply; 16 levels are allowed");
	for (size_t i = 0; i < 50000; i++)
		memcpy(big + 2 * i, "- ", 2);
	load_bytes(big, 100000);
	expect_only(1, 33, "nested too deeply; 16 levels are allowed");
}

static void sixteen_levels_are_read(void **state)
{
	(void)state;
	load_text("x: [[[[[[[[[[[[[[[a]]]]]]]]]]]]]]]\n");
	expect_error(1, 1, "unknown key 'x'");
	assert_null(strstr(outcome.text, "deeply"));
}

static void file_longer_than_a_mebibyte_is_refused(void **state)
{
	size_t head = strlen(PORTS SERVICES GROUPS);

	(void)state;
	memset(big, '\n', sizeof(big));
	memcpy(big, PORTS SERVICES GROUPS, head);
	load_bytes(big, (1u << 20) + 1);
	expect_only(1, 1, "longer than 1 MiB");
	load_bytes(big, 1u << 20);
	expect_good();
}

static void more_values_than_anyone_writes_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < (1u << 18); i++)
		memcpy(big + 4 * i, "a:\n\n", 4);
	load_bytes(big, 1u << 20);
	assert_int_equal(outcome.errors, 1);
	assert_non_null(strstr(outcome.text, "too many values; 100000 tokens are allowed"));
}

static void mebibyte_of_unknown_and_repeated_keys_prints_twenty_lines(void **state)
{
	size_t n = 0;

	(void)state;
	for (unsigned int i = 0; i < 12000; i++)
		n += (size_t)sprintf(big + n, i % 2 ? "version: 1\n" : "nope%u: 1\n", i);
	load_bytes(big, n);
	assert_int_equal(lines_printed(), 20);
	assert_int_equal(outcome.errors, 6000 + 5999 + 3);
}

static void nul_byte_is_refused_at_its_place(void **state)
{
	static const char text[] = "version: 1\nname: a\0b\n";

	(void)state;
	load_bytes(text, sizeof(text) - 1);
	expect_only(2, 8, "not valid YAML: control characters are not allowed; the file must be plain UTF-8 text");
}

static void escaped_nul_and_control_characters_are_refused(void **state)
{
	(void)state;
	load_text("name: \"a\\0b\"\n" PORTS SERVICES GROUPS);
	expect_only(1, 7, "name: 'a?b' holds a control character");
	load_text("eal: {extra_args: \"a\\eb\"}\n" PORTS SERVICES GROUPS);
	expect_only(1, 19, "eal.extra_args: 'a?b' holds a control character");
	load_text(PORTS SERVICES "groups:\n- name: game\n  plugin: |\n    /two\n    /lines\n");
	expect_only(8, 11, "groups[0].plugin: '/two?/lines?' holds a control character");
	load_text("\"name\\0\": x\n" PORTS SERVICES GROUPS);
	expect_only(1, 1, "unknown key 'name?'");
}

static void text_that_is_not_utf8_is_refused_at_its_place(void **state)
{
	static const struct {
		const char *bytes;
		uint32_t column; /* of the octet that cannot stand there */
	} bad[] = { { "\xff", 8 }, { "\xc3(", 9 }, { "\xe2\x82", 8 }, { "\xf8\x88", 8 }, { "\xed\xa0\x80", 8 } };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[64];

		snprintf(text, sizeof(text), "version: 1\nname: \xc3\xa4%s", bad[i].bytes);
		load_text(text);
		expect_only(2, bad[i].column, "not valid YAML: ");
		assert_non_null(strstr(outcome.text, "the file must be plain UTF-8 text"));
	}
	/* UTF-16 is text, too, but not ours. */
	load_bytes("\xff\xfev\0:\0", 6);
	expect_only(1, 1, "not valid YAML: ");
}

static void columns_count_characters(void **state)
{
	(void)state;
	load_text("eal: {extra_args: \"\xc3\xa4\xe2\x82\xac\", pol: busy}\n" PORTS SERVICES GROUPS);
	expect_only(1, 25, "unknown key 'pol' in eal; did you mean 'poll'?");
}

static void nothing_of_the_file_reaches_the_terminal_raw(void **state)
{
	(void)state;
	load_text("\"\\e[31mred\\a\\x85\": 1\n" PORTS SERVICES GROUPS);
	expect_only(1, 1, "unknown key '?[31mred?");
	for (const char *c = outcome.text; *c; c++)
		assert_true(*c == '\n' || ((unsigned char)*c >= 0x20 && (unsigned char)*c < 0x7f));
	memset(big, 'a', 1000);
	strcpy(big + 1000, ": 1\n" PORTS SERVICES GROUPS);
	load_text(big);
	expect_only(1, 1, "unknown key 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...'; known are: ");
}

static void key_must_be_a_word(void **state)
{
	(void)state;
	load_text("[a, b]: 1\n{c: d}: 2\n" PORTS SERVICES GROUPS);
	expect_error(1, 1, "unknown key a list; known are: ");
	expect_error(2, 1, "unknown key a section; known are: ");
	assert_int_equal(outcome.errors, 2);
}

static void tab_is_named(void **state)
{
	(void)state;
	load_text("version: 1\neal:\n\tpoll: busy\n");
	expect_error(3, 1, "not valid YAML: ");
	assert_non_null(strstr(outcome.text, "indent with blanks, not with tabs"));
}

static void broken_syntax_is_reported_where_it_is(void **state)
{
	(void)state;
	load_text("version: 1\nports: [\nname: x\n");
	assert_int_equal(outcome.errors, 1);
	assert_non_null(strstr(outcome.text, "error: not valid YAML: "));
	load_text("version: 1\n  eal: 2\n");
	expect_only(2, 6, "not valid YAML: ");
}

static void what_stands_behind_the_end_is_refused_not_ignored(void **state)
{
	static const char lost[] = "the configuration has ended above this: ";

	(void)state;
	/* The first section is indented by one blank more than the second. */
	load_text(" version: 1\n name: x\ncontrol: {viewers: {users: [0]}}\n");
	expect_error(3, 1, lost);
	load_text("{version: 1, name: x}\ncontrol: {viewers: {users: [0]}}\n");
	expect_error(2, 1, lost);
	load_text("--- {version: 1, name: x}\n]\n");
	expect_error(2, 1, lost);
	/* An end is an end, with what may follow one. */
	load_text("---\nname: x\n" PORTS SERVICES GROUPS "...\n# c\n\n");
	expect_good();
}

static void byte_order_mark_is_no_indentation(void **state)
{
	(void)state;
	load_text("\xef\xbb\xbfname: x\n" PORTS SERVICES GROUPS);
	expect_good();
	assert_string_equal(outcome.config.name, "x");
	load_text("\xef\xbb\xbfname: x\npol: 1\n" PORTS SERVICES GROUPS);
	expect_only(2, 1, "unknown key 'pol'");
	load_text("\xef\xbb\xbfpol: 1\n" PORTS SERVICES GROUPS);
	expect_only(1, 1, "unknown key 'pol'");
	load_text("\xef\xbb\xbf");
	expect_only(1, 1, "the file is empty; ");
	/* A second one is what it looks like: nothing. */
	load_text("\xef\xbb\xbf\xef\xbb\xbfname: x\n" PORTS SERVICES GROUPS);
	assert_true(outcome.errors > 0);
}

/* Every prefix of a good file, and the file with each byte replaced: any answer will do, but there must be one. */
static void cut_or_altered_file_never_hangs_or_crashes(void **state)
{
	static const char good[] = "# c\nname: x\n" PORTS SERVICES GROUPS "eal: {io_cores: [0, 2-3], poll: busy}\n";
	static const char bytes[] = "\0\n\t&*!%@`\"'[]{}:,-?|>#\xff 9";
	char text[sizeof(good)];

	(void)state;
	load_text(good);
	expect_good();
	for (size_t i = 0; i < sizeof(good) - 1; i++) {
		load_bytes(good, i);
		for (size_t b = 0; b < sizeof(bytes) - 1; b++) {
			memcpy(text, good, sizeof(good));
			text[i] = bytes[b];
			load_bytes(text, sizeof(good) - 1);
			assert_true((outcome.errors == 0) == (outcome.text[0] == '\0'));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(anchor_alias_and_tag_are_refused_where_they_stand),
		cmocka_unit_test(cycle_is_refused),
		cmocka_unit_test(billion_laughs_are_not_laughed),
		cmocka_unit_test(merge_key_is_refused),
		cmocka_unit_test(second_document_is_refused),
		cmocka_unit_test(directive_is_refused),
		cmocka_unit_test(empty_file_is_refused_with_the_way_out),
		cmocka_unit_test(root_must_be_a_section),
		cmocka_unit_test(deep_nesting_is_refused_at_the_level_that_is_too_much),
		cmocka_unit_test(sixteen_levels_are_read),
		cmocka_unit_test(file_longer_than_a_mebibyte_is_refused),
		cmocka_unit_test(more_values_than_anyone_writes_are_refused),
		cmocka_unit_test(mebibyte_of_unknown_and_repeated_keys_prints_twenty_lines),
		cmocka_unit_test(nul_byte_is_refused_at_its_place),
		cmocka_unit_test(escaped_nul_and_control_characters_are_refused),
		cmocka_unit_test(text_that_is_not_utf8_is_refused_at_its_place),
		cmocka_unit_test(columns_count_characters),
		cmocka_unit_test(nothing_of_the_file_reaches_the_terminal_raw),
		cmocka_unit_test(key_must_be_a_word),
		cmocka_unit_test(tab_is_named),
		cmocka_unit_test(broken_syntax_is_reported_where_it_is),
		cmocka_unit_test(what_stands_behind_the_end_is_refused_not_ignored),
		cmocka_unit_test(byte_order_mark_is_no_indentation),
		cmocka_unit_test(cut_or_altered_file_never_hangs_or_crashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
