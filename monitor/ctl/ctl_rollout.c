/* batonctl rollout: orders, and the status of what was ordered. */
#include <string.h>
#include <time.h>

#include "ctl.h"

#define WATCH_MS 200u

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static long long number_of(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

/* A word that is no UTF-8 names nothing. */
static json_t *word(const char *text)
{
	json_t *value = json_string(text);

	return value ? value : json_string("?");
}

/* ---- printing ---- */

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

/* Of a gate: shares in percent, times in the unit that reads best. */
static void print_number(FILE *out, const char *gate, const char *name, const json_t *value)
{
	double number = json_number_value(value);

	if (!json_is_number(value))
		return;
	if (strstr(gate, "_ratio"))
		fprintf(out, "  %s %.3g %%", name, 100 * number);
	else if (strncmp(gate, "latency", 7) == 0)
		fprintf(out, "  %s %.4g %s", name, number / (number < 1e6 ? 1e3 : 1e6), number < 1e6 ? "us" : "ms");
	else
		fprintf(out, "  %s %.6g", name, number);
}

static void print_gate(FILE *out, const json_t *gate)
{
	fprintf(out, "  %-18s %-12s", text_of(gate, "name"), text_of(gate, "verdict"));
	print_number(out, text_of(gate, "name"), "candidate", json_object_get(gate, "value"));
	print_number(out, text_of(gate, "name"), "control", json_object_get(gate, "control"));
	print_number(out, text_of(gate, "name"), "limit", json_object_get(gate, "limit"));
	fprintf(out, "  failures %lld%s%s\n", number_of(gate, "failures"), text_of(gate, "why")[0] ? "  " : "",
		text_of(gate, "why"));
}

/* "game: progressing, pause, step 2 of 7, 1 %" */
static void print_line(FILE *out, const json_t *row)
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

static void print_row(FILE *out, const json_t *row)
{
	json_t *gate;
	size_t index;

	print_line(out, row);
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
	json_array_foreach(json_object_get(row, "gates"), index, gate)
		print_gate(out, gate);
}

/* ---- orders ---- */

/* Takes the reference to args. */
static int order(const struct ctl_options *o, const char *command, json_t *args, FILE *out, FILE *err)
{
	json_t *reply = NULL;
	int rc;

	json_object_set_new(args, "group", word(o->target));
	rc = ctl_ask(o, command, args, o->timeout_ms ? o->timeout_ms : CTL_ANSWER_MS, &reply, err);
	if (rc != CTL_OK)
		return rc;
	if (!json_is_true(json_object_get(reply, "ok")))
		rc = ctl_refused(o, reply, err);
	else if (o->json)
		ctl_print_json(out, reply);
	else
		print_row(out, json_object_get(reply, "rollout"));
	json_decref(reply);
	return rc;
}

int ctl_rollout_start(const struct ctl_options *o, FILE *out, FILE *err)
{
	json_t *args = json_object();

	if (o->version)
		json_object_set_new(args, "to", ctl_version_value(o->version));
	json_object_set_new(args, "replace", json_boolean(o->replace));
	json_object_set_new(args, "accept_one_way", json_boolean(o->accept_one_way));
	return order(o, "rollout.start", args, out, err);
}

int ctl_rollout_promote(const struct ctl_options *o, FILE *out, FILE *err)
{
	json_t *args = json_object();

	json_object_set_new(args, "full", json_boolean(o->full));
	return order(o, "rollout.promote", args, out, err);
}

int ctl_rollout_undo(const struct ctl_options *o, FILE *out, FILE *err)
{
	json_t *args = json_object();

	if (o->version)
		json_object_set_new(args, "to", word(o->version));
	return order(o, "rollout.undo", args, out, err);
}

int ctl_rollout_pause(const struct ctl_options *o, FILE *out, FILE *err)
{
	return order(o, "rollout.pause", json_object(), out, err);
}

int ctl_rollout_resume(const struct ctl_options *o, FILE *out, FILE *err)
{
	return order(o, "rollout.resume", json_object(), out, err);
}

int ctl_rollout_abort(const struct ctl_options *o, FILE *out, FILE *err)
{
	return order(o, "rollout.abort", json_object(), out, err);
}

int ctl_rollout_retry(const struct ctl_options *o, FILE *out, FILE *err)
{
	return order(o, "rollout.retry", json_object(), out, err);
}

/* ---- status ---- */

static bool is_state(const json_t *row, const char *state)
{
	return strcmp(text_of(row, "state"), state) == 0;
}

/* It waits for an operator, not for the end of a timed pause. */
static bool waits_for_operator(const json_t *row)
{
	return is_state(row, "paused") && !json_is_number(json_object_get(row, "until"));
}

/* The exit code for all of the rows: the worst. *over: there is nothing to wait for. */
static int judge(const json_t *rows, bool *over)
{
	bool degraded = false, paused = false;
	const json_t *row;
	size_t index;

	*over = true;
	json_array_foreach(rows, index, row) {
		degraded = degraded || is_state(row, "degraded");
		paused = paused || waits_for_operator(row);
		*over = *over && (is_state(row, "healthy") || is_state(row, "none") || is_state(row, "degraded") ||
				  waits_for_operator(row));
	}
	return degraded ? CTL_DEGRADED : paused ? CTL_PAUSED : CTL_OK;
}

static int ask(const struct ctl_options *o, json_t **reply, FILE *err)
{
	json_t *args = json_object(), *said = NULL;
	int rc;

	if (o->target)
		json_object_set_new(args, "group", word(o->target));
	rc = ctl_ask(o, "rollout.status", args, CTL_ANSWER_MS, &said, err);
	*reply = NULL;
	if (rc == CTL_OK && !json_is_true(json_object_get(said, "ok")))
		rc = ctl_refused(o, said, err);
	else if (rc == CTL_OK)
		*reply = json_incref(said);
	json_decref(said);
	return rc;
}

/* What is said of a change, or NULL: seconds that pass are none. New reference. */
static json_t *essence(const json_t *rows)
{
	static const char *const keys[] = { "group", "state", "phase", "step", "weight", "want", "why" };
	json_t *list = json_array();
	const json_t *row;
	size_t index;

	json_array_foreach(rows, index, row) {
		json_t *o = json_object();

		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			json_object_set(o, keys[i], json_object_get(row, keys[i]));
		json_array_append_new(list, o);
	}
	return list;
}

static void print_rows(const struct ctl_options *o, const json_t *reply, bool lines, FILE *out)
{
	const json_t *row;
	size_t index;

	if (o->json) {
		ctl_print_json(out, reply);
	} else {
		json_array_foreach(json_object_get(reply, "rollouts"), index, row)
			(lines ? print_line : print_row)(out, row);
	}
	fflush(out);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int watch(const struct ctl_options *o, FILE *out, FILE *err)
{
	uint64_t end = now_ms() + o->timeout_ms;
	json_t *before = NULL, *now, *reply;
	bool over = false;
	int rc = CTL_OK;

	while (!over) {
		rc = ask(o, &reply, err);
		if (rc != CTL_OK)
			break;
		now = essence(json_object_get(reply, "rollouts"));
		if (!before || !json_equal(before, now))
			print_rows(o, reply, true, out);
		json_decref(before);
		before = now;
		rc = judge(json_object_get(reply, "rollouts"), &over);
		json_decref(reply);
		if (!over && now_ms() >= end) {
			rc = ctl_fail(o, CTL_TIMEOUT, err, "still going on after --timeout; batond goes on with it");
			break;
		}
		if (!over)
			ctl_wait_ms(WATCH_MS);
	}
	json_decref(before);
	return rc;
}

int ctl_rollout_status(const struct ctl_options *o, FILE *out, FILE *err)
{
	json_t *reply;
	bool over;
	int rc;

	if (o->watch)
		return watch(o, out, err);
	rc = ask(o, &reply, err);
	if (rc != CTL_OK)
		return rc;
	print_rows(o, reply, false, out);
	rc = judge(json_object_get(reply, "rollouts"), &over);
	json_decref(reply);
	return rc;
}

/* ---- history ---- */

static void print_past(FILE *out, const json_t *past)
{
	time_t at = (time_t)json_number_value(json_object_get(past, "time"));
	const json_t *from = json_object_get(past, "from"), *to = json_object_get(past, "to");
	char when[32];
	struct tm tm;

	gmtime_r(&at, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	fprintf(out, "%s  %s -> %s, build %.12s  %s, started by %s%s%s\n", when, text_of(from, "version"),
		text_of(to, "version"), text_of(to, "build_id"), text_of(past, "result"), text_of(past, "by"), text_of(past, "why")[0] ? ": " : "",
		text_of(past, "why"));
}

/* A question about the group. *reply: what is left to print, the caller's, or NULL. Returns the exit code. */
static int question(const struct ctl_options *o, const char *command, json_t **reply, FILE *out, FILE *err)
{
	json_t *args = json_object(), *said = NULL;
	int rc;

	*reply = NULL;
	json_object_set_new(args, "group", word(o->target));
	rc = ctl_ask(o, command, args, CTL_ANSWER_MS, &said, err);
	if (rc != CTL_OK)
		return rc;
	if (!json_is_true(json_object_get(said, "ok")))
		rc = ctl_refused(o, said, err);
	else if (o->json)
		ctl_print_json(out, said);
	else
		*reply = json_incref(said);
	json_decref(said);
	return rc;
}

int ctl_rollout_history(const struct ctl_options *o, FILE *out, FILE *err)
{
	json_t *reply, *past;
	size_t index;
	int rc = question(o, "rollout.history", &reply, out, err);

	json_array_foreach(json_object_get(reply, "history"), index, past)
		print_past(out, past);
	json_decref(reply);
	return rc;
}

int ctl_rollout_explain(const struct ctl_options *o, FILE *out, FILE *err)
{
	json_t *reply, *line;
	size_t index;
	int rc = question(o, "rollout.explain", &reply, out, err);

	json_array_foreach(json_object_get(reply, "text"), index, line)
		fprintf(out, "%s\n", json_string_value(line) ? json_string_value(line) : "");
	json_decref(reply);
	return rc;
}
