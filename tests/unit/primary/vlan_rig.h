/* What the tests of tagged frames share: a port with a VLAN, a worker that sends everything back, frames with tags. */
#ifndef VLAN_RIG_H
#define VLAN_RIG_H

#include <rte_arp.h>
#include <rte_ether.h>
#include <rte_icmp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "belt_consumer.h"
#include "checksum.h"
#include "datapath_rig.h"
#include "vlan.h"

#define VLAN_IP  0x0101000au /* 10.0.1.1, network byte order */
#define TAG      0xa064u     /* priority 5, VLAN 100 */
#define PEER_MAC "\x02\x00\x00\x00\x00\x02"

static struct rig rig;
static struct belt_consumer belt;
static struct baton_peer seen; /* by the worker */
static uint32_t handled;

/* ---- a worker that sends everything back ---- */

__attribute__((unused)) static void worker_run(void)
{
	uint32_t count = belt_take(&belt, BELT_SLOTS);

	for (uint32_t i = 0; i < count; i++) {
		struct belt_slot *entry = belt_slot_at(&belt, belt.done + i);

		if (entry->packet.kind != BELT_PACKET)
			continue;
		seen = belt.belt->peer[(belt.done + i) & BELT_MASK];
		handled++;
		belt_verdict(&belt, belt.done + i, baton_reply(entry->packet.len));
	}
	belt_settle(&belt, belt.done + count);
}

/* A worker in `slot` that gets all buckets of `from`. */
__attribute__((unused)) static void worker_start(uint32_t slot, uint32_t from)
{
	struct move_report report;
	int id;

	belt_consumer_init(&belt, rig.belt[0][slot], &state_control(&rig.state, slot)->commit[0]);
	datapath_slot_attach(rig.dp, slot, 0);
	io_turn(rig.dp->io[0]);
	id = datapath_move(rig.dp, &(struct move_order){.service = 0, .from = from, .to = slot});
	assert_true(id > 0);
	for (int i = 0; i < 20 && !datapath_move_done(rig.dp, id, &report); i++) {
		io_turn(rig.dp->io[0]);
		worker_run();
	}
}

__attribute__((unused)) static int setup(void **state)
{
	const struct config_address address = {.ip = VLAN_IP, .prefix = 24};

	(void)state;
	rig_create(&rig, 1, 2, 16);
	port_add_network(&rig.port, 100, &address, 1, 0);
	worker_start(0, SLOT_NONE);
	handled = 0;
	return 0;
}

__attribute__((unused)) static int teardown(void **state)
{
	(void)state;
	rig_destroy(&rig);
	return 0;
}

/* ---- frames ---- */

__attribute__((unused))
static struct rte_ipv4_hdr *ip_of(struct rte_mbuf *m) { return rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14); }
__attribute__((unused))
static struct rte_udp_hdr *udp_of(struct rte_mbuf *m) { return rte_pktmbuf_mtod_offset(m, struct rte_udp_hdr *, 34); }

__attribute__((unused)) static struct rte_mbuf *request(uint32_t ip, uint32_t len)
{
	static uint8_t payload[2048];
	struct rte_mbuf *m;

	for (uint32_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 7);
	m = rig_frame(&rig, 0, payload, len);
	ip_of(m)->dst_addr = ip;
	ip_of(m)->hdr_checksum = 0;
	ip_of(m)->hdr_checksum = (uint16_t)~rte_raw_cksum(ip_of(m), 20);
	udp_of(m)->dgram_cksum = 0;
	udp_of(m)->dgram_cksum = (uint16_t)~checksum_udp(ip_of(m), udp_of(m), len + 8);
	return m;
}

__attribute__((unused)) static struct rte_mbuf *tag_in_frame(struct rte_mbuf *m, uint16_t type, uint16_t tci)
{
	uint8_t *frame = (uint8_t *)rte_pktmbuf_prepend(m, 4);

	if (frame == NULL)
		abort();
	memmove(frame, frame + 4, 12);
	frame[12] = (uint8_t)(type >> 8);
	frame[13] = (uint8_t)type;
	frame[14] = (uint8_t)(tci >> 8);
	frame[15] = (uint8_t)tci;
	return m;
}

__attribute__((unused)) static struct rte_mbuf *tag_stripped(struct rte_mbuf *m, uint16_t tci)
{
	m->vlan_tci = tci;
	m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	return m;
}

__attribute__((unused)) static struct rte_mbuf *next_sent(void)
{
	struct rte_mbuf *m = NULL;

	return rte_ring_dequeue(rig.tx[0], (void **)&m) == 0 ? m : NULL;
}

/* What the frame came in has gone through the loop; what went out, or NULL. */
__attribute__((unused)) static struct rte_mbuf *exchange(struct rte_mbuf *m)
{
	rig_inject(&rig, 0, m);
	io_turn(rig.dp->io[0]);
	worker_run();
	io_turn(rig.dp->io[0]);
	io_turn(rig.dp->io[0]);
	return next_sent();
}

/* Whichever way the port was to put the tag on: takes it off and returns it. */
__attribute__((unused)) static uint16_t tag_of_sent(struct rte_mbuf *m)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	bool in_frame = frame[12] == 0x81 && frame[13] == 0;
	bool offloaded = (m->ol_flags & RTE_MBUF_F_TX_VLAN) != 0;

	assert_int_equal(m->ol_flags & ~(RTE_MBUF_F_TX_VLAN | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM |
					 RTE_MBUF_F_TX_UDP_CKSUM), 0);
	assert_false(in_frame && offloaded);
	assert_true(!offloaded || rig.port.tx_vlan);
	if ((m->ol_flags & RTE_MBUF_F_TX_IPV4) != 0)
		assert_int_equal(m->l2_len, in_frame ? 18 : 14); /* where the device finds IPv4 to sum */
	if (in_frame)
		return vlan_take_off(m);
	return offloaded ? m->vlan_tci : 0;
}

/* The sums as they are on the wire: the device's part is done here. */
__attribute__((unused)) static void expect_checksums(struct rte_mbuf *m, uint32_t len)
{
	struct rte_ipv4_hdr *ip = ip_of(m);
	struct rte_udp_hdr *udp = udp_of(m);

	if ((m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) != 0)
		ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, 20);
	if ((m->ol_flags & RTE_MBUF_F_TX_UDP_CKSUM) != 0)
		udp->dgram_cksum = (uint16_t)~rte_raw_cksum(udp, len + 8); /* over the pseudo-header's sum in the field */
	assert_int_equal(rte_raw_cksum(ip, 20), 0xffff);
	assert_int_equal(checksum_udp(ip, udp, len + 8), 0xffff);
}

__attribute__((unused)) static void expect_reply(struct rte_mbuf *m, uint32_t ip, uint32_t len, uint16_t tag)
{
	const uint8_t *payload;

	assert_non_null(m);
	assert_int_equal(tag_of_sent(m), tag);
	assert_int_equal(m->pkt_len, 42 + len);
	assert_int_equal(m->data_len, 42 + len);
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), PEER_MAC, 6);
	assert_memory_equal(rte_pktmbuf_mtod_offset(m, void *, 6), rig.port.mac, 6);
	assert_int_equal(ip_of(m)->src_addr, ip);
	assert_int_equal(ip_of(m)->dst_addr, rte_cpu_to_be_32(0x0a000002));
	expect_checksums(m, len);
	payload = rte_pktmbuf_mtod_offset(m, const uint8_t *, 42);
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(payload[i], (uint8_t)(i * 7));
	rte_pktmbuf_free(m);
}

__attribute__((unused)) static void expect_drop(struct rte_mbuf *m, enum core_drop reason, const char *what)
{
	struct CoreStats *stats = stats_io(&rig.stats, 0);
	uint64_t before = stats->drop[reason], all = 0, all_after = 0;

	for (uint32_t i = 0; i < DROP_COUNT; i++)
		all += stats->drop[i];
	m = exchange(m);
	for (uint32_t i = 0; i < DROP_COUNT; i++)
		all_after += stats->drop[i];
	if (m != NULL || handled != 0 || stats->drop[reason] != before + 1 || all_after != all + 1)
		fail_msg("%s: %s, %u handled, %d of %s and %d drops in all", what, m ? "answered" : "not answered", handled,
			 (int)(stats->drop[reason] - before), core_drop_name(reason), (int)(all_after - all));
}

__attribute__((unused))
static struct rte_mbuf *inner(uint16_t type) { return tag_in_frame(request(VLAN_IP, 48), type, TAG); }

__attribute__((unused)) static struct rte_mbuf *for_mac(struct rte_mbuf *m, uint8_t byte)
{
	memset(rte_pktmbuf_mtod(m, void *), byte, 6);
	return m;
}

__attribute__((unused)) static struct rte_mbuf *arp_request(uint32_t ip)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(rig.pool[0]);
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	struct rte_arp_hdr *arp = (void *)(eth + 1);

	assert_non_null(rte_pktmbuf_append(m, 42));
	memset(eth, 0xff, 6);
	memcpy(&eth->src_addr, PEER_MAC, 6);
	eth->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP);
	*arp = (struct rte_arp_hdr){.arp_hardware = rte_cpu_to_be_16(1), .arp_protocol = rte_cpu_to_be_16(0x0800),
				    .arp_hlen = 6, .arp_plen = 4, .arp_opcode = rte_cpu_to_be_16(1)};
	memcpy(&arp->arp_data.arp_sha, PEER_MAC, 6);
	arp->arp_data.arp_sip = rte_cpu_to_be_32(0x0a000102);
	arp->arp_data.arp_tip = ip;
	return m;
}

#endif
