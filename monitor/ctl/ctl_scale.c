/* batonctl worker start|stop|drain|debug and buckets show|find|move. */
#include <string.h>

#include "ctl_reply.h"
#include "ctl_values.h"

#define RANGES_WIDTH 96 /* a line of ranges is broken behind a comma */

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

static int order_worker(const struct ctl_options *o, const char *command, FILE *out, FILE *err)
{
	json_t *args = json_object();

	json_object_set_new(args, "target", ctl_word(o->target));
	return ctl_order(o, command, args, o->timeout_ms, print_result, out, err);
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
	json_object_set_new(args, "target", ctl_word(o->target));
	json_object_set_new(args, "end", json_boolean(o->end));
	if (o->buckets)
		json_object_set_new(args, "buckets", ctl_word(buckets));
	for (uint32_t i = 0; i < o->keys; i++)
		json_array_append_new(keys, ctl_word(o->key[i]));
	json_object_set_new(args, "keys", keys);
	return ctl_order(o, "worker.debug", args, o->timeout_ms, o->end ? print_result : print_debug, out, err);
}

int ctl_buckets_move(const struct ctl_options *o, FILE *out, FILE *err)
{
	json_t *args = json_object();

	json_object_set_new(args, "buckets", ctl_word(o->target));
	json_object_set_new(args, "target", ctl_word(o->second));
	return ctl_order(o, "buckets.move", args, o->timeout_ms, print_result, out, err);
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
	json_array_foreach(json_object_get(service, "held"), index, row)
		fprintf(out, "  held: bucket %lld, records of schema %lld: %lld process%s died converting them to schema %lld, %lld packets wait%s\n",
			number_of(row, "bucket"), number_of(row, "schema"), number_of(row, "deaths"),
			number_of(row, "deaths") == 1 ? "" : "es", number_of(row, "to_schema"), number_of(row, "packets"),
			json_is_true(json_object_get(row, "tried_again")) ? ", tried again"
									  : "; see `batonctl status`");
	json_array_foreach(json_object_get(service, "moving"), index, row) {
		fprintf(out, "  moving: %lld buckets from ", number_of(row, "buckets"));
		if (text_of(row, "from")[0])
			fprintf(out, "%s (slot %lld)", text_of(row, "from"), number_of(row, "from_slot"));
		else
			fputs("nobody", out);
		fprintf(out, " to %s (slot %lld)\n", text_of(row, "to"), number_of(row, "to_slot"));
	}
}

static void print_services(FILE *out, const json_t *reply)
{
	ctl_print_each(out, reply, "services", print_service);
	if (text_of(reply, "operation")[0])
		fprintf(out, "`%s` is under way\n", text_of(reply, "operation"));
}

int ctl_buckets_show(const struct ctl_options *o, FILE *out, FILE *err)
{
	return ctl_order(o, "buckets.show", ctl_group_args(o), CTL_ANSWER_MS, print_services, out, err);
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

static void print_all_found(FILE *out, const json_t *reply)
{
	ctl_print_each(out, reply, "keys", print_found);
}

int ctl_buckets_find(const struct ctl_options *o, FILE *out, FILE *err)
{
	bool named = !is_key(o->words[0]);
	json_t *args, *keys;

	if (named && o->word_count == 1)
		return ctl_fail(o, CTL_USAGE, err, "give keys behind '%s': numbers such as 123 or 0x7b, or the client's "
				"ADDRESS:PORT", o->words[0]);
	args = json_object();
	keys = json_array();
	if (named)
		json_object_set_new(args, "service", ctl_word(o->words[0]));
	for (uint32_t i = named; i < o->word_count; i++)
		json_array_append_new(keys, ctl_word(o->words[i]));
	json_object_set_new(args, "keys", keys);
	return ctl_order(o, "buckets.find", args, CTL_ANSWER_MS, print_all_found, out, err);
}
