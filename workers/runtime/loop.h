/* The worker's loop: take a burst, run its entries, settle it; and what to do when there is none. */
#ifndef BATON_LOOP_H
#define BATON_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "belt_consumer.h"
#include "core_stats.h"
#include "shadow.h"
#include "tick.h"
#include "txn.h"
#include "verify.h"

/* All of it private to the worker but what it points to. */
struct loop {
	struct txn txn;
	const struct baton_plugin *plugin;
	uint32_t cells; /* outbound cells that one entry may need */
	uint32_t belts;
	uint32_t next; /* belt to look at first: round robin */
	struct belt_consumer belt[BATON_MAX_IO_LCORES];
	uint64_t prefetched[BATON_MAX_IO_LCORES]; /* entries below have been prefetched for the plugin */

	/* Ownership counts belts (protocol.md R7): a bucket is ours while any belt has granted and not revoked it. */
	uint32_t buckets;
	uint32_t owned_buckets;
	uint8_t owned[BATON_MAX_BUCKETS];

	struct shadow_map shadow; /* where snapshots go; set before loop_init() */

	struct CoreStats *stats; /* our page */
	struct stats_cycles *cycles; /* ours as well; NULL: cycles by burst are not counted. Set after loop_init() */
	bool mixed; /* the burst has an entry that is neither packet nor message */
	uint64_t tsc_hz;
	uint64_t turn_tsc;       /* end of the turn before */
	uint64_t primed_until;   /* TSC; 0: not primed */
	uint32_t idle_turns;     /* turns without an entry, since the last that had one */
	bool busy_poll;
	bool stop;               /* BELT_STOP has been settled */
	struct verify *verify;   /* NULL: calls of the plugin are not verified; looked at in debug builds alone */
	uint64_t bursts;         /* number of the last one that was stamped: belt.h */
	/* as last added to the page, which counts on over incarnations */
	uint64_t undone_shown, early_settles_shown;
	uint32_t table_full_shown;
	/* Buckets of ours whose records have another schema than the plugin's: their first entry converts them. */
	uint32_t stale;
	uint8_t is_stale[BATON_MAX_BUCKETS];
	_Atomic uint32_t *converting; /* of our control block; NULL: nobody asks. Set after loop_init() */
};

/* loop->txn is bound. belt, commit: `belts` of them; commit is an array in the control block.
 * Returns 0 or -EINVAL (belts or buckets out of range). */
int loop_init(struct loop *loop, const struct baton_plugin *plugin, struct belt *const *belt,
	      struct belt_commit *commit, uint32_t belts, uint32_t buckets, struct CoreStats *stats, uint64_t tsc_hz,
	      bool busy_poll);

/* One burst of the next belt that has entries, settled when it returns. Returns the number of entries, 0 if no belt
 * has any. After BELT_STOP nothing is taken any more. */
uint32_t loop_turn(struct loop *loop);

/* Turns until BELT_STOP has been settled. */
void loop_run(struct loop *loop);

/* ---- control_loop.c ---- */

/* An entry of that kind, which is no packet and no message, within the open burst. */
void loop_control(struct loop *loop, uint32_t kind, const uint8_t *data);
/* Ticks of one bucket up to the entry's number, in order, as many as one entry may run. True: it is still behind. */
bool loop_tick_bucket(struct loop *loop, const struct belt_tick *tick, uint32_t bucket);

/* ---- shadow_loop.c: the entries of shadow_region.h ---- */

void loop_run_snapshot(struct loop *loop, const uint8_t *data);
void loop_run_shadow_tick(struct loop *loop, const uint8_t *data);
void loop_run_compare(struct loop *loop, const uint8_t *data);
/* What a tick has run, as struct belt_tick_told. bytes: of a map; 0: nobody asks. */
struct loop_told {
	uint64_t from;
	uint32_t bytes;
	bool any; /* `from` is set */
	uint8_t *map;
};
void loop_tell_begin(const struct loop *loop, struct loop_told *told, const struct belt_tick *tick, const uint8_t *data);
/* `bucket` has had its turn; last: its last_tick before that. */
void loop_tell_tick(const struct loop *loop, struct loop_told *told, const struct belt_tick *tick, uint32_t bucket,
		    uint64_t last);

/* ---- migrate.c ---- */

/* The bucket's word may have changed, or who owns it: whether its records are of another schema. */
void bucket_note(struct loop *loop, uint32_t bucket);
/* None of `count` buckets from `first` on has records of another schema than the plugin's, once they are ours, or no
 * longer are: bucket_note() of each would change nothing. */
bool buckets_stay_fresh(const struct loop *loop, uint32_t first, uint32_t count, bool ours);
/* Before the first entry of a bucket: its records are converted, if they must be, in the open burst. */
void bucket_migrate(struct loop *loop, uint32_t bucket);
/* Converts a bucket to schema `want`, the plugin's or an older one that it converts to; in the open burst, if need be
 * in several transactions. Ends the process if that cannot be done. */
void bucket_convert(struct loop *loop, uint32_t bucket, uint32_t want);

/* ---- verify_loop.c ---- */

/* Debug builds call the plugin twice and compare; nothing of it is in others. */
#ifdef BATON_DEBUG
#define VERIFIES(loop) baton_unlikely((loop)->verify != NULL)
#else
#define VERIFIES(loop) false
#endif
#define VERIFY(loop, ...) \
	loop_verify(loop, &(struct verify_call){.position = (loop)->txn.position, __VA_ARGS__})

/* From now on a debug build runs every call twice and compares (verify.h). Returns 0 or -errno. */
int loop_verify_start(struct loop *loop);
/* The call, both times. Returns the plugin's verdict. What is wrong is logged and ends the process: by SIGABRT, or by
 * the signal that the plugin died of. */
baton_verdict loop_verify(struct loop *loop, const struct verify_call *call);

/* ---- idle.c ---- */

/* After a turn without entries: spins, yields or sleeps. A worker that owns nothing gives its CPU away at once. */
void idle_wait(struct loop *loop);
/* The process is called what its page says: a standby gets its name with its first buckets. */
void name_show(const struct loop *loop);
/* Sleeps until a doorbell rings or the time is over; does not sleep if an entry waits. True if it slept. */
bool idle_sleep(struct loop *loop, uint64_t most_ns);

#endif
