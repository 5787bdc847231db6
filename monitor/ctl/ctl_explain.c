/* batonctl rollout explain. */
#include "ctl.h"

int ctl_rollout_explain(const struct ctl_options *o, FILE *out, FILE *err)
{
	json_t *args = json_object(), *group = json_string(o->target), *reply = NULL;
	const json_t *line;
	size_t index;

	json_object_set_new(args, "group", group ? group : json_string("?")); /* what is no UTF-8 names nothing */
	int rc = ctl_ask(o, "rollout.explain", args, CTL_ANSWER_MS, &reply, err);
	if (rc != CTL_OK)
		return rc;
	if (!json_is_true(json_object_get(reply, "ok")))
		rc = ctl_refused(o, reply, err);
	else if (o->json)
		ctl_print_json(out, reply);
	else
		json_array_foreach(json_object_get(reply, "text"), index, line)
			fprintf(out, "%s\n", json_string_value(line) ? json_string_value(line) : "?");
	json_decref(reply);
	return rc;
}
