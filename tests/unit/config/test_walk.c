/* Claims about every row of the schema, made from the table itself: a new key is tested by being there. */
#include "config_test.h"

#include "value.h"

static bool is_numeric(const struct schema_row *row)
{
	return row->type == SCHEMA_INT || row->type == SCHEMA_COUNT || row->type == SCHEMA_RATE ||
	       row->type == SCHEMA_SIZE || row->type == SCHEMA_DURATION;
}

static bool is_text(const struct schema_row *row)
{
	return row->type == SCHEMA_STRING || row->type == SCHEMA_NAME || row->type == SCHEMA_VERSION ||
	       row->type == SCHEMA_PATH;
}

/* What a valid document has in place of the row: its example, or the contents the builder writes for sections. */
static bool is_section(const struct schema_row *row) { return row->type == SCHEMA_MAP || row->type == SCHEMA_LIST; }

/* The field of the first element, and how many bytes of the struct belong to the row. */
static uint8_t *row_field(struct config *config, const struct schema_row *row, size_t *bytes)
{
	static const struct {
		const char *prefix;
		size_t offset;
	} bases[] = {
		{ "ports[].vlans[].", offsetof(struct config, port) + offsetof(struct config_port, vlan) },
		{ "groups[].versions[].", offsetof(struct config, group) + offsetof(struct config_group, version) },
		{ "ports[].", offsetof(struct config, port) },
		{ "services[].", offsetof(struct config, service) },
		{ "groups[].", offsetof(struct config, group) },
		{ "rollouts[].", offsetof(struct config, rollout) },
	};
	size_t base = 0;

	for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]) && base == 0; i++)
		if (strncmp(row->path, bases[i].prefix, strlen(bases[i].prefix)) == 0)
			base = bases[i].offset;
	*bytes = row->count_offset ? row->width * row->max : row->width;
	return (uint8_t *)config + base + row->offset;
}

static void example_of_every_row_is_stored_in_its_own_field_only(void **state)
{
	static struct config without, with;

	(void)state;
	for (size_t i = 0; i < schema_rows; i++) {
		const struct schema_row *row = &schema[i];
		size_t bytes;

		/* Keys that others depend on (names of groups) and those that must be there have other tests. */
		if (is_section(row) || row->required || row->width == 0 || strcmp(row->path, "ports[].device") == 0 ||
		    strcmp(row->path, "ports[].addresses") == 0)
			continue;
		load_row(row, row->example, SHAPE_MISSING, NULL);
		expect_good();
		without = outcome.config;
		load_row(row, row->example, SHAPE_PLAIN, NULL);
		expect_good();
		with = outcome.config;
		without.port[0].line = with.port[0].line = without.rollout[0].line = with.rollout[0].line = 0;
		uint8_t *field = row_field(&with, row, &bytes);
		uint8_t *before = (uint8_t *)&without + (field - (uint8_t *)&with);
		bool same = !row->fallback || strcmp(row->fallback, row->example) == 0;
		if (!same && memcmp(field, before, bytes) == 0)
			fail_msg("%s: %s changed nothing", row->path, row->example);
		memcpy(before, field, bytes);
		if (row->count_offset) {
			size_t base = (size_t)(field - (uint8_t *)&with) - row->offset;
			memcpy((uint8_t *)&without + base + row->count_offset,
			       (uint8_t *)&with + base + row->count_offset, 4);
		}
		if (memcmp(&without, &with, sizeof(with)) != 0)
			fail_msg("%s: changed something beside its own field", row->path);
	}
}

static void absent_key_gets_the_default_of_the_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < schema_rows; i++) {
		const struct schema_row *row = &schema[i];
		uint8_t want[BATON_PATH_BYTES] = { 0 };
		struct problem problem;
		size_t bytes;

		if (is_section(row) || row->required || !row->fallback || row->count_offset)
			continue;
		assert_int_equal(value_parse(row, row->fallback, strlen(row->fallback), true, "/", want, &problem), 0);
		load_row(row, "", SHAPE_MISSING, NULL);
		expect_good();
		uint8_t *field = row_field(&outcome.config, row, &bytes);
		if (is_text(row))
			assert_string_equal((char *)field, (char *)want);
		else
			assert_memory_equal(field, want, bytes);
	}
}

static void value_of_the_wrong_kind_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < schema_rows; i++) {
		const struct schema_row *row = &schema[i];
		bool mapping = row->type == SCHEMA_MAP || row->type == SCHEMA_SETTINGS || row->type == SCHEMA_GATE;
		struct document *d = load_row(row, mapping ? "[x]" : "{x: y}", SHAPE_PLAIN, NULL);
		char want[256];

		snprintf(want, sizeof(want), "%s: expected ", row_shown(row));
		expect_only(d->value_line, d->value_column, want);
		assert_non_null(strstr(outcome.text, mapping ? ", found a list\n" : ", found a section\n"));
		d = load_row(row, "", SHAPE_PLAIN, NULL);
		assert_int_equal(outcome.errors, 1);
		assert_non_null(strstr(outcome.text, ", found nothing\n"));
	}
}

static void text_that_is_no_value_of_the_type_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < schema_rows; i++) {
		const struct schema_row *row = &schema[i];
		char want[256];

		if (row->type == SCHEMA_STRING || row->type == SCHEMA_PATH)
			continue; /* any printable text will do */
		struct document *d = load_row(row, "oops(", SHAPE_PLAIN, NULL);
		bool name = row->type == SCHEMA_NAME || row->type == SCHEMA_VERSION;
		snprintf(want, sizeof(want), name ? "%s: 'oops(' is not %s" : "%s: expected ", row_shown(row),
			 schema_type_phrase(row->type));
		expect_only(d->value_line, d->value_column, want);
		assert_non_null(strstr(outcome.text, "'oops('"));
	}
}

static void number_without_its_unit_is_refused(void **state)
{
	uint32_t rows = 0;

	(void)state;
	for (size_t i = 0; i < schema_rows; i++) {
		const struct schema_row *row = &schema[i];
		char want[256];

		if (row->type != SCHEMA_SIZE && row->type != SCHEMA_DURATION)
			continue;
		struct document *d = load_row(row, "7", SHAPE_PLAIN, NULL);
		snprintf(want, sizeof(want), "%s: '7' needs a unit (", row_shown(row));
		expect_only(d->value_line, d->value_column, want);
		d = load_row(row, "7q", SHAPE_PLAIN, NULL);
		snprintf(want, sizeof(want), "%s: '7q': no unit 'q' here; known are ", row_shown(row));
		expect_only(d->value_line, d->value_column, want);
		rows++;
	}
	assert_true(rows >= 3);
}

static void expect_range(const struct schema_row *row, const char *value)
{
	struct document *d = load_row(row, value, SHAPE_PLAIN, NULL);
	char want[256], min[32], max[32];

	schema_format_number(row->type, row->min, min, sizeof(min));
	schema_format_number(row->type, row->max, max, sizeof(max));
	snprintf(want, sizeof(want), row->min == row->max ? "%s: '%s' is out of range; allowed is %s" :
		 "%s: '%s' is out of range; allowed %s to %s", row_shown(row), value, min, max);
	expect_only(d->value_line, d->value_column, want);
}

static void number_below_or_above_the_range_is_refused_and_told_the_range(void **state)
{
	(void)state;
	for (size_t i = 0; i < schema_rows; i++) {
		const struct schema_row *row = &schema[i];
		const char *unit = row->type == SCHEMA_SIZE ? "B" : row->type == SCHEMA_DURATION ? "ns" : "";
		char value[64];

		if (!is_numeric(row))
			continue;
		snprintf(value, sizeof(value), "%lld%s", (long long)row->min - 1, unit);
		expect_range(row, value);
		snprintf(value, sizeof(value), "%llu%s", (unsigned long long)row->max + 1, unit);
		expect_range(row, value);
		snprintf(value, sizeof(value), "99999999999999999999%s", unit); /* more than 64 bits */
		expect_range(row, value);
		snprintf(value, sizeof(value), "18446744073709551615%s",
			 *unit ? row->type == SCHEMA_SIZE ? "GiB" : "h" : "");
		expect_range(row, value);
	}
}

static void number_at_either_end_of_the_range_is_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < schema_rows; i++) {
		const struct schema_row *row = &schema[i];
		const char *unit = row->type == SCHEMA_SIZE ? "B" : row->type == SCHEMA_DURATION ? "ns" : "";

		if (!is_numeric(row))
			continue;
		for (int end = 0; end < 2; end++) {
			uint64_t number = end ? row->max : row->min, stored = 0;
			char value[64], about[160];
			size_t bytes;

			snprintf(value, sizeof(value), "%llu%s", (unsigned long long)number, unit);
			load_row(row, value, SHAPE_PLAIN, NULL);
			/* It may not fit its neighbours: slots, windows, the steps' time, what begins balancing and what ends it.
			 * The value itself is fine. */
			snprintf(about, sizeof(about), "error: %s:", row_shown(row));
			assert_true(!strstr(outcome.text, about) || strstr(outcome.text, "slots are too few for") ||
				    strstr(outcome.text, "can never fail") ||
				    strstr(outcome.text, "is over before the steps are") ||
				    strstr(outcome.text, "what begins there must end lower"));
			if (outcome.errors || row->width == 0)
				continue;
			memcpy(&stored, row_field(&outcome.config, row, &bytes), row->width);
			assert_int_equal(stored, number);
		}
	}
}

static void text_below_or_above_its_length_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < schema_rows; i++) {
		const struct schema_row *row = &schema[i];
		char value[512], want[256];
		struct document *d;

		if (!is_text(row))
			continue;
		if (row->min > 0) {
			d = load_row(row, "\"\"", SHAPE_PLAIN, NULL);
			snprintf(want, sizeof(want), "%s: must not be empty", row_shown(row));
			expect_only(d->value_line, d->value_column, want);
		}
		value[0] = '/';
		memset(value + (row->type == SCHEMA_PATH), 'a', row->max + 1);
		value[row->max + 1] = '\0';
		d = load_row(row, value, SHAPE_PLAIN, NULL);
		snprintf(want, sizeof(want), "%s: %llu bytes are too long; allowed are %llu", row_shown(row),
			 (unsigned long long)row->max + 1, (unsigned long long)row->max);
		expect_only(d->value_line, d->value_column, want);
		/* The longest fits its field, closing NUL included. */
		assert_true(row->width > row->max);
		if (strstr(row->path, "].group") || strcmp(row->path, "groups[].name") == 0)
			continue; /* both must be the same */
		value[row->max] = '\0';
		load_row(row, value, SHAPE_PLAIN, NULL);
		expect_good();
	}
}

static void put_elements(char *out, const struct schema_row *row, uint64_t count)
{
	const char *open = row->type == SCHEMA_SETTINGS ? "{" : "[", *close = row->type == SCHEMA_SETTINGS ? "}" : "]";
	size_t n = (size_t)sprintf(out, "%s", open);

	for (uint64_t i = 0; i < count; i++) {
		unsigned int k = (unsigned int)i;

		n += (size_t)sprintf(out + n, "%s", i ? ", " : "");
		if (row->type == SCHEMA_SETTINGS)
			n += (size_t)sprintf(out + n, "k%u: 1", k);
		else if (row->type == SCHEMA_PREFIXES)
			n += (size_t)sprintf(out + n, "10.78.0.%u/24", k + 1);
		else if (row->type == SCHEMA_STEPS)
			n += (size_t)sprintf(out + n, i + 1 < count ? "{pause: 1s}" : "{weight: 100%%}");
		else if (row->type == SCHEMA_KEYS || row->type == SCHEMA_CORES || row->type == SCHEMA_USERS ||
			 row->type == SCHEMA_GROUPS)
			n += (size_t)sprintf(out + n, "%u", k);
		else
			n += (size_t)sprintf(out + n, "{}");
	}
	sprintf(out + n, "%s", close);
}

static void list_with_too_few_or_too_many_elements_is_refused(void **state)
{
	static char value[8192];
	uint32_t rows = 0;

	(void)state;
	for (size_t i = 0; i < schema_rows; i++) {
		const struct schema_row *row = &schema[i];
		char want[256];

		if (row->type != SCHEMA_LIST && row->type != SCHEMA_PREFIXES && row->type != SCHEMA_CORES &&
		    row->type != SCHEMA_SETTINGS && row->type != SCHEMA_STEPS && row->type != SCHEMA_KEYS &&
		    row->type != SCHEMA_USERS && row->type != SCHEMA_GROUPS)
			continue;
		rows++;
		for (int end = 0; end < 2; end++) {
			uint64_t count = end ? row->max + 1 : row->min - 1;

			if (!end && row->min == 0)
				continue;
			put_elements(value, row, count);
			struct document *d = load_row(row, value, SHAPE_PLAIN, NULL);
			snprintf(want, sizeof(want), "%s: %llu element%s out of range; allowed %llu to %llu",
				 row_shown(row), (unsigned long long)count, count == 1 ? " is" : "s are",
				 (unsigned long long)row->min, (unsigned long long)row->max);
			if (row->type == SCHEMA_LIST)
				expect_error(d->value_line, d->value_column, want); /* its elements lack keys, too */
			else
				expect_only(d->value_line, d->value_column, want);
		}
		if (row->type == SCHEMA_LIST)
			continue;
		put_elements(value, row, row->max);
		load_row(row, value, SHAPE_PLAIN, NULL);
		expect_good();
	}
	assert_true(rows >= 8);
}

static void key_without_a_row_is_refused_beside_every_row(void **state)
{
	(void)state;
	for (size_t i = 0; i < schema_rows; i++) {
		const struct schema_row *row = &schema[i];
		char want[512], typo[64];
		const char *value = row->example;

		if (is_section(row) && row->type == SCHEMA_LIST)
			continue; /* a list's sibling is its neighbour's sibling */
		if (row->type == SCHEMA_MAP)
			value = "{}";
		struct document *d = load_row(row, value, SHAPE_SIBLING, "zzzzzz");
		snprintf(want, sizeof(want), "unknown key 'zzzzzz'%s; known are: ", row_within(row));
		expect_only(d->extra_line, d->extra_column, want);
		assert_non_null(strstr(outcome.text, schema_key(row)));
		snprintf(typo, sizeof(typo), "%sx", schema_key(row));
		d = load_row(row, value, SHAPE_SIBLING, typo);
		snprintf(want, sizeof(want), "unknown key '%s'%s; did you mean '%s'?\n", typo, row_within(row),
			 schema_key(row));
		expect_only(d->extra_line, d->extra_column, want);
	}
}

static void key_given_twice_is_refused_at_the_second(void **state)
{
	(void)state;
	for (size_t i = 0; i < schema_rows; i++) {
		const struct schema_row *row = &schema[i];
		const char *value = row->type == SCHEMA_MAP ? "{}" : row->type == SCHEMA_LIST ? "[]" : row->example;
		struct document *d = load_row(row, value, SHAPE_TWICE, NULL);
		char want[256];

		snprintf(want, sizeof(want), "duplicate key '%s'%s; first at line %u column %u\n", schema_key(row),
			 row_within(row), d->key_line, d->key_column);
		if (row->type == SCHEMA_LIST)
			expect_error(d->extra_line, d->extra_column, want); /* an empty list is an error by itself */
		else
			expect_only(d->extra_line, d->extra_column, want);
	}
}

static void required_key_that_is_missing_is_named_at_its_section(void **state)
{
	uint32_t rows = 0;

	(void)state;
	for (size_t i = 0; i < schema_rows; i++) {
		const struct schema_row *row = &schema[i];
		char want[256];

		if (!row->required)
			continue;
		rows++;
		struct document *d = load_row(row, NULL, SHAPE_MISSING, NULL);
		const char *within = row_within(row);
		snprintf(want, sizeof(want), "%s%s'%s' is missing: %s\n", *within ? within + 4 : "",
			 *within ? ": " : "", schema_key(row), row->help);
		expect_only(d->section_line, d->section_column, want);
	}
	assert_true(rows >= 12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(example_of_every_row_is_stored_in_its_own_field_only),
		cmocka_unit_test(absent_key_gets_the_default_of_the_table),
		cmocka_unit_test(value_of_the_wrong_kind_is_refused),
		cmocka_unit_test(text_that_is_no_value_of_the_type_is_refused),
		cmocka_unit_test(number_without_its_unit_is_refused),
		cmocka_unit_test(number_below_or_above_the_range_is_refused_and_told_the_range),
		cmocka_unit_test(number_at_either_end_of_the_range_is_taken),
		cmocka_unit_test(text_below_or_above_its_length_is_refused),
		cmocka_unit_test(list_with_too_few_or_too_many_elements_is_refused),
		cmocka_unit_test(key_without_a_row_is_refused_beside_every_row),
		cmocka_unit_test(key_given_twice_is_refused_at_the_second),
		cmocka_unit_test(required_key_that_is_missing_is_named_at_its_section),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
