/* What the two files of the mirror share. */
#ifndef BATON_PRIMARY_MIRROR_PARTS_H
#define BATON_PRIMARY_MIRROR_PARTS_H

#include "lcore.h"

/* Outbound cells that wait in a belt, in the order of their causes. */
struct mirror_cells {
	const struct belt_producer *belt;
	uint64_t at;
	uint32_t left;
};

/* Cells that are of no use any more: of causes before this one. NULL: none of this one is left; else the next of
 * them. */
const struct belt_out_cell *mirror_cell(struct mirror_cells *cells, uint64_t cause);
/* Adds those of `cause` to the outcome, and goes on behind them. */
void mirror_cells(struct mirror_cells *cells, uint64_t cause, struct mirror_outcome *out);
/* A verdict word and the length of the request. */
struct mirror_outcome mirror_outcome(uint32_t verdict, uint32_t request_len);
/* Room for `bytes` in the side's ring, given back in order by ring_tail. */
bool mirror_ring_take(struct mirror_side *side, uint32_t bytes, uint32_t *at);
void mirror_leave_step(struct mirror *m, uint32_t s, struct mirror_bucket *bucket);
/* On all sides, and a snapshot that is under way is of no use. */
void mirror_forget(struct mirror *m, struct mirror_bucket *bucket);
/* A copy was not made. */
void mirror_drop_copy(struct mirror *m, uint32_t s, struct mirror_bucket *bucket);
/* Posts a snapshot, if it is time for one. */
void mirror_ask(struct io_lcore *io, struct mirror *m);
/* Copies that may be made now. */
void mirror_credit(uint64_t now_ns, uint32_t *credit, uint64_t *credited_ns);

/* What production's worker has made of an entry. */
struct settled {
	const struct belt_shadow *shadow;
	const uint8_t *payload, *reply;
	struct belt_peer peer;
	struct mirror_outcome outcome;
};
/* To the sides that are in step. */
void mirror_entry(struct io_lcore *io, struct mirror *m, const struct settled *e);
void mirror_snapshot_reaped(struct mirror *m, uint32_t slot, uint64_t position, uint32_t b, uint32_t verdict);

/* ---- mirror_tick.c ---- */

/* A tick as production has run it. Behind it: map of the buckets that ran it, map of those of which that cannot be
 * told, if `spent` a byte for each bucket (struct belt_shadow_tick), and from `cells_at` on `cells` bytes of struct
 * tick_cell. */
struct tick_head {
	struct belt_tick tick;
	uint64_t from, time_ns;
	uint32_t buckets; /* of the group */
	uint32_t map_bytes; /* of each */
	uint32_t cells_at, cells; /* bytes */
	uint8_t spent;
	uint8_t pad[7];
};
/* What a bucket's tick has posted or sent. Its data follows; the next begins on 8 bytes. */
struct tick_cell {
	uint32_t nth; /* bucket of the group */
	uint16_t len;
	uint8_t kind, pad;
	uint32_t target, pad2;   /* messages: to whom; else 0 */
	struct baton_peer to; /* packets: to whom; else 0 */
};
/* Writes the entry `data`, of the slot's worker, and its cells into m->scratch. Returns the bytes. */
uint32_t mirror_tick_look(struct io_lcore *io, struct mirror *m, uint32_t slot, uint64_t position,
			  const struct belt_shadow *shadow, const uint8_t *data, struct mirror_cells *cells);
/* To the sides; tick: struct tick_head. slot: whose worker has run it. */
void mirror_tick(struct io_lcore *io, struct mirror *m, uint32_t slot, const uint8_t *tick);
/* The buckets that it has run, or may have: a bit of either map. */
bool mirror_tick_names(const struct tick_head *head, const uint8_t *tick, uint32_t nth);
/* All buckets of the group. */
void mirror_group_forgotten(struct mirror *m, uint32_t group, uint32_t groups);
/* What a side has made of it. */
void mirror_tick_judge(struct io_lcore *io, struct mirror *m, uint32_t s, uint64_t position,
		       const struct belt_shadow *shadow, uint32_t verdict, struct mirror_cells *cells);

/* ---- mirror_compare.c ---- */

/* A place for a difference, to be filled and then told; NULL: there is none, which is counted. */
struct mirror_sample *mirror_sample(struct mirror *m, uint32_t s);
void mirror_sample_told(struct mirror *m);

/* ---- feed.c: several I/O lcores ---- */

/* Home's: nothing that a feed has lost since the bucket was asked for. */
uint32_t feed_lost(const struct mirror *m, uint32_t b);
/* Home's: the worker's bursts are stamped on all lcores. */
bool feed_is_stamped(const struct mirror *m, uint32_t slot);
void feed_entry(struct io_lcore *io, struct mirror *m, uint32_t slot, uint64_t position, const struct settled *e);
void feed_snapshot(struct io_lcore *io, struct mirror *m, uint32_t slot, uint64_t position,
		   const struct belt_shadow *shadow, uint32_t verdict);
void feed_tick(struct io_lcore *io, struct mirror *m, uint32_t slot, uint64_t position, const struct belt_shadow *shadow,
	       uint32_t bytes);
void feed_begin(struct io_lcore *io, struct mirror *m);
void feed_end(struct io_lcore *io);
void feed_slot_comes(struct io_lcore *io, struct mirror *m, uint32_t slot);
/* A shadow stamps and counts nothing. */
void feed_shadow_comes(struct io_lcore *io, uint32_t slot);
/* It has, nevertheless. Home's. */
bool feed_shadow_counts(const struct io_lcore *io, uint32_t slot);
void feed_owner_dies(struct io_lcore *io, struct mirror *m, uint32_t slot);
/* Every turn: says how far it is; home mirrors what is due. True if there was something. */
bool feed_turn(struct io_lcore *io, struct mirror *m);

#endif
