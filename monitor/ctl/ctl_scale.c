/* batonctl worker start|stop|drain and buckets show|move. */
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
static int order(const struct ctl_options *o, const char *command, json_t *args, FILE *out, FILE *err)
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
		print_result(out, reply);
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
	return order(o, command, args, out, err);
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

int ctl_buckets_move(const struct ctl_options *o, FILE *out, FILE *err)
{
	json_t *args = json_object();

	json_object_set_new(args, "buckets", word(o->target));
	json_object_set_new(args, "target", word(o->second));
	return order(o, "buckets.move", args, out, err);
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

int ctl_buckets_show(const struct ctl_options *o, FILE *out, FILE *err)
{
	json_t *args = json_object(), *reply = NULL, *service;
	size_t index;

	if (o->target)
		json_object_set_new(args, "group", word(o->target));
	int rc = ctl_ask(o, "buckets.show", args, CTL_ANSWER_MS, &reply, err);
	if (rc != CTL_OK)
		return rc;
	if (!json_is_true(json_object_get(reply, "ok")))
		rc = ctl_refused(o, reply, err);
	else if (o->json)
		ctl_print_json(out, reply);
	else
		json_array_foreach(json_object_get(reply, "services"), index, service)
			print_service(out, service);
	if (rc == CTL_OK && !o->json && text_of(reply, "operation")[0])
		fprintf(out, "`%s` is under way\n", text_of(reply, "operation"));
	json_decref(reply);
	return rc;
}
