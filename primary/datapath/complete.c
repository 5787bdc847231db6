/* Complete: the kept frame becomes the reply: payload from the worker's cell, addresses turned round, lengths and
 * checksums made true. Nothing of the headers ever comes from a worker. */
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "checksum.h"
#include "lcore.h"
#include "plain.h"
#include "vlan.h"

#define REPLY_TTL   64
#define REPLY_SMALL 48u /* bytes that are copied without a loop */
#define PLAIN_OFFLOAD rte_mbuf_tx_offload(sizeof(struct rte_ether_hdr), sizeof(struct rte_ipv4_hdr), 0, 0, 0, 0, 0)
#define AHEAD       4u  /* replies whose buffers are asked for before they are completed */

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
	uint16_t made = 0;

	if (!port->tx_ip_checksum) {
		uint32_t sum = (uint16_t)~ip->hdr_checksum;

		sum += (uint16_t)~ip->total_length + (uint32_t)total;
		sum += (uint16_t)~ip->time_to_live + (uint32_t)REPLY_TTL; /* the low byte of its word as it lies in memory */
		made = (uint16_t)~checksum_fold(sum);
	}
	ip->time_to_live = REPLY_TTL;
	ip->total_length = total;
	ip->hdr_checksum = made;
}

/* UDP checksum, or the sum that a device needs to make it. The header's words are summed from where they come, not from
 * memory: they may just have been written there in pieces. Turned addresses and ports leave the sum as it is. */
static inline uint16_t udp_checksum(const struct port *port, const struct reply_frame *f, uint32_t len)
{
	uint64_t sum = checksum_pseudo_header(f->ip, f->udp_len);

	if (port->tx_udp_checksum)
		return checksum_fold(sum);
	sum += (uint64_t)f->udp->src_port + f->udp->dst_port + f->udp_len + checksum_bytes(f->udp + 1, len);
	uint16_t folded = checksum_fold(sum);
	/* 0 would mean "not computed" (RFC 768) */
	return folded == 0xffff ? 0xffff : (uint16_t)~folded;
}

/* The fields of the buffer that are written, in two lines. */
static inline void prefetch_kept(const struct rte_mbuf *mbuf)
{
	rte_prefetch0(mbuf);
	rte_prefetch0(&mbuf->tx_offload);
}

/* Of any request. */
static __attribute__((noinline)) void complete_any(struct io_lcore *io, const struct reply *reply)
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
	f.udp->dgram_cksum = udp_checksum(port, &f, len);
	f.udp->dgram_len = f.udp_len;
	mbuf->data_len = (uint16_t)(shadow->data_at + len); /* also cuts padding of short frames */
	mbuf->pkt_len = mbuf->data_len;
	mbuf->ol_flags = RTE_MBUF_F_TX_IPV4 | (port->tx_ip_checksum ? RTE_MBUF_F_TX_IP_CKSUM : 0) |
			 (port->tx_udp_checksum ? RTE_MBUF_F_TX_UDP_CKSUM : 0);
	mbuf->tx_offload = rte_mbuf_tx_offload(sizeof(*f.eth), f.ihl, 0, 0, 0, 0, 0);
	if (baton_unlikely(shadow->tag != 0) && !BATON_SABOTAGE(vlan_tag_lost))
		vlan_put_on(port, mbuf, (uint16_t)shadow->tag);
}

/* turn_round() in two shuffles, where no options stand between the headers: the frame was for the port's MAC address,
 * so that is what becomes its source. The UDP header's length and checksum go with the ports. */
static inline void turn_plain_round(uint8_t *frame, uint16_t udp_len, uint16_t udp_sum)
{
	const __m128i swap_macs = _mm_setr_epi8(6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5, 12, 13, 14, 15);
	const __m128i swap_addresses = _mm_setr_epi8(4, 5, 6, 7, 0, 1, 2, 3, 10, 11, 8, 9, 12, 13, 14, 15);
	__m128i *ethernet = (__m128i *)(void *)frame, *rest = (__m128i *)(void *)(frame + PLAIN_PAYLOAD - 16);
	__m128i turned = _mm_shuffle_epi8(_mm_loadu_si128(rest), swap_addresses);

	turned = _mm_insert_epi16(turned, udp_len, 6);
	_mm_storeu_si128(rest, _mm_insert_epi16(turned, udp_sum, 7));
	_mm_storeu_si128(ethernet, _mm_shuffle_epi8(_mm_loadu_si128(ethernet), swap_macs));
}

/* What is the same for all plain replies that leave by one port. */
struct plain_reply {
	const struct port *port;
	uint64_t ol_flags;
};

static inline struct plain_reply plain_reply(const struct port *port)
{
	return (struct plain_reply){
		.port = port,
		.ol_flags = RTE_MBUF_F_TX_IPV4 | (port->tx_ip_checksum ? RTE_MBUF_F_TX_IP_CKSUM : 0) |
			    (port->tx_udp_checksum ? RTE_MBUF_F_TX_UDP_CKSUM : 0),
	};
}

/* complete_any() for a request without tag or options with a small reply. */
static inline void complete_plain(const struct plain_reply *plain, const struct reply *reply)
{
	struct rte_mbuf *mbuf = reply->shadow->cookie;
	uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
	uint32_t len = reply->len, bytes = PLAIN_PAYLOAD + len;
	const struct reply_frame f = {
		.eth = (void *)frame,
		.ip = (void *)(frame + PLAIN_IP),
		.udp = (void *)(frame + PLAIN_UDP),
		.ihl = sizeof(struct rte_ipv4_hdr),
		.udp_len = __builtin_bswap16((uint16_t)(sizeof(struct rte_udp_hdr) + len)),
	};

	/* Whatever its length: three steps need no loop, and the buffer has room for them. */
	belt_copy(frame + PLAIN_PAYLOAD, reply->data, REPLY_SMALL);
	finish_ip(plain->port, &f, __builtin_bswap16((uint16_t)(f.ihl + sizeof(*f.udp) + len)));
	turn_plain_round(frame, f.udp_len, udp_checksum(plain->port, &f, len));
	mbuf->data_len = (uint16_t)bytes; /* also cuts padding of short frames */
	mbuf->pkt_len = bytes;
	mbuf->ol_flags = plain->ol_flags;
	/* Most drivers leave it as it is when they receive: then its line need not be written again. */
	if (baton_unlikely(mbuf->tx_offload != PLAIN_OFFLOAD))
		mbuf->tx_offload = PLAIN_OFFLOAD;
}

/* Of a request without tag or options, and small: one branch for all but the length. */
static inline bool is_plain_reply(const struct reply *reply)
{
	uint32_t tag = BATON_SABOTAGE(tagged_reply_plain) ? 0 : reply->shadow->tag;

	return ((reply->shadow->data_at ^ PLAIN_PAYLOAD) | tag) == 0 && reply->len <= REPLY_SMALL;
}

/* tx_enqueue() of several: as many at a time as make a full burst. */
static void enqueue(struct io_lcore *io, uint32_t port, struct rte_mbuf **mbuf, uint32_t count)
{
	struct tx_queue *queue = &io->tx[port];

	while (count != 0) {
		uint32_t some = BATON_BURST - queue->count % BATON_BURST;

		some = some < count ? some : count;
		if (baton_unlikely(queue->count + some > TX_BACKLOG)) {
			/* The port takes nothing. */
			tx_enqueue(io, port, *mbuf++);
			count--;
			continue;
		}
		memcpy(queue->mbuf + queue->count, mbuf, some * sizeof(*mbuf));
		queue->count += some;
		io->ledger.tx_backlog += some;
		mbuf += some;
		count -= some;
		if (queue->count % BATON_BURST == 0)
			tx_port(io, port);
	}
}

/* At most BATON_BURST replies. Each leaves by the port its request came in by. */
void complete_burst(struct io_lcore *io, const struct reply *reply, uint32_t count)
{
	struct rte_mbuf *done[BATON_BURST];
	uint32_t ready = 0, port = count != 0 ? reply[0].shadow->port : 0;
	struct plain_reply plain = plain_reply(&io->port[port]);

	for (uint32_t i = 0; i < count; i++) {
		if (i + AHEAD < count)
			prefetch_kept(reply[i + AHEAD].shadow->cookie);
		if (baton_unlikely(reply[i].shadow->port != port)) {
			enqueue(io, port, done, ready);
			ready = 0;
			port = reply[i].shadow->port;
			plain = plain_reply(&io->port[port]);
		}
		if (baton_likely(is_plain_reply(&reply[i])))
			complete_plain(&plain, &reply[i]);
		else
			complete_any(io, &reply[i]);
		done[ready++] = reply[i].shadow->cookie;
	}
	enqueue(io, port, done, ready);
}
