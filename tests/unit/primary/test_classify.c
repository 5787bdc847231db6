/* Every kind of bad frame raises exactly its own counter; good ones reach the belt; ARP and ping are answered. */
#include <rte_arp.h>
#include <rte_ether.h>
#include <rte_icmp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "checksum.h"
#include "datapath_rig.h"

static struct rig rig;

static int setup(void **state)
{
	(void)state;
	rig_create(&rig, 1, 1, 16);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_destroy(&rig);
	return 0;
}

static uint64_t drops(void)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < DROP_COUNT; i++)
		total += stats_io(&rig.stats, 0)->drop[i];
	return total;
}

static void expect_drop(struct rte_mbuf *mbuf, enum core_drop reason, const char *what)
{
	struct CoreStats *stats = stats_io(&rig.stats, 0);
	uint64_t before = stats->drop[reason], all = drops();

	rig_inject(&rig, 0, mbuf);
	io_turn(rig.dp->io[0]);
	if (stats->drop[reason] != before + 1 || drops() != all + 1)
		fail_msg("%s: expected one %s, got %d of it and %d drops in all", what, core_drop_name(reason),
			 (int)(stats->drop[reason] - before), (int)(drops() - all));
}

static struct rte_mbuf *good(void)
{
	static const uint8_t payload[48] = {1, 2, 3, 4};

	return rig_frame(&rig, 0, payload, sizeof(payload));
}

static struct rte_ipv4_hdr *ip_of(struct rte_mbuf *m) { return rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, 14); }
static struct rte_udp_hdr *udp_of(struct rte_mbuf *m) { return rte_pktmbuf_mtod_offset(m, struct rte_udp_hdr *, 34); }

static void ip_checksum(struct rte_mbuf *m, uint32_t ihl)
{
	ip_of(m)->hdr_checksum = 0;
	ip_of(m)->hdr_checksum = (uint16_t)~rte_raw_cksum(ip_of(m), ihl);
}

static void spoil_version(struct rte_mbuf *m) { ip_of(m)->version_ihl = 0x65; }
static void spoil_ihl_short(struct rte_mbuf *m) { ip_of(m)->version_ihl = 0x44; }
static void spoil_total_long(struct rte_mbuf *m) { ip_of(m)->total_length = rte_cpu_to_be_16(77); ip_checksum(m, 20); }
static void spoil_total_short(struct rte_mbuf *m) { ip_of(m)->total_length = rte_cpu_to_be_16(19); ip_checksum(m, 20); }
static void spoil_ip_checksum(struct rte_mbuf *m) { ip_of(m)->hdr_checksum ^= 1; }
static void spoil_fragment_first(struct rte_mbuf *m)
{
	ip_of(m)->fragment_offset = rte_cpu_to_be_16(0x2000);
	ip_checksum(m, 20);
}
static void spoil_fragment_last(struct rte_mbuf *m)
{
	ip_of(m)->fragment_offset = rte_cpu_to_be_16(0x0010);
	ip_checksum(m, 20);
}
static void spoil_address(struct rte_mbuf *m) { ip_of(m)->dst_addr ^= 0x01000000; ip_checksum(m, 20); }
static void spoil_protocol(struct rte_mbuf *m) { ip_of(m)->next_proto_id = 6; ip_checksum(m, 20); }
static void spoil_no_udp_header(struct rte_mbuf *m)
{
	ip_of(m)->total_length = rte_cpu_to_be_16(27);
	ip_checksum(m, 20);
}
static void spoil_udp_length(struct rte_mbuf *m) { udp_of(m)->dgram_len = rte_cpu_to_be_16(55); }
static void spoil_udp_length_low(struct rte_mbuf *m) { udp_of(m)->dgram_len = rte_cpu_to_be_16(7); }
static void spoil_udp_checksum(struct rte_mbuf *m) { udp_of(m)->dgram_cksum ^= 0x0100; }
static void spoil_port(struct rte_mbuf *m) { udp_of(m)->dst_port = rte_cpu_to_be_16(9); udp_of(m)->dgram_cksum = 0; }
static void spoil_mac(struct rte_mbuf *m) { rte_pktmbuf_mtod(m, uint8_t *)[5] ^= 0x10; }
static void spoil_broadcast(struct rte_mbuf *m) { memset(rte_pktmbuf_mtod(m, uint8_t *), 0xff, 6); }
static void spoil_mac_of_arp(struct rte_mbuf *m)
{
	spoil_mac(m);
	rte_pktmbuf_mtod(m, uint8_t *)[13] = 0x06;
}
static void spoil_ethertype(struct rte_mbuf *m) { rte_pktmbuf_mtod(m, uint8_t *)[13] = 0x01; }
static void spoil_vlan(struct rte_mbuf *m) { rte_pktmbuf_mtod(m, uint8_t *)[12] = 0x81; }
static void spoil_ihl_long(struct rte_mbuf *m)
{
	ip_of(m)->version_ihl = 0x4f;
	m->data_len = m->pkt_len = 14 + 59;
}

static void each_malformed_frame_raises_its_own_counter_only(void **state)
{
	static const struct {
		const char *what;
		void (*spoil)(struct rte_mbuf *);
		enum core_drop reason;
	} table[] = {
		{"IP version 6", spoil_version, DROP_bad_ip_version},
		{"header length 16", spoil_ihl_short, DROP_bad_ip_header},
		{"header length beyond the frame", spoil_ihl_long, DROP_bad_ip_header},
		{"total length beyond the frame", spoil_total_long, DROP_bad_ip_length},
		{"total length below the header", spoil_total_short, DROP_bad_ip_length},
		{"IP checksum", spoil_ip_checksum, DROP_bad_ip_checksum},
		{"first fragment", spoil_fragment_first, DROP_fragment},
		{"last fragment", spoil_fragment_last, DROP_fragment},
		{"foreign address", spoil_address, DROP_not_our_address},
		{"TCP", spoil_protocol, DROP_unknown_protocol},
		{"no room for a UDP header", spoil_no_udp_header, DROP_bad_udp_length},
		{"UDP length short", spoil_udp_length, DROP_bad_udp_length},
		{"UDP length below 8", spoil_udp_length_low, DROP_bad_udp_length},
		{"UDP checksum", spoil_udp_checksum, DROP_bad_udp_checksum},
		{"closed port", spoil_port, DROP_no_service},
		{"somebody else's MAC address", spoil_mac, DROP_not_our_mac},
		{"unicast packet in a broadcast frame", spoil_broadcast, DROP_not_our_mac},
		{"ARP for somebody else's MAC address", spoil_mac_of_arp, DROP_not_our_mac},
		{"unknown ethertype", spoil_ethertype, DROP_unknown_ethertype},
		{"VLAN tag", spoil_vlan, DROP_unknown_vlan},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct rte_mbuf *m = good();
		table[i].spoil(m);
		expect_drop(m, table[i].reason, table[i].what);
	}
}

static struct rte_mbuf *from(uint32_t ip, uint16_t udp_port)
{
	struct rte_mbuf *m = good();

	ip_of(m)->src_addr = rte_cpu_to_be_32(ip);
	udp_of(m)->src_port = rte_cpu_to_be_16(udp_port);
	ip_checksum(m, 20);
	udp_of(m)->dgram_cksum = 0;
	return m;
}

/* Not even a ping, and by neither way: the options make a frame go the long one. */
static void nobody_answers_a_sender_that_is_none(void **state)
{
	static const uint32_t none[] = {
		RTE_IPV4(0, 0, 0, 0), RTE_IPV4(0, 1, 2, 3), RTE_IPV4(127, 0, 0, 1), RTE_IPV4(127, 9, 9, 9),
		RTE_IPV4(224, 0, 0, 1),
		RTE_IPV4(239, 255, 255, 250), RTE_IPV4(240, 0, 0, 1), RTE_IPV4(255, 255, 255, 255),
		RTE_IPV4(10, 0, 0, 0),
		RTE_IPV4(10, 0, 0, 255), RTE_IPV4(10, 0, 0, 1),
	};
	static const uint32_t some[] = {
		RTE_IPV4(10, 0, 0, 2), RTE_IPV4(10, 0, 0, 254), RTE_IPV4(10, 0, 1, 0), RTE_IPV4(10, 0, 1, 255),
		RTE_IPV4(10, 9, 0, 1),
		RTE_IPV4(1, 0, 0, 0), RTE_IPV4(126, 255, 255, 255), RTE_IPV4(128, 0, 0, 0),
		RTE_IPV4(223, 255, 255, 255),
	};

	(void)state;
	for (size_t i = 0; i < RTE_DIM(none); i++) {
		struct rte_mbuf *ping = from(none[i], 4000);

		expect_drop(from(none[i], 4000), DROP_bad_source, "forged sender");
		ip_of(ping)->next_proto_id = IPPROTO_ICMP;
		ip_checksum(ping, 20);
		expect_drop(ping, DROP_bad_source, "ping of a forged sender");
	}
	for (size_t i = 0; i < RTE_DIM(some); i++)
		expect_drop(from(some[i], 4000), DROP_no_worker, "a host");
	expect_drop(from(RTE_IPV4(10, 0, 0, 2), 0), DROP_bad_source, "UDP port 0");
	struct rte_mbuf *group = good();
	rte_pktmbuf_mtod(group, uint8_t *)[6] |= 1;
	expect_drop(group, DROP_bad_source, "a group's MAC address");
	struct rte_mbuf *everybody = good();
	memset(rte_pktmbuf_mtod(everybody, uint8_t *) + 6, 0xff, 6);
	expect_drop(everybody, DROP_bad_source, "everybody's MAC address");
}

static void a_frame_cut_at_any_byte_is_dropped_and_counted(void **state)
{
	(void)state;
	for (uint16_t len = 0; len < 90; len++) {
		struct rte_mbuf *m = good();
		m->data_len = len;
		m->pkt_len = len;
		expect_drop(m, len < 14 + 20 ? DROP_runt_frame : DROP_bad_ip_length, "cut frame");
	}
}

static void payload_limits_have_names(void **state)
{
	static const uint8_t payload[4] = {0};

	(void)state;
	expect_drop(rig_frame(&rig, 0, payload, 3), DROP_no_key, "three bytes of payload");
	expect_drop(good(), DROP_no_worker, "nobody owns the bucket");
	struct rte_mbuf *a = good(), *b = rte_pktmbuf_alloc(rig.pool[0]);
	assert_int_equal(rte_pktmbuf_chain(a, b), 0);
	expect_drop(a, DROP_segmented, "two buffers");
}

/* A driver may refuse a reply of that length for ever, and nothing behind it would leave. */
static void a_packet_longer_than_the_mtu_is_dropped(void **state)
{
	static const uint8_t payload[1488] = {0};

	(void)state;
	expect_drop(rig_frame(&rig, 0, payload, 1472), DROP_no_worker, "as long as the MTU allows");
	expect_drop(rig_frame(&rig, 0, payload, 1473), DROP_oversize, "a byte longer");
}

static void a_zero_udp_checksum_is_accepted(void **state)
{
	struct rte_mbuf *m = good();

	(void)state;
	udp_of(m)->dgram_cksum = 0;
	expect_drop(m, DROP_no_worker, "no checksum"); /* it got as far as steering */
}

static struct rte_mbuf *reply(void)
{
	struct rte_mbuf *m = NULL;

	io_turn(rig.dp->io[0]);
	io_turn(rig.dp->io[0]);
	if (rte_ring_dequeue(rig.tx[0], (void **)&m) != 0)
		fail_msg("no reply");
	return m;
}

static void arp_for_our_address_is_answered(void **state)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(rig.pool[0]);
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	struct rte_arp_hdr *arp = (void *)(eth + 1);

	(void)state;
	assert_non_null(rte_pktmbuf_append(m, 42));
	memset(eth, 0xff, 6);
	memcpy(&eth->src_addr, "\x02\x00\x00\x00\x00\x02", 6);
	eth->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_ARP);
	*arp = (struct rte_arp_hdr){.arp_hardware = rte_cpu_to_be_16(1), .arp_protocol = rte_cpu_to_be_16(0x0800),
				    .arp_hlen = 6, .arp_plen = 4, .arp_opcode = rte_cpu_to_be_16(1)};
	memcpy(&arp->arp_data.arp_sha, &eth->src_addr, 6);
	arp->arp_data.arp_sip = rte_cpu_to_be_32(0x0a000002);
	arp->arp_data.arp_tip = RIG_IP;
	rig_inject(&rig, 0, m);
	m = reply();
	arp = rte_pktmbuf_mtod_offset(m, struct rte_arp_hdr *, 14);
	assert_int_equal(m->pkt_len, 42);
	assert_int_equal(arp->arp_opcode, rte_cpu_to_be_16(2));
	assert_int_equal(arp->arp_data.arp_sip, RIG_IP);
	assert_int_equal(arp->arp_data.arp_tip, rte_cpu_to_be_32(0x0a000002));
	assert_memory_equal(&arp->arp_data.arp_sha, rig.port.mac, 6);
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), "\x02\x00\x00\x00\x00\x02", 6);
	/* the same question about somebody else's address */
	arp->arp_opcode = rte_cpu_to_be_16(1);
	arp->arp_data.arp_tip = RIG_IP ^ 0x01000000;
	memset(rte_pktmbuf_mtod(m, void *), 0xff, 6);
	expect_drop(m, DROP_bad_arp, "ARP for a neighbour");
}

static struct rte_mbuf *question(const uint8_t *mac)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(rig.pool[0]);
	struct rte_arp_hdr *arp = rte_pktmbuf_mtod_offset(m, struct rte_arp_hdr *, 14);

	assert_non_null(rte_pktmbuf_append(m, 42));
	memset(rte_pktmbuf_mtod(m, void *), 0xff, 6);
	memcpy(rte_pktmbuf_mtod_offset(m, void *, 6), "\x02\x00\x00\x00\x00\x02\x08\x06", 8);
	*arp = (struct rte_arp_hdr){.arp_hardware = rte_cpu_to_be_16(1), .arp_protocol = rte_cpu_to_be_16(0x0800),
				    .arp_hlen = 6, .arp_plen = 4, .arp_opcode = rte_cpu_to_be_16(1)};
	memcpy(&arp->arp_data.arp_sha, mac, 6);
	arp->arp_data.arp_sip = rte_cpu_to_be_32(0x0a000002);
	arp->arp_data.arp_tip = RIG_IP;
	return m;
}

/* Who asks in the name of a group would have everybody get the answer. */
static void arp_of_no_hosts_mac_is_not_answered(void **state)
{
	(void)state;
	expect_drop(question((const uint8_t *)"\xff\xff\xff\xff\xff\xff"), DROP_bad_arp, "everybody's");
	expect_drop(question((const uint8_t *)"\x01\x00\x5e\x00\x00\x01"), DROP_bad_arp, "a group's");
	expect_drop(question((const uint8_t *)"\0\0\0\0\0\0"), DROP_bad_arp, "nobody's");
	rig_inject(&rig, 0, question((const uint8_t *)"\x02\x00\x00\x00\x00\x02"));
	rte_pktmbuf_free(reply());
}

static void ping_is_answered(void **state)
{
	struct rte_mbuf *m = good();
	struct rte_icmp_hdr *icmp = (void *)udp_of(m);

	(void)state;
	ip_of(m)->next_proto_id = IPPROTO_ICMP;
	ip_checksum(m, 20);
	icmp->icmp_type = RTE_IP_ICMP_ECHO_REQUEST;
	icmp->icmp_code = 0;
	icmp->icmp_cksum = 0;
	icmp->icmp_cksum = (uint16_t)~rte_raw_cksum(icmp, 56);
	rig_inject(&rig, 0, m);
	m = reply();
	icmp = (void *)udp_of(m);
	assert_int_equal(icmp->icmp_type, RTE_IP_ICMP_ECHO_REPLY);
	assert_int_equal(rte_raw_cksum(icmp, 56), 0xffff);
	assert_int_equal(rte_raw_cksum(ip_of(m), 20), 0xffff);
	assert_int_equal(ip_of(m)->src_addr, RIG_IP);
	icmp->icmp_type = RTE_IP_ICMP_ECHO_REQUEST; /* its checksum is wrong now, and so are the addresses */
	ip_of(m)->src_addr = ip_of(m)->dst_addr;
	ip_of(m)->dst_addr = RIG_IP;
	ip_checksum(m, 20);
	memcpy(rte_pktmbuf_mtod(m, void *), rig.port.mac, 6);
	expect_drop(m, DROP_bad_icmp, "ping with a wrong checksum");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_malformed_frame_raises_its_own_counter_only, setup, teardown),
		cmocka_unit_test_setup_teardown(nobody_answers_a_sender_that_is_none, setup, teardown),
		cmocka_unit_test_setup_teardown(a_frame_cut_at_any_byte_is_dropped_and_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(payload_limits_have_names, setup, teardown),
		cmocka_unit_test_setup_teardown(a_packet_longer_than_the_mtu_is_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(a_zero_udp_checksum_is_accepted, setup, teardown),
		cmocka_unit_test_setup_teardown(arp_for_our_address_is_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(arp_of_no_hosts_mac_is_not_answered, setup, teardown),
		cmocka_unit_test_setup_teardown(ping_is_answered, setup, teardown),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
