/* What an I/O lcore answers by itself, so that `ping` and `nc -u` work without static entries: ARP requests for the
 * port's addresses and ICMP echo. One gratuitous ARP per address at start tells switches where the port is. */
#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>

#include "arp.h"
#include "lcore.h"
#include "vlan.h"

/* An answer goes back in the VLAN that the question came by, with its priority. */
static void answer(struct io_lcore *io, const struct port *port, struct rte_mbuf *mbuf, uint16_t tag)
{
	if (tag != 0)
		vlan_put_on(port, mbuf, tag);
	tx_enqueue(io, port->index, mbuf);
}

/* What is of no use: malformed, asked of somebody else, an answer to nobody's question. */
void local_arp(struct io_lcore *io, struct port *port, struct rte_mbuf *mbuf, const struct port_network *net,
	       uint16_t tag)
{
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(mbuf, const struct rte_ether_hdr *);
	const struct rte_arp_hdr *arp = (const void *)(eth + 1);
	uint8_t asker[RTE_ETHER_ADDR_LEN];
	bool learned;

	/* An answer to a group would be everybody's. */
	if (!arp_sound(mbuf) || !rte_is_valid_assigned_ether_addr(&arp->arp_data.arp_sha))
		return drop_packet(io, mbuf, DROP_bad_arp);
	learned = neighbour_arp(io, port, net, arp);
	if (arp->arp_opcode != rte_cpu_to_be_16(RTE_ARP_OP_REQUEST) || !network_has(net, arp->arp_data.arp_tip)) {
		if (!learned)
			return drop_packet(io, mbuf, DROP_bad_arp);
		stats_add(&io->stats->arp_learned, 1);
		return free_packet(io, mbuf);
	}
	memcpy(asker, &arp->arp_data.arp_sha, sizeof(asker));
	stats_add(&io->stats->arp_replies, 1);
	arp_fill(port, mbuf, RTE_ARP_OP_REPLY, arp->arp_data.arp_tip, asker, arp->arp_data.arp_sip);
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
		arp_fill(port, mbuf, RTE_ARP_OP_REQUEST, net->address[a].ip, everyone, net->address[a].ip);
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
