/* Messages between buckets, case by case: what a full belt, a move, a death and a lying worker do to them. */
#include "messages_rig.h"

static void a_message_reaches_the_owner_of_its_bucket_once(void **state)
{
	uint8_t seen[BELT_SLOTS];

	(void)state;
	offer_one(0);
	post(0, 3, 40, 7);
	assert_int_equal(page()->messages_posted, 0); /* nothing before the lcore has seen the settle */
	turn();
	assert_int_equal(page()->messages_posted, 3);
	assert_int_equal(settle_all(1, seen), 3);
	assert_memory_equal(seen, "\7\10\11", 3);
	turn();
	assert_int_equal(page()->messages_settled, 3);
	assert_int_equal(settle_all(0, seen) + settle_all(1, seen), 0);
	assert_int_equal(rig.dp->io[0]->message.used, 0);
	assert_int_equal(page()->messages_lost, 0);
}

static void a_message_to_the_own_bucket_comes_back(void **state)
{
	uint8_t seen[BELT_SLOTS];

	(void)state;
	offer_one(0);
	post(0, 1, 5, 9);
	turn();
	assert_int_equal(settle_all(0, seen), 1);
	assert_int_equal(seen[0], 9);
}

/* Fills the belt of worker 1 with packets that it does not take. */
static void fill_belt(void)
{
	uint8_t seen[BELT_SLOTS];

	for (uint32_t key = 0; belt_room(&rig.dp->io[0]->slot[1].belt) != 0; key++) {
		rig_inject(&rig, 0, rig_frame(&rig, 0, &key, sizeof(key)));
		if (key % 32 == 31) {
			turn();
			settle_all(0, seen);
		}
	}
	turn();
	settle_all(0, seen);
	turn();
}

static void a_message_to_a_full_belt_waits_and_none_overtakes_it(void **state)
{
	uint8_t seen[BELT_SLOTS];

	(void)state;
	fill_belt();
	offer_one(0);
	post(0, 4, 40, 1);
	turn();
	assert_int_equal(rig.dp->io[0]->list[LIST_BACKLOG(1)].count, 4);
	/* room for one packet: a message takes it, before a later one does */
	belt_verdict(&worker[1], worker[1].done, baton_reply(4));
	belt_settle(&worker[1], worker[1].done + 1);
	turn();
	assert_int_equal(rig.dp->io[0]->list[LIST_BACKLOG(1)].count, 3);
	offer_one(0);
	post(0, 1, 41, 5);
	turn();
	assert_int_equal(rig.dp->io[0]->list[LIST_BACKLOG(1)].count, 4);
	assert_int_equal(settle_all(1, seen), 1);
	turn();
	assert_int_equal(settle_all(1, seen + 1), 4);
	assert_memory_equal(seen, "\1\2\3\4\5", 5);
	turn();
	assert_int_equal(rig.dp->io[0]->message.used, 0);
}

/* Room comes in the same turn as a message of another worker, which is reaped later. */
static void a_message_does_not_take_the_room_of_those_that_wait(void **state)
{
	uint64_t map = 1;
	uint8_t seen[BELT_SLOTS];

	(void)state;
	attach(2);
	move(0, 2, &map);
	fill_belt();
	offer_one(0);
	post(0, 1, 40, 1);
	turn();
	assert_int_equal(rig.dp->io[0]->list[LIST_BACKLOG(1)].count, 1);
	offer_one(2);
	belt_verdict(&worker[1], worker[1].done, baton_reply(4));
	belt_settle(&worker[1], worker[1].done + 1);
	post(2, 1, 40, 2);
	turn();
	turn();
	assert_int_equal(settle_all(1, seen), 1);
	turn();
	assert_int_equal(settle_all(1, seen + 1), 1);
	assert_memory_equal(seen, "\1\2", 2);
	settle_all(0, seen);
	turn();
}

static void a_waiting_message_moves_with_its_bucket(void **state)
{
	uint64_t map = 1ull << 40;
	uint8_t seen[BELT_SLOTS];

	(void)state;
	attach(2);
	fill_belt();
	offer_one(0);
	post(0, 2, 40, 1);
	offer_one(0);
	post(0, 2, 41, 5);
	turn();
	assert_int_equal(rig.dp->io[0]->list[LIST_BACKLOG(1)].count, 4);
	int id = datapath_move(rig.dp, &(struct move_order){.from = 1, .to = 2, .map = &map});
	assert_true(id > 0);
	turn();
	assert_int_equal(settle_all(2, seen), 0); /* it is awake */
	turn();
	assert_int_equal(rig.dp->io[0]->list[LIST_BACKLOG(1)].count, 2);
	assert_int_equal(settle_all(1, seen), 0);
	turn();
	assert_int_equal(settle_all(2, seen), 2);
	assert_memory_equal(seen, "\1\2", 2);
	assert_int_equal(settle_all(1, seen), 2);
	assert_memory_equal(seen, "\5\6", 2);
	turn();
	struct move_report report;
	assert_true(datapath_move_done(rig.dp, id, &report));
}

static void messages_of_a_dead_worker_go_to_the_next(void **state)
{
	uint8_t seen[BELT_SLOTS];
	uint32_t orphans;

	(void)state;
	attach(2);
	offer_one(0);
	post(0, 2, 40, 1);
	turn(); /* in the belt of worker 1, which dies with them unsettled */
	datapath_slot_dead(rig.dp, 1);
	offer_one(0);
	post(0, 1, 40, 3); /* while nobody owns the bucket */
	turn();
	assert_true(datapath_slot_recovered(rig.dp, 1, &orphans));
	assert_int_equal(orphans, 32);
	int id = datapath_move(rig.dp, &(struct move_order){.from = 1, .to = 2});
	turn();
	assert_int_equal(settle_all(2, seen), 3);
	assert_memory_equal(seen, "\1\2\3", 3);
	turn();
	struct move_report report;
	assert_true(datapath_move_done(rig.dp, id, &report));
	assert_int_equal(page()->messages_settled, 3);
}

/* The worker has saved `count` bucket words in the burst it dies in. */
static void save_words(uint32_t slot, uint32_t count)
{
	struct bucket_word *words = state_words(&rig.state, 0);
	struct journal *journal = &state_control(&rig.state, slot)->journal;
	struct baton_ctx ctx = {0};

	state_bind(&rig.state, slot, 0, &ctx);
	journal_open(journal, &ctx, 0, worker[slot].done);
	for (uint32_t i = 0; i < count; i++)
		journal_save_word(&ctx, words, &words[i].last_tick, sizeof(words[i].last_tick));
}

/* What a storm of kills is judged by. */
static void a_death_is_counted_with_what_it_found(void **state)
{
	const struct CoreStats *counts = stats_main(&rig.stats);
	uint32_t orphans;

	(void)state;
	attach(2);
	offer_one(0);
	save_words(0, 3);
	datapath_slot_dead(rig.dp, 0);
	turn();
	assert_true(datapath_slot_recovered(rig.dp, 0, &orphans));
	assert_int_equal(counts->deaths_with_unsettled, 1);
	assert_int_equal(counts->deaths_with_undo, 1);
	assert_int_equal(counts->records_undone, 3);
	offer_one(1);
	offer_one(1);
	datapath_slot_dead(rig.dp, 1); /* it had changed nothing */
	turn();
	assert_true(datapath_slot_recovered(rig.dp, 1, &orphans));
	assert_int_equal(counts->deaths_with_unsettled, 2);
	datapath_slot_dead(rig.dp, 2); /* nothing waited for it */
	turn();
	assert_true(datapath_slot_recovered(rig.dp, 2, &orphans));
	assert_int_equal(counts->deaths_with_unsettled, 2);
	assert_int_equal(counts->deaths_with_undo, 1);
	assert_int_equal(counts->records_undone, 3);
	assert_int_equal(page()->ledger_drift, 0);
	rig.dp->io[0]->ledger.received++; /* a buffer that is nowhere */
	turn();
	rig.dp->io[0]->ledger.received--;
	assert_true(page()->ledger_drift > 0);
}

static void cells_of_unsettled_causes_are_forgotten_and_settled_ones_sent(void **state)
{
	uint8_t seen[BELT_SLOTS];
	uint32_t orphans;

	(void)state;
	attach(2);
	offer_one(0);
	offer_one(0);
	post(0, 1, 40, 1);
	/* the second entry: written, `filled` stored, killed before `done` */
	cell(0, BELT_OUT_MESSAGE)->bucket = 40;
	atomic_store_explicit(&worker[0].commit->filled, worker[0].filled, memory_order_release);
	datapath_slot_dead(rig.dp, 0);
	housekeep(rig.dp->io[0]); /* hears of it before it has reaped the first */
	turn();
	assert_true(datapath_slot_recovered(rig.dp, 0, &orphans));
	assert_int_equal(settle_all(1, seen), 1);
	assert_int_equal(seen[0], 1);
	turn();
	/* the slot's next worker begins where the dead one ended, and what it posts is its own */
	move(0, 1, NULL);
	attach(0);
	uint64_t first = 1;
	move(1, 0, &first);
	turn();
	settle_all(0, seen);
	settle_all(1, seen);
	turn();
	assert_int_equal(page()->messages_posted, 1);
	assert_int_equal(rig.dp->io[0]->message.used, 0);
	assert_int_equal(datapath_slot_to_fence(rig.dp), SLOT_NONE);
}

/* A worker that writes what no honest one writes is to be fenced; nothing of it reaches anybody. */
static void expect_fence(void)
{
	uint8_t seen[BELT_SLOTS];
	uint32_t before = (uint32_t)page()->messages_posted;

	belt_verdict(&worker[0], worker[0].done, baton_reply(4));
	belt_settle(&worker[0], worker[0].done + 1);
	turn();
	assert_int_equal(datapath_slot_to_fence(rig.dp), 0);
	assert_int_equal(page()->messages_posted, before);
	assert_int_equal(settle_all(1, seen), 0);
}

#define LIE(name, ...) \
	static void a_lie_about_##name(void **state) \
	{ \
		(void)state; \
		offer_one(0); \
		struct belt_out_cell *lie = cell(0, BELT_OUT_MESSAGE); \
		lie->bucket = 40; \
		__VA_ARGS__; \
		expect_fence(); \
	}
LIE(the_bucket, lie->bucket = BUCKETS)
LIE(no_length, lie->len = 0)
LIE(the_length, lie->len = BATON_MESSAGE_MOST + 1)
LIE(the_kind, lie->kind = 77)
LIE(an_old_cause, lie->cause--)
LIE(a_cause_to_come, lie->cause += BELT_SLOTS)
LIE(how_many_cells, worker[0].filled += BELT_OUT_CELLS)
LIE(a_packets_length, lie->kind = BELT_OUT_PACKET, lie->len = BATON_SEND_MOST + 1)

static void more_messages_than_an_entry_may_post_are_not_taken(void **state)
{
	uint8_t seen[BELT_SLOTS];

	(void)state;
	offer_one(0);
	post(0, BATON_POSTS_MOST + 1, 40, 1);
	turn();
	assert_int_equal(datapath_slot_to_fence(rig.dp), 0);
	assert_int_equal(settle_all(1, seen), BATON_POSTS_MOST);
	turn();
	/* a message may post one */
	offer_one(1);
	post(1, 1, 5, 1);
	attach(2);
	assert_int_equal(rig.dp->io[0]->slot[1].fence, 0);
	settle_all(1, seen);
}

/* A reply is one thing, a flood from an entry that may send so many another. */
static void more_packets_than_an_entry_may_send_are_not_sent(void **state)
{
	(void)state;
	offer_one(0);
	for (uint32_t i = 0; i < BATON_SENDS_MOST + 1; i++)
		cell(0, BELT_OUT_PACKET)->to = (struct baton_peer){.ip = 0x0200000au, .udp_port = 9};
	belt_verdict(&worker[0], worker[0].done, baton_reply(4));
	belt_settle(&worker[0], worker[0].done + 1);
	turn();
	assert_int_equal(datapath_slot_to_fence(rig.dp), 0);
	assert_int_equal(datapath_fence_why(rig.dp, 0), FENCE_CELL);
	assert_int_equal(page()->packets_started, BATON_SENDS_MOST);
}

/* Words of the primary's stand in the worker's page: what the dead one made of them is not what its successor finds. */
static void what_a_dead_worker_wrote_over_the_primarys_words_is_set_right(void **state)
{
	struct belt *belt = rig.belt[0][0];
	struct control_block *control = state_control(&rig.state, 0);
	uint32_t orphans;
	uint8_t seen[BELT_SLOTS];

	(void)state;
	attach(2);
	offer_one(0);
	memset((void *)belt, 0xa5, sizeof(*belt));
	control->magic = 0;
	control->slot = control->belts = control->group = 77;
	datapath_slot_dead(rig.dp, 0);
	turn();
	assert_true(datapath_slot_recovered(rig.dp, 0, &orphans));
	const struct belt_producer *p = &rig.dp->io[0]->slot[0].belt;
	assert_int_equal(atomic_load(&belt->offered), p->offered);
	assert_int_equal(atomic_load(&belt->out_taken), p->out_reaped);
	assert_int_equal(atomic_load(&control->commit[0].done), p->offered);
	assert_int_equal(control->magic, STATE_CONTROL_MAGIC);
	assert_int_equal(control->slot, 0);
	assert_int_equal(control->belts, 1);
	/* and the successor serves */
	move(0, 2, NULL);
	attach(0);
	assert_int_equal(belt_take(&worker[0], BELT_SLOTS), 0);
	move(2, 0, NULL);
	turn();
	offer_one(0);
	assert_int_equal(settle_all(0, seen), 0);
	settle_all(2, seen);
	turn();
	assert_int_equal(datapath_slot_to_fence(rig.dp), SLOT_NONE);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(a_message_reaches_the_owner_of_its_bucket_once),
		CASE(a_message_to_the_own_bucket_comes_back),
		CASE(a_message_to_a_full_belt_waits_and_none_overtakes_it),
		CASE(a_message_does_not_take_the_room_of_those_that_wait),
		CASE(a_waiting_message_moves_with_its_bucket),
		CASE(messages_of_a_dead_worker_go_to_the_next),
		CASE(a_death_is_counted_with_what_it_found),
		CASE(cells_of_unsettled_causes_are_forgotten_and_settled_ones_sent),
		CASE(a_lie_about_the_bucket), CASE(a_lie_about_no_length), CASE(a_lie_about_the_length),
		CASE(a_lie_about_the_kind), CASE(a_lie_about_an_old_cause), CASE(a_lie_about_how_many_cells),
		CASE(a_lie_about_a_packets_length), CASE(a_lie_about_a_cause_to_come),
		CASE(more_packets_than_an_entry_may_send_are_not_sent),
		CASE(what_a_dead_worker_wrote_over_the_primarys_words_is_set_right),
		CASE(more_messages_than_an_entry_may_post_are_not_taken),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
