/* Even shares; see share.h. */
#include "share.h"

#include <string.h>

/* quota[i]: what member i is to own. The one bucket more that some get goes to those that have most: it stays there. */
static void set_quotas(const uint32_t *have, uint32_t buckets, uint64_t members, uint32_t *quota)
{
	uint32_t count = (uint32_t)__builtin_popcountll(members), extra = buckets % count;
	uint64_t left = members;

	for (uint64_t m = members; m != 0; m &= m - 1)
		quota[__builtin_ctzll(m)] = buckets / count;
	for (; extra > 0; extra--) {
		uint32_t most = (uint32_t)__builtin_ctzll(left);

		for (uint64_t m = left; m != 0; m &= m - 1)
			if (have[__builtin_ctzll(m)] > have[most])
				most = (uint32_t)__builtin_ctzll(m);
		quota[most]++;
		left &= ~(1ull << most);
	}
}

static void count_owned(const uint8_t *owner, uint32_t buckets, uint32_t *have)
{
	for (uint32_t b = 0; b < buckets; b++)
		if (owner[b] < BATON_MAX_WORKERS)
			have[owner[b]]++;
}

uint32_t share_even(const uint8_t *owner, uint32_t buckets, uint64_t members, uint8_t *want)
{
	uint32_t have[BATON_MAX_WORKERS] = { 0 }, quota[BATON_MAX_WORKERS] = { 0 };

	count_owned(owner, buckets, have);
	set_quotas(have, buckets, members, quota);
	return share_by(owner, buckets, members, quota, want);
}

static void keep(const uint32_t *had, uint32_t buckets, uint64_t members, uint64_t newcomers, uint32_t *quota)
{
	uint32_t count = (uint32_t)__builtin_popcountll(members), sum = 0, left = buckets, i;
	uint64_t others = members & ~newcomers;

	memset(quota, 0, BATON_MAX_WORKERS * sizeof(*quota));
	for (uint64_t m = newcomers; m != 0; m &= m - 1)
		left -= quota[__builtin_ctzll(m)] = others ? buckets / count : buckets;
	for (uint64_t m = others; m != 0; m &= m - 1)
		sum += had[__builtin_ctzll(m)];
	uint32_t rest = left;
	for (uint64_t m = others; m != 0; m &= m - 1) {
		i = (uint32_t)__builtin_ctzll(m);
		quota[i] = sum <= left ? had[i] : (uint32_t)((uint64_t)had[i] * left / sum);
		rest -= quota[i];
	}
	/* Of those that have left, or what rounding has left. */
	count = (uint32_t)__builtin_popcountll(others);
	for (uint64_t m = others; m != 0; m &= m - 1, count--) {
		uint32_t more = (rest + count - 1) / count;

		quota[__builtin_ctzll(m)] += more;
		rest -= more;
	}
}

void share_keep(const uint32_t *had, uint32_t buckets, uint64_t members, uint32_t newcomer, uint32_t *quota)
{
	keep(had, buckets, members, newcomer == SHARE_NOBODY ? 0 : 1ull << newcomer, quota);
}

void share_grow(const uint32_t *had, uint32_t buckets, uint64_t members, uint32_t *quota)
{
	uint64_t newcomers = 0;

	for (uint64_t m = members; m != 0; m &= m - 1)
		if (had[__builtin_ctzll(m)] == 0)
			newcomers |= m & -m;
	keep(had, buckets, members, newcomers == members ? 0 : newcomers, quota);
}

uint32_t share_by(const uint8_t *owner, uint32_t buckets, uint64_t members, const uint32_t *quota, uint8_t *want)
{
	uint32_t have[BATON_MAX_WORKERS] = { 0 }, moved = 0;

	count_owned(owner, buckets, have);
	for (uint32_t b = buckets; b-- > 0;) { /* from the end: the highest are given */
		uint8_t who = owner[b];
		bool keeps = who < BATON_MAX_WORKERS && have[who] <= quota[who];

		want[b] = keeps ? who : SHARE_NOBODY;
		if (keeps || who >= BATON_MAX_WORKERS)
			continue;
		have[who]--;
	}
	for (uint32_t b = 0; b < buckets; b++) {
		if (want[b] != SHARE_NOBODY)
			continue;
		for (uint64_t m = members; m != 0 && want[b] == SHARE_NOBODY; m &= m - 1) {
			uint32_t who = (uint32_t)__builtin_ctzll(m);

			if (have[who] >= quota[who])
				continue;
			have[who]++;
			want[b] = (uint8_t)who;
		}
		moved++;
	}
	return moved;
}
