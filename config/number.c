/* Numbers, their units, and the words that say what is allowed. */
#include "value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

#define KI 1024ull
static const struct unit count_units[] = {
	{ "G", 1000000000 }, { "M", 1000000 }, { "k", 1000 },
	{ "Gi", KI * KI * KI }, { "Mi", KI * KI }, { "Ki", KI }, { NULL, 0 },
};
static const struct unit size_units[] = {
	{ "GiB", KI * KI * KI }, { "MiB", KI * KI }, { "KiB", KI },
	{ "G", KI * KI * KI }, { "M", KI * KI }, { "K", KI }, { "B", 1 }, { NULL, 0 },
};
static const struct unit duration_units[] = {
	{ "h", 3600000000000 }, { "m", 60000000000 }, { "s", 1000000000 },
	{ "ms", 1000000 }, { "us", 1000 }, { "ns", 1 }, { NULL, 0 },
};
static const struct unit no_units[] = { { NULL, 0 } };

static const struct unit *units_of(enum schema_type type)
{
	switch (type) {
	case SCHEMA_COUNT:
	case SCHEMA_RATE:
		return count_units;
	case SCHEMA_SIZE:
		return size_units;
	case SCHEMA_DURATION:
		return duration_units;
	default:
		return no_units;
	}
}

static const char *unit_names(enum schema_type type)
{
	switch (type) {
	case SCHEMA_COUNT:
	case SCHEMA_RATE:
		return "k M G Ki Mi Gi";
	case SCHEMA_SIZE:
		return "B KiB MiB GiB";
	default:
		return "ns us ms s m h";
	}
}

void schema_format_number(enum schema_type type, uint64_t value, char *out, size_t size)
{
	const struct unit *unit = type == SCHEMA_SIZE || type == SCHEMA_DURATION ? units_of(type) : no_units;

	/* Tables stand in falling order, so the first that divides gives the shortest text. */
	while (unit->name && unit->factor > 1 && (value == 0 || value % unit->factor))
		unit++;
	snprintf(out, size, "%" PRIu64 "%s", unit->name ? value / unit->factor : value, unit->name ? unit->name : "");
}

static int out_of_range(const struct schema_row *row, const char *shown, struct problem *problem)
{
	char min[32], max[32];

	schema_format_number(row->type, row->min, min, sizeof(min));
	schema_format_number(row->type, row->max, max, sizeof(max));
	if (row->min == row->max)
		return problem_set(problem, "%s is out of range; allowed is %s", shown, min);
	return problem_set(problem, "%s is out of range; allowed %s to %s%s%s", shown, min, max,
			   row->zero ? ", or " : "", row->zero ? row->zero : "");
}

static int not_a_number(const struct schema_row *row, const char *text, const char *shown, struct problem *problem)
{
	const char *const words[] = { row->zero, NULL };
	char hint[SHOWN_BYTES];

	return problem_set(problem, "expected %s, found %s%s%s%s%s", schema_type_phrase(row->type), shown,
			   row->zero ? " (or write " : "", row->zero ? row->zero : "", row->zero ? ")" : "",
			   value_meant(text, words, hint));
}

/* Digits of `text` as a number. Returns how many there are; *value is UINT64_MAX when it does not fit. */
static size_t digits_parse(const char *text, uint64_t *value)
{
	size_t n = 0;
	bool over = false;

	*value = 0;
	for (; text[n] >= '0' && text[n] <= '9'; n++)
		if (__builtin_mul_overflow(*value, 10u, value) ||
		    __builtin_add_overflow(*value, (uint64_t)(text[n] - '0'), value))
			over = true;
	if (over)
		*value = UINT64_MAX;
	return n;
}

int number_parse(const struct schema_row *row, const char *text, uint64_t *out, struct problem *problem)
{
	char shown[SHOWN_BYTES];
	uint64_t value, factor = 1;
	size_t digits = digits_parse(text, &value);
	const char *rest = text + digits;
	bool unit_needed = row->type == SCHEMA_SIZE || row->type == SCHEMA_DURATION;

	value_shown(text, strlen(text), shown);
	if (row->zero && strcmp(text, row->zero) == 0) {
		*out = 0;
		return 0;
	}
	if (text[0] == '-' && digits_parse(text + 1, &value) > 0)
		return out_of_range(row, shown, problem);
	if (digits == 0)
		return not_a_number(row, text, shown, problem);
	if (digits > 1 && text[0] == '0')
		return problem_set(problem, "%s has a leading zero; numbers are decimal here, never octal", shown);
	if (*rest == '\0' && unit_needed)
		return problem_set(problem, "%s needs a unit (%s), for example '%s%s'", shown, unit_names(row->type),
				   value < 1000000 ? text : "5", row->type == SCHEMA_SIZE ? "MiB" : "s");
	if (*rest != '\0') {
		const struct unit *unit = units_of(row->type);

		while (unit->name && strcmp(unit->name, rest) != 0)
			unit++;
		if (!unit->name && units_of(row->type)->name)
			return problem_set(problem, "%s: no unit '%.12s' here; known are %s%s", shown, rest,
					   unit_names(row->type), *rest == '.' ? ", and whole numbers only" : "");
		if (!unit->name)
			return not_a_number(row, text, shown, problem);
		factor = unit->factor;
	}
	if (__builtin_mul_overflow(value, factor, &value) || value < row->min || value > row->max)
		return out_of_range(row, shown, problem);
	*out = value;
	return 0;
}
