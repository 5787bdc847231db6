/* What an I/O lcore counts by worker slot is what the workers did, packet by packet, and what their belts had no room
 * for. Chance by BATON_TEST_SEED. */
#include "messages_rig.h"

#include "fake.h"
#include "hist.h"

static uint64_t seed, chance;

/* What the slots' pages are to say. */
static struct stats_slot expected[3];

static const struct stats_slot *counts(uint32_t slot) { return stats_slot(&rig.stats, 0, slot); }

static uint64_t samples(const uint64_t *residence)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < STATS_HIST_BUCKETS; i++)
		sum += residence[i];
	return sum;
}

static void assert_counts(void)
{
	uint64_t packets = 0, malformed = 0, all = 0;

	for (uint32_t slot = 0; slot < 3; slot++) {
		const struct stats_slot *c = counts(slot), *e = &expected[slot];

		assert_int_equal(c->packets, e->packets);
		assert_int_equal(c->error_replies, e->error_replies);
		assert_int_equal(c->malformed, e->malformed);
		assert_int_equal(c->refused, e->refused);
		assert_int_equal(c->bad_verdict, e->bad_verdict);
		assert_int_equal(c->belt_full, e->belt_full);
		assert_int_equal(c->pending_full, e->pending_full);
		assert_int_equal(c->park_expired, e->park_expired);
		assert_int_equal(c->quarantined, e->quarantined);
		assert_int_equal(c->lost, 0);
		assert_memory_equal(c->posted, e->posted, sizeof(c->posted));
		assert_memory_equal(c->sent, e->sent, sizeof(c->sent));
		assert_int_equal(c->messages, e->messages);
		packets += c->packets;
		malformed += c->malformed;
		all += samples(c->residence);
	}
	/* and together what the lcore knows: all slots run one version here, which has one lane */
	assert_int_equal(packets, page()->reaped);
	assert_int_equal(malformed, page()->drop[DROP_malformed] + page()->drop[DROP_runt]);
	uint64_t lanes = 0;
	for (uint32_t lane = 0; lane < rig.stats.lanes; lane++)
		lanes += samples(stats_lane(&rig.stats, 0, lane)->count);
	assert_int_equal(all, lanes);
}

static int begin(void **state)
{
	int rc = set_up(state);

	memset(expected, 0, sizeof(expected));
	chance = seed;
	return rc;
}

static void inject(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint32_t key = (uint32_t)fake_random(&chance);

		rig_inject(&rig, 0, rig_frame(&rig, 0, &key, sizeof(key)));
	}
	turn();
}

static void drain_tx(void)
{
	struct rte_mbuf *mbuf;

	while (rte_ring_dequeue(rig.tx[0], (void **)&mbuf) == 0)
		rte_pktmbuf_free(mbuf);
}

static uint32_t kind_of(const struct belt_consumer *c, uint32_t nth)
{
	return belt_slot_at(c, c->done + nth)->packet.kind & ~BELT_SUSPECT;
}

/* Settles the worker's next `count` entries, each as chance has it. */
static void settle(uint32_t slot, uint32_t count)
{
	struct belt_consumer *c = &worker[slot];

	for (uint32_t i = 0; i < count; i++) {
		struct stats_slot *e = &expected[slot];
		uint32_t verdict = baton_reply(4);

		assert_int_equal(kind_of(c, i), BELT_PACKET);
		e->packets++;
		switch (fake_below(&chance, 8)) {
		case 0: verdict = 4u << 16 | BATON_REPLY_ERROR, e->error_replies++; break;
		case 1: verdict = BATON_DROP_MALFORMED, e->malformed++; break;
		case 2: verdict = BATON_DROP_RUNT, e->malformed++; break;
		case 3: verdict = BATON_DROP_REFUSED, e->refused++; break;
		case 4: verdict = BATON_NO_REPLY; break;
		default: break;
		}
		belt_verdict(c, c->done + i, verdict);
	}
	belt_settle(c, c->done + count);
}

static void each_verdict_is_counted_of_the_slot_that_gave_it(void **state)
{
	(void)state;
	for (uint32_t round = 0; round < 40; round++) {
		inject(1 + fake_below(&chance, 150));
		for (uint32_t slot = 0; slot < 2; slot++) {
			uint32_t ready = belt_take(&worker[slot], BELT_SLOTS);
			uint32_t before = (uint32_t)samples(counts(slot)->residence), some = fake_below(&chance, ready + 1);

			if (round % 7 == 0)
				some = ready; /* a long one */
			settle(slot, some);
			turn();
			/* one a packet in small bursts, one in 8 in large ones */
			if (some < REAP_MOST)
				assert_int_equal(samples(counts(slot)->residence) - before,
						 some <= 8 ? some : (some + 7) / 8);
		}
		drain_tx();
		assert_counts();
	}
	for (uint32_t slot = 0; slot < 2; slot++) {
		settle(slot, belt_take(&worker[slot], BELT_SLOTS));
		turn();
		drain_tx();
		assert_true(expected[slot].malformed > 20 && expected[slot].error_replies > 20);
	}
	assert_counts();
	assert_int_equal(counts(2)->packets, 0);
}

static void residence_is_from_receive_to_reap(void **state)
{
	const uint64_t received = 1000000000ull, reaped = received + 3000000;

	(void)state;
	rig_time(&rig, received);
	inject(5);
	rig_time(&rig, reaped);
	for (uint32_t slot = 0; slot < 2; slot++) {
		settle(slot, belt_take(&worker[slot], BELT_SLOTS));
		turn();
		/* stamps are made to differ by a few ns */
		assert_int_equal(counts(slot)->residence[hist_bucket(reaped - received - 10)], expected[slot].packets);
	}
	assert_int_equal(expected[0].packets + expected[1].packets, 5);
	assert_counts();
}

static void what_a_full_belt_drops_is_counted_of_its_slot(void **state)
{
	(void)state;
	move(1, 0, NULL);
	for (uint32_t i = 0; i < 100 && page()->drop[DROP_belt_full] < 100; i++)
		inject(150);
	expected[0].belt_full = page()->drop[DROP_belt_full];
	assert_true(expected[0].belt_full >= 100);
	assert_counts();
	/* as soon as it has room its drops end */
	settle(0, belt_take(&worker[0], BELT_SLOTS));
	for (uint32_t i = 0; i < BELT_SLOTS / BATON_BURST; i++)
		drain_tx(), io_turn(rig.dp->io[0]);
	inject(20);
	drain_tx();
	assert_int_equal(page()->drop[DROP_belt_full], expected[0].belt_full);
	assert_counts();
}

static void a_verdict_that_no_honest_worker_gives_is_counted(void **state)
{
	(void)state;
	offer_one(0);
	assert_int_equal(belt_take(&worker[0], BELT_SLOTS), 1);
	belt_verdict(&worker[0], worker[0].done, 77);
	belt_settle(&worker[0], worker[0].done + 1);
	turn();
	expected[0].packets = expected[0].bad_verdict = 1;
	assert_counts();
}

/* A cell to nobody's address: it counts like any other, for it is what the worker does. */
static void one_sent(uint32_t slot)
{
	struct belt_out_cell *out = cell(slot, BELT_OUT_PACKET);

	out->to.ip = 0x0200000a;
}

/* By slot and cause, whatever becomes of them; none before its cause is settled, and none that is forgotten. */
static void cells_are_counted_of_the_slot_and_by_their_cause(void **state)
{
	struct belt_consumer *c = &worker[1];
	uint32_t orphans;

	(void)state;
	offer_one(0);
	settle(1, belt_take(c, BELT_SLOTS)); /* other packets on the way */
	one_sent(0);
	turn();
	assert_counts();
	post(0, 3, 40, 1); /* settles it */
	turn();
	expected[0].packets = expected[0].sent[CAUSE_PACKET] = 1;
	expected[0].posted[CAUSE_PACKET] = 3;
	assert_counts();
	/* the three are worker 1's: the first sends twice, the second posts, the third does nothing */
	assert_int_equal(belt_take(c, BELT_SLOTS), 3);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(kind_of(c, 0), BELT_MESSAGE);
		for (uint32_t n = 0; i == 0 && n < 2; n++)
			one_sent(1);
		if (i == 1)
			cell(1, BELT_OUT_MESSAGE)->bucket = 41;
		belt_verdict(c, c->done, BATON_NO_REPLY);
		belt_settle(c, c->done + 1);
	}
	turn();
	expected[1].messages = 3;
	expected[1].posted[CAUSE_MESSAGE] = 1;
	expected[1].sent[CAUSE_MESSAGE] = 2;
	assert_counts();
	/* what it wrote of an entry that it did not settle is forgotten when it dies */
	assert_int_equal(belt_take(c, BELT_SLOTS), 1);
	cell(1, BELT_OUT_MESSAGE)->bucket = 41;
	atomic_store_explicit(&state_control(&rig.state, 1)->commit[0].filled, c->filled, memory_order_release);
	turn();
	datapath_slot_blame(rig.dp, 1, &(struct death_blame){.attempts = 3, .counts = false});
	datapath_slot_dead(rig.dp, 1);
	turn();
	assert_true(datapath_slot_recovered(rig.dp, 1, &orphans));
	assert_counts();
	drain_tx();
}

/* What a dead worker had not settled goes to the next one, and is counted of that. */
static void what_is_redelivered_is_counted_where_it_is_settled(void **state)
{
	struct move_report report;
	uint32_t orphans, waited;

	(void)state;
	inject(30);
	waited = belt_take(&worker[0], BELT_SLOTS);
	assert_true(waited > 2);
	settle(0, 2);
	datapath_slot_blame(rig.dp, 0, &(struct death_blame){.attempts = 3, .counts = false});
	datapath_slot_dead(rig.dp, 0);
	turn();
	assert_true(datapath_slot_recovered(rig.dp, 0, &orphans));
	assert_counts();
	attach(2);
	int id = datapath_move(rig.dp, &(struct move_order){.from = 0, .to = 2});
	assert_true(id > 0);
	turn();
	/* what comes before them: entries that wake it and grant it its buckets */
	for (uint32_t i = 0; i < 10; i++) {
		while (belt_take(&worker[2], 1) != 0 && kind_of(&worker[2], 0) != BELT_PACKET)
			belt_settle(&worker[2], worker[2].done + 1);
		turn();
	}
	assert_int_equal(belt_take(&worker[2], BELT_SLOTS), waited - 2);
	settle(2, waited - 2);
	turn();
	assert_true(datapath_move_done(rig.dp, id, &report));
	drain_tx();
	assert_int_equal(counts(2)->packets, waited - 2);
	assert_counts();
}

static void packets_that_waited_too_long_are_counted_of_the_slot_they_waited_for(void **state)
{
	uint32_t orphans;

	(void)state;
	datapath_slot_blame(rig.dp, 0, &(struct death_blame){.attempts = 3, .counts = false});
	datapath_slot_dead(rig.dp, 0);
	turn();
	assert_true(datapath_slot_recovered(rig.dp, 0, &orphans));
	inject(30);
	uint32_t parked = 30 - belt_take(&worker[1], BELT_SLOTS);
	assert_true(parked > 2);
	park_limit(rig.dp->io[0], 0, 1);
	turn();
	expected[0].park_expired = parked;
	assert_int_equal(page()->drop[DROP_park_expired], parked);
	assert_counts();
	/* and when there is no room for more of them */
	park_limit(rig.dp->io[0], 0, 0);
	for (uint32_t i = 0; i < 200 && page()->drop[DROP_pending_full] == 0; i++) {
		inject(150);
		settle(1, belt_take(&worker[1], BELT_SLOTS));
		turn();
		drain_tx();
	}
	expected[0].pending_full = page()->drop[DROP_pending_full];
	assert_true(expected[0].pending_full != 0);
	assert_counts();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_verdict_is_counted_of_the_slot_that_gave_it, begin, tear_down),
		cmocka_unit_test_setup_teardown(residence_is_from_receive_to_reap, begin, tear_down),
		cmocka_unit_test_setup_teardown(cells_are_counted_of_the_slot_and_by_their_cause, begin, tear_down),
		cmocka_unit_test_setup_teardown(what_a_full_belt_drops_is_counted_of_its_slot, begin, tear_down),
		cmocka_unit_test_setup_teardown(a_verdict_that_no_honest_worker_gives_is_counted, begin, tear_down),
		cmocka_unit_test_setup_teardown(what_is_redelivered_is_counted_where_it_is_settled, begin, tear_down),
		cmocka_unit_test_setup_teardown(packets_that_waited_too_long_are_counted_of_the_slot_they_waited_for, begin,
						tear_down),
	};

	seed = fake_seed("test_slot_counts");
	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
