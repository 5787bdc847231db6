/* Steer and offer: a packet's bucket names its owner, the owner's belt takes a copy, the frame stays here. */
#include "lcore.h"
#include "way_back.h"

/* The packet fits. The caller counts it in the ledger. */
static inline void offer(struct slot_view *view, const struct belt_shadow *packet)
{
	const uint8_t *frame = rte_pktmbuf_mtod((struct rte_mbuf *)packet->cookie, const uint8_t *);

	belt_offer(&view->belt, packet, peer_of(packet, frame), frame + packet->data_at);
	view->packets++;
}

/* Only what has been in a belt before can be suspect, and that comes from a list. */
static void mark(struct slot_view *view, const struct belt_shadow *entry)
{
	if (baton_unlikely(entry->blame != 0))
		belt_mark_suspect(&view->belt);
}

/* Copies the payload of a packet, or a message, into the slot's belt. Returns false if there is no room; the caller
 * still owns it. */
bool offer_entry(struct io_lcore *io, uint32_t slot, const struct belt_shadow *entry)
{
	struct slot_view *view = &io->slot[slot];

	if (baton_unlikely(!belt_fits(&view->belt, entry->len, false)))
		return false;
	io->dirty |= 1ull << slot;
	if (entry->kind == BELT_MESSAGE) {
		const struct message *message = entry->cookie;

		belt_offer(&view->belt, entry, (struct belt_peer){{0}}, message->data);
		mark(view, entry);
		return true;
	}
	offer(view, entry);
	mark(view, entry);
	io->ledger.in_belts++;
	stats_add(&io->stats->offered, 1);
	return true;
}

/* Offers the first entry of a list. Returns false if the list is empty or the belt has no room. */
bool offer_waiting(struct io_lcore *io, uint32_t slot, uint32_t list)
{
	struct pending *waiting = &io->list[list];

	if (waiting->count == 0)
		return false;
	const struct belt_shadow *first = pending_first(&io->pending, waiting);
	if (!offer_entry(io, slot, first))
		return false;
	if (!BATON_SABOTAGE(ledger_pending_forgotten))
		io->ledger.pending -= first->kind == BELT_PACKET;
	pending_drop_first(&io->pending, waiting);
	return true;
}

/* payload must be readable for len rounded up to 16. Returns false if the control reserve is spent: try next turn. */
bool offer_control(struct io_lcore *io, uint32_t slot, uint8_t kind, uint32_t move, const void *payload, uint32_t len)
{
	struct slot_view *view = &io->slot[slot];
	struct belt_shadow entry = {
		.time_ns = io->now_ns, .move = move, .len = (uint16_t)len, .kind = kind, .service = view->service,
	};

	if (!belt_fits(&view->belt, len, true))
		return false;
	belt_offer(&view->belt, &entry, (struct belt_peer){{0}}, payload);
	io->dirty |= 1ull << slot;
	io->to_ring |= 1ull << slot; /* a worker that owns nothing sleeps even when it would poll busily */
	stats_add(&io->stats->control_entries, 1);
	return true;
}

/* Of the slot whose orphans the list holds, if that is one: that a move's list is full is nobody's fault. */
static void drop_parked(struct io_lcore *io, uint32_t entry, const struct belt_shadow *packet)
{
	uint32_t slot = STEER_SLOT(entry);

	if (slot != SLOT_NONE && STEER_LIST(entry) == LIST_ORPHANS(slot))
		stats_add(&io->slot[slot].counts->pending_full, 1);
	drop_packet(io, packet->cookie, DROP_pending_full);
}

static void drop_unowned_or_full(struct io_lcore *io, uint32_t slot, const struct belt_shadow *packet)
{
	if (slot == SLOT_NONE)
		return drop_packet(io, packet->cookie, DROP_no_worker);
	drop_packet_of(io, packet->cookie, DROP_belt_full, &io->slot[slot].counts->belt_full);
}

static void park(struct io_lcore *io, uint32_t entry, const struct belt_shadow *packet)
{
	uint32_t list = STEER_LIST(entry);

	if (BATON_SABOTAGE(parked_packet_dropped))
		return drop_packet(io, packet->cookie, DROP_pending_full);
	if (baton_unlikely(!park_has_room(io, list, packet->service) ||
			   !pending_append(&io->pending, &io->list[list], packet)))
		return drop_parked(io, entry, packet);
	io->ledger.pending++;
	stats_add(&io->stats->parked, 1);
}

/* What cannot be offered now: its bucket moves, has no owner, the owner's belt is full, or messages have the room. */
static __attribute__((noinline)) void steer_otherwise(struct io_lcore *io, uint32_t entry,
						      const struct belt_shadow *packet)
{
	if (!message_room(&io->message, packet->service))
		return drop_packet(io, packet->cookie, DROP_message_room);
	if (move_is_late(io, packet->service, STEER_LIST(entry)))
		return drop_unowned_or_full(io, io->move[packet->service].move->to, packet);
	if (STEER_LIST(entry) != 0)
		return park(io, entry, packet);
	drop_unowned_or_full(io, STEER_SLOT(entry), packet);
}

/* Packets for one belt, counted when another one's turn comes. */
struct run {
	uint32_t slot; /* SLOT_NONE: none */
	uint32_t count, room;
	const struct belt_producer *belt;
};

static inline void run_end(struct io_lcore *io, struct run *run)
{
	if (run->slot == SLOT_NONE)
		return;
	struct slot_view *view = &io->slot[run->slot];

	belt_offered(&view->belt, run->count);
	view->packets += run->count;
	io->dirty |= (uint64_t)(run->count != 0) << run->slot;
	io->ledger.in_belts += run->count;
	stats_add(&io->stats->offered, run->count);
	run->slot = SLOT_NONE;
}

static inline void run_begin(struct io_lcore *io, struct run *run, uint32_t slot)
{
	run_end(io, run);
	run->belt = &io->slot[slot].belt;
	run->slot = slot;
	run->count = 0;
	run->room = belt_room(run->belt);
}

/* Any packet. */
static __attribute__((noinline)) void steer_any(struct io_lcore *io, uint32_t entry, const struct belt_shadow *packet)
{
	if ((io->message.full >> packet->service & 1u) != 0 || STEER_LIST(entry) != 0 || STEER_SLOT(entry) == SLOT_NONE ||
	    !offer_entry(io, STEER_SLOT(entry), packet))
		steer_otherwise(io, entry, packet);
}

void steer_burst(struct io_lcore *io, const struct belt_shadow *packet, uint32_t count)
{
	struct run run = {.slot = SLOT_NONE};
	uint32_t full = io->message.full;

	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *frame = rte_pktmbuf_mtod((struct rte_mbuf *)packet[i].cookie, const uint8_t *);
		uint32_t entry = io->steering[packet[i].service].entry[packet[i].bucket];

		if (baton_likely(entry < SLOT_NONE) && baton_unlikely(entry != run.slot))
			run_begin(io, &run, entry);
		/* A list, no owner, no room, too long for the slot, or messages that have the room of some service. */
		if (baton_unlikely(entry >= SLOT_NONE || run.count == run.room || packet[i].len > BELT_INLINE || full != 0)) {
			run_end(io, &run);
			steer_any(io, entry, &packet[i]);
			continue;
		}
		belt_offer_small(run.belt, run.count++, &packet[i], peer_of(&packet[i], frame), frame + packet[i].data_at);
	}
	run_end(io, &run);
}

/* One release store per belt that got something, after the whole burst. */
void steer_publish(struct io_lcore *io)
{
	while (io->dirty != 0) {
		uint32_t slot = (uint32_t)__builtin_ctzll(io->dirty);

		io->dirty &= io->dirty - 1;
		belt_publish(&io->slot[slot].belt);
		if (io->adaptive)
			io->to_ring |= 1ull << slot;
	}
}
