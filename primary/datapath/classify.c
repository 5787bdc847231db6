/* Classify: Ethernet, IPv4 and UDP checks of one burst; every frame ends up as a steered packet, a local answer or a
 * drop with a reason. Nothing is believed that has not been checked against the length of the frame. */
#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "checksum.h"
#include "hash.h"
#include "lcore.h"

#define ETH_HEADER 14u
#define IP_HEADER  20u
#define UDP_HEADER 8u

/* Some drivers say BAD for packets that never left the host (veth, TAP: checksum unfinished), never GOOD for wrong
 * ones: only GOOD is believed, everything else is computed. */
static bool ip_checksum_ok(const struct port *port, const struct rte_mbuf *mbuf, const struct rte_ipv4_hdr *ip, uint32_t ihl)
{
	if (port->rx_ip_checksum && (mbuf->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		return true;
	return checksum_ip_right(ip, ihl);
}

static bool udp_checksum_ok(const struct port *port, const struct rte_mbuf *mbuf, const struct rte_ipv4_hdr *ip,
			    const struct rte_udp_hdr *udp, uint32_t udp_len)
{
	if (udp->dgram_cksum == 0)
		return true; /* the sender did not compute one (RFC 768) */
	if (port->rx_udp_checksum && (mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		return true;
	return checksum_udp(ip, udp, udp_len) == 0xffff;
}

static bool is_port_address(const struct port *port, uint32_t ip)
{
	for (uint32_t i = 0; i < port->addresses; i++)
		if (port->address[i].ip == ip)
			return true;
	return false;
}

/* The service at an address and port, or NULL. Both in network byte order. */
static const struct steering *find_service(const struct io_lcore *io, uint32_t ip, uint16_t udp_port)
{
	uint16_t hit = io->port_to_service[udp_port];

	if (hit == 0)
		return NULL;
	if (baton_likely(hit != UINT16_MAX)) {
		const struct steering *s = &io->steering[hit - 1];
		return s->ip == 0 || s->ip == ip ? s : NULL;
	}
	for (uint32_t i = 0; i < io->services; i++)
		if (io->steering[i].udp_port == udp_port && (io->steering[i].ip == 0 || io->steering[i].ip == ip))
			return &io->steering[i];
	return NULL;
}

/* Key, bucket, owner. */
static void classify_udp(struct io_lcore *io, struct port *port, struct rte_mbuf *mbuf, const struct rte_ipv4_hdr *ip,
			 uint32_t at, uint32_t udp_len)
{
	const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	const struct rte_udp_hdr *udp = (const struct rte_udp_hdr *)(const void *)(frame + at);
	const struct steering *service = find_service(io, ip->dst_addr, udp->dst_port);
	uint32_t len = udp_len - UDP_HEADER;
	const uint8_t *payload = frame + at + UDP_HEADER;

	if (baton_unlikely(service == NULL))
		return drop_packet(io, mbuf, DROP_no_service);
	if (baton_unlikely(len > BELT_CELL_BYTES))
		return drop_packet(io, mbuf, DROP_oversize);
	uint64_t key;
	if (service->key == BATON_KEY_PAYLOAD) {
		if (baton_unlikely(len < (uint32_t)service->key_offset + service->key_length))
			return drop_packet(io, mbuf, DROP_no_key);
		key = hash_key_bytes(payload + service->key_offset, service->key_length);
	} else {
		key = (uint64_t)ip->src_addr << 32 | (uint32_t)udp->src_port << 16 | udp->dst_port;
	}
	if (baton_unlikely(io->now_ns <= io->last_ns))
		io->last_ns++;
	else
		io->last_ns = io->now_ns;
	struct belt_shadow packet = {
		.cookie = mbuf,
		.time_ns = io->last_ns,
		.bucket = (uint16_t)(hash_key(key, service->salt) & service->mask),
		.len = (uint16_t)len,
		.kind = BELT_PACKET,
		.service = (uint8_t)(service - io->steering),
		.data_at = (uint16_t)(at + UDP_HEADER),
		.pad = port->index,
	};
	steer_packet(io, &packet);
}

static void classify_ipv4(struct io_lcore *io, struct port *port, struct rte_mbuf *mbuf, uint32_t at)
{
	const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(const void *)(frame + at);
	uint32_t room = mbuf->data_len - at;

	if (baton_unlikely(room < IP_HEADER))
		return drop_packet(io, mbuf, DROP_runt_frame);
	uint32_t ihl = (ip->version_ihl & 15u) * 4u;
	uint32_t total = rte_be_to_cpu_16(ip->total_length);
	if (baton_unlikely(ip->version_ihl >> 4 != 4))
		return drop_packet(io, mbuf, DROP_bad_ip_version);
	if (baton_unlikely(ihl < IP_HEADER || ihl > room))
		return drop_packet(io, mbuf, DROP_bad_ip_header);
	if (baton_unlikely(total < ihl || total > room))
		return drop_packet(io, mbuf, DROP_bad_ip_length);
	/* Its reply might be as long, and a driver that refuses a packet is offered it again for ever. */
	if (baton_unlikely(total > port->mtu))
		return drop_packet(io, mbuf, DROP_oversize);
	if (baton_unlikely(!ip_checksum_ok(port, mbuf, ip, ihl)))
		return drop_packet(io, mbuf, DROP_bad_ip_checksum);
	if (baton_unlikely(!is_port_address(port, ip->dst_addr)))
		return drop_packet(io, mbuf, DROP_not_our_address);
	/* more-fragments, or an offset */
	if (baton_unlikely((ip->fragment_offset & rte_cpu_to_be_16(0x3fff)) != 0))
		return drop_packet(io, mbuf, DROP_fragment);
	if (baton_unlikely(ip->next_proto_id == IPPROTO_ICMP))
		return local_icmp(io, port, mbuf, at, ihl);
	if (baton_unlikely(ip->next_proto_id != IPPROTO_UDP))
		return drop_packet(io, mbuf, DROP_unknown_protocol);
	const struct rte_udp_hdr *udp = (const struct rte_udp_hdr *)(const void *)(frame + at + ihl);
	if (baton_unlikely(total - ihl < UDP_HEADER))
		return drop_packet(io, mbuf, DROP_bad_udp_length);
	uint32_t udp_len = rte_be_to_cpu_16(udp->dgram_len);
	if (baton_unlikely(udp_len < UDP_HEADER || udp_len != total - ihl))
		return drop_packet(io, mbuf, DROP_bad_udp_length);
	if (baton_unlikely(!udp_checksum_ok(port, mbuf, ip, udp, udp_len)))
		return drop_packet(io, mbuf, DROP_bad_udp_checksum);
	classify_udp(io, port, mbuf, ip, at + ihl, udp_len);
}

/* What is not for this host: seen when the port is promiscuous, or by a switch that floods. */
static inline bool is_port_mac(const struct port *port, const struct rte_ether_hdr *eth)
{
	return memcmp(&eth->dst_addr, port->mac, RTE_ETHER_ADDR_LEN) == 0;
}

static void classify_frame(struct io_lcore *io, struct port *port, struct rte_mbuf *mbuf)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(mbuf, const struct rte_ether_hdr *);

	stats_add(&io->stats->rx_bytes, mbuf->pkt_len);
	if (baton_unlikely(mbuf->nb_segs != 1))
		return drop_packet(io, mbuf, DROP_segmented);
	if (baton_unlikely(mbuf->data_len < ETH_HEADER))
		return drop_packet(io, mbuf, DROP_runt_frame);
	/* A unicast packet in a broadcast frame is nobody's (RFC 1122, 3.3.6). */
	if (baton_unlikely(!is_port_mac(port, eth)) && (eth->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) ||
							!rte_is_broadcast_ether_addr(&eth->dst_addr)))
		return drop_packet(io, mbuf, DROP_not_our_mac);
	if (baton_likely(eth->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4)))
		return classify_ipv4(io, port, mbuf, ETH_HEADER);
	if (eth->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP))
		return local_arp(io, port, mbuf);
	if (eth->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN) ||
	    eth->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_QINQ))
		return drop_packet(io, mbuf, DROP_vlan);
	drop_packet(io, mbuf, DROP_unknown_ethertype);
}

void classify_burst(struct io_lcore *io, struct port *port, struct rte_mbuf **mbuf, uint32_t count)
{
	for (uint32_t i = 0; i < count && i < 4; i++)
		rte_prefetch0(rte_pktmbuf_mtod(mbuf[i], const void *));
	for (uint32_t i = 0; i < count; i++) {
		if (i + 4 < count)
			rte_prefetch0(rte_pktmbuf_mtod(mbuf[i + 4], const void *));
		classify_frame(io, port, mbuf[i]);
	}
}
