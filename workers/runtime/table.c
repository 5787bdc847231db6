/* The keyed table as plugins see it: one open-addressed sub-table per bucket, changed only inside a transaction.
 *
 * A key stays where it was inserted until it is removed: readers in other processes and undo rely on it. A removed
 * record becomes GONE, which probes pass and inserts take; or EMPTY, which ends probes, where none has to pass. */
#include "baton.h"

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
	uint32_t home = (uint32_t)((key * 0x9e3779b97f4a7c15ull) >> 32);

	for (uint32_t i = 0; i < ctx->bucket_slots; i++) {
		struct baton_record *record = slot_at(ctx, home + i);

		if (record->state == BATON_RECORD_USED)
			continue;
		if (!baton_save(ctx, record, (uint32_t)sizeof(*record) + ctx->record_size))
			return NULL;
		record->key = key;
		record->state = BATON_RECORD_USED;
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

/* True if no used record follows before the next empty one (or, in a table without one, at all): then no probe has to
 * pass this place. */
static bool ends_a_run(const struct baton_ctx *ctx, uint32_t at)
{
	for (uint32_t i = 1; i < ctx->bucket_slots; i++) {
		uint32_t state = slot_at(ctx, at + i)->state;

		if (state != BATON_RECORD_GONE)
			return state == BATON_RECORD_EMPTY;
	}
	return true;
}

bool baton_remove(struct baton_ctx *ctx, void *data)
{
	struct baton_record *record = (struct baton_record *)data - 1;
	uint64_t offset = (uint64_t)((uint8_t *)record - ctx->records) - ctx->bucket * ctx->bucket_bytes;
	uint32_t at = (uint32_t)(offset / ctx->stride);
	uint32_t more = BATON_UNDO_REMOVE / 24 - 1; /* others that may be saved beside this one */

	if (offset >= ctx->bucket_bytes || offset % ctx->stride != 0)
		return baton_save_refused(ctx, data, 0);
	if (!ends_a_run(ctx, at))
		return set_state(ctx, record, BATON_RECORD_GONE);
	if (!set_state(ctx, record, BATON_RECORD_EMPTY))
		return false;
	/* Removed ones around it lead nowhere any more. */
	for (uint32_t i = 1; more != 0 && slot_at(ctx, at - i)->state == BATON_RECORD_GONE; i++, more--)
		if (!set_state(ctx, slot_at(ctx, at - i), BATON_RECORD_EMPTY))
			return false;
	for (uint32_t i = 1; more != 0 && slot_at(ctx, at + i)->state == BATON_RECORD_GONE; i++, more--)
		if (!set_state(ctx, slot_at(ctx, at + i), BATON_RECORD_EMPTY))
			return false;
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
