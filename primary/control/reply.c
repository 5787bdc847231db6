/* JSON values that are always valid, whatever went in. */
#include "reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXACT_MAX (1ull << 53)

json_t *reply_text(const char *text)
{
	json_t *value = json_string(text);

	if (value)
		return value;
	char *copy = strdup(text);
	if (!copy)
		return NULL;
	for (char *c = copy; *c; c++)
		if ((unsigned char)*c < ' ' || (unsigned char)*c >= 127)
			*c = '?';
	value = json_string(copy);
	free(copy);
	return value;
}

json_t *reply_count(uint64_t value)
{
	char text[24];

	if (value < EXACT_MAX)
		return json_integer((json_int_t)value);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return json_string(text);
}

void reply_set_text(json_t *object, const char *key, const char *text)
{
	json_object_set_new(object, key, reply_text(text));
}

void reply_set_count(json_t *object, const char *key, uint64_t value)
{
	json_object_set_new(object, key, reply_count(value));
}

json_t *reply_ok(void)
{
	json_t *reply = json_object();

	reply_set_count(reply, "schema", REPLY_SCHEMA);
	json_object_set_new(reply, "ok", json_true());
	return reply;
}

json_t *reply_error(const char *code, const char *error)
{
	json_t *reply = json_object();

	reply_set_count(reply, "schema", REPLY_SCHEMA);
	json_object_set_new(reply, "ok", json_false());
	reply_set_text(reply, "code", code);
	reply_set_text(reply, "error", error);
	return reply;
}
