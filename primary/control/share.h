/* Which bucket should be whose: even shares by as few moves as possible; sets of buckets as text. Pure functions. */
#ifndef BATON_PRIMARY_SHARE_H
#define BATON_PRIMARY_SHARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"

#define SHARE_NOBODY 0xffu
#define SHARE_WORDS  (BATON_MAX_BUCKETS / 64)

/* want[b]: who of `members` (bit i: worker i; at least one) is to own bucket b, given who owns it (owner[b]: below
 * BATON_MAX_WORKERS, or SHARE_NOBODY). Each member gets floor or ceil of buckets / members; the ceils go to those that
 * own most, and who owns no more than its share keeps all of it, so no other even sharing changes fewer owners. What
 * others own is shared out. Given buckets are the highest of their owner and are taken in order: ranges stay long.
 * Returns how many buckets change their owner. want may be owner. */
uint32_t share_even(const uint8_t *owner, uint32_t buckets, uint64_t members, uint8_t *want);

/* The same if members are to own quota[i] each; the quotas' sum is `buckets`. */
uint32_t share_by(const uint8_t *owner, uint32_t buckets, uint64_t members, const uint32_t *quota, uint8_t *want);
/* Quotas by which what is uneven on purpose stays so: `newcomer` (a member, or SHARE_NOBODY) is to have as many as in
 * an even sharing, the others what is left in the proportion of what they had; if that is more than they had (others
 * have left), each gets as many more. had[i]: buckets of worker i when the operation began. */
void share_keep(const uint32_t *had, uint32_t buckets, uint64_t members, uint32_t newcomer, uint32_t *quota);
/* The same when several come at once, who have nothing yet: each of them is to have as many as in an even sharing. */
void share_grow(const uint32_t *had, uint32_t buckets, uint64_t members, uint32_t *quota);

/* Reads a list of buckets and ranges, "17" or "0-255,300" or "0-1022/2" (every second), into map[buckets / 64, rounded
 * up]. Returns how many there are, or -EINVAL with one line in `why` that has the valid range. */
int64_t buckets_parse(const char *text, uint32_t buckets, uint64_t *map, char *why, size_t bytes);
/* The same the other way round, as short as ranges and steps make it; empty for none. The caller frees it; NULL: no
 * memory. */
char *buckets_format(const uint64_t *map, uint32_t buckets);

static inline bool buckets_has(const uint64_t *map, uint32_t bucket)
{
	return (map[bucket / 64] >> (bucket % 64) & 1) != 0;
}
static inline void buckets_add(uint64_t *map, uint32_t bucket)
{
	map[bucket / 64] |= 1ull << (bucket % 64);
}

#endif
