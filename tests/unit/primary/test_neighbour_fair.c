/* Room in the neighbour table and in its queues is shared fairly: a service whose players do not exist takes none from
 * another. The ledger is looked at after every turn. */
#include "fake.h"
#include "neighbour_rig.h"

#define SERVICES 3u

static int setup_services(void **state)
{
	(void)state;
	setup_world(1, SERVICES);
	rig.port.network[0].address[0].prefix = 16;
	return 0;
}

static void throw_away(void)
{
	struct rte_mbuf *m;

	while ((m = next_from(0)) != NULL)
		rte_pktmbuf_free(m);
}

/* Service 0 writes to so many hosts that nobody is. */
static void write_to_nobody(uint32_t hosts, uint32_t each)
{
	for (uint32_t n = 0; n < each; n++)
		for (uint32_t host = 300; host < 300 + hosts; host++)
			start_of(0, 0, peer(RTE_IPV4(10, 0, 0, 0) + host, 0), 1);
	throw_away();
}

/* Packets of a service that leave when all their hosts have answered. */
static uint32_t reach(uint32_t service, uint32_t from, uint32_t hosts)
{
	struct rte_mbuf *m;
	uint32_t left = 0;

	for (uint32_t host = from; host < from + hosts; host++)
		start_of(service, 0, peer(RTE_IPV4(10, 0, 0, 0) + host, 0), 7);
	throw_away();
	for (uint32_t host = from; host < from + hosts; host++) {
		tell((struct told){RTE_ARP_OP_REPLY, RTE_IPV4(10, 0, 0, 0) + host, mac_a, OURS, 0});
		while ((m = next_from(0)) != NULL) {
			left += rte_pktmbuf_mtod(m, const uint8_t *)[14 + 28] == 7;
			rte_pktmbuf_free(m);
		}
	}
	return left;
}

static void hosts_that_do_not_exist_take_no_room_from_another_service(void **state)
{
	(void)state;
	write_to_nobody(1000, 4);
	assert_int_equal(unresolved(0), NEIGHBOUR_WAITING);
	assert_int_equal(reach(1, 5000, 40), 40);
	write_to_nobody(1000, 4);
	assert_int_equal(reach(2, 6000, 40), 40);
	assert_int_equal(rig.dp->io[0]->neighbours.waiting[1] + rig.dp->io[0]->neighbours.waiting[2], 0);
}

/* Neither does one of many packets to few: they have a queue each. */
static void queues_that_are_full_take_no_room_from_another_service(void **state)
{
	(void)state;
	write_to_nobody(NEIGHBOUR_WAITING / NEIGHBOUR_QUEUE, 8);
	assert_true(unresolved(0) >= NEIGHBOUR_WAITING * 3 / 4);
	assert_int_equal(reach(1, 5000, 60), 60);
}

/* The gateway's queue is everybody's: each service keeps its newest there. */
static void one_queue_is_shared_by_those_who_use_it(void **state)
{
	(void)state;
	start_of(1, 0, peer(FAR, 0), 11);
	for (uint8_t i = 0; i < 20; i++)
		start_of(0, 0, peer(FAR, 0), i);
	start_of(2, 0, peer(FAR, 0), 12);
	for (uint8_t i = 20; i < 40; i++)
		start_of(0, 0, peer(FAR, 0), i);
	throw_away();
	tell((struct told){RTE_ARP_OP_REPLY, GATEWAY, mac_a, OURS, 0});
	static const uint8_t left[NEIGHBOUR_QUEUE] = {11, 12, 38, 39};
	for (uint32_t i = 0; i < NEIGHBOUR_QUEUE; i++) {
		struct rte_mbuf *m = next_from(0);
		assert_non_null(m);
		assert_int_equal(rte_pktmbuf_mtod(m, const uint8_t *)[14 + 28], left[i]);
		rte_pktmbuf_free(m);
	}
	nothing_more();
}

/* Services at random; at the end each count is what is there. */
static void counts_by_service_are_true(void **state)
{
	const struct neighbours *table = &rig.dp->io[0]->neighbours;
	uint32_t waiting[BATON_MAX_SERVICES] = {0}, asking[BATON_MAX_SERVICES] = {0};
	uint64_t seed = fake_seed("test_neighbour_fair");
	unsigned int chance = (unsigned int)seed;

	(void)state;
	for (uint32_t i = 0; i < 4000; i++) {
		uint32_t host = RTE_IPV4(10, 0, 8, 0) + (uint32_t)rand_r(&chance) % 700;

		if (rand_r(&chance) % 8 == 0)
			tell((struct told){RTE_ARP_OP_REPLY, host, mac_a, OURS, 0});
		else
			start_of((uint32_t)rand_r(&chance) % SERVICES, 0, peer(host, 0), 1);
		if (rand_r(&chance) % 50 == 0)
			pass(SECOND);
		throw_away();
	}
	for (uint32_t i = 0; i < NEIGHBOURS; i++) {
		const struct neighbour *n = &table->entry[i];

		asking[n->service] += n->state == NEIGHBOUR_ASKING;
		for (uint32_t k = 0; k < n->waiting; k++)
			waiting[n->of[k]]++;
	}
	assert_memory_equal(waiting, table->waiting, sizeof(waiting));
	assert_memory_equal(asking, table->asking, sizeof(asking));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(hosts_that_do_not_exist_take_no_room_from_another_service, setup_services,
						teardown),
		cmocka_unit_test_setup_teardown(queues_that_are_full_take_no_room_from_another_service, setup_services,
						teardown),
		cmocka_unit_test_setup_teardown(one_queue_is_shared_by_those_who_use_it, setup_services, teardown),
		cmocka_unit_test_setup_teardown(counts_by_service_are_true, setup_services, teardown),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
