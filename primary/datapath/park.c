/* Packets that wait for a worker: how many of whom may, and for how long.
 *
 * Room is divided, so that what one dead worker leaves waiting takes nothing from the others: each service has its own
 * (memory.pending is theirs by rate.max), and in it a dead worker's buckets have theirs, as many shares as they are. A
 * move has an eighth at least: it is short, and its few buckets may be the busiest. */
#include "lcore.h"

#define ORPHANS_LEAST 64u
#define MOVE_SHARE    8u
#define AGE_LOOKS     256u /* entries of one list in one housekeeping: bounds the turn */

void park_rooms(struct io_lcore *io)
{
	const struct config *config = io->dp->setup.config;

	for (uint32_t i = 0; i < io->services; i++) {
		uint32_t room = io->dp->setup.pending_room[i];

		io->pending_room[i] = room != 0 ? room : config->pending / io->services;
	}
}

static uint32_t share(const struct io_lcore *io, uint32_t service, uint32_t buckets, uint32_t least)
{
	uint32_t room = (uint32_t)((uint64_t)io->pending_room[service] * buckets / (io->steering[service].mask + 1));

	return room > least ? room : least;
}

static uint32_t list_room(const struct io_lcore *io, uint32_t list, uint32_t service)
{
	if (list == LIST_MOVE(service))
		return share(io, service, io->move[service].move->buckets, io->pending_room[service] / MOVE_SHARE);
	return share(io, service, io->slot[list - LIST_ORPHANS(0)].buckets, ORPHANS_LEAST);
}

bool park_has_room(const struct io_lcore *io, uint32_t list, uint32_t service)
{
	uint32_t waiting = 0, room = 0;

	if (BATON_SABOTAGE(pending_room_shared)) {
		for (uint32_t i = 0; i < io->services; i++) {
			waiting += io->pending.waiting[i];
			room += io->pending_room[i];
		}
		return waiting < room;
	}
	return io->pending.waiting[service] < io->pending_room[service] &&
	       (BATON_SABOTAGE(orphans_room_shared) || io->list[list].waiting < list_room(io, list, service));
}

/* ---- age ---- */

void park_limit(struct io_lcore *io, uint32_t slot, uint64_t max_age_ns)
{
	io->slot[slot].max_age_ns = max_age_ns;
	if (max_age_ns != 0)
		io->aging |= 1ull << slot;
	else
		io->aging &= ~(1ull << slot);
}

/* Stamps of one lcore are made to differ, so the latest may be a little ahead of its clock. */
static uint64_t age_of(const struct io_lcore *io, const struct belt_shadow *packet)
{
	return io->now_ns > packet->time_ns ? io->now_ns - packet->time_ns : 0;
}

/* Oldest first; messages stay, whatever their age, and the packets behind them do not. */
static void drop_old(struct io_lcore *io, uint32_t slot)
{
	struct pending *list = &io->list[LIST_ORPHANS(slot)];
	const struct belt_shadow *first;

	for (uint32_t looks = 0; looks < AGE_LOOKS && (first = pending_unseen(&io->pending, list)) != NULL; looks++) {
		struct rte_mbuf *mbuf = first->cookie;

		if (first->kind == BELT_MESSAGE && !BATON_SABOTAGE(messages_expire)) {
			pending_keep_unseen(&io->pending, list);
			continue;
		}
		if (age_of(io, first) < io->slot[slot].max_age_ns || BATON_SABOTAGE(max_age_ignored))
			return;
		if (first->kind == BELT_MESSAGE) {
			message_drop(io, first->cookie);
			pending_drop_unseen(&io->pending, list);
			continue;
		}
		pending_drop_unseen(&io->pending, list);
		io->ledger.pending--;
		drop_packet_of(io, mbuf, DROP_park_expired, &io->slot[slot].counts->park_expired);
	}
}

static void show(struct io_lcore *io, uint32_t slot)
{
	const struct pending *list = &io->list[LIST_ORPHANS(slot)];
	const struct belt_shadow *first = pending_unseen(&io->pending, list);
	struct slot_parked *parked = &io->slot[slot].parked;

	*(volatile uint64_t *)&parked->packets = list->packets;
	*(volatile uint64_t *)&parked->age_ns =
		list->packets != 0 && first != NULL && first->kind == BELT_PACKET ? age_of(io, first) : 0;
}

void park_housekeep(struct io_lcore *io)
{
	for (uint64_t left = io->aging; left != 0; left &= left - 1)
		drop_old(io, (uint32_t)__builtin_ctzll(left));
	for (uint32_t slot = 0; slot < io->slots; slot++)
		if (baton_unlikely(io->slot[slot].dead))
			show(io, slot);
}
