/* Copies of buckets for a shadow, and the worker that works on them. */
#include "shadow.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define PAGE 4096u

/* A shadow's undo: for entries that are refused. Its own memory, for what it has done is forgotten with it. */
static struct journal own_journal;

int shadow_attach(struct shadow_map *map, int fd, const struct state_header *header, uint32_t group, uint32_t shadow)
{
	struct stat status;

	*map = (struct shadow_map){0};
	if (fstat(fd, &status) != 0)
		return -errno;
	if ((uint64_t)status.st_size != shadow_region_bytes(header))
		return -EPROTO;
	for (uint32_t side = 0; side < SHADOW_SIDES; side++) {
		uint64_t records_at, bytes, at = shadow_region_at(header, group, side, &records_at, &bytes);

		if (shadow != 0 && side != shadow - 1)
			continue;
		uint8_t *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, (off_t)at);
		if (base == MAP_FAILED)
			return -errno;
		map->side[side].words = (struct bucket_word *)(void *)base;
		map->side[side].records = base + (records_at - at);
	}
	return 0;
}

void shadow_bind(struct txn *txn, const struct shadow_map *map, uint32_t side)
{
	txn->words = map->side[side].words;
	if (txn->ctx.bucket_bytes != 0)
		txn->ctx.records = map->side[side].records;
	txn->journal = &own_journal;
	txn->ctx.journal = own_journal.records;
	txn->ctx.journal_used = (uint32_t *)(uintptr_t)&own_journal.used;
}

/* The copy stays, its pages are the file's: but the kernel would take each out of this process's tables at its death, and
 * players wait for that. */
static void let_go(const void *start, uint64_t bytes)
{
	uintptr_t first = (uintptr_t)start & ~(uintptr_t)(PAGE - 1);
	uintptr_t end = ((uintptr_t)start + bytes + PAGE - 1) & ~(uintptr_t)(PAGE - 1);

	if (first != end)
		madvise((void *)first, end - first, MADV_DONTNEED);
}

bool shadow_copy(const struct shadow_map *map, const struct txn *txn, uint32_t bucket, uint32_t sides)
{
	const struct baton_ctx *ctx = &txn->ctx;
	uint64_t at = bucket * ctx->bucket_bytes, bytes = ctx->bucket_bytes;

	if (BATON_SABOTAGE(snapshot_of_a_part))
		bytes /= 2;
	for (uint32_t side = 0; side < SHADOW_SIDES; side++) {
		if ((sides >> side & 1u) == 0)
			continue;
		if (map->side[side].words == NULL)
			return false;
		memcpy(map->side[side].records + at, ctx->records + at, bytes);
		map->side[side].words[bucket] = txn->words[bucket];
		let_go(map->side[side].records + at, bytes);
		let_go(&map->side[side].words[bucket], sizeof(struct bucket_word));
	}
	return true;
}
