/* batonctl worker start|stop|drain|debug and buckets show|find|move. */
#include <string.h>

#include "ctl.h"

#define RANGES_WIDTH 96 /* a line of ranges is broken behind a comma */

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static long long number_of(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

static void print_result(FILE *out, const json_t *reply)
{
	long long pid = number_of(reply, "pid"), moved = number_of(reply, "moved");
	json_t *share;
	size_t index;

	fprintf(out, "%s: ", text_of(reply, "worker"));
	if (pid)
		fprintf(out, "pid %lld, ", pid);
	fprintf(out, "%lld buckets moved", moved);
	if (moved)
		fprintf(out, " in %lld move%s, longest gap %.1f us, %lld packets waited", number_of(reply, "moves"),
			number_of(reply, "moves") == 1 ? "" : "s",
			json_number_value(json_object_get(reply, "gap_us")), number_of(reply, "parked"));
	fputc('\n', out);
	json_array_foreach(json_object_get(reply, "shares"), index, share)
		fprintf(out, "  %-20s %6lld buckets%s\n", text_of(share, "name"), number_of(share, "buckets"),
			json_is_true(json_object_get(share, "drained")) ? ", drained" : "");
}

/* Asks for an operation, waits for its end, prints what it did. Takes the reference to args. */
static int order(const struct ctl_options *o, const char *command, json_t *args,
		 void (*print)(FILE *, const json_t *), FILE *out, FILE *err)
{
	json_t *reply = NULL;
	int rc = ctl_ask(o, command, args, o->timeout_ms, &reply, err);

	if (rc != CTL_OK)
		return rc;
	if (!json_is_true(json_object_get(reply, "ok")))
		rc = ctl_refused(o, reply, err);
	else if (o->json)
		ctl_print_json(out, reply);
	else
		print(out, reply);
	json_decref(reply);
	return rc;
}

/* A word that is no UTF-8 names nothing. */
static json_t *word(const char *text)
{
	json_t *value = json_string(text);

	return value ? value : json_string("?");
}

static int order_worker(const struct ctl_options *o, const char *command, FILE *out, FILE *err)
{
	json_t *args = json_object();

	json_object_set_new(args, "target", word(o->target));
	return order(o, command, args, print_result, out, err);
}

int ctl_worker_start(const struct ctl_options *o, FILE *out, FILE *err)
{
	return order_worker(o, "worker.start", out, err);
}

int ctl_worker_stop(const struct ctl_options *o, FILE *out, FILE *err)
{
	return order_worker(o, "worker.stop", out, err);
}

int ctl_worker_drain(const struct ctl_options *o, FILE *out, FILE *err)
{
	return order_worker(o, "worker.drain", out, err);
}

/* "17,300-302" of several. Returns false if they are too many to write. */
static bool join_buckets(const struct ctl_options *o, char *text, size_t bytes)
{
	size_t used = 0;

	for (uint32_t i = 0; i < o->buckets && used < bytes; i++)
		used += (size_t)snprintf(text + used, bytes - used, "%s%s", i ? "," : "", o->bucket[i]);
	return used < bytes;
}

static void print_debug(FILE *out, const json_t *reply)
{
	const char *name = text_of(reply, "worker");

	fprintf(out, "%s: pid %lld is left alone until `batonctl worker debug %s --end`\n  buckets  %s\n  %s\n", name,
		number_of(reply, "pid"), name, text_of(reply, "kept"), text_of(reply, "gdb"));
	fputs("  While it stands still players of these buckets wait, and no others; `detach` or `quit` lets it go on.\n"
	      "  Kill it in the debugger, or let it crash, and another process handles what it had not settled.\n", out);
}

int ctl_worker_debug(const struct ctl_options *o, FILE *out, FILE *err)
{
	json_t *args = json_object(), *keys = json_array();
	char buckets[4096];

	if (!join_buckets(o, buckets, sizeof(buckets)) || (o->end && o->buckets + o->keys != 0)) {
		json_decref(args);
		json_decref(keys);
		return ctl_fail(o, CTL_USAGE, err, o->end ? "--end takes neither --bucket nor --key"
							  : "--bucket: shorten the list, by ranges such as 0-255");
	}
	json_object_set_new(args, "target", word(o->target));
	json_object_set_new(args, "end", json_boolean(o->end));
	if (o->buckets)
		json_object_set_new(args, "buckets", word(buckets));
	for (uint32_t i = 0; i < o->keys; i++)
		json_array_append_new(keys, word(o->key[i]));
	json_object_set_new(args, "keys", keys);
	return order(o, "worker.debug", args, o->end ? print_result : print_debug, out, err);
}

int ctl_buckets_move(const struct ctl_options *o, FILE *out, FILE *err)
{
	json_t *args = json_object();

	json_object_set_new(args, "buckets", word(o->target));
	json_object_set_new(args, "target", word(o->second));
	return order(o, "buckets.move", args, print_result, out, err);
}

static void print_ranges(FILE *out, const char *ranges)
{
	while (strlen(ranges) > RANGES_WIDTH) {
		size_t len = RANGES_WIDTH;

		while (len > 1 && ranges[len - 1] != ',')
			len--;
		fprintf(out, "%.*s\n%33s", (int)len, ranges, "");
		ranges += len;
	}
	fprintf(out, "%s\n", ranges[0] ? ranges : "-");
}

static void print_service(FILE *out, const json_t *service)
{
	json_t *row;
	size_t index;

	fprintf(out, "%s: group %s, %lld buckets\n", text_of(service, "service"), text_of(service, "group"),
		number_of(service, "buckets"));
	json_array_foreach(json_object_get(service, "owners"), index, row) {
		const char *name = text_of(row, "worker");

		fprintf(out, "  %-14s %-8s %6lld  ", name[0] ? name : "nobody", text_of(row, "state"),
			number_of(row, "buckets"));
		print_ranges(out, text_of(row, "ranges"));
	}
	json_array_foreach(json_object_get(service, "moving"), index, row) {
		fprintf(out, "  moving: %lld buckets from ", number_of(row, "buckets"));
		if (text_of(row, "from")[0])
			fprintf(out, "%s (slot %lld)", text_of(row, "from"), number_of(row, "from_slot"));
		else
			fputs("nobody", out);
		fprintf(out, " to %s (slot %lld)\n", text_of(row, "to"), number_of(row, "to_slot"));
	}
}

/* Asks. What is refused, and what is to be JSON, is printed here; *reply: what is left to print, which the caller gives
 * back, or NULL. Returns the exit code. */
static int ask_rows(const struct ctl_options *o, const char *command, json_t *args, json_t **reply, FILE *out,
		    FILE *err)
{
	json_t *said = NULL;
	int rc = ctl_ask(o, command, args, CTL_ANSWER_MS, &said, err);

	*reply = NULL;
	if (rc != CTL_OK)
		return rc;
	if (json_is_true(json_object_get(said, "ok")) && !o->json) {
		*reply = said;
		return CTL_OK;
	}
	if (!json_is_true(json_object_get(said, "ok")))
		rc = ctl_refused(o, said, err);
	else
		ctl_print_json(out, said);
	json_decref(said);
	return rc;
}

int ctl_buckets_show(const struct ctl_options *o, FILE *out, FILE *err)
{
	json_t *args = json_object(), *reply, *service;
	size_t index;

	if (o->target)
		json_object_set_new(args, "group", word(o->target));
	int rc = ask_rows(o, "buckets.show", args, &reply, out, err);
	json_array_foreach(json_object_get(reply, "services"), index, service)
		print_service(out, service);
	if (reply && text_of(reply, "operation")[0])
		fprintf(out, "`%s` is under way\n", text_of(reply, "operation"));
	json_decref(reply);
	return rc;
}

/* ---- find ---- */

/* Begins as a number or an IPv4 address does. A service whose name is a number is asked for by that of its group. */
static bool is_key(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	return digits > 0 && (text[digits] == '\0' || text[digits] == '.' || strncmp(text, "0x", 2) == 0 ||
			      strncmp(text, "0X", 2) == 0);
}

static void print_found(FILE *out, const json_t *row)
{
	const json_t *key = json_object_get(row, "key");
	const char *worker = text_of(row, "worker");
	char number[32];

	snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(key));
	fprintf(out, "%-21s bucket %5lld  ", json_is_string(key) ? json_string_value(key) : number,
		number_of(row, "bucket"));
	if (worker[0])
		fprintf(out, "%s, pid %lld, %s", worker, number_of(row, "pid"), text_of(row, "state"));
	else
		fputs("nobody", out);
	if (text_of(row, "moving_to")[0])
		fprintf(out, "; moves to %s (slot %lld)", text_of(row, "moving_to"), number_of(row, "moving_to_slot"));
	fputc('\n', out);
}

int ctl_buckets_find(const struct ctl_options *o, FILE *out, FILE *err)
{
	bool named = !is_key(o->words[0]);
	json_t *args, *keys, *reply, *row;
	size_t index;

	if (named && o->word_count == 1)
		return ctl_fail(o, CTL_USAGE, err, "give keys behind '%s': numbers such as 123 or 0x7b, or the client's "
				"ADDRESS:PORT", o->words[0]);
	args = json_object();
	keys = json_array();
	if (named)
		json_object_set_new(args, "service", word(o->words[0]));
	for (uint32_t i = named; i < o->word_count; i++)
		json_array_append_new(keys, word(o->words[i]));
	json_object_set_new(args, "keys", keys);
	int rc = ask_rows(o, "buckets.find", args, &reply, out, err);
	json_array_foreach(json_object_get(reply, "keys"), index, row)
		print_found(out, row);
	json_decref(reply);
	return rc;
}
