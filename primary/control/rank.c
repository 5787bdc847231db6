/* Ranks of buckets; see rank.h. Main lcore only: what is sorted stands in static memory. */
#include "rank.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "sabotage.h"
#include "share.h"

struct ranked {
	uint64_t hash;
	uint16_t bucket;
	uint8_t late; /* not of the cohort */
};

uint32_t rank_count(uint32_t permille, uint32_t buckets)
{
	uint32_t count = (uint32_t)(((uint64_t)permille * buckets + 500) / 1000);

	return permille != 0 && count == 0 && buckets != 0 ? 1 : count;
}

static int by_rank(const void *a, const void *b)
{
	const struct ranked *left = a, *right = b;

	if (left->late != right->late)
		return left->late < right->late ? -1 : 1;
	if (left->hash != right->hash)
		return left->hash < right->hash ? -1 : 1;
	return left->bucket < right->bucket ? -1 : left->bucket > right->bucket;
}

void rank_buckets(uint32_t buckets, uint64_t salt, const uint64_t *cohort, uint16_t *order)
{
	static struct ranked ranked[BATON_MAX_BUCKETS];

	for (uint32_t b = 0; b < buckets; b++)
		ranked[b] = (struct ranked){
			.hash = hash_mix64(hash_mix64(b ^ salt) + salt), .bucket = (uint16_t)b,
			.late = !cohort || !buckets_has(cohort, b),
		};
	qsort(ranked, buckets, sizeof(ranked[0]), by_rank);
	for (uint32_t i = 0; i < buckets; i++)
		order[i] = ranked[i].bucket;
}

void rank_roles(uint32_t buckets, uint64_t salt, const uint64_t *cohort, uint32_t permille, uint32_t control,
		uint8_t *role)
{
	static uint16_t order[BATON_MAX_BUCKETS];
	uint32_t first = rank_count(permille, buckets), last = rank_count(control, buckets);

	if (last > buckets - first)
		last = buckets - first;
	if (BATON_SABOTAGE(rank_salted_by_weight))
		salt += permille;
	rank_buckets(buckets, salt, cohort, order);
	memset(role, RANK_STABLE, buckets);
	for (uint32_t i = 0; i < first; i++)
		role[order[i]] = RANK_CANDIDATE;
	for (uint32_t i = buckets - last; i < buckets; i++)
		role[order[i]] = RANK_CONTROL;
}
