/* Verbs about crash records. Viewers may look, but for what players sent and what plugins say of them: that is an
 * operator's. */
#include <stdio.h>
#include <string.h>

#include "crash_record.h"
#include "reply.h"
#include "verbs.h"

json_t *verb_crash_list(const struct command_call *call)
{
	static const char *const shown[] = {"id", "time", "worker", "pid", "version", "build_id", "cause", "what"};
	const json_t *last = json_object_get(call->args, "last");
	json_int_t most = last ? json_integer_value(last) : 20;
	json_t *reply, *rows = json_array();
	uint32_t id[CRASH_FILES], count, unreadable = 0;
	char dir[BATON_PATH_BYTES];

	if (most < 1 || most > 1000) {
		json_decref(rows);
		return reply_error("usage", "args.last is a number from 1 to 1000");
	}
	count = crash_store_ids(call->primary, id, most < CRASH_FILES ? (uint32_t)most : CRASH_FILES);
	for (uint32_t i = 0; i < count; i++) {
		json_t *record = crash_store_read(call->primary, id[i]), *row = json_object();

		if (!record)
			unreadable++;
		for (size_t k = 0; record && k < sizeof(shown) / sizeof(shown[0]); k++)
			json_object_set(row, shown[k], json_object_get(record, shown[k]));
		if (record)
			json_array_append(rows, row);
		json_decref(row);
		json_decref(record);
	}
	reply = reply_ok();
	crash_store_dir(call->primary, dir);
	reply_set_text(reply, "directory", dir);
	json_object_set_new(reply, "crashes", rows);
	reply_set_count(reply, "unreadable", unreadable);
	reply_set_count(reply, "written", call->primary->crash ? call->primary->crash->written : 0);
	reply_set_count(reply, "lost", call->primary->crash ? call->primary->crash->lost : 0);
	return reply;
}

/* What is not for viewers is taken out, and named. */
static void withhold(json_t *reply, json_t *record)
{
	json_t *entry = json_object_get(record, "entry");

	if (BATON_SABOTAGE(payload_shown_to_viewers))
		return;
	json_object_del(record, "log");
	json_object_del(entry, "payload");
	json_object_del(entry, "game");
	json_object_set_new(reply, "withheld", json_pack("[s, s, s]", "log", "entry.payload", "entry.game"));
}

json_t *verb_crash_show(const struct command_call *call)
{
	const json_t *wanted = json_object_get(call->args, "id");
	json_int_t number = json_integer_value(wanted);
	json_t *reply, *record;
	uint32_t id = 0;
	char text[96];

	if (json_is_string(wanted) && strcmp(json_string_value(wanted), "last") == 0) {
		if (crash_store_ids(call->primary, &id, 1) == 0)
			return reply_error("not_found", "there is no crash record");
	} else if (json_is_integer(wanted) && number >= 1 && number <= 99999999) {
		id = (uint32_t)number;
	} else {
		return reply_error("usage", "args.id is the number of a crash record, or \"last\"");
	}
	record = crash_store_read(call->primary, id);
	if (!record) {
		snprintf(text, sizeof(text), "no crash record %u: `batonctl crash list` has those there are", id);
		return reply_error("not_found", text);
	}
	reply = reply_ok();
	if (call->role != ROLE_OPERATOR)
		withhold(reply, record);
	json_object_set_new(reply, "crash", record);
	return reply;
}
