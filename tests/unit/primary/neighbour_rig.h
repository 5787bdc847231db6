/* What the tests of packets that the server starts share: a port with two VLANs, time, frames out and ARP in. */
#ifndef NEIGHBOUR_RIG_H
#define NEIGHBOUR_RIG_H

#include <rte_arp.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "checksum.h"
#include "datapath_rig.h"
#include "neighbour.h"
#include "outbound.h"
#include "vlan.h"

#define SECOND  1000000000ull
#define HERE    RTE_IPV4(10, 0, 0, 2)
#define GATEWAY RTE_IPV4(10, 0, 0, 254)
#define FAR     RTE_IPV4(192, 0, 2, 7)
#define IN_VLAN RTE_IPV4(10, 0, 1, 2)
#define VLAN_GATEWAY RTE_IPV4(10, 0, 1, 254)

__attribute__((unused)) static const uint8_t mac_a[6] = {2, 0, 0, 0, 0, 0xa}, mac_b[6] = {2, 0, 0, 0, 0, 0xb};
static const uint8_t everyone[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

static struct rig rig;
static uint64_t now;

__attribute__((unused)) static uint32_t be(uint32_t ip) { return rte_cpu_to_be_32(ip); }
__attribute__((unused)) static struct CoreStats *stats(uint32_t lcore) { return stats_io(&rig.stats, lcore); }
__attribute__((unused)) static uint64_t drop(enum core_drop reason) { return stats(0)->drop[reason]; }
__attribute__((unused)) static uint64_t unresolved(uint32_t lcore) { return rig.dp->io[lcore]->ledger.unresolved; }

/* Turns until whatever was heard on one lcore has reached the others, and what is to leave has left. */
__attribute__((unused)) static void turns(void)
{
	for (int i = 0; i < 3; i++) {
		for (uint32_t l = 0; l < rig.config.io_cores; l++) {
			struct ledger ledger;

			io_turn(rig.dp->io[l]);
			datapath_ledger(rig.dp, l, &ledger);
			assert_int_equal(ledger_balance(&ledger), 0);
			assert_true(ledger.unresolved <= NEIGHBOUR_WAITING);
		}
	}
}

__attribute__((unused)) static void pass(uint64_t ns)
{
	rig_time(&rig, now += ns);
	turns();
}

__attribute__((unused)) static int setup_world(uint32_t lcores, uint32_t services)
{
	struct config_address own = {.prefix = 24};

	rig_create_services(&rig, lcores, 1, 16, services);
	rig.port.network[0].gateway = be(GATEWAY);
	own.ip = be(RTE_IPV4(10, 0, 1, 1));
	port_add_network(&rig.port, 100, &own, 1, be(VLAN_GATEWAY));
	own.ip = be(RTE_IPV4(10, 0, 2, 1));
	port_add_network(&rig.port, 200, &own, 1, 0);
	now = 1000 * SECOND;
	pass(0);
	return 0;
}
__attribute__((unused)) static int setup_lcores(uint32_t lcores) { return setup_world(lcores, 1); }
__attribute__((unused)) static int setup(void **state) { (void)state; return setup_lcores(1); }
__attribute__((unused)) static int setup_two(void **state) { (void)state; return setup_lcores(2); }

__attribute__((unused)) static int teardown(void **state)
{
	(void)state;
	rig_destroy(&rig);
	return 0;
}

/* ---- what goes out ---- */

__attribute__((unused)) static struct baton_peer peer(uint32_t ip, uint16_t vlan)
{
	return (struct baton_peer){.ip = be(ip), .udp_port = rte_cpu_to_be_16(4000), .vlan = vlan};
}

__attribute__((unused)) static void start_of(uint32_t service, uint32_t lcore, struct baton_peer to, uint8_t mark)
{
	uint8_t payload[40];
	struct rte_mbuf *m;

	memset(payload, mark, sizeof(payload));
	m = outbound_build(rig.dp->io[lcore], &to, service, payload, sizeof(payload));
	if (m != NULL)
		neighbour_send(rig.dp->io[lcore], &to, service, m);
	turns();
}
__attribute__((unused)) static void start_from(uint32_t lcore, struct baton_peer to, uint8_t mark)
{
	start_of(0, lcore, to, mark);
}
__attribute__((unused)) static void start(struct baton_peer to, uint8_t mark) { start_from(0, to, mark); }

__attribute__((unused)) static struct rte_mbuf *next_from(uint32_t lcore)
{
	struct rte_mbuf *m = NULL;

	return rte_ring_dequeue(rig.tx[lcore], (void **)&m) == 0 ? m : NULL;
}

__attribute__((unused)) static void nothing_more(void)
{
	for (uint32_t l = 0; l < rig.config.io_cores; l++)
		if (next_from(l) != NULL)
			fail_msg("a frame left that nobody expected");
}

__attribute__((unused)) static uint16_t take_tag(struct rte_mbuf *m)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);

	if ((m->ol_flags & RTE_MBUF_F_TX_VLAN) != 0)
		return m->vlan_tci;
	return frame[12] == 0x81 ? vlan_take_off(m) : 0;
}

__attribute__((unused))
static void expect_question_from(uint32_t lcore, uint32_t ip, uint32_t ours, uint16_t vlan, const uint8_t *to)
{
	struct rte_mbuf *m = next_from(lcore);

	if (m == NULL)
		fail_msg("no question");
	assert_int_equal(take_tag(m), vlan);
	const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	const struct rte_arp_hdr *arp = (const void *)(eth + 1);
	assert_int_equal(m->pkt_len, 42);
	assert_int_equal(eth->ether_type, rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP));
	assert_memory_equal(&eth->dst_addr, to, 6);
	assert_memory_equal(&eth->src_addr, rig.port.mac, 6);
	assert_int_equal(arp->arp_opcode, rte_cpu_to_be_16(RTE_ARP_OP_REQUEST));
	assert_int_equal(arp->arp_data.arp_tip, be(ip));
	assert_int_equal(arp->arp_data.arp_sip, be(ours));
	assert_memory_equal(&arp->arp_data.arp_sha, rig.port.mac, 6);
	assert_memory_equal(&arp->arp_data.arp_tha, "\0\0\0\0\0\0", 6);
	rte_pktmbuf_free(m);
}
__attribute__((unused)) static void expect_question(uint32_t ip, uint32_t ours, uint16_t vlan, const uint8_t *to)
{
	expect_question_from(0, ip, ours, vlan, to);
	nothing_more();
}
#define OURS RTE_IPV4(10, 0, 0, 1)

__attribute__((unused)) static void expect_packet_from(uint32_t lcore, const uint8_t *mac, uint32_t ip, uint32_t from,
						       uint16_t vlan, uint8_t mark)
{
	struct rte_mbuf *m = next_from(lcore);

	if (m == NULL)
		fail_msg("no packet %u", mark);
	bool in_frame = (m->ol_flags & RTE_MBUF_F_TX_VLAN) == 0 && vlan != 0;
	assert_int_equal(m->l2_len, in_frame ? 18 : 14);
	assert_int_equal(m->l3_len, 20);
	assert_int_equal(take_tag(m), vlan);
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	struct rte_ipv4_hdr *header = (void *)(eth + 1);
	struct rte_udp_hdr *udp = (void *)(header + 1);
	assert_int_equal(m->pkt_len, 14 + 28 + 40);
	assert_int_equal(m->data_len, m->pkt_len);
	assert_memory_equal(&eth->dst_addr, mac, 6);
	assert_memory_equal(&eth->src_addr, rig.port.mac, 6);
	assert_int_equal(eth->ether_type, rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4));
	assert_int_equal(header->version_ihl, 0x45);
	assert_int_equal(header->total_length, rte_cpu_to_be_16(68));
	assert_int_equal(header->fragment_offset, rte_cpu_to_be_16(0x4000));
	assert_int_equal(header->time_to_live, 64);
	assert_int_equal(header->dst_addr, be(ip));
	assert_int_equal(header->src_addr, be(from));
	assert_int_equal(udp->src_port, rte_cpu_to_be_16(RIG_PORT));
	assert_int_equal(udp->dst_port, rte_cpu_to_be_16(4000));
	if ((m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) != 0) /* the device's part */
		header->hdr_checksum = (uint16_t)~rte_raw_cksum(header, 20);
	if ((m->ol_flags & RTE_MBUF_F_TX_UDP_CKSUM) != 0)
		udp->dgram_cksum = (uint16_t)~rte_raw_cksum(udp, 48);
	assert_int_equal(rte_raw_cksum(header, 20), 0xffff);
	assert_int_equal(checksum_udp(header, udp, 48), 0xffff);
	for (uint32_t i = 0; i < 40; i++)
		assert_int_equal(((const uint8_t *)(udp + 1))[i], mark);
	rte_pktmbuf_free(m);
}
__attribute__((unused))
static void expect_packet(const uint8_t *mac, uint32_t ip, uint32_t from, uint16_t vlan, uint8_t mark)
{
	expect_packet_from(0, mac, ip, from, vlan, mark);
}

/* ---- what comes in ---- */

struct told {
	uint16_t opcode;
	uint32_t ip;
	const uint8_t *mac;
	uint32_t target;
	uint16_t vlan;
};

static struct rte_mbuf *told_frame(uint32_t lcore, struct told t)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(rig.pool[lcore]);
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	struct rte_arp_hdr *arp = (void *)(eth + 1);

	assert_non_null(rte_pktmbuf_append(m, 42));
	memcpy(&eth->dst_addr, t.opcode == RTE_ARP_OP_REPLY ? rig.port.mac : everyone, 6);
	memcpy(&eth->src_addr, t.mac, 6);
	eth->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP);
	*arp = (struct rte_arp_hdr){.arp_hardware = rte_cpu_to_be_16(1), .arp_protocol = rte_cpu_to_be_16(0x0800),
				    .arp_hlen = 6, .arp_plen = 4, .arp_opcode = rte_cpu_to_be_16(t.opcode)};
	memcpy(&arp->arp_data.arp_sha, t.mac, 6);
	arp->arp_data.arp_sip = be(t.ip);
	arp->arp_data.arp_tip = be(t.target);
	if (t.vlan != 0) {
		m->vlan_tci = t.vlan;
		m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	}
	return m;
}

__attribute__((unused)) static void tell_lcore(uint32_t lcore, struct told t)
{
	rig_inject(&rig, lcore, told_frame(lcore, t));
	turns();
}
__attribute__((unused)) static void tell(struct told t) { tell_lcore(0, t); }
__attribute__((unused))
static void answer(uint32_t ip, const uint8_t *mac) { tell((struct told){RTE_ARP_OP_REPLY, ip, mac, OURS, 0}); }
__attribute__((unused))
static void announce(uint32_t ip, const uint8_t *mac) { tell((struct told){RTE_ARP_OP_REQUEST, ip, mac, ip, 0}); }

__attribute__((unused)) static void resolve(uint32_t ip, const uint8_t *mac)
{
	start(peer(ip, 0), 99);
	expect_question(ip, OURS, 0, everyone);
	answer(ip, mac);
	expect_packet(mac, ip, OURS, 0, 99);
}

#endif
