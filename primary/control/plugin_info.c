/* Descriptions of plugins: parsed, and compared with what a started one says. */
#include "plugin_info.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "baton.h"
#include "refuse.h"

/* ---- parsing ---- */

static int get_text(const json_t *object, const char *key, char *out, size_t size, char *why, size_t bytes)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_string(value))
		return refuse(EPROTO, why, bytes, "plugin description without text \"%s\"", key);
	if (json_string_length(value) >= size)
		return refuse(EPROTO, why, bytes, "plugin's \"%s\" is longer than %zu characters", key, size - 1);
	snprintf(out, size, "%s", json_string_value(value));
	return 0;
}

static int get_number(const json_t *object, const char *key, uint32_t most, uint32_t *out, char *why, size_t bytes)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) > (json_int_t)most)
		return refuse(EPROTO, why, bytes, "plugin description without a number \"%s\" of at most %u", key,
			      most);
	*out = (uint32_t)json_integer_value(value);
	return 0;
}

static int get_key(const json_t *object, uint32_t *key, char *why, size_t bytes)
{
	const char *text = json_string_value(json_object_get(object, "key"));

	if (text && !strcmp(text, "flow"))
		*key = BATON_KEY_FLOW;
	else if (text && !strcmp(text, "payload"))
		*key = BATON_KEY_PAYLOAD;
	else
		return refuse(EPROTO, why, bytes, "plugin's key is neither flow nor payload");
	return 0;
}

/* "older" may be absent: the file knows no other schema. */
static int get_older(const json_t *object, struct plugin_info *info, char *why, size_t bytes)
{
	const json_t *list = json_object_get(object, "older");

	if (list != NULL && (!json_is_array(list) || json_array_size(list) > BATON_OLDER_MOST))
		return refuse(EPROTO, why, bytes, "plugin's \"older\" is no list of at most %u schemas", BATON_OLDER_MOST);
	info->olders = (uint32_t)json_array_size(list);
	for (uint32_t i = 0; i < info->olders; i++) {
		const json_t *entry = json_array_get(list, i);
		struct baton_older *older = &info->older[i];
		int rc = get_number(entry, "schema", BATON_SCHEMA_MOST, &older->schema, why, bytes);

		if (rc == 0)
			rc = get_number(entry, "record_size", UINT32_MAX, &older->record_size, why, bytes);
		if (rc != 0)
			return rc;
		older->down = json_is_true(json_object_get(entry, "down"));
	}
	return 0;
}

int plugin_info_parse(const char *text, size_t len, struct plugin_info *info, char *why, size_t bytes)
{
	struct plugin_info found = { 0 };
	uint32_t abi = 0, offset = 0, length = 0;
	json_error_t error;
	json_t *object = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	int rc;

	if (!json_is_object(object)) {
		json_decref(object);
		return refuse(EPROTO, why, bytes, "baton-zygote --describe did not print a JSON object");
	}
	if ((rc = get_number(object, "abi", UINT32_MAX, &abi, why, bytes)) ||
	    (rc = get_text(object, "name", found.name, sizeof(found.name), why, bytes)) ||
	    (rc = get_text(object, "version", found.version, sizeof(found.version), why, bytes)) ||
	    (rc = get_text(object, "build_id", found.build_id, sizeof(found.build_id), why, bytes)) ||
	    (rc = get_key(object, &found.key, why, bytes)) ||
	    (rc = get_number(object, "key_offset", UINT16_MAX, &offset, why, bytes)) ||
	    (rc = get_number(object, "key_length", 8, &length, why, bytes)) ||
	    (rc = get_number(object, "record_size", UINT32_MAX, &found.record_size, why, bytes)) ||
	    (rc = get_number(object, "schema", UINT32_MAX, &found.schema, why, bytes)) ||
	    (rc = get_number(object, "max_undo_bytes", UINT32_MAX, &found.max_undo, why, bytes)) ||
	    (rc = get_older(object, &found, why, bytes)))
		goto out;
	if (abi != BATON_PLUGIN_ABI) {
		rc = refuse(EPROTO, why, bytes,
			    "built for plugin ABI %u, this is ABI %u: rebuild it with this version's baton.h", abi,
			    BATON_PLUGIN_ABI);
		goto out;
	}
	if (found.key == BATON_KEY_PAYLOAD && length == 0) {
		rc = refuse(EPROTO, why, bytes, "key is payload but key_length is 0: 1 to 8 bytes are needed");
		goto out;
	}
	found.shadow = json_is_true(json_object_get(object, "shadow")); /* absent: it does not say so */
	found.key_offset = (uint16_t)offset;
	found.key_length = (uint16_t)length;
	*info = found;
out:
	json_decref(object);
	return rc;
}

/* ---- fitting ---- */

static const char *key_name(uint32_t key)
{
	return key == BATON_KEY_FLOW ? "flow" : key == BATON_KEY_PAYLOAD ? "payload" : "unknown";
}

int plugin_info_fits(const struct plugin_info *info, const struct worker_ready *ready, char *why, size_t bytes)
{
	if (ready->abi != BATON_PLUGIN_ABI)
		return refuse(EINVAL, why, bytes,
			      "plugin ABI %u, this is ABI %u: rebuild the plugin with this version's baton.h",
			      ready->abi, BATON_PLUGIN_ABI);
	if (ready->key != info->key)
		return refuse(EINVAL, why, bytes, "steers by %s, the service by %s: restart batond to change the key",
			      key_name(ready->key), key_name(info->key));
	if (ready->key == BATON_KEY_PAYLOAD &&
	    (ready->key_offset != info->key_offset || ready->key_length != info->key_length))
		return refuse(EINVAL, why, bytes,
			      "its key is %u bytes at %u, the service's %u at %u: restart batond to change the key",
			      ready->key_length, ready->key_offset, info->key_length, info->key_offset);
	return 0;
}
