/* Lanes of residence: handed out by the main lcore, taken over by the I/O lcores, read by monitors. */
#include "residence.h"

#include <stdio.h>
#include <string.h>

#define LANE_TRIES 1000u

static bool lane_in_use(const struct stats_header *h, uint32_t lane, uint32_t but)
{
	for (uint32_t slot = 0; slot < h->slots; slot++)
		if (slot != but && h->slot_lane[slot] == lane + 1)
			return true;
	return false;
}

/* The version's own, or the one that may be given to it. There is always one: there are more lanes than slots. */
static uint32_t lane_for(const struct stats *stats, uint32_t slot, const char *group, const char *version)
{
	const struct stats_header *h = stats->header;
	uint32_t oldest = stats->lanes;

	for (uint32_t lane = 0; lane < stats->lanes; lane++) {
		const struct stats_version *v = &h->versions[lane];

		if (v->id != 0 && strcmp(v->group, group) == 0 && strcmp(v->version, version) == 0)
			return lane;
		if (!lane_in_use(h, lane, slot) && (oldest == stats->lanes || v->taken < h->versions[oldest].taken))
			oldest = lane;
	}
	return oldest;
}

void residence_take(struct stats *stats, uint32_t slot, const char *group, const char *version)
{
	struct stats_header *h = stats->header;
	uint64_t taken = 0;
	uint32_t ids = 0;

	for (uint32_t lane = 0; lane < stats->lanes; lane++) {
		taken = h->versions[lane].taken > taken ? h->versions[lane].taken : taken;
		ids = h->versions[lane].id > ids ? h->versions[lane].id : ids;
	}
	struct stats_version entry = { .taken = taken + 1 };
	snprintf(entry.group, sizeof(entry.group), "%s", group);
	snprintf(entry.version, sizeof(entry.version), "%s", version);
	uint32_t lane = lane_for(stats, slot, entry.group, entry.version);
	const struct stats_version *old = &h->versions[lane];
	bool same = old->id != 0 && strcmp(old->group, entry.group) == 0 && strcmp(old->version, entry.version) == 0;
	entry.id = same ? old->id : ids + 1;
	stats_version_write(stats, lane, &entry);
	h->slot_lane[slot] = lane + 1; /* before the order to attach, behind which the I/O lcores read it */
}

uint64_t *residence_open(const struct stats *stats, uint32_t lcore, uint32_t slot)
{
	uint32_t taken = stats->header->slot_lane[slot], lane = taken != 0 ? taken - 1 : 0;
	uint32_t id = stats->header->versions[lane].id;
	_Atomic uint32_t *mark = &stats_io(stats, lcore)->lane_id[lane];
	struct stats_lane *l = stats_lane(stats, lcore, lane);

	if (atomic_load_explicit(mark, memory_order_relaxed) == id)
		return l->count;
	atomic_store_explicit(mark, 0, memory_order_relaxed);
	atomic_thread_fence(memory_order_release); /* nobody's before the first word of base changes */
	if (!BATON_SABOTAGE(residence_inherited))
		memcpy(l->base, l->count, sizeof(l->base));
	/* release: pairs with the acquire in residence_add() */
	atomic_store_explicit(mark, id, memory_order_release);
	return l->count;
}

/* Word by word: a counter is read once and whole. */
static void copy(uint64_t *to, const uint64_t *from)
{
	for (uint32_t i = 0; i < STATS_HIST_BUCKETS; i++)
		to[i] = ((const volatile uint64_t *)from)[i];
}

void residence_add(uint64_t version[STATS_HIST_BUCKETS], uint64_t all[STATS_HIST_BUCKETS], const struct stats *stats,
		   uint32_t lcore, uint32_t lane, uint32_t id)
{
	const _Atomic uint32_t *mark = &stats_io(stats, lcore)->lane_id[lane];
	const struct stats_lane *l = stats_lane(stats, lcore, lane);
	uint64_t count[STATS_HIST_BUCKETS], base[STATS_HIST_BUCKETS];
	bool own = false;

	for (uint32_t tries = 0; tries < LANE_TRIES; tries++) {
		/* acquire: pairs with the release in residence_open() */
		uint32_t before = atomic_load_explicit(mark, memory_order_acquire);
		copy(base, l->base);
		copy(count, l->count);
		atomic_thread_fence(memory_order_acquire); /* both are read before the mark is read again */
		uint32_t after = atomic_load_explicit(mark, memory_order_relaxed);
		own = id != 0 && before == id && after == id;
		if (own || after != id)
			break; /* it is still, or already, another version's */
	}
	for (uint32_t i = 0; i < STATS_HIST_BUCKETS; i++) {
		all[i] += count[i];
		version[i] += own ? count[i] - base[i] : 0;
	}
}

void residence_add_all(uint64_t to[STATS_HIST_BUCKETS], const struct stats *stats, uint32_t lcore)
{
	uint64_t count[STATS_HIST_BUCKETS];

	for (uint32_t lane = 0; lane < stats->lanes; lane++) {
		copy(count, stats_lane(stats, lcore, lane)->count);
		for (uint32_t i = 0; i < STATS_HIST_BUCKETS; i++)
			to[i] += count[i];
	}
}
