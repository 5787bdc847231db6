/* Restarts on the supervisor's rig: begun, waited for, and what the reply says. Include once per program. */
#ifndef TEST_RESTART_RIG_H
#define TEST_RESTART_RIG_H

#include "supervisor_rig.h"

static inline void rig_done(struct primary *primary, uint64_t token, json_t *reply)
{
	(void)primary;
	(void)token;
	rig.reply = reply;
}

/* Starts one. Returns what restart_begin() does. */
static inline int rig_begin(const char *target, const char *version)
{
	char why[600] = "";
	json_decref(rig.reply);
	rig.reply = NULL;
	return restart_begin(rig.primary->supervisor, target, version, rig_done, 7, why, sizeof(why));
}

static inline bool rig_ok(void) { return json_is_true(json_object_get(rig.reply, "ok")); }
static inline const char *rig_error(void)
{
	const char *text = json_string_value(json_object_get(rig.reply, "error"));
	return text ? text : "";
}
static inline json_t *rig_row(size_t i) { return json_array_get(json_object_get(rig.reply, "workers"), i); }

static inline const char *text(json_t *row, const char *key)
{
	const char *value = json_string_value(json_object_get(row, key));
	return value ? value : "";
}

static inline long long number(json_t *row, const char *key)
{
	return (long long)json_integer_value(json_object_get(row, key));
}

static inline void restart(const char *target, const char *version)
{
	assert_int_equal(rig_begin(target, version), 0);
	wait_until(rig.reply != NULL);
}

#endif
