/* Scaling under traffic: workers added, drained, taken back and stopped, buckets shared evenly or moved by hand. One
 * operation at a time, made of transfers from worker to worker. After each, what is still to be moved is reckoned anew
 * from who owns what by then: a death on the way changes the steps, not the aim. Main lcore only. */
#ifndef BATON_PRIMARY_SCALE_H
#define BATON_PRIMARY_SCALE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "datapath.h"
#include "restart.h"
#include "share.h"

struct supervisor;

enum scale_kind {
	SCALE_START, SCALE_DRAIN, SCALE_STOP, SCALE_MOVE, SCALE_DEBUG, SCALE_WEIGHT, SCALE_BALANCE
};
/* START: a process is asked for, until it is ready. SHARE: buckets move. RETIRE: the stopped one leaves. */
enum scale_phase { SCALE_IDLE, SCALE_SPAWN, SCALE_READY, SCALE_SHARE, SCALE_RETIRE };

struct scale {
	enum scale_phase phase;
	enum scale_kind kind;
	char target[BATON_NAME_BYTES]; /* as it was asked for */
	uint32_t worker;  /* who comes, leaves, or receives: index */
	bool added;       /* it did not exist before: if it cannot start, it is taken out again */
	bool was_drained; /* before it was taken back */
	uint64_t began_ns;
	uint64_t deadline_ns; /* of the phase, in SHARE of the present step */
	uint32_t receiver;    /* worker whose transfer is ours; SHARE_NOBODY: none */
	struct move_report report; /* sums, longest gap */
	uint32_t moves;
	uint64_t chosen[SHARE_WORDS]; /* SCALE_MOVE, SCALE_DEBUG, SCALE_BALANCE: the buckets that were asked for */
	uint32_t service; /* SCALE_BALANCE: whose buckets */
	bool keeps;       /* shares are uneven on purpose, and stay so: share_keep() */
	bool newcomer;    /* then: the worker is to get a share */
	uint32_t had[BATON_MAX_WORKERS]; /* then: buckets of each worker at the beginning */
	uint64_t map[SHARE_WORDS];    /* those of the transfer under way */
	restart_done_fn done;
	uint64_t token;
};

/* target: a group (a new worker, with the lowest free number) or GROUP.N (that one: new, or taken back if it is
 * drained, or nothing but an even share for all). Returns 0 (done() follows), -ENOENT, -EBUSY, -EINVAL or -ENOSPC (no
 * worker slot is free), with one line in `why`. */
int scale_begin_start(struct supervisor *sup, const char *target, restart_done_fn done, uint64_t token, char *why,
		      size_t bytes);
/* target: a worker. stop: it leaves, too; else it stays, drained. Returns as above; -EPERM: it is the last one that
 * owns buckets. */
int scale_begin_drain(struct supervisor *sup, const char *target, bool stop, restart_done_fn done, uint64_t token,
		      char *why, size_t bytes);
/* buckets: as buckets_parse() reads them; of the service of the target's group. */
int scale_begin_move(struct supervisor *sup, const char *buckets, const char *target, restart_done_fn done,
		     uint64_t token, char *why, size_t bytes);
/* The worker keeps the buckets of the map, or gets them, and gives all others away; debug_enter() when it has. */
int scale_begin_debug(struct supervisor *sup, uint32_t worker, const uint64_t *map, restart_done_fn done,
		      uint64_t token, char *why, size_t bytes);
/* Buckets go where the weight of the group's rollout wants them: see rollout_roles(). That may change meanwhile. */
int scale_begin_weight(struct supervisor *sup, uint32_t group, restart_done_fn done, uint64_t token, char *why,
		       size_t bytes);
/* These buckets to that worker, because it is idler than their owner. Refused when anything else is under way; ends
 * without success rather than wait for anybody. */
int scale_begin_balance(struct supervisor *sup, uint32_t worker, uint32_t service, const uint64_t *map,
			restart_done_fn done, char *why, size_t bytes);
/* Returns 0 if there is a worker of that name and no operation is under way, -ENOENT, -EBUSY. */
int scale_find_worker(const struct supervisor *sup, const char *target, char *why, size_t bytes);
/* For the operation under way: owner[b], want[b]: index of the worker that owns bucket b, and is to; SHARE_NOBODY. */
void scale_wanted(struct supervisor *sup, uint32_t service, uint8_t *owner, uint8_t *want);
void scale_poll(struct supervisor *sup);
/* The primary stops: ends an operation under way as failed. */
void scale_abandon(struct supervisor *sup);
/* True, and what it is in `why`, if an operation is under way. */
bool scale_busy(const struct supervisor *sup, char *why, size_t bytes);
/* "worker drain game.1"; empty: none is under way. */
const char *scale_words(const struct supervisor *sup, char *words, size_t bytes);

/* Who owns what: the reply of `buckets.show`. group: NULL for all. */
json_t *scale_show(struct primary *primary, const char *group);
/* Which bucket each of these keys is in and whose that is: the reply of `buckets.find`, or a refusal. service: its
 * name, or that of a group that has one service; NULL: the only one there is. keys: of strings, as an operator writes
 * them: a number, decimal or 0x and hexadecimal, for a service that is steered by its payload; ADDRESS:PORT of the
 * client, for one that is steered by flow. */
json_t *scale_find(struct primary *primary, const char *service, const json_t *keys);

/* The bucket of one such key. Returns 0 or -EINVAL. */
int scale_key_bucket(const struct primary *primary, uint32_t service, const char *text, uint32_t *bucket, char *why,
		     size_t bytes);

#endif
