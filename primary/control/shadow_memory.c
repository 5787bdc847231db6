/* Memory of a mirror: made before the I/O lcores get it, given back when all of them have let go. */
#include <stdlib.h>
#include <string.h>

#include "shadow_parts.h"

#define LINE  64u
#define SLACK 16u /* belt_copy() reads whole steps */

/* Touched here, not by the lcore under packets. */
static void *touched(size_t bytes)
{
	void *memory = aligned_alloc(LINE, (bytes + LINE - 1) & ~(size_t)(LINE - 1));

	if (memory != NULL)
		memset(memory, 0, bytes);
	return memory;
}

static void feed_destroy(struct mirror_feed *feed)
{
	if (feed == NULL)
		return;
	free((void *)feed->lost);
	free(feed->node);
	free(feed->bytes);
	free(feed);
}

static struct mirror_feed *feed_create(uint32_t buckets)
{
	struct mirror_feed *feed = touched(sizeof(*feed));

	if (feed == NULL)
		return NULL;
	feed->lost = touched(buckets * sizeof(*feed->lost));
	feed->node = touched(FEED_NODES * sizeof(*feed->node));
	feed->bytes = touched(FEED_BYTES + SLACK);
	if (feed->lost != NULL && feed->node != NULL && feed->bytes != NULL)
		return feed;
	feed_destroy(feed);
	return NULL;
}

void mirror_destroy(struct mirror *mirror)
{
	if (mirror == NULL)
		return;
	for (uint32_t s = 0; s < SHADOW_SIDES; s++) {
		free(mirror->side[s].node);
		free(mirror->side[s].ring);
	}
	for (uint32_t l = 0; l < mirror->lcores; l++)
		feed_destroy(mirror->feed[l]);
	free((void *)mirror->fed);
	free(mirror->scratch);
	free(mirror->bucket);
	free(mirror);
}

static bool feeds_create(struct mirror *mirror)
{
	bool all = true;

	if (mirror->lcores == 1)
		return true;
	mirror->fed = touched(mirror->buckets * sizeof(*mirror->fed));
	for (uint32_t l = 0; l < mirror->lcores; l++) {
		mirror->feed[l] = feed_create(mirror->buckets);
		all = all && mirror->feed[l] != NULL;
	}
	return all && mirror->fed != NULL;
}

struct mirror *mirror_create(uint32_t service, uint32_t group, uint32_t buckets, uint32_t lcores, const uint64_t *map,
			     bool digest)
{
	struct mirror *mirror = touched(sizeof(*mirror));

	if (mirror == NULL)
		return NULL;
	mirror->service = service;
	mirror->group = group;
	mirror->buckets = buckets;
	mirror->lcores = lcores;
	mirror->digest = digest;
	mirror->bucket = touched(buckets * sizeof(*mirror->bucket));
	mirror->scratch = touched(MIRROR_TICK_BYTES);
	bool all = mirror->bucket != NULL && mirror->scratch != NULL;
	for (uint32_t s = 0; s < SHADOW_SIDES; s++) {
		mirror->side[s].slot = SLOT_NONE;
		mirror->side[s].node = touched(BELT_SLOTS * sizeof(struct mirror_node));
		mirror->side[s].ring = touched(MIRROR_RING);
		all = all && mirror->side[s].node != NULL && mirror->side[s].ring != NULL;
	}
	if (!feeds_create(mirror) || !all) {
		mirror_destroy(mirror);
		return NULL;
	}
	for (uint32_t b = 0; b < buckets; b++)
		mirror->bucket[b].wanted = map[b / 64] >> (b % 64) & 1u;
	return mirror;
}

uint64_t mirror_fed_dropped(const struct mirror *mirror)
{
	uint64_t dropped = 0;

	for (uint32_t l = 0; l < mirror->lcores; l++)
		if (mirror->feed[l] != NULL)
			dropped += *(const volatile uint64_t *)&mirror->feed[l]->dropped;
	return dropped;
}
