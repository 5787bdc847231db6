/* Records of one bucket as a block of bytes: what is kept beside an entry that killed its workers, so that it can be
 * run again on what it was about to see.
 *
 *	struct kept_head | its records, used and gone ones: struct snap_record and stride - 16 bytes of a record */
#ifndef BATON_SHARED_KEPT_H
#define BATON_SHARED_KEPT_H

#include <stddef.h>
#include <stdint.h>

#include "snap.h"

#define KEPT_MAGIC   0x3154504b6e746142ull
#define KEPT_VERSION 1u
/* At most, head and all. Copied by the main lcore between a roll back and the grant that waits for it. */
#define KEPT_MOST  (256u << 10)
#define KEPT_SLOTS 4096u /* of a bucket's table that are looked at */

struct kept_head {
	uint64_t magic;
	uint32_t version;
	uint32_t bucket, buckets;
	uint32_t bucket_slots, stride;
	uint32_t schema;  /* of the records */
	uint32_t to;      /* they were being converted to this one; 0: they were not */
	uint32_t records;
	uint64_t check;   /* of this head, the check 0, and the records */
};

/* Writes the bucket's records to `out`, of KEPT_MOST bytes, which is aligned to 8; the checksum is kept_seal()'s, who
 * may take his time. Nobody may own the bucket. Returns the bytes written, or -E2BIG: they are more than that, or the
 * bucket has more than KEPT_SLOTS slots; -ENODATA: its group keeps no records. */
int kept_copy(const struct state *state, uint32_t group, uint32_t bucket, uint8_t *out);

void kept_seal(uint8_t *bytes);

/* Is it such a block, whole and unchanged? Then it may be walked without further checks: slots are in order and below
 * bucket_slots, which is a power of two, as stride is. bytes: aligned to 8. Returns 0 or -EBADMSG. */
int kept_check(const uint8_t *bytes, size_t len);

static inline const struct snap_record *kept_record(const uint8_t *bytes, uint32_t i)
{
	const struct kept_head *head = (const void *)bytes;

	return (const void *)(bytes + sizeof(*head) + (size_t)i * head->stride);
}

#endif
