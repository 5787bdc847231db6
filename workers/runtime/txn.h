/* The worker's side of a transaction: opens a burst, begins and ends its entries, settles. protocol.md R1, R2.
 *
 *	txn_open(txn, belt)                      a burst starts at the belt's first entry not settled
 *	for each entry, in the order of the belt:
 *		a packet:  txn_begin(), plugin, txn_end()
 *		a tick:    { txn_begin_tick(), plugin, txn_end_tick() } for each of its buckets, txn_pass_tick()
 *		others:    txn_pass()
 *	txn_settle(txn)                          all or nothing up to here; then txn_open() of any belt
 *
 * txn_begin() and txn_begin_tick() may settle early when the journal has no room for one more entry: consumer->done
 * moves in the middle of a burst, so the caller counts by txn->position. */
#ifndef BATON_TXN_H
#define BATON_TXN_H

#include <stdbool.h>
#include <stdint.h>

#include "baton.h"
#include "belt_consumer.h"
#include "journal.h"
#include "outbox.h"
#include "state.h"
#include "tick.h"

/* Private to the worker. */
struct txn {
	struct baton_ctx ctx; /* what the plugin is handed */
	struct belt_consumer *consumer; /* of the open burst */
	struct outbox outbox;
	uint64_t position;    /* of the entry being handled; what txn_settle() settles up to */
	uint64_t salt;
	struct bucket_word *words;
	struct journal *journal;
	uint32_t belt;        /* index of the open burst's belt */
	uint32_t max_undo;    /* most journal bytes of one entry */
	uint32_t max_posts, max_sends; /* of one entry, as the plugin declares */
	uint32_t tick_posts;  /* what the open tick entry may still post */
	uint64_t tick_cells;  /* consumer->filled when the open tick entry began */
	uint64_t cells;       /* consumer->filled when the entry began: what it wrote since goes if it is undone */
	uint64_t undone;        /* entries refused for needing more than max_undo, ever */
	uint64_t early_settles; /* ever */
	uint32_t group_schema;  /* of the buckets whose word names none */
};

/* Binds to the control block of `slot` and the records of `group`; ctx.user and ctx.worker stay as they are.
 * max_undo_bytes: as the plugin declares; salt: for baton_random(), the same for all workers of the file, and
 * not the one that steers: whoever sees a whole random number can compute it.
 * Returns 0, -E2BIG (max_undo_bytes is more than half of the journal), -ESTALE (the journal was not rolled back) or
 * -EINVAL (no such slot or group). */
int txn_bind(struct txn *txn, const struct state *state, uint32_t slot, uint32_t group, uint32_t max_undo_bytes,
	     uint64_t salt);

/* Opens a burst at consumer->done. The burst before must be settled. belt: index of the I/O lcore. */
void txn_open(struct txn *txn, struct belt_consumer *consumer, uint32_t belt);

/* Settles everything before txn->position and opens the rest of the burst (R2). For txn_begin() only. */
void txn_settle_early(struct txn *txn);

/* Undoes the entry, takes its outbound cells back and counts it. Returns BATON_DROP_REFUSED. For txn_end() only. */
baton_verdict txn_refuse(struct txn *txn);

/* Commits (R1): filled, done, used = 0. */
void txn_settle(struct txn *txn);

/* The same for the same entry, whoever handles it and however often. baton_random() mixes it; the factor is none of its
 * own steps, so that neighbouring buckets do not draw each other's numbers. */
static inline uint64_t txn_seed(const struct txn *txn, uint64_t time_ns, uint32_t bucket)
{
	return (time_ns ^ txn->salt) + bucket * 0xd1342543de82ef95ull;
}

/* Begins the entry at txn->position for the records of `bucket`. */
static inline void txn_begin(struct txn *txn, uint64_t time_ns, uint32_t bucket)
{
	struct baton_ctx *ctx = &txn->ctx;

	if (baton_unlikely(ctx->used > JOURNAL_BYTES - txn->max_undo))
		txn_settle_early(txn);
	ctx->time_ns = time_ns;
	ctx->bucket = bucket;
	ctx->seed = txn_seed(txn, time_ns, bucket);
	ctx->posts = txn->max_posts;
	ctx->sends = txn->max_sends;
	txn->cells = txn->consumer->filled;
	ctx->limit = ctx->used + txn->max_undo;
}

/* Makes the changes of what began last readable (or undoes them) without going on to the next entry. */
static inline baton_verdict txn_close(struct txn *txn, baton_verdict verdict)
{
	if (baton_unlikely(txn->ctx.overflow))
		return txn_refuse(txn);
	journal_end_entry(&txn->ctx, txn->ctx.limit - txn->max_undo);
	return verdict;
}

/* Ends the packet at txn->position: writes the verdict, or BATON_DROP_REFUSED if the entry had to be undone, into the
 * belt and returns it. Goes on to the next entry. */
static inline baton_verdict txn_end(struct txn *txn, baton_verdict verdict)
{
	verdict = txn_close(txn, verdict);
	belt_verdict(txn->consumer, txn->position, verdict);
	txn->position++;
	return verdict;
}

/* Ends an entry that changes no record: grant, revoke, prime, stop. */
static inline void txn_pass(struct txn *txn)
{
	belt_verdict(txn->consumer, txn->position, BATON_NO_REPLY);
	txn->position++;
}

/* Ends a tick when its buckets have been done. behind: post it again, one of them has not seen its number yet. */
static inline void txn_pass_tick(struct txn *txn, bool behind)
{
	belt_verdict(txn->consumer, txn->position, behind ? TICK_BEHIND : BATON_NO_REPLY);
	txn->position++;
}

/* The last tick that `bucket` has seen. */
static inline uint64_t txn_last_tick(const struct txn *txn, uint32_t bucket)
{
	return txn->words[bucket].last_tick;
}

/* Begins a tick entry. */
static inline void txn_open_tick(struct txn *txn)
{
	txn->tick_posts = txn->max_posts;
	txn->cells = txn->consumer->filled;
	txn->tick_cells = txn->consumer->filled;
}

/* True if the tick of one more bucket can run in this entry. False: outbound cells, the entry's posts or, once it has
 * written cells, the journal might run short: settling in the middle would commit the buckets that have been done and
 * forget their cells at a death. */
bool txn_tick_fits(struct txn *txn);

/* Begins tick `number` of one bucket. last_tick changes in the same transaction (R11): a tick is applied once, across
 * moves and kills. number must be above txn_last_tick(). time_ns: tick_time(). The seed is that of
 * number and bucket. */
void txn_begin_tick(struct txn *txn, uint64_t number, uint64_t time_ns, uint32_t bucket);

/* Ends it. A tick refused for its undo bytes is undone and counted but for last_tick: it would fail for ever. */
static inline void txn_end_tick(struct txn *txn)
{
	(void)txn_close(txn, BATON_NO_REPLY);
	txn->tick_posts = txn->ctx.posts;
}

#endif
