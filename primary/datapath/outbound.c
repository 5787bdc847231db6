/* Outbound: packets that workers start. The lcore makes every header; of the worker are the payload and the way back it
 * kept from one of the client's packets, both checked. */
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "checksum.h"
#include "lcore.h"

#define HEADERS (sizeof(struct rte_ether_hdr) + sizeof(struct rte_ipv4_hdr) + sizeof(struct rte_udp_hdr))
#define OUTBOUND_TTL 64

static void drop_cell(struct io_lcore *io, enum core_drop reason)
{
	stats_add(&io->stats->drop[reason], 1);
}

static void fill_ip(const struct port *port, struct rte_ipv4_hdr *ip, uint32_t from, uint32_t to, uint16_t total)
{
	*ip = (struct rte_ipv4_hdr){
		.version_ihl = RTE_IPV4_VHL_DEF, .total_length = rte_cpu_to_be_16(total),
		.fragment_offset = rte_cpu_to_be_16(RTE_IPV4_HDR_DF_FLAG), .time_to_live = OUTBOUND_TTL,
		.next_proto_id = IPPROTO_UDP, .src_addr = from, .dst_addr = to,
	};
	if (!port->tx_ip_checksum)
		ip->hdr_checksum = rte_ipv4_cksum(ip);
}

static void fill_udp(const struct port *port, const struct rte_ipv4_hdr *ip, struct rte_udp_hdr *udp, uint16_t from,
		     uint16_t to, uint16_t bytes)
{
	*udp = (struct rte_udp_hdr){.src_port = from, .dst_port = to, .dgram_len = rte_cpu_to_be_16(bytes)};
	if (port->tx_udp_checksum) {
		udp->dgram_cksum = checksum_fold(checksum_pseudo_header(ip, udp->dgram_len));
		return;
	}
	uint16_t sum = (uint16_t)~checksum_udp(ip, udp, bytes);
	udp->dgram_cksum = sum != 0 ? sum : 0xffff; /* 0 would mean "not computed" (RFC 768) */
}

void outbound_send(struct io_lcore *io, uint8_t service, const struct baton_peer *to, const uint8_t *data, uint32_t len)
{
	const struct steering *steering = &io->steering[service];
	const struct port *port = &io->port[to->port];
	struct rte_mbuf *mbuf;

	if (to->port >= io->ports || to->ip == 0 || to->udp_port == 0 || to->vlan != 0 ||
	    len + sizeof(struct rte_ipv4_hdr) + sizeof(struct rte_udp_hdr) > port->mtu)
		return drop_cell(io, DROP_bad_peer);
	mbuf = rte_pktmbuf_alloc(io->pool);
	if (mbuf == NULL)
		return drop_cell(io, DROP_no_buffer);
	io->ledger.allocated++;
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(mbuf, struct rte_ether_hdr *);
	struct rte_ipv4_hdr *ip = (void *)(eth + 1);
	struct rte_udp_hdr *udp = (void *)(ip + 1);
	uint16_t udp_len = (uint16_t)(sizeof(*udp) + len);

	memcpy(udp + 1, data, len);
	memcpy(&eth->dst_addr, to->mac, RTE_ETHER_ADDR_LEN);
	memcpy(&eth->src_addr, port->mac, RTE_ETHER_ADDR_LEN);
	eth->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	fill_ip(port, ip, steering->ip != 0 ? steering->ip : port->address[0].ip, to->ip, (uint16_t)(sizeof(*ip) + udp_len));
	fill_udp(port, ip, udp, steering->udp_port, to->udp_port, udp_len);
	mbuf->data_len = (uint16_t)(HEADERS + len);
	mbuf->pkt_len = mbuf->data_len;
	mbuf->ol_flags = RTE_MBUF_F_TX_IPV4 | (port->tx_ip_checksum ? RTE_MBUF_F_TX_IP_CKSUM : 0) |
			 (port->tx_udp_checksum ? RTE_MBUF_F_TX_UDP_CKSUM : 0);
	mbuf->tx_offload = rte_mbuf_tx_offload(sizeof(*eth), sizeof(*ip), 0, 0, 0, 0, 0);
	stats_add(&io->stats->packets_started, 1);
	tx_enqueue(io, port->index, mbuf);
}
