/* Neighbours are resolved by ARP within their VLAN, by the gateway if they are far, in bounded tables and queues, and
 * checked again after their life. The ledger is looked at after every turn. */
#include "neighbour_rig.h"

static void unknown_address_is_asked_for_and_the_packet_waits(void **state)
{
	(void)state;
	start(peer(HERE, 0), 1);
	assert_int_equal(unresolved(0), 1);
	assert_int_equal(stats(0)->unresolved, 1);
	expect_question(HERE, OURS, 0, everyone);
	start(peer(HERE, 0), 2);
	nothing_more(); /* asked already */
	answer(HERE, mac_a);
	expect_packet(mac_a, HERE, OURS, 0, 1);
	expect_packet(mac_a, HERE, OURS, 0, 2);
	assert_int_equal(unresolved(0), 0);
	start(peer(HERE, 0), 3);
	expect_packet(mac_a, HERE, OURS, 0, 3);
	nothing_more();
	assert_int_equal(stats(0)->arp_requests, 1);
	assert_int_equal(stats(0)->arp_learned, 1);
	assert_int_equal(drop(DROP_bad_arp), 0);
}

/* The same address in another network is somebody else. */
static void addresses_are_resolved_within_their_vlan(void **state)
{
	(void)state;
	start(peer(IN_VLAN, 100), 1);
	expect_question(IN_VLAN, RTE_IPV4(10, 0, 1, 1), 100, everyone);
	tell((struct told){RTE_ARP_OP_REPLY, IN_VLAN, mac_b, OURS, 0});
	tell((struct told){RTE_ARP_OP_REPLY, IN_VLAN, mac_b, RTE_IPV4(10, 0, 2, 1), 200});
	tell((struct told){RTE_ARP_OP_REPLY, IN_VLAN, mac_b, OURS, 100}); /* to an address that is not of the VLAN */
	assert_int_equal(drop(DROP_bad_arp), 3);
	nothing_more();
	tell((struct told){RTE_ARP_OP_REPLY, IN_VLAN, mac_a, RTE_IPV4(10, 0, 1, 1), 100});
	expect_packet(mac_a, IN_VLAN, RTE_IPV4(10, 0, 1, 1), 100, 1);
	nothing_more();
}

static void far_addresses_go_by_the_gateway_of_their_network(void **state)
{
	(void)state;
	start(peer(FAR, 0), 1);
	expect_question(GATEWAY, OURS, 0, everyone);
	start(peer(FAR + 1, 0), 2);
	nothing_more(); /* one question for all behind it */
	answer(GATEWAY, mac_a);
	expect_packet(mac_a, FAR, OURS, 0, 1);
	expect_packet(mac_a, FAR + 1, OURS, 0, 2);
	start(peer(FAR, 100), 3);
	expect_question(VLAN_GATEWAY, RTE_IPV4(10, 0, 1, 1), 100, everyone);
	tell((struct told){RTE_ARP_OP_REPLY, VLAN_GATEWAY, mac_b, RTE_IPV4(10, 0, 1, 1), 100});
	expect_packet(mac_b, FAR, RTE_IPV4(10, 0, 1, 1), 100, 3);
	start(peer(FAR, 200), 4); /* has none */
	assert_int_equal(drop(DROP_no_route), 1);
	nothing_more();
}

static void three_questions_a_second_apart_and_then_the_packets_go(void **state)
{
	(void)state;
	start(peer(HERE, 0), 1);
	for (uint32_t i = 0; i < NEIGHBOUR_TRIES; i++) {
		expect_question(HERE, OURS, 0, everyone);
		pass(SECOND - 1);
		start(peer(HERE, 0), 2);
		nothing_more();
		pass(NEIGHBOUR_SCAN_NS);
	}
	nothing_more();
	assert_int_equal(drop(DROP_no_neighbour), 4);
	assert_int_equal(unresolved(0), 0);
	answer(HERE ^ 1, mac_a);
	assert_int_equal(drop(DROP_bad_arp), 1); /* nobody asked for that one */
	start(peer(HERE, 0), 3); /* a new round */
	expect_question(HERE, OURS, 0, everyone);
	answer(HERE, mac_a);
	expect_packet(mac_a, HERE, OURS, 0, 3);
}

static void a_full_queue_keeps_the_newest(void **state)
{
	(void)state;
	for (uint8_t i = 0; i < 10; i++)
		start(peer(HERE, 0), i);
	assert_int_equal(unresolved(0), NEIGHBOUR_QUEUE);
	assert_int_equal(drop(DROP_no_neighbour), 10 - NEIGHBOUR_QUEUE);
	expect_question(HERE, OURS, 0, everyone);
	answer(HERE, mac_a);
	for (uint8_t i = 10 - NEIGHBOUR_QUEUE; i < 10; i++)
		expect_packet(mac_a, HERE, OURS, 0, i);
	nothing_more();
}

/* Whatever a worker wants: so many packets wait, so many questions are asked, and no more. */
static void table_is_bounded(void **state)
{
	struct rte_mbuf *m;
	uint32_t sent = 0, questions = 0;

	(void)state;
	rig.port.network[0].address[0].prefix = 16;
	for (uint32_t round = 0; round < 4; round++)
		for (uint32_t host = 300; host < 1324; host++, sent++)
			start(peer(RTE_IPV4(10, 0, 0, 0) + host, 0), 1);
	while ((m = next_from(0)) != NULL) {
		questions++;
		rte_pktmbuf_free(m);
	}
	assert_int_equal(rig.dp->io[0]->neighbours.used, questions);
	assert_true(questions <= NEIGHBOURS && questions > NEIGHBOURS / 2);
	assert_int_equal(unresolved(0), NEIGHBOUR_WAITING);
	assert_int_equal(drop(DROP_no_neighbour), sent - NEIGHBOUR_WAITING);
	for (int i = 0; i < 4; i++)
		pass(SECOND);
	assert_int_equal(unresolved(0), 0);
	assert_int_equal(drop(DROP_no_neighbour), sent);
	start(peer(HERE, 0), 1); /* entries that failed make room */
	while ((m = next_from(0)) != NULL)
		rte_pktmbuf_free(m);
	answer(HERE, mac_a);
	expect_packet(mac_a, HERE, OURS, 0, 1);
}

static void used_entry_is_checked_after_its_life(void **state)
{
	(void)state;
	resolve(HERE, mac_a);
	pass(NEIGHBOUR_LIFE_NS - 1);
	start(peer(HERE, 0), 1);
	expect_packet(mac_a, HERE, OURS, 0, 1);
	pass(NEIGHBOUR_SCAN_NS);
	expect_question(HERE, OURS, 0, mac_a); /* him alone */
	start(peer(HERE, 0), 2); /* in use meanwhile */
	expect_packet(mac_a, HERE, OURS, 0, 2);
	answer(HERE, mac_a);
	pass(10 * SECOND);
	nothing_more();
	start(peer(HERE, 0), 3);
	expect_packet(mac_a, HERE, OURS, 0, 3);
	/* The next time he does not answer: everyone is asked for the next packet. */
	pass(NEIGHBOUR_LIFE_NS);
	expect_question(HERE, OURS, 0, mac_a);
	pass(SECOND);
	expect_question(HERE, OURS, 0, mac_a);
	pass(SECOND);
	expect_question(HERE, OURS, 0, mac_a);
	pass(SECOND);
	nothing_more();
	assert_int_equal(rig.dp->io[0]->neighbours.used, 0);
	start(peer(HERE, 0), 4);
	expect_question(HERE, OURS, 0, everyone);
}

static void unused_entry_ends(void **state)
{
	(void)state;
	resolve(HERE, mac_a);
	assert_int_equal(rig.dp->io[0]->neighbours.used, 1);
	pass(NEIGHBOUR_LIFE_NS);
	nothing_more();
	assert_int_equal(rig.dp->io[0]->neighbours.used, 0);
}

/* The end: what waits is freed and counted; teardown looks at ledger and pool. */
static void what_waits_at_the_end_is_freed(void **state)
{
	(void)state;
	start(peer(HERE, 0), 1);
	start(peer(FAR, 0), 2);
	io_stop(rig.dp->io[0]);
	assert_int_equal(drop(DROP_stopping), 2);
	assert_int_equal(unresolved(0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(unknown_address_is_asked_for_and_the_packet_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(addresses_are_resolved_within_their_vlan, setup, teardown),
		cmocka_unit_test_setup_teardown(far_addresses_go_by_the_gateway_of_their_network, setup, teardown),
		cmocka_unit_test_setup_teardown(three_questions_a_second_apart_and_then_the_packets_go, setup, teardown),
		cmocka_unit_test_setup_teardown(a_full_queue_keeps_the_newest, setup, teardown),
		cmocka_unit_test_setup_teardown(table_is_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(used_entry_is_checked_after_its_life, setup, teardown),
		cmocka_unit_test_setup_teardown(unused_entry_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(what_waits_at_the_end_is_freed, setup, teardown),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
