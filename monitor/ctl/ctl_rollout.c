/* batonctl rollout: orders, and the status of what was ordered. */
#include <string.h>
#include <time.h>

#include "ctl.h"
#include "ctl_rollout.h"

#define WATCH_MS 200u

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* A word that is no UTF-8 names nothing. */
static json_t *word(const char *text)
{
	json_t *value = json_string(text);

	return value ? value : json_string("?");
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
		ctl_rollout_print_row(out, json_object_get(reply, "rollout"));
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

/* The exit code for all of the rows: the worst. *over: there is nothing to wait for. */
static int judge(const json_t *rows, bool *over)
{
	bool degraded = false, paused = false;
	const json_t *row;
	size_t index;

	*over = true;
	json_array_foreach(rows, index, row) {
		degraded = degraded || is_state(row, "degraded");
		paused = paused || ctl_rollout_waits(row);
		*over = *over && (is_state(row, "healthy") || is_state(row, "none") || is_state(row, "degraded") ||
				  ctl_rollout_waits(row));
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
			(lines ? ctl_rollout_print_line : ctl_rollout_print_row)(out, row);
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
		ctl_rollout_print_past(out, past);
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
