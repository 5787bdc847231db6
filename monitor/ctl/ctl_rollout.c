/* batonctl rollout: orders, and the status of what was ordered. */
#include <string.h>

#include "ctl_reply.h"
#include "ctl_rollout.h"
#include "ctl_values.h"

#define WATCH_MS 200u

/* ---- orders ---- */

static void print_ordered(FILE *out, const json_t *reply)
{
	ctl_rollout_print_row(out, json_object_get(reply, "rollout"));
}

/* Takes the reference to args, to which it adds the group. */
static int order(const struct ctl_options *o, const char *command, json_t *args, FILE *out, FILE *err)
{
	json_object_set_new(args, "group", ctl_word(o->target));
	return ctl_order(o, command, args, o->timeout_ms ? o->timeout_ms : CTL_ANSWER_MS, print_ordered, out, err);
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
		json_object_set_new(args, "to", ctl_word(o->version));
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
	return ctl_ask_ok(o, "rollout.status", ctl_group_args(o), CTL_ANSWER_MS, reply, err);
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
	if (o->json)
		ctl_print_json(out, reply);
	else
		ctl_print_each(out, reply, "rollouts", lines ? ctl_rollout_print_line : ctl_rollout_print_row);
	fflush(out);
}

static int watch(const struct ctl_options *o, FILE *out, FILE *err)
{
	int64_t end = ctl_now_ms() + (int64_t)o->timeout_ms;
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
		if (!over && ctl_now_ms() >= end) {
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

static void print_history(FILE *out, const json_t *reply)
{
	ctl_print_each(out, reply, "history", ctl_rollout_print_past);
}

int ctl_rollout_history(const struct ctl_options *o, FILE *out, FILE *err)
{
	return ctl_order(o, "rollout.history", ctl_group_args(o), CTL_ANSWER_MS, print_history, out, err);
}

static void print_explained(FILE *out, const json_t *reply)
{
	const json_t *line;
	size_t index;

	json_array_foreach(json_object_get(reply, "text"), index, line)
		fprintf(out, "%s\n", json_string_value(line) ? json_string_value(line) : "");
}

int ctl_rollout_explain(const struct ctl_options *o, FILE *out, FILE *err)
{
	return ctl_order(o, "rollout.explain", ctl_group_args(o), CTL_ANSWER_MS, print_explained, out, err);
}
