/* A death as JSON: addresses become functions, the entry becomes fields. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "crash_places.h"
#include "primary.h"
#include "reply.h"
#include "wire.h"

/* ---- in a few words ---- */

const char *crash_fault_text(const struct crash_note *note, char *text, size_t bytes)
{
	const char *code = crash_code_name(note->signal, note->code);
	int len = snprintf(text, bytes, "%s", code);

	if (note->signal == SIGSYS && note->sender == 0)
		snprintf(text + len, bytes - (size_t)len, "%ssystem call %llu", len ? ", " : "",
			 (unsigned long long)note->address);
	else if (note->sender != 0 && note->code == SI_USER)
		snprintf(text + len, bytes - (size_t)len, " from pid %lld", (long long)note->sender);
	else if (note->signal == SIGSEGV || note->signal == SIGBUS)
		snprintf(text + len, bytes - (size_t)len, "%sat 0x%llx", len ? " " : "", (unsigned long long)note->address);
	return text;
}

/* Where, from the plugin's author's point of view: its own function, even if it was libc's that found the fault. */
static void where_text(const struct crash *crash, const struct crash_places *places, char *text, size_t bytes)
{
	char here[160], caller[160] = "";
	uint32_t own = 0;

	while (own < places->count && places->module[own] != CRASH_PLUGIN)
		own++;
	crash_place_text(crash, places, 0, here, sizeof(here));
	if (own > 0 && own < places->count)
		crash_place_text(crash, places, own, caller, sizeof(caller));
	else if (places->module[0] == CRASH_NO_MODULE && places->count > 1)
		crash_place_text(crash, places, 1, caller, sizeof(caller));
	if (places->module[0] == CRASH_NO_MODULE)
		snprintf(text, bytes, "after a jump to %s%s%s", here, caller[0] ? " from " : "", caller);
	else
		snprintf(text, bytes, "in %s%s%s", here, caller[0] ? ", called from " : "", caller);
}

static const char *const doing_words[CRASH_DOING_COUNT] = {
	[CRASH_STARTING] = "before its plugin was loaded", [CRASH_LOADING] = "while its plugin was loaded",
	[CRASH_INIT] = "in its init", [CRASH_RUNNING] = "",
};

/* "SIGSEGV at 0x8 in wild_packet+0x41": the line of `crash list`. */
static void what_text(const struct crash *crash, const struct crash_places *places, char *what, size_t bytes)
{
	const struct crash_note *note = &crash->note;
	char name[16], where[400] = "", at[40] = "";
	const char *doing = crash->noted ? doing_words[note->doing] : "";

	switch (crash->cause) {
	case CRASH_STALL:
	case CRASH_FENCE: snprintf(what, bytes, "%s", crash->words); return;
	case CRASH_LEAVE:
		snprintf(what, bytes, "killed by batond: it did not %s",
			 crash->stopping ? "leave when told to" : "take or give its buckets in time");
		return;
	case CRASH_EXIT: snprintf(what, bytes, "it left by itself: %s", crash->words); return;
	case CRASH_KILLED:
		snprintf(what, bytes, "SIGKILL from outside%s",
			 crash->short_of_memory ? ", probably by the kernel: it killed for want of memory" : "");
		return;
	default: break;
	}
	if (crash->cause == CRASH_START && !crash->noted) {
		snprintf(what, bytes, "could not start: %s", crash->words);
		return;
	}
	crash_signal_name(crash->noted ? note->signal : crash->end.code, name, sizeof(name));
	if (crash->noted)
		where_text(crash, places, where, sizeof(where));
	if (crash->noted && note->sender == 0 && (note->signal == SIGSEGV || note->signal == SIGBUS))
		snprintf(at, sizeof(at), " at 0x%llx", (unsigned long long)note->address);
	else if (crash->noted && note->sender != 0 && note->sender != crash->pid)
		snprintf(at, sizeof(at), " from outside");
	snprintf(what, bytes, "%s%s%s%s%s%s", name, at, where[0] ? " " : "", where, doing[0] ? ", " : "", doing);
}

/* ---- parts of the record ---- */

static void set_address(json_t *o, const char *key, uint64_t address)
{
	char text[32];

	snprintf(text, sizeof(text), "0x%llx", (unsigned long long)address);
	reply_set_text(o, key, text);
}

static void set_fault(json_t *o, const struct crash *crash, const struct crash_places *places)
{
	const struct crash_note *note = &crash->note;
	json_t *frames = json_array();

	reply_set_text(o, "code", crash_code_name(note->signal, note->code));
	reply_set_text(o, "code_words", crash_code_words(note->signal, note->code));
	if (note->sender != 0)
		json_object_set_new(o, "sender_pid", json_integer(note->sender));
	else if (note->signal == SIGSYS)
		reply_set_count(o, "system_call", note->address);
	else
		set_address(o, "address", note->address);
	reply_set_text(o, "doing", doing_words[note->doing]);
	json_object_set_new(o, "at", crash_place_json(crash, places, 0));
	for (uint32_t i = 1; i < places->count; i++)
		json_array_append_new(frames, crash_place_json(crash, places, i));
	json_object_set_new(o, "called_from", frames);
}

/* What an operator types to see source lines: of the plugin's places alone. */
static void set_commands(json_t *o, const struct crash *crash, const struct crash_places *places)
{
	char text[BATON_PATH_BYTES + 24 * (CRASH_FRAMES + 2)];
	json_t *commands = json_array();
	uint64_t first = UINT64_MAX;
	int len = snprintf(text, sizeof(text), "addr2line -Cfipe %s", crash->path);

	for (uint32_t i = 0; i < places->count; i++) {
		if (places->module[i] != CRASH_PLUGIN)
			continue;
		if (first == UINT64_MAX)
			first = places->in[i].address;
		len += snprintf(text + len, sizeof(text) - (size_t)len, " 0x%llx",
				(unsigned long long)places->in[i].address);
	}
	if (first != UINT64_MAX) {
		json_array_append_new(commands, reply_text(text));
		snprintf(text, sizeof(text), "gdb -batch -ex 'info line *0x%llx' -ex 'disassemble /s 0x%llx' %s",
			 (unsigned long long)first, (unsigned long long)first, crash->path);
		json_array_append_new(commands, reply_text(text));
	}
	json_object_set_new(o, "commands", commands);
}

static const char *kind_name(uint32_t kind)
{
	static const char *const name[] = {
		[BELT_PACKET] = "packet", [BELT_GRANT] = "grant", [BELT_REVOKE] = "revoke", [BELT_TICK] = "tick",
		[BELT_PRIME] = "prime", [BELT_STOP] = "stop", [BELT_MESSAGE] = "message",
		[BELT_CONVERT] = "convert",
	};

	return kind < sizeof(name) / sizeof(name[0]) && name[kind] ? name[kind] : "unknown";
}

/* The header of the seed protocol, if the plugin speaks it. Whatever stands in it. */
static json_t *game_json(const uint8_t *payload, uint32_t len)
{
	struct GamePacketHeader header;
	const char *type = NULL;
	json_t *o;

	if (len < sizeof(header))
		return NULL;
	memcpy(&header, payload, sizeof(header));
	switch (header.packet_type) {
#define X(number, body, words) case number: type = #number; break;
	GAME_PACKETS(X)
#undef X
	default: break;
	}
	o = json_object();
	if (type)
		reply_set_text(o, "type", type);
	reply_set_count(o, "packet_type", header.packet_type);
	reply_set_count(o, "packet_size", header.packet_size);
	reply_set_count(o, "player", header.player_id);
	reply_set_count(o, "sequence", header.sequence);
	return o;
}

static json_t *entry_json(const struct primary *primary, const struct crash *crash)
{
	const struct death_entry *entry = &crash->death.entry;
	const struct timespec received = {.tv_sec = (time_t)(entry->time_ns / 1000000000u),
					  .tv_nsec = (long)(entry->time_ns % 1000000000u)};
	char hex[2 * DEATH_PAYLOAD + 1] = "";
	json_t *o = json_object(), *game = NULL;

	/* the worker's word, or only that it was among the first of the belt */
	json_object_set_new(o, "exact", json_boolean(crash->death.exact));
	reply_set_count(o, "lcore", entry->lcore);
	reply_set_count(o, "position", entry->position);
	reply_set_text(o, "kind", kind_name(entry->kind));
	if (entry->service < primary->config.services)
		reply_set_text(o, "service", primary->config.service[entry->service].name);
	reply_set_count(o, "length", entry->len);
	if (entry->kind != BELT_PACKET && entry->kind != BELT_MESSAGE)
		return o;
	reply_set_count(o, "bucket", entry->bucket);
	reply_set_count(o, "attempts", entry->attempts);
	crash_set_time(o, "received", &received);
	for (uint32_t i = 0; i < entry->kept; i++)
		snprintf(hex + 2 * i, 3, "%02x", entry->payload[i]);
	reply_set_text(o, "payload", hex);
	if (entry->kind == BELT_PACKET && strcmp(crash->plugin_name, "game") == 0)
		game = game_json(entry->payload, entry->kept);
	if (game)
		json_object_set_new(o, "game", game);
	return o;
}

static json_t *lines_json(const struct crash_tail *tail)
{
	uint32_t kept = tail->count < CRASH_LINES ? tail->count : CRASH_LINES;
	json_t *lines = json_array();

	for (uint32_t i = tail->count - kept; i != tail->count; i++)
		json_array_append_new(lines, reply_text(tail->line[i % CRASH_LINES]));
	return lines;
}

/* ---- the record ---- */

void crash_set_time(json_t *object, const char *key, const struct timespec *time)
{
	char day[32], text[64];
	struct tm tm;

	if (!gmtime_r(&time->tv_sec, &tm) || !strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm))
		return;
	snprintf(text, sizeof(text), "%s.%06ldZ", day, time->tv_nsec / 1000);
	reply_set_text(object, key, text);
}

static void set_worker(json_t *o, const struct crash *crash)
{
	reply_set_text(o, "worker", crash->worker);
	reply_set_text(o, "group", crash->group);
	reply_set_count(o, "slot", crash->slot);
	reply_set_count(o, "incarnation", crash->incarnation);
	reply_set_count(o, "pid", crash->pid > 0 ? (uint64_t)crash->pid : 0);
	reply_set_text(o, "file", crash->path);
	reply_set_text(o, "plugin", crash->plugin_name);
	reply_set_text(o, "version", crash->ready.version);
	reply_set_text(o, "build_id", crash->ready.build_id);
	json_object_set_new(o, "uptime_s", json_real((double)crash->lived_ns / 1e9));
}

json_t *crash_json(const struct primary *primary, const struct crash *crash)
{
	static const char *const cause[] = {"fault", "signal", "killed", "stall", "fence", "exit", "start", "leave"};
	struct crash_places places = {.count = 0};
	json_t *o = json_object();
	char what[600], name[16];

	if (crash->noted)
		crash_places_resolve(crash, &places);
	what_text(crash, &places, what, sizeof(what));
	json_object_set_new(o, "schema", json_integer(REPLY_SCHEMA));
	crash_set_time(o, "time", &crash->when);
	reply_set_text(o, "instance", primary->config.name);
	set_worker(o, crash);
	reply_set_text(o, "cause", cause[crash->cause]);
	reply_set_text(o, "what", what);
	reply_set_text(o, "words", crash->words);
	if (crash->end.known && crash->end.killed) {
		reply_set_text(o, "signal", crash_signal_name(crash->end.code, name, sizeof(name)));
		reply_set_count(o, "signal_number", (uint64_t)crash->end.code);
	} else if (crash->end.known) {
		json_object_set_new(o, "exit_status", json_integer(crash->end.code));
	}
	if (crash->short_of_memory)
		reply_set_count(o, "killed_for_want_of_memory", crash->short_of_memory);
	if (crash->noted) {
		set_fault(o, crash, &places);
		set_commands(o, crash, &places);
	}
	reply_set_count(o, "unsettled", crash->death.unsettled);
	reply_set_count(o, "undone", crash->death.undone);
	if (crash->death.found)
		json_object_set_new(o, "entry", entry_json(primary, crash));
	json_object_set_new(o, "log", lines_json(&crash->tail));
	return o;
}
