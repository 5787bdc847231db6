/* Complete: the kept frame becomes the reply: payload from the worker's cell, addresses turned round, lengths and
 * checksums made true. Nothing of the headers ever comes from a worker. */
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "checksum.h"
#include "lcore.h"

#define REPLY_TTL 64

/* Turns addresses and ports round in place. */
static void turn_round(struct rte_ether_hdr *eth, struct rte_ipv4_hdr *ip, struct rte_udp_hdr *udp, const uint8_t mac[6])
{
	uint32_t address = ip->src_addr;
	uint16_t udp_port = udp->src_port;

	eth->dst_addr = eth->src_addr;
	memcpy(&eth->src_addr, mac, RTE_ETHER_ADDR_LEN);
	ip->src_addr = ip->dst_addr;
	ip->dst_addr = address;
	udp->src_port = udp->dst_port;
	udp->dst_port = udp_port;
}

static void finish_checksums(const struct port *port, struct rte_mbuf *mbuf, struct rte_ipv4_hdr *ip,
			     struct rte_udp_hdr *udp, uint32_t ihl)
{
	uint64_t flags = RTE_MBUF_F_TX_IPV4;

	mbuf->l2_len = sizeof(struct rte_ether_hdr);
	mbuf->l3_len = ihl;
	ip->hdr_checksum = 0;
	if (port->tx_ip_checksum)
		flags |= RTE_MBUF_F_TX_IP_CKSUM;
	else
		ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, ihl);
	udp->dgram_cksum = 0;
	if (port->tx_udp_checksum) {
		flags |= RTE_MBUF_F_TX_UDP_CKSUM;
		udp->dgram_cksum = rte_ipv4_phdr_cksum(ip, flags);
	} else {
		uint16_t sum = checksum_udp(ip, udp, rte_be_to_cpu_16(udp->dgram_len));
		/* 0 would mean "not computed" (RFC 768) */
		udp->dgram_cksum = sum == 0xffff ? 0xffff : (uint16_t)~sum;
	}
	mbuf->ol_flags = flags;
}

/* len: bytes of reply, 1 to shadow->len. Hands the frame to the port it came in by. */
void complete_reply(struct io_lcore *io, const struct belt_shadow *shadow, const uint8_t *reply, uint32_t len)
{
	struct rte_mbuf *mbuf = shadow->cookie;
	uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
	struct rte_ipv4_hdr *ip = (void *)(frame + sizeof(struct rte_ether_hdr));
	struct rte_udp_hdr *udp = (void *)(frame + shadow->data_at - sizeof(*udp));
	uint32_t ihl = shadow->data_at - (uint32_t)(sizeof(struct rte_ether_hdr) + sizeof(*udp));
	const struct port *port = &io->port[shadow->pad];

	if (baton_likely(len <= BELT_INLINE))
		belt_copy(frame + shadow->data_at, reply, len); /* the mbuf's tail room takes the rounding */
	else
		memcpy(frame + shadow->data_at, reply, len);
	turn_round((struct rte_ether_hdr *)(void *)frame, ip, udp, port->mac);
	ip->time_to_live = REPLY_TTL;
	ip->total_length = rte_cpu_to_be_16((uint16_t)(ihl + sizeof(*udp) + len));
	udp->dgram_len = rte_cpu_to_be_16((uint16_t)(sizeof(*udp) + len));
	mbuf->data_len = (uint16_t)(shadow->data_at + len); /* also cuts padding of short frames */
	mbuf->pkt_len = mbuf->data_len;
	finish_checksums(port, mbuf, ip, udp, ihl);
	tx_enqueue(io, port->index, mbuf);
}
