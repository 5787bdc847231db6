/* Tagged frames: whether the tag came in the frame or was taken off by the device, the worker learns the VLAN, and what
 * goes back has the tag, as the port can do it; other VLANs and stacked tags are dropped under their own names. */
#include <rte_arp.h>
#include <rte_ether.h>
#include <rte_icmp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

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

static void worker_run(void)
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
static void worker_start(uint32_t slot, uint32_t from)
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

static int setup(void **state)
{
	const struct config_address address = {.ip = VLAN_IP, .prefix = 24};

	(void)state;
	rig_create(&rig, 1, 2, 16);
	port_add_network(&rig.port, 100, &address, 1, 0);
	worker_start(0, SLOT_NONE);
	handled = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_destroy(&rig);
	return 0;
}

/* ---- frames ---- */

static struct rte_ipv4_hdr *ip_of(struct rte_mbuf *m) { return rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14); }
static struct rte_udp_hdr *udp_of(struct rte_mbuf *m) { return rte_pktmbuf_mtod_offset(m, struct rte_udp_hdr *, 34); }

static struct rte_mbuf *request(uint32_t ip, uint32_t len)
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

static struct rte_mbuf *tag_in_frame(struct rte_mbuf *m, uint16_t type, uint16_t tci)
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

static struct rte_mbuf *tag_stripped(struct rte_mbuf *m, uint16_t tci)
{
	m->vlan_tci = tci;
	m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	return m;
}

static struct rte_mbuf *next_sent(void)
{
	struct rte_mbuf *m = NULL;

	return rte_ring_dequeue(rig.tx[0], (void **)&m) == 0 ? m : NULL;
}

/* What the frame came in has gone through the loop; what went out, or NULL. */
static struct rte_mbuf *exchange(struct rte_mbuf *m)
{
	rig_inject(&rig, 0, m);
	io_turn(rig.dp->io[0]);
	worker_run();
	io_turn(rig.dp->io[0]);
	io_turn(rig.dp->io[0]);
	return next_sent();
}

/* Whichever way the port was to put the tag on: takes it off and returns it. */
static uint16_t tag_of_sent(struct rte_mbuf *m)
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
static void expect_checksums(struct rte_mbuf *m, uint32_t len)
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

static void expect_reply(struct rte_mbuf *m, uint32_t ip, uint32_t len, uint16_t tag)
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

/* ---- claims ---- */

/* Every way a tag can come and go, and every way checksums are made: the same frame on the wire. */
static void tagged_request_gets_a_reply_with_its_tag(void **state)
{
	static const uint32_t lens[] = {48, 200, 1472};

	(void)state;
	for (uint32_t way = 0; way < 16; way++) {
		rig.port.tx_vlan = way & 1;
		rig.port.tx_ip_checksum = way & 4;
		rig.port.tx_udp_checksum = way & 8;
		for (uint32_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
			struct rte_mbuf *m = request(VLAN_IP, lens[i]);

			m = way & 2 ? tag_stripped(m, TAG) : tag_in_frame(m, 0x8100, TAG);
			expect_reply(exchange(m), VLAN_IP, lens[i], TAG);
			assert_int_equal(seen.vlan, 100);
			assert_memory_equal(seen.mac, PEER_MAC, 6);
		}
	}
	assert_int_equal(handled, 48);
}

static void untagged_and_priority_tagged_are_the_same(void **state)
{
	(void)state;
	expect_reply(exchange(request(RIG_IP, 48)), RIG_IP, 48, 0);
	assert_int_equal(seen.vlan, 0);
	seen.vlan = 1;
	expect_reply(exchange(tag_in_frame(request(RIG_IP, 48), 0x8100, 0xe000)), RIG_IP, 48, 0);
	assert_int_equal(seen.vlan, 0);
	seen.vlan = 1;
	expect_reply(exchange(tag_stripped(request(RIG_IP, 48), 0x6000)), RIG_IP, 48, 0);
	assert_int_equal(seen.vlan, 0);
	/* A driver that puts the tag back and only remembers it; and what a former use of the buffer left. */
	struct rte_mbuf *m = tag_in_frame(request(VLAN_IP, 48), 0x8100, TAG);
	m->ol_flags |= RTE_MBUF_F_RX_VLAN;
	m->vlan_tci = TAG;
	expect_reply(exchange(m), VLAN_IP, 48, TAG);
	m = request(RIG_IP, 48);
	m->vlan_tci = TAG;
	expect_reply(exchange(m), RIG_IP, 48, 0);
	assert_int_equal(handled, 5);
}

static void expect_drop(struct rte_mbuf *m, enum core_drop reason, const char *what)
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

static struct rte_mbuf *inner(uint16_t type) { return tag_in_frame(request(VLAN_IP, 48), type, TAG); }

static struct rte_mbuf *for_mac(struct rte_mbuf *m, uint8_t byte)
{
	memset(rte_pktmbuf_mtod(m, void *), byte, 6);
	return m;
}

static void other_vlans_and_stacked_tags_have_their_own_names(void **state)
{
	struct rte_mbuf *m;

	(void)state;
	expect_drop(tag_in_frame(request(VLAN_IP, 48), 0x8100, 101), DROP_unknown_vlan, "VLAN 101");
	expect_drop(tag_stripped(request(VLAN_IP, 48), 101), DROP_unknown_vlan, "VLAN 101 taken off");
	expect_drop(tag_in_frame(request(VLAN_IP, 48), 0x8100, 0xfff), DROP_unknown_vlan, "reserved identifier");
	expect_drop(tag_in_frame(request(VLAN_IP, 48), 0x88a8, TAG), DROP_stacked_vlan, "provider tag");
	expect_drop(tag_in_frame(request(VLAN_IP, 48), 0x9100, TAG), DROP_stacked_vlan, "provider tag of old");
	expect_drop(tag_in_frame(inner(0x8100), 0x8100, TAG), DROP_stacked_vlan, "two tags");
	expect_drop(tag_in_frame(inner(0x8100), 0x8100, 0), DROP_stacked_vlan, "a priority and a tag");
	expect_drop(tag_in_frame(inner(0x8100), 0x88a8, TAG), DROP_stacked_vlan, "QinQ");
	expect_drop(tag_stripped(inner(0x8100), TAG), DROP_stacked_vlan, "two tags, one taken off");
	m = tag_stripped(request(VLAN_IP, 48), TAG);
	m->ol_flags |= RTE_MBUF_F_RX_QINQ | RTE_MBUF_F_RX_QINQ_STRIPPED;
	expect_drop(m, DROP_stacked_vlan, "two tags taken off");
}

static void vlan_keeps_what_is_not_its_own_out(void **state)
{
	struct rte_mbuf *m;

	(void)state;
	expect_drop(request(VLAN_IP, 48), DROP_not_our_address, "the VLAN's address without a tag");
	expect_drop(tag_in_frame(request(VLAN_IP, 48), 0x8100, 0), DROP_not_our_address, "with a priority only");
	expect_drop(tag_in_frame(request(RIG_IP, 48), 0x8100, TAG), DROP_not_our_address, "the port's address in the VLAN");
	expect_drop(tag_stripped(request(RIG_IP, 48), TAG), DROP_not_our_address, "likewise, taken off");
	expect_drop(for_mac(inner(0x8100), 0x04), DROP_not_our_mac, "not our MAC address");
	expect_drop(tag_stripped(for_mac(request(VLAN_IP, 48), 0x04), TAG), DROP_not_our_mac, "not our MAC address, taken off");
	expect_drop(for_mac(inner(0x8100), 0xff), DROP_not_our_mac, "unicast packet in a broadcast frame");
	m = inner(0x8100);
	rte_pktmbuf_mtod(m, uint8_t *)[16] = 0x86;
	expect_drop(m, DROP_unknown_ethertype, "something else in the VLAN");
	m = tag_stripped(request(VLAN_IP, 48), TAG);
	assert_int_equal(rte_pktmbuf_chain(m, rte_pktmbuf_alloc(rig.pool[0])), 0);
	expect_drop(m, DROP_segmented, "two buffers");
}

static void tagged_frame_cut_at_any_byte_is_counted(void **state)
{
	(void)state;
	for (uint16_t len = 0; len < 94; len++) {
		struct rte_mbuf *m = inner(0x8100);

		m->data_len = m->pkt_len = len;
		expect_drop(m, len < 38 ? DROP_runt_frame : DROP_bad_ip_length, "tag in the frame");
		m = tag_stripped(request(VLAN_IP, 48), TAG);
		m->data_len = m->pkt_len = len > 90 ? 89 : len;
		if (len < 90)
			expect_drop(m, len < 34 ? DROP_runt_frame : DROP_bad_ip_length, "taken off");
		else
			rte_pktmbuf_free(m);
	}
}

/* The MTU is that of the IPv4 packet: the tag is not part of it. */
static void tag_does_not_count_for_the_mtu(void **state)
{
	(void)state;
	expect_reply(exchange(tag_in_frame(request(VLAN_IP, 1472), 0x8100, TAG)), VLAN_IP, 1472, TAG);
	handled = 0;
	expect_drop(tag_in_frame(request(VLAN_IP, 1473), 0x8100, TAG), DROP_oversize, "a byte longer");
	expect_drop(tag_stripped(request(VLAN_IP, 1473), TAG), DROP_oversize, "a byte longer, taken off");
}

static struct rte_mbuf *arp_request(uint32_t ip)
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

static void arp_and_ping_are_answered_within_the_vlan(void **state)
{
	(void)state;
	for (uint32_t way = 0; way < 4; way++) {
		rig.port.tx_vlan = way & 1;
		struct rte_mbuf *m = arp_request(VLAN_IP);
		m = exchange(way & 2 ? tag_stripped(m, TAG) : tag_in_frame(m, 0x8100, TAG));
		assert_non_null(m);
		assert_int_equal(tag_of_sent(m), TAG);
		assert_int_equal(rte_pktmbuf_mtod_offset(m, struct rte_arp_hdr *, 14)->arp_data.arp_sip, VLAN_IP);
		rte_pktmbuf_free(m);

		m = request(VLAN_IP, 48);
		struct rte_icmp_hdr *icmp = (void *)udp_of(m);
		ip_of(m)->next_proto_id = IPPROTO_ICMP;
		ip_of(m)->hdr_checksum = 0;
		ip_of(m)->hdr_checksum = (uint16_t)~rte_raw_cksum(ip_of(m), 20);
		*icmp = (struct rte_icmp_hdr){.icmp_type = RTE_IP_ICMP_ECHO_REQUEST};
		icmp->icmp_cksum = (uint16_t)~rte_raw_cksum(icmp, 56);
		m = exchange(way & 2 ? tag_stripped(m, TAG) : tag_in_frame(m, 0x8100, TAG));
		assert_non_null(m);
		assert_int_equal(tag_of_sent(m), TAG);
		assert_int_equal(ip_of(m)->src_addr, VLAN_IP);
		assert_int_equal(rte_raw_cksum(udp_of(m), 56), 0xffff);
		rte_pktmbuf_free(m);
	}
	expect_drop(tag_in_frame(arp_request(RIG_IP), 0x8100, TAG), DROP_bad_arp, "the port's address asked for in the VLAN");
	expect_drop(arp_request(VLAN_IP), DROP_bad_arp, "the VLAN's address asked for without a tag");
}

static void every_address_is_announced_in_its_own_network(void **state)
{
	struct rte_mbuf *m;

	(void)state;
	local_announce(rig.dp->io[0]);
	m = next_sent();
	assert_non_null(m);
	assert_int_equal(tag_of_sent(m), 0);
	assert_int_equal(rte_pktmbuf_mtod_offset(m, struct rte_arp_hdr *, 14)->arp_data.arp_sip, RIG_IP);
	rte_pktmbuf_free(m);
	m = next_sent();
	assert_non_null(m);
	assert_int_equal(tag_of_sent(m), 100);
	assert_int_equal(rte_pktmbuf_mtod_offset(m, struct rte_arp_hdr *, 14)->arp_data.arp_sip, VLAN_IP);
	rte_pktmbuf_free(m);
	assert_null(next_sent());
}

/* A trunk: no address for untagged frames. */
static void port_without_untagged_addresses_answers_in_its_vlans_only(void **state)
{
	const struct config_address address = {.ip = VLAN_IP, .prefix = 24};

	(void)state;
	memset(rig.port.network, 0, sizeof(rig.port.network));
	rig.port.networks = 0;
	port_add_network(&rig.port, 0, NULL, 0, 0);
	port_add_network(&rig.port, 100, &address, 1, 0);
	expect_drop(request(RIG_IP, 48), DROP_not_our_address, "untagged");
	expect_drop(request(0, 48), DROP_not_our_address, "to 0.0.0.0");
	expect_drop(request(UINT32_MAX, 48), DROP_not_our_address, "to 255.255.255.255");
	expect_reply(exchange(inner(0x8100)), VLAN_IP, 48, TAG);
}

/* The kept frame stays as it is until it is answered, whoever does it. */
static void redelivered_packet_keeps_its_vlan(void **state)
{
	uint32_t orphans;

	(void)state;
	rig_inject(&rig, 0, inner(0x8100));
	io_turn(rig.dp->io[0]);
	datapath_slot_dead(rig.dp, 0);
	for (int i = 0; i < 5; i++)
		io_turn(rig.dp->io[0]);
	assert_true(datapath_slot_recovered(rig.dp, 0, &orphans));
	assert_int_equal(orphans, 16);
	worker_start(1, 0);
	for (int i = 0; i < 3; i++) {
		worker_run();
		io_turn(rig.dp->io[0]);
	}
	assert_int_equal(handled, 1);
	assert_int_equal(seen.vlan, 100);
	assert_int_equal(stats_io(&rig.stats, 0)->redelivered, 1);
	expect_reply(next_sent(), VLAN_IP, 48, TAG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(tagged_request_gets_a_reply_with_its_tag, setup, teardown),
		cmocka_unit_test_setup_teardown(untagged_and_priority_tagged_are_the_same, setup, teardown),
		cmocka_unit_test_setup_teardown(other_vlans_and_stacked_tags_have_their_own_names, setup, teardown),
		cmocka_unit_test_setup_teardown(vlan_keeps_what_is_not_its_own_out, setup, teardown),
		cmocka_unit_test_setup_teardown(tagged_frame_cut_at_any_byte_is_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(tag_does_not_count_for_the_mtu, setup, teardown),
		cmocka_unit_test_setup_teardown(arp_and_ping_are_answered_within_the_vlan, setup, teardown),
		cmocka_unit_test_setup_teardown(every_address_is_announced_in_its_own_network, setup, teardown),
		cmocka_unit_test_setup_teardown(port_without_untagged_addresses_answers_in_its_vlans_only, setup, teardown),
		cmocka_unit_test_setup_teardown(redelivered_packet_keeps_its_vlan, setup, teardown),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
