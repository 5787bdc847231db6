/* Ticks: which number each group of buckets has reached, and which worker is still to be told. I/O lcore 0 only. */
#ifndef BATON_PRIMARY_TICKS_H
#define BATON_PRIMARY_TICKS_H

#include "belt_producer.h"
#include "tick.h"

/* A leap: when the clock is so many periods beyond the last number, buckets are not made to catch up; numbers go on
 * from where they are, and their time goes on from now. */
#define TICKS_LEAP 1024u

/* Of one service. Steps: number * groups + group, so that the groups are spread over the period. */
struct ticks {
	struct tick_times times; /* period_ns 0: no ticks */
	uint32_t groups, catch_up;
	uint64_t last; /* highest last_tick of the file at the start; numbers go on from it */
	uint64_t step; /* last one reached; 0: not begun */
	uint8_t alone[TICK_GROUPS]; /* so many of the group's next entries are to be run alone: see ticks_suspect() */
};

/* Of one worker: a bit per group. */
struct slot_ticks {
	uint64_t wanted; /* has not been told the group's number, or says it is behind */
	uint64_t open;   /* an entry is in its belt: no second one, so that a slow or lying worker piles up none */
	uint32_t next;   /* group to begin with: room in the belt may be short */
};

struct io_lcore;
struct move;

void ticks_init(struct ticks *ticks, uint64_t period_ns, uint32_t catch_up, uint32_t buckets, uint64_t last);

/* The number that `group` has reached. */
static inline uint64_t ticks_number(const struct ticks *ticks, uint32_t group)
{
	return ticks->step / ticks->groups - (group > ticks->step % ticks->groups);
}

/* Housekeeping: goes on with the clock and posts what is wanted. A group whose entry finds no room stays wanted. */
void ticks_post(struct io_lcore *io);

/* A tick entry left the belt: a worker that is behind gets the group's number once more, in the next housekeeping. */
void ticks_reaped(struct io_lcore *io, uint32_t slot, const struct belt_shadow *shadow, uint32_t verdict);

/* A worker has died with the entry of `shadow` unsettled, and may have died of it. No entry of a dead belt is offered
 * again; the group's next ones stand for it, whoever is posted them. */
void ticks_suspect(struct io_lcore *io, const struct belt_shadow *shadow);

/* The new owner of a move's buckets has its grant in the belt: their groups' numbers are to follow (R11). */
void ticks_granted(struct io_lcore *io, const struct move *move);

#endif
