/* May a group's records go from one version to another, and back? Asked before anything moves: by a rollout, a restart,
 * a reload, a fall back, the start of the primary. */
#ifndef BATON_PRIMARY_SCHEMA_CHECK_H
#define BATON_PRIMARY_SCHEMA_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "primary.h"
#include "state.h"
#include "zygote.h"

enum schema_way {
	SCHEMA_SAME,      /* records stay as they are */
	SCHEMA_BOTH_WAYS, /* migrated, and back by the newer version's down-conversion */
	SCHEMA_ONE_WAY,   /* migrated; no way back but a restored snapshot */
	SCHEMA_REFUSED    /* it can neither read nor migrate them, or differs in what no migration changes */
};

/* From what `stable` keeps to what `candidate` reads, by what the two files say alone. `why`: one line for BOTH_WAYS,
 * ONE_WAY and REFUSED, empty for SAME. */
enum schema_way schema_check(const struct plugin_info *stable, const struct plugin_info *candidate, char *why,
			     size_t bytes);

/* The same, and: the records must fit the state file, and `candidate` must be able to take every bucket in the schema
 * it has now, whichever version wrote it. This is the one to ask before buckets of `group` move. */
enum schema_way schema_check_group(const struct primary *primary, uint32_t group, const struct plugin_info *candidate,
				   char *why, size_t bytes);

/* "same", "both ways", "one way", "refused". */
const char *schema_way_name(enum schema_way way);

/* True if a version with these facts reads a bucket of `schema`, or migrates it when it gets it. */
bool schema_takes(const struct plugin_info *info, uint32_t schema);
/* True if it converts a bucket that has `from` to `to`, which another version can take then. */
bool schema_converts(const struct plugin_info *info, uint32_t from, uint32_t to);

/* What a started worker says of itself, as facts. */
void schema_info(const struct worker_ready *ready, struct plugin_info *info);

#endif
