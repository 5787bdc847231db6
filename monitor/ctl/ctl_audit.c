/* batonctl audit: who ordered what, and how it ended; from the daemon, or from a file it left. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_reply.h"
#include "ctl_values.h"
#include "tail.h"

#define LINES_MOST 1000u /* the daemon gives no more */
#define FILE_BYTES (4u << 20)

/* ---- orders of lines ---- */

static bool same_order(const json_t *a, const json_t *b)
{
	return json_equal(json_object_get(a, "boot"), json_object_get(b, "boot")) &&
	       json_equal(json_object_get(a, "request"), json_object_get(b, "request"));
}

/* A beginning whose end is among the lines says nothing that the end does not. */
static bool is_ended(const json_t *lines, size_t at)
{
	const json_t *line = json_array_get(lines, at);

	if (strcmp(text_of(line, "event"), "begin") != 0)
		return false;
	for (size_t i = at + 1; i < json_array_size(lines); i++) {
		const json_t *other = json_array_get(lines, i);

		if (strcmp(text_of(other, "event"), "end") == 0 && same_order(line, other))
			return true;
	}
	return false;
}

/* The last `most` orders, each by the line that says most about it. */
static json_t *orders_of(const json_t *lines, size_t most)
{
	json_t *orders = json_array();

	for (size_t i = 0; i < json_array_size(lines); i++) {
		json_t *line = json_array_get(lines, i);

		if (json_is_object(line) && !is_ended(lines, i))
			json_array_append(orders, line);
	}
	while (json_array_size(orders) > most)
		json_array_remove(orders, 0);
	return orders;
}

/* ---- for people ---- */

static void put_who(FILE *out, const json_t *order)
{
	const json_t *uid = json_object_get(order, "uid"), *pid = json_object_get(order, "pid");
	const char *user = text_of(order, "user"), *login = text_of(order, "login"), *process = text_of(order, "process");

	if (user[0])
		ctl_put(out, user);
	else if (json_is_integer(uid))
		fprintf(out, "uid %lld", (long long)json_integer_value(uid));
	else
		fputs("batond", out);
	if (login[0] && strcmp(login, user) != 0) {
		fputs(" (login ", out);
		ctl_put(out, login);
		fputc(')', out);
	}
	if (json_is_integer(pid)) {
		fputs(" by ", out);
		ctl_put(out, process[0] ? process : "pid");
		fprintf(out, "[%lld]", (long long)json_integer_value(pid));
	}
	if (text_of(order, "signal")[0])
		fprintf(out, " SIG%.8s", text_of(order, "signal"));
}

static void put_args(FILE *out, const json_t *order)
{
	const json_t *args = json_object_get(order, "args");
	char *text = json_object_size(args) ? json_dumps(args, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;

	if (text)
		fprintf(out, " %s", text);
	else if (text_of(order, "args_cut")[0]) {
		fputc(' ', out);
		ctl_put(out, text_of(order, "args_cut"));
		fputs("...", out);
	}
	free(text);
}

static void put_result(FILE *out, const json_t *order)
{
	const json_t *duration = json_object_get(order, "duration_ms");

	if (strcmp(text_of(order, "event"), "begin") == 0) {
		fputs("not ended: it is under way, or batond died meanwhile", out);
		return;
	}
	ctl_put(out, text_of(order, "result"));
	if (json_is_number(duration))
		fprintf(out, " after %.1f ms", json_number_value(duration));
	if (text_of(order, "reason")[0]) {
		fputs(": ", out);
		ctl_put(out, text_of(order, "reason"));
	}
}

/* What a rollout did by itself, or was told to. */
/* A bucket that is held, given up or served again: what batond has done of its own. */
static void put_bucket(FILE *out, const json_t *o)
{
	fprintf(out, "batond  bucket %lld of ", number_of(o, "bucket"));
	ctl_put(out, text_of(o, "group"));
	fputc(' ', out);
	ctl_put(out, text_of(o, "what"));
	fprintf(out, ", %lld died converting it to schema %lld, version ", number_of(o, "deaths"), number_of(o, "schema"));
	ctl_put(out, text_of(o, "version"));
	fputc('\n', out);
}

static void put_rollout(FILE *out, const json_t *line)
{
	ctl_put(out, text_of(line, "by"));
	fputs("  rollout ", out);
	ctl_put(out, text_of(line, "group"));
	fputc(' ', out);
	ctl_put(out, text_of(line, "what"));
	fprintf(out, ", step %lld of %lld, %lld permille, version ", number_of(line, "step"), number_of(line, "steps"),
		number_of(line, "weight"));
	ctl_put(out, text_of(line, "version"));
	if (text_of(line, "why")[0]) {
		fputs(": ", out);
		ctl_put(out, text_of(line, "why"));
	}
	if (strcmp(text_of(line, "what"), "snapshot") == 0) {
		fputs(": ", out);
		ctl_put(out, text_of(line, "snapshot"));
	}
	fputc('\n', out);
}

static void print(FILE *out, const json_t *orders)
{
	static const struct { const char *key, *words; } gaps[] = {
		{ "lines_lost_before", "lines before this one could not be written" },
		{ "refusals_not_written_before", "refusals before this one were too many to be written" },
	};

	for (size_t i = 0; i < json_array_size(orders); i++) {
		const json_t *order = json_array_get(orders, i);

		for (size_t g = 0; g < 2; g++)
			if (json_is_integer(json_object_get(order, gaps[g].key)))
				fprintf(out, "(%lld %s)\n", number_of(order, gaps[g].key), gaps[g].words);
		ctl_put(out, text_of(order, "time"));
		fputs("  ", out);
		if (strcmp(text_of(order, "event"), "rollout") == 0) {
			put_rollout(out, order);
			continue;
		}
		if (strcmp(text_of(order, "event"), "bucket") == 0) {
			put_bucket(out, order);
			continue;
		}
		put_who(out, order);
		fputs("  ", out);
		ctl_put(out, text_of(order, "verb"));
		put_args(out, order);
		fputs("  ", out);
		put_result(out, order);
		fputc('\n', out);
	}
}

/* ---- where lines come from ---- */

static json_t *parse_lines(char *text, size_t *unreadable)
{
	json_t *lines = json_array();
	char *line;

	while ((line = strsep(&text, "\n")) != NULL) {
		json_t *object = line[0] ? json_loads(line, 0, NULL) : NULL;

		*unreadable += line[0] && !json_is_object(object);
		if (json_is_object(object))
			json_array_append(lines, object);
		json_decref(object);
	}
	return lines;
}

static int from_file(const struct ctl_options *o, uint32_t wanted, json_t **reply, FILE *err)
{
	size_t bytes, unreadable = 0;
	char *text;
	int rc = tail_read(o->file, wanted, FILE_BYTES, &text, &bytes);

	if (rc)
		return ctl_fail(o, rc == -ENOENT ? CTL_NOT_FOUND : rc == -EACCES ? CTL_DENIED : CTL_FAILED, err, "%s: %s",
				o->file, strerror(-rc));
	json_t *lines = parse_lines(text, &unreadable);
	*reply = json_pack("{s:i, s:b, s:o, s:o, s:I}", "schema", 1, "ok", 1, "file", ctl_text(o->file), "lines", lines,
			   "unreadable", (json_int_t)unreadable);
	free(text);
	if (*reply)
		return CTL_OK;
	return ctl_fail(o, CTL_FAILED, err, "%s: memory is short", o->file);
}

static int from_daemon(const struct ctl_options *o, uint32_t wanted, json_t **reply, FILE *err)
{
	int rc = ctl_ask_ok(o, "audit", json_pack("{s:i}", "last", (int)wanted), CTL_ANSWER_MS, reply, err);

	if (rc == CTL_UNREACHABLE && !o->json)
		fprintf(err, "batonctl: what it left can be read by `batonctl audit --file " BATON_AUDIT_PATH_FMT "`\n",
			o->instance[0] ? o->instance : "NAME");
	return rc;
}

int ctl_audit(const struct ctl_options *o, FILE *out, FILE *err)
{
	uint32_t wanted = 2 * o->last < LINES_MOST ? 2 * o->last : LINES_MOST;
	json_t *reply = NULL;
	int rc = o->file ? from_file(o, wanted, &reply, err) : from_daemon(o, wanted, &reply, err);

	if (rc != CTL_OK)
		return rc;
	json_t *orders = orders_of(json_object_get(reply, "lines"), o->last);
	json_object_del(reply, "lines");
	json_object_set(reply, "orders", orders);
	if (o->json)
		ctl_print_json(out, reply);
	else
		print(out, orders);
	if (!o->json && number_of(reply, "unreadable") > 0)
		fprintf(err, "batonctl: %lld lines of %s are no JSON objects\n", number_of(reply, "unreadable"),
			text_of(reply, "file"));
	json_decref(orders);
	json_decref(reply);
	return CTL_OK;
}
