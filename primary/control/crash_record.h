/* Crash records: what is known of each worker's death, as one JSON file a death, for `batonctl crash`.
 *
 * A record comes about in three steps, so that nobody waits for it: at the death what is gone afterwards is kept (the
 * note, the plugin's image, the last lines), once the slot is rolled back its entry is added, and when the worker
 * serves again addresses are resolved and the file is written. Main lcore only; docs/operations.md has the fields. */
#ifndef BATON_PRIMARY_CRASH_RECORD_H
#define BATON_PRIMARY_CRASH_RECORD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "crash_note.h"
#include "process.h"
#include "supervisor.h"

#define CRASH_FILES      100u /* kept; the oldest goes */
#define CRASH_LINES      20u  /* of a worker's log, kept for its death */
#define CRASH_LINE_BYTES 200u
#define CRASH_OPEN_MOST  64u  /* records not written yet */
#define CRASH_PATIENCE_NS 1000000000ull /* after the recovery it is written even if the worker does not serve */

/* The last lines of a slot's worker, in a ring. */
struct crash_tail {
	uint32_t count; /* ever */
	char line[CRASH_LINES][CRASH_LINE_BYTES];
};

enum crash_cause {
	CRASH_FAULT, CRASH_SIGNAL, CRASH_KILLED, CRASH_STALL, CRASH_FENCE, CRASH_EXIT, CRASH_START, CRASH_LEAVE
};

/* A death on its way to its file. */
struct crash {
	struct crash *next;
	uint32_t slot;
	bool recovered;
	bool stopping; /* it had been told to leave */
	uint64_t due_ns;
	struct timespec when; /* CLOCK_REALTIME */
	uint64_t lived_ns;
	enum crash_cause cause;
	struct process_end end;
	char worker[BATON_NAME_BYTES], group[BATON_NAME_BYTES], path[BATON_PATH_BYTES], words[256];
	uint32_t incarnation;
	pid_t pid;
	struct worker_ready ready; /* abi 0: it never got so far */
	char plugin_name[BATON_NAME_BYTES];
	int image;      /* sealed copy of what it ran, -1: none */
	uint32_t short_of_memory; /* processes that the kernel killed for want of memory since the last look */
	bool noted;
	struct crash_note note;
	struct slot_death death;
	struct crash_tail tail;
};

struct crash_records {
	struct crash *open; /* oldest first */
	struct crash_tail tail[BATON_MAX_WORKERS]; /* by slot */
	uint64_t oom_kills; /* of the machine, at the last look */
	char failed_worker[BATON_NAME_BYTES], failed_words[256]; /* the last failed start that was recorded */
	/* crash_store.c */
	char dir[BATON_PATH_BYTES];
	uint32_t last_id; /* 0: the directory has not been looked at */
	bool complained;
	uint64_t written, lost, removed;
};

/* Every turn. */
void crash_records_poll(struct supervisor *sup);

/* Without records (no crash_records_init()) these do nothing. */
void crash_record_born(struct supervisor *sup, uint32_t slot);
void crash_record_line(struct supervisor *sup, uint32_t slot, const char *text);
/* Its process is gone, and nothing has been told to the I/O lcores or changed in the slot but `words`. refused: it, or
 * we, said that it cannot start. More for the log goes to `detail`: "SEGV_MAPERR at 0x8", or nothing. */
void crash_record_death(struct supervisor *sup, uint32_t slot, const struct process_end *end, bool refused,
			char *detail, size_t bytes);
/* datapath_slot_recovered(), for the first time. */
void crash_record_recovered(struct supervisor *sup, uint32_t slot);

/* crash_json.c: the whole record but its id. Resolves addresses. */
json_t *crash_json(const struct primary *primary, const struct crash *crash);
/* The fault in a few words: "SEGV_MAPERR at 0x8"; empty without a note. Returns `text`. */
const char *crash_fault_text(const struct crash_note *note, char *text, size_t bytes);
/* "2026-01-31T12:00:00.000000Z" */
void crash_set_time(json_t *object, const char *key, const struct timespec *time);

/* crash_store.c. The directory is made and looked at when it is first needed. */
void crash_store_dir(const struct primary *primary, char out[BATON_PATH_BYTES]);
/* Gives it an id, writes it, removes the oldest. Returns the id, or 0: lost, counted, said once. Takes no reference. */
uint32_t crash_store_write(struct primary *primary, json_t *record);
/* Ids, newest first, at most `most`. Returns how many. */
uint32_t crash_store_ids(const struct primary *primary, uint32_t *id, uint32_t most);
/* A new reference, or NULL: no such record, or not readable. */
json_t *crash_store_read(const struct primary *primary, uint32_t id);

#endif
