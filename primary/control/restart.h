/* Hot restart and upgrade: for each worker in turn a new incarnation beside the old one, all buckets moved to it, the
 * old one retired. If the new one cannot start, traffic stays where it is. */
#ifndef BATON_PRIMARY_RESTART_H
#define BATON_PRIMARY_RESTART_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"

struct config_group;
struct primary;
struct supervisor;

/* Called once when the operation is over. Takes the reference to `reply`. */
typedef void (*restart_done_fn)(struct primary *primary, uint64_t token, json_t *reply);

enum restart_phase {
	RESTART_IDLE, RESTART_FIND, RESTART_SPAWN, RESTART_START, RESTART_MOVE, RESTART_SETTLE, RESTART_RETIRE
};

struct restart {
	enum restart_phase phase;
	char target[BATON_NAME_BYTES];
	uint32_t group;
	uint32_t member[BATON_MAX_WORKERS]; /* indices of workers, in order */
	uint32_t count, at;
	char path[BATON_PATH_BYTES];    /* empty: it is being looked for */
	char version[BATON_NAME_BYTES]; /* what the new workers must say; empty: anything */
	const struct config_group *config; /* what the new ones run with; NULL: what is in force. w: reload.c, at once */
	bool accept_one_way; /* also a version that cannot convert its records back. w: verbs.c, at once */
	uint64_t deadline_ns; /* of the phase */
	uint32_t old, fresh;  /* slots; SLOT_NONE: there is none */
	uint32_t old_incarnation, fresh_incarnation;
	json_t *done_workers; /* reports of those that are through */
	json_t *report;       /* of the one at work */
	restart_done_fn done;
	uint64_t token;
};

/* Starts it. target: a worker's name or a group's. version: an absolute path, else a name of the group's `versions`,
 * else what the descriptor of the file says (version_find.h: where it is looked for); NULL: the group's current file,
 * read again. Returns 0 (done() follows, also if the version is not found), -ENOENT (no such worker or group), -EBUSY
 * or -EINVAL, with one line in `why`. */
int restart_begin(struct supervisor *sup, const char *target, const char *version, restart_done_fn done, uint64_t token,
		  char *why, size_t bytes);
void restart_poll(struct supervisor *sup);
/* The primary stops: ends an operation under way as failed. */
void restart_abandon(struct supervisor *sup);

#endif
