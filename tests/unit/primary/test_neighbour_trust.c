/* Nobody who was not asked gets packets of others, whichever lcore hears what; the books are exact over random traffic.
 * SEED=n repeats a run. */
#include "neighbour_rig.h"

/* Nobody is believed who was not asked: whoever claims a known address makes us ask, and he who answers has it. */
static void claims_without_a_question_are_not_believed(void **state)
{
	(void)state;
	announce(HERE, mac_b);
	answer(HERE, mac_b);
	tell((struct told){RTE_ARP_OP_REQUEST, HERE, mac_b, HERE ^ 1, 0});
	assert_int_equal(drop(DROP_bad_arp), 3);
	assert_int_equal(rig.dp->io[0]->neighbours.used, 0);
	resolve(HERE, mac_a);
	answer(HERE, mac_b); /* too late */
	announce(HERE, mac_b);
	nothing_more(); /* within a second the first answer stands */
	pass(SECOND);
	announce(HERE, mac_b);
	expect_question(HERE, OURS, 0, everyone);
	start(peer(HERE, 0), 1);
	expect_packet(mac_a, HERE, OURS, 0, 1);
	announce(HERE, mac_b);
	start(peer(HERE, 0), 2);
	expect_packet(mac_a, HERE, OURS, 0, 2);
	answer(HERE, mac_a); /* who has it says so */
	start(peer(HERE, 0), 3);
	expect_packet(mac_a, HERE, OURS, 0, 3);
	nothing_more();
}

static void changed_address_is_taken_after_a_question(void **state)
{
	(void)state;
	resolve(HERE, mac_a);
	pass(SECOND);
	announce(HERE, mac_b);
	expect_question(HERE, OURS, 0, everyone);
	answer(HERE, mac_b);
	start(peer(HERE, 0), 1);
	expect_packet(mac_b, HERE, OURS, 0, 1);
	pass(SECOND);
	tell((struct told){RTE_ARP_OP_REQUEST, HERE, mac_a, OURS, 0}); /* a question of his, which is answered, too */
	expect_question_from(0, HERE, OURS, 0, everyone);
	struct rte_mbuf *m = next_from(0);
	assert_non_null(m);
	assert_int_equal(rte_pktmbuf_mtod_offset(m, struct rte_arp_hdr *, 14)->arp_opcode, rte_cpu_to_be_16(2));
	rte_pktmbuf_free(m);
	nothing_more();
}

static void nonsense_is_learnt_from_nobody(void **state)
{
	static const uint8_t none[6];

	(void)state;
	start(peer(HERE, 0), 1);
	expect_question(HERE, OURS, 0, everyone);
	answer(HERE, none);
	answer(HERE, everyone);
	answer(HERE, (const uint8_t *)"\x01\x00\x5e\x00\x00\x01");
	answer(HERE, rig.port.mac);
	tell((struct told){RTE_ARP_OP_REPLY, HERE, mac_b, HERE, 0});
	tell((struct told){7, HERE, mac_b, HERE ^ 1, 0});
	assert_int_equal(drop(DROP_bad_arp), 5); /* the last but one is an announcement, of whom we know */
	nothing_more();
	assert_int_equal(unresolved(0), 1);
	answer(HERE, mac_a);
	expect_packet(mac_a, HERE, OURS, 0, 1);
}

/* The device brings the answer to whichever lcore it likes. */
static void answers_reach_the_lcore_that_asked(void **state)
{
	(void)state;
	start_from(1, peer(HERE, 0), 1);
	assert_int_equal(unresolved(1), 1);
	expect_question_from(1, HERE, OURS, 0, everyone);
	tell_lcore(0, (struct told){RTE_ARP_OP_REPLY, HERE ^ 1, mac_b, OURS, 0});
	assert_int_equal(drop(DROP_bad_arp), 1);
	tell_lcore(0, (struct told){RTE_ARP_OP_REPLY, HERE, mac_a, OURS, 0});
	assert_int_equal(drop(DROP_bad_arp), 1);
	expect_packet_from(1, mac_a, HERE, OURS, 0, 1);
	assert_int_equal(rig.dp->io[0]->neighbours.used, 0);
	start_from(0, peer(HERE, 0), 2); /* has a table of its own */
	expect_question_from(0, HERE, OURS, 0, everyone);
	tell_lcore(1, (struct told){RTE_ARP_OP_REPLY, HERE, mac_a, OURS, 0});
	expect_packet_from(0, mac_a, HERE, OURS, 0, 2);
	start_from(1, peer(HERE, 0), 3);
	expect_packet_from(1, mac_a, HERE, OURS, 0, 3);
	nothing_more();
}

/* An lcore may find the address, and leave what it heard when another has got the place. */
/* Whichever lcore hears them: whoever floods answers after the right one has come is not believed. */
static void the_first_answer_counts_on_another_lcore_too(void **state)
{
	(void)state;
	start_from(0, peer(HERE, 0), 1);
	expect_question_from(0, HERE, OURS, 0, everyone);
	rig_inject(&rig, 1, told_frame(1, (struct told){RTE_ARP_OP_REPLY, HERE, mac_a, OURS, 0}));
	for (uint32_t i = 0; i < 20; i++)
		rig_inject(&rig, 1, told_frame(1, (struct told){RTE_ARP_OP_REPLY, HERE, mac_b, OURS, 0}));
	io_turn(rig.dp->io[1]);
	turns();
	expect_packet_from(0, mac_a, HERE, OURS, 0, 1);
	nothing_more();
}

/* Left by the other lcore when the address was in use and nobody asked; the question comes before it is read. */
static void what_was_said_before_the_question_is_no_answer(void **state)
{
	struct neighbours *table = &rig.dp->io[0]->neighbours;
	uint32_t at = 0;

	(void)state;
	start_from(0, peer(HERE, 0), 99);
	expect_question_from(0, HERE, OURS, 0, everyone);
	answer(HERE, mac_a);
	expect_packet_from(0, mac_a, HERE, OURS, 0, 99);
	while (table->entry[at].state != NEIGHBOUR_KNOWN)
		at++;
	table->scan_ns = UINT64_MAX; /* it is long until it looks */
	rig_time(&rig, now += SECOND);
	rig_inject(&rig, 1, told_frame(1, (struct told){RTE_ARP_OP_REPLY, HERE, mac_b, OURS, 0}));
	io_turn(rig.dp->io[1]);
	assert_true(atomic_load(&table->heard[at]) != 0);
	rig_inject(&rig, 0, told_frame(0, (struct told){RTE_ARP_OP_REQUEST, HERE, mac_b, HERE, 0}));
	turns();
	assert_int_equal(table->entry[at].state, NEIGHBOUR_CHECKING);
	assert_memory_equal(table->entry[at].mac, mac_a, 6);
	expect_question_from(0, HERE, OURS, 0, everyone);
	nothing_more();
}

static void what_was_meant_for_an_entry_that_is_over_is_not_believed(void **state)
{
	struct neighbours *table = &rig.dp->io[1]->neighbours;
	uint64_t mac = 0x0b0000000002ull; /* mac_b, as it lies in memory */
	uint32_t at = 0;

	(void)state;
	start_from(1, peer(HERE, 0), 1);
	expect_question_from(1, HERE, OURS, 0, everyone);
	while (table->entry[at].state != NEIGHBOUR_ASKING)
		at++;
	atomic_store(&table->heard[at], mac | (uint64_t)(table->use[at] - 1u) << 48 | 2ull << 62);
	turns();
	nothing_more();
	assert_int_equal(unresolved(1), 1);
	atomic_store(&table->heard[at], mac | (uint64_t)table->use[at] << 48 | 2ull << 62);
	turns();
	expect_packet_from(1, mac_b, HERE, OURS, 0, 1);
}

/* Random packets, answers, lies and leaps of time over a few addresses: every packet arrives with a MAC address that
 * the host has ever had or is counted, and the ledger is exact after every turn. */
static void random_traffic_keeps_the_books(void **state)
{
	const char *seed = getenv("SEED");
	uint64_t random = seed != NULL ? strtoull(seed, NULL, 0) : rte_rdtsc() | 1, sent = 0, arrived = 0, waiting;
	struct rte_mbuf *m;

	(void)state;
	printf("seed %llu\n", (unsigned long long)random);
	for (uint32_t i = 0; i < 20000; i++) {
		random = random * 6364136223846793005ull + 1442695040888963407ull;
		uint32_t r = (uint32_t)(random >> 33), host = RTE_IPV4(10, 0, 0, 100) + r % 12, lcore = r >> 4 & 1;
		uint8_t mac[6] = {2, 0, 0, 0, 1, (uint8_t)(r % 12)};

		switch (r >> 8 & 7) {
		case 0: case 1: case 2: case 3:
			start_from(lcore, peer(host, 0), 5);
			sent++;
			break;
		case 4: case 5:
			tell_lcore(lcore, (struct told){RTE_ARP_OP_REPLY, host, mac, OURS, 0});
			break;
		case 6:
			mac[4] = 9;
			tell_lcore(lcore, (struct told){RTE_ARP_OP_REQUEST, host, mac, host, 0});
			break;
		default:
			pass((r >> 12 & 15) == 0 ? NEIGHBOUR_LIFE_NS : (uint64_t)(r >> 12 & 0xff) * 10000000ull);
		}
		for (uint32_t l = 0; l < 2; l++)
			while ((m = next_from(l)) != NULL) {
				const struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
				if (eth->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4)) {
					assert_int_equal(eth->dst_addr.addr_bytes[4], 1); /* never a liar's */
					assert_int_equal(eth->dst_addr.addr_bytes[5],
							 ((const uint8_t *)(eth + 1))[19] - 100);
					arrived++;
				}
				rte_pktmbuf_free(m);
			}
	}
	waiting = unresolved(0) + unresolved(1);
	assert_int_equal(sent, arrived + waiting + stats(0)->drop[DROP_no_neighbour] + stats(1)->drop[DROP_no_neighbour]);
	assert_true(arrived > sent / 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(claims_without_a_question_are_not_believed, setup, teardown),
		cmocka_unit_test_setup_teardown(changed_address_is_taken_after_a_question, setup, teardown),
		cmocka_unit_test_setup_teardown(nonsense_is_learnt_from_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(answers_reach_the_lcore_that_asked, setup_two, teardown),
		cmocka_unit_test_setup_teardown(the_first_answer_counts_on_another_lcore_too, setup_two, teardown),
		cmocka_unit_test_setup_teardown(what_was_said_before_the_question_is_no_answer, setup_two, teardown),
		cmocka_unit_test_setup_teardown(what_was_meant_for_an_entry_that_is_over_is_not_believed, setup_two,
						teardown),
		cmocka_unit_test_setup_teardown(random_traffic_keeps_the_books, setup_two, teardown),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
