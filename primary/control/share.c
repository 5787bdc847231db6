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

uint32_t share_even(const uint8_t *owner, uint32_t buckets, uint64_t members, uint8_t *want)
{
	uint32_t have[BATON_MAX_WORKERS] = { 0 }, quota[BATON_MAX_WORKERS] = { 0 }, moved = 0;

	for (uint32_t b = 0; b < buckets; b++)
		if (owner[b] < BATON_MAX_WORKERS)
			have[owner[b]]++;
	set_quotas(have, buckets, members, quota);
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
