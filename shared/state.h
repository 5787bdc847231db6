/* The state file: what outlives workers and the primary. Records, per-bucket words and one control block per worker
 * slot, in a hugetlbfs file (tmpfs with a warning). Every region starts on a huge page, so that a worker can keep only
 * its own control block and its group's regions mapped.
 *
 *   header | control block 0 .. slots-1 | group 0: bucket words, records | group 1: ...
 */
#ifndef BATON_SHARED_STATE_H
#define BATON_SHARED_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "belt.h"
#include "crash_note.h"
#include "journal.h"

#define STATE_MAGIC 0x313065746174534eull
/* Raised when what stands in the file changes: its header and regions, control blocks with their commit words and journal,
 * bucket words, the runtime's header of a record. Players outlive every other change. (3: as BATON_ABI was when the two
 * were one; its bucket words had no schema, and it is upgraded where it is. 4: schemas, struct state_restore.) */
#define STATE_ABI 4u
#define STATE_ABI_UPGRADED 3u

/* One per worker slot; a huge page of its own. */
struct control_block {
	/* w: primary, while the slot has no worker  r: primary, worker */
	uint64_t magic;
	uint32_t slot;
	uint32_t belts;       /* commit words in use */
	uint32_t group;       /* group of the last worker that ran here: whose records the journal names */
	uint32_t incarnation; /* counts the workers that ran in this slot, ever */
	uint8_t pad[40];
	/* w: worker; primary after the fence  r: primary */
	struct belt_commit commit[BATON_MAX_IO_LCORES];
	struct journal journal;
	/* behind everything that recovery needs, so that its place is nobody's but its own: a file of before has zeroes here */
	struct crash_note crash;
	/* 1 + the bucket whose records it is converting for the primary; 0: none. A hint: its worker can write here what it
	 * likes. w: worker, before the bucket's first store and behind its last; primary (cleared), while the slot has no
	 * worker  r: primary after the fence */
	_Atomic uint32_t converting;
};
static_assert(sizeof(struct control_block) <= BATON_HUGE_PAGE - 4096, "one huge page, the last 4 KiB of which are point.h's");
#define STATE_CONTROL_MAGIC 0x314b4c42436e7442ull

/* Per bucket and group. w: the bucket's owner; primary after the fence  r: primary, monitor */
struct bucket_word {
	uint64_t last_tick;
	uint16_t schema; /* of the bucket's records; 0: the group's (state_group.schema) */
	uint16_t to;     /* they are being converted to this one; 0: they are not */
	uint32_t at;     /* slots of the table that have been, from the first on */
};
static_assert(sizeof(struct bucket_word) == 16, "an undo record of a word stays within one");
/* schema, to and at, in one: so they are stored and loaded whole. */
typedef uint64_t __attribute__((may_alias)) bucket_word_half;
static inline struct bucket_word bucket_word_load(const struct bucket_word *word)
{
	struct bucket_word copy = {.last_tick = *(const volatile uint64_t *)&word->last_tick};

	*(bucket_word_half *)(void *)&copy.schema =
	    *(const volatile bucket_word_half *)(const volatile void *)&word->schema;
	return copy;
}
/* As bucket_word_store() makes it. One that is not being converted is its schema alone. */
static inline uint64_t bucket_word_half_load(const struct bucket_word *word)
{
	return *(const volatile bucket_word_half *)(const volatile void *)&word->schema;
}
static inline void bucket_word_store(struct bucket_word *word, uint32_t schema, uint32_t to, uint32_t at)
{
	*(volatile bucket_word_half *)(volatile void *)&word->schema =
	    (uint64_t)at << 32 | (uint64_t)to << 16 | schema;
}

/* What the file is laid out for; a file with another layout is refused, never skipped (protocol.md R3). */
struct state_group {
	char name[BATON_NAME_BYTES];
	uint32_t buckets;
	uint32_t bucket_slots; /* records per bucket, a power of two */
	uint32_t record_size;
	uint32_t stride;
	uint32_t schema; /* of the buckets whose word names none: what the file was made for */
	uint32_t newest; /* the highest that a worker of the group has had. w: primary, before that one owns anything */
	uint64_t words_at;   /* file offsets, multiples of BATON_HUGE_PAGE */
	uint64_t records_at;
	uint64_t records_bytes;
};

#define STATE_RESTORE_BYTES (1u << 20)

/* w: primary at creation, but for the end  r: all */
struct state_header {
	uint64_t magic;
	uint32_t abi;
	uint32_t slots;
	uint32_t belts;
	uint32_t groups;
	uint64_t bytes;       /* of the whole file */
	uint64_t layout_hash; /* FNV-1a over slots, belts and the groups' geometry */
	uint64_t salt;        /* secret of the payload hash: the buckets of players must not change with a restart */
	struct state_group group[BATON_MAX_GROUPS];
	/* w: I/O lcore 0, before it posts the number  r: the next primary */
	_Atomic uint64_t tick_posted[BATON_MAX_GROUPS];
	/* w: main lcore, while the slot has no worker  r: primary. The control block says it, too, but its worker can write
	 * there. 0: by no primary that knows these words; then the control block's count. */
	struct state_slot {
		uint32_t group_and_one; /* group of the last worker that ran in the slot, plus 1 */
		uint32_t incarnation;
	} slot[BATON_MAX_WORKERS];
	/* A bucket that the main lcore is changing, by a restore: what it was, until it is whole again. w: main lcore, while
	 * nobody owns the bucket  r: the next primary, which undoes it */
	struct state_restore {
		_Atomic uint32_t used; /* bytes of undo records that count; 0: none is under way */
		uint32_t group, bucket;
		uint32_t pad;
		uint8_t undo[STATE_RESTORE_BYTES];
	} restore;
};
static_assert(sizeof(struct state_header) <= BATON_HUGE_PAGE - 4096, "one huge page, as above");

struct state {
	int fd;
	uint8_t *base; /* whole file, shared */
	struct state_header *header;
};

#define STATE_MAX_RECORD 65520u /* plugin's bytes of a record: with its header at most 64 KiB */

/* Fills in the geometry of one group: stride (power of two >= 64 that holds the record and its header), bucket_slots
 * (power of two, at least 16, at least 4 times records / buckets). buckets is a power of two. record_size 0: the group
 * keeps no records. Returns 0; -EINVAL: buckets, or a name too long or empty; -ERANGE: record_size or records. */
int state_group_init(struct state_group *group, const char *name, uint32_t buckets, uint32_t record_size,
		     uint64_t records, uint32_t schema);

/* Bytes of a file for these groups, slots and belts; also fills in the groups' offsets. */
uint64_t state_layout(struct state_group *groups, uint32_t count, uint32_t slots);

/* FNV-1a over what a file is laid out for: state_header.layout_hash. */
uint64_t state_layout_hash(uint32_t slots, uint32_t belts, const struct state_group *groups, uint32_t count);

/* Primary: opens `path`, takes flock before anything is read (waits at most timeout_ms for workers of a dead primary to
 * leave), creates it if absent, validates it otherwise, and maps it. *fresh tells which. fresh_salt: for creation.
 * The caller then rolls every slot back (R3). Each failure leaves one line in the log that says what to do.
 * Returns 0; -EWOULDBLOCK another primary lives; -ESTALE made by another ABI or for another layout or schema (the
 * message says what differs); -EPROTO not a state file; -ENOSPC not enough huge pages; -EINVAL a hugetlbfs with pages
 * of another size than 2 MiB; else -errno of open, flock, ftruncate or mmap. */
int state_open(struct state *state, const char *path, struct state_group *groups, uint32_t count, uint32_t slots,
	       uint32_t belts, uint64_t fresh_salt, uint32_t timeout_ms, bool *fresh);

/* Worker, zygote, monitor: maps an open file (read-only if writable is false). Takes over fd on success.
 * Returns 0, -EPROTO (not a state file of this ABI) or -errno. */
int state_attach(struct state *state, int fd, bool writable);
/* Unmaps and closes. The file's lock ends with its last holder: a worker that inherited the descriptor is one. */
void state_close(struct state *state);

struct control_block *state_control(const struct state *state, uint32_t slot);
/* Primary, while the slot has no worker and its journal is empty: the next one is of that group. Returns its number. */
uint32_t state_slot_begin(const struct state *state, uint32_t slot, uint32_t group);
/* Group whose records the slot's journal may name: what the primary has noted. */
uint32_t state_slot_group(const struct state *state, uint32_t slot);
/* Primary, after the fence: the words of the control block that are its own say what they must, whatever the worker has
 * made of them. */
void state_control_mend(const struct state *state, uint32_t slot);
struct bucket_word *state_words(const struct state *state, uint32_t group);
/* Bytes of a record that there is room for, whatever the schema. */
static inline uint32_t state_room(const struct state_group *group)
{
	return group->record_size == 0 ? 0 : group->stride - (uint32_t)sizeof(struct baton_record);
}
/* Schema of a bucket's records; of one that is being converted, the one it had. */
static inline uint32_t state_schema(const struct state *state, uint32_t group, uint32_t bucket)
{
	uint32_t schema = ((const volatile struct bucket_word *)state_words(state, group))[bucket].schema;

	return schema != 0 ? schema : state->header->group[group].schema;
}
uint8_t *state_records(const struct state *state, uint32_t group);

/* Primary, after the fence of a slot's worker or at start for every slot: undo, used = 0 (R3). Afterwards the caller
 * stores done where it must (R4). Same errors as journal_roll_back(). */
int state_roll_back(const struct state *state, uint32_t slot, struct journal_report *report);

/* Primary, at start and after the roll back: the highest last_tick of the group, from which its numbers go on. A word
 * above the highest number any primary posted was written by no tick: it is set back to that, with a warning. */
uint64_t state_last_tick(const struct state *state, uint32_t group);

/* Points ctx at the records of `group` and at the slot's journal: worker at start, tests. ctx.user stays as it is. */
void state_bind(const struct state *state, uint32_t slot, uint32_t group, struct baton_ctx *ctx);

/* Reader in any process: copies the plugin's bytes of a record, at most `size`, if they are whole; bounded tries, never
 * waits. What it sees may not be settled yet. Returns 0, -ENOENT, or -EAGAIN when a transaction kept changing it (or
 * its worker died in one and is not rolled back yet). */
int state_read_record(const struct state *state, uint32_t group, uint32_t bucket, uint64_t key, void *out,
		      uint32_t size);

#endif
