/* What a bench reads of a running batond: sums of its counters, as any monitor would, and what must hold of them. */
#ifndef BATON_BENCH_SUMS_H
#define BATON_BENCH_SUMS_H

#include <stdbool.h>

#include "core_stats.h"

/* Sums over the pages of one kind. */
struct sums {
	uint64_t tsc;
	uint64_t io[COUNTER_COUNT], worker[COUNTER_COUNT], drop[DROP_COUNT];
	uint64_t residence[STATS_HIST_BUCKETS];
};

void nap(long ns);
void sums_take(const struct stats *stats, struct sums *s);
/* Attaches and waits until traffic is answered and caches are warm. Returns 0 or 1. */
int sums_attach(struct stats *stats, const char *instance);
/* The longest time without a reply that ended after `tsc`, of any I/O lcore's players; from: gen_gaps of each before
 * it. Shorter ones than the generator notes count as its threshold: never too good. *unseen is set if some were
 * overwritten before they were read. */
double sums_longest_gap_us(const struct stats *stats, const uint64_t *from, uint64_t tsc, bool *unseen);
/* What must hold in any bench: every reply right, every malformed frame counted under its reason, nothing else dropped.
 * Prints the counts. Returns 0 or 1. */
int sums_print_faults(const struct sums *a, const struct sums *b);

#endif
