/* The tick entry, and when tick n is: a function of n alone, whoever runs it and however often (protocol.md R11). */
#ifndef BATON_SHARED_TICK_H
#define BATON_SHARED_TICK_H

#include <stdbool.h>

#include "abi.h"

#define TICK_GROUPS 64u /* groups of buckets a service's ticks are spread over; fewer if it has fewer buckets */
/* Verdict word of a tick entry one of whose buckets has still not seen the entry's number; else BATON_NO_REPLY. */
#define TICK_BEHIND 0x10000u

/* Tick n is at ns + (n - number) * period_ns, if n >= number; those before `number` are reckoned from the older pair.
 * The older one is that of before the last leap of the clock; a primary starts with both alike. */
struct tick_times {
	uint64_t period_ns;
	uint64_t number, ns;
	uint64_t old_number, old_ns;
};

/* Payload of BELT_TICK. w: I/O lcore 0  r: worker */
struct belt_tick {
	uint64_t number; /* each bucket catches up to it, in order */
	struct tick_times times;
	uint32_t group; /* buckets b with b % groups == group */
	uint32_t groups;
	uint32_t catch_up; /* numbers a bucket may run in this entry */
	uint32_t tell;     /* 1: there is room behind it for a struct belt_tick_told, which a shadow wants */
};
static_assert(sizeof(struct belt_tick) == 64, "needs no long cell, and whole steps of belt_copy()");

/* What the worker has run, for a shadow to do the same: written over the room behind the tick. Bit i of a map names
 * bucket group + i * groups; each has tick_map_bytes(). Neither bit: nothing was run in the bucket. w: worker, before
 * it settles  r: I/O lcore 0 */
struct belt_tick_told {
	/* last_tick of the buckets of the first map before: they ran the numbers behind it, up to the entry's */
	uint64_t from;
	uint8_t map[]; /* first those, then those that ran other numbers: what cannot be told exactly */
};
static inline uint32_t tick_map_bytes(uint32_t buckets, uint32_t groups)
{
	return (buckets / groups + 7) / 8;
}

/* Times before 1970, of numbers a bucket has missed for that long, are 0. */
static inline uint64_t tick_time(const struct tick_times *times, uint64_t n)
{
	bool old = n < times->number;
	uint64_t number = old ? times->old_number : times->number, ns = old ? times->old_ns : times->ns;

	if (n >= number)
		return ns + (n - number) * times->period_ns;
	return number - n > ns / times->period_ns ? 0 : ns - (number - n) * times->period_ns;
}

#endif
