/* Residence by version: which lane of CoreStats a worker's packets are counted in, and what a lane says.
 *
 * Each I/O lcore has as many lanes, each a histogram in a page of its own. A lane belongs to a version of a group, not
 * to a slot or a process: incarnations and slots of one version add up, and of a version that is gone the figures stay
 * until its lane is needed. Then another version takes the lane over: nothing is reset, but the lcore notes from which
 * counts on the lane is the new one's. What was counted before stays part of the lcore's total. */
#ifndef BATON_SHARED_RESIDENCE_H
#define BATON_SHARED_RESIDENCE_H

#include "core_stats.h"

/* Main lcore, before the slot's worker is attached to the data path; the one that was in the slot must have left it on
 * every I/O lcore. Gives the slot the lane of that version; for a version that has none, that of the version that no
 * slot has had for the longest time. */
void residence_take(struct stats *stats, uint32_t slot, const char *group, const char *version);

/* I/O lcore, when it attaches the slot's worker: takes the lane over if it was another version's. Returns the counts in
 * which residence is to be added. */
uint64_t *residence_open(const struct stats *stats, uint32_t lcore, uint32_t slot);

/* Monitor: adds to `version` what the lcore has counted in the lane for the version `id`, nothing as long as it has not
 * taken the lane over; and to `all` what it has ever counted there, of the same reading: the difference is of
 * others. */
void residence_add(uint64_t version[STATS_HIST_BUCKETS], uint64_t all[STATS_HIST_BUCKETS], const struct stats *stats,
		   uint32_t lcore, uint32_t lane, uint32_t id);

/* Anybody: adds to `to` all that the lcore has ever counted, whichever versions that was. */
void residence_add_all(uint64_t to[STATS_HIST_BUCKETS], const struct stats *stats, uint32_t lcore);

#endif
