/* batonctl state snapshot and state restore. */
#include "ctl_reply.h"
#include "ctl_values.h"

static int order(const struct ctl_options *o, const char *command, json_t *args,
		 void (*print)(FILE *, const json_t *), FILE *out, FILE *err)
{
	if (o->group && json_object_set_new(args, "group", json_string(o->group))) {
		json_decref(args);
		return ctl_fail(o, CTL_NOT_FOUND, err, "no group has such a name");
	}
	return ctl_order(o, command, args, o->timeout_ms, print, out, err);
}

static void print_written(FILE *out, const json_t *reply)
{
	fprintf(out, "%s: %lld records in %lld buckets, %lld bytes\n", text_of(reply, "file"), number_of(reply, "records"),
		number_of(reply, "buckets"), number_of(reply, "bytes"));
}

int ctl_state_snapshot(const struct ctl_options *o, FILE *out, FILE *err)
{
	json_t *args = json_object();

	json_object_set_new(args, "file", ctl_path_value(o->target));
	return order(o, "state.snapshot", args, print_written, out, err);
}

static void print_restored(FILE *out, const json_t *reply)
{
	fprintf(out, "%lld buckets of %s put back, longest gap %.1f us\n", number_of(reply, "restored"),
		text_of(reply, "group"), real_of(reply, "gap_us"));
}

int ctl_state_restore(const struct ctl_options *o, FILE *out, FILE *err)
{
	json_t *args;

	if (!o->bucket_list)
		return ctl_fail(o, CTL_USAGE, err, "--buckets LIST is needed: the others stay as they are");
	args = json_object();
	json_object_set_new(args, "file", ctl_path_value(o->target));
	json_object_set_new(args, "buckets", ctl_word(o->bucket_list));
	return order(o, "state.restore", args, print_restored, out, err);
}
