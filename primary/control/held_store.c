/* The file of held buckets. */
#include "held_store.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "reply.h"
#include "schema_check.h"
#include "supervisor.h"
#include "whole_file.h"

#define STORE_SCHEMA 1

int held_store_init(struct primary *primary)
{
	primary->held = calloc(1, sizeof(*primary->held));
	if (primary->held == NULL)
		return -ENOMEM;
	snprintf(primary->held->path, sizeof(primary->held->path), BATON_HELD_PATH_FMT, primary->config.name);
	return 0;
}

void held_store_fini(struct primary *primary)
{
	free(primary->held);
	primary->held = NULL;
}

/* The state file's own: drawn when it was made. */
static void state_id(const struct primary *primary, char *id, size_t bytes)
{
	snprintf(id, bytes, "%016llx", (unsigned long long)primary->state.header->salt);
}

bool held_readable(const struct primary *primary, uint32_t group, uint32_t bucket)
{
	const struct plugin_info *info = &primary->plugin[group];
	struct bucket_word word = bucket_word_load(&state_words(&primary->state, group)[bucket]);
	uint32_t schema = state_schema(&primary->state, group, bucket);

	return schema_takes(info, schema) && (word.to == 0 || info->schema == (word.to > schema ? word.to : schema));
}

bool held_was(const struct primary *primary, uint32_t group, uint32_t bucket)
{
	const struct held *held = primary->held;

	for (uint32_t i = 0; held != NULL && i < held->count; i++)
		if (held->bucket[i].group == group && held->bucket[i].bucket == bucket)
			return true;
	return false;
}

/* ---- reading ---- */

static uint32_t number_of(const json_t *o, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(o, key));

	return n > 0 && n <= UINT32_MAX ? (uint32_t)n : 0;
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text != NULL ? text : "";
}

/* False: the configuration has no such group or service, or not so many buckets. */
static bool place_of(const struct primary *primary, const json_t *o, struct held_bucket *h)
{
	const struct config *config = &primary->config;

	h->bucket = number_of(o, "bucket");
	for (h->service = 0; h->service < config->services; h->service++)
		if (strcmp(config->service[h->service].name, text_of(o, "service")) == 0)
			break;
	if (h->service == config->services || h->bucket >= config->service[h->service].buckets)
		return false;
	h->group = config->service[h->service].group_index;
	return strcmp(config->group[h->group].name, text_of(o, "group")) == 0 &&
	       h->bucket < primary->state.header->group[h->group].buckets;
}

static void take(struct primary *primary, const json_t *o)
{
	struct held *held = primary->held;
	struct held_bucket h = {.slot = SLOT_NONE};

	if (!place_of(primary, o, &h) || held->count == HELD_MOST || held_was(primary, h.group, h.bucket))
		return;
	if (primary->state.header->group[h.group].record_size == 0)
		return;
	h.deaths = number_of(o, "deaths");
	h.schema = number_of(o, "schema");
	h.to = number_of(o, "to_schema");
	snprintf(h.version, sizeof(h.version), "%s", text_of(o, "version"));
	snprintf(h.path, sizeof(h.path), "%s", text_of(o, "path"));
	if (held_readable(primary, h.group, h.bucket)) {
		log_info("group %s: bucket %u was held: version %s reads it", primary->config.group[h.group].name, h.bucket,
			 primary->plugin[h.group].version);
		return;
	}
	if (h.schema != state_schema(&primary->state, h.group, h.bucket)) {
		log_info("group %s: bucket %u was held for other records than it has now", primary->config.group[h.group].name,
			 h.bucket);
		return;
	}
	held->bucket[held->count++] = h;
}

void held_load(struct primary *primary)
{
	struct held *held = primary->held;
	char id[24];
	json_error_t error;
	json_t *o, *row;
	size_t i;

	if (held == NULL || BATON_SABOTAGE(held_bucket_forgotten) || (access(held->path, F_OK) != 0 && errno == ENOENT))
		return;
	o = json_load_file(held->path, JSON_REJECT_DUPLICATES, &error);
	state_id(primary, id, sizeof(id));
	if (!json_is_object(o) || number_of(o, "schema") != STORE_SCHEMA)
		log_error("held buckets: %s cannot be read (%s): none is known to be held", held->path,
			  o != NULL ? "not of this version" : error.text);
	else if (strcmp(text_of(o, "state"), id) != 0 && !BATON_SABOTAGE(held_bucket_of_another_file))
		log_info("held buckets: %s is of another state file: none is held in this one", held->path);
	else
		json_array_foreach(json_object_get(o, "buckets"), i, row)
			take(primary, row);
	json_decref(o);
}

/* ---- writing ---- */

static json_t *to_json(const struct supervisor *sup)
{
	const struct config *config = &sup->primary->config;
	json_t *o = json_object(), *list = json_array();
	char id[24];

	state_id(sup->primary, id, sizeof(id));
	json_object_set_new(o, "schema", json_integer(STORE_SCHEMA));
	reply_set_text(o, "state", id);
	for (uint32_t i = 0; i < sup->held.count; i++) {
		const struct held_bucket *h = &sup->held.bucket[i];
		json_t *row = json_object();

		reply_set_text(row, "group", config->group[h->group].name);
		reply_set_text(row, "service", config->service[h->service].name);
		reply_set_count(row, "bucket", h->bucket);
		reply_set_count(row, "schema", h->schema);
		reply_set_count(row, "to_schema", h->to);
		reply_set_count(row, "deaths", h->deaths);
		reply_set_text(row, "version", h->version);
		reply_set_text(row, "path", h->path);
		json_array_append_new(list, row);
	}
	json_object_set_new(o, "buckets", list);
	return o;
}

void held_save(struct supervisor *sup)
{
	struct held *held = &sup->held;

	if (held->path[0] == '\0')
		return;
	json_t *o = to_json(sup);
	char *text = json_dumps(o, JSON_INDENT(1) | JSON_ENSURE_ASCII);
	/* Not waited for on the disk: after a crash of the machine the start says which bucket it is, and what to do. */
	int rc = text != NULL ? whole_file_write(held->path, text, false) : -ENOMEM;

	free(text);
	json_decref(o);
	if (rc != 0 && !held->complained)
		log_warn("held buckets: %s: %s: a restart of batond would not know which buckets are held until that is mended",
			 held->path, strerror(-rc));
	held->complained = rc != 0;
}
