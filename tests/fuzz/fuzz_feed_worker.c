/* Workers of fuzz_feed.c: what they make of an entry depends on all that they have made of the bucket before, so that a
 * copy that is missing, or in the wrong place, shows in the next reply. They go by the primary's own copy of an entry,
 * never by what an input may have written over it. */
#include "fuzz_feed.h"

#include <string.h>

#define SOMEONE 0x0900000au
#define DEVICE  0x409cu

static uint64_t *state_of(uint32_t slot, uint32_t bucket)
{
	return slot < CANDIDATE ? &model.made[bucket] : &model.copy[slot - CANDIDATE][bucket];
}

static uint64_t next_state(uint32_t slot, uint32_t bucket, uint64_t time_ns, uint64_t what)
{
	uint64_t *state = state_of(slot, bucket);

	*state = (*state ^ what) * 6364136223846793005ull + time_ns;
	return *state;
}

static void cell(struct belt_consumer *c, uint64_t position, bool message, uint32_t bucket, uint64_t state)
{
	struct belt_out_cell *out = belt_out_next(c);

	memset(out, 0, offsetof(struct belt_out_cell, data));
	out->cause = position;
	out->len = 16;
	out->kind = message ? BELT_OUT_MESSAGE : BELT_OUT_PACKET;
	out->bucket = message ? wanted((uint32_t)(state >> 32)) : bucket;
	if (message)
		out->from = bucket;
	else
		out->to = (struct baton_peer){.ip = SOMEONE, .udp_port = DEVICE, .mac = {2, 0, 0, 0, 0, 2}};
	memset(out->data, 0, 16);
	memcpy(out->data, &state, sizeof(state));
	c->filled++;
}

static baton_verdict packet(uint32_t slot, uint64_t position, struct belt_consumer *c, const struct belt_shadow *e,
			    uint8_t *data)
{
	struct fuzz_request r;

	memcpy(&r, data, LEAST);
	r.state = next_state(slot, e->bucket, e->time_ns, r.number);
	if (slot == HONEST && r.number < REQUESTS) {
		model.told[r.number] = r.state;
		model.is_told[r.number] = (r.what & WHAT_NONE) == 0;
		model.answered_odd += (r.what & WHAT_NONE) != 0 && e->bucket % 2 == 1;
	}
	if (slot == CANDIDATE && model.differ != 0)
		r.state++;
	memcpy(data, &r, LEAST);
	if (r.what & WHAT_POST)
		cell(c, position, true, e->bucket, r.state);
	if (r.what & WHAT_SEND)
		cell(c, position, false, e->bucket, r.state);
	uint16_t len = r.number % 2 ? e->len : LEAST;
	return r.what & WHAT_NONE ? BATON_NO_REPLY : r.what & WHAT_ERROR ? baton_reply_error(len) : baton_reply(len);
}

/* Numbers of one bucket, in one go. */
static void tick_bucket(uint32_t slot, uint64_t position, struct belt_consumer *c, uint32_t bucket, uint64_t time_ns,
			uint64_t numbers)
{
	uint64_t state = next_state(slot, bucket, time_ns, numbers);

	if (state >> 62 == 1)
		cell(c, position, false, bucket, state);
	if (state >> 62 == 2)
		cell(c, position, true, bucket, state);
}

static baton_verdict tick(uint32_t slot, uint64_t position, struct belt_consumer *c, const struct belt_shadow *e,
			  uint8_t *data)
{
	uint64_t number, from = UINT64_MAX;
	uint8_t map[2] = {0}; /* those that ran the numbers behind `from`; others */

	memcpy(&number, data, sizeof(number));
	for (uint32_t nth = 0; nth < 2; nth++) {
		uint32_t bucket = e->move % 64 + nth * 64;

		if (w->owned[slot][bucket] == 0 || model.ticked[bucket] >= number)
			continue;
		from = from == UINT64_MAX ? model.ticked[bucket] : from;
		map[from != model.ticked[bucket]] |= (uint8_t)(1u << nth);
		tick_bucket(slot, position, c, bucket, e->time_ns, number - model.ticked[bucket]);
		model.ticked[bucket] = number;
	}
	if (slot == LIAR && model.names != 0) {
		from = number - 1;
		map[0] = model.names & 3;
		map[1] = model.names >> 2 & 3;
	}
	if (e->len > sizeof(struct belt_tick)) {
		uint8_t *told = data + sizeof(struct belt_tick);

		memcpy(told, &from, sizeof(from));
		memcpy(told + sizeof(from), map, sizeof(map));
	}
	return BATON_NO_REPLY;
}

static baton_verdict shadow_tick(uint32_t slot, uint64_t position, struct belt_consumer *c,
				 const struct belt_shadow *e, const uint8_t *data)
{
	struct belt_shadow_tick t;

	memcpy(&t, data, offsetof(struct belt_shadow_tick, map) + 1);
	for (uint32_t nth = 0; nth < 2; nth++)
		if (t.map[0] >> nth & 1u)
			tick_bucket(slot, position, c, e->move % 64 + nth * 64, e->time_ns, t.tick.number - t.from);
	return BATON_NO_REPLY;
}

/* A liar copies its own alone: what else it could reach is not promised. */
static baton_verdict snapshot(uint32_t slot, const uint8_t *data)
{
	struct belt_snapshot order;

	memcpy(&order, data, sizeof(order));
	uint32_t bucket = order.bucket % BUCKETS;
	if (slot == LIAR && bucket % 2 == 1)
		return BATON_NO_REPLY;
	for (uint32_t s = 0; s < 2; s++)
		if (order.sides >> s & 1u)
			model.copy[s][bucket] = model.made[bucket];
	if (order.sides & 2u)
		model.known[bucket] = slot == HONEST || !model.lied;
	return SNAPSHOT_COPIED;
}

static void owns(uint32_t slot, uint32_t lcore, const uint8_t *data, bool granted)
{
	struct belt_buckets which;

	memcpy(&which, data, sizeof(which));
	for (uint32_t i = 0; i < which.count && i < BUCKETS; i++) {
		uint32_t bucket = (which.first + i) % BUCKETS;

		if ((slot == LIAR && bucket % 2 == 1) || (!which.all && !(data[sizeof(which) + i / 8] >> i % 8 & 1u)))
			continue;
		w->owned[slot][bucket] &= (uint8_t)~(1u << lcore);
		w->owned[slot][bucket] |= (uint8_t)(granted << lcore);
	}
}

/* The control is honest: it says that they differ. */
static baton_verdict judge(uint32_t slot, uint8_t *data)
{
	uint32_t differ = model.differ > 250 ? COMPARE_IMPOSSIBLE : model.differ - 1u;
	struct belt_compared answer = {.differ = slot == CONTROL ? 1 : differ, .listed = model.listed};

	memset(answer.field, model.listed ^ 0x55, sizeof(answer.field));
	memcpy(data, &answer, sizeof(answer));
	return BATON_NO_REPLY;
}

static baton_verdict handle(uint32_t slot, uint32_t lcore, uint64_t position)
{
	struct belt_consumer *c = &w->worker[slot][lcore];
	const struct belt_shadow *e = &io_of(lcore)->slot[slot].belt.shadow[position & BELT_MASK];
	struct belt_slot *entry = belt_slot_at(c, position);

	if (entry->packet.flags > BELT_LONG || (entry->packet.flags == BELT_LONG && entry->packet.cell >= BELT_LONG_CELLS))
		return BATON_NO_REPLY; /* written over */
	uint8_t *data = belt_slot_data(c, entry);
	switch (e->kind) {
	case BELT_PACKET: return packet(slot, position, c, e, data);
	case BELT_MESSAGE: return next_state(slot, e->bucket, e->time_ns, data[0] + 1000u), BATON_NO_REPLY;
	case BELT_TICK: return slot < CANDIDATE ? tick(slot, position, c, e, data) : BATON_NO_REPLY;
	case BELT_SHADOW_TICK: return shadow_tick(slot, position, c, e, data);
	case BELT_SNAPSHOT: return slot < CANDIDATE ? snapshot(slot, data) : BATON_NO_REPLY;
	case BELT_COMPARE: return slot >= CANDIDATE ? judge(slot, data) : BATON_NO_REPLY;
	case BELT_GRANT:
	case BELT_REVOKE:
		if (slot < CANDIDATE)
			owns(slot, lcore, data, e->kind == BELT_GRANT);
		return BATON_NO_REPLY;
	default: return BATON_NO_REPLY;
	}
}

uint32_t worker_burst(uint32_t slot, uint32_t lcore, uint32_t most)
{
	struct belt_consumer *c = &w->worker[slot][lcore];
	uint32_t count = 0, ready;

	if (!io_of(lcore)->slot[slot].attached) /* dead */
		return 0;
	ready = belt_take(c, most < BATON_BURST ? most : BATON_BURST);
	if (ready == 0)
		return 0;
	w->bursts[slot]++;
	for (; count < ready && belt_out_room(c, 4); count++) {
		uint64_t position = c->done + count;

		if (slot < CANDIDATE)
			c->belt->stamp[position & BELT_MASK] =
				(uint32_t)w->bursts[slot] + (slot == LIAR ? (uint32_t)model.skew : 0);
		belt_verdict(c, position, handle(slot, lcore, position));
	}
	belt_settle(c, c->done + count);
	if (slot < CANDIDATE && !(slot == LIAR && model.uncounted))
		/* release: as the worker's own loop */
		atomic_store_explicit(&w->rig.belt[0][slot]->bursts, w->bursts[slot], memory_order_release);
	if (slot == LIAR)
		model.uncounted = false;
	return count;
}

void worker_comes(uint32_t slot)
{
	for (uint32_t l = 0; l < w->lcores; l++)
		belt_consumer_init(&w->worker[slot][l], w->rig.belt[l][slot],
				   &state_control(&w->rig.state, slot)->commit[l]);
	w->bursts[slot] = atomic_load(&w->rig.belt[0][slot]->bursts) + 1;
	if (slot < CANDIDATE)
		memset(w->owned[slot], 0, sizeof(w->owned[slot]));
}
