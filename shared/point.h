/* Named places at which a test ends or stops the process that passes them: the kill-point sweep (tests/chaos/).
 *
 * BATON_POINT(name) stands where a step has been done and the next one has not. It is nothing at all (baton.h) but in
 * the build `make points-programs`, which compiles everything with BATON_POINTS and this header in front. There each
 * process looks, at every point, at a page that nothing else uses: the last of its control block (worker) or of the
 * state file's header (primary). The sweep writes there what is to happen where: tests/chaos/points.c. */
#ifndef BATON_SHARED_POINT_H
#define BATON_SHARED_POINT_H

#include <stdatomic.h>
#include <stdint.h>

/* X(name, when, what has just been done). When it is passed:
 *	RUN      by a worker, under traffic          DEATH    by the primary, when a worker has died
 *	START    by a worker that takes over         RESTART  by the primary, when buckets change their owner in order
 *	LEAVE    by a worker that hands over         BOOT     by the primary, at its start
 *	CONVERT  by a worker, records change their   HOLD     by the primary, meanwhile
 *	         schema                              HELD     likewise, and whoever converts them dies of a record
 *	                                             RESTORE  by the primary, a snapshot's buckets are put back
 *	SNAPSHOT by whoever writes one               UNDO     by the primary, at its start after such an end */
#define POINTS(X) \
	X(worker_forked, START, "it is a process of its own, and has done nothing yet") \
	X(worker_confined, START, "what is not its own is unmapped, system calls are restricted") \
	X(worker_introduced, START, "the primary knows its pid") \
	X(worker_loaded, START, "its plugin is loaded and initialised") \
	X(worker_attached, START, "it has its ends of the belts") \
	X(worker_ready, START, "it has said so") \
	X(prime_taken, START, "it was told that buckets are coming") \
	X(grant_taken, START, "it counts buckets as its own, the grant is not settled") \
	X(revoke_taken, LEAVE, "it counts them as gone, the revoke is not settled") \
	X(stop_taken, LEAVE, "it is to leave, the entry is not settled") \
	X(burst_taken, RUN, "it has seen a burst") \
	X(header_half_written, RUN, "the journal names the belt, but not the burst's first position") \
	X(burst_opened, RUN, "the journal is open for the burst") \
	X(entry_begun, RUN, "an entry is begun") \
	X(undo_written, RUN, "an undo record is written and does not count") \
	X(undo_counted, RUN, "it counts, the record's sequence word is even") \
	X(record_half_inserted, RUN, "a record has its key, but not its bytes") \
	X(record_half_changed, RUN, "half of a record's bytes are changed") \
	X(record_changed, RUN, "all are") \
	X(reply_half_written, RUN, "the reply has its status, but not its time") \
	X(cell_written, RUN, "an outbound cell is written and not counted") \
	X(post_counted, RUN, "it is counted, its cause has not ended") \
	X(message_handled, RUN, "a message is handled and not ended") \
	X(tick_saved, RUN, "a bucket's last tick is saved and not changed") \
	X(tick_run, RUN, "a bucket's tick is done, others of the entry are not") \
	X(entry_handled, RUN, "the plugin has decided, no verdict is written") \
	X(entry_ended, RUN, "the verdict is written") \
	X(burst_handled, RUN, "all entries of a burst are done, none is settled") \
	X(settle_filled, RUN, "the burst's cells count, if it settles") \
	X(settle_done, RUN, "the burst is settled, the journal still full") \
	X(settle_used, RUN, "the journal is empty") \
	X(death_told, DEATH, "the I/O lcores are told of a death") \
	X(death_orphaned, DEATH, "an I/O lcore offers the dead worker nothing more") \
	X(death_reaped, DEATH, "it has sent what was settled") \
	X(death_putting_back, DEATH, "it puts an entry in front of the list") \
	X(death_taken_over, DEATH, "it has taken the belt over") \
	X(undo_begun, DEATH, "the sequence words of what is undone are odd") \
	X(undo_one, DEATH, "an undo record is applied") \
	X(undo_ended, DEATH, "all are, the journal is still full") \
	X(undo_cleared, DEATH, "the journal is empty") \
	X(done_moved, DEATH, "it is the end of what was offered") \
	X(death_recovered, DEATH, "the slot's buckets may be granted") \
	X(move_asked, RESTART, "the I/O lcores are told of a move") \
	X(move_priming, RESTART, "the new owner is woken") \
	X(move_parked, RESTART, "packets of the buckets wait") \
	X(move_revoked, RESTART, "the revokes are on the old owner's belt") \
	X(move_granted, RESTART, "the grants are on the new owner's belt") \
	X(move_redelivering, DEATH, "a packet that waited is on the new owner's belt") \
	X(move_ending, RESTART, "the move is over for the players") \
	X(start_rolled_back, BOOT, "a slot of the last run is rolled back, others are not") \
	X(convert_begun, CONVERT, "the bucket's word is saved, no record of it is converted") \
	X(convert_record, CONVERT, "a record is converted, the bucket's word says it is not") \
	X(convert_worded, CONVERT, "the word says so, nothing of it is settled") \
	X(convert_marked, CONVERT, "the control block names the bucket, nothing of it is changed") \
	X(convert_unmarked, CONVERT, "it names none, the bucket is converted and not settled") \
	X(convert_all, CONVERT, "all buckets of the entry are converted, it is not settled") \
	X(convert_held, HOLD, "the buckets are nobody's, who converts them is not chosen") \
	X(convert_asked, HOLD, "the I/O lcores are told who converts them") \
	X(convert_posted, HOLD, "the entries are on its belt") \
	X(convert_reaped, HOLD, "they are settled, the main lcore does not know") \
	X(convert_left, HELD, "an I/O lcore has put a bucket aside that cannot be converted") \
	X(convert_released, HOLD, "the move goes on") \
	X(restore_held, RESTORE, "the buckets are nobody's, nothing is written") \
	X(restore_kept, RESTORE, "what a bucket was is kept, and does not count") \
	X(restore_begun, RESTORE, "it counts, nothing is written") \
	X(restore_record, RESTORE, "a record is written, others are not") \
	X(restore_written, RESTORE, "all of the bucket is, what it was still counts") \
	X(restore_bucket, RESTORE, "a bucket is put back, others are not") \
	X(restore_released, RESTORE, "the move goes on") \
	X(restore_undo_one, UNDO, "a record is again what it was before a restore that was cut off") \
	X(restore_undone, UNDO, "all of the bucket is, what it was still counts") \
	X(snapshot_begun, SNAPSHOT, "the file is there and empty") \
	X(snapshot_copied, SNAPSHOT, "a bucket is copied, others are not") \
	X(snapshot_written, SNAPSHOT, "all are, the file is not synced")

enum point {
#define X(name, when, what) POINT_##name,
	POINTS(X)
#undef X
	POINT_COUNT
};

/* In a page of its own, zero until a test writes there. w: test; process (left, fired, passed)  r: both */
struct point_page {
	_Atomic uint32_t armed; /* 1 + enum point; 0: nothing is to happen */
	_Atomic uint32_t left;  /* it happens at the pass that makes this 0 */
	_Atomic uint32_t how;   /* SIGKILL, SIGSEGV (by a fault) or SIGSTOP */
	_Atomic uint32_t fired; /* times it has happened */
	_Atomic uint64_t passed[POINT_COUNT];
};
#define POINT_PAGE_BYTES 4096u
_Static_assert(sizeof(struct point_page) <= POINT_PAGE_BYTES, "one page");

/* base: of a huge page, the last 4 KiB of which are the points'. */
static inline struct point_page *point_page_of(void *base)
{
	return (struct point_page *)(void *)((uint8_t *)base + (2u << 20) - POINT_PAGE_BYTES);
}

#ifdef BATON_POINTS
#define BATON_POINT(name) baton_point_pass(POINT_##name)
/* From now on this process looks there. NULL or never: points are passed without a look. */
void baton_point_use(void *base);
/* baton_: the plugin finds it in the program that loads it. */
void baton_point_pass(enum point point);
#endif

#endif
