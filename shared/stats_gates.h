/* What gates compare, by worker slot: pages of CoreStats beside those of residence by version. A rollout's control
 * runs the version that stable runs: only by slot can the two be told apart. See core_stats.h for the file they stand
 * in. */
#ifndef BATON_SHARED_STATS_GATES_H
#define BATON_SHARED_STATS_GATES_H

#include <stdint.h>

#include "abi.h"

/* What an entry that posts messages or sends packets may be. */
enum stats_cause { CAUSE_PACKET, CAUSE_MESSAGE, CAUSE_TICK, STATS_CAUSES };

/* Packets of one worker slot, as one I/O lcore knows them: whoever wants a worker's sums the lcores. Nothing is reset
 * by a new incarnation or another worker in the slot: who compares keeps a base (primary/control/gate_collect.h). w:
 * the I/O lcore  r: main lcore, monitors */
struct stats_slot {
	uint64_t packets;       /* settled and reaped, whatever became of them */
	uint64_t error_replies; /* of them */
	uint64_t malformed;     /* of them: refused by the plugin, as malformed or as shorter than their reply */
	uint64_t refused;       /* of them: undone, too many undo bytes */
	uint64_t bad_verdict;   /* of them: verdict or length out of bounds, the worker is fenced */
	uint64_t belt_full;     /* dropped before they were offered */
	uint64_t pending_full;  /* the same, as its orphans wait and their list is full */
	uint64_t park_expired;  /* the same, as they had waited too long */
	uint64_t quarantined;   /* offered, and dropped because they killed again and again */
	uint64_t lost;          /* offered, and dropped at its death */
	/* As the lanes by version: of bursts over 8 packets one in 8. Nanoseconds from receive to reap, by hist.h. */
	uint64_t residence[256];
	/* By what caused it, enum stats_cause. Of settled causes alone, as the lcore takes their cells, whatever becomes of
	 * what is in them: the worker's own word is not asked. */
	uint64_t posted[STATS_CAUSES], sent[STATS_CAUSES];
	uint64_t messages;     /* settled and reaped, lost ones among them */
	uint64_t bucket_ticks; /* per tick entry settled, the buckets that the slot owned then; of lcore 0 */
} __attribute__((aligned(4096)));
_Static_assert(sizeof(struct stats_slot) == 4096, "a page");

/* Cycles a packet, by burst. Bursts of one class are alike: what a burst costs once is shared by as many packets. */
#define STATS_BURST_CLASSES  6u   /* of 1, 2-3, 4-7, 8-15, 16-31, 32 and more packets */
#define STATS_CYCLES_BUCKETS 256u /* 0..15 exact, then 16 per power of two, to 2^19; the last takes what is above */

/* Bursts of packets and messages alone: one with a control entry or a tick in it is in no class.
 * w: the worker in the slot  r: main lcore, monitors */
struct stats_cycles {
	uint64_t bursts[STATS_BURST_CLASSES][STATS_CYCLES_BUCKETS];
} __attribute__((aligned(4096)));
_Static_assert(sizeof(struct stats_cycles) == 3 * 4096, "whole pages: workers map their own only");

/* Class of a burst of `packets` (1 to BATON_BURST). */
static inline uint32_t stats_burst_class(uint32_t packets)
{
	uint32_t log = 31u - (uint32_t)__builtin_clz(packets);

	return log < STATS_BURST_CLASSES ? log : STATS_BURST_CLASSES - 1u;
}

/* Bucket of so many cycles. */
static inline uint32_t stats_cycles_bucket(uint64_t cycles)
{
	if (cycles < 16)
		return (uint32_t)cycles;
	uint32_t msb = 63u - (uint32_t)__builtin_clzll(cycles);
	uint64_t at = (msb - 3ull) * 16u + ((cycles >> (msb - 4u)) & 15u);

	return at < STATS_CYCLES_BUCKETS ? (uint32_t)at : STATS_CYCLES_BUCKETS - 1u;
}

/* Writer's side: once a burst of 1 to BATON_BURST packets, plain as all counters of one writer. */
static inline void stats_count_burst(struct stats_cycles *to, uint32_t packets, uint64_t cycles)
{
	/* 32 bits: a division that is not slow. Whoever takes longer is in the last bucket anyway. */
	uint32_t each = (cycles < UINT32_MAX ? (uint32_t)cycles : UINT32_MAX) / packets;
	uint64_t *count = &to->bursts[stats_burst_class(packets)][stats_cycles_bucket(each)];

	*(volatile uint64_t *)count = *count + 1;
}

/* Smallest number of cycles of a bucket. */
static inline uint64_t stats_cycles_floor(uint32_t bucket)
{
	return bucket < 16 ? bucket : (16ull + bucket % 16u) << (bucket / 16u - 1u);
}

#endif
