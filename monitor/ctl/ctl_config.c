/* batonctl config: what is in force, what the file says, and making the one the other. */
#include <stdlib.h>
#include <string.h>

#include "ctl_reply.h"
#include "explain.h"

static void print_changes(const json_t *changes, FILE *out)
{
	for (size_t i = 0; i < json_array_size(changes); i++) {
		const json_t *change = json_array_get(changes, i);

		fprintf(out, "%s: %s: %s -> %s (%s)\n", text_of(change, "at"), text_of(change, "path"),
			text_of(change, "from"), text_of(change, "to"), text_of(change, "reload"));
	}
}

int ctl_config_reload(const struct ctl_options *o, FILE *out, FILE *err)
{
	json_t *reply = NULL;
	int rc = ctl_ask_ok(o, "config.reload", json_pack("{s:b}", "wait", (int)o->wait), o->timeout_ms, &reply, err);

	if (rc != CTL_OK)
		return rc;
	const json_t *changes = json_object_get(reply, "changes");
	if (o->json) {
		ctl_print_json(out, reply);
	} else {
		print_changes(changes, out);
		ctl_print_restart(out, reply);
		if (!json_is_true(json_object_get(reply, "applied")))
			fputs("workers are being restarted; batond's log says when it is applied (--wait waits)\n", out);
		else
			fputs(json_array_size(changes) ? "applied\n" : "nothing has changed\n", out);
	}
	json_decref(reply);
	return CTL_OK;
}

int ctl_config_diff(const struct ctl_options *o, FILE *out, FILE *err)
{
	json_t *reply = NULL;
	int rc = ctl_ask_ok(o, "config.diff", json_object(), CTL_ANSWER_MS, &reply, err);

	if (rc != CTL_OK)
		return rc;
	const json_t *changes = json_object_get(reply, "changes");
	if (o->json)
		ctl_print_json(out, reply);
	else
		print_changes(changes, out);
	rc = json_array_size(changes) ? CTL_FAILED : CTL_OK;
	json_decref(reply);
	return rc;
}

int ctl_config_show(const struct ctl_options *o, FILE *out, FILE *err)
{
	json_t *reply = NULL;
	json_t *args = json_pack("{s:b}", "effective", (int)o->effective);
	int rc = ctl_ask_ok(o, "config.show", args, CTL_ANSWER_MS, &reply, err);

	if (rc != CTL_OK)
		return rc;
	const json_t *values = json_object_get(reply, "values");
	if (o->json)
		ctl_print_json(out, reply);
	for (size_t i = 0; !o->json && i < json_array_size(values); i++) {
		const json_t *value = json_array_get(values, i);

		fprintf(out, "%s: %s  # %s\n", text_of(value, "path"), text_of(value, "value"), text_of(value, "origin"));
	}
	json_decref(reply);
	return CTL_OK;
}

/* ---- explain: from the table this program was built with ---- */

static void explain_json(const struct schema_row *row, const char *range, FILE *out)
{
	json_t *object = json_pack("{s:i, s:b, s:s, s:s, s:s, s:s, s:s, s:b, s:s}", "schema", 1, "ok", 1, "path", row->path,
				   "type", schema_type_name(row->type), "unit", schema_unit(row), "allowed", range,
				   "default", row->fallback ? row->fallback : "", "required", (int)row->required, "help",
				   row->help);

	if (row->type != SCHEMA_MAP) {
		json_object_set_new(object, "tier", json_string(schema_tier_name(row->tier)));
		json_object_set_new(object, "reload", json_string(schema_reload_name(row->reload)));
	}
	if (row->example)
		json_object_set_new(object, "example", json_string(row->example));
	ctl_print_json(out, object);
	json_decref(object);
}

static void explain_inside(const struct schema_row *row, FILE *out)
{
	char parent[96];

	snprintf(parent, sizeof(parent), "%s%s", row->path, row->type == SCHEMA_LIST ? "[]" : "");
	for (size_t i = 0; i < schema_rows; i++)
		if (schema_inside(&schema[i], parent))
			fprintf(out, "  %-28s %s\n", schema[i].path, schema[i].help);
}

static void explain_text(const struct schema_row *row, const char *range, FILE *out)
{
	static const char *const tiers[] = { "set it first", "for performance", "rarely needed" };
	static const char *const reloads[] = {
		[RELOAD_HOT] = "hot: at once, by a reload", [RELOAD_WORKER] = "worker: by a reload, in restarted workers",
		[RELOAD_SCALE] = "scale: by a reload, which starts or stops workers",
		[RELOAD_RESTART] = "restart: needs a restart of batond, a reload is refused",
	};

	fprintf(out, "%s: %s\n", row->path, row->help);
	if (row->type == SCHEMA_MAP) {
		explain_inside(row, out);
		return;
	}
	fprintf(out, "  type          %s\n", schema_type_name(row->type));
	fprintf(out, "  unit          %s\n", schema_unit(row));
	fprintf(out, "  allowed       %s\n", range[0] ? range : "any");
	fprintf(out, "  default       %s\n", schema_default(row)[0] ? schema_default(row) : "none");
	if (row->example)
		fprintf(out, "  example       %s\n", row->example);
	fprintf(out, "  tier          %s: %s\n", schema_tier_name(row->tier), tiers[row->tier]);
	fprintf(out, "  takes effect  %s\n", reloads[row->reload]);
	if (row->type == SCHEMA_LIST)
		explain_inside(row, out);
}

int ctl_config_explain(const struct ctl_options *o, FILE *out, FILE *err)
{
	const struct schema_row *row;
	char why[320], range[160];

	if (schema_look_up(o->target, &row, why, sizeof(why)))
		return ctl_fail(o, CTL_NOT_FOUND, err, "%s", why);
	schema_range(row, range, sizeof(range));
	if (o->json)
		explain_json(row, range, out);
	else
		explain_text(row, range, out);
	return CTL_OK;
}
