/* Claims about the table itself. */
#include "config_test.h"

#include "value.h"

static void every_row_is_complete(void **state)
{
	(void)state;
	assert_true(schema_rows > 40);
	for (size_t i = 0; i < schema_rows; i++) {
		const struct schema_row *row = &schema[i];
		bool section = row->type == SCHEMA_MAP || row->type == SCHEMA_LIST;

		if (!row->help || !row->help[0] || strchr(row->help, '|') || strchr(row->help, '\n'))
			fail_msg("%s: help must be one line without '|'", row->path);
		if (!section && !row->example)
			fail_msg("%s: has no example", row->path);
		if ((row->type == SCHEMA_ENUM) != (row->words != NULL))
			fail_msg("%s: words belong to enums, and enums need them", row->path);
		if (row->required && row->fallback)
			fail_msg("%s: is required and yet has a default", row->path);
		if (row->min > row->max)
			fail_msg("%s: its range is empty", row->path);
		if (row->zero && row->min == 0 && (row->type == SCHEMA_INT || row->type == SCHEMA_COUNT))
			fail_msg("%s: 0 and '%s' would be the same", row->path, row->zero);
		assert_true(row->path && !strchr(row->path, ' '));
	}
}

static void paths_are_unique_and_stand_after_their_section(void **state)
{
	(void)state;
	for (size_t i = 0; i < schema_rows; i++) {
		char parent[128];
		bool found = false;

		assert_ptr_equal(schema_find(schema[i].path), &schema[i]);
		snprintf(parent, sizeof(parent), "%s", schema[i].path);
		char *dot = strrchr(parent, '.');
		if (!dot)
			continue;
		*dot = '\0';
		assert_ptr_equal(schema_child(parent, schema_key(&schema[i])), &schema[i]);
		bool list = dot > parent + 2 && strcmp(dot - 2, "[]") == 0;
		if (list)
			dot[-2] = '\0';
		for (size_t p = 0; p < i; p++)
			found = found || (strcmp(schema[p].path, parent) == 0 &&
					  schema[p].type == (list ? SCHEMA_LIST : SCHEMA_MAP));
		if (!found)
			fail_msg("%s: no section or list %s before it", schema[i].path, parent);
	}
	assert_null(schema_find("nothing"));
	assert_null(schema_child("ports", "name"));
	assert_null(schema_child("", "mtu"));
}

static void keys_of_a_section_are_more_than_a_typo_apart(void **state)
{
	(void)state;
	for (size_t i = 0; i < schema_rows; i++)
		for (size_t o = 0; o < i; o++) {
			const char *dot = strrchr(schema[i].path, '.');
			char parent[128];

			snprintf(parent, sizeof(parent), "%.*s", dot ? (int)(dot - schema[i].path) : 0, schema[i].path);
			if (schema_inside(&schema[o], parent) && strcmp(schema[i].path, "ports[].tx_descriptors") != 0)
				assert_true(edit_distance(schema_key(&schema[i]), schema_key(&schema[o]), 1) > 1);
		}
}

static void fields_hold_the_largest_value_of_their_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < schema_rows; i++) {
		const struct schema_row *row = &schema[i];

		switch (row->type) {
		case SCHEMA_BOOL:
			assert_int_equal(row->width, sizeof(bool));
			break;
		case SCHEMA_ENUM:
			assert_true(row->width == 4 || (row->width == sizeof(bool) && row->words[2] == NULL));
			break;
		case SCHEMA_IP:
			assert_int_equal(row->width, 4);
			break;
		case SCHEMA_GATE:
			assert_int_equal(row->width, sizeof(struct config_gate));
			break;
		case SCHEMA_INT:
		case SCHEMA_COUNT:
		case SCHEMA_RATE:
		case SCHEMA_SIZE:
		case SCHEMA_DURATION:
			if (row->width == 0)
				break; /* checked, not kept */
			assert_true(row->width == 1 || row->width == 2 || row->width == 4 || row->width == 8);
			assert_true(row->width == 8 || row->max >> (8 * row->width) == 0);
			break;
		case SCHEMA_STRING:
		case SCHEMA_NAME:
		case SCHEMA_VERSION:
		case SCHEMA_PATH:
		case SCHEMA_BUILD:
			assert_true(row->width > row->max);
			break;
		case SCHEMA_LIST:
		case SCHEMA_PREFIXES:
		case SCHEMA_CORES:
		case SCHEMA_USERS:
		case SCHEMA_GROUPS:
		case SCHEMA_STEPS:
		case SCHEMA_KEYS:
		case SCHEMA_SETTINGS:
			assert_true(row->width > 0 && row->count_offset > 0);
			break;
		default:
			assert_int_equal(row->width, 0);
		}
	}
}

static void distance_counts_edits_and_swaps(void **state)
{
	(void)state;
	assert_int_equal(edit_distance("weight", "weight", 2), 0);
	assert_int_equal(edit_distance("wieght", "weight", 2), 1);
	assert_int_equal(edit_distance("weigt", "weight", 2), 1);
	assert_int_equal(edit_distance("weigght", "weight", 2), 1);
	assert_int_equal(edit_distance("waight", "weight", 2), 1);
	assert_int_equal(edit_distance("wieghtt", "weight", 2), 2);
	assert_int_equal(edit_distance("", "ab", 2), 2);
	assert_int_equal(edit_distance("", "", 2), 0);
	assert_int_equal(edit_distance("abc", "xyz", 2), 3);
	assert_int_equal(edit_distance("abcdef", "badcfe", 3), 3);
	assert_int_equal(edit_distance("short", "muchlonger", 2), 3);
}

static void nearest_key_is_one_that_is_valid_there(void **state)
{
	(void)state;
	assert_string_equal(schema_nearest("ports[]", "mut"), "mtu");
	assert_string_equal(schema_nearest("ports[]", "adresses"), "addresses");
	assert_string_equal(schema_nearest("", "service"), "services");
	assert_string_equal(schema_nearest("groups[].versions[]", "plugn"), "plugin");
	assert_null(schema_nearest("eal", "mtu"));
	assert_null(schema_nearest("ports[]", "x"));
	assert_null(schema_nearest("ports[]", "frobnicate"));
}

static void numbers_are_printed_in_their_largest_unit(void **state)
{
	static const struct {
		enum schema_type type;
		uint64_t value;
		const char *text;
	} cases[] = {
		{ SCHEMA_SIZE, 2097152, "2MiB" },	  { SCHEMA_SIZE, 1ull << 30, "1GiB" },
		{ SCHEMA_SIZE, 1025, "1025B" },		  { SCHEMA_SIZE, 0, "0B" },
		{ SCHEMA_DURATION, 3600000000000, "1h" }, { SCHEMA_DURATION, 90000000000, "90s" },
		{ SCHEMA_DURATION, 1500000, "1500us" },	  { SCHEMA_DURATION, 7, "7ns" },
		{ SCHEMA_COUNT, 16000, "16000" },	  { SCHEMA_INT, 0, "0" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[32];

		schema_format_number(cases[i].type, cases[i].value, text, sizeof(text));
		assert_string_equal(text, cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_complete),
		cmocka_unit_test(paths_are_unique_and_stand_after_their_section),
		cmocka_unit_test(keys_of_a_section_are_more_than_a_typo_apart),
		cmocka_unit_test(fields_hold_the_largest_value_of_their_row),
		cmocka_unit_test(distance_counts_edits_and_swaps),
		cmocka_unit_test(nearest_key_is_one_that_is_valid_there),
		cmocka_unit_test(numbers_are_printed_in_their_largest_unit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
