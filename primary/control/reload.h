/* Reading the configuration again while batond runs: all of what changed takes effect, or nothing does. What the main
 * lcore alone reads is set at once, what workers were started with by a hot restart of their group, their number by
 * starting or stopping some; what the I/O lcores or the memory were laid out for needs a new primary, and refuses the
 * whole reload. Main lcore only. */
#ifndef BATON_PRIMARY_RELOAD_H
#define BATON_PRIMARY_RELOAD_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "config.h"

struct primary;

enum reload_phase { RELOADING_NONE, RELOADING_FORWARD, RELOADING_BACK };

struct reload {
	enum reload_phase phase;
	struct config next, before;    /* what the file says; what was in force */
	struct config_origins origins; /* of next */
	uint32_t groups;               /* bit per group whose workers are still to be restarted */
	uint32_t scale;                /* bit per group whose number of workers is still to change */
	uint32_t scaled;               /* those that have been looked at */
	uint8_t count[BATON_MAX_GROUPS]; /* workers of each group before */
	bool restarting;               /* a restart of ours is under way, or a start or stop */
	bool noted;                    /* what stands in worker_path: the table of workers must not change now */
	bool awaited;
	uint64_t token; /* of who waits for the end */
	json_t *changes, *workers;
	char failure[800]; /* why it goes back; empty: it does not */
	/* Plugin files as they were, for the way back. */
	char worker_path[BATON_MAX_WORKERS][BATON_PATH_BYTES];
	char group_path[BATON_MAX_GROUPS][BATON_PATH_BYTES];
};

/* Reads the file and does all that can be done at once. Returns the reply, or NULL if it comes by command_reply(): only
 * with `wait`, when workers have to be restarted first. The result is logged in any case. */
json_t *reload_begin(struct primary *primary, bool wait, uint64_t token);
/* From the first restart of a worker to the end. */
bool reload_busy(const struct primary *primary);
/* It knows workers by index by now. */
bool reload_knows_workers(const struct primary *primary);

/* reload_hangup.c */
void reload_hang_up(struct primary *primary);

/* reload_scale.c */
void reload_note_counts(struct primary *primary); /* at the beginning */
/* The refusal if a group whose workers the file would restart, or start and stop, is in the middle of a rollout. */
json_t *reload_in_rollout(struct primary *primary);
/* Orders one worker more or less of a group that has not as many as it is to have: forward what the file says, back
 * what it had. Returns false if there is nothing left to order, or, with a word in failure, if it cannot be. */
bool reload_scale(struct primary *primary, bool forward);

#endif
