/* Mirror: what production has settled is copied to the shadows in step with it. See mirror.h; mirror_compare.c has what
 * becomes of the copies. */
#include "lcore.h"
#include "mirror_parts.h"
#include "way_back.h"

/* ---- in step, out of step ---- */

void mirror_leave_step(struct mirror *m, uint32_t s, struct mirror_bucket *bucket)
{
	if ((bucket->in_step >> s & 1u) == 0)
		return;
	bucket->in_step &= (uint8_t)~(1u << s);
	stats_add(&m->side[s].counts.left_step, 1);
	m->side[s].counts.in_step--;
}

static void enter_step(struct mirror *m, struct mirror_bucket *bucket, uint32_t sides)
{
	for (uint32_t s = 0; s < SHADOW_SIDES; s++)
		m->side[s].counts.in_step += (sides & ~bucket->in_step) >> s & 1u;
	bucket->in_step |= (uint8_t)sides;
}

static void drop_copy(struct mirror *m, uint32_t s, struct mirror_bucket *bucket)
{
	stats_add(&m->side[s].counts.dropped, 1);
	if (!BATON_SABOTAGE(dropped_copy_stays_in_step))
		mirror_leave_step(m, s, bucket);
}

/* In one piece, so that it can be compared and copied as one. */
bool mirror_ring_take(struct mirror_side *side, uint32_t bytes, uint32_t *at)
{
	uint64_t head = side->ring_head;

	if (head % MIRROR_RING + bytes > MIRROR_RING)
		head += MIRROR_RING - head % MIRROR_RING;
	if (head + bytes - side->ring_tail > MIRROR_RING)
		return false;
	side->ring_head = head + bytes;
	*at = (uint32_t)(head % MIRROR_RING);
	return true;
}

/* ---- cells ---- */

static uint64_t mix(uint64_t hash, const void *data, uint32_t len)
{
	const uint8_t *bytes = data;

	for (uint32_t i = 0; i < len; i += 8) {
		uint64_t word = 0;

		memcpy(&word, bytes + i, len - i < 8 ? len - i : 8);
		hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
		hash ^= hash >> 29;
	}
	return hash;
}

/* A worker that writes on meanwhile makes a difference of it, and no more than that. */
void mirror_cells(struct mirror_cells *cells, uint64_t cause, struct mirror_outcome *out)
{
	for (; cells->left != 0; cells->left--, cells->at++) {
		const struct belt_out_cell *cell = &cells->belt->belt->out[cells->at % BELT_OUT_CELLS];
		uint64_t its = *(const volatile uint64_t *)&cell->cause;
		uint32_t len = *(const volatile uint16_t *)&cell->len;

		if (its > cause)
			return;
		if (its < cause)
			continue;
		out->cells++;
		out->cells_hash = mix(out->cells_hash, &cell->len, offsetof(struct belt_out_cell, data) - sizeof(cell->cause));
		out->cells_hash = mix(out->cells_hash, cell->data, len < sizeof(cell->data) ? len : sizeof(cell->data));
	}
}

struct mirror_outcome mirror_outcome(uint32_t verdict, uint32_t request_len)
{
	struct mirror_outcome out = {.verdict = verdict & 0xffffu};
	uint32_t len = verdict >> 16;

	if (out.verdict == BATON_REPLY || out.verdict == BATON_REPLY_ERROR)
		out.len = len < request_len ? len : request_len;
	return out;
}

/* ---- copies ---- */

struct settled {
	const struct belt_shadow *shadow;
	const uint8_t *payload, *reply;
	struct belt_peer peer;
	struct mirror_outcome outcome;
};

static bool copy_entry(struct io_lcore *io, struct mirror *m, uint32_t s, const struct settled *e)
{
	struct mirror_side *side = &m->side[s];
	struct mirror_bucket *bucket = &m->bucket[e->shadow->bucket];
	struct slot_view *view = &io->slot[side->slot];
	struct belt_shadow entry = *e->shadow; /* its time above all: the seed comes from it */
	uint32_t at;

	if (m->credit == 0 || !belt_fits(&view->belt, entry.len, false) ||
	    !mirror_ring_take(side, entry.len + e->outcome.len, &at))
		return false;
	struct mirror_node *node = &side->node[view->belt.offered & BELT_MASK];
	*node = (struct mirror_node){
		.production = e->outcome, .request_at = at, .reply_at = at + entry.len, .ring_end = side->ring_head,
		.len = entry.len, .epoch = bucket->epoch[s], .kind = entry.kind,
	};
	memcpy(side->ring + at, e->payload, entry.len);
	memcpy(side->ring + at + entry.len, e->reply, e->outcome.len);
	entry.cookie = NULL; /* the frame is production's */
	entry.attempts = entry.blame = 0;
	belt_offer(&view->belt, &entry, e->peer, e->payload);
	bucket->last[s] = view->belt.offered;
	io->dirty |= 1ull << side->slot;
	stats_add(&side->counts.mirrored, 1);
	return true;
}

static void mirror_entry(struct io_lcore *io, struct mirror *m, struct settled *e)
{
	struct mirror_bucket *bucket = &m->bucket[e->shadow->bucket];

	if (e->shadow->kind == BELT_PACKET) {
		const uint8_t *frame = rte_pktmbuf_mtod((struct rte_mbuf *)e->shadow->cookie, const uint8_t *);

		e->payload = frame + e->shadow->data_at;
		e->peer = peer_of(e->shadow, frame);
	} else {
		e->payload = ((const struct message *)e->shadow->cookie)->data;
		e->peer = (struct belt_peer){{0}};
	}
	for (uint32_t s = 0; s < SHADOW_SIDES; s++)
		if ((bucket->in_step >> s & 1u) != 0 && !copy_entry(io, m, s, e))
			drop_copy(m, s, bucket);
	m->credit -= m->credit != 0;
}

/* ---- ticks ---- */

/* The buckets of the group that this worker has just run the tick for, and that are in step. What cannot be told leaves:
 * a bucket that changes hands, or one that has not seen the number yet. */
static uint32_t ticked(struct io_lcore *io, struct mirror *m, uint32_t s, uint32_t slot, struct belt_shadow_tick *tick)
{
	const struct steering *steering = &io->steering[m->service];
	const struct bucket_word *words = state_words(io->dp->setup.state, m->group);
	uint32_t groups = tick->tick.groups, count = 0;

	memset(tick->map, 0, sizeof(tick->map));
	for (uint32_t i = 0, b = tick->tick.group; b < m->buckets; i++, b += groups) {
		struct mirror_bucket *bucket = &m->bucket[b];
		uint32_t entry = steering->entry[b];

		if ((bucket->in_step >> s & 1u) == 0 || (STEER_LIST(entry) == 0 && STEER_SLOT(entry) != slot))
			continue;
		/* nobody runs a tick of the bucket before this entry has been reaped */
		if (STEER_LIST(entry) != 0 || *(const volatile uint64_t *)&words[b].last_tick < tick->tick.number) {
			mirror_leave_step(m, s, bucket);
			continue;
		}
		tick->map[i / 8] |= (uint8_t)(1u << i % 8);
		count++;
	}
	return count;
}

static bool copy_tick(struct io_lcore *io, struct mirror *m, uint32_t s, const struct belt_shadow_tick *tick,
		      const struct belt_shadow *shadow)
{
	struct mirror_side *side = &m->side[s];
	struct slot_view *view = &io->slot[side->slot];
	uint32_t bytes = (m->buckets / tick->tick.groups + 7) / 8;
	struct belt_shadow entry = {
		.time_ns = shadow->time_ns, .move = tick->tick.group, .kind = BELT_SHADOW_TICK, .service = shadow->service,
		.len = (uint16_t)(offsetof(struct belt_shadow_tick, map) + bytes),
	};

	if (m->credit == 0 || !belt_fits(&view->belt, entry.len, false))
		return false;
	side->node[view->belt.offered & BELT_MASK] = (struct mirror_node){.ring_end = side->ring_head, .kind = BELT_TICK};
	belt_offer(&view->belt, &entry, (struct belt_peer){{0}}, (const uint8_t *)tick);
	io->dirty |= 1ull << side->slot;
	stats_add(&side->counts.mirrored, 1);
	return true;
}

static void mirror_tick(struct io_lcore *io, struct mirror *m, uint32_t slot, const struct belt_shadow *shadow,
			const uint8_t *data)
{
	struct belt_shadow_tick *tick = (void *)io->control;
	uint32_t groups = io->steering[m->service].ticks.groups;

	memcpy(&tick->tick, data, sizeof(tick->tick));
	/* the worker may have written there: what we go by is our own */
	tick->tick.group = shadow->move;
	tick->tick.groups = groups;
	if (groups == 0)
		return;
	for (uint32_t s = 0; s < SHADOW_SIDES; s++) {
		if (m->side[s].slot == SLOT_NONE || ticked(io, m, s, slot, tick) == 0)
			continue;
		bool copied = copy_tick(io, m, s, tick, shadow);
		for (uint32_t i = 0, b = shadow->move; b < m->buckets; i++, b += groups) {
			if ((tick->map[i / 8] >> i % 8 & 1u) == 0)
				continue;
			if (copied)
				m->bucket[b].last[s] = io->slot[m->side[s].slot].belt.offered;
			else
				drop_copy(m, s, &m->bucket[b]);
		}
	}
	m->credit -= m->credit != 0;
}

/* ---- snapshots ---- */

static void snapshot_reaped(struct mirror *m, uint32_t slot, uint64_t position, const struct belt_shadow *shadow,
			    uint32_t verdict)
{
	struct mirror_bucket *bucket = &m->bucket[shadow->bucket];
	uint32_t sides = bucket->asked;

	if (sides == 0 || bucket->slot != slot || bucket->asked_at != position)
		return; /* of a mirror before this one, or of a side that has died meanwhile */
	bucket->asked = 0;
	if (verdict != SNAPSHOT_COPIED)
		return;
	enter_step(m, bucket, sides);
}

/* Sides that lack the bucket and have settled all that they ever had of it. */
static uint32_t sides_to_ask(const struct io_lcore *io, const struct mirror *m, const struct mirror_bucket *bucket)
{
	uint32_t sides = 0;

	for (uint32_t s = 0; s < SHADOW_SIDES; s++) {
		const struct mirror_side *side = &m->side[s];

		if (side->slot != SLOT_NONE && (bucket->in_step >> s & 1u) == 0 &&
		    io->slot[side->slot].belt.reaped >= bucket->last[s])
			sides |= 1u << s;
	}
	return sides;
}

static bool ask(struct io_lcore *io, struct mirror *m, uint32_t b)
{
	struct mirror_bucket *bucket = &m->bucket[b];
	uint32_t owner = io->steering[m->service].entry[b];

	if (!bucket->wanted)
		return false;
	if (bucket->asked != 0 && io->slot[bucket->slot].belt.reaped <= bucket->asked_at)
		return false;
	bucket->asked = 0; /* else it has gone with the belt of a worker that died */
	uint32_t sides = sides_to_ask(io, m, bucket);
	/* No list: it neither moves nor waits. The reserve is for revokes and grants. */
	if (sides == 0 || owner >= SLOT_NONE || (io->attached >> owner & 1u) == 0 ||
	    belt_room(&io->slot[owner].belt) == 0)
		return false;
	struct belt_snapshot order = {.bucket = b, .sides = sides};
	if (!offer_control(io, owner, BELT_SNAPSHOT, sides, &order, sizeof(order)))
		return false;
	struct belt_producer *belt = &io->slot[owner].belt;
	bucket->asked = (uint8_t)sides;
	bucket->slot = (uint8_t)owner;
	bucket->asked_at = belt->offered - 1;
	belt->shadow[bucket->asked_at & BELT_MASK].bucket = (uint16_t)b;
	if (BATON_SABOTAGE(in_step_before_its_snapshot)) {
		enter_step(m, bucket, sides);
		bucket->asked = 0;
	}
	return true;
}

void mirror_ask(struct io_lcore *io, struct mirror *m)
{
	if (io->now_ns - m->asked_ns < MIRROR_SNAPSHOT_NS)
		return;
	for (uint32_t n = 0; n < MIRROR_LOOK && n < m->buckets; n++) {
		uint32_t b = m->next_bucket;

		m->next_bucket = b + 1 == m->buckets ? 0 : b + 1;
		if (ask(io, m, b)) {
			m->asked_ns = io->now_ns;
			return;
		}
	}
}

/* ---- at reap ---- */

bool mirror_is_full(const struct io_lcore *io, const struct mirror *m)
{
	for (uint32_t s = 0; s < SHADOW_SIDES; s++)
		if (m->side[s].slot != SLOT_NONE && belt_room(&io->slot[m->side[s].slot].belt) < REAP_MOST)
			return true;
	return false;
}

void mirror_settled(struct io_lcore *io, uint32_t slot, uint32_t count, uint32_t cells)
{
	struct slot_view *view = &io->slot[slot];
	struct mirror_cells out = {&view->belt, view->belt.out_reaped, cells};
	struct mirror *m = view->mirror;
	uint32_t longs = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct settled e;
		uint32_t verdict;

		e.shadow = belt_settled_at(&view->belt, i, &longs, &verdict, &e.reply);
		if (e.shadow->service != m->service)
			continue;
		if (e.shadow->kind == BELT_SNAPSHOT) {
			snapshot_reaped(m, slot, view->belt.reaped + i, e.shadow, verdict);
		} else if (e.shadow->kind == BELT_TICK) {
			mirror_tick(io, m, slot, e.shadow, e.reply);
		} else if (e.shadow->kind == BELT_PACKET || e.shadow->kind == BELT_MESSAGE) {
			if (baton_likely(m->bucket[e.shadow->bucket].in_step == 0))
				continue;
			e.outcome = mirror_outcome(verdict, e.shadow->len);
			mirror_cells(&out, view->belt.reaped + i, &e.outcome);
			mirror_entry(io, m, &e);
		}
	}
}
