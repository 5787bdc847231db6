/* batond --dump-schema and the loader come from one table: what the one takes, so does the other, as far as JSON Schema
 * can tell. */
#include "json_schema_rig.h"

#include "examples_rig.h"

static json_t *top;

static int dump(void **state)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	(void)state;
	assert_int_equal(config_dump_schema(out), 0);
	fclose(out);
	top = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);
	free(text);
	return top ? 0 : -1;
}

static int drop(void **state)
{
	(void)state;
	json_decref(top);
	return 0;
}

static bool schema_allows(const char *text, size_t bytes)
{
	json_t *value = json_of_yaml(text, bytes);
	bool fine = allows(top, value);

	json_decref(value);
	return fine;
}

/* The loader's word on the document is in `outcome`. */
static void expect_both(const struct document *d, bool taken)
{
	if ((outcome.errors == 0) != taken)
		fail_msg("the loader %s\n%s%s", taken ? "refuses" : "takes", d->text, outcome.text);
	if (schema_allows(d->text, d->bytes) != taken)
		fail_msg("the JSON Schema %s\n%s", taken ? "refuses" : "takes", d->text);
}

static const char *example_of(const struct schema_row *row)
{
	return row->type == SCHEMA_MAP ? "{}" : row->example;
}

static void satisfies_it(const char *path)
{
	static char text[65536];
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	size_t bytes = fread(text, 1, sizeof(text), file);
	fclose(file);
	if (!schema_allows(text, bytes))
		fail_msg("%s does not satisfy the JSON Schema", path);
}

static void every_shipped_example_satisfies_it(void **state)
{
	(void)state;
	for_each_example(satisfies_it);
}

static void example_and_default_of_every_row_are_taken_by_both(void **state)
{
	(void)state;
	for (size_t i = 0; i < schema_rows; i++) {
		const struct schema_row *row = &schema[i];

		if (row->type == SCHEMA_LIST)
			continue; /* its rows' turn writes it */
		expect_both(load_row(row, example_of(row), SHAPE_PLAIN, NULL), true);
		if (row->fallback && row->fallback[0])
			expect_both(load_row(row, row->fallback, SHAPE_PLAIN, NULL), true);
		if (row->zero)
			expect_both(load_row(row, row->zero, SHAPE_PLAIN, NULL), true);
	}
}

static void value_of_the_wrong_kind_is_refused_by_both(void **state)
{
	(void)state;
	for (size_t i = 0; i < schema_rows; i++) {
		const struct schema_row *row = &schema[i];
		bool mapping = row->type == SCHEMA_MAP || row->type == SCHEMA_SETTINGS || row->type == SCHEMA_GATE;

		expect_both(load_row(row, mapping ? "[x]" : "{x: y}", SHAPE_PLAIN, NULL), false);
		expect_both(load_row(row, "", SHAPE_PLAIN, NULL), false);
		if (row->type != SCHEMA_STRING && row->type != SCHEMA_PATH)
			expect_both(load_row(row, "oops(", SHAPE_PLAIN, NULL), false);
		if (row->type == SCHEMA_SIZE || row->type == SCHEMA_DURATION) {
			expect_both(load_row(row, "7", SHAPE_PLAIN, NULL), false);
			expect_both(load_row(row, "7q", SHAPE_PLAIN, NULL), false);
		}
		if (row->type == SCHEMA_INT || row->type == SCHEMA_COUNT || row->type == SCHEMA_RATE)
			expect_both(load_row(row, "\"7\"", SHAPE_PLAIN, NULL), false);
	}
}

static void unknown_and_missing_keys_are_refused_by_both(void **state)
{
	(void)state;
	for (size_t i = 0; i < schema_rows; i++) {
		const struct schema_row *row = &schema[i];

		if (row->type != SCHEMA_LIST)
			expect_both(load_row(row, example_of(row), SHAPE_SIBLING, "zzzzzz"), false);
		if (row->required)
			expect_both(load_row(row, NULL, SHAPE_MISSING, NULL), false);
	}
}

static void plain_number_out_of_range_is_refused_by_both(void **state)
{
	(void)state;
	for (size_t i = 0; i < schema_rows; i++) {
		const struct schema_row *row = &schema[i];
		char value[32];

		if (row->type != SCHEMA_INT && row->type != SCHEMA_COUNT && row->type != SCHEMA_RATE)
			continue;
		snprintf(value, sizeof(value), "%lld", (long long)row->min - 1);
		expect_both(load_row(row, value, SHAPE_PLAIN, NULL), false);
		snprintf(value, sizeof(value), "%lld", (long long)row->max + 1);
		expect_both(load_row(row, value, SHAPE_PLAIN, NULL), false);
	}
}

/* The property's own part of the schema, by the row's path. */
static json_t *property_of(const struct schema_row *row)
{
	json_t *at = top;
	char path[128], *rest = path, *key;

	snprintf(path, sizeof(path), "%s", row->path);
	while ((key = strsep(&rest, ".")) != NULL) {
		bool element = strlen(key) > 2 && strcmp(key + strlen(key) - 2, "[]") == 0;

		if (element)
			key[strlen(key) - 2] = '\0';
		at = json_object_get(json_object_get(at, "properties"), key);
		if (element)
			at = json_object_get(at, "items");
	}
	return at;
}

static void every_row_says_its_help_tier_and_class(void **state)
{
	(void)state;
	for (size_t i = 0; i < schema_rows; i++) {
		const struct schema_row *row = &schema[i];
		const json_t *property = property_of(row);

		assert_non_null(property);
		assert_string_equal(json_string_value(json_object_get(property, "description")), row->help);
		assert_true(!row->fallback == !json_object_get(property, "default"));
		if (row->type == SCHEMA_MAP)
			continue;
		assert_string_equal(json_string_value(json_object_get(property, "x-baton-tier")),
				    schema_tier_name(row->tier));
		assert_string_equal(json_string_value(json_object_get(property, "x-baton-reload")),
				    schema_reload_name(row->reload));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_shipped_example_satisfies_it),
		cmocka_unit_test(example_and_default_of_every_row_are_taken_by_both),
		cmocka_unit_test(value_of_the_wrong_kind_is_refused_by_both),
		cmocka_unit_test(unknown_and_missing_keys_are_refused_by_both),
		cmocka_unit_test(plain_number_out_of_range_is_refused_by_both),
		cmocka_unit_test(every_row_says_its_help_tier_and_class),
	};

	return cmocka_run_group_tests(tests, dump, drop);
}
