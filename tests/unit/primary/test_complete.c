/* The short way of a plain reply through complete makes the frame that the long way makes, byte for byte; and replies
 * leave in their order, however many at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "primary/datapath/complete.c"

#include "datapath_rig.h"
#include "fake.h"

#define ROUNDS 100000u

static struct rig rig;
static unsigned int seed;

static uint32_t chance(uint32_t of) { return (uint32_t)rand_r(&seed) % of; }

/* A request with everything in its headers at random that may be so, checksum of the IPv4 header right. */
static struct rte_mbuf *request(uint32_t len)
{
	uint8_t payload[64];
	struct rte_mbuf *m;

	for (uint32_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)chance(256);
	m = rig_frame(&rig, 0, payload, len);
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, PLAIN_IP);
	struct rte_udp_hdr *udp = rte_pktmbuf_mtod_offset(m, struct rte_udp_hdr *, PLAIN_UDP);

	for (uint32_t i = 6; i < 12; i++)
		rte_pktmbuf_mtod(m, uint8_t *)[i] = (uint8_t)chance(256);
	ip->type_of_service = (uint8_t)chance(256);
	ip->packet_id = (uint16_t)chance(65536);
	ip->time_to_live = (uint8_t)chance(256);
	ip->src_addr = chance(4) == 0 ? UINT32_MAX : (uint32_t)rand_r(&seed) ^ (uint32_t)rand_r(&seed) << 16;
	udp->src_port = (uint16_t)chance(65536);
	udp->dgram_cksum = (uint16_t)chance(65536);
	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, sizeof(*ip));
	return m;
}

static void a_plain_reply_is_made_as_any_other(void **state)
{
	uint8_t answer[64];

	(void)state;
	for (uint32_t round = 0; round < ROUNDS; round++) {
		uint32_t len = chance(REPLY_SMALL + 1);
		struct rte_mbuf *plain = request(len + chance(8)), *any = rte_pktmbuf_copy(plain, rig.pool[0], 0, UINT32_MAX);
		struct belt_shadow shadow[2] = {{.cookie = plain, .data_at = PLAIN_PAYLOAD},
						{.cookie = any, .data_at = PLAIN_PAYLOAD}};
		struct reply reply[2] = {{&shadow[0], answer, len}, {&shadow[1], answer, len}};

		for (uint32_t i = 0; i < sizeof(answer); i++)
			answer[i] = round % 16 == 0 ? 0 : (uint8_t)chance(256);
		rig.port.tx_ip_checksum = chance(2) != 0;
		rig.port.tx_udp_checksum = chance(2) != 0;
		struct plain_reply port = plain_reply(&rig.port);
		assert_true(is_plain_reply(&reply[0]));
		plain->tx_offload = chance(3) != 0 ? PLAIN_OFFLOAD : chance(1u << 30); /* as the last one left it */
		complete_plain(&port, &reply[0]);
		complete_any(rig.dp->io[0], &reply[1]);
		if (plain->pkt_len != any->pkt_len || plain->data_len != any->data_len || plain->ol_flags != any->ol_flags ||
		    plain->tx_offload != any->tx_offload ||
		    memcmp(rte_pktmbuf_mtod(plain, void *), rte_pktmbuf_mtod(any, void *), any->data_len) != 0)
			fail_msg("seed %u, round %u: %u bytes: another frame by the short way", seed, round, len);
		if (!rig.port.tx_udp_checksum) {
			const struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(plain, struct rte_ipv4_hdr *, PLAIN_IP);
			const struct rte_udp_hdr *udp = (const void *)(ip + 1);
			assert_int_equal(checksum_udp(ip, udp, len + 8), 0xffff);
			assert_true(rig.port.tx_ip_checksum || checksum_ip_right(ip, 20));
		}
		rte_pktmbuf_free(plain);
		rte_pktmbuf_free(any);
	}
}

static void tags_options_and_long_replies_are_not_plain(void **state)
{
	struct belt_shadow shadow = {.data_at = PLAIN_PAYLOAD};

	(void)state;
	assert_true(is_plain_reply(&(struct reply){&shadow, NULL, REPLY_SMALL}));
	assert_false(is_plain_reply(&(struct reply){&shadow, NULL, REPLY_SMALL + 1}));
	shadow.tag = 1;
	assert_false(is_plain_reply(&(struct reply){&shadow, NULL, 8}));
	shadow.tag = 0;
	shadow.data_at = PLAIN_PAYLOAD + 4;
	assert_false(is_plain_reply(&(struct reply){&shadow, NULL, 8}));
}

/* Plain and others mixed, bursts of any size: all leave, none before one that was reaped earlier. */
static void replies_leave_in_order(void **state)
{
	struct io_lcore *io = rig.dp->io[0];
	uint32_t sent = 0, seen = 0;

	(void)state;
	for (uint32_t round = 0; round < 500; round++) {
		struct belt_shadow shadow[BATON_BURST];
		struct reply reply[BATON_BURST];
		uint8_t answer[BATON_BURST][64] = {{0}};
		uint32_t count = chance(BATON_BURST + 1);
		struct rte_mbuf *m;

		for (uint32_t i = 0; i < count; i++, sent++) {
			uint32_t len = 4 + chance(56);

			shadow[i] = (struct belt_shadow){.cookie = request(len), .data_at = PLAIN_PAYLOAD};
			memcpy(answer[i], &sent, sizeof(sent));
			reply[i] = (struct reply){&shadow[i], answer[i], len};
		}
		io->ledger.received += count;
		complete_burst(io, reply, count);
		assert_true(io->tx[0].count < BATON_BURST);
		if (chance(4) == 0)
			tx_flush(io);
		while (rte_ring_dequeue(rig.tx[0], (void **)&m) == 0) {
			assert_memory_equal(rte_pktmbuf_mtod_offset(m, void *, PLAIN_PAYLOAD), &seen, sizeof(seen));
			seen++;
			rte_pktmbuf_free(m);
		}
		assert_int_equal(seen + io->tx[0].count, sent);
	}
	tx_flush(io);
}

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_plain_reply_is_made_as_any_other, setup, teardown),
		cmocka_unit_test_setup_teardown(tags_options_and_long_replies_are_not_plain, setup, teardown),
		cmocka_unit_test_setup_teardown(replies_leave_in_order, setup, teardown),
	};

	seed = (unsigned int)fake_seed("test_complete");
	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
