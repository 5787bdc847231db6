/* batonctl rollout: what status and history look like to a person. */
#include "ctl_rollout.h"

#include <string.h>
#include <time.h>

#include "ctl_reply.h"
#include "rollout_names.h"

static bool is(const json_t *object, const char *key, const char *text)
{
	return strcmp(text_of(object, key), text) == 0;
}

/* It waits for an operator, not for the end of a timed pause. */
bool ctl_rollout_waits(const json_t *row)
{
	return is(row, "state", "paused") && !json_is_number(json_object_get(row, "until"));
}

static const char *build_of(const json_t *version)
{
	return text_of(version, "build_id")[0] ? text_of(version, "build_id") : "without id";
}

/* "2026-11-27T20:53:01Z" */
static const char *when(double seconds, char out[32])
{
	time_t at = (time_t)seconds;
	struct tm tm;

	gmtime_r(&at, &tm);
	strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return out;
}

/* ---- numbers ---- */

static void print_permille(FILE *out, long long permille)
{
	fprintf(out, permille % 10 ? "%lld.%lld %%" : "%lld %%", permille / 10, permille % 10);
}

static enum gate_unit unit_of(const char *gate)
{
	uint32_t id = 0;

	while (id < GATE_COUNT && strcmp(rollout_gate_name(id), gate) != 0)
		id++;
	return rollout_gate_unit(id);
}

/* As what it is: "0.12 %", "1.5 ms", "880 cycles", "0.3 a packet", "1". */
static const char *figure(const json_t *gate, const char *key, char out[32])
{
	double value = json_number_value(json_object_get(gate, key));
	enum gate_unit unit = unit_of(text_of(gate, "name"));

	if (!json_is_number(json_object_get(gate, key)))
		snprintf(out, 32, "-");
	else if (unit == GATE_RATIO)
		snprintf(out, 32, "%.3g %%", value * 100);
	else if (unit == GATE_NS && value >= 1e6)
		snprintf(out, 32, "%.3g ms", value / 1e6);
	else if (unit == GATE_NS)
		snprintf(out, 32, "%.3g us", value / 1e3);
	else if (unit == GATE_A_PACKET)
		snprintf(out, 32, "%.3g a packet", value);
	else
		snprintf(out, 32, unit == GATE_NUMBER ? "%.0f" : "%.0f cycles", value);
	return out;
}

/* ---- gates ---- */

/* What ends or holds a rollout is to be seen at once. */
static const char *verdict_of(const json_t *gate)
{
	if (is(gate, "verdict", "inconclusive") && json_is_false(json_object_get(gate, "judged_here")))
		return "not here"; /* no traffic of this step could judge it */
	return is(gate, "verdict", "fail") ? "FAIL" : is(gate, "verdict", "dry_fail") ? "fail (dry run)" :
	       text_of(gate, "verdict");
}

static void print_gates(FILE *out, const json_t *row)
{
	json_t *gates = json_object_get(row, "gates"), *gate;
	char value[32], control[32], limit[32];
	size_t i;

	if (json_array_size(gates) == 0)
		return;
	fprintf(out, "  %-18s %-14s %12s %12s %12s  %s\n", "GATE", "VERDICT", "CANDIDATE", "CONTROL", "LIMIT", "FAILED");
	json_array_foreach(gates, i, gate) {
		fprintf(out, "  %-18s %-14s %12s %12s %12s  ", text_of(gate, "name"), verdict_of(gate),
			figure(gate, "value", value), figure(gate, "control", control), figure(gate, "limit", limit));
		if (unit_of(text_of(gate, "name")) == GATE_NUMBER)
			fputs("once is enough", out);
		else
			fprintf(out, "%lld of %lld, %lld end it", number_of(gate, "failures"), number_of(row, "of_windows"),
				number_of(row, "failure_limit"));
		if (json_is_true(json_object_get(gate, "awaited")) && is(gate, "verdict", "inconclusive"))
			fprintf(out, "  not judged yet: %lld of %lld %s\n", number_of(gate, "have"), number_of(gate, "need"),
				text_of(gate, "measure"));
		else
			fprintf(out, "%s%s\n", text_of(gate, "why")[0] ? "  " : "", text_of(gate, "why"));
	}
}

/* ---- status ---- */

static void print_workers(FILE *out, const json_t *row, const char *role)
{
	const json_t *names = json_object_get(json_object_get(row, "workers"), role), *name;
	size_t index;

	json_array_foreach(names, index, name)
		fprintf(out, "%s%s", index ? ", " : "  ", json_string_value(name) ? json_string_value(name) : "?");
}

static void print_version(FILE *out, const json_t *row, const char *which, const char *label)
{
	const json_t *version = json_object_get(row, which);

	if (!json_is_object(version))
		return;
	fprintf(out, "  %-10s %s, build %.12s", label, text_of(version, "version"), build_of(version));
	print_workers(out, row, which);
	fputc('\n', out);
}

void ctl_rollout_print_line(FILE *out, const json_t *row)
{
	const json_t *until = json_object_get(row, "until");

	fprintf(out, "%s: %s", text_of(row, "group"), text_of(row, "state"));
	if (number_of(row, "steps") > 0 && !is(row, "phase", "idle")) {
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

/* What is to be done, by whom: who reads it may have been asleep a minute ago. */
static void print_advice(FILE *out, const json_t *row)
{
	const char *group = text_of(row, "group");

	if (is(row, "state", "degraded"))
		fprintf(out, "  %-10s nothing has to be done now: stable serves everybody. `batonctl rollout retry %s` tries\n"
			"             again, `batonctl rollout undo %s` lays it to rest\n", "you", group, group);
	else if (ctl_rollout_waits(row))
		fprintf(out, "  %-10s it waits for you: `batonctl rollout resume %s` goes on, `batonctl rollout abort %s`\n"
			"             gives all back\n", "you", group, group);
	if (text_of(row, "waits_for")[0])
		fprintf(out, "  %-10s %s; `batonctl rollout promote %s` leaves the\n"
			"             step without it\n", "waits for", text_of(row, "waits_for"), group);
	if (text_of(row, "snapshot")[0])
		fprintf(out, "  %-10s %s, of before the first weight;\n"
			"             `batonctl state restore` puts chosen buckets of it back\n", "snapshot",
			text_of(row, "snapshot"));
}

void ctl_rollout_print_row(FILE *out, const json_t *row)
{
	const json_t *began = json_object_get(row, "began");
	bool promoted = json_is_true(json_object_get(row, "promoted"));
	char text[32];

	ctl_rollout_print_line(out, row);
	if (number_of(row, "steps") == 0)
		return;
	if (text_of(row, "doing")[0])
		fprintf(out, "  %-10s %s; then %s\n", "step", text_of(row, "doing"),
			text_of(row, "next")[0] ? text_of(row, "next") : "it is promoted");
	/* Once it is promoted, who was the candidate serves everybody; who was stable is what `undo` goes back to. */
	if (promoted) {
		print_version(out, row, "candidate", "serves");
		print_version(out, row, "stable", "before");
	} else {
		print_version(out, row, "stable", "stable");
		print_version(out, row, "candidate", "candidate");
	}
	if (json_array_size(json_object_get(json_object_get(row, "workers"), "control")) > 0) {
		fprintf(out, "  %-10s", "control");
		print_workers(out, row, "control");
		fputc('\n', out);
	}
	if (!promoted)
		fprintf(out, "  %-10s %lld buckets%s\n", "exposed", number_of(row, "exposed_buckets"),
			json_is_true(json_object_get(row, "one_way")) ? ", one way: what it writes stable cannot read" : "");
	if (json_is_number(began))
		fprintf(out, "  %-10s by %s at %s\n", "started", text_of(row, "started_by"),
			when(json_number_value(began), text));
	if (text_of(row, "runs_barred")[0])
		fprintf(out, "  %-10s %s\n", "(!)", text_of(row, "runs_barred"));
	print_advice(out, row);
	print_gates(out, row);
}

/* ---- history ---- */

void ctl_rollout_print_past(FILE *out, const json_t *past)
{
	const json_t *to = json_object_get(past, "to"), *gate = json_object_get(past, "gate");
	char text[32], value[32], limit[32];

	fprintf(out, "%s  %s -> %s, build %.12s  %s, started by %s%s%s\n",
		when(json_number_value(json_object_get(past, "time")), text),
		text_of(json_object_get(past, "from"), "version"), text_of(to, "version"), build_of(to),
		is(past, "result", "promoted") ? "promoted" : "rolled back",
		text_of(past, "by"), text_of(past, "why")[0] ? ": " : "", text_of(past, "why"));
	if (json_is_object(gate))
		fprintf(out, "    gate %s FAIL: %s, limit %s\n", text_of(gate, "name"), figure(gate, "value", value),
			figure(gate, "limit", limit));
	if (text_of(past, "snapshot")[0])
		fprintf(out, "    snapshot %s\n", text_of(past, "snapshot"));
}
