/* What is not of one of its VLANs does not get past the port, and is counted under the name of the reason. */
#include "vlan_rig.h"

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
	expect_drop(tag_stripped(for_mac(request(VLAN_IP, 48), 0x04), TAG), DROP_not_our_mac, "not ours, taken off");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(other_vlans_and_stacked_tags_have_their_own_names, setup, teardown),
		cmocka_unit_test_setup_teardown(vlan_keeps_what_is_not_its_own_out, setup, teardown),
		cmocka_unit_test_setup_teardown(tagged_frame_cut_at_any_byte_is_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(tag_does_not_count_for_the_mtu, setup, teardown),
		cmocka_unit_test_setup_teardown(port_without_untagged_addresses_answers_in_its_vlans_only, setup, teardown),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
