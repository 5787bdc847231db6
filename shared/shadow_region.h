/* The shadow region: for every group two copies of bucket words and records, one a side. A memfd of the primary's, as long
 * as all of them would be and empty: the primary gives it pages for the buckets that are shadowed, and takes them away again.
 *
 *   group 0: side 0: words | records | side 1: words | records | group 1: ...      every part begins on a huge page
 *
 * The words and records of a bucket are written by the worker that owns the bucket, when it runs a BELT_SNAPSHOT entry, and
 * by the side's shadow worker from the next mirrored entry of the bucket on: never by both, for the I/O lcore posts the one
 * when the other's last entry is settled. Nobody reads them but these two; no commit word, no journal: whatever happens, the
 * next snapshot writes all of it. */
#ifndef BATON_SHARED_SHADOW_REGION_H
#define BATON_SHARED_SHADOW_REGION_H

#include "state.h"
#include "tick.h"

#define SHADOW_SIDES 2u /* 0: the candidate's, 1: the control's */

/* Bytes of the whole file. */
uint64_t shadow_region_bytes(const struct state_header *header);
/* Where the words of `group` on `side` are; records stand behind them, at the returned *records_at. bytes: of both. */
uint64_t shadow_region_at(const struct state_header *header, uint32_t group, uint32_t side, uint64_t *records_at,
			  uint64_t *bytes);

/* Payload of BELT_SNAPSHOT. w: I/O lcore  r: the worker that owns the bucket */
struct belt_snapshot {
	uint32_t bucket;
	uint32_t sides; /* bit per side: copied to these */
	uint32_t pad[2];
};
/* Verdict word: it has been copied; any other: it has not. */
#define SNAPSHOT_COPIED 0x20000u

/* Payload of BELT_SHADOW_TICK: the tick as production was posted it (`tell` apart), and for whom it has been run: bit i of
 * the first tick_map_bytes() of `map` names bucket tick.group + i * tick.groups. If `tell` is set a byte for each bucket of
 * the group follows: messages that production had posted in this entry before it came to the bucket, which shortens what
 * the bucket may post (ctx->posts). w: I/O lcore  r: shadow worker. Verdict as of BELT_TICK; behind: a bucket is not what it
 * is in production. */
struct belt_shadow_tick {
	struct belt_tick tick;
	uint64_t from; /* of struct belt_tick_told */
	uint8_t map[BATON_MAX_BUCKETS / TICK_GROUPS / 8 * 9];
};
static_assert(sizeof(struct belt_shadow_tick) <= BELT_CELL_BYTES, "fits its cell");

/* Payload of BELT_COMPARE: two replies to the same request, byte by byte behind each other. w: I/O lcore
 * r: shadow worker, which writes a struct belt_compared over it. */
struct belt_compare {
	uint16_t production, shadow; /* bytes of each */
	uint8_t bytes[];
};
#define COMPARE_LEAST (BELT_MEDIUM_BYTES + 1u) /* its length at least: it then has a long cell, and the answer fits */

#define COMPARE_FIELDS 16u /* that are listed */
#define COMPARE_NAME   24u
/* A field in which the two differ. Of one that only one of them has, the other's is absent. */
struct belt_field {
	char name[COMPARE_NAME];
	uint64_t production, shadow; /* int64_t, or the bits of a double */
	uint8_t real;
	uint8_t absent; /* 1: production's, 2: the shadow's */
	uint8_t pad[6];
};
struct belt_compared {
	uint32_t differ; /* fields; COMPARE_IMPOSSIBLE: the plugin has no digest(), or one of more than 32 */
	uint32_t listed;
	struct belt_field field[COMPARE_FIELDS];
};
#define COMPARE_IMPOSSIBLE UINT32_MAX
static_assert(sizeof(struct belt_compared) <= BELT_CELL_BYTES && sizeof(struct belt_field) == 48, "fits its cell");

#endif
