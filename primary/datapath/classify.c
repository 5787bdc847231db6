/* Classify: Ethernet, IPv4 and UDP checks of one burst; every frame ends up as a steered packet, a local answer or a
 * drop with a reason. Nothing is believed that has not been checked against the length of the frame. */
#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "checksum.h"
#include "hash.h"
#include "lcore.h"
#include "plain.h"
#include "vlan.h"

#define ETH_HEADER 14u
#define IP_HEADER  20u
#define UDP_HEADER 8u

/* Some drivers say BAD for packets that never left the host (veth, TAP: checksum unfinished), never GOOD for wrong
 * ones: only GOOD is believed, everything else is computed. */
static inline bool ip_checksum_ok(const struct port *port, const struct rte_mbuf *mbuf,
				  const struct rte_ipv4_hdr *ip, uint32_t ihl)
{
	if (port->rx_ip_checksum && (mbuf->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD)
		return true;
	return checksum_ip_right(ip, ihl);
}

static inline bool udp_checksum_ok(const struct port *port, const struct rte_mbuf *mbuf, const struct rte_ipv4_hdr *ip,
			    const struct rte_udp_hdr *udp, uint32_t udp_len)
{
	if (udp->dgram_cksum == 0)
		return true; /* the sender did not compute one (RFC 768) */
	if (port->rx_udp_checksum && (mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		return true;
	return checksum_udp(ip, udp, udp_len) == 0xffff;
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

/* Drops the frame: it is not to be steered. */
static __attribute__((noinline)) bool refuse(struct io_lcore *io, struct rte_mbuf *mbuf, enum core_drop reason)
{
	drop_packet(io, mbuf, reason);
	return false;
}

/* When the next packet came, as its entry will say. */
static inline uint64_t next_time(const struct io_lcore *io)
{
	return io->now_ns > io->last_ns ? io->now_ns : io->last_ns + 1;
}

/* Service, key, bucket: what the packet will be offered with. Its tag is the caller's. */
static inline bool classify_udp(struct io_lcore *io, struct port *port, struct rte_mbuf *mbuf,
				const struct rte_ipv4_hdr *ip, uint32_t at, uint32_t udp_len, struct belt_shadow *packet)
{
	const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	const struct rte_udp_hdr *udp = (const struct rte_udp_hdr *)(const void *)(frame + at);
	const struct steering *service = find_service(io, ip->dst_addr, udp->dst_port);
	uint32_t len = udp_len - UDP_HEADER;
	uint64_t key;

	if (baton_unlikely(service == NULL))
		return refuse(io, mbuf, DROP_no_service);
	if (baton_unlikely(len > BELT_CELL_BYTES))
		return refuse(io, mbuf, DROP_oversize);
	if (service->key == BATON_KEY_PAYLOAD) {
		if (baton_unlikely(len < service->len_least))
			return refuse(io, mbuf, DROP_no_key);
		/* Eight bytes whatever the key's length: a buffer has room behind every frame. */
		memcpy(&key, frame + at + UDP_HEADER + service->key_offset, sizeof(key));
		key &= service->key_mask;
	} else {
		key = hash_flow_key(ip->src_addr, udp->src_port, udp->dst_port);
	}
	io->last_ns = next_time(io);
	packet->cookie = mbuf;
	packet->time_ns = io->last_ns;
	packet->bucket = (uint16_t)(hash_key(key, service->salt) & service->mask);
	packet->len = (uint16_t)len;
	packet->kind = BELT_PACKET;
	packet->service = service->index;
	packet->attempts = 0;
	packet->blame = 0;
	packet->data_at = (uint16_t)(at + UDP_HEADER);
	packet->port = port->index;
	packet->place = 0; /* of the port's first address, or the caller says otherwise */
	return true;
}

/* Whoever sends from a group's or nobody's address, or from this host's own, is forging it or broken: an answer
 * would go to others, round in circles, or nowhere (RFC 1122, 3.2.1.3; RFC 768: port 0 wants none). */
static inline bool source_is_somebody(const struct rte_ether_hdr *eth, const struct port_network *net, uint32_t ip)
{
	return BATON_SABOTAGE(forged_source_answered) ||
	       ((eth->src_addr.addr_bytes[0] & 1u) == 0 && network_has_host(net, ip));
}

/* packet->tag: of the frame, 0: none. */
static __attribute__((noinline)) bool classify_ipv4(struct io_lcore *io, struct port *port, struct rte_mbuf *mbuf,
			  const struct port_network *net, struct belt_shadow *packet)
{
	const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(const void *)(frame + ETH_HEADER);
	uint32_t room = mbuf->data_len - ETH_HEADER;

	if (baton_unlikely(room < IP_HEADER))
		return refuse(io, mbuf, DROP_runt_frame);
	uint32_t ihl = (ip->version_ihl & 15u) * 4u;
	uint32_t total = rte_be_to_cpu_16(ip->total_length);
	if (baton_unlikely(ip->version_ihl >> 4 != 4))
		return refuse(io, mbuf, DROP_bad_ip_version);
	if (baton_unlikely(ihl < IP_HEADER || ihl > room))
		return refuse(io, mbuf, DROP_bad_ip_header);
	if (baton_unlikely(total < ihl || total > room))
		return refuse(io, mbuf, DROP_bad_ip_length);
	/* Its reply might be as long, and a driver that refuses a packet is offered it again for ever. */
	if (baton_unlikely(total > port->mtu))
		return refuse(io, mbuf, DROP_oversize);
	if (baton_unlikely(!ip_checksum_ok(port, mbuf, ip, ihl)))
		return refuse(io, mbuf, DROP_bad_ip_checksum);
	if (baton_unlikely(!network_has(net, ip->dst_addr)))
		return refuse(io, mbuf, DROP_not_our_address);
	if (baton_unlikely(!source_is_somebody((const struct rte_ether_hdr *)(const void *)frame, net, ip->src_addr)))
		return refuse(io, mbuf, DROP_bad_source);
	/* more-fragments, or an offset */
	if (baton_unlikely((ip->fragment_offset & rte_cpu_to_be_16(0x3fff)) != 0))
		return refuse(io, mbuf, DROP_fragment);
	if (baton_unlikely(ip->next_proto_id == IPPROTO_ICMP)) {
		local_icmp(io, port, mbuf, (uint16_t)packet->tag, ihl);
		return false;
	}
	if (baton_unlikely(ip->next_proto_id != IPPROTO_UDP))
		return refuse(io, mbuf, DROP_unknown_protocol);
	const struct rte_udp_hdr *udp = (const struct rte_udp_hdr *)(const void *)(frame + ETH_HEADER + ihl);
	if (baton_unlikely(total - ihl < UDP_HEADER))
		return refuse(io, mbuf, DROP_bad_udp_length);
	uint32_t udp_len = rte_be_to_cpu_16(udp->dgram_len);
	if (baton_unlikely(udp_len < UDP_HEADER || udp_len != total - ihl))
		return refuse(io, mbuf, DROP_bad_udp_length);
	if (baton_unlikely(!udp_checksum_ok(port, mbuf, ip, udp, udp_len)))
		return refuse(io, mbuf, DROP_bad_udp_checksum);
	if (baton_unlikely(udp->src_port == 0))
		return refuse(io, mbuf, DROP_bad_source);
	if (!classify_udp(io, port, mbuf, ip, ETH_HEADER + ihl, udp_len, packet))
		return false;
	packet->place = (uint8_t)network_place(net, ip->dst_addr);
	return true;
}

/* What is not for this host: seen when the port is promiscuous, or by a switch that floods. */
static inline bool is_port_mac(const struct port *port, const struct rte_ether_hdr *eth)
{
	return memcmp(&eth->dst_addr, port->mac, RTE_ETHER_ADDR_LEN) == 0;
}

/* A frame without a tag in it, in the network it came by. */
static bool classify_network(struct io_lcore *io, struct port *port, struct rte_mbuf *mbuf,
			     const struct port_network *net, struct belt_shadow *packet)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(mbuf, const struct rte_ether_hdr *);

	if (eth->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP)) {
		local_arp(io, port, mbuf, net, (uint16_t)packet->tag);
		return false;
	}
	if (eth->ether_type != rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4))
		return refuse(io, mbuf, DROP_unknown_ethertype);
	/* A unicast packet in a broadcast frame is nobody's (RFC 1122, 3.3.6). */
	if (!is_port_mac(port, eth))
		return refuse(io, mbuf, DROP_not_our_mac);
	return classify_ipv4(io, port, mbuf, net, packet);
}

/* The tag has been taken off. Identifier 0 is a priority and no VLAN: such a frame counts as untagged. */
static bool classify_tagged(struct io_lcore *io, struct port *port, struct rte_mbuf *mbuf, uint16_t tci,
			    struct belt_shadow *packet)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(mbuf, const struct rte_ether_hdr *);
	uint32_t network = port->vlan_network[tci & VLAN_ID];

	if (vlan_is_tag_type(rte_be_to_cpu_16(eth->ether_type)))
		return refuse(io, mbuf, DROP_stacked_vlan);
	if ((tci & VLAN_ID) != 0 && network == 0)
		return refuse(io, mbuf, DROP_unknown_vlan);
	packet->tag = network != 0 ? tci : 0;
	return classify_network(io, port, mbuf, &port->network[network], packet);
}

/* Neither plain IPv4 nor to be steered at once, but whole: ARP, a tag in the frame, what nobody wants. */
static __attribute__((noinline)) bool classify_other(struct io_lcore *io, struct port *port, struct rte_mbuf *mbuf,
						     struct belt_shadow *packet)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(mbuf, const struct rte_ether_hdr *);
	uint16_t type = rte_be_to_cpu_16(eth->ether_type);

	if (!is_port_mac(port, eth) && !rte_is_broadcast_ether_addr(&eth->dst_addr))
		return refuse(io, mbuf, DROP_not_our_mac);
	if (type == RTE_ETHER_TYPE_VLAN) {
		if (mbuf->data_len < ETH_HEADER + VLAN_TAG)
			return refuse(io, mbuf, DROP_runt_frame);
		return classify_tagged(io, port, mbuf, vlan_take_off(mbuf), packet);
	}
	if (vlan_is_tag_type(type))
		return refuse(io, mbuf, DROP_stacked_vlan);
	packet->tag = 0;
	return classify_network(io, port, mbuf, &port->network[0], packet);
}

/* Several buffers, or a tag that the device has taken off. */
static __attribute__((noinline)) bool classify_odd(struct io_lcore *io, struct port *port, struct rte_mbuf *mbuf,
						   struct belt_shadow *packet)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(mbuf, const struct rte_ether_hdr *);

	if (mbuf->nb_segs != 1)
		return refuse(io, mbuf, DROP_segmented);
	if (mbuf->data_len < ETH_HEADER)
		return refuse(io, mbuf, DROP_runt_frame);
	if (!is_port_mac(port, eth) && !rte_is_broadcast_ether_addr(&eth->dst_addr))
		return refuse(io, mbuf, DROP_not_our_mac);
	if ((mbuf->ol_flags & RTE_MBUF_F_RX_QINQ_STRIPPED) != 0)
		return refuse(io, mbuf, DROP_stacked_vlan);
	return classify_tagged(io, port, mbuf, mbuf->vlan_tci, packet);
}

/* Any frame. True: the packet is to be steered. Otherwise the frame is answered or dropped, and no longer the
 * caller's. */
static __attribute__((noinline)) bool classify_frame(struct io_lcore *io, struct port *port, struct rte_mbuf *mbuf,
				  struct belt_shadow *packet)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(mbuf, const struct rte_ether_hdr *);

	/* One branch for both. */
	if (baton_unlikely(((mbuf->nb_segs ^ 1u) | (mbuf->ol_flags & VLAN_STRIPPED)) != 0))
		return classify_odd(io, port, mbuf, packet);
	if (baton_unlikely(mbuf->data_len < ETH_HEADER))
		return refuse(io, mbuf, DROP_runt_frame);
	if (baton_unlikely(eth->ether_type != rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4)))
		return classify_other(io, port, mbuf, packet);
	/* A unicast packet in a broadcast frame is nobody's (RFC 1122, 3.3.6). */
	if (baton_unlikely(!is_port_mac(port, eth)))
		return refuse(io, mbuf, DROP_not_our_mac);
	packet->tag = 0;
	return classify_ipv4(io, port, mbuf, &port->network[0], packet);
}

/* What is the same for all plain packets of a burst. */
struct plain_burst {
	struct plain plain;
	const struct port *port;
	const struct steering *service; /* of the last one */
	uint32_t udp_port;              /* its port; more than 16 bits: there was none yet */
	uint32_t total_most;            /* of the IPv4 packet */
	uint64_t meta;                  /* the last eight bytes of the shadow, but for the service */
};
static_assert(offsetof(struct belt_shadow, time_ns) == 8 && offsetof(struct belt_shadow, tag) == 16 &&
	      offsetof(struct belt_shadow, bucket) == 20 && offsetof(struct belt_shadow, len) == 22 &&
	      offsetof(struct belt_shadow, kind) == 24 && offsetof(struct belt_shadow, data_at) == 28 &&
	      offsetof(struct belt_shadow, port) == 30 && offsetof(struct belt_shadow, service) == 31,
	      "a shadow as four words");

static inline void plain_burst_init(struct plain_burst *burst, const struct port *port)
{
	plain_init(&burst->plain, port);
	burst->port = port;
	burst->service = NULL;
	burst->udp_port = UINT32_MAX;
	burst->total_most = IP_HEADER + UDP_HEADER + BELT_CELL_BYTES;
	if (port->mtu < burst->total_most)
		burst->total_most = port->mtu;
	burst->meta = BELT_PACKET | (uint64_t)PLAIN_PAYLOAD << 32 | (uint64_t)port->index << 48;
}

/* Nearly every frame: plain, to a service, lengths that agree, checksums right. False says nothing: classify_frame()
 * finds out what it is. */
static inline bool classify_plain(const struct io_lcore *io, struct plain_burst *burst, struct rte_mbuf *mbuf,
				  uint64_t time_ns, struct belt_shadow *packet)
{
	const uint8_t *frame = rte_pktmbuf_mtod(mbuf, const uint8_t *);
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)(const void *)(frame + PLAIN_IP);
	const struct rte_udp_hdr *udp = (const struct rte_udp_hdr *)(const void *)(frame + PLAIN_UDP);
	uint32_t total = rte_be_to_cpu_16(ip->total_length), udp_len = rte_be_to_cpu_16(udp->dgram_len);
	uint64_t key;

	if (baton_unlikely(!plain_matches(&burst->plain, mbuf, frame)))
		return false;
	if (baton_unlikely(udp->dst_port != burst->udp_port)) {
		burst->udp_port = udp->dst_port;
		burst->service = find_service(io, (uint32_t)burst->port->plain_ip, udp->dst_port);
	}
	const struct steering *service = burst->service;
	if (baton_unlikely(service == NULL || udp_len < UDP_HEADER + service->len_least || total != udp_len + IP_HEADER ||
			   total > burst->total_most || total + ETH_HEADER > mbuf->data_len || udp->src_port == 0 ||
			   port_doubts(burst->port, ip->src_addr)))
		return false;
	if (baton_unlikely((mbuf->ol_flags & burst->plain.sum_mask) != burst->plain.sum_good) &&
	    !(ip_checksum_ok(burst->port, mbuf, ip, IP_HEADER) && udp_checksum_ok(burst->port, mbuf, ip, udp, udp_len)))
		return false;
	if (service->key == BATON_KEY_PAYLOAD) {
		memcpy(&key, frame + PLAIN_PAYLOAD + service->key_offset, sizeof(key));
		key &= service->key_mask;
	} else {
		key = hash_flow_key(ip->src_addr, udp->src_port, udp->dst_port);
	}
	uint64_t bucket = hash_key(key, service->salt) & service->mask;
	uint64_t where = bucket << 32 | (uint64_t)(udp_len - UDP_HEADER) << 48;
	uint64_t meta = burst->meta | (uint64_t)service->index << 56;
	/* Stored word by word: put together elsewhere and copied it would wait for the store buffer. */
	packet->cookie = mbuf;
	packet->time_ns = time_ns;
	memcpy((uint8_t *)packet + offsetof(struct belt_shadow, tag), &where, sizeof(where));
	memcpy((uint8_t *)packet + offsetof(struct belt_shadow, kind), &meta, sizeof(meta));
	return true;
}

uint32_t classify_burst(struct io_lcore *io, struct port *port, struct rte_mbuf **mbuf, uint32_t count,
			struct belt_shadow *packet)
{
	struct plain_burst burst;
	uint32_t kept = 0;
	uint64_t bytes = 0, next_ns = next_time(io);

	plain_burst_init(&burst, port);
	for (uint32_t i = 0; i < count && i < 4; i++)
		rte_prefetch0(rte_pktmbuf_mtod(mbuf[i], const void *));
	for (uint32_t i = 0; i < count; i++) {
		if (i + 4 < count)
			rte_prefetch0(rte_pktmbuf_mtod(mbuf[i + 4], const void *));
		bytes += mbuf[i]->pkt_len;
		if (baton_likely(classify_plain(io, &burst, mbuf[i], next_ns, &packet[kept]))) {
			kept++;
			next_ns++;
			continue;
		}
		io->last_ns = next_ns - 1;
		kept += classify_frame(io, port, mbuf[i], &packet[kept]);
		next_ns = next_time(io);
	}
	io->last_ns = next_ns - 1;
	stats_add(&io->stats->rx_bytes, bytes);
	return kept;
}
