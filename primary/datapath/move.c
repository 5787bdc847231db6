/* Move: buckets change their owner, packet by packet in order, while traffic goes on. One lcore's part of it:
 *
 *   PRIMING -> REVOKING -> WAITING -> GRANTING -> DRAINING -> WATCHING -> NONE
 *
 * wake the new owner, and go on as before until it is awake; stop offering and park; a revoke as last entry on the old
 * owner's belt; when the revokes of *all* lcores are reaped (or the old owner is dead, rolled back and taken over) a
 * grant on the new owner's belt, then the parked packets, then direct offers again (protocol.md R5 to R7). The lcore
 * never waits: each turn does what can be done. */
#include "lcore.h"

#define PRIME_MOST_NS 20000000u
#define PRIME_FOR_US  100000u
#define CONVERT_BUCKETS 512u        /* of one entry: small buckets, and */
#define CONVERT_BYTES   (4u << 20)  /* large ones */
#define CONVERTS_OPEN   8u
/* The new owner has had the buckets for so long, and still more waits for them than it has taken: with more coming than
 * it can take that would never end. Longer than a belt and a pending list take to be handled by an owner that can. */
#define MOVE_LATE_NS 1000000000ull

bool move_is_late(const struct io_lcore *io, uint32_t service, uint32_t list)
{
	const struct lcore_move *part = &io->move[service];

	return list == LIST_MOVE(service) && part->phase == MOVE_DRAINING && !io->slot[part->move->to].dead &&
	       io->now_ns - part->granted_ns >= MOVE_LATE_NS && !BATON_SABOTAGE(draining_without_end);
}

/* Sets the steering entry of every bucket of the move. */
static void move_point(struct io_lcore *io, const struct move *move, uint32_t slot, uint32_t list)
{
	struct steering *steering = &io->steering[move->service];
	uint16_t entry = STEER_ENTRY(slot, list);

	for (uint32_t word = 0; word <= steering->mask / 64; word++) {
		uint16_t *run = &steering->entry[word * 64];

		if (move->map[word] == UINT64_MAX) /* most of them, in a handover */
			for (uint32_t i = 0; i < 64; i++)
				run[i] = entry;
		else
			for (uint64_t left = move->map[word]; left != 0; left &= left - 1)
				run[__builtin_ctzll(left)] = entry;
	}
}

/* Posts grants or revokes for the rest of the map, as many entries as the belt has room for.
 * Returns true when all of the map has been named. */
static bool move_post(struct io_lcore *io, struct lcore_move *part, uint32_t slot, uint8_t kind)
{
	const struct move *move = part->move;
	uint32_t buckets = io->steering[move->service].mask + 1;
	struct belt_buckets *entry = (void *)io->control;

	while (part->next_bucket < buckets) {
		uint32_t first = part->next_bucket;
		uint32_t count = buckets - first < BELT_MAP_BUCKETS ? buckets - first : BELT_MAP_BUCKETS;
		uint32_t bytes = (count + 7) / 8, any = 0;

		memcpy(entry->map, (const uint8_t *)move->map + first / 8, bytes);
		for (uint32_t i = 0; i < bytes; i++)
			any |= entry->map[i];
		if (any != 0) {
			entry->move = move->id;
			entry->first = first;
			entry->count = count;
			entry->service = (uint8_t)move->service;
			entry->all = 0;
			entry->schema = 0;
			if (!offer_control(io, slot, kind, move->id, entry, (uint32_t)sizeof(*entry) + bytes))
				return false;
			part->revokes_open += kind == BELT_REVOKE;
		}
		part->next_bucket = first + count;
	}
	return true;
}

static void move_end(struct io_lcore *io, struct lcore_move *part, bool failed)
{
	struct move *move = part->move;

	if (failed)
		atomic_fetch_add_explicit(&move->failed, 1, memory_order_relaxed);
	else
		stats_add(&io->stats->moves, 1);
	*(volatile uint64_t *)&io->stats->move_ended = io->tsc;
	part->phase = MOVE_NONE;
	part->move = NULL;
	io->moves--;
	/* release: pairs with the acquire in datapath_move_done(); the report is complete */
	if (atomic_fetch_add_explicit(&move->ended, 1, memory_order_release) + 1 == move->lcores)
		tell_main(io);
}

bool prime_slot(struct io_lcore *io, uint32_t slot, uint32_t move, uint32_t for_us)
{
	const struct belt_prime prime = {.for_us = for_us};
	const struct slot_view *view = &io->slot[slot];
	uint8_t payload[16] = {0};

	if (!view->attached || view->dead)
		return false;
	memcpy(payload, &prime, sizeof(prime));
	if (!offer_control(io, slot, BELT_PRIME, move, payload, sizeof(prime)))
		return false;
	/* Now, not at the end of the turn: it wakes up while this lcore goes on, perhaps to take a dead one's belt over. */
	steer_publish(io);
	doorbell_ring(io);
	return true;
}

/* The new owner is woken while the old one still works: what a wake-up takes is no part of the gap. It then yields
 * until it owns something, for `for_us` at most. Returns false if there is nobody to wait for. */
static bool move_prime(struct io_lcore *io, struct lcore_move *part)
{
	const struct slot_view *target = &io->slot[part->move->to];

	if (!prime_slot(io, part->move->to, part->move->id, PRIME_FOR_US))
		return false;
	part->primed_at = target->belt.offered;
	BATON_POINT(move_priming);
	return true;
}

/* The new owner is awake, or it is not to be had: dead, or without a CPU for PRIME_MOST_NS. */
static bool move_is_primed(const struct io_lcore *io, const struct lcore_move *part)
{
	const struct slot_view *target = &io->slot[part->move->to];

	return target->dead || BATON_SABOTAGE(parks_before_primed) || target->belt.reaped >= part->primed_at ||
	       io->now_ns - part->parked_ns >= PRIME_MOST_NS;
}

bool move_takes(const struct belt_shadow *packet, const void *move)
{
	const struct move *m = move;

	return packet->service == m->service && move_has(m, packet->bucket);
}

/* From here on what comes for these buckets waits. */
static void move_park(struct io_lcore *io, struct lcore_move *part)
{
	struct move *move = part->move;

	part->phase = MOVE_REVOKING;
	part->parked_ns = io->now_ns;
	if (move->orphans && move->part)
		pending_split(&io->pending, &io->list[LIST_MOVE(move->service)], &io->list[LIST_ORPHANS(move->from)],
			      move_takes, move);
	else if (move->orphans)
		pending_splice(&io->pending, &io->list[LIST_MOVE(move->service)], &io->list[LIST_ORPHANS(move->from)]);
	message_move(io, move);
	move_point(io, move, move->from, LIST_MOVE(move->service));
	if (atomic_load_explicit(&move->held, memory_order_relaxed) != 0) /* as ordered: nobody can have released it yet */
		mirror_records_change(io, move);
	BATON_POINT(move_parked);
	if (move->from == SLOT_NONE || move->orphans) {
		part->phase = MOVE_WAITING;
		atomic_fetch_add_explicit(&move->revoked, 1, memory_order_acq_rel);
	}
}

/* Orders from the mailbox. The map has been computed from the main lcore's table, which only moves change. */
void move_begin(struct io_lcore *io, struct move *move)
{
	struct lcore_move *part = &io->move[move->service];

	*part = (struct lcore_move){.move = move, .phase = MOVE_PRIMING, .parked_ns = io->now_ns};
	*(volatile uint64_t *)&io->stats->move_began = io->tsc;
	*(volatile uint64_t *)&io->stats->move_gap_ns = 0;
	io->moves++;
	move->report[io->index].gap_ns = 0;
	move->report[io->index].parked = 0;
	move->report[io->index].granted_tsc = move->report[io->index].replied_tsc = 0;
	/* Nobody works on these buckets if they are orphans: nothing to wait for. */
	if (!move_prime(io, part) || move->from == SLOT_NONE || move->orphans || io->slot[move->from].dead)
		move_park(io, part);
}

/* Before this lcore takes over the belt of `slot`: what that worker leaves is to be found in the move's list. */
void move_owner_dies(struct io_lcore *io, uint32_t slot)
{
	struct lcore_move *part = &io->move[io->slot[slot].service];

	if (part->move != NULL && part->phase == MOVE_PRIMING && part->move->from == slot &&
	    !BATON_SABOTAGE(primed_owner_dies_unseen))
		move_park(io, part);
}

void move_revoke_reaped(struct io_lcore *io, const struct belt_shadow *shadow)
{
	struct lcore_move *part = &io->move[shadow->service];

	if (part->move == NULL || part->move->id != shadow->move)
		return;
	part->revokes_open--;
	/* acq_rel: what this lcore reaped before it happened before any grant of another lcore */
	if (part->revokes_open == 0 && part->phase == MOVE_WAITING &&
	    atomic_fetch_add_explicit(&part->move->revoked, 1, memory_order_acq_rel) + 1 == part->move->lcores &&
	    atomic_load_explicit(&part->move->held, memory_order_relaxed) != 0)
		tell_main(io);
}

/* A packet of a moved bucket left the old owner's belt, or the first one the new owner's: for the gap. */
void move_packet_reaped(struct io_lcore *io, uint32_t slot, uint16_t bucket, uint8_t service)
{
	struct lcore_move *part = &io->move[service];

	if (part->move == NULL || !move_has(part->move, bucket))
		return;
	if (slot == part->move->from && part->watch_until == 0) { /* it may be the new one, too: of a move that was held */
		part->last_old_ns = io->now_ns;
	} else if (slot == part->move->to && part->watch_until != 0) {
		uint64_t since = part->last_old_ns != 0 ? part->last_old_ns : part->parked_ns;
		part->move->report[io->index].gap_ns = io->now_ns - since;
		part->move->report[io->index].replied_tsc = io->tsc;
		part->watch_until = 0;
	}
}

/* Offers the pending list in order; direct offers begin when it is empty. */
static bool move_drain(struct io_lcore *io, struct lcore_move *part)
{
	struct pending *list = &io->list[LIST_MOVE(part->move->service)];
	struct move *move = part->move;

	while (offer_waiting(io, move->to, LIST_MOVE(move->service))) {
		move->report[io->index].parked++;
		BATON_POINT(move_redelivering);
	}
	if (BATON_SABOTAGE(direct_before_list_is_empty))
		move_point(io, move, move->to, 0);
	if (list->count != 0)
		return false;
	move_point(io, move, move->to, 0);
	return true;
}

/* The lcore's own count of who owns how many: ticks are posted to nobody who owns nothing. */
static void move_count(struct io_lcore *io, const struct move *move)
{
	io->slot[move->to].buckets += move->buckets;
	if (move->from != SLOT_NONE)
		io->slot[move->from].buckets -= move->buckets;
}

static bool target_died(const struct io_lcore *io, const struct move *move)
{
	return io->slot[move->to].dead && !BATON_SABOTAGE(dead_target_chosen);
}

/* The target died: what it had not settled of these buckets stands in front of the move's list already (death.c). */
static void move_fail(struct io_lcore *io, struct lcore_move *part)
{
	struct move *move = part->move;

	if (part->phase < MOVE_DRAINING)
		move_count(io, move);
	pending_splice(&io->pending, &io->list[LIST_ORPHANS(move->to)], &io->list[LIST_MOVE(move->service)]);
	move_point(io, move, move->to, LIST_ORPHANS(move->to));
	move_end(io, part, true);
}

static bool move_may_grant(const struct io_lcore *io, const struct lcore_move *part)
{
	const struct move *move = part->move;

	if (BATON_SABOTAGE(grant_after_own_revoke) && part->revokes_open == 0)
		return true;
	if (BATON_SABOTAGE(grant_before_undo) && move->from != SLOT_NONE && io->slot[move->from].dead)
		return true;
	/* acquire: pairs with the additions above and with the main lcore's store after the roll back (R7) */
	return atomic_load_explicit(&move->revoked, memory_order_acquire) == move->lcores ||
	       atomic_load_explicit(&move->rolled_back, memory_order_acquire) != 0;
}

/* ---- records that are to have another schema before the next owner sees them ---- */

void move_convert(struct io_lcore *io, struct move *move, uint32_t slot, uint32_t schema)
{
	struct lcore_move *part = &io->move[move->service];

	if (part->move != move)
		return;
	part->converting = true;
	part->convert_slot = slot;
	part->convert_schema = schema;
	part->convert_next = 0;
	part->converts_open = 0;
}

void move_convert_reaped(struct io_lcore *io, const struct belt_shadow *shadow)
{
	struct lcore_move *part = &io->move[shadow->service];

	if (part->move != NULL && part->move->id == shadow->move && part->converting && part->converts_open != 0)
		part->converts_open--;
}

/* So many buckets in one entry that its worker is through with it long before it would count as stalled. */
static uint32_t convert_most(const struct io_lcore *io, uint32_t service)
{
	const struct state_group *g = &io->dp->setup.state->header->group[io->steering[service].group];
	uint64_t bytes = (uint64_t)g->bucket_slots * g->stride;
	uint64_t count = bytes == 0 ? CONVERT_BUCKETS : CONVERT_BYTES / bytes;

	return count < 8 ? 8 : count > CONVERT_BUCKETS ? CONVERT_BUCKETS : (uint32_t)count;
}

static void convert_step(struct io_lcore *io, struct lcore_move *part)
{
	const struct move *move = part->move;
	uint32_t buckets = io->steering[move->service].mask + 1, most = convert_most(io, move->service) & ~7u;
	struct belt_buckets *entry = (void *)io->control;

	if (io->slot[part->convert_slot].dead || !io->slot[part->convert_slot].attached) {
		part->converting = false; /* the main lcore sees it, and chooses another */
		return;
	}
	while (part->convert_next < buckets) {
		uint32_t first = part->convert_next, count = buckets - first < most ? buckets - first : most, any = 0;
		uint32_t bytes = (count + 7) / 8;

		memcpy(entry->map, (const uint8_t *)move->map + first / 8, bytes);
		for (uint32_t i = 0; i < bytes; i++)
			any |= entry->map[i];
		entry->move = move->id;
		entry->first = first;
		entry->count = count;
		entry->service = (uint8_t)move->service;
		entry->all = 0;
		entry->schema = (uint16_t)part->convert_schema;
		if (any != 0 && (part->converts_open == CONVERTS_OPEN ||
				 !offer_control(io, part->convert_slot, BELT_CONVERT, move->id, entry,
						(uint32_t)sizeof(*entry) + bytes)))
			return;
		part->converts_open += any != 0;
		part->convert_next = first + count;
		if (any != 0)
			BATON_POINT(convert_posted);
	}
	if (part->converts_open != 0)
		return;
	BATON_POINT(convert_reaped);
	part->converting = false;
	/* release: pairs with the acquire in datapath_converted() */
	atomic_store_explicit(&part->move->converted, 1, memory_order_release);
	tell_main(io);
}

/* ---- buckets whose records nobody can convert ---- */

static bool stays(const struct belt_shadow *packet, const void *move)
{
	const struct move *m = move;

	return packet->service == m->service && (m->leave[packet->bucket / 64] >> (packet->bucket % 64) & 1u) != 0;
}

void move_leave(struct io_lcore *io, struct move *move)
{
	struct steering *steering = &io->steering[move->service];

	pending_split(&io->pending, &io->list[LIST_ORPHANS(move->from)], &io->list[LIST_MOVE(move->service)], stays, move);
	for (uint32_t word = 0; word <= steering->mask / 64; word++)
		for (uint64_t left = move->leave[word]; left != 0; left &= left - 1)
			steering->entry[word * 64 + (uint32_t)__builtin_ctzll(left)] =
			    STEER_ENTRY(move->from, LIST_ORPHANS(move->from));
	io->slot[move->from].held = 1;
	BATON_POINT(convert_left);
	/* release: pairs with the acquire in datapath_left(); the lists are as they are to be */
	if (atomic_fetch_add_explicit(&move->left, 1, memory_order_release) + 1 == move->lcores)
		tell_main(io);
}

static void move_step(struct io_lcore *io, struct lcore_move *part)
{
	struct move *move = part->move;
	bool from_dead = move->from != SLOT_NONE && io->slot[move->from].dead;

	switch (part->phase) {
	case MOVE_PRIMING:
		if (!move_is_primed(io, part))
			return;
		move_park(io, part);
		/* fall through */
	case MOVE_REVOKING:
		if (!from_dead && !move_post(io, part, move->from, BELT_REVOKE))
			return;
		part->phase = MOVE_WAITING;
		BATON_POINT(move_revoked);
		/* fall through */
	case MOVE_WAITING:
		if (!move_may_grant(io, part))
			return;
		if (baton_unlikely(part->converting))
			convert_step(io, part);
		/* acquire: pairs with the release in datapath_move_release(): what was done to the records, and `to` */
		if (atomic_load_explicit(&move->held, memory_order_acquire) != 0)
			return;
		/* The old owner is done with these buckets everywhere. A target that is dead by now fails the move. */
		if (target_died(io, move))
			return move_fail(io, part);
		part->phase = MOVE_GRANTING;
		part->next_bucket = 0;
		/* fall through */
	case MOVE_GRANTING:
		if (target_died(io, move))
			return move_fail(io, part);
		if (!move_post(io, part, move->to, BELT_GRANT))
			return;
		BATON_POINT(move_granted);
		move_count(io, move);
		ticks_granted(io, move);
		part->phase = MOVE_DRAINING;
		part->granted_ns = io->now_ns;
		move->report[io->index].granted_tsc = io->tsc;
		part->watch_until = io->list[LIST_MOVE(move->service)].count != 0;
		/* fall through */
	case MOVE_DRAINING:
		if (target_died(io, move))
			return move_fail(io, part);
		if (!move_drain(io, part))
			return;
		part->phase = MOVE_WATCHING;
		/* fall through */
	case MOVE_WATCHING:
		/* Over for the players. Packets that were parked tell the gap; without any there is none to tell. */
		if (part->watch_until != 0 && !io->slot[move->to].dead)
			return;
		BATON_POINT(move_ending);
		return move_end(io, part, false);
	case MOVE_NONE:
		return;
	}
}

void move_run(struct io_lcore *io)
{
	if (baton_likely(io->moves == 0))
		return;
	for (uint32_t service = 0; service < io->services; service++)
		if (io->move[service].move != NULL)
			move_step(io, &io->move[service]);
}
