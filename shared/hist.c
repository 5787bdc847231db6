/* Log-linear histogram: edges, quantiles, addition. */
#include "hist.h"

uint64_t hist_floor(uint32_t bucket)
{
	if (bucket < 8)
		return bucket;
	return (uint64_t)(8u + bucket % 8u) << (bucket / 8u - 1u);
}

uint64_t hist_count(const uint64_t *buckets)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < STATS_HIST_BUCKETS; i++)
		count += buckets[i];
	return count;
}

uint64_t hist_quantile(const uint64_t *buckets, double q)
{
	uint64_t count = hist_count(buckets), seen = 0;

	if (count == 0)
		return 0;
	/* The smallest rank that covers the fraction: q = 0 is the smallest sample, q = 1 the largest. */
	double wanted = q * (double)count;
	uint64_t rank = wanted >= 1 ? (uint64_t)wanted : 1;
	if ((double)rank < wanted)
		rank++;
	if (rank > count)
		rank = count;
	uint32_t at = 0;
	for (; at < STATS_HIST_BUCKETS - 1; at++) {
		seen += buckets[at];
		if (seen >= rank)
			break;
	}
	return hist_floor(at + 1) - 1;
}

void hist_add(uint64_t *to, const uint64_t *from, const uint64_t *base)
{
	for (uint32_t i = 0; i < STATS_HIST_BUCKETS; i++)
		to[i] += from[i] - (base != NULL ? base[i] : 0);
}
