/* Held buckets over a start of the primary: the file that names them, and the slot of nobody that they get at a start.
 *
 * /var/lib/baton/NAME/held.json is written whole whenever a bucket is held, tried or served again. What it says counts at
 * the next start if the state file is the same, the bucket's records are of the schema that they were of then, and the
 * version that is started still cannot have them. Main lcore only. */
#ifndef BATON_PRIMARY_HELD_STORE_H
#define BATON_PRIMARY_HELD_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "held.h"

struct primary;

/* Where the file is; the part that goes before the state file. Returns 0 or -ENOMEM. */
int held_store_init(struct primary *primary);
void held_store_fini(struct primary *primary);

/* Reads the file; the state file is open, and plugins have been asked. What does not count any more is left out, with a
 * line in the log. */
void held_load(struct primary *primary);
/* The version that is about to be started need not take this bucket. */
bool held_was(const struct primary *primary, uint32_t group, uint32_t bucket);
/* The version can have the bucket's records as they stand in the state file. */
bool held_readable(const struct primary *primary, uint32_t group, uint32_t bucket);
/* Writes sup->held. Without effect if there is no held_store_init(), as in tests of other parts. */
void held_save(struct supervisor *sup);

/* ---- held_place.c ---- */

/* The supervisor takes over what has been read. */
void held_take(struct supervisor *sup);
/* Every turn: the buckets that were read become orphans of a slot, one a service, where they wait as any other held one. */
void held_place_poll(struct supervisor *sup);
/* Buckets of the group are still to be put there: nobody is given those without an owner before. */
bool held_unplaced(const struct supervisor *sup, uint32_t group);

#endif
