/* Steer and offer: a packet's bucket names its owner, the owner's belt takes a copy, the frame stays here. */
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "lcore.h"

/* How to reach the sender again, read from the frame that came in. */
static inline void peer_of(const struct belt_shadow *packet, const uint8_t *frame, struct baton_peer *peer)
{
	const struct rte_udp_hdr *udp = (const void *)(frame + packet->data_at - sizeof(*udp));
	const struct rte_ipv4_hdr *ip = (const void *)(frame + sizeof(struct rte_ether_hdr));

	peer->ip = ip->src_addr;
	peer->udp_port = udp->src_port;
	peer->vlan = 0;
	memcpy(peer->mac, frame + RTE_ETHER_ADDR_LEN, RTE_ETHER_ADDR_LEN);
	peer->port = (uint8_t)packet->pad;
	peer->service = packet->service;
}

/* Copies the payload into the slot's belt. Returns false if there is no room; the caller still owns the packet. */
bool offer_packet(struct io_lcore *io, uint32_t slot, const struct belt_shadow *packet)
{
	struct slot_view *view = &io->slot[slot];
	const uint8_t *frame = rte_pktmbuf_mtod((struct rte_mbuf *)packet->cookie, const uint8_t *);
	struct baton_peer peer;

	if (baton_unlikely(!belt_fits(&view->belt, packet->len, false)))
		return false;
	peer_of(packet, frame, &peer);
	belt_offer(&view->belt, packet, &peer, frame + packet->data_at);
	view->packets++;
	io->ledger.in_belts++;
	io->dirty |= 1ull << slot;
	stats_add(&io->stats->offered, 1);
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
	belt_offer(&view->belt, &entry, NULL, payload);
	io->dirty |= 1ull << slot;
	io->to_ring |= 1ull << slot; /* a worker that owns nothing sleeps even when it would poll busily */
	stats_add(&io->stats->control_entries, 1);
	return true;
}

static void park(struct io_lcore *io, uint32_t list, const struct belt_shadow *packet)
{
	if (baton_unlikely(io->pending.used - io->pending.returned >= io->pending_most ||
			   !pending_append(&io->pending, &io->list[list], packet)))
		return drop_packet(io, packet->cookie, DROP_pending_full);
	io->ledger.pending++;
	stats_add(&io->stats->parked, 1);
}

void steer_packet(struct io_lcore *io, struct belt_shadow *packet)
{
	uint32_t entry = io->steering[packet->service].entry[packet->bucket];
	uint32_t slot = STEER_SLOT(entry);

	if (baton_unlikely(STEER_LIST(entry) != 0))
		return park(io, STEER_LIST(entry), packet);
	if (baton_unlikely(slot == SLOT_NONE))
		return drop_packet(io, packet->cookie, DROP_no_worker);
	if (baton_unlikely(!offer_packet(io, slot, packet)))
		drop_packet(io, packet->cookie, DROP_belt_full);
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
