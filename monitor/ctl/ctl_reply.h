/* batond's answers in the hands of a command: asking for one, reading it, printing it. */
#ifndef BATON_CTL_REPLY_H
#define BATON_CTL_REPLY_H

#include "ctl.h"

/* ---- reading: of what is not there, or of another type, the empty text and 0 ---- */

static inline const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static inline long long number_of(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

static inline double real_of(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

/* ---- asking ---- */

/* {"group": the command's argument}, or {} if it was left out. New reference. */
json_t *ctl_group_args(const struct ctl_options *o);

/* As ctl_ask, but a reply that is not ok is one of the failures: told on `err`, and the exit code that it stands for.
 * *reply: NULL unless CTL_OK is returned. */
int ctl_ask_ok(const struct ctl_options *o, const char *command, json_t *args, uint64_t timeout_ms, json_t **reply,
	       FILE *err);

/* Prints what was answered: as JSON if asked for, else by `print`. */
void ctl_print_reply(const struct ctl_options *o, const json_t *reply, void (*print)(FILE *, const json_t *),
		     FILE *out);

/* Asks, waits for the answer, prints it. Takes the reference to args. Returns the exit code. */
int ctl_order(const struct ctl_options *o, const char *command, json_t *args, uint64_t timeout_ms,
	      void (*print)(FILE *, const json_t *), FILE *out, FILE *err);

/* ---- printing ---- */

/* Each element of the array reply[key] by `print`; nothing if there is no such array. */
void ctl_print_each(FILE *out, const json_t *reply, const char *key, void (*print)(FILE *, const json_t *));

/* A text that users, plugins or players have chosen: it must not drive a terminal. */
void ctl_put(FILE *out, const char *text);

#endif
