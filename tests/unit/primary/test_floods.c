/* Floods of frames that nobody should send: random bytes, every length, MAC addresses by the thousand, forged ARP,
 * pings of every size. Each ends in one answer or one drop with a reason, the ledger is exact after every turn, and
 * who is known stays known. BATON_TEST_SEED=n repeats a run. */
#include <rte_icmp.h>

#include "fake.h"
#include "neighbour_rig.h"

#define FRAMES   60000u
#define LONGEST  1600u
#define SENDERS  5000u

static unsigned int seed;

static uint32_t chance(uint32_t of) { return (uint32_t)rand_r(&seed) % of; }

static uint64_t answers(void)
{
	const struct CoreStats *s = stats(0);

	return s->arp_replies + s->icmp_replies;
}

/* Drops and what ARP is kept for; a packet to the service has no worker here. */
static uint64_t ends(void)
{
	uint64_t total = stats(0)->arp_learned;

	for (uint32_t i = 0; i < DROP_COUNT; i++)
		total += drop((enum core_drop)i);
	return total;
}

static struct rte_mbuf *frame_of(const uint8_t *bytes, uint32_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(rig.pool[0]);
	void *data = rte_pktmbuf_append(m, (uint16_t)len);

	assert_non_null(data);
	memcpy(data, bytes, len);
	return m;
}

/* One turn of the lcore; every answer goes to the sender, and to nobody who is a group. */
static void expect_one_end(struct rte_mbuf *m, const uint8_t *sender)
{
	uint64_t before = ends() + answers(), answered = answers();
	struct ledger ledger;
	struct rte_mbuf *out;
	uint32_t left = 0;

	rig_inject(&rig, 0, m);
	io_turn(rig.dp->io[0]);
	io_turn(rig.dp->io[0]);
	datapath_ledger(rig.dp, 0, &ledger);
	assert_int_equal(ledger_balance(&ledger), 0);
	assert_int_equal(ends() + answers(), before + 1);
	while ((out = next_from(0)) != NULL) {
		const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(out, struct rte_ether_hdr *);

		assert_int_equal(eth->dst_addr.addr_bytes[0] & 1, 0);
		if (sender != NULL)
			assert_memory_equal(&eth->dst_addr, sender, 6);
		left++;
		rte_pktmbuf_free(out);
	}
	assert_int_equal(left, answers() - answered);
}

static void random_bytes_of_every_length_end_once(void **state)
{
	uint8_t bytes[LONGEST];

	(void)state;
	for (uint32_t i = 0; i < FRAMES; i++) {
		uint32_t len = i <= LONGEST ? i : chance(200);

		for (uint32_t k = 0; k < len; k++)
			bytes[k] = (uint8_t)chance(256);
		/* As far as chance would not get in a year: to us, of a type that is looked into, and so on. */
		if (len >= 14 && chance(4) != 0) {
			memcpy(bytes, chance(4) != 0 ? rig.port.mac : everyone, 6);
			memcpy(bytes + 12, chance(2) != 0 ? "\x08\x00" : chance(2) != 0 ? "\x08\x06" : "\x81\x00", 2);
		}
		if (len >= 34 && chance(2) != 0) {
			bytes[14] = 0x45;
			bytes[16] = (uint8_t)((len - 14) >> 8);
			bytes[17] = (uint8_t)(len - 14);
			memcpy(bytes + 30, &rig.port.network[0].address[0].ip, 4);
			memset(bytes + 20, 0, 2);
			bytes[23] = chance(2) != 0 ? 1 : 17;
			memset(bytes + 24, 0, 2);
			uint16_t sum = (uint16_t)~rte_raw_cksum(bytes + 14, 20);
			memcpy(bytes + 24, &sum, 2);
		}
		expect_one_end(frame_of(bytes, len), NULL);
	}
}

/* A known host, and thousands who claim to be it or ask for it, each from a MAC address of its own. */
static void a_flood_of_senders_changes_no_known_address(void **state)
{
	(void)state;
	resolve(HERE, mac_a);
	for (uint32_t i = 0; i < SENDERS; i++) {
		uint8_t mac[6] = {2, 9, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i, 1};
		uint32_t claimed = chance(3) == 0 ? RTE_IPV4(10, 0, 0, 0) + chance(256) : HERE;
		/* A question for us would be a reason to ask him. Nobody does: it is within a second of ours. */
		struct told t = {
			.opcode = chance(2) != 0 ? RTE_ARP_OP_REPLY : RTE_ARP_OP_REQUEST, .ip = claimed, .mac = mac,
			.target = chance(2) != 0 ? OURS : claimed,
		};

		expect_one_end(told_frame(0, t), mac);
	}
	assert_int_equal(rig.dp->io[0]->neighbours.used, 1); /* nobody else is remembered */
	assert_int_equal(stats(0)->arp_requests, 1);
	start(peer(HERE, 0), 5);
	expect_packet(mac_a, HERE, OURS, 0, 5);
	nothing_more();
}

/* Gratuitous ARP for hours makes one question a second at most, and he who has the address goes on having it. */
static void a_flood_of_claims_asks_once_a_second(void **state)
{
	uint32_t questions = 0;
	struct rte_mbuf *m;

	(void)state;
	resolve(HERE, mac_a);
	for (uint32_t tenth = 0; tenth < 600; tenth++) {
		rig_time(&rig, now += SECOND / 10);
		for (uint32_t i = 0; i < 20; i++)
			rig_inject(&rig, 0, told_frame(0, (struct told){RTE_ARP_OP_REQUEST, HERE, mac_b, HERE, 0}));
		turns();
		while ((m = next_from(0)) != NULL) {
			questions++;
			rte_pktmbuf_free(m);
			answer(HERE, mac_a);
		}
		start(peer(HERE, 0), 6);
		expect_packet(mac_a, HERE, OURS, 0, 6);
	}
	assert_true(questions >= 50 && questions <= 61);
}

/* Payloads of every size that the MTU allows, and beyond. */
static void pings_of_every_size_are_answered_up_to_the_mtu(void **state)
{
	static const uint8_t sender[6] = {2, 0, 0, 0, 0, 7};
	uint8_t bytes[LONGEST] = {0};

	(void)state;
	for (uint32_t len = 0; len <= LONGEST - 42; len++) {
		uint64_t answered = stats(0)->icmp_replies;
		struct rte_ipv4_hdr *ip = (void *)(bytes + 14);
		struct rte_icmp_hdr *icmp = (void *)(ip + 1);

		memcpy(bytes, rig.port.mac, 6);
		memcpy(bytes + 6, sender, 6);
		memcpy(bytes + 12, "\x08\x00", 2);
		*ip = (struct rte_ipv4_hdr){
			.version_ihl = 0x45, .total_length = rte_cpu_to_be_16((uint16_t)(28 + len)), .time_to_live = 1,
			.next_proto_id = IPPROTO_ICMP, .src_addr = be(HERE), .dst_addr = be(OURS),
		};
		ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, 20);
		*icmp = (struct rte_icmp_hdr){.icmp_type = RTE_IP_ICMP_ECHO_REQUEST};
		for (uint32_t i = 0; i < len; i++)
			bytes[42 + i] = (uint8_t)chance(256);
		icmp->icmp_cksum = (uint16_t)~rte_raw_cksum(icmp, 8 + len);
		expect_one_end(frame_of(bytes, 42 + len), sender);
		assert_int_equal(stats(0)->icmp_replies - answered, 28 + len <= rig.port.mtu);
	}
	assert_true(drop(DROP_oversize) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(random_bytes_of_every_length_end_once, setup, teardown),
		cmocka_unit_test_setup_teardown(a_flood_of_senders_changes_no_known_address, setup, teardown),
		cmocka_unit_test_setup_teardown(a_flood_of_claims_asks_once_a_second, setup, teardown),
		cmocka_unit_test_setup_teardown(pings_of_every_size_are_answered_up_to_the_mtu, setup, teardown),
	};

	seed = (unsigned int)fake_seed("test_floods");
	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
