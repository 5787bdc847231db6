/* Snapshots read, checked, and put back. */
#define _GNU_SOURCE
#include "snap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "refuse.h"

/* ---- reading ---- */

#define READ_STEP (1u << 20)

/* What has been read of the file. */
struct source {
	int fd;
	uint64_t have;
};

/* The first `upto` bytes are there. False: the file ends before, or cannot be read. No more is read than is looked at,
 * whatever size the file says it has. */
static bool read_upto(struct snap *s, struct source *f, uint64_t upto)
{
	while (upto <= s->bytes && f->have < upto) {
		uint64_t left = s->bytes - f->have;
		ssize_t n = pread(f->fd, (uint8_t *)(uintptr_t)s->base + f->have, left < READ_STEP ? left : READ_STEP,
				  (off_t)f->have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		f->have += (uint64_t)n;
	}
	return upto <= s->bytes;
}

static uint64_t bucket_bytes(const struct snap_bucket *b, const struct state_group *g)
{
	return sizeof(*b) + (uint64_t)b->records * g->stride;
}

/* One bucket at `at`; false if something in it is not what it was when it was written. */
static bool check_bucket(struct snap *s, struct source *f, const struct state_group *g, uint32_t index, uint32_t bucket,
			 uint64_t at)
{
	const struct snap_bucket *b = (const void *)(s->base + at);

	if (!read_upto(s, f, at + sizeof(*b)) || b->group != index || b->bucket != bucket || b->records > g->bucket_slots ||
	    !read_upto(s, f, at + bucket_bytes(b, g)) || snap_check_bucket(b, g->stride) != b->check)
		return false;
	for (uint32_t i = 0, slot = 0; i < b->records; i++) {
		const struct snap_record *r = (const void *)((const uint8_t *)(b + 1) + (uint64_t)i * g->stride);
		if (r->slot < slot || r->slot >= g->bucket_slots) /* in order: snap_restore() walks them once */
			return false;
		slot = r->slot + 1;
	}
	return true;
}

/* Walks one group from *at on, and notes where its buckets are. False: damaged. */
static bool walk_group(struct snap *s, struct source *f, uint32_t index, uint64_t *at)
{
	const struct state_group *g = (const void *)(s->base + *at);

	if (!read_upto(s, f, *at + sizeof(*g)) || g->stride < 64 || g->stride > 65536 ||
	    (g->stride & (g->stride - 1)) != 0 || g->buckets > BATON_MAX_BUCKETS)
		return false;
	s->group_at[index] = *at;
	*at += sizeof(*g);
	if (g->record_size == 0 || g->buckets == 0)
		return true;
	s->bucket_at[index] = malloc(g->buckets * sizeof(uint64_t));
	for (uint32_t b = 0; b < g->buckets; b++) {
		if (s->bucket_at[index] == NULL || !check_bucket(s, f, g, index, b, *at))
			return false;
		s->bucket_at[index][b] = *at;
		*at += bucket_bytes((const void *)(s->base + *at), g);
	}
	return true;
}

static int read_all(struct snap *s, int fd, const char *path, char *why, size_t bytes)
{
	struct source f = {.fd = fd};
	uint64_t at = sizeof(*s->head);

	if (!read_upto(s, &f, at) || s->head->magic != SNAP_MAGIC || s->head->version != SNAP_VERSION)
		return refuse(EBADMSG, why, bytes, "%s is no snapshot of this version", path);
	if (snap_check_head(s->head) != s->head->check || s->head->groups > BATON_MAX_GROUPS)
		return refuse(EBADMSG, why, bytes, "%s is damaged: its head has another checksum", path);
	for (uint32_t i = 0; i < s->head->groups; i++)
		if (!walk_group(s, &f, i, &at))
			return refuse(EBADMSG, why, bytes, "%s is cut off or damaged near byte %llu", path,
				      (unsigned long long)at);
	if (at != s->bytes)
		return refuse(EBADMSG, why, bytes, "%s goes on behind its end", path);
	return 0;
}

int snap_open(struct snap *s, const char *path, char *why, size_t bytes)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc;

	*s = (struct snap){.base = NULL};
	if (fd < 0)
		return refuse(errno, why, bytes, "cannot open %s: %s", path, strerror(errno));
	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size < (off_t)sizeof(*s->head)) {
		close(fd);
		return refuse(EBADMSG, why, bytes, "%s is no snapshot", path);
	}
	/* Pages come as they are written. */
	void *base = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED) {
		close(fd);
		return refuse(ENOMEM, why, bytes, "no memory for %s", path);
	}
	*s = (struct snap){.base = base, .bytes = (uint64_t)status.st_size, .head = base};
	rc = read_all(s, fd, path, why, bytes);
	close(fd);
	if (rc != 0)
		snap_close(s);
	return rc;
}

void snap_close(struct snap *s)
{
	for (uint32_t i = 0; i < BATON_MAX_GROUPS; i++)
		free(s->bucket_at[i]);
	if (s->base != NULL)
		munmap((void *)(uintptr_t)s->base, s->bytes);
	*s = (struct snap){.base = NULL};
}

const struct state_group *snap_group(const struct snap *s, const char *name, uint32_t *index)
{
	for (uint32_t i = 0; i < s->head->groups; i++) {
		const struct state_group *g = (const void *)(s->base + s->group_at[i]);

		if (strncmp(name, g->name, sizeof(g->name)) == 0) {
			*index = i;
			return g;
		}
	}
	return NULL;
}

int snap_fits(const struct snap *s, const struct state *state, uint32_t group, char *why, size_t bytes)
{
	const struct state_group *is = &state->header->group[group];
	uint32_t index;
	const struct state_group *was = snap_group(s, is->name, &index);

	if (was == NULL)
		return refuse(EINVAL, why, bytes, "the snapshot has no group %s", is->name);
	if (s->head->salt != state->header->salt)
		return refuse(EINVAL, why, bytes, "the snapshot is of another state file: its players are in other buckets");
	if (was->buckets != is->buckets || was->bucket_slots != is->bucket_slots || was->stride != is->stride)
		return refuse(EINVAL, why, bytes, "the snapshot has %u buckets of %u slots of %u bytes, the state file %u of %u "
			      "of %u", was->buckets, was->bucket_slots, was->stride, is->buckets, is->bucket_slots, is->stride);
	return 0;
}

const struct snap_bucket *snap_find(const struct snap *s, uint32_t index, uint32_t bucket)
{
	if (index >= s->head->groups || s->bucket_at[index] == NULL ||
	    bucket >= ((const struct state_group *)(const void *)(s->base + s->group_at[index]))->buckets)
		return NULL;
	return (const void *)(s->base + s->bucket_at[index][bucket]);
}

/* ---- putting back ---- */

static struct baton_record *record_at(const struct state *state, uint32_t group, uint32_t bucket, uint32_t slot)
{
	const struct state_group *g = &state->header->group[group];

	return (void *)(state_records(state, group) + ((uint64_t)bucket * g->bucket_slots + slot) * g->stride);
}

/* The record becomes `bytes` (struct snap_record and what follows); readers see it before or after. */
static void set_record(struct baton_record *record, const struct snap_record *to, uint32_t stride)
{
	volatile uint32_t *seq = &record->seq;

	*seq |= 1u;
	baton_compiler_fence();
	record->key = to->key;
	record->state = to->state;
	memcpy(record + 1, to + 1, stride - sizeof(*record));
	baton_compiler_fence();
	*seq += 1u;
}

static bool differs(const struct baton_record *record, const struct snap_record *to, uint32_t stride)
{
	return record->key != to->key || record->state != to->state ||
	       memcmp(record + 1, to + 1, stride - sizeof(*record)) != 0;
}

/* What the slot is to be: walks the snapshot's records, which stand in the order of their slots. */
static const struct snap_record *wanted(const struct snap_bucket *from, uint32_t slot, uint32_t stride,
					    uint32_t *next)
{
	const struct snap_record *r =
	    (const void *)((const uint8_t *)(from + 1) + (uint64_t)*next * stride);

	if (*next == from->records || r->slot != slot)
		return NULL;
	++*next;
	return r;
}

static void undo_record(uint8_t *undo, const struct baton_record *record, uint32_t slot, uint32_t stride)
{
	const struct snap_record was = {.key = record->key, .slot = slot, .state = record->state};

	memcpy(undo, &was, sizeof(was));
	memcpy(undo + sizeof(was), record + 1, stride - sizeof(was));
}

int snap_restore(const struct state *state, uint32_t group, const struct snap_bucket *from)
{
	const struct state_group *g = &state->header->group[group];
	struct state_restore *log = &state->header->restore;
	struct bucket_word *word = &state_words(state, group)[from->bucket], was = bucket_word_load(word);
	uint32_t used = sizeof(was), next = 0, bucket = from->bucket;

	if (BATON_SABOTAGE(restore_of_another_bucket))
		bucket ^= 1u;
	memcpy(log->undo, &was, sizeof(was));
	for (uint32_t slot = 0; slot < g->bucket_slots; slot++) {
		const struct baton_record *record = record_at(state, group, bucket, slot);
		const struct snap_record *to = wanted(from, slot, g->stride, &next);

		if (to != NULL ? !differs(record, to, g->stride) : record->state == BATON_RECORD_EMPTY)
			continue;
		if (g->stride > STATE_RESTORE_BYTES - used)
			return -E2BIG;
		undo_record(log->undo + used, record, slot, g->stride);
		used += g->stride;
	}
	log->group = group;
	log->bucket = from->bucket;
	BATON_POINT(restore_kept);
	/* release: from here on the next primary undoes what follows */
	atomic_store_explicit(&log->used, used, memory_order_release);
	baton_compiler_fence();
	BATON_POINT(restore_begun);
	next = 0;
	for (uint32_t slot = 0; slot < g->bucket_slots; slot++) {
		struct baton_record *record = record_at(state, group, bucket, slot);
		const struct snap_record *to = wanted(from, slot, g->stride, &next);

		if (to != NULL && differs(record, to, g->stride)) {
			set_record(record, to, g->stride);
			BATON_POINT(restore_record);
		} else if (to == NULL && record->state != BATON_RECORD_EMPTY) {
			*(volatile uint32_t *)&record->state = BATON_RECORD_EMPTY;
			*(volatile uint32_t *)&record->seq += 2u;
		}
	}
	bucket_word_store(word, from->schema == g->schema ? 0 : from->schema, 0, 0);
	baton_compiler_fence();
	BATON_POINT(restore_written);
	atomic_store_explicit(&log->used, 0, memory_order_release);
	return 0;
}

bool state_restore_undo(const struct state *state)
{
	struct state_restore *log = &state->header->restore;
	uint32_t used = atomic_load_explicit(&log->used, memory_order_acquire);

	if (used == 0)
		return false;
	if (used <= STATE_RESTORE_BYTES && log->group < state->header->groups &&
	    log->bucket < state->header->group[log->group].buckets) {
		const struct state_group *g = &state->header->group[log->group];
		struct bucket_word was;

		memcpy(&was, log->undo, sizeof(was));
		for (uint32_t at = sizeof(was); at + g->stride <= used; at += g->stride) {
			const struct snap_record *r = (const void *)(log->undo + at);
			if (r->slot < g->bucket_slots)
				set_record(record_at(state, log->group, log->bucket, r->slot), r, g->stride);
			BATON_POINT(restore_undo_one);
		}
		bucket_word_store(&state_words(state, log->group)[log->bucket], was.schema, was.to, was.at);
	}
	BATON_POINT(restore_undone);
	atomic_store_explicit(&log->used, 0, memory_order_release);
	return true;
}
