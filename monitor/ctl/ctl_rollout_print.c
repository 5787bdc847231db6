/* batonctl rollout: what status and history look like to a person. */
#include "ctl_rollout.h"

#include <string.h>
#include <time.h>

#include "ctl_reply.h"

/* It waits for an operator, not for the end of a timed pause. */
bool ctl_rollout_waits(const json_t *row)
{
	return strcmp(text_of(row, "state"), "paused") == 0 && !json_is_number(json_object_get(row, "until"));
}

static void print_permille(FILE *out, long long permille)
{
	fprintf(out, permille % 10 ? "%lld.%lld %%" : "%lld %%", permille / 10, permille % 10);
}

static void print_workers(FILE *out, const json_t *row, const char *role)
{
	const json_t *names = json_object_get(json_object_get(row, "workers"), role), *name;
	size_t index;

	json_array_foreach(names, index, name)
		fprintf(out, "%s%s", index ? ", " : "  ", json_string_value(name) ? json_string_value(name) : "?");
}

static void print_version(FILE *out, const json_t *row, const char *which)
{
	const json_t *version = json_object_get(row, which);

	if (!json_is_object(version))
		return;
	fprintf(out, "  %-10s %s, build %.12s", which, text_of(version, "version"),
		text_of(version, "build_id")[0] ? text_of(version, "build_id") : "without id");
	print_workers(out, row, which);
	fputc('\n', out);
}

static void print_number(FILE *out, const char *name, const json_t *value)
{
	if (json_is_number(value))
		fprintf(out, "  %s %.6g", name, json_number_value(value));
}

static void print_gate(FILE *out, const json_t *gate)
{
	fprintf(out, "  %-18s %-12s", text_of(gate, "name"), text_of(gate, "verdict"));
	print_number(out, "candidate", json_object_get(gate, "value"));
	print_number(out, "control", json_object_get(gate, "control"));
	print_number(out, "limit", json_object_get(gate, "limit"));
	fprintf(out, "  failures %lld%s%s\n", number_of(gate, "failures"), text_of(gate, "why")[0] ? "  " : "",
		text_of(gate, "why"));
}

void ctl_rollout_print_line(FILE *out, const json_t *row)
{
	const json_t *until = json_object_get(row, "until");

	fprintf(out, "%s: %s", text_of(row, "group"), text_of(row, "state"));
	if (number_of(row, "steps") > 0 && strcmp(text_of(row, "phase"), "idle") != 0) {
		fprintf(out, ", %s, step %lld of %lld, ", text_of(row, "phase"), number_of(row, "step"),
			number_of(row, "steps"));
		print_permille(out, number_of(row, "weight"));
		if (number_of(row, "want") != number_of(row, "weight")) {
			fputs(", to be ", out);
			print_permille(out, number_of(row, "want"));
		}
	}
	if (json_is_number(until))
		fprintf(out, ", %.0f s left", json_number_value(until));
	if (text_of(row, "why")[0])
		fprintf(out, ": %s", text_of(row, "why"));
	fputc('\n', out);
}

void ctl_rollout_print_row(FILE *out, const json_t *row)
{
	ctl_rollout_print_line(out, row);
	if (number_of(row, "steps") == 0)
		return;
	print_version(out, row, "stable");
	print_version(out, row, "candidate");
	if (json_array_size(json_object_get(json_object_get(row, "workers"), "control")) > 0) {
		fprintf(out, "  %-10s", "control");
		print_workers(out, row, "control");
		fputc('\n', out);
	}
	fprintf(out, "  %-10s %lld buckets%s\n", "exposed", number_of(row, "exposed_buckets"),
		json_is_true(json_object_get(row, "one_way")) ? ", one way: what it writes stable cannot read" : "");
	ctl_print_each(out, row, "gates", print_gate);
}

void ctl_rollout_print_past(FILE *out, const json_t *past)
{
	time_t at = (time_t)json_number_value(json_object_get(past, "time"));
	const json_t *from = json_object_get(past, "from"), *to = json_object_get(past, "to");
	char when[32];
	struct tm tm;

	gmtime_r(&at, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	fprintf(out, "%s  %s -> %s, build %.12s  %s by %s%s%s\n", when, text_of(from, "version"), text_of(to, "version"),
		text_of(to, "build_id"), text_of(past, "result"), text_of(past, "by"), text_of(past, "why")[0] ? ": " : "",
		text_of(past, "why"));
}
