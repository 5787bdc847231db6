/* Packets that wait for a worker: whose room they take, and how long they may. */
#include "hash.h"
#include "messages_rig.h"

#define START (1ull << 62)
#define MS    1000000ull

/* Packets of the service whose buckets are in [first, last], `count` of them. */
static void arrive(uint32_t service, uint32_t first, uint32_t last, uint32_t count)
{
	struct rte_mbuf *mbuf;

	for (uint32_t key = 0; count != 0; key++) {
		uint32_t bucket = hash_key(key, rig.state.header->salt) & (BUCKETS - 1);
		if (bucket < first || bucket > last)
			continue;
		rig_inject(&rig, 0, rig_frame_to(&rig, 0, service, &key, sizeof(key)));
		if (--count % 16 == 0)
			turn();
	}
	turn();
	while (rte_ring_dequeue(rig.tx[0], (void **)&mbuf) == 0)
		rte_pktmbuf_free(mbuf);
}

static void die(uint32_t slot)
{
	uint32_t orphans;

	datapath_slot_dead(rig.dp, slot);
	turn();
	assert_true(datapath_slot_recovered(rig.dp, slot, &orphans));
}

static uint64_t parked(uint32_t slot)
{
	struct slot_parked all;

	datapath_slot_parked(rig.dp, slot, &all);
	return all.packets;
}

static void one_service_takes_no_room_from_another(void **state)
{
	uint64_t all = ~0ull;

	(void)state;
	rig_destroy(&rig);
	set_up_services(2);
	datapath_slot_attach(rig.dp, 2, 1);
	turn();
	belt_consumer_init(&worker[2], rig.belt[0][2], &state_control(&rig.state, 2)->commit[0]);
	move_of(1, SLOT_NONE, 2, &all);
	rig.dp->io[0]->pending_room[0] = rig.dp->io[0]->pending_room[1] = 200;
	die(0);
	die(1);
	arrive(0, 0, BUCKETS - 1, 1000);
	assert_int_equal(parked(0) + parked(1), 200);
	assert_int_equal(page()->drop[DROP_pending_full], 800);
	die(2);
	arrive(1, 0, BUCKETS - 1, 200);
	assert_int_equal(parked(2), 200);
	assert_int_equal(page()->drop[DROP_pending_full], 800);
	arrive(1, 0, BUCKETS - 1, 1);
	assert_int_equal(page()->drop[DROP_pending_full], 801);
}

/* Each has half of the buckets, and so half of the room; a move of those of a third one has its own, too. */
static void one_dead_worker_takes_no_room_from_another(void **state)
{
	(void)state;
	rig.dp->io[0]->pending_room[0] = 200;
	die(0);
	arrive(0, 0, 31, 400);
	assert_int_equal(parked(0), 100);
	assert_int_equal(page()->drop[DROP_pending_full], 300);
	die(1);
	arrive(0, 32, 63, 100);
	assert_int_equal(parked(1), 100);
	assert_int_equal(page()->drop[DROP_pending_full], 300);
}

/* What a dead worker had been offered waits, however many others do. */
static void what_was_offered_takes_no_room(void **state)
{
	(void)state;
	rig.dp->io[0]->pending_room[0] = 200;
	arrive(0, 0, 31, 300);
	die(0);
	assert_int_equal(parked(0), 300);
	arrive(0, 0, 31, 100);
	assert_int_equal(parked(0), 400);
	assert_int_equal(page()->drop[DROP_pending_full], 0);
}

static uint64_t gone(void) { return page()->drop[DROP_park_expired]; }

static void what_waits_for_nobody_gets_too_old(void **state)
{
	struct slot_parked all;
	uint8_t seen[BELT_SLOTS];

	(void)state;
	rig_time(&rig, START);
	die(0);
	arrive(0, 0, 31, 20);
	rig_time(&rig, START + 500 * MS);
	arrive(0, 0, 31, 30);
	rig_time(&rig, START + 900 * MS);
	turn();
	datapath_slot_parked(rig.dp, 0, &all);
	assert_int_equal(all.packets, 50);
	assert_true(all.age_ns > 890 * MS && all.age_ns <= 900 * MS);
	datapath_slot_park(rig.dp, 0, 1000 * MS);
	turn();
	assert_int_equal(gone(), 0);
	rig_time(&rig, START + 1100 * MS);
	turn();
	assert_int_equal(gone(), 20);
	datapath_slot_parked(rig.dp, 0, &all);
	assert_int_equal(all.packets, 30);
	assert_true(all.age_ns > 590 * MS && all.age_ns <= 600 * MS);
	datapath_slot_park(rig.dp, 0, 0); /* somebody comes after all */
	rig_time(&rig, START + 9000 * MS);
	turn();
	assert_int_equal(gone(), 20);
	datapath_slot_park(rig.dp, 0, 1000 * MS);
	rig_time(&rig, START + 9100 * MS);
	arrive(0, 0, 31, 5);
	assert_int_equal(gone(), 50);
	uint64_t before = page()->reaped;
	move(0, 1, NULL);
	for (uint32_t i = 0; i < 10; i++) {
		settle_all(1, seen);
		turn();
	}
	assert_int_equal(page()->reaped - before, 5);
	assert_int_equal(gone(), 50);
}

/* A list that is long is worked off bit by bit. */
static void the_old_are_dropped_a_part_at_a_time(void **state)
{
	(void)state;
	rig_time(&rig, START);
	die(0);
	arrive(0, 0, 31, 1000);
	datapath_slot_park(rig.dp, 0, 1000 * MS);
	rig_time(&rig, START + 2000 * MS);
	uint64_t before = 0;
	for (uint32_t turns = 0; gone() < 1000; turns++) {
		assert_true(turns < 100);
		io_turn(rig.dp->io[0]);
		assert_true(gone() - before <= 256);
		before = gone();
	}
}

/* One message between any two packets. */
static void messages_never_get_too_old(void **state)
{
	uint8_t seen[BELT_SLOTS];
	uint32_t messages = 0;

	(void)state;
	rig_time(&rig, START);
	die(0);
	for (uint32_t i = 0; i < 300; i++) {
		arrive(0, 0, 31, 1);
		offer_one(1);
		post(1, 1, 3, (uint8_t)i);
		turn();
		settle_all(1, seen);
		turn();
	}
	uint64_t waiting = parked(0);
	assert_true(waiting >= 300);
	datapath_slot_park(rig.dp, 0, 1000 * MS);
	rig_time(&rig, START + 60000 * MS);
	turn();
	turn();
	assert_int_equal(gone(), waiting);
	assert_int_equal(parked(0), 0);
	arrive(0, 0, 31, 7); /* behind messages that have been looked at */
	rig_time(&rig, START + 120000 * MS);
	turn();
	assert_int_equal(gone(), waiting + 7);
	attach(2);
	int id = datapath_move(rig.dp, &(struct move_order){.from = 0, .to = 2});
	struct move_report report;
	for (uint32_t turns = 0; messages < 300 || !datapath_move_done(rig.dp, id, &report); turns++) {
		uint32_t count;
		assert_true(turns < 10000);
		io_turn(rig.dp->io[0]);
		count = settle_all(2, seen);
		for (uint32_t i = 0; i < count; i++)
			assert_int_equal(seen[i], (uint8_t)(messages + i)); /* in order */
		messages += count;
	}
	assert_int_equal(messages, 300);
	assert_int_equal(page()->messages_lost, 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(one_service_takes_no_room_from_another),
		CASE(one_dead_worker_takes_no_room_from_another),
		CASE(what_was_offered_takes_no_room),
		CASE(what_waits_for_nobody_gets_too_old),
		CASE(the_old_are_dropped_a_part_at_a_time),
		CASE(messages_never_get_too_old),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
