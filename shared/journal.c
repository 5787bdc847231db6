/* The undo journal: opened and cleared by the worker, rolled back by the primary. protocol.md R1 to R3. */
#include "journal.h"

#include "state.h"

/* Sequence words stand at these bytes of a record; they count readers' generations and are never restored. */
#define SEQ_AT  offsetof(struct baton_record, seq)
#define SEQ_END (SEQ_AT + sizeof(uint32_t))

void journal_open(struct journal *journal, struct baton_ctx *ctx, uint32_t belt, uint64_t first)
{
	baton_compiler_fence(); /* used = 0 of the burst before comes first */
	journal->belt = belt;
	BATON_POINT(header_half_written);
	journal->first = first;
	baton_compiler_fence(); /* before a save publishes a record under this header */
	ctx->used = 0;
	ctx->last = JOURNAL_NONE;
}

void journal_clear(struct journal *journal, struct baton_ctx *ctx)
{
	baton_compiler_fence(); /* after `done` */
	atomic_store_explicit(&journal->used, 0, memory_order_release);
	BATON_POINT(settle_used);
	baton_compiler_fence(); /* before the next burst's header */
	ctx->used = 0;
	ctx->last = JOURNAL_NONE;
}

void journal_save_word(struct baton_ctx *ctx, const void *words, const void *ptr, uint32_t len)
{
	struct baton_undo *undo = (struct baton_undo *)(void *)(ctx->journal + ctx->used);

	undo->len = len;
	undo->prev = ctx->last;
	undo->offset = JOURNAL_WORD | (uint64_t)((const uint8_t *)ptr - (const uint8_t *)words);
	memcpy(undo + 1, ptr, len);
	ctx->last = ctx->used;
	ctx->used += journal_cost(len);
	baton_compiler_fence(); /* the undo record must be whole before it counts */
	*(volatile uint32_t *)ctx->journal_used = ctx->used;
	baton_compiler_fence(); /* and must count before the caller changes the word */
}

static struct baton_record *record_of(uint8_t *records, uint32_t stride, uint64_t offset)
{
	return (struct baton_record *)(void *)(records + (offset & ~(uint64_t)(stride - 1)));
}

static void seq_make_odd(struct baton_record *record)
{
	*(volatile uint32_t *)&record->seq = record->seq | 1u;
}

static void seq_make_even(struct baton_record *record)
{
	uint32_t seq = record->seq;

	*(volatile uint32_t *)&record->seq = seq + (seq & 1u);
}

/* Puts the saved bytes back, all but the record's sequence word. */
static void restore_record(uint8_t *records, uint32_t stride, const struct baton_undo *undo)
{
	const uint8_t *saved = (const uint8_t *)(undo + 1);
	uint32_t from = (uint32_t)undo->offset & (stride - 1);
	uint32_t to = from + undo->len;
	uint8_t *record = (uint8_t *)record_of(records, stride, undo->offset);

	if (BATON_SABOTAGE(seq_restored))
		memcpy(record + from, saved, undo->len);
	if (from < SEQ_AT)
		memcpy(record + from, saved, (to < SEQ_AT ? to : SEQ_AT) - from);
	if (to > SEQ_END) {
		uint32_t rest = from > SEQ_END ? from : SEQ_END;
		memcpy(record + rest, saved + (rest - from), to - rest);
	}
}

void journal_undo_to(struct baton_ctx *ctx, uint32_t mark)
{
	if (ctx->used == mark)
		return;
	/* The entry's records have had an odd sequence word since they were saved; it stays until all are restored. */
	for (uint32_t at = ctx->last, next = JOURNAL_NONE; at != JOURNAL_NONE && at >= mark; at = next) {
		const struct baton_undo *undo = (const struct baton_undo *)(const void *)(ctx->journal + at);

		restore_record(ctx->records, ctx->stride, undo);
		next = undo->prev;
	}
	journal_end_entry(ctx, mark);
	baton_compiler_fence(); /* a record counts until it is restored and readable again */
	ctx->last = ((const struct baton_undo *)(const void *)(ctx->journal + mark))->prev;
	ctx->used = mark;
	*(volatile uint32_t *)ctx->journal_used = mark;
	baton_compiler_fence(); /* before another save writes over the records that no longer count */
}

/* ---- roll back ---- */

static const struct baton_undo *undo_at(const struct journal *journal, uint32_t at)
{
	return (const struct baton_undo *)(const void *)(journal->records + at);
}

/* True if the undo record at `at` is one that an honest worker can have written after the one at `prev`. */
static bool undo_is_sound(const struct journal *journal, uint32_t at, uint32_t used, uint32_t prev,
			  const struct journal_area *area)
{
	const struct baton_undo *undo = undo_at(journal, at);
	uint64_t offset = undo->offset & ~JOURNAL_WORD;

	if (used - at < sizeof(*undo) || undo->prev != prev || undo->len > used - at - sizeof(*undo) ||
	    journal_cost(undo->len) > used - at)
		return false;
	if (undo->offset & JOURNAL_WORD)
		return (offset < area->words_bytes || BATON_SABOTAGE(undo_bounds_believed)) &&
		       undo->len <= sizeof(struct bucket_word) - offset % sizeof(struct bucket_word);
	return (offset < area->records_bytes || BATON_SABOTAGE(undo_bounds_believed)) &&
	       undo->len <= area->stride - (offset & (area->stride - 1));
}

/* Finds the last sound record, JOURNAL_NONE if there is none. Returns 0 or -EBADMSG if others follow it. */
static int find_last(const struct journal *journal, uint32_t used, const struct journal_area *area, uint32_t *last)
{
	*last = JOURNAL_NONE;
	for (uint32_t at = 0; at != used; at += journal_cost(undo_at(journal, at)->len)) {
		if (!undo_is_sound(journal, at, used, *last, area))
			return -EBADMSG;
		*last = at;
	}
	return 0;
}

/* Calls make() for the sequence word of every record named. */
static void walk_seq(const struct journal *journal, uint32_t last, const struct journal_area *area,
		     void (*make)(struct baton_record *record))
{
	for (uint32_t at = last; at != JOURNAL_NONE; at = undo_at(journal, at)->prev) {
		uint64_t offset = undo_at(journal, at)->offset;

		if (!(offset & JOURNAL_WORD))
			make(record_of(area->records, area->stride, offset));
	}
	baton_compiler_fence();
}

static void undo_one(const struct baton_undo *undo, const struct journal_area *area)
{
	if (undo->offset & JOURNAL_WORD)
		memcpy(area->words + (undo->offset & ~JOURNAL_WORD), undo + 1, undo->len);
	else
		restore_record(area->records, area->stride, undo);
}

static uint32_t undo_all(const struct journal *journal, uint32_t last, const struct journal_area *area)
{
	uint32_t undone = 0;

	for (uint32_t at = last; at != JOURNAL_NONE; at = undo_at(journal, at)->prev, undone++) {
		undo_one(undo_at(journal, at), area);
		BATON_POINT(undo_one);
	}
	if (BATON_SABOTAGE(undo_forwards))
		for (uint32_t at = 0; undone != 0 && at <= last; at += journal_cost(undo_at(journal, at)->len))
			undo_one(undo_at(journal, at), area);
	baton_compiler_fence();
	return undone;
}

int journal_roll_back(struct journal *journal, const struct belt_commit *commit, uint32_t belts,
		      const struct journal_area *area, struct journal_report *report)
{
	uint32_t used = atomic_load_explicit(&journal->used, memory_order_acquire);
	uint32_t belt = journal->belt;
	uint32_t last = JOURNAL_NONE;
	int rc = 0;

	*report = (struct journal_report){.belt = belt, .first = journal->first};
	/* An unsound count or belt says nothing about what was settled: nothing can be undone soundly. */
	if (used > JOURNAL_BYTES || (used != 0 && belt >= belts)) {
		rc = -EBADMSG;
	} else if (used != 0) {
		rc = find_last(journal, used, area, &last);
		report->valid = report->first >= atomic_load_explicit(&commit[belt].done, memory_order_acquire);
	}
	if (BATON_SABOTAGE(used_before_undo))
		atomic_store_explicit(&journal->used, 0, memory_order_release);
	if (report->valid && !BATON_SABOTAGE(no_undo)) {
		if (!BATON_SABOTAGE(undo_under_even_word))
			walk_seq(journal, last, area, seq_make_odd);
		BATON_POINT(undo_begun);
		report->undone = undo_all(journal, last, area);
	}
	walk_seq(journal, last, area, seq_make_even);
	BATON_POINT(undo_ended);
	/* Last: a roll back that is itself cut off is done again from the start, with the same outcome. release: pairs
	 * with the acquire above, and comes before the grant that lets a new worker open this journal. */
	if (report->valid || !BATON_SABOTAGE(only_valid_cleared))
		atomic_store_explicit(&journal->used, 0, memory_order_release);
	BATON_POINT(undo_cleared);
	return rc;
}
