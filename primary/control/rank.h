/* Which buckets a rollout's candidate owns at a weight: exact, sticky, monotonic. Pure functions. */
#ifndef BATON_PRIMARY_RANK_H
#define BATON_PRIMARY_RANK_H

#include <stdint.h>

#include "abi.h"

/* Who is to own a bucket; as enum worker_role. */
enum rank_role { RANK_STABLE = 0, RANK_CANDIDATE, RANK_CONTROL };

/* Buckets of a service that has so many at that weight: round(permille * buckets / 1000), at least one if permille is
 * not 0. */
uint32_t rank_count(uint32_t permille, uint32_t buckets);

/* order[0..buckets): all buckets, those of `cohort` (bit b: bucket b; NULL: none) before the others, each of the two
 * sorted by (hash of bucket and salt, bucket).
 * The candidate's are the first rank_count() of them, so a greater weight takes
 * buckets away from nobody who has them already, and another salt picks others. */
void rank_buckets(uint32_t buckets, uint64_t salt, const uint64_t *cohort, uint16_t *order);

/* role[b]: whose bucket b is to be: candidate's the first rank_count(permille), control's the last rank_count(control)
 * as far as there are that many left, all others stable's. */
void rank_roles(uint32_t buckets, uint64_t salt, const uint64_t *cohort, uint32_t permille, uint32_t control,
		uint8_t *role);

#endif
