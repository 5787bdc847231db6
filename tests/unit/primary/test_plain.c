/* The short way of a plain frame through classify ends as the long way would have. Every frame is taken both ways: good
 * ones, with each bit of their headers changed, and with lengths, flags and headers at random, checksums right or
 * not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "plain.h"

static bool long_way;

static inline bool plain_if_asked(const struct plain *p, const struct rte_mbuf *mbuf, const uint8_t *frame)
{
	return !long_way && plain_matches(p, mbuf, frame);
}

#define plain_matches plain_if_asked
#include "primary/datapath/classify.c"
#undef plain_matches

#include "datapath_rig.h"
#include "fake.h"

#define RANDOM_FRAMES 200000u
#define CHANGED_BYTES 46u /* the headers and the key behind them */

static struct rig rig;
static unsigned int seed;

static uint32_t chance(uint32_t of) { return (uint32_t)rand_r(&seed) % of; }

/* What became of a frame. */
struct outcome {
	uint32_t kept;
	struct belt_shadow packet;
	uint64_t drop[DROP_COUNT], arp, icmp, bytes;
};

static void take_stock(struct outcome *o)
{
	const struct CoreStats *s = stats_io(&rig.stats, 0);

	memcpy(o->drop, s->drop, sizeof(o->drop));
	o->arp = s->arp_replies + s->arp_learned;
	o->icmp = s->icmp_replies;
	o->bytes = s->rx_bytes;
}

static void classify_one(struct rte_mbuf *mbuf, bool by_long_way, struct outcome *out)
{
	struct belt_shadow packet[BATON_BURST];
	struct outcome before;

	memset(packet, 0, sizeof(packet));
	memset(out, 0, sizeof(*out));
	long_way = by_long_way;
	take_stock(&before);
	out->kept = classify_burst(rig.dp->io[0], &rig.port, &mbuf, 1, packet);
	take_stock(out);
	for (uint32_t i = 0; i < DROP_COUNT; i++)
		out->drop[i] -= before.drop[i];
	out->arp -= before.arp;
	out->icmp -= before.icmp;
	out->bytes -= before.bytes;
	if (out->kept == 0) {
		tx_flush(rig.dp->io[0]); /* an answer */
		while (rte_ring_dequeue(rig.tx[0], (void **)&mbuf) == 0)
			rte_pktmbuf_free(mbuf);
		return;
	}
	assert_ptr_equal(packet[0].cookie, mbuf);
	assert_int_equal(packet[0].time_ns, rig.dp->io[0]->last_ns);
	out->packet = packet[0];
	out->packet.cookie = NULL;
	out->packet.time_ns = 0;
	rte_pktmbuf_free(mbuf);
}

static void expect_same(const struct rte_mbuf *frame, const char *what)
{
	struct rte_mbuf *copy[2];
	struct outcome is, must;

	for (uint32_t i = 0; i < 2; i++) {
		copy[i] = rte_pktmbuf_copy(frame, rig.pool[0], 0, UINT32_MAX);
		assert_non_null(copy[i]);
		copy[i]->ol_flags = frame->ol_flags;
		copy[i]->vlan_tci = frame->vlan_tci;
	}
	classify_one(copy[0], false, &is);
	classify_one(copy[1], true, &must);
	if (memcmp(&is, &must, sizeof(is)) != 0)
		fail_msg("%s: seed %u: another end by the short way", what, seed);
}

static struct rte_mbuf *frame_of(uint32_t len)
{
	uint8_t payload[1500];

	for (uint32_t i = 0; i < len; i++)
		payload[i] = (uint8_t)chance(256);
	return rig_frame(&rig, 0, payload, len);
}

static void mend_checksums(struct rte_mbuf *m)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, PLAIN_IP);
	struct rte_udp_hdr *udp = rte_pktmbuf_mtod_offset(m, struct rte_udp_hdr *, PLAIN_UDP);
	uint32_t udp_len = rte_be_to_cpu_16(udp->dgram_len);

	ip->hdr_checksum = 0;
	ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, 20);
	udp->dgram_cksum = 0;
	if (udp_len <= 1480 && chance(8) != 0)
		udp->dgram_cksum = (uint16_t)~checksum_udp(ip, udp, udp_len);
}

static void each_bit_of_the_headers_is_looked_at(void **state)
{
	(void)state;
	for (uint32_t bit = 0; bit < CHANGED_BYTES * 8; bit++)
		for (uint32_t way = 0; way < 8; way++) {
			struct rte_mbuf *m = frame_of(48);

			rig.port.rx_ip_checksum = (way & 1u) != 0;
			rig.port.rx_udp_checksum = (way & 2u) != 0;
			m->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
			rte_pktmbuf_mtod(m, uint8_t *)[bit / 8] ^= (uint8_t)(1u << bit % 8);
			if ((way & 4u) != 0)
				mend_checksums(m);
			expect_same(m, "one bit changed");
			rte_pktmbuf_free(m);
		}
}

static void shorten(struct rte_mbuf *m)
{
	m->data_len = m->pkt_len = (uint16_t)(1 + chance(m->data_len));
}

static void forge_sender(uint8_t *frame)
{
	static const uint8_t octet[] = {0, 1, 10, 126, 127, 128, 223, 224, 255};

	for (uint32_t i = 0; i < 4; i++)
		frame[26 + i] = octet[chance(RTE_DIM(octet))];
	if (chance(2) != 0)
		memcpy(frame + 26, frame + 30, chance(5)); /* the port's own, or near to it */
	if (chance(4) == 0)
		frame[34] = frame[35] = 0;
}

static void frames_at_random_end_as_by_the_long_way(void **state)
{
	static const uint64_t flags[] = {
		0, RTE_MBUF_F_RX_IP_CKSUM_GOOD, RTE_MBUF_F_RX_L4_CKSUM_GOOD, RTE_MBUF_F_RX_IP_CKSUM_BAD,
		RTE_MBUF_F_RX_L4_CKSUM_BAD, RTE_MBUF_F_RX_IP_CKSUM_NONE, RTE_MBUF_F_RX_L4_CKSUM_NONE, RTE_MBUF_F_RX_RSS_HASH,
		RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED, RTE_MBUF_F_RX_QINQ_STRIPPED,
	};
	uint64_t plain_ip = rig.port.plain_ip;

	(void)state;
	for (uint32_t i = 0; i < RANDOM_FRAMES; i++) {
		struct rte_mbuf *m = frame_of(chance(16) == 0 ? chance(1473) : chance(120));
		uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);

		rig.port.rx_ip_checksum = chance(2) != 0;
		rig.port.rx_udp_checksum = chance(2) != 0;
		rig.port.mtu = chance(8) == 0 ? 100 : 1500;
		rig.port.plain_ip = chance(8) == 0 ? UINT64_MAX : plain_ip;
		m->ol_flags |= flags[chance(RTE_DIM(flags))] | flags[chance(RTE_DIM(flags))];
		m->vlan_tci = (uint16_t)chance(3);
		for (uint32_t n = chance(3); n != 0; n--)
			frame[chance(CHANGED_BYTES)] = (uint8_t)chance(256);
		if (chance(4) == 0)
			forge_sender(frame);
		if (chance(2) != 0)
			mend_checksums(m);
		if (chance(8) == 0)
			shorten(m);
		expect_same(m, "at random");
		rte_pktmbuf_free(m);
	}
	rig.port.mtu = 1500;
	rig.port.plain_ip = plain_ip;
}

/* That the comparison above compares something. */
static void a_good_frame_goes_the_short_way(void **state)
{
	struct rte_mbuf *m = frame_of(48);
	struct plain plain;

	(void)state;
	plain_init(&plain, &rig.port);
	assert_true(plain_matches(&plain, m, rte_pktmbuf_mtod(m, const uint8_t *)));
	rte_pktmbuf_mtod(m, uint8_t *)[PLAIN_IP] = 0x46;
	assert_false(plain_matches(&plain, m, rte_pktmbuf_mtod(m, const uint8_t *)));
	rte_pktmbuf_free(m);
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
	/* frames were classified by hand: the ledger knows of none */
	rig.dp->io[0]->ledger = (struct ledger_counts){0};
	rig_destroy(&rig);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_good_frame_goes_the_short_way, setup, teardown),
		cmocka_unit_test_setup_teardown(each_bit_of_the_headers_is_looked_at, setup, teardown),
		cmocka_unit_test_setup_teardown(frames_at_random_end_as_by_the_long_way, setup, teardown),
	};

	seed = (unsigned int)fake_seed("test_plain");
	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
