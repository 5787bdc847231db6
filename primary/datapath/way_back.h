/* How to reach the sender of a packet again, read from the frame that came in. */
#ifndef BATON_PRIMARY_WAY_BACK_H
#define BATON_PRIMARY_WAY_BACK_H

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "lcore.h"

static inline struct belt_peer peer_of(const struct belt_shadow *packet, const uint8_t *frame)
{
	const struct rte_udp_hdr *udp = (const void *)(frame + packet->data_at - sizeof(*udp));
	const struct rte_ipv4_hdr *ip = (const void *)(frame + sizeof(struct rte_ether_hdr));
	uint16_t vlan = (uint16_t)((packet->tag & VLAN_ID) | (uint32_t)packet->place << PEER_PLACE);
	uint64_t mac;

	memcpy(&mac, frame + RTE_ETHER_ADDR_LEN, sizeof(mac)); /* and the EtherType behind it */
	return belt_peer(ip->src_addr, udp->src_port, vlan,
			 mac & 0xffffffffffffull, packet->port, packet->service);
}

#endif
