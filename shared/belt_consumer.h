/* The worker's end of a belt (belt.h): takes, answers, settles. Private memory of the worker. */
#ifndef BATON_SHARED_BELT_CONSUMER_H
#define BATON_SHARED_BELT_CONSUMER_H

#include "belt.h"

struct belt_consumer {
	struct belt *belt;
	struct belt_commit *commit;
	uint64_t done;   /* private copy of commit->done */
	uint64_t filled; /* outbound cells written by entries that ended well, and by the open one */
	uint64_t out_taken; /* as last read */
};

void belt_consumer_init(struct belt_consumer *c, struct belt *belt, struct belt_commit *commit);

/* Entries ready after position done + ahead, at most `max`. */
static inline uint32_t belt_take(const struct belt_consumer *c, uint32_t max)
{
	/* acquire: pairs with the release in belt_publish() */
	uint64_t ready = atomic_load_explicit(&c->belt->offered, memory_order_acquire) - c->done;
	return ready < max ? (uint32_t)ready : max;
}

static inline struct belt_slot *belt_slot_at(const struct belt_consumer *c, uint64_t position)
{
	return &c->belt->slots[position & BELT_MASK];
}

static inline uint8_t *belt_slot_data(const struct belt_consumer *c, struct belt_slot *slot)
{
	if (baton_likely(slot->packet.flags == BELT_SMALL))
		return slot->inl;
	return slot->packet.flags == BELT_LONG ? c->belt->long_cells[slot->packet.cell]
					       : c->belt->medium[slot - c->belt->slots];
}

/* True if `need` outbound cells can be written now. */
static inline bool belt_out_room(struct belt_consumer *c, uint32_t need)
{
	if (baton_likely(c->filled + need - c->out_taken <= BELT_OUT_CELLS))
		return true;
	/* acquire: pairs with belt_out_publish() */
	c->out_taken = atomic_load_explicit(&c->belt->out_taken, memory_order_acquire);
	return c->filled + need - c->out_taken <= BELT_OUT_CELLS;
}

/* The next outbound cell; it is the open entry's once c->filled counts it. */
static inline struct belt_out_cell *belt_out_next(const struct belt_consumer *c)
{
	return &c->belt->out[c->filled % BELT_OUT_CELLS];
}

static inline void belt_verdict(const struct belt_consumer *c, uint64_t position, baton_verdict verdict)
{
	c->belt->verdict[position & BELT_MASK] = verdict;
}

/* The commit: everything before `position` is settled. `filled` first, then `done` (protocol.md R1); the caller
 * stores the journal's used = 0 after it. */
static inline void belt_settle(struct belt_consumer *c, uint64_t position)
{
	if (BATON_SABOTAGE(done_before_filled))
		atomic_store_explicit(&c->commit->done, position, memory_order_release);
	/* release: pairs with the loads at reap, `done` then `filled` */
	atomic_store_explicit(&c->commit->filled, c->filled, memory_order_release);
	BATON_POINT(settle_filled);
	baton_compiler_fence();
	atomic_store_explicit(&c->commit->done, position, memory_order_release);
	BATON_POINT(settle_done);
	c->done = position;
}

#endif
