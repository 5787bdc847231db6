/* Room for messages: how many may wait, whose they are, and moves of buckets whose messages never end. */
#include "belt_consumer.h"
#include "messages_rig.h"

/* Worker 1 takes nothing; worker 0 posts as much as it may for every packet it gets, until one is refused. */
static void fill_with_messages(void)
{
	uint64_t refused = 0;

	for (uint32_t key = 0; refused == 0; key++) {
		assert_true(key < 100000);
		rig_inject(&rig, 0, rig_frame(&rig, 0, &key, sizeof(key)));
		for (uint32_t i = 0; i < 4; i++)
			io_turn(rig.dp->io[0]);
		while (belt_take(&worker[0], 1) != 0) {
			post(0, BATON_POSTS_MOST, 40, 1);
			for (uint32_t i = 0; i < 4; i++)
				io_turn(rig.dp->io[0]);
		}
		struct rte_mbuf *mbuf;
		while (rte_ring_dequeue(rig.tx[0], (void **)&mbuf) == 0)
			rte_pktmbuf_free(mbuf);
		refused = page()->drop[DROP_message_room];
	}
}

static void packets_are_refused_while_too_many_messages_wait(void **state)
{
	uint8_t seen[BELT_SLOTS];

	(void)state;
	fill_with_messages();
	assert_true(rig.dp->io[0]->message.used > MESSAGES_MOST);
	assert_true(rig.dp->io[0]->message.used <= MESSAGES_MOST + BATON_POSTS_MOST);
	/* all of them arrive, and then packets do */
	uint64_t posted = page()->messages_posted;
	while (rig.dp->io[0]->message.used != 0) {
		settle_all(1, seen);
		turn();
	}
	assert_int_equal(page()->messages_settled, posted);
	offer_one(0);
	settle_all(0, seen);
}

/* Worker 2 answers up to `most` messages, each by another one, and time goes on. */
static void circle(uint32_t most, uint64_t *ns)
{
	struct belt_consumer *c = &worker[2];

	rig_time(&rig, *ns += 10000000);
	while (most-- != 0 && belt_take(c, 1) != 0 && belt_out_room(c, 1)) {
		bool message = belt_slot_at(c, c->done)->packet.kind == BELT_MESSAGE;

		if (message)
			cell(2, BELT_OUT_MESSAGE)->bucket = 40;
		belt_verdict(c, c->done, BATON_NO_REPLY);
		belt_settle(c, c->done + 1);
	}
	for (uint32_t i = 0; i < 8; i++)
		io_turn(rig.dp->io[0]);
}

/* Worker 1's buckets go to worker 2, with more messages that never end than a belt holds. Returns the move. */
static int move_what_never_ends(uint64_t *ns)
{
	uint8_t seen[BELT_SLOTS];

	fill_with_messages();
	attach(2);
	rig_time(&rig, *ns);
	int id = datapath_move(rig.dp, &(struct move_order){.from = 1, .to = 2});
	turn();
	settle_all(2, seen); /* it is awake */
	turn();
	settle_all(1, seen); /* its revoke is the last of them */
	turn();
	assert_true(rig.dp->io[0]->message.used > 2 * BELT_SLOTS);
	return id;
}

static void messages_without_end_let_a_move_end(void **state)
{
	uint64_t ns = 1ull << 62;
	struct move_report report;
	uint8_t seen[BELT_SLOTS];

	(void)state;
	int id = move_what_never_ends(&ns);
	uint32_t circling = rig.dp->io[0]->message.used;
	for (uint32_t turns = 0; !datapath_move_done(rig.dp, id, &report); turns++) {
		assert_true(turns < 1000);
		circle(100, &ns);
	}
	assert_false(report.failed);
	assert_int_equal(rig.dp->io[0]->message.used, circling);
	while (rig.dp->io[0]->message.used != 0) {
		settle_all(2, seen);
		turn();
	}
	assert_int_equal(page()->messages_settled, page()->messages_posted);
}

/* The new owner dies while what it has posted waits for its belt. */
static void messages_that_wait_for_a_late_move_survive_its_target(void **state)
{
	uint64_t ns = 1ull << 62;
	struct move_report report;
	uint8_t seen[BELT_SLOTS];
	uint32_t orphans;

	(void)state;
	int id = move_what_never_ends(&ns);
	for (uint32_t turns = 0; turns < 110; turns++)
		circle(20, &ns);
	assert_false(datapath_move_done(rig.dp, id, &report));
	assert_true(rig.dp->io[0]->list[LIST_BACKLOG(2)].count != 0);
	/* settled, and not reaped before it dies */
	cell(2, BELT_OUT_MESSAGE)->bucket = 40;
	belt_verdict(&worker[2], worker[2].done, BATON_NO_REPLY);
	belt_settle(&worker[2], worker[2].done + 1);
	datapath_slot_dead(rig.dp, 2);
	turn();
	assert_true(datapath_move_done(rig.dp, id, &report) && report.failed);
	assert_true(datapath_slot_recovered(rig.dp, 2, &orphans));
	id = datapath_move(rig.dp, &(struct move_order){.from = 2, .to = 1});
	while (rig.dp->io[0]->message.used != 0) {
		settle_all(1, seen);
		turn();
	}
	assert_true(datapath_move_done(rig.dp, id, &report) && !report.failed);
	assert_int_equal(page()->messages_settled, page()->messages_posted);
	assert_int_equal(page()->messages_lost, 0);
}

/* The other service posts, too, and gets all of its room back. */
static void messages_of_one_service_take_no_room_from_another(void **state)
{
	uint64_t all = ~0ull;
	uint8_t seen[BELT_SLOTS];
	struct rte_mbuf *mbuf = NULL;

	(void)state;
	rig_destroy(&rig);
	set_up_services(2);
	datapath_slot_attach(rig.dp, 2, 1);
	turn();
	belt_consumer_init(&worker[2], rig.belt[0][2], &state_control(&rig.state, 2)->commit[0]);
	move_of(1, SLOT_NONE, 2, &all);
	fill_with_messages();
	uint64_t refused = page()->drop[DROP_message_room];
	for (uint32_t key = 0; key < 100; key++) {
		rig_inject(&rig, 0, rig_frame_to(&rig, 0, 1, &key, sizeof(key)));
		turn();
		assert_int_equal(belt_take(&worker[2], BELT_SLOTS), 1);
		post(2, BATON_POSTS_MOST, key % BUCKETS, 1);
		turn();
		assert_int_equal(settle_all(2, seen), BATON_POSTS_MOST);
		turn();
		assert_int_equal(rte_ring_dequeue(rig.tx[0], (void **)&mbuf), 0);
		rte_pktmbuf_free(mbuf);
	}
	assert_int_equal(page()->drop[DROP_message_room], refused);
	assert_int_equal(rig.dp->io[0]->message.used_by[1], 0);
	assert_true(rig.dp->io[0]->message.used_by[0] > MESSAGES_MOST);
	while (rig.dp->io[0]->message.used != 0) {
		settle_all(1, seen);
		turn();
	}
	assert_int_equal(rig.dp->io[0]->message.full, 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(packets_are_refused_while_too_many_messages_wait),
		CASE(messages_without_end_let_a_move_end),
		CASE(messages_that_wait_for_a_late_move_survive_its_target),
		CASE(messages_of_one_service_take_no_room_from_another),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
