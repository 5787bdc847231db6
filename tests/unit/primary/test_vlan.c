/* Tagged frames: whether the tag came in the frame or was taken off by the device, the worker learns the VLAN, and what
 * goes back has the tag, put on by the device or not. */
#include "vlan_rig.h"

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
	expect_drop(tag_in_frame(arp_request(RIG_IP), 0x8100, TAG), DROP_bad_arp, "the port's address in the VLAN");
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
		cmocka_unit_test_setup_teardown(arp_and_ping_are_answered_within_the_vlan, setup, teardown),
		cmocka_unit_test_setup_teardown(every_address_is_announced_in_its_own_network, setup, teardown),
		cmocka_unit_test_setup_teardown(redelivered_packet_keeps_its_vlan, setup, teardown),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
