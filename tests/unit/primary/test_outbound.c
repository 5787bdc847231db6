/* Packets that the server starts are built right, or refused under the right name, whatever a worker writes. */
#include "neighbour_rig.h"

/* The way the player's last packet came: nothing is asked. */
static void known_mac_is_used_at_once(void **state)
{
	struct baton_peer to = peer(FAR, 0), tagged = peer(FAR, 100);

	(void)state;
	memcpy(to.mac, mac_a, 6);
	memcpy(tagged.mac, mac_b, 6);
	for (uint32_t way = 0; way < 8; way++) { /* tags and checksums by the device or not */
		rig.port.tx_vlan = way & 1;
		rig.port.tx_ip_checksum = way & 2;
		rig.port.tx_udp_checksum = way & 4;
		start(to, 1);
		expect_packet(mac_a, FAR, OURS, 0, 1);
		start(tagged, 2);
		expect_packet(mac_b, FAR, RTE_IPV4(10, 0, 1, 1), 100, 2);
	}
	nothing_more();
	assert_int_equal(stats(0)->arp_requests, 0);
}

/* As the classifier sees to it that the way back says. */
static void source_is_the_address_that_was_written_to(void **state)
{
	struct port_network *net = &rig.port.network[0];
	struct baton_peer to = peer(FAR, 0);

	(void)state;
	memcpy(to.mac, mac_a, 6);
	net->address[net->addresses] = (struct config_address){.ip = be(RTE_IPV4(10, 0, 9, 9)), .prefix = 24};
	to.vlan = (uint16_t)(net->addresses++ << PEER_PLACE);
	start(to, 1);
	expect_packet(mac_a, FAR, RTE_IPV4(10, 0, 9, 9), 0, 1);
	to.vlan = (uint16_t)(net->addresses << PEER_PLACE); /* a worker may write that, too */
	start(to, 2);
	nothing_more();
	assert_int_equal(drop(DROP_no_route), 1);
}

static void where_nobody_can_be_nothing_is_sent(void **state)
{
	static const uint32_t nobody[] = {0, RTE_IPV4(127, 0, 0, 1), RTE_IPV4(224, 0, 0, 1), UINT32_MAX,
					  RTE_IPV4(10, 0, 0, 255), RTE_IPV4(10, 0, 0, 0), OURS};
	struct baton_peer to;

	(void)state;
	for (size_t i = 0; i < sizeof(nobody) / sizeof(nobody[0]); i++)
		start(peer(nobody[i], 0), 1);
	assert_int_equal(drop(DROP_no_route), 7);
	to = peer(HERE, 101); /* what a worker may write, too */
	start(to, 1);
	to = peer(HERE, 0xffff);
	start(to, 1);
	to = peer(HERE, 0);
	to.port = 1;
	start(to, 1);
	to.port = 255;
	start(to, 1);
	to = peer(HERE, 0);
	to.udp_port = 0;
	start(to, 1);
	assert_int_equal(drop(DROP_no_route), 12);
	rig.dp->io[0]->steering[0].ip = be(RTE_IPV4(10, 0, 1, 1)); /* the service is in the VLAN only */
	start(peer(HERE, 0), 1);
	assert_int_equal(drop(DROP_no_route), 13);
	nothing_more();
	assert_int_equal(rig.dp->io[0]->ledger.allocated, 0);
}

static void packet_longer_than_the_mtu_or_without_a_buffer_is_counted(void **state)
{
	static const uint8_t payload[1500] = {0};
	struct rte_mbuf *m, *all[8192];
	struct baton_peer to = peer(HERE, 0);
	uint32_t count = 0;

	(void)state;
	assert_null(outbound_build(rig.dp->io[0], &to, 0, payload, 1473));
	assert_int_equal(drop(DROP_oversize), 1);
	m = outbound_build(rig.dp->io[0], &to, 0, payload, 1472);
	assert_non_null(m);
	assert_int_equal(m->pkt_len, 1500);
	neighbour_send(rig.dp->io[0], &to, 0, m);
	turns();
	expect_question(HERE, OURS, 0, everyone);
	while ((m = rte_pktmbuf_alloc(rig.pool[0])) != NULL)
		all[count++] = m;
	assert_null(outbound_build(rig.dp->io[0], &to, 0, payload, 100));
	assert_int_equal(drop(DROP_no_buffer), 1);
	pass(SECOND); /* a question is due, and there is no buffer for it either */
	assert_int_equal(drop(DROP_no_buffer), 2);
	nothing_more();
	while (count != 0)
		rte_pktmbuf_free(all[--count]);
}

static void a_port_of_other_lcores_is_no_way_out(void **state)
{
	(void)state;
	rig.port.queues = 1;
	start_from(1, peer(HERE, 0), 1);
	assert_int_equal(stats(1)->drop[DROP_no_route], 1);
	start_from(0, peer(HERE, 0), 1);
	expect_question(HERE, OURS, 0, everyone);
	rig.port.queues = 2;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(known_mac_is_used_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(source_is_the_address_that_was_written_to, setup, teardown),
		cmocka_unit_test_setup_teardown(where_nobody_can_be_nothing_is_sent, setup, teardown),
		cmocka_unit_test_setup_teardown(packet_longer_than_the_mtu_or_without_a_buffer_is_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(a_port_of_other_lcores_is_no_way_out, setup_two, teardown),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
