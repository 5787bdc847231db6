/* What an I/O lcore answers by itself, so that `ping` and `nc -u` work without static entries: ARP requests for the
 * port's addresses and ICMP echo. One gratuitous ARP per address at start tells switches where the port is. */
#include <rte_arp.h>
#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>

#include "lcore.h"
#include "vlan.h"

#define ARP_BYTES (sizeof(struct rte_ether_hdr) + sizeof(struct rte_arp_hdr))

static void fill_arp(const struct port *port, struct rte_mbuf *mbuf, uint16_t opcode, uint32_t our_ip,
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

/* An answer goes back in the VLAN that the question came by, with its priority. */
static void answer(struct io_lcore *io, const struct port *port, struct rte_mbuf *mbuf, uint16_t tag)
{
	if (tag != 0)
		vlan_put_on(port, mbuf, tag);
	tx_enqueue(io, port->index, mbuf);
}

void local_arp(struct io_lcore *io, struct port *port, struct rte_mbuf *mbuf, const struct port_network *net,
	       uint16_t tag)
{
	const struct rte_arp_hdr *arp = rte_pktmbuf_mtod_offset(mbuf, const struct rte_arp_hdr *, sizeof(struct rte_ether_hdr));
	uint8_t asker[RTE_ETHER_ADDR_LEN];

	if (mbuf->data_len < ARP_BYTES || arp->arp_hardware != rte_cpu_to_be_16(RTE_ARP_HRD_ETHER) ||
	    arp->arp_protocol != rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4) || arp->arp_hlen != RTE_ETHER_ADDR_LEN ||
	    arp->arp_plen != sizeof(uint32_t) || arp->arp_opcode != rte_cpu_to_be_16(RTE_ARP_OP_REQUEST) ||
	    !network_has(net, arp->arp_data.arp_tip))
		return drop_packet(io, mbuf, DROP_bad_arp);
	memcpy(asker, &arp->arp_data.arp_sha, sizeof(asker));
	stats_add(&io->stats->arp_replies, 1);
	fill_arp(port, mbuf, RTE_ARP_OP_REPLY, arp->arp_data.arp_tip, asker, arp->arp_data.arp_sip);
	answer(io, port, mbuf, tag);
}

/* Lengths and checksum of the IPv4 header are already checked. ihl: its length. */
void local_icmp(struct io_lcore *io, struct port *port, struct rte_mbuf *mbuf, uint16_t tag, uint32_t ihl)
{
	const uint32_t at = sizeof(struct rte_ether_hdr);
	uint8_t *frame = rte_pktmbuf_mtod(mbuf, uint8_t *);
	struct rte_ether_hdr *eth = (void *)frame;
	struct rte_ipv4_hdr *ip = (void *)(frame + at);
	struct rte_icmp_hdr *icmp = (void *)(frame + at + ihl);
	uint32_t len = rte_be_to_cpu_16(ip->total_length) - ihl;
	uint32_t asker = ip->src_addr;

	if (len < sizeof(*icmp) || rte_raw_cksum(icmp, len) != 0xffff)
		return drop_packet(io, mbuf, DROP_bad_icmp);
	if (icmp->icmp_type != RTE_IP_ICMP_ECHO_REQUEST || icmp->icmp_code != 0)
		return drop_packet(io, mbuf, DROP_unknown_protocol);
	eth->dst_addr = eth->src_addr;
	memcpy(&eth->src_addr, port->mac, RTE_ETHER_ADDR_LEN);
	ip->src_addr = ip->dst_addr;
	ip->dst_addr = asker;
	ip->time_to_live = 64;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, ihl);
	icmp->icmp_type = RTE_IP_ICMP_ECHO_REPLY;
	icmp->icmp_cksum = 0;
	icmp->icmp_cksum = (uint16_t)~rte_raw_cksum(icmp, len);
	mbuf->data_len = (uint16_t)(at + ihl + len);
	mbuf->pkt_len = mbuf->data_len;
	mbuf->ol_flags = 0;
	stats_add(&io->stats->icmp_replies, 1);
	answer(io, port, mbuf, tag);
}

static void announce_network(struct io_lcore *io, const struct port *port, const struct port_network *net)
{
	static const uint8_t everyone[RTE_ETHER_ADDR_LEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	for (uint32_t a = 0; a < net->addresses; a++) {
		struct rte_mbuf *mbuf = rte_pktmbuf_alloc(io->pool);

		if (mbuf == NULL)
			return;
		io->ledger.allocated++;
		fill_arp(port, mbuf, RTE_ARP_OP_REQUEST, net->address[a].ip, everyone, net->address[a].ip);
		answer(io, port, mbuf, net->vlan);
	}
}

/* Gratuitous ARP (RFC 5227 announcement), by the first lcore, once. */
void local_announce(struct io_lcore *io)
{
	if (io->index != 0)
		return;
	for (uint32_t i = 0; i < io->ports; i++)
		for (uint32_t n = 0; n < io->port[i].networks && io->port[i].driver == DRIVER_EAL; n++)
			announce_network(io, &io->port[i], &io->port[i].network[n]);
	tx_flush(io);
}
