/* Gates and shares of a rollout as they are written. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "value.h"

#define RATIO_MOST 1000.0
#define DIGITS_MOST 12u
#define AT_ONCE "a candidate that dies or stalls is rolled back at once"

const char *const gate_keys[] = { "max", "max_delta", "max_ratio", "dry_run", "immediate", NULL };

enum config_gate_id gate_of(const struct schema_row *row)
{
	uint32_t gate = 0;

	while (gate < GATE_COUNT - 1 && strcmp(rollout_gate_name(gate), schema_key(row)) != 0)
		gate++;
	return (enum config_gate_id)gate;
}

/* These end a rollout by themselves, whatever the file says: what dies is not replaced. */
static bool is_fixed(const struct schema_row *row) { return rollout_gate_unit(gate_of(row)) == GATE_NUMBER; }

void gate_clear(struct config_gate *gate)
{
	memset(gate, 0, sizeof(*gate)); /* padding, too: defaults are compared as bytes */
	gate->max = gate->max_delta = gate->max_ratio = NAN;
}

/* 12 or 1.25, followed by `unit`. Returns false for anything else. */
static bool decimal(const char *text, const char *unit, double *out)
{
	size_t digits = strspn(text, "0123456789"), more = 0;
	const char *rest = text + digits;

	if (digits == 0 || digits > DIGITS_MOST || (digits > 1 && text[0] == '0'))
		return false;
	if (*rest == '.') {
		more = strspn(rest + 1, "0123456789");
		rest += 1 + more;
		if (more == 0 || more > DIGITS_MOST)
			return false;
	}
	if (strcmp(rest, unit) != 0)
		return false;
	*out = strtod(text, NULL);
	return true;
}

static int percent(const char *text, double *out, struct problem *problem)
{
	char shown[SHOWN_BYTES];
	double value;

	value_shown(text, strlen(text), shown);
	if (decimal(text, "", &value))
		return problem_set(problem, "%s needs its unit, for example '%.16s%%'", shown, text);
	if (!decimal(text, "%", &value))
		return problem_set(problem, "expected a share such as 0.05%%, found %s", shown);
	if (value > 100)
		return problem_set(problem, "%s is out of range; allowed 0%% to 100%%", shown);
	*out = value / 100;
	return 0;
}

static int factor(const char *text, double *out, struct problem *problem)
{
	char shown[SHOWN_BYTES];
	double value;

	value_shown(text, strlen(text), shown);
	if (!decimal(text, "", &value))
		return problem_set(problem, "expected a factor such as 1.2, found %s", shown);
	if (value < 1 || value > RATIO_MOST)
		return problem_set(problem, "%s is out of range; allowed 1 (as good as control) to %.0f", shown,
				   RATIO_MOST);
	*out = value;
	return 0;
}

/* Of messages or packets, for each packet. */
static int a_packet(const char *text, double *out, struct problem *problem)
{
	char shown[SHOWN_BYTES];
	double value;

	value_shown(text, strlen(text), shown);
	if (!decimal(text, "", &value))
		return problem_set(problem, "expected a number for each packet such as 0.5, found %s", shown);
	if (value > RATIO_MOST)
		return problem_set(problem, "%s is out of range; allowed 0 to %.0f", shown, RATIO_MOST);
	*out = value;
	return 0;
}

static int amount(const struct schema_row *row, const char *text, double *out, struct problem *problem)
{
	static const struct schema_row ns = { "ns", SCHEMA_DURATION, .min = 1, .max = 3600000000000 };
	static const struct schema_row cycles = { "cycles", SCHEMA_COUNT, .min = 1, .max = 1000000000 };
	static const struct schema_row none = { "none", SCHEMA_INT, .min = 0, .max = 0 };
	enum gate_unit unit = rollout_gate_unit(gate_of(row));
	uint64_t number;

	if (unit == GATE_RATIO)
		return percent(text, out, problem);
	if (unit == GATE_A_PACKET)
		return a_packet(text, out, problem);
	if (number_parse(unit == GATE_NS ? &ns : unit == GATE_NUMBER ? &none : &cycles, text, &number, problem))
		return -EINVAL;
	*out = (double)number;
	return 0;
}

static int truth(const char *text, bool *out, struct problem *problem)
{
	char shown[SHOWN_BYTES];

	*out = strcmp(text, "true") == 0;
	if (*out || strcmp(text, "false") == 0)
		return 0;
	return problem_set(problem, "expected true or false, found %s", value_shown(text, strlen(text), shown));
}

int gate_set(const struct schema_row *row, struct config_gate *gate, const char *key, const char *text,
	     struct problem *problem)
{
	char shown[SHOWN_BYTES], hint[SHOWN_BYTES];
	int rc;

	if (strcmp(key, "max") == 0)
		return amount(row, text, &gate->max, problem);
	if (is_fixed(row) && (strncmp(key, "max_", 4) == 0 || strcmp(key, "dry_run") == 0))
		return problem_set(problem, "has no meaning here: " AT_ONCE);
	if (strcmp(key, "max_delta") == 0)
		return amount(row, text, &gate->max_delta, problem);
	if (strcmp(key, "max_ratio") == 0)
		return factor(text, &gate->max_ratio, problem);
	if (strcmp(key, "dry_run") == 0)
		return truth(text, &gate->dry_run, problem);
	if (strcmp(key, "immediate") == 0) {
		rc = truth(text, &gate->immediate, problem);
		if (rc == 0 && is_fixed(row) && !gate->immediate)
			return problem_set(problem, "is always true here: " AT_ONCE);
		return rc;
	}
	return problem_set(problem, "unknown key %s%s; known are: max max_delta max_ratio dry_run immediate",
			   value_shown(key, strlen(key), shown), value_meant(key, gate_keys, hint));
}

int gate_sound(const struct schema_row *row, const struct config_gate *gate, struct problem *problem)
{
	if (isnan(gate->max) && isnan(gate->max_delta) && isnan(gate->max_ratio))
		return problem_set(problem, "needs a threshold: max, max_delta or max_ratio%s%s",
				   row->zero ? "; or write " : "", row->zero ? row->zero : "");
	return 0;
}

int gate_parse(const struct schema_row *row, const char *text, struct config_gate *out, struct problem *problem)
{
	char copy[160], *rest = copy, *pair;

	gate_clear(out);
	if (row->zero && strcmp(text, row->zero) == 0)
		return 0;
	size_t bytes = strlen(text);
	if (bytes < 2 || bytes >= sizeof(copy) || text[0] != '{' || text[bytes - 1] != '}')
		return problem_set(problem, "expected %s such as %s", schema_type_phrase(row->type), row->example);
	snprintf(copy, sizeof(copy), "%.*s", (int)bytes - 2, text + 1);
	out->on = true;
	if (is_fixed(row))
		out->immediate = true;
	while ((pair = strsep(&rest, ",")) != NULL) {
		char *colon = strstr(pair, ": ");

		pair += strspn(pair, " ");
		if (!colon)
			return problem_set(problem, "expected key: value, found '%.40s'", pair);
		*colon = '\0';
		if (gate_set(row, out, pair, colon + 2, problem))
			return -EINVAL;
	}
	return gate_sound(row, out, problem);
}

static void print_amount(const struct schema_row *row, const char *key, double value, const char **comma, FILE *out)
{
	enum gate_unit unit = rollout_gate_unit(gate_of(row));
	char number[32];

	if (isnan(value))
		return;
	if (unit == GATE_RATIO)
		snprintf(number, sizeof(number), "%.12g%%", value * 100);
	else if (unit == GATE_A_PACKET)
		snprintf(number, sizeof(number), "%.12g", value);
	else
		schema_format_number(unit == GATE_NS ? SCHEMA_DURATION : SCHEMA_INT, (uint64_t)value, number,
				     sizeof(number));
	fprintf(out, "%s%s: %s", *comma, key, number);
	*comma = ", ";
}

void gate_print(const struct schema_row *row, const struct config_gate *gate, FILE *out)
{
	const char *comma = "";

	if (!gate->on) {
		fputs("off", out);
		return;
	}
	fputc('{', out);
	print_amount(row, "max", gate->max, &comma, out);
	print_amount(row, "max_delta", gate->max_delta, &comma, out);
	if (!isnan(gate->max_ratio)) {
		fprintf(out, "%smax_ratio: %.12g", comma, gate->max_ratio);
		comma = ", ";
	}
	fputs(gate->dry_run ? ", dry_run: true" : "", out);
	fputs(gate->immediate ? ", immediate: true" : "", out);
	fputc('}', out);
}

int share_parse(const char *text, uint32_t *permille, struct problem *problem)
{
	char shown[SHOWN_BYTES];
	double value;

	value_shown(text, strlen(text), shown);
	if (decimal(text, "", &value))
		return problem_set(problem, "%s needs its unit, for example '%.16s%%'", shown, text);
	if (decimal(text, "%", &value))
		value *= 10;
	else if (!decimal(text, "‰", &value))
		return problem_set(problem, "expected a share such as 10%%, 0.5%% or 5‰, found %s", shown);
	if (value < 0.999 || value > 1000)
		return problem_set(problem, "%s is out of range; allowed 0.1%% to 100%%", shown);
	if (fabs(value - round(value)) > 1e-6)
		return problem_set(problem, "%s is too fine; the smallest step is 0.1%%, a permille", shown);
	*permille = (uint32_t)lround(value);
	return 0;
}

const char *share_text(uint32_t permille, char out[16])
{
	snprintf(out, 16, permille % 10 ? "%u.%u%%" : "%u%%", permille / 10, permille % 10);
	return out;
}

void step_print(const struct config_step *step, FILE *out)
{
	char share[16], duration[32];

	schema_format_number(SCHEMA_DURATION, step->ns, duration, sizeof(duration));
	switch (step->kind) {
	case STEP_WEIGHT:
		fprintf(out, "{weight: %s}", share_text(step->permille, share));
		return;
	case STEP_PAUSE:
		fprintf(out, "{pause: %s}", step->ns ? duration : "{}");
		return;
	case STEP_SNAPSHOT:
		fprintf(out, "{snapshot: {keep: %u}}", step->keep);
		return;
	default:
		fprintf(out, "{shadow: {sample: %s, for: %s, compare: %s}}", share_text(step->permille, share), duration,
			step->digest ? "digest" : "bytes");
	}
}
