/* What a dead worker leaves is judged: which entries are suspect, which one is blamed, for what deaths, what leaves. */
#include "messages_rig.h"

#include "belt_consumer.h"
#include "kept.h"

#define ATTEMPTS 2u

/* Worker `slot` has opened a burst of its belt, which begins at `done`; it dies in it. */
static void open_burst(uint32_t slot, uint32_t undo_bytes)
{
	struct journal *journal = &state_control(&rig.state, slot)->journal;

	journal->belt = 0;
	journal->first = worker[slot].done;
	atomic_store(&journal->used, undo_bytes);
}

static int moving; /* it waits for the first reply, and ends with its target */

static void die(uint32_t slot, const struct death_blame *blame)
{
	struct move_report report;
	uint32_t orphans;

	atomic_store(&state_control(&rig.state, slot)->journal.used, 0); /* it has changed nothing */
	datapath_slot_blame(rig.dp, slot, blame);
	datapath_slot_dead(rig.dp, slot);
	turn();
	assert_true(datapath_slot_judged(rig.dp, slot));
	assert_true(moving == 0 || datapath_move_done(rig.dp, moving, &report));
	moving = 0;
	assert_true(datapath_slot_recovered(rig.dp, slot, &orphans));
}

static const struct death_blame fault = {.attempts = ATTEMPTS, .counts = true};
static const struct death_blame killed = {.attempts = ATTEMPTS, .counts = false};

/* Worker `to` gets what the dead one owned; whatever stands before the packets is settled. */
static void succeed(uint32_t from, uint32_t to)
{
	attach(to);
	moving = datapath_move(rig.dp, &(struct move_order){.from = from, .to = to});
	assert_true(moving > 0);
	turn();
	struct belt_consumer *c = &worker[to];
	while (belt_take(c, 1) != 0 && (belt_slot_at(c, c->done)->packet.kind & ~BELT_SUSPECT) != BELT_PACKET &&
	       (belt_slot_at(c, c->done)->packet.kind & ~BELT_SUSPECT) != BELT_MESSAGE)
		belt_settle(c, c->done + 1);
	turn();
}

static bool marked(uint32_t slot, uint32_t nth)
{
	return (belt_slot_at(&worker[slot], worker[slot].done + nth)->packet.kind & BELT_SUSPECT) != 0;
}

static uint32_t waiting(uint32_t slot)
{
	return belt_take(&worker[slot], BELT_SLOTS);
}

static uint32_t key_of(uint32_t slot, uint32_t nth)
{
	uint32_t key;

	memcpy(&key, belt_slot_data(&worker[slot], belt_slot_at(&worker[slot], worker[slot].done + nth)), sizeof(key));
	return key;
}

/* Settles `count` packets of the worker, from the first on. */
static void settle(uint32_t slot, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		belt_verdict(&worker[slot], worker[slot].done + i, baton_reply(4));
	belt_settle(&worker[slot], worker[slot].done + count);
	turn();
}

static void offer_many(uint32_t slot, uint32_t count)
{
	while (waiting(slot) < count)
		offer_one(slot);
}

static void the_entry_at_done_leaves_with_the_last_death_it_is_blamed_for(void **state)
{
	struct death_report r;

	(void)state;
	offer_many(0, 3);
	uint32_t poison = key_of(0, 0), next = key_of(0, 1);
	open_burst(0, 0);
	die(0, &fault);
	assert_true(datapath_death_report(rig.dp, &r));
	assert_false(r.left);
	assert_int_equal(r.deaths, 1);
	assert_int_equal(r.slot, 0);
	assert_false(datapath_death_report(rig.dp, &r));

	succeed(0, 2);
	assert_int_equal(waiting(2), 3);
	assert_int_equal(key_of(2, 0), poison);
	assert_true(marked(2, 0) && marked(2, 1) && marked(2, 2));
	open_burst(2, 0);
	die(2, &fault);
	assert_true(datapath_death_report(rig.dp, &r));
	assert_true(r.left);
	assert_int_equal(r.deaths, ATTEMPTS);
	assert_int_equal(r.kind, BELT_PACKET);
	assert_int_equal(r.len, 42 + sizeof(poison));
	assert_int_equal(r.kept, r.len);
	assert_memory_equal(r.data + r.payload_at, &poison, sizeof(poison));
	assert_int_equal(page()->drop[DROP_quarantined], 1);
	assert_int_equal(page()->quarantine_unkept, 0);

	succeed(2, 0);
	assert_int_equal(waiting(0), 2);
	assert_int_equal(key_of(0, 0), next);
	settle(0, 2);
}

static void deaths_that_others_caused_do_not_count(void **state)
{
	struct death_report r;

	(void)state;
	offer_many(0, 1);
	for (uint32_t i = 0; i < 6; i++) {
		open_burst(i % 2 == 0 ? 0 : 2, 0);
		die(i % 2 == 0 ? 0 : 2, &killed);
		assert_false(datapath_death_report(rig.dp, &r));
		succeed(i % 2 == 0 ? 0 : 2, i % 2 == 0 ? 2 : 0);
		assert_int_equal(waiting(i % 2 == 0 ? 2 : 0), 1);
		assert_true(marked(i % 2 == 0 ? 2 : 0, 0));
	}
	settle(0, 1);
	assert_int_equal(page()->drop[DROP_quarantined], 0);
}

static void one_burst_is_suspect_and_what_stands_behind_it_is_not(void **state)
{
	(void)state;
	offer_many(0, 200);
	uint32_t offered = waiting(0); /* some of worker 1's are on the way to those, not in this belt */
	open_burst(0, 0);
	die(0, &killed);
	succeed(0, 2);
	assert_int_equal(waiting(2), offered);
	for (uint32_t i = 0; i < offered; i++)
		assert_int_equal(marked(2, i), i < BATON_BURST + 16);
	/* It dies alone with one of them: the next burst is as innocent as it was. */
	settle(2, 70);
	open_burst(2, 0);
	die(2, &fault);
	succeed(2, 0);
	for (uint32_t i = 0; i < offered - 70; i++)
		assert_int_equal(marked(0, i), i < 10);
	settle(0, offered - 70);
}

static void an_entry_that_was_not_being_run_is_not_blamed(void **state)
{
	struct journal *journal = &state_control(&rig.state, 0)->journal;
	struct death_report r;

	(void)state;
	offer_many(0, 2);
	open_burst(0, 0);
	settle(0, 1); /* and it does not get to open the next one */
	die(0, &fault);
	assert_false(datapath_death_report(rig.dp, &r));
	succeed(0, 2);
	assert_true(marked(2, 0));
	settle(2, 1);
	assert_int_equal(journal->belt, 0);
}

static void the_one_the_worker_has_noted_is_blamed(void **state)
{
	struct death_blame noted = {.attempts = 1, .counts = true, .named = true, .belt = 0};
	struct death_report r;

	(void)state;
	offer_many(0, 5);
	uint32_t poison = key_of(0, 3);
	open_burst(0, 0);
	noted.position = worker[0].done + 3;
	die(0, &noted);
	assert_true(datapath_death_report(rig.dp, &r));
	assert_true(r.left);
	assert_memory_equal(r.data + r.payload_at, &poison, sizeof(poison));
	succeed(0, 2);
	assert_int_equal(waiting(2), 4);
	/* A note of what is not in the burst is not believed: then it is the one at `done`. */
	uint32_t first = key_of(2, 0);
	open_burst(2, 0);
	noted.position = worker[2].done + 4;
	die(2, &noted);
	assert_true(datapath_death_report(rig.dp, &r));
	assert_true(r.left);
	assert_memory_equal(r.data + r.payload_at, &first, sizeof(first));
	succeed(2, 0);
	settle(0, 3);
}

static void messages_leave_and_their_room_comes_back(void **state)
{
	struct death_report r;

	(void)state;
	offer_one(0);
	post(0, 1, 40, 7);
	turn();
	uint32_t used = rig.dp->io[0]->message.used;
	assert_int_equal(belt_slot_at(&worker[1], worker[1].done + waiting(1) - 1)->packet.kind, BELT_MESSAGE);
	settle(1, waiting(1) - 1);
	open_burst(1, 0);
	die(1, &(struct death_blame){.attempts = 1, .counts = true});
	assert_true(datapath_death_report(rig.dp, &r));
	assert_true(r.left);
	assert_int_equal(r.kind, BELT_MESSAGE);
	assert_int_equal(r.bucket, 40);
	assert_int_equal(r.len, 16);
	assert_int_equal(r.data[0], 7);
	assert_int_equal(r.payload_at, 0);
	assert_int_equal(page()->messages_quarantined, 1);
	assert_int_equal(page()->messages_lost, 1);
	assert_int_equal(page()->drop[DROP_quarantined], 0); /* packets are counted there */
	assert_int_equal(rig.dp->io[0]->message.used, used - 1);
	succeed(1, 2);
	assert_int_equal(waiting(2), 0);
}

static void without_a_quarantine_nothing_is_suspect(void **state)
{
	struct death_report r;

	(void)state;
	offer_many(0, 1);
	for (uint32_t i = 0; i < 5; i++) {
		uint32_t from = i % 2 == 0 ? 0 : 2;
		open_burst(from, 0);
		die(from, &(struct death_blame){.attempts = 0, .counts = true});
		assert_false(datapath_death_report(rig.dp, &r));
		succeed(from, 2 - from);
		assert_false(marked(2 - from, 0));
	}
	settle(2, 1);
}

static void a_main_lcore_that_takes_no_reports_loses_files_not_packets(void **state)
{
	struct death_report r;
	uint32_t from = 0, kept = 0;

	(void)state;
	for (uint32_t i = 0; i < REPORTS + 3; i++) {
		offer_many(from, 1);
		open_burst(from, 0);
		die(from, &(struct death_blame){.attempts = 1, .counts = true});
		succeed(from, 2 - from);
		from = 2 - from;
		assert_int_equal(waiting(from), 0);
	}
	assert_int_equal(page()->drop[DROP_quarantined], REPORTS + 3);
	assert_int_equal(page()->quarantine_unkept, 3);
	while (datapath_death_report(rig.dp, &r))
		kept++;
	assert_int_equal(kept, REPORTS);
}

static struct baton_record *record_of(uint32_t bucket, uint32_t slot)
{
	const struct state_group *g = &rig.state.header->group[0];

	return (void *)(state_records(&rig.state, 0) + ((uint64_t)bucket * g->bucket_slots + slot) * g->stride);
}

/* What a worker has changed before it died of the entry is undone before the bucket's records are kept. */
static void the_records_kept_are_those_that_the_entry_was_about_to_see(void **state)
{
	const uint8_t *bytes = NULL;
	struct death_report r;
	uint64_t value = 11;
	uint32_t orphans;

	(void)state;
	offer_many(0, 1);
	open_burst(0, 0);
	die(0, &fault);
	assert_true(datapath_death_report(rig.dp, &r));
	uint32_t bucket = r.bucket;
	assert_int_equal(datapath_slot_kept(rig.dp, 0, bucket, &bytes), -ENOENT); /* it has not left */
	succeed(0, 2);

	struct baton_record *record = record_of(bucket, 5);
	struct control_block *control = state_control(&rig.state, 2);
	struct baton_ctx ctx = {.last = JOURNAL_NONE};
	record->key = 77;
	record->state = BATON_RECORD_USED;
	memcpy(record + 1, &value, sizeof(value));
	state_slot_begin(&rig.state, 2, 0);
	state_bind(&rig.state, 2, 0, &ctx);
	journal_open(&control->journal, &ctx, 0, worker[2].done);
	ctx.bucket = bucket;
	ctx.limit = JOURNAL_BYTES;
	assert_true(baton_save(&ctx, record + 1, sizeof(value)));
	value = 99;
	memcpy(record + 1, &value, sizeof(value));
	datapath_slot_blame(rig.dp, 2, &fault);
	datapath_slot_dead(rig.dp, 2);
	turn();
	struct move_report moved;
	assert_true(datapath_move_done(rig.dp, moving, &moved));
	moving = 0;
	assert_true(datapath_slot_recovered(rig.dp, 2, &orphans));
	assert_true(datapath_death_report(rig.dp, &r));
	assert_true(r.left);

	assert_int_equal(datapath_slot_kept(rig.dp, 2, bucket, &bytes), sizeof(struct kept_head) +
			 rig.state.header->group[0].stride);
	assert_int_equal(kept_check(bytes, sizeof(struct kept_head) + rig.state.header->group[0].stride), 0);
	const struct kept_head *head = (const void *)bytes;
	const struct snap_record *kept = kept_record(bytes, 0);
	assert_int_equal(head->bucket, bucket);
	assert_int_equal(head->schema, 1);
	assert_int_equal(head->records, 1);
	assert_int_equal(kept->key, 77);
	assert_int_equal(kept->slot, 5);
	memcpy(&value, kept + 1, sizeof(value));
	assert_int_equal(value, 11);
	assert_int_equal(datapath_slot_kept(rig.dp, 2, bucket, &bytes), -ENOENT); /* once */
}

static int begin(void **state)
{
	moving = 0;
	return set_up(state);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_entry_at_done_leaves_with_the_last_death_it_is_blamed_for),
		CASE(deaths_that_others_caused_do_not_count),
		CASE(one_burst_is_suspect_and_what_stands_behind_it_is_not),
		CASE(an_entry_that_was_not_being_run_is_not_blamed),
		CASE(the_one_the_worker_has_noted_is_blamed),
		CASE(messages_leave_and_their_room_comes_back),
		CASE(without_a_quarantine_nothing_is_suspect),
		CASE(the_records_kept_are_those_that_the_entry_was_about_to_see),
		CASE(a_main_lcore_that_takes_no_reports_loses_files_not_packets),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
