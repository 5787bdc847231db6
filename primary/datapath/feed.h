/* What the two files of the feed share. */
#ifndef BATON_PRIMARY_FEED_H
#define BATON_PRIMARY_FEED_H

#include "lcore.h"
#include "mirror_parts.h"

/* What an entry waits for its worker's count, or an lcore's word, at most; and what one look at it counts for. */
#define FEED_WAIT_NS 1000000000ull
#define FEED_LOOK_NS 10000000ull

/* acquire: pairs with the release in the worker's loop_burst() */
static inline uint64_t feed_bursts(const struct io_lcore *io, uint32_t slot)
{
	return atomic_load_explicit(&io->dp->setup.belt[0][slot]->bursts, memory_order_acquire);
}

/* Mirrors what is due. True if there was something. */
bool feed_home_turn(struct io_lcore *io, struct mirror *m);

#endif
