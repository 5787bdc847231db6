/* Outbound: IPv4 and UDP headers around what a worker wants sent without being asked; see outbound.h. */
#include "outbound.h"

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "checksum.h"
#include "lcore.h"
#include "neighbour.h"

#define OUTBOUND_TTL 64

/* 0: the service is not at home in that network. */
static uint32_t source_of(const struct port_network *net, const struct steering *service, const struct baton_peer *to)
{
	uint32_t place = to->vlan >> PEER_PLACE, ip;

	if (service->ip != 0)
		return network_has(net, service->ip) ? service->ip : 0;
	/* What the client has written to, or neither it nor a NAT between knows who this is. 0 may mean that the plugin
	 * made this peer up: then what is near to it, which is the first address as often as not. */
	if (place != 0)
		return place < net->addresses ? net->address[place].ip : 0;
	if (!rte_is_zero_ether_addr((const struct rte_ether_addr *)(const void *)to->mac))
		return net->address[0].ip;
	ip = neighbour_source(net, to->ip);
	if (ip == 0 && net->gateway != 0)
		ip = neighbour_source(net, net->gateway);
	return ip != 0 ? ip : net->address[0].ip;
}

/* Not to be fragmented on its way: then the identification means nothing (RFC 6864) and only helps who reads traces. */
static void fill_ip(struct io_lcore *io, const struct port *port, struct rte_ipv4_hdr *ip, uint32_t source, uint32_t to,
		    uint32_t len)
{
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + sizeof(struct rte_udp_hdr) + len)),
		.packet_id = rte_cpu_to_be_16(io->packet_id++),
		.fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG),
		.time_to_live = OUTBOUND_TTL,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = source,
		.dst_addr = to,
	};
	if (!port->tx_ip_checksum)
		ip->hdr_checksum = (uint16_t)~checksum_fold(checksum_bytes(ip, sizeof(*ip)));
}

static void fill_udp(const struct port *port, const struct rte_ipv4_hdr *ip, struct rte_udp_hdr *udp, uint16_t from,
		     uint16_t to, uint32_t len)
{
	uint32_t udp_len = (uint32_t)sizeof(*udp) + len;
	uint16_t sum;

	*udp = (struct rte_udp_hdr){.src_port = from, .dst_port = to, .dgram_len = rte_cpu_to_be_16((uint16_t)udp_len)};
	if (port->tx_udp_checksum) {
		udp->dgram_cksum = checksum_fold(checksum_pseudo_header(ip, udp->dgram_len));
		return;
	}
	sum = checksum_udp(ip, udp, udp_len);
	udp->dgram_cksum = sum == 0xffff ? 0xffff : (uint16_t)~sum; /* 0 would mean "not computed" (RFC 768) */
}

static struct rte_mbuf *refuse(struct io_lcore *io, enum core_drop reason)
{
	stats_add(&io->stats->drop[reason], 1);
	return NULL;
}

struct rte_mbuf *outbound_build(struct io_lcore *io, const struct baton_peer *to, uint32_t service,
				const uint8_t *payload, uint32_t len)
{
	const struct port_network *net = neighbour_network(io, to);
	const struct port *port = &io->port[net == NULL ? 0 : to->port];
	const struct steering *from = &io->steering[service];
	struct rte_ipv4_hdr *ip;
	struct rte_udp_hdr *udp;
	struct rte_mbuf *mbuf;
	uint32_t source = net == NULL ? 0 : source_of(net, from, to);

	if (source == 0 || to->udp_port == 0)
		return refuse(io, DROP_no_route);
	if (len > port->mtu - sizeof(*ip) - sizeof(*udp))
		return refuse(io, DROP_oversize);
	mbuf = rte_pktmbuf_alloc(io->pool);
	if (mbuf == NULL)
		return refuse(io, DROP_no_buffer);
	if (!BATON_SABOTAGE(ledger_allocated_forgotten))
		io->ledger.allocated++;
	ip = rte_pktmbuf_mtod(mbuf, struct rte_ipv4_hdr *);
	udp = (void *)(ip + 1);
	memcpy(udp + 1, payload, len);
	fill_ip(io, port, ip, source, to->ip, len);
	fill_udp(port, ip, udp, from->udp_port, to->udp_port, len);
	mbuf->data_len = (uint16_t)(sizeof(*ip) + sizeof(*udp) + len);
	mbuf->pkt_len = mbuf->data_len;
	mbuf->ol_flags = RTE_MBUF_F_TX_IPV4 | (port->tx_ip_checksum ? RTE_MBUF_F_TX_IP_CKSUM : 0) |
			 (port->tx_udp_checksum ? RTE_MBUF_F_TX_UDP_CKSUM : 0);
	mbuf->tx_offload = rte_mbuf_tx_offload(0, sizeof(*ip), 0, 0, 0, 0, 0); /* l2_len: neighbour_send() */
	return mbuf;
}
