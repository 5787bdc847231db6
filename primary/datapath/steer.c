/* Steer and offer: a packet's bucket names its owner, the owner's belt takes a copy, the frame stays here. */
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "lcore.h"

/* How to reach the sender again, read from the frame that came in. */
static inline struct belt_peer peer_of(const struct belt_shadow *packet, const uint8_t *frame)
{
	const struct rte_udp_hdr *udp = (const void *)(frame + packet->data_at - sizeof(*udp));
	const struct rte_ipv4_hdr *ip = (const void *)(frame + sizeof(struct rte_ether_hdr));
	uint64_t mac;

	memcpy(&mac, frame + RTE_ETHER_ADDR_LEN, sizeof(mac)); /* and the EtherType behind it */
	return belt_peer(ip->src_addr, udp->src_port, (uint16_t)((packet->tag & VLAN_ID) | (uint32_t)packet->place << PEER_PLACE),
			 mac & 0xffffffffffffull, packet->port, packet->service);
}

/* The packet fits. The caller counts it in the ledger. */
static inline void offer(struct slot_view *view, const struct belt_shadow *packet)
{
	const uint8_t *frame = rte_pktmbuf_mtod((struct rte_mbuf *)packet->cookie, const uint8_t *);

	belt_offer(&view->belt, packet, peer_of(packet, frame), frame + packet->data_at);
	view->packets++;
}

/* Copies the payload of a packet, or a message, into the slot's belt. Returns false if there is no room; the caller still
 * owns it. */
bool offer_entry(struct io_lcore *io, uint32_t slot, const struct belt_shadow *entry)
{
	struct slot_view *view = &io->slot[slot];

	if (baton_unlikely(!belt_fits(&view->belt, entry->len, false)))
		return false;
	io->dirty |= 1ull << slot;
	if (entry->kind == BELT_MESSAGE) {
		const struct message *message = entry->cookie;

		belt_offer(&view->belt, entry, (struct belt_peer){{0}}, message->data);
		return true;
	}
	offer(view, entry);
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

static void park(struct io_lcore *io, uint32_t list, const struct belt_shadow *packet)
{
	if (BATON_SABOTAGE(parked_packet_dropped))
		return drop_packet(io, packet->cookie, DROP_pending_full);
	if (baton_unlikely(!park_has_room(io, list, packet->service) ||
			   !pending_append(&io->pending, &io->list[list], packet)))
		return drop_packet(io, packet->cookie, DROP_pending_full);
	io->ledger.pending++;
	stats_add(&io->stats->parked, 1);
}

/* What cannot be offered now: its bucket moves, has no owner, the owner's belt is full, or messages have the room. */
static __attribute__((noinline)) void steer_otherwise(struct io_lcore *io, uint32_t entry, const struct belt_shadow *packet)
{
	if (!message_room(&io->message, packet->service))
		return drop_packet(io, packet->cookie, DROP_message_room);
	if (move_is_late(io, packet->service, STEER_LIST(entry)))
		return drop_packet(io, packet->cookie, DROP_belt_full);
	if (STEER_LIST(entry) != 0)
		return park(io, STEER_LIST(entry), packet);
	drop_packet(io, packet->cookie, STEER_SLOT(entry) == SLOT_NONE ? DROP_no_worker : DROP_belt_full);
}

void steer_burst(struct io_lcore *io, const struct belt_shadow *packet, uint32_t count)
{
	uint64_t dirty = 0;
	uint32_t offered = 0, full = io->message.full;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t entry = io->steering[packet[i].service].entry[packet[i].bucket];
		uint32_t slot = STEER_SLOT(entry);

		if (baton_unlikely((full >> packet[i].service & 1u) != 0 || STEER_LIST(entry) != 0 || slot == SLOT_NONE ||
				   !belt_fits(&io->slot[slot].belt, packet[i].len, false))) {
			steer_otherwise(io, entry, &packet[i]);
			continue;
		}
		offer(&io->slot[slot], &packet[i]);
		dirty |= 1ull << slot;
		offered++;
	}
	io->dirty |= dirty;
	io->ledger.in_belts += offered;
	stats_add(&io->stats->offered, offered);
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
