/* Death: this lcore takes over its belt of a worker that is gone (protocol.md R5, R8).
 *
 * The main lcore has reaped the process, so no store of it can come any more. What is settled leaves as usual; what is
 * not goes, in belt order, in front of the list its bucket waits in: the orphans' list of the slot, or the list of the
 * move that was taking the bucket away. Control entries are not redelivered (R7). */
#include "lcore.h"

/* Everything the dead worker settled, however much. */
static void final_reap(struct io_lcore *io, uint32_t slot)
{
	io->slot[slot].fence = 0;
	if (BATON_SABOTAGE(settled_reply_dropped))
		io->slot[slot].attached = 0;
	while (!BATON_SABOTAGE(no_final_reap) && reap_slot(io, slot) != 0 && !io->slot[slot].fence)
		;
}

static uint32_t list_of(const struct io_lcore *io, uint32_t slot, const struct belt_shadow *packet)
{
	uint32_t list = STEER_LIST(io->steering[packet->service].entry[packet->bucket]);

	return list != 0 ? list : LIST_ORPHANS(slot);
}

static bool put_back(struct io_lcore *io, struct pending *list, const struct belt_shadow *shadow)
{
	if (BATON_SABOTAGE(redelivery_skipped))
		return false;
	if (BATON_SABOTAGE(append_at_death))
		return pending_append(&io->pending, list, shadow);
	return pending_prepend(&io->pending, list, shadow);
}

/* Youngest first, so that prepending keeps their order. Returns how many were not settled. */
static uint32_t take_back(struct io_lcore *io, uint32_t slot)
{
	struct slot_view *view = &io->slot[slot];
	struct belt_producer *belt = &view->belt;
	const struct suspects suspects = suspects_of(io, slot);
	uint32_t unsettled = 0;

	for (uint64_t at = belt->offered; at != belt->reaped; at--) {
		struct belt_shadow *shadow = &belt->shadow[(at - 1) & BELT_MASK];

		if (entry_judged(io, slot, &suspects, at - 1))
			continue;
		if (shadow->kind != BELT_PACKET && shadow->kind != BELT_MESSAGE)
			continue;
		unsettled += !BATON_SABOTAGE(unsettled_uncounted);
		shadow->attempts += shadow->attempts < UINT8_MAX; /* never back to 0: pending.h counts by it */
		if (shadow->kind == BELT_MESSAGE) {
			put_back(io, &io->list[list_of(io, slot, shadow)], shadow);
			if (BATON_SABOTAGE(message_redelivered_twice))
				message_post(io, shadow->service, shadow->bucket,
					     ((struct message *)shadow->cookie)->data, shadow->len);
			continue;
		}
		view->packets--;
		if (!BATON_SABOTAGE(ledger_belts_forgotten))
			io->ledger.in_belts--;
		BATON_POINT(death_putting_back);
		if (put_back(io, &io->list[list_of(io, slot, shadow)], shadow)) {
			io->ledger.pending++;
			stats_add(&io->stats->redelivered, 1);
		} else {
			/* never: there is a node for every buffer */
			drop_packet_of(io, shadow->cookie, DROP_worker_died, &view->counts->lost);
		}
	}
	return unsettled;
}

/* Buckets the dead worker owned, and those a move was bringing to it, are its orphans from now on. */
static void orphan_buckets(struct io_lcore *io, uint32_t slot)
{
	struct steering *steering = &io->steering[io->slot[slot].service];

	for (uint32_t bucket = 0; bucket <= steering->mask; bucket++)
		if (steering->entry[bucket] == STEER_ENTRY(slot, 0))
			steering->entry[bucket] = STEER_ENTRY(slot, LIST_ORPHANS(slot));
}

void death_take_over(struct io_lcore *io, uint32_t slot)
{
	struct slot_view *view = &io->slot[slot];

	move_owner_dies(io, slot);
	view->dead = 1; /* from here on nothing is put aside for its belt */
	if (io->shadows >> slot & 1u) {
		mirror_slot_dies(io, slot);
	} else if (view->attached) {
		/* first, so that messages that the final reap emits go behind all that waits for their buckets (R5) */
		orphan_buckets(io, slot);
		BATON_POINT(death_orphaned);
		pending_splice(&io->pending, &io->list[LIST_ORPHANS(slot)], &io->list[LIST_BACKLOG(slot)]);
		io->backlogs &= ~(1ull << slot);
		if (BATON_SABOTAGE(settled_cells_dropped))
			view->belt.out_reaped = atomic_load_explicit(&view->belt.commit->filled, memory_order_acquire);
		final_reap(io, slot);
		if (baton_unlikely(view->mirror != NULL))
			mirror_owner_dies(io, slot);
		BATON_POINT(death_reaped);
		death_note_entry(io, slot);
		/* relaxed: published with the acknowledgement below */
		atomic_fetch_add_explicit(&io->dp->slot[slot].unsettled, take_back(io, slot), memory_order_relaxed);
		/* Outbound cells of unsettled causes are forgotten: the next incarnation starts at `filled` (R8). */
		if (!BATON_SABOTAGE(unsettled_cells_kept))
			view->belt.out_reaped = atomic_load_explicit(&view->belt.commit->filled, memory_order_acquire);
		belt_out_publish(&view->belt);
		/* The page must say so too: `done` will be stored as the end of what was written (R4), and a successor
		 * that finds `offered` behind it would take slots nobody filled. */
		if (BATON_SABOTAGE(offered_of_the_dead_kept))
			belt_publish(&view->belt);
		else
			belt_publish_again(&view->belt);
		view->belt.reaped = view->belt.offered;
		view->belt.long_tail = view->belt.long_head;
	} else {
		death_note_entry(io, slot); /* nothing: not what an earlier one left */
	}
	BATON_POINT(death_taken_over);
	view->attached = 0;
	view->fence = 0;
	io->attached &= ~(1ull << slot);
	io->shadows &= ~(1ull << slot);
	io->dirty &= ~(1ull << slot);
	io->to_ring &= ~(1ull << slot);
	/* relaxed: published by the addition below; the last one's stays */
	atomic_store_explicit(&io->dp->slot[slot].taken_tsc, rte_rdtsc(), memory_order_relaxed);
	/* release: pairs with the acquire in datapath_slot_recovered() */
	if (atomic_fetch_add_explicit(&io->dp->slot[slot].dead_acks, 1, memory_order_release) + 1 == io->io_lcores)
		tell_main(io);
}

/* ---- main lcore, when every I/O lcore has done that ---- */

/* `done` to the end of what was offered: the next incarnation goes on there. */
void death_done_on(struct datapath *dp, struct control_block *control, uint32_t slot)
{
	for (uint32_t i = 0; i < dp->setup.io_lcores; i++)
		atomic_store_explicit(&control->commit[i].done, dp->io[i]->slot[slot].belt.offered, memory_order_release);
	/* The next incarnation counts on from there, whatever stands there. */
	if (atomic_load_explicit(&dp->setup.belt[0][slot]->bursts, memory_order_relaxed) >= FEED_BURSTS_MOST)
		atomic_store_explicit(&dp->setup.belt[0][slot]->bursts, 0, memory_order_relaxed);
}

/* What a kill found: a storm of them that finds little has shown little. */
void death_count(struct datapath *dp, uint32_t slot, uint32_t undone)
{
	struct CoreStats *page = stats_main(dp->setup.stats);

	stats_add(&page->deaths_with_unsettled,
		  atomic_load_explicit(&dp->slot[slot].unsettled, memory_order_relaxed) != 0);
	stats_add(&page->deaths_with_undo, undone != 0);
	stats_add(&page->records_undone, undone);
}

/* ---- sabotage builds alone: the same roll back once more, when others have had effects in between ---- */

void death_keep_journal(struct control_block *control)
{
	memcpy(control->journal.pad, (const void *)&control->journal.used, sizeof(control->journal.used));
}

void death_undo_again(const struct datapath *dp, uint32_t slot)
{
	struct journal *journal = &state_control(dp->setup.state, slot)->journal;
	struct journal_report report;

	memcpy((void *)&journal->used, journal->pad, sizeof(journal->used));
	journal->first = UINT64_MAX;
	state_roll_back(dp->setup.state, slot, &report);
}
