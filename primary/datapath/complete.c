/* Complete: the kept frame becomes the reply: payload from the worker's cell, addresses turned round, lengths and
 * checksums made true. Nothing of the headers ever comes from a worker. */
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "checksum.h"
#include "lcore.h"
#include "vlan.h"

#define REPLY_TTL 64

/* Where things stand in the kept frame, and what the reply needs. */
struct reply_frame {
	struct rte_ether_hdr *eth;
	struct rte_ipv4_hdr *ip;
	struct rte_udp_hdr *udp;
	uint32_t ihl;
	uint16_t udp_len; /* of the reply; network byte order */
};

/* Turns addresses and ports round in place. */
static inline void turn_round(const struct reply_frame *f, const uint8_t mac[6])
{
	uint32_t address = f->ip->src_addr;
	uint16_t udp_port = f->udp->src_port;

	f->eth->dst_addr = f->eth->src_addr;
	memcpy(&f->eth->src_addr, mac, RTE_ETHER_ADDR_LEN);
	f->ip->src_addr = f->ip->dst_addr;
	f->ip->dst_addr = address;
	f->udp->src_port = f->udp->dst_port;
	f->udp->dst_port = udp_port;
}

/* Length and time to live; the header's checksum, unless the device makes it, from the request's, which is known to be
 * right: turned addresses leave it as it is, the two fields that change are taken out and put in (RFC 1624, eqn. 3). */
static inline void finish_ip(const struct port *port, const struct reply_frame *f, uint16_t total)
{
	struct rte_ipv4_hdr *ip = f->ip;
	uint32_t sum = (uint16_t)~ip->hdr_checksum;

	sum += (uint16_t)~ip->total_length + (uint32_t)total;
	sum += (uint16_t)~ip->time_to_live + (uint32_t)REPLY_TTL; /* the low byte of its word as it lies in memory */
	ip->time_to_live = REPLY_TTL;
	ip->total_length = total;
	ip->hdr_checksum = port->tx_ip_checksum ? 0 : (uint16_t)~checksum_fold(sum);
}

/* The header's words are summed from where they come, not from memory: they have just been written there in pieces. */
static inline void finish_udp(const struct port *port, const struct reply_frame *f, uint32_t len)
{
	uint64_t sum = checksum_pseudo_header(f->ip, f->udp_len);

	f->udp->dgram_len = f->udp_len;
	if (!port->tx_udp_checksum) {
		sum += (uint64_t)f->udp->src_port + f->udp->dst_port + f->udp_len + checksum_bytes(f->udp + 1, len);
		uint16_t folded = checksum_fold(sum);
		/* 0 would mean "not computed" (RFC 768) */
		f->udp->dgram_cksum = folded == 0xffff ? 0xffff : (uint16_t)~folded;
		return;
	}
	f->udp->dgram_cksum = checksum_fold(sum);
}

/* Hands the frame to the port it came in by. */
static inline void complete_reply(struct io_lcore *io, const struct reply *reply)
{
	const struct belt_shadow *shadow = reply->shadow;
	uint32_t len = reply->len;
	struct rte_mbuf *mbuf = shadow->cookie;
	uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
	const struct port *port = &io->port[shadow->port];
	const struct reply_frame f = {
		.eth = (void *)frame,
		.ip = (void *)(frame + sizeof(struct rte_ether_hdr)),
		.udp = (void *)(frame + shadow->data_at - sizeof(struct rte_udp_hdr)),
		.ihl = shadow->data_at - (uint32_t)(sizeof(struct rte_ether_hdr) + sizeof(struct rte_udp_hdr)),
		.udp_len = rte_cpu_to_be_16((uint16_t)(sizeof(struct rte_udp_hdr) + len)),
	};

	if (baton_likely(len <= BELT_MEDIUM_BYTES))
		belt_copy(frame + shadow->data_at, reply->data, len); /* the mbuf's tail room takes the rounding */
	else
		memcpy(frame + shadow->data_at, reply->data, len);
	turn_round(&f, port->mac);
	finish_ip(port, &f, rte_cpu_to_be_16((uint16_t)(f.ihl + sizeof(*f.udp) + len)));
	finish_udp(port, &f, len);
	mbuf->data_len = (uint16_t)(shadow->data_at + len); /* also cuts padding of short frames */
	mbuf->pkt_len = mbuf->data_len;
	mbuf->ol_flags = RTE_MBUF_F_TX_IPV4 | (port->tx_ip_checksum ? RTE_MBUF_F_TX_IP_CKSUM : 0) |
			 (port->tx_udp_checksum ? RTE_MBUF_F_TX_UDP_CKSUM : 0);
	mbuf->tx_offload = rte_mbuf_tx_offload(sizeof(*f.eth), f.ihl, 0, 0, 0, 0, 0);
	if (baton_unlikely(shadow->tag != 0) && !BATON_SABOTAGE(vlan_tag_lost))
		vlan_put_on(port, mbuf, (uint16_t)shadow->tag);
	tx_enqueue(io, port->index, mbuf);
}

void complete_burst(struct io_lcore *io, const struct reply *reply, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		complete_reply(io, &reply[i]);
}
