/* ARP for IPv4 over Ethernet (RFC 826): checking and filling in one packet, behind an Ethernet header without tag. */
#ifndef BATON_PRIMARY_ARP_H
#define BATON_PRIMARY_ARP_H

#include <rte_arp.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#include <stdbool.h>
#include <string.h>

#include "port.h"

#define ARP_BYTES (sizeof(struct rte_ether_hdr) + sizeof(struct rte_arp_hdr))

/* Whole, and of the only kind there is here; the opcode is not looked at. */
static inline bool arp_sound(const struct rte_mbuf *mbuf)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(mbuf, const struct rte_ether_hdr *);
	const struct rte_arp_hdr *arp = (const void *)(eth + 1);

	return mbuf->data_len >= ARP_BYTES && arp->arp_hardware == rte_cpu_to_be_16(RTE_ARP_HRD_ETHER) &&
	       arp->arp_protocol == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) && arp->arp_hlen == RTE_ETHER_ADDR_LEN &&
	       arp->arp_plen == sizeof(uint32_t);
}

/* Addresses in network byte order; opcode in host byte order. to_mac: of the frame and of the packet. */
static inline void arp_fill(const struct port *port, struct rte_mbuf *mbuf, uint16_t opcode, uint32_t our_ip,
			    const uint8_t *to_mac, uint32_t to_ip)
{
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(mbuf, struct rte_ether_hdr *);
	struct rte_arp_hdr *arp = (void *)(eth + 1);

	memcpy(&eth->dst_addr, to_mac, RTE_ETHER_ADDR_LEN);
	memcpy(&eth->src_addr, port->mac, RTE_ETHER_ADDR_LEN);
	eth->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP);
	arp->arp_hardware = rte_cpu_to_be_16(RTE_ARP_HRD_ETHER);
	arp->arp_protocol = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	arp->arp_hlen = RTE_ETHER_ADDR_LEN;
	arp->arp_plen = sizeof(uint32_t);
	arp->arp_opcode = rte_cpu_to_be_16(opcode);
	memcpy(&arp->arp_data.arp_sha, port->mac, RTE_ETHER_ADDR_LEN);
	arp->arp_data.arp_sip = our_ip;
	memcpy(&arp->arp_data.arp_tha, to_mac, RTE_ETHER_ADDR_LEN);
	arp->arp_data.arp_tip = to_ip;
	mbuf->data_len = ARP_BYTES;
	mbuf->pkt_len = ARP_BYTES;
	mbuf->ol_flags = 0;
}

#endif
