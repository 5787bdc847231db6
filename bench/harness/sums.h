/* What a bench reads of a running batond: sums of its counters, as any monitor would, and what must hold of them. */
#ifndef BATON_BENCH_SUMS_H
#define BATON_BENCH_SUMS_H

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
/* What must hold in any bench: every reply right, every malformed frame counted under its reason, nothing else dropped.
 * Prints the counts. Returns 0 or 1. */
int sums_print_faults(const struct sums *a, const struct sums *b);

#endif
