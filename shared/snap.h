/* Snapshots of a state file: taken under traffic, bucket by bucket; put back bucket by bucket by the primary, while nobody
 * owns the bucket.
 *
 *	file:    struct snap_head | group of the first | its buckets | next group | its buckets | ... | end
 *	bucket:  struct snap_bucket | records of it: struct snap_record and the bytes of a record, stride - 16
 *
 * A bucket is what it was between two entries, both of them settled; other buckets may be of an earlier or later moment.
 * Ticks are no part of it: a bucket that is put back goes on with the number that it is at. */
#ifndef BATON_SHARED_SNAP_H
#define BATON_SHARED_SNAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "state.h"

#define SNAP_MAGIC   0x31504e536e746142ull
#define SNAP_VERSION 1u

struct snap_head {
	uint64_t magic;
	uint32_t version;
	uint32_t groups;
	uint64_t salt;    /* players are in the same buckets only under the same */
	uint64_t time_ns; /* since 1970 */
	uint64_t check;   /* of the bytes before it */
};
struct snap_bucket {
	uint32_t group;   /* as its struct state_group stands in the file, counted from 0 */
	uint32_t bucket;
	uint32_t schema;
	uint32_t records; /* used and gone ones */
	uint64_t check;   /* of this head, the check 0, and the records */
};
struct snap_record {
	uint64_t key;
	uint32_t slot;
	uint32_t state;
};

/* What was written. */
struct snap_report {
	uint64_t buckets, records, bytes, tries; /* tries: copies that an entry had run into, and were taken again */
};

/* Takes a snapshot of all groups, or of the one of that name, of a state file that is in use; `path` must not be there.
 * It gets its name when it is whole, where the file system can do that (O_TMPFILE): who is killed leaves nothing. Waits for workers now and then, microseconds; they never wait. Returns 0 or -errno with one line in `why`. */
int snap_write(const struct state *state, const char *path, const char *group, struct snap_report *report,
		   char *why, size_t bytes);

/* An open snapshot: a copy in memory, for the file may be cut off or written to by anybody at any time. */
struct snap {
	const uint8_t *base;
	uint64_t bytes;
	const struct snap_head *head;
	uint64_t group_at[BATON_MAX_GROUPS];   /* where its struct state_group stands */
	uint64_t *bucket_at[BATON_MAX_GROUPS]; /* and each bucket of it; NULL: it has none */
};
/* Checks all of it. Returns 0, -EBADMSG (cut off or changed; none of ours) or -errno, with one line in `why`. */
int snap_open(struct snap *s, const char *path, char *why, size_t bytes);
void snap_close(struct snap *s);
/* Layout of the group of that name; NULL: it has none. */
const struct state_group *snap_group(const struct snap *s, const char *name, uint32_t *index);
/* Does its layout, and the salt, fit the state file's group? Returns 0 or -EINVAL with one line in `why`. */
int snap_fits(const struct snap *s, const struct state *state, uint32_t group, char *why, size_t bytes);
/* The bucket, or NULL if there is none. */
const struct snap_bucket *snap_find(const struct snap *s, uint32_t index, uint32_t bucket);

/* Of what stands in memory; to be compared with what the file says. */
uint64_t snap_check_bucket(const struct snap_bucket *head, uint32_t stride);
/* The checksum of all of these, going on from `sum`; 0 to begin with. */
uint64_t snap_sum(uint64_t sum, const void *data, size_t len);
uint64_t snap_check_head(const struct snap_head *head);

/* Primary, while nobody owns the bucket: its records and schema become those of the snapshot. All of it or nothing, also
 * if the primary ends in the middle. Returns 0 or -E2BIG (more than STATE_RESTORE_BYTES of it differ). */
int snap_restore(const struct state *state, uint32_t group, const struct snap_bucket *from);
/* At start: what a restore had begun is undone. True if there was one. */
bool state_restore_undo(const struct state *state);

#endif
