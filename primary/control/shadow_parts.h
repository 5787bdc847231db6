/* What the two files of the shadow share. */
#ifndef BATON_PRIMARY_SHADOW_PARTS_H
#define BATON_PRIMARY_SHADOW_PARTS_H

#include "mirror.h"
#include "shadow.h"
#include "supervisor.h"

#define SHADOW_FIELDS 64u /* names that are counted; what comes after them is "other" */

enum shadow_phase {
	SHADOW_IDLE = 0,
	SHADOW_PREPARING, /* the region is given pages for the buckets, some each turn */
	SHADOW_ON,
	SHADOW_ENDING     /* the I/O lcore lets go; the shadow workers leave */
};

struct shadow_field {
	char name[COMPARE_NAME];
	uint64_t differed[SHADOW_SIDES];
};

/* Of one group. Main lcore only. */
struct shadow {
	enum shadow_phase phase;
	uint32_t service;
	uint64_t map[BATON_MAX_BUCKETS / 64];
	uint32_t prepared; /* buckets below have their pages */
	char worker[SHADOW_SIDES][BATON_NAME_BYTES]; /* by name: indices change; empty: none */
	uint32_t incarnation[SHADOW_SIDES], slot[SHADOW_SIDES]; /* that has been told to the I/O lcore; SLOT_NONE: none */
	struct mirror *mirror; /* ours; the I/O lcore works in it while the phase is ON, or ENDING and not released */
	struct mirror_counts counts[SHADOW_SIDES]; /* of a mirror that is gone */
	uint64_t fed_dropped, left_out;            /* likewise */
	int failed; /* it has ended by itself: -errno of what it could not have */
	/* when something was compared last, or nothing was to compare; what there was then */
	uint64_t looked_ns, compared_ns, compared;
	uint32_t entries; /* that production has settled of its buckets, modulo 2^32 */
	bool still;
	uint32_t fields;
	struct shadow_field field[SHADOW_FIELDS + 1]; /* the last: "other" */
	uint64_t samples; /* ever; the newest SHADOW_SAMPLES are kept */
	struct mirror_sample sample[SHADOW_SAMPLES];
};

/* map: of the buckets that are shadowed. NULL: no memory. */
struct mirror *mirror_create(uint32_t service, uint32_t group, uint32_t buckets, uint32_t lcores, const uint64_t *map,
			     bool digest);
void mirror_destroy(struct mirror *mirror);
/* Entries that an I/O lcore had no room for on their way to the one that mirrors: dropped for all sides. */
uint64_t mirror_fed_dropped(const struct mirror *mirror);

/* Takes what the I/O lcore has to tell: kept, and counted by field. */
void shadow_take_samples(struct shadow *shadow);

#endif
