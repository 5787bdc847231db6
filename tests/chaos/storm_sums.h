/* What a storm of kills has found, over all of its runs. */
#ifndef BATON_CHAOS_STORM_SUMS_H
#define BATON_CHAOS_STORM_SUMS_H

#include "watch.h"

enum kind { KILL, SEGV, STOP, CONT, TWO, MOVE, RECOVERY, LOOP, KINDS };
extern const char *const storm_kind[KINDS];

/* thin: kills of a worker for whom fewer entries than wanted waited. */
#define SUMS(X) \
	X(seed) X(kills) X(deaths) X(with_unsettled) X(with_undo) X(redelivered) X(records_undone) X(stalls) X(replies) \
	X(thin) X(gap_most_ns)

struct storm_sums {
#define X(name) uint64_t name;
	SUMS(X)
#undef X
	uint64_t by_kind[KINDS];
	uint64_t gap[STATS_HIST_BUCKETS]; /* the longest that came with each kill */
};

/* A file of lines `name number`; path NULL: none. */
void sums_read(struct storm_sums *sum, const char *path);
void sums_write(const struct storm_sums *sum, const char *path);
/* What is counted from here on is the storm's. */
void sums_begin(const struct watch *watch);
/* Adds what has been counted since the last call. */
void sums_add(struct storm_sums *sum, const struct watch *watch);
/* Adds the longest of the gaps from number `from` on. */
void sums_add_gap(struct storm_sums *sum, const struct watch *watch, uint64_t from);
/* One line, with a word in front. */
void sums_report(const struct storm_sums *sum, const char *word);

#endif
