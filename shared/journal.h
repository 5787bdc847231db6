/* The undo journal of a worker's open burst: written by the worker as it changes records, rolled back by the primary.
 *
 * Valid exactly when header.first >= done[header.belt]: then every record below `used` is undone, backwards; otherwise
 * the burst was settled and nothing is. Rules R1 to R3 of the protocol give the order of every store. */
#ifndef BATON_SHARED_JOURNAL_H
#define BATON_SHARED_JOURNAL_H

#include <stdatomic.h>
#include <stdint.h>

#include "abi.h"
#include "baton.h"
#include "belt.h"

#define JOURNAL_BYTES (1u << 20)
#define JOURNAL_NONE  UINT32_MAX

/* w: worker; primary after the fence  r: primary after the fence */
struct journal {
	uint32_t belt;         /* index of the belt (I/O lcore) whose burst is open; written only while used is 0 */
	_Atomic uint32_t used; /* bytes of undo records that count */
	uint64_t first;        /* position of the burst's first entry; written only while used is 0 */
	uint8_t pad[48];
	uint8_t records[JOURNAL_BYTES]; /* struct baton_undo, then len bytes padded to 8 */
};
static_assert(offsetof(struct journal, records) == 64, "header has its own line");

/* Opens the journal for a burst that starts at `first` of `belt`. used must be 0 (R1); both are stored before any
 * save can publish a record. */
void journal_open(struct journal *journal, struct baton_ctx *ctx, uint32_t belt, uint64_t first);

/* Ends the settle: used = 0, after `done` (R1). The caller has called belt_settle(). */
void journal_clear(struct journal *journal, struct baton_ctx *ctx);

/* Undoes the entry's own records, those from byte `mark` on, backwards, and takes them out of the journal: for entries
 * refused (overflow) and for verify mode. Worker's side; `used` shrinks by one store. */
void journal_undo_to(struct journal *journal, struct baton_ctx *ctx, uint32_t mark, uint32_t mark_last);

/* Ends an entry well: the records it changed get an even sequence word, so that readers may read them. */
void journal_end_entry(struct baton_ctx *ctx, uint32_t mark);

/* What a roll back did. */
struct journal_report {
	uint32_t undone; /* undo records applied */
	uint32_t belt;   /* belt of the open burst; meaningful if valid */
	uint64_t first;
	int valid;       /* the journal belonged to an unsettled burst */
};

/* Primary's side, after the fence, any number of times: undoes an unsettled burst, makes odd sequence words even,
 * stores used = 0. commit: `belts` commit words of the same control block.
 * records: the group's records, records_bytes long, in sub-tables of record stride `stride`.
 * Returns 0, or -EBADMSG if a header, length or offset is out of bounds: what was sound has been undone, used is 0
 * and the caller reports the group's state as suspect. */
int journal_roll_back(struct journal *journal, const struct belt_commit *commit, uint32_t belts, uint8_t *records,
		      uint64_t records_bytes, uint32_t stride, struct journal_report *report);

#endif
