/* Parked packets when the new owner's belt is full: they leave in order, and nothing that came later overtakes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "belt_consumer.h"
#include "datapath_rig.h"

#define BUCKETS 2u
#define PARKED  500u
#define LATER   500u

static struct rig rig;
static struct belt_consumer worker[2];

static void turn(void)
{
	for (uint32_t i = 0; i < 200; i++)
		io_turn(rig.dp->io[0]);
}

static void attach(uint32_t slot)
{
	datapath_slot_attach(rig.dp, slot, 0);
	turn();
	assert_true(datapath_slot_attached(rig.dp, slot));
	belt_consumer_init(&worker[slot], rig.belt[0][slot], &state_control(&rig.state, slot)->commit[0]);
}

static void arrive(uint32_t key, uint32_t number)
{
	uint32_t payload[4] = {key, number};

	rig_inject(&rig, 0, rig_frame(&rig, 0, payload, sizeof(payload)));
	if (number % 16 == 0)
		turn();
}

/* Settles at most `most` entries; packets of `key` must come numbered from *next on. */
static void work(uint32_t slot, uint32_t most, uint32_t key, uint32_t *next)
{
	struct belt_consumer *c = &worker[slot];
	uint32_t count = belt_take(c, most);
	struct rte_mbuf *mbuf;

	for (uint32_t i = 0; i < count; i++) {
		struct belt_slot *entry = belt_slot_at(c, c->done + i);
		uint32_t payload[4];

		belt_verdict(c, c->done + i, BATON_NO_REPLY);
		if (entry->packet.kind != BELT_PACKET)
			continue;
		memcpy(payload, belt_slot_data(c, entry), sizeof(payload));
		if (payload[0] != key)
			continue;
		assert_int_equal(payload[1], *next);
		++*next;
	}
	belt_settle(c, c->done + count);
	turn();
	while (rte_ring_dequeue(rig.tx[0], (void **)&mbuf) == 0)
		rte_pktmbuf_free(mbuf);
}

/* Two keys whose packets are in bucket 0 and in bucket 1. */
static void find_keys(uint32_t key[BUCKETS])
{
	uint32_t found = 0;

	for (uint32_t k = 1; found != 3; k++) {
		uint64_t before = rig.dp->io[0]->slot[0].belt.offered;

		arrive(k, 0);
		assert_int_equal(rig.dp->io[0]->slot[0].belt.offered, before + 1);
		uint32_t bucket = rig.dp->io[0]->slot[0].belt.shadow[before & BELT_MASK].bucket;
		key[bucket] = k;
		found |= 1u << bucket;
	}
}

/* As work(), for packets of which some may be missing. Returns how many there were. */
static uint32_t work_in_order(uint32_t slot, uint32_t most, uint32_t key, uint32_t *next)
{
	struct belt_consumer *c = &worker[slot];
	uint32_t count = belt_take(c, most), seen = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct belt_slot *entry = belt_slot_at(c, c->done + i);
		uint32_t payload[4];

		belt_verdict(c, c->done + i, BATON_NO_REPLY);
		if (entry->packet.kind != BELT_PACKET)
			continue;
		memcpy(payload, belt_slot_data(c, entry), sizeof(payload));
		if (payload[0] != key)
			continue;
		assert_true(payload[1] >= *next);
		*next = payload[1] + 1;
		seen++;
	}
	belt_settle(c, c->done + count);
	turn();
	return seen;
}

/* Worker 0 has bucket 0, worker 1 has bucket 1. */
static void set_up_two(uint32_t key[BUCKETS])
{
	uint32_t none = 0;
	uint64_t map = 2;
	struct move_report report;

	rig_create(&rig, 1, 2, BUCKETS);
	attach(0);
	attach(1);
	int id = datapath_move(rig.dp, &(struct move_order){.from = SLOT_NONE, .to = 0});
	turn();
	work(0, BELT_SLOTS, 0, &none);
	assert_true(datapath_move_done(rig.dp, id, &report));
	find_keys(key);
	work(0, BELT_SLOTS, 0, &none);
	id = datapath_move(rig.dp, &(struct move_order){.from = 0, .to = 1, .map = &map});
	turn();
	work(1, BELT_SLOTS, 0, &none); /* it is awake */
	work(0, BELT_SLOTS, 0, &none);
	assert_true(datapath_move_done(rig.dp, id, &report));
}

/* A new owner that has so much to do is not waited for long. */
static void wait_for_parking(void)
{
	for (uint64_t turns = 0; STEER_LIST(rig.dp->io[0]->steering[0].entry[0]) == 0; turns++) {
		assert_true(turns < 10000000);
		turn();
	}
	turn();
}

static void what_waits_for_a_full_belt_goes_before_what_comes(void **state)
{
	uint32_t key[BUCKETS], none = 0, next = 0;
	uint64_t map = 1;
	struct move_report report;

	(void)state;
	set_up_two(key);
	/* worker 1 is slow: its belt is full of packets of bucket 1, when bucket 0 moves to it */
	for (uint32_t i = 0; belt_room(&rig.dp->io[0]->slot[1].belt) != 0; i++)
		arrive(key[1], i);
	turn();
	int id = datapath_move(rig.dp, &(struct move_order){.from = 0, .to = 1, .map = &map});
	wait_for_parking();
	for (uint32_t i = 0; i < PARKED; i++)
		arrive(key[0], i);
	turn();
	work(0, BELT_SLOTS, 0, &none); /* the revoke */
	assert_int_equal(rig.dp->io[0]->ledger.pending, PARKED);
	for (uint32_t i = PARKED; i < PARKED + LATER; i++) {
		arrive(key[0], i);
		work(1, 7, key[0], &next);
	}
	for (uint32_t i = 0; i < 100; i++)
		work(1, 256, key[0], &next);
	assert_int_equal(next, PARKED + LATER);
	assert_true(datapath_move_done(rig.dp, id, &report));
	rig_destroy(&rig);
}

/* A flood: 32 packets come for every 16 that the new owner takes. What it cannot take is dropped and counted, as
 * it would be without a move; and the move ends. */
static void a_move_ends_under_more_than_the_new_owner_can_take(void **state)
{
	uint32_t key[BUCKETS], none = 0, next = 0, number = 0, taken = 0, after, turns = 0;
	uint64_t map = 1, ns = 1000000000000ull;
	struct move_report report;

	(void)state;
	set_up_two(key);
	rig.dp->io[0]->pending_room[0] = 1000;
	const struct CoreStats *page = stats_io(&rig.stats, 0);
	for (uint32_t i = 0; belt_room(&rig.dp->io[0]->slot[1].belt) != 0; i++)
		arrive(key[1], i);
	turn();
	uint64_t before = page->drop[DROP_pending_full] + page->drop[DROP_belt_full];
	int id = datapath_move(rig.dp, &(struct move_order){.from = 0, .to = 1, .map = &map});
	wait_for_parking();
	while (number < 64)
		arrive(key[0], number++);
	work(0, BELT_SLOTS, 0, &none); /* the revoke */
	assert_false(datapath_move_done(rig.dp, id, &report));
	while (!datapath_move_done(rig.dp, id, &report)) {
		assert_true(turns++ < 1000);
		rig_time(&rig, ns += 10000000);
		for (uint32_t i = 0; i < 32; i++)
			arrive(key[0], number++);
		taken += work_in_order(1, 16, key[0], &next);
	}
	assert_false(report.failed);
	while ((after = belt_take(&worker[1], 256)) != 0)
		taken += work_in_order(1, after, key[0], &next);
	assert_int_equal(taken + page->drop[DROP_pending_full] + page->drop[DROP_belt_full] - before, number);
	/* and what comes now is taken */
	arrive(key[0], number);
	turn();
	assert_int_equal(work_in_order(1, 256, key[0], &next), 1);
	rig_destroy(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_move_ends_under_more_than_the_new_owner_can_take),
		cmocka_unit_test(what_waits_for_a_full_belt_goes_before_what_comes),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
