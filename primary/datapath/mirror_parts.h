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

/* Adds those of `cause` to the outcome, and goes on behind them. */
void mirror_cells(struct mirror_cells *cells, uint64_t cause, struct mirror_outcome *out);
/* A verdict word and the length of the request. */
struct mirror_outcome mirror_outcome(uint32_t verdict, uint32_t request_len);
/* Room for `bytes` in the side's ring, given back in order by ring_tail. */
bool mirror_ring_take(struct mirror_side *side, uint32_t bytes, uint32_t *at);
void mirror_leave_step(struct mirror *m, uint32_t s, struct mirror_bucket *bucket);
/* Posts a snapshot, if it is time for one. */
void mirror_ask(struct io_lcore *io, struct mirror *m);

#endif
