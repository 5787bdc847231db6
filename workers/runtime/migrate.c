/* Records of a bucket from one schema to another, in the transaction of the entry that is the first to need it.
 *
 * The bucket's word says what its records are: {schema, to, at}. With `to` 0 all have `schema`; else those in the slots
 * below `at` have `to`, the others still `schema`. Records and word change together, under the undo journal, as those of
 * an entry do: what is not committed is undone with the burst. A bucket that the journal holds is converted and the
 * entry handled in one go. Of a larger one as many records as fit are converted, and that is committed by used = 0 alone,
 * `done` staying where it is (as in the middle of a tick, txn_settle_early()): whoever gets the bucket next goes on at
 * `at`, or back from there. So a record is converted once, however often its worker is killed. docs/protocol.md, R12. */
#include <signal.h>
#include <stdlib.h>

#include "loop.h"

/* What is left for the entry behind it, beside what txn_begin() and txn_begin_tick() ask for. */
#define ROOM_KEPT 64u

static const struct baton_older *older_of(const struct baton_plugin *plugin, uint32_t schema)
{
	for (uint32_t i = 0; i < plugin->olders; i++)
		if (plugin->older[i].schema == schema)
			return &plugin->older[i];
	return NULL;
}

/* A version that cannot do what it says is not to have the bucket: its death gives it to another. */
static void give_up(const struct loop *loop, uint32_t bucket, const char *what, uint32_t from, uint32_t to)
{
	baton_log((struct baton_ctx *)(uintptr_t)&loop->txn.ctx,
		  "bucket %u: records of schema %u cannot be converted to schema %u: %s", bucket, from, to, what);
	abort();
}

/* One record, its bytes already saved. One of the two is the plugin's own schema. */
static void convert_record(struct loop *loop, struct baton_record *record, uint32_t from, uint32_t to)
{
	const struct baton_plugin *plugin = loop->plugin;
	struct baton_ctx *ctx = &loop->txn.ctx;
	bool up = to == plugin->schema;
	const struct baton_older *older = older_of(plugin, up ? from : to);
	uint8_t *data = (uint8_t *)(record + 1);
	uint32_t limit = ctx->limit;
	bool good;

	if (older == NULL || (!up && (from != plugin->schema || older->down == 0)))
		return give_up(loop, ctx->bucket, "the plugin does not know how", from, to);
	uint32_t wide = ctx->stride - (uint32_t)sizeof(*record);
	if (older->record_size > wide)
		return give_up(loop, ctx->bucket, "the file has no room for such records", from, to);
	if (up)
		memset(data + older->record_size, 0, wide - older->record_size);
	ctx->limit = ctx->used; /* nothing more may be saved, so nothing else be changed */
	good = up ? plugin->migrate(ctx, record->key, data, from) : plugin->down(ctx, record->key, data, to);
	ctx->limit = limit;
	if (!good || ctx->overflow != 0)
		give_up(loop, ctx->bucket, ctx->overflow != 0 ? "its callback tried to save" : "its callback says so", from,
			to);
	if (!up)
		memset(data + older->record_size, 0, wide - older->record_size);
}

/* Slots from *at on in the direction, as many as the journal holds; *at: where it ended. */
static void convert_slots(struct loop *loop, uint32_t *at, uint32_t end, uint32_t from, uint32_t to)
{
	struct baton_ctx *ctx = &loop->txn.ctx;
	uint8_t *base = ctx->records + ctx->bucket * ctx->bucket_bytes;
	bool back = end < *at;

	while (*at != end) {
		uint32_t slot = back ? *at - 1 : *at;
		struct baton_record *record =
		    (struct baton_record *)(void *)(base + (size_t)slot * ctx->stride);

		if (record->state == BATON_RECORD_USED) {
			if (journal_cost(ctx->stride - (uint32_t)sizeof(*record)) > ctx->limit - ctx->used)
				return;
			if (!baton_save(ctx, record + 1, ctx->stride - (uint32_t)sizeof(*record)))
				return;
			convert_record(loop, record, from, to);
			BATON_POINT(convert_record);
		}
		*at = back ? slot : slot + 1;
	}
}

/* One transaction's worth. Returns true when the bucket has reached schema `want`. */
static bool convert_step(struct loop *loop, uint32_t bucket, uint32_t want)
{
	struct txn *txn = &loop->txn;
	struct baton_ctx *ctx = &txn->ctx;
	struct bucket_word *place = &txn->words[bucket], word = bucket_word_load(place);
	uint32_t schema = word.schema != 0 ? word.schema : txn->group_schema, own = loop->plugin->schema;
	uint32_t to = word.to, at = word.at, slots = ctx->bucket_slots;

	if (to == 0 && schema == want)
		return true;
	if (to == 0) {
		to = schema == own || want == own ? want : own;
		at = 0;
	}
	bool back = want != to && (schema == want || schema == own); /* half done, the other way */
	if (ctx->used > JOURNAL_BYTES - txn->max_undo - ROOM_KEPT - journal_cost(sizeof(uint64_t)) - 2 * ctx->stride)
		txn_settle_early(txn);
	ctx->bucket = bucket;
	ctx->posts = ctx->sends = 0;
	journal_save_word(ctx, txn->words, &place->schema, sizeof(uint64_t));
	BATON_POINT(convert_begun);
	uint32_t mark = ctx->used;
	ctx->limit = JOURNAL_BYTES - txn->max_undo - ROOM_KEPT;
	if (BATON_SABOTAGE(schema_word_first)) {
		bucket_word_store(place, to, 0, 0);
		txn_settle_early(txn);
		mark = 0;
	}
	convert_slots(loop, &at, back ? 0 : slots, back ? to : schema, back ? schema : to);
	if (back ? at == 0 : at == slots)
		bucket_word_store(place, back ? schema : to, 0, 0);
	else
		bucket_word_store(place, schema, to, at);
	BATON_POINT(convert_worded);
	journal_end_entry(ctx, mark);
	word = bucket_word_load(place);
	return word.to == 0 && word.schema == want;
}

void bucket_convert(struct loop *loop, uint32_t bucket, uint32_t want)
{
	while (!convert_step(loop, bucket, want))
		txn_settle_early(&loop->txn);
}

/* ---- what is to be converted ---- */

void bucket_note(struct loop *loop, uint32_t bucket)
{
	struct bucket_word word = bucket_word_load(&loop->txn.words[bucket]);
	uint32_t schema = word.schema != 0 ? word.schema : loop->txn.group_schema;
	bool stale = loop->owned[bucket] != 0 && loop->plugin->record_size != 0 &&
		     (word.to != 0 || schema != loop->plugin->schema);

	loop->stale += (uint32_t)stale - loop->is_stale[bucket];
	loop->is_stale[bucket] = stale;
}

bool buckets_stay_fresh(const struct loop *loop, uint32_t first, uint32_t count, bool ours)
{
	const struct bucket_word *word = &loop->txn.words[first];
	uint32_t own = loop->plugin->schema;
	bool same = loop->txn.group_schema == own;
	uint64_t odd = 0;

	if (loop->stale != 0)
		return false;
	if (!ours || loop->plugin->record_size == 0)
		return true;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t half = bucket_word_half_load(&word[i]);
		odd |= half != own && !(same && half == 0);
	}
	return odd == 0 || BATON_SABOTAGE(whole_words_unchecked);
}

void bucket_migrate(struct loop *loop, uint32_t bucket)
{
	if (!loop->is_stale[bucket])
		return;
	bucket_convert(loop, bucket, loop->plugin->schema);
	loop->is_stale[bucket] = 0;
	loop->stale--;
	stats_add(&loop->stats->migrated, 1);
}
