/* The beginning of a move: the new owner is woken first, and until it is awake the old one goes on. */
#include "belt_consumer.h"
#include "messages_rig.h"

static uint64_t map = 1ull << 40;

static void post_another(uint8_t first)
{
	post(0, 1, 40, first);
	turn();
}

/* Worker 2 is to get bucket 40 of worker 1, in whose belt a message for it waits unsettled. */
static int begin(void)
{
	uint8_t seen[BELT_SLOTS];

	attach(2);
	for (uint32_t i = 0; i < 3; i++)
		offer_one(0);
	settle_all(1, seen); /* packets on the way to those */
	turn();
	post_another(1);
	assert_int_equal(belt_take(&worker[1], BELT_SLOTS), 1);
	int id = datapath_move(rig.dp, &(struct move_order){.from = 1, .to = 2, .map = &map});
	assert_true(id > 0);
	turn();
	assert_int_equal(belt_take(&worker[2], BELT_SLOTS), 1);
	assert_int_equal(belt_slot_at(&worker[2], worker[2].done)->packet.kind, BELT_PRIME);
	return id;
}

static uint32_t waits(void)
{
	return rig.dp->io[0]->list[LIST_MOVE(0)].count;
}

static bool ended(int id, bool *failed)
{
	struct move_report report;
	bool done = datapath_move_done(rig.dp, id, &report);

	*failed = report.failed;
	return done;
}

/* Both workers settle until the move is over; `seen`: messages of worker 1, then of worker 2. */
static uint32_t go_on(int id, bool from, uint8_t *seen)
{
	uint8_t none[BELT_SLOTS];
	uint32_t count = 0;
	bool failed;

	for (uint32_t i = 0; i < 8; i++) {
		settle_all(0, none);
		if (from)
			count += settle_all(1, seen + count);
		count += settle_all(2, seen + count);
		turn();
	}
	assert_true(ended(id, &failed));
	assert_false(failed);
	return count;
}

static void the_old_owner_goes_on_until_the_new_one_is_awake(void **state)
{
	uint8_t seen[BELT_SLOTS];

	(void)state;
	int id = begin();
	post_another(2);
	assert_int_equal(waits(), 0);
	assert_int_equal(belt_take(&worker[1], BELT_SLOTS), 2); /* and no revoke among them */
	assert_int_equal(settle_all(2, seen), 0);
	turn();
	assert_int_equal(belt_take(&worker[1], BELT_SLOTS), 3);
	post_another(3);
	assert_int_equal(waits(), 1);
	assert_int_equal(go_on(id, true, seen), 3);
	assert_memory_equal(seen, "\1\2\3", 3);
}

static void a_new_owner_that_does_not_wake_up_holds_up_nobody(void **state)
{
	uint8_t seen[BELT_SLOTS];
	uint64_t turns = 0;

	(void)state;
	int id = begin();
	while (belt_take(&worker[1], BELT_SLOTS) != 2) {
		assert_true(turns++ < 10000000);
		turn();
	}
	post_another(2);
	assert_int_equal(waits(), 1);
	assert_int_equal(go_on(id, true, seen), 2);
	assert_memory_equal(seen, "\1\2", 2);
}

static void an_old_owner_that_dies_meanwhile_leaves_all_to_the_new_one(void **state)
{
	uint8_t seen[BELT_SLOTS];
	uint32_t orphans;

	(void)state;
	int id = begin();
	post_another(2);
	datapath_slot_dead(rig.dp, 1);
	turn();
	assert_int_equal(waits(), 2);
	datapath_slot_recovered(rig.dp, 1, &orphans); /* rolls back; it ends with the move */
	assert_int_equal(go_on(id, false, seen), 2);
	assert_memory_equal(seen, "\1\2", 2);
	assert_true(datapath_slot_recovered(rig.dp, 1, &orphans));
	assert_int_equal(orphans, 31); /* the others of the dead one */
}

static void a_new_owner_that_dies_asleep_leaves_all_to_its_successor(void **state)
{
	uint8_t seen[BELT_SLOTS];
	uint32_t orphans;
	bool failed;

	(void)state;
	int id = begin();
	datapath_slot_dead(rig.dp, 2);
	turn();
	post_another(2);
	assert_int_equal(settle_all(1, seen), 1);
	turn();
	assert_true(ended(id, &failed));
	assert_true(failed);
	assert_true(datapath_slot_recovered(rig.dp, 2, &orphans));
	assert_int_equal(orphans, 1);
	move(2, 1, NULL); /* and both messages are settled */
	offer_one(0);
	post_another(3);
	assert_int_equal(settle_all(1, seen), 1);
	assert_memory_equal(seen, "\3", 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_old_owner_goes_on_until_the_new_one_is_awake),
		CASE(a_new_owner_that_does_not_wake_up_holds_up_nobody),
		CASE(an_old_owner_that_dies_meanwhile_leaves_all_to_the_new_one),
		CASE(a_new_owner_that_dies_asleep_leaves_all_to_its_successor),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
