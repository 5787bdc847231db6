/* Packets that workers start: sound datagrams by the way back, or dropped and counted. */
#include "belt_consumer.h"
#include "messages_rig.h"

static void start(const struct baton_peer *to, uint16_t len)
{
	struct belt_out_cell *out;

	offer_one(0);
	out = cell(0, BELT_OUT_PACKET);
	out->len = len;
	out->to = *to;
	for (uint32_t i = 0; i < len; i++)
		out->data[i] = (uint8_t)(i * 7);
	belt_verdict(&worker[0], worker[0].done, BATON_NO_REPLY);
	belt_settle(&worker[0], worker[0].done + 1);
	turn();
}

static const struct baton_peer client = {.ip = 0x0200000a, .udp_port = 0x409c, .mac = {2, 0, 0, 0, 0, 2}};

static uint32_t drain_tx(struct rte_mbuf **last)
{
	struct rte_mbuf *mbuf;
	uint32_t count = 0;

	*last = NULL;
	while (rte_ring_dequeue(rig.tx[0], (void **)&mbuf) == 0) {
		if (*last != NULL)
			rte_pktmbuf_free(*last);
		*last = mbuf;
		count++;
	}
	return count;
}

static void a_started_packet_is_a_sound_datagram_by_the_way_back(void **state)
{
	static const uint16_t lens[] = {1, 16, 47, 600, BATON_SEND_MOST};
	struct rte_mbuf *mbuf;

	(void)state;
	for (uint32_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		offer_one(0); /* and replies of the other worker's */
		turn();
		drain_tx(&mbuf);
		if (mbuf != NULL)
			rte_pktmbuf_free(mbuf);
		start(&client, lens[i]);
		assert_true(drain_tx(&mbuf) >= 1);
		const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(mbuf, const struct rte_ether_hdr *);
		const struct rte_ipv4_hdr *ip = (const void *)(eth + 1);
		const struct rte_udp_hdr *udp = (const void *)(ip + 1);
		const uint8_t *data = (const void *)(udp + 1);
		assert_int_equal(mbuf->pkt_len, 42 + lens[i]);
		assert_memory_equal(&eth->dst_addr, client.mac, 6);
		assert_memory_equal(&eth->src_addr, rig.port.mac, 6);
		assert_int_equal(ip->src_addr, RIG_IP);
		assert_int_equal(ip->dst_addr, client.ip);
		assert_int_equal(rte_raw_cksum(ip, 20), 0xffff);
		assert_int_equal(rte_be_to_cpu_16(ip->total_length), 28 + lens[i]);
		assert_int_equal(udp->src_port, rte_cpu_to_be_16(RIG_PORT));
		assert_int_equal(udp->dst_port, client.udp_port);
		assert_int_equal(rte_be_to_cpu_16(udp->dgram_len), 8 + lens[i]);
		assert_int_equal(checksum_udp(ip, udp, 8u + lens[i]), 0xffff);
		for (uint32_t b = 0; b < lens[i]; b++)
			assert_int_equal(data[b], (uint8_t)(b * 7));
		rte_pktmbuf_free(mbuf);
	}
	assert_int_equal(page()->packets_started, 5);
}

/* The way back remembers which of the port's addresses the client has written to, and so it is answered. */
static void a_started_packet_comes_from_the_address_that_was_written_to(void **state)
{
	struct port_network *net = &rig.port.network[0];
	uint32_t other = 0x0900000a, key = 0;
	struct rte_mbuf *mbuf;

	(void)state;
	net->address[net->addresses++] = (struct config_address){.ip = other, .prefix = 24};
	for (; belt_take(&worker[0], 1) == 0; key++) {
		mbuf = rig_frame(&rig, 0, &key, sizeof(key));
		struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(mbuf, struct rte_ipv4_hdr *, sizeof(struct rte_ether_hdr));
		ip->dst_addr = other;
		ip->hdr_checksum = 0;
		ip->hdr_checksum = rte_ipv4_cksum(ip);
		((struct rte_udp_hdr *)(ip + 1))->dgram_cksum = 0;
		rig_inject(&rig, 0, mbuf);
		turn();
	}
	struct baton_peer from = worker[0].belt->peer[worker[0].done & BELT_MASK];
	assert_int_equal(from.vlan & VLAN_ID, 0);
	struct belt_out_cell *out = cell(0, BELT_OUT_PACKET);
	out->to = from;
	belt_verdict(&worker[0], worker[0].done, BATON_NO_REPLY);
	belt_settle(&worker[0], worker[0].done + 1);
	turn();
	assert_int_equal(drain_tx(&mbuf), 1);
	assert_int_equal(rte_pktmbuf_mtod_offset(mbuf, struct rte_ipv4_hdr *, sizeof(struct rte_ether_hdr))->src_addr,
			 other);
	rte_pktmbuf_free(mbuf);
}

static void a_packet_to_nowhere_is_dropped_and_counted(void **state)
{
	struct baton_peer bad[4] = {client, client, client, client};

	(void)state;
	bad[0].port = 1;
	bad[1].ip = 0;
	bad[2].udp_port = 0;
	bad[3].port = 255;
	for (uint32_t i = 0; i < 4; i++) {
		start(&bad[i], 16);
		assert_int_equal(page()->drop[DROP_no_route], i + 1);
	}
	rig.port.mtu = 576;
	start(&client, 600);
	assert_int_equal(page()->drop[DROP_oversize], 1);
	assert_int_equal(page()->packets_started, 0);
	assert_int_equal(datapath_slot_to_fence(rig.dp), SLOT_NONE); /* a client's address may have been forged: no lie */
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(a_started_packet_is_a_sound_datagram_by_the_way_back),
		CASE(a_started_packet_comes_from_the_address_that_was_written_to),
		CASE(a_packet_to_nowhere_is_dropped_and_counted),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
