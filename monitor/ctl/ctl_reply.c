/* What most commands do: ask, say what was refused, print what was answered. */
#include "ctl_reply.h"

#include "ctl_values.h"

json_t *ctl_group_args(const struct ctl_options *o)
{
	json_t *args = json_object();

	if (o->target)
		json_object_set_new(args, "group", ctl_word(o->target));
	return args;
}

int ctl_ask_ok(const struct ctl_options *o, const char *command, json_t *args, uint64_t timeout_ms, json_t **reply,
	       FILE *err)
{
	json_t *said = NULL;
	int rc = ctl_ask(o, command, args, timeout_ms, &said, err);

	*reply = NULL;
	if (rc != CTL_OK)
		return rc;
	if (json_is_true(json_object_get(said, "ok"))) {
		*reply = said;
		return CTL_OK;
	}
	rc = ctl_refused(o, said, err);
	json_decref(said);
	return rc;
}

void ctl_print_reply(const struct ctl_options *o, const json_t *reply, void (*print)(FILE *, const json_t *),
		     FILE *out)
{
	if (o->json)
		ctl_print_json(out, reply);
	else
		print(out, reply);
}

int ctl_order(const struct ctl_options *o, const char *command, json_t *args, uint64_t timeout_ms,
	      void (*print)(FILE *, const json_t *), FILE *out, FILE *err)
{
	json_t *reply;
	int rc = ctl_ask_ok(o, command, args, timeout_ms, &reply, err);

	if (rc == CTL_OK)
		ctl_print_reply(o, reply, print, out);
	json_decref(reply);
	return rc;
}

void ctl_print_each(FILE *out, const json_t *reply, const char *key, void (*print)(FILE *, const json_t *))
{
	const json_t *row;
	size_t index;

	json_array_foreach(json_object_get(reply, key), index, row)
		print(out, row);
}

void ctl_put(FILE *out, const char *text)
{
	for (; *text; text++)
		fputc((unsigned char)*text < 0x20 || (unsigned char)*text >= 0x7f ? '?' : *text, out);
}
