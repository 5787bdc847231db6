/* A worker's part in a shadow: copies of buckets that it makes for others, the copies that it works on if it is a shadow
 * itself, and what its plugin's digest() says of two replies. */
#ifndef BATON_RUNTIME_SHADOW_H
#define BATON_RUNTIME_SHADOW_H

#include <stdbool.h>
#include <stdint.h>

#include "baton.h"
#include "shadow_region.h"
#include "txn.h"

/* The group's part of the shadow region, as far as this worker has it mapped: a shadow its own side, others both. */
struct shadow_map {
	struct {
		struct bucket_word *words; /* NULL: not mapped */
		uint8_t *records;
	} side[SHADOW_SIDES];
};

/* First acts, before anything is confined: maps what stands in descriptor `fd`. shadow: of struct zygote_spawn. Returns 0,
 * or -errno with nothing mapped; a worker that is no shadow does without then, and copies nothing. */
int shadow_attach(struct shadow_map *map, int fd, const struct state_header *header, uint32_t group, uint32_t shadow);

/* Makes this worker a shadow: from here on txn works on the copies of that side, with an undo journal that nobody else
 * sees. After txn_bind(). */
void shadow_bind(struct txn *txn, const struct shadow_map *map, uint32_t side);

/* Copies one bucket, as the entries before left it, to the sides of the bits. Between two entries only. Returns false if one
 * of them is not mapped. */
bool shadow_copy(const struct shadow_map *map, const struct txn *txn, uint32_t bucket, uint32_t sides);

/* What a plugin that is asked for the fields of a reply writes to. */
#define DIGEST_FIELDS 32u
struct baton_digest {
	uint32_t count;
	bool full; /* there were more: what is not there cannot be called equal */
	struct digest_field {
		char name[COMPARE_NAME];
		uint64_t value;
		bool real, matched;
	} field[DIGEST_FIELDS];
};

/* Fields by name: what two replies differ in. */
void digest_compare(struct baton_digest *production, struct baton_digest *shadow, struct belt_compared *out);
/* Answers the entry at `data`: see struct belt_compare. */
void digest_answer(const struct baton_plugin *plugin, uint8_t *data);

#endif
