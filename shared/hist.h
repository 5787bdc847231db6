/* Log-linear histogram of nanoseconds: 8 sub-buckets per power of two, so a value is known to 12.5 %. */
#ifndef BATON_SHARED_HIST_H
#define BATON_SHARED_HIST_H

#include <stdint.h>

#include "core_stats.h"

/* Bucket of a value: 0..7 exact, then 8 per power of two; the last bucket takes everything larger (2^34 ns = 17 s). */
static inline uint32_t hist_bucket(uint64_t ns)
{
	if (ns < 8)
		return (uint32_t)ns;
	uint32_t msb = 63u - (uint32_t)__builtin_clzll(ns);
	uint32_t at = (msb - 2u) * 8u + (uint32_t)((ns >> (msb - 3u)) & 7u);
	return at < STATS_HIST_BUCKETS ? at : STATS_HIST_BUCKETS - 1u;
}

/* Smallest value of a bucket, in ns. */
uint64_t hist_floor(uint32_t bucket);

/* The value below which the fraction q (0 to 1) of the samples lies: upper edge of its bucket, so never too good.
 * 0 if there are no samples. */
uint64_t hist_quantile(const uint64_t *buckets, double q);

/* Total number of samples. */
uint64_t hist_count(const uint64_t *buckets);

/* to += from - base (base may be NULL): merging is by adding buckets, never by averaging percentiles. */
void hist_add(uint64_t *to, const uint64_t *from, const uint64_t *base);

#endif
