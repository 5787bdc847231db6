/* batonctl state snapshot and state restore. */
#include <string.h>
#include <unistd.h>

#include "ctl.h"

/* The daemon stands in another directory. */
static json_t *path_value(const char *path)
{
	char here[4096];
	json_t *value;

	if (path[0] == '/' || getcwd(here, sizeof(here)) == NULL)
		value = json_string(path);
	else
		value = json_sprintf("%s/%s", here, path);
	return value ? value : json_string("?");
}

static long long number_of(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

static int order(const struct ctl_options *o, const char *command, json_t *args, json_t **reply, FILE *out, FILE *err)
{
	if (o->group && json_object_set_new(args, "group", json_string(o->group))) {
		json_decref(args);
		return ctl_fail(o, CTL_NOT_FOUND, err, "no group has such a name");
	}
	int rc = ctl_ask(o, command, args, o->timeout_ms, reply, err);
	if (rc != CTL_OK)
		return rc;
	if (!json_is_true(json_object_get(*reply, "ok")))
		rc = ctl_refused(o, *reply, err);
	else if (o->json)
		ctl_print_json(out, *reply);
	return rc;
}

int ctl_state_snapshot(const struct ctl_options *o, FILE *out, FILE *err)
{
	json_t *args = json_object(), *reply = NULL;

	json_object_set_new(args, "file", path_value(o->target));
	int rc = order(o, "state.snapshot", args, &reply, out, err);
	if (rc == CTL_OK && !o->json)
		fprintf(out, "%s: %lld records in %lld buckets, %lld bytes\n",
			json_string_value(json_object_get(reply, "file")), number_of(reply, "records"),
			number_of(reply, "buckets"), number_of(reply, "bytes"));
	json_decref(reply);
	return rc;
}

int ctl_state_restore(const struct ctl_options *o, FILE *out, FILE *err)
{
	json_t *args, *reply = NULL;

	if (!o->bucket_list)
		return ctl_fail(o, CTL_USAGE, err, "--buckets LIST is needed: the others stay as they are");
	args = json_object();
	json_object_set_new(args, "file", path_value(o->target));
	json_t *list = json_string(o->bucket_list);
	json_object_set_new(args, "buckets", list ? list : json_string("?"));
	int rc = order(o, "state.restore", args, &reply, out, err);
	if (rc == CTL_OK && !o->json)
		fprintf(out, "%lld buckets of %s put back, longest gap %.1f us\n", number_of(reply, "restored"),
			json_string_value(json_object_get(reply, "group")),
			json_number_value(json_object_get(reply, "gap_us")));
	json_decref(reply);
	return rc;
}
