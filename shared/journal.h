/* The undo journal of a worker's open burst: written by the worker as it changes records, rolled back by the primary.
 *
 * Valid exactly when header.first >= done[header.belt]: then every record below `used` is undone, backwards; otherwise
 * the burst was settled and nothing is. Rules R1 to R3 of the protocol give the order of every store.
 *
 * The journal also owns the records' sequence words, a seqlock for readers in other processes (state_read_record()):
 *	- one writer: the owner of the bucket, after its end the primary;
 *	- odd from the first save of a record in an entry to the end of that entry, and while it is rolled back;
 *	- it only counts up, an undo does not take it back: who copied undone bytes sees that it moved;
 *	- even says whole, not settled: a reader may see what a kill is about to undo. */
#ifndef BATON_SHARED_JOURNAL_H
#define BATON_SHARED_JOURNAL_H

#include <stdatomic.h>
#include <stdint.h>

#include "abi.h"
#include "baton.h"
#include "belt.h"

#define JOURNAL_BYTES (1u << 20)
#define JOURNAL_NONE  UINT32_MAX
/* In baton_undo.offset: not bytes of a record but of the group's bucket words (state.h), from their start. */
#define JOURNAL_WORD (1ull << 63)

/* w: worker; primary after the fence  r: primary after the fence */
struct journal {
	uint32_t belt;         /* index of the belt (I/O lcore) whose burst is open; written only while used is 0 */
	_Atomic uint32_t used; /* bytes of undo records that count */
	uint64_t first;        /* position of the burst's first entry; written only while used is 0 */
	uint8_t pad[48];
	uint8_t records[JOURNAL_BYTES]; /* struct baton_undo, then len bytes padded to 8 */
};
static_assert(offsetof(struct journal, records) == 64, "header has its own line");

/* Journal bytes that saving `len` bytes takes. */
static inline uint32_t journal_cost(uint32_t len)
{
	return (uint32_t)sizeof(struct baton_undo) + ((len + 7u) & ~7u);
}

/* Opens the journal for a burst that starts at `first` of `belt`. used must be 0 (R1); both are stored before any
 * save can publish a record. */
void journal_open(struct journal *journal, struct baton_ctx *ctx, uint32_t belt, uint64_t first);

/* Ends the settle: used = 0, after `done` (R1). The caller has called belt_settle(). */
void journal_clear(struct journal *journal, struct baton_ctx *ctx);

/* Saves [ptr, ptr + len) of the group's bucket words, as baton_save does with records but beyond ctx->limit: the caller
 * has kept journal_cost(len) bytes free. */
void journal_save_word(struct baton_ctx *ctx, const void *words, const void *ptr, uint32_t len);

/* Undoes the entry's own records, those from byte `mark` on, backwards, and takes them out of the journal: for entries
 * refused (overflow) and for verify mode. Worker's side; `used` shrinks by one store, after everything is undone. No
 * saved word may stand behind `mark`. */
void journal_undo_to(struct baton_ctx *ctx, uint32_t mark);

/* Ends an entry well: the records it changed get an even sequence word, so that readers may read them. Before `done`:
 * a settled burst leaves no odd word behind. No saved word may stand behind `mark`. */
static inline void journal_end_entry(struct baton_ctx *ctx, uint32_t mark)
{
	uint64_t record_mask = ~(uint64_t)(ctx->stride - 1);

	baton_compiler_fence(); /* the changes must be there before a reader may believe them */
	while (mark != ctx->used) {
		const struct baton_undo *undo = (const struct baton_undo *)(const void *)(ctx->journal + mark);
		struct baton_record *record =
		    (struct baton_record *)(void *)(ctx->records + (undo->offset & record_mask));
		uint32_t seq = record->seq;

		/* saved twice: already even */
		*(volatile uint32_t *)&record->seq = BATON_SABOTAGE(seq_not_counted_up) ? seq & ~1u : seq + (seq & 1u);
		mark += journal_cost(undo->len);
	}
}

/* What a roll back did. */
struct journal_report {
	uint32_t undone; /* undo records applied */
	uint32_t belt;   /* belt of the open burst; meaningful if valid */
	uint64_t first;
	int valid;       /* the journal belonged to an unsettled burst */
};

/* What the undo records of a group may name. */
struct journal_area {
	uint8_t *records;
	uint64_t records_bytes;
	uint32_t stride; /* of a record; a power of two */
	uint8_t *words;  /* the bucket words, where JOURNAL_WORD is set */
	uint64_t words_bytes;
};

/* Primary's side, after the fence, any number of times: undoes an unsettled burst, makes odd sequence words even,
 * stores used = 0. commit: `belts` commit words of the same control block.
 * Readers see each record as it was before the burst or as an entry left it, never half undone: first all sequence
 * words are made odd, then the bytes are restored, backwards, then the words are made even.
 * Returns 0, or -EBADMSG if a header, length or offset is out of bounds: what was sound (the records before the first
 * that is not) has been undone, used is 0 and the caller reports the group's state as suspect. */
int journal_roll_back(struct journal *journal, const struct belt_commit *commit, uint32_t belts,
		      const struct journal_area *area, struct journal_report *report);

#endif
