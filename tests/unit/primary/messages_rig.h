/* A data path with an I/O lcore and three workers that the test plays by hand: for tests of what entries have sent.
 * Worker 0 owns the buckets below 32, worker 1 the others. */
#ifndef BATON_TEST_MESSAGES_RIG_H
#define BATON_TEST_MESSAGES_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "belt_consumer.h"
#include "checksum.h"
#include "datapath_rig.h"

#define BUCKETS 64u

static struct rig rig;
static struct belt_consumer worker[3];

static inline void turn(void)
{
	for (uint32_t i = 0; i < 200; i++)
		io_turn(rig.dp->io[0]);
}

static inline void attach(uint32_t slot)
{
	datapath_slot_attach(rig.dp, slot, 0);
	while (!datapath_slot_attached(rig.dp, slot))
		io_turn(rig.dp->io[0]);
	belt_consumer_init(&worker[slot], rig.belt[0][slot], &state_control(&rig.state, slot)->commit[0]);
}

/* Settles all that the worker has been offered; returns how many messages were among it, their first bytes in
 * `seen`. */
static inline uint32_t settle_all(uint32_t slot, uint8_t *seen)
{
	struct belt_consumer *c = &worker[slot];
	uint32_t count = belt_take(c, BELT_SLOTS), messages = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct belt_slot *entry = belt_slot_at(c, c->done + i);

		belt_verdict(c, c->done + i, entry->packet.kind == BELT_PACKET ? baton_reply(4) : BATON_NO_REPLY);
		if (entry->packet.kind == BELT_MESSAGE)
			seen[messages++] = belt_slot_data(c, entry)[0];
	}
	belt_settle(c, c->done + count);
	return count == 0 ? 0 : messages;
}

static inline void move_of(uint32_t service, uint32_t from, uint32_t to, const uint64_t *map)
{
	uint8_t seen[BELT_SLOTS];
	struct move_report report;
	int id = datapath_move(rig.dp, &(struct move_order){.service = service, .from = from, .to = to, .map = map});

	assert_true(id > 0);
	for (uint32_t turns = 0; !datapath_move_done(rig.dp, id, &report); turns++) {
		assert_true(turns < 10000);
		io_turn(rig.dp->io[0]);
		for (uint32_t i = 0; i < 3; i++)
			if (rig.dp->io[0]->slot[i].attached)
				settle_all(i, seen);
	}
	assert_false(report.failed);
}

static inline void move(uint32_t from, uint32_t to, const uint64_t *map)
{
	move_of(0, from, to, map);
}

static inline void set_up_services(uint32_t services)
{
	uint64_t low = 0xffffffffull, high = ~low;
	uint8_t seen[BELT_SLOTS];

	rig_create_services(&rig, 1, 3, BUCKETS, services);
	attach(0);
	attach(1);
	move(SLOT_NONE, 0, &low);
	move(SLOT_NONE, 1, &high);
	turn();
	settle_all(0, seen);
	settle_all(1, seen);
	turn();
}

static inline int set_up(void **state)
{
	(void)state;
	set_up_services(1);
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	rig_destroy(&rig);
	return 0;
}

/* Gives worker `slot` a packet of one of its buckets; it waits in the belt, and so do packets of others on the way. */
static inline void offer_one(uint32_t slot)
{
	uint32_t at = belt_take(&worker[slot], BELT_SLOTS);

	for (uint32_t key = 0; belt_take(&worker[slot], BELT_SLOTS) == at; key++) {
		rig_inject(&rig, 0, rig_frame(&rig, 0, &key, sizeof(key)));
		turn();
	}
}

static inline struct belt_out_cell *cell(uint32_t slot, uint8_t kind)
{
	struct belt_consumer *c = &worker[slot];
	struct belt_out_cell *out = belt_out_next(c);

	memset(out, 0, sizeof(*out));
	out->cause = c->done;
	out->kind = kind;
	out->len = 16;
	c->filled++;
	return out;
}

/* Worker `slot` handles its next entry, having posted `count` messages to `bucket` that begin with first, first + 1,
 * ... */
static inline void post(uint32_t slot, uint32_t count, uint32_t bucket, uint8_t first)
{
	struct belt_consumer *c = &worker[slot];

	for (uint32_t i = 0; i < count; i++) {
		struct belt_out_cell *out = cell(slot, BELT_OUT_MESSAGE);
		out->bucket = bucket;
		memset(out->data, first + (int)i, 16);
	}
	belt_verdict(c, c->done, baton_reply(4));
	belt_settle(c, c->done + 1);
}

static inline const struct CoreStats *page(void)
{
	return stats_io(&rig.stats, 0);
}

#endif
