/* The keyed table as plugins see it: one open-addressed sub-table per bucket, changed only inside a transaction.
 *
 * A key stays where it was inserted until it is removed: readers in other processes and undo rely on it. A removed
 * record becomes GONE, which probes pass and inserts take, as long as the probe for some other key has to pass; else
 * EMPTY, which ends probes. */
#include "baton.h"

#define REMOVE_LOOKS 8u /* places in front of a removed record that are looked at for leftovers */

/* Where probes for `key` start; baton_find() has the same line. */
static uint32_t home_of(uint64_t key)
{
	return (uint32_t)((key * 0x9e3779b97f4a7c15ull) >> 32);
}

static struct baton_record *slot_at(const struct baton_ctx *ctx, uint32_t at)
{
	uint8_t *base = ctx->records + ctx->bucket * ctx->bucket_bytes;

	return (struct baton_record *)(void *)(base + (size_t)(at & (ctx->bucket_slots - 1)) * ctx->stride);
}

bool baton_save_refused(struct baton_ctx *ctx, const void *ptr, uint32_t len)
{
	(void)ptr;
	(void)len;
	ctx->overflow = 1;
	return false;
}

void *baton_insert(struct baton_ctx *ctx, uint64_t key)
{
	for (uint32_t i = 0; i < ctx->bucket_slots; i++) {
		struct baton_record *record = slot_at(ctx, home_of(key) + i);

		if (record->state == BATON_RECORD_USED)
			continue;
		if (!baton_save(ctx, record, (uint32_t)sizeof(*record) + ctx->record_size))
			return NULL;
		record->key = key;
		record->state = BATON_RECORD_USED;
		BATON_POINT(record_half_inserted);
		memset(record + 1, 0, ctx->record_size);
		return record + 1;
	}
	ctx->table_full++;
	return NULL;
}

static bool set_state(struct baton_ctx *ctx, struct baton_record *record, uint32_t state)
{
	if (!baton_save(ctx, &record->state, sizeof(record->state)))
		return false;
	record->state = state;
	return true;
}

/* True if the probe for some used record passes this place: then it must not become EMPTY. */
static bool is_passed(const struct baton_ctx *ctx, uint32_t at)
{
	for (uint32_t i = 1; i < ctx->bucket_slots; i++) {
		const struct baton_record *record = slot_at(ctx, at + i);

		if (record->state == BATON_RECORD_EMPTY)
			return false;
		if (record->state == BATON_RECORD_USED &&
		    ((at + i - home_of(record->key)) & (ctx->bucket_slots - 1)) >= i)
			return true;
	}
	return false;
}

bool baton_remove(struct baton_ctx *ctx, void *data)
{
	struct baton_record *record = (struct baton_record *)data - 1;
	uint64_t offset = (uint64_t)((uint8_t *)record - ctx->records) - ctx->bucket * ctx->bucket_bytes;
	uint32_t at = (uint32_t)(offset / ctx->stride);
	uint32_t more = BATON_UNDO_REMOVE / 24 - 1; /* others that may be saved beside this one */

	if (offset >= ctx->bucket_bytes || offset % ctx->stride != 0)
		return baton_save_refused(ctx, data, 0);
	if (!set_state(ctx, record, is_passed(ctx, at) ? BATON_RECORD_GONE : BATON_RECORD_EMPTY))
		return false;
	/* Removed ones that were kept for this one's sake, and what stands around it since the bucket was fuller. */
	for (uint32_t i = 1; i <= REMOVE_LOOKS && more != 0; i++) {
		struct baton_record *before = slot_at(ctx, at - i);

		if (before->state != BATON_RECORD_GONE || is_passed(ctx, at - i))
			continue;
		if (!set_state(ctx, before, BATON_RECORD_EMPTY))
			return false;
		more--;
	}
	return true;
}

void *baton_next(struct baton_ctx *ctx, uint32_t *iter, uint64_t *key)
{
	while (*iter < ctx->bucket_slots) {
		struct baton_record *record = slot_at(ctx, (*iter)++);

		if (record->state != BATON_RECORD_USED)
			continue;
		if (key != NULL)
			*key = record->key;
		return record + 1;
	}
	return NULL;
}
