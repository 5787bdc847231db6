/* Buckets whose records ended whoever was to convert them: set apart, so that the others of their batch go on.
 *
 * Such a bucket stays an orphan of the dead slot that had it, which is kept for it and called GROUP.held; its packets wait
 * there, and expire. It is tried again by a process started for it alone, HELD_TRIES times in all; then it takes a worker
 * whose version reads the records as they are, an operator's restart of the group, or a restore. A start of the primary
 * holds it again (held_store.h). Main lcore only. */
#ifndef BATON_PRIMARY_HELD_H
#define BATON_PRIMARY_HELD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"

#define HELD_MOST  64u /* in all: more than that is no matter of a record */
#define HELD_TRIES 3u

struct supervisor;

struct held_bucket {
	uint32_t group, service, bucket;
	uint32_t slot, incarnation; /* the dead one's; SLOT_NONE: held since before the start, and has none yet */
	uint32_t deaths;            /* of processes that converted it, since the bucket is held or an operator restarted */
	uint32_t to;                /* schema it was to have, and: */
	uint32_t schema;            /* has */
	int left_by;                /* move that it was taken out of last */
	uint64_t again_ns;          /* not tried before */
	char version[BATON_NAME_BYTES]; /* whose conversion it was */
	char path[BATON_PATH_BYTES];    /* that version's file */
};

/* Of a service, at the start: see held_place.c. */
struct held_place {
	uint32_t phase, slot;
	int id; /* of the move */
	bool complained;
};

struct held {
	uint32_t count;
	struct held_bucket bucket[HELD_MOST];
	struct held_place place[BATON_MAX_SERVICES];
	char path[BATON_PATH_BYTES]; /* of the file; empty: it is not kept */
	bool complained;
};

/* A process has died of this bucket of the worker's open transfer, whose old owner is dead. False: there is no room. */
bool held_note(struct supervisor *sup, uint32_t worker, uint32_t bucket);
/* Which of the transfer's buckets it had better leave where they are: map, of SHARE_WORDS. False: none. */
bool held_of_transfer(struct supervisor *sup, uint32_t worker, uint64_t *map);
/* All that the transfer was to move has been taken out of it. */
bool held_all_left(const struct supervisor *sup, uint32_t worker);
/* The slot is a dead one's, and is there for held buckets alone: no operation waits for it. */
bool held_slot(const struct supervisor *sup, uint32_t slot);
/* The entry of a bucket; NULL: it is not held. */
const struct held_bucket *held_find(const struct supervisor *sup, uint32_t service, uint32_t bucket);
/* An operator restarts: everything is tried again. */
void held_again(struct supervisor *sup, uint32_t group);
/* `worker` leaves the table: what is held in its name gets another one's. */
void held_rehome(struct supervisor *sup, uint32_t worker);
/* Every turn: forgets those that have an owner again, and tries others once more. */
void held_poll(struct supervisor *sup);

/* Of `buckets.show`: a list of those of the service. */
json_t *held_show(const struct supervisor *sup, uint32_t service);
/* Of `status`: one line that says what is to be done; false: none of the group's is held. */
bool held_words(const struct supervisor *sup, uint32_t group, char *words, size_t bytes);

#endif
