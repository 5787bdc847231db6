/* Values and changes of configurations as JSON. */
#include "config_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "items.h"
#include "reply.h"

static void set_place(json_t *object, const char *key, const struct config_origins *origins,
		      const struct config_origin *origin)
{
	char text[sizeof(origins->file) + 32];

	snprintf(text, sizeof(text), "%s:%u:%u", origins->file, origin ? origin->line : 1, origin ? origin->column : 1);
	reply_set_text(object, key, text);
}

static void set_value(json_t *object, const char *key, const struct config *config, const struct config_item *item)
{
	char *text = config_item_text(config, item);

	reply_set_text(object, key, text ? text : "?");
	free(text);
}

struct listing {
	json_t *list;
	const struct config *from, *to;
	const struct config_origins *origins;
	bool effective;
};

static void add_value(const struct config_item *item, void *arg)
{
	const struct listing *l = arg;
	const struct config_origin *origin = config_item_origin(l->origins, item);
	bool given = origin && origin->given;
	json_t *object;

	/* How long a list is says nothing that its elements do not. */
	if ((!given && !l->effective) || item->row->type == SCHEMA_LIST)
		return;
	object = json_object();
	reply_set_text(object, "path", item->path);
	set_value(object, "value", l->to, item);
	if (given)
		set_place(object, "origin", l->origins, origin);
	else
		reply_set_text(object, "origin", "default");
	reply_set_text(object, "reload", schema_reload_name(item->row->reload));
	json_array_append_new(l->list, object);
}

json_t *report_values(const struct config *config, const struct config_origins *origins, bool effective)
{
	struct listing l = { .list = json_array(), .to = config, .origins = origins, .effective = effective };

	config_each(config, add_value, &l);
	return l.list;
}

static void add_change(const struct config_item *item, void *arg)
{
	const struct listing *l = arg;
	json_t *object = json_object();

	reply_set_text(object, "path", item->path);
	set_value(object, "from", l->from, item);
	set_value(object, "to", l->to, item);
	set_place(object, "at", l->origins, config_item_origin(l->origins, item));
	reply_set_text(object, "reload", schema_reload_name(item->row->reload));
	json_array_append_new(l->list, object);
}

json_t *report_changes(const struct config *from, const struct config *to, const struct config_origins *origins)
{
	struct listing l = { .list = json_array(), .from = from, .to = to, .origins = origins };

	config_diff(from, to, add_change, &l);
	return l.list;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

json_t *report_fixed(const json_t *changes)
{
	json_t *lines = json_array();

	for (size_t i = 0; i < json_array_size(changes); i++) {
		const json_t *change = json_array_get(changes, i);
		char line[1024];

		if (strcmp(text_of(change, "reload"), schema_reload_name(RELOAD_RESTART)) != 0)
			continue;
		snprintf(line, sizeof(line), "%s: error: %s: needs a restart of batond (running: %.100s, in the file: %.100s)",
			 text_of(change, "at"), text_of(change, "path"), text_of(change, "from"), text_of(change, "to"));
		json_array_append_new(lines, reply_text(line));
	}
	return lines;
}

json_t *report_refusal(const char *code, json_t *errors, const char *error)
{
	json_t *reply = reply_error(code, error);

	json_object_set_new(reply, "errors", errors);
	return reply;
}

json_t *report_load(const char *path, struct config *config, struct config_origins *origins)
{
	char *text = NULL, *line, *rest, error[640];
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);
	json_t *errors;

	if (!out)
		return reply_error("failed", "out of memory");
	int count = config_load_again(path, config, origins, out);
	if (fclose(out) != 0 && count == 0) {
		config_origins_free(origins);
		count = 1;
	}
	if (count == 0) {
		free(text);
		return NULL;
	}
	errors = json_array();
	rest = text;
	while ((line = strsep(&rest, "\n")) != NULL)
		if (line[0])
			json_array_append_new(errors, reply_text(line));
	free(text);
	snprintf(error, sizeof(error), "%s: errors %d", path, count);
	return report_refusal("invalid", errors, error);
}
