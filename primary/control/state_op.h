/* Snapshots of the state file, and chosen buckets put back from one: `batonctl state snapshot`, `batonctl state restore`.
 *
 * A snapshot is taken by a process of its own (baton-zygote --snapshot), which reads as any monitor may; nobody waits for
 * it. A restore is a move from each owner to itself, held while nobody owns the buckets; the main lcore writes them then.
 * One of the two at a time. Main lcore only. */
#ifndef BATON_PRIMARY_STATE_OP_H
#define BATON_PRIMARY_STATE_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ask.h"
#include "restart.h"
#include "share.h"
#include "snap.h"

struct supervisor;

struct state_op {
	enum { STATE_OP_NONE, STATE_OP_SNAPSHOT, STATE_OP_RESTORE } kind;
	char path[BATON_PATH_BYTES];
	struct ask ask; /* of all zeroes is a sound beginning */
	struct snap snapshot;
	uint32_t group, index, service; /* index: of the group in the snapshot */
	uint64_t left[SHARE_WORDS];     /* buckets yet to be put back */
	uint64_t map[SHARE_WORDS];      /* of the move under way */
	int move;                       /* 0: none */
	bool written;
	bool called_off; /* a snapshot: whoever writes it has been killed */
	uint32_t restored, moves;
	uint64_t gap_ns, deadline_ns;
	char failure[300];
	restart_done_fn done;
	uint64_t token;
};

/* path: absolute, and not there yet. group: NULL for all. Returns 0 (done() follows, with the counts), -EBUSY, -EINVAL or
 * -errno with one line in `why`. What a rollout calls before its first weight. */
int state_snapshot_begin(struct supervisor *sup, const char *path, const char *group, restart_done_fn done, uint64_t token,
			 char *why, size_t bytes);
/* Ends the one that is being written to `path`, a name that nobody else would give a file: whoever writes it only reads
 * the state, so it is killed wherever it is. done() follows, with an error, once its file is removed. False: there is no
 * such snapshot under way. */
bool state_snapshot_call_off(struct supervisor *sup, const char *path);
/* buckets: as buckets_parse() reads them. group: NULL if there is one only. Nothing is touched if a bucket does not fit. */
int state_restore_begin(struct supervisor *sup, const char *path, const char *buckets, const char *group,
			restart_done_fn done, uint64_t token, char *why, size_t bytes);
void state_op_poll(struct supervisor *sup);
/* The primary stops. */
void state_op_abandon(struct supervisor *sup);
/* A restore moves buckets: nothing else may begin to. */
bool state_restoring(const struct supervisor *sup, char *why, size_t bytes);

#endif
