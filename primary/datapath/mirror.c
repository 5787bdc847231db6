/* Mirror: what production has settled is copied to the shadows in step with it. See mirror.h; mirror_compare.c has what
 * becomes of the copies, mirror_tick.c ticks, feed.c several I/O lcores. */
#include "lcore.h"
#include "mirror_parts.h"
#include "way_back.h"

/* ---- in step, out of step ---- */

/* Whether the other lcores are to hand over what they reap of the bucket. Set before its snapshot is published: whoever
 * reaps an entry that was handled after the snapshot finds it. */
static void show_fed(struct mirror *m, const struct mirror_bucket *bucket)
{
	if (m->fed != NULL)
		atomic_store_explicit(&m->fed[bucket - m->bucket], (bucket->in_step | bucket->asked) != 0,
				      memory_order_relaxed);
}

void mirror_leave_step(struct mirror *m, uint32_t s, struct mirror_bucket *bucket)
{
	if ((bucket->in_step >> s & 1u) == 0)
		return;
	bucket->in_step &= (uint8_t)~(1u << s);
	stats_add(&m->side[s].counts.left_step, 1);
	m->side[s].counts.in_step--;
	show_fed(m, bucket);
}

void mirror_forget(struct mirror *m, struct mirror_bucket *bucket)
{
	for (uint32_t s = 0; s < SHADOW_SIDES; s++)
		mirror_leave_step(m, s, bucket);
	bucket->asked = 0;
	show_fed(m, bucket);
}

void mirror_records_change(struct io_lcore *io, const struct move *move)
{
	struct mirror *m = io->mirror[move->service];

	if (m == NULL || io->index != 0 || BATON_SABOTAGE(restored_bucket_stays_in_step))
		return;
	for (uint32_t b = 0; b < m->buckets; b++)
		if (move_has(move, b))
			mirror_forget(m, &m->bucket[b]);
}

static void enter_step(struct mirror *m, struct mirror_bucket *bucket, uint32_t sides)
{
	for (uint32_t s = 0; s < SHADOW_SIDES; s++)
		m->side[s].counts.in_step += (sides & ~bucket->in_step) >> s & 1u;
	bucket->in_step |= (uint8_t)sides;
}

void mirror_drop_copy(struct mirror *m, uint32_t s, struct mirror_bucket *bucket)
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

const struct belt_out_cell *mirror_cell(struct mirror_cells *cells, uint64_t cause)
{
	for (; cells->left != 0; cells->left--, cells->at++) {
		const struct belt_out_cell *cell = &cells->belt->belt->out[cells->at % BELT_OUT_CELLS];
		uint64_t its = *(const volatile uint64_t *)&cell->cause;

		if (its > cause)
			return NULL;
		if (its == cause)
			return cell;
	}
	return NULL;
}

/* A worker that writes on meanwhile makes a difference of it, and no more than that. */
void mirror_cells(struct mirror_cells *cells, uint64_t cause, struct mirror_outcome *out)
{
	const struct belt_out_cell *cell;

	for (; (cell = mirror_cell(cells, cause)) != NULL; cells->left--, cells->at++) {
		uint32_t len = *(const volatile uint16_t *)&cell->len;

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

/* Where request and way back stand: with what production still has. */
static void look(struct settled *e)
{
	if (e->shadow->kind == BELT_PACKET) {
		const uint8_t *frame = rte_pktmbuf_mtod((struct rte_mbuf *)e->shadow->cookie, const uint8_t *);

		e->payload = frame + e->shadow->data_at;
		e->peer = peer_of(e->shadow, frame);
	} else {
		e->payload = ((const struct message *)e->shadow->cookie)->data;
		e->peer = (struct belt_peer){{0}};
	}
}

void mirror_entry(struct io_lcore *io, struct mirror *m, const struct settled *e)
{
	struct mirror_bucket *bucket = &m->bucket[e->shadow->bucket];

	for (uint32_t s = 0; s < SHADOW_SIDES; s++)
		if ((bucket->in_step >> s & 1u) != 0 && !copy_entry(io, m, s, e))
			mirror_drop_copy(m, s, bucket);
	m->credit -= m->credit != 0;
}

/* ---- snapshots ---- */

void mirror_snapshot_reaped(struct mirror *m, uint32_t slot, uint64_t position, uint32_t b, uint32_t verdict)
{
	struct mirror_bucket *bucket = &m->bucket[b];
	uint32_t sides = bucket->asked;

	if (sides == 0 || bucket->slot != slot || bucket->asked_at != position)
		return; /* of a mirror before this one, or of a side that has died meanwhile */
	bucket->asked = 0;
	if (verdict == SNAPSHOT_COPIED)
		enter_step(m, bucket, sides);
	show_fed(m, bucket);
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

/* Several lcores: what it is in step with is another worker's, or has lost something. */
static void look_at_feeds(struct mirror *m, struct mirror_bucket *bucket, uint32_t owner)
{
	uint32_t lost = feed_lost(m, (uint32_t)(bucket - m->bucket));

	if (bucket->slot != owner || bucket->lost != lost)
		mirror_forget(m, bucket);
	bucket->lost = lost;
}

static bool ask(struct io_lcore *io, struct mirror *m, uint32_t b)
{
	struct mirror_bucket *bucket = &m->bucket[b];
	uint32_t owner = io->steering[m->service].entry[b];

	if (!bucket->wanted || bucket->asked != 0)
		return false;
	/* No list: it neither moves nor waits. The reserve is for revokes and grants. */
	if (owner >= SLOT_NONE || (io->attached >> owner & 1u) == 0 || belt_room(&io->slot[owner].belt) == 0)
		return false;
	if (m->lcores > 1) {
		if (!feed_is_stamped(m, owner))
			return false;
		look_at_feeds(m, bucket, owner);
	}
	uint32_t sides = sides_to_ask(io, m, bucket);
	struct belt_snapshot order = {.bucket = b, .sides = sides};
	if (sides == 0 || !offer_control(io, owner, BELT_SNAPSHOT, sides, &order, sizeof(order)))
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
	show_fed(m, bucket);
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

static bool is_wanted(const struct mirror *m, uint32_t b)
{
	if (m->lcores == 1)
		return m->bucket[b].in_step != 0;
	/* relaxed: see show_fed(); `done` has been read */
	return atomic_load_explicit(&m->fed[b], memory_order_relaxed) != 0;
}

void mirror_settled(struct io_lcore *io, uint32_t slot, uint32_t count, uint32_t cells)
{
	struct slot_view *view = &io->slot[slot];
	struct mirror_cells out = {&view->belt, view->belt.out_reaped, cells};
	struct mirror *m = view->mirror;
	uint32_t longs = 0;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t position = view->belt.reaped + i;
		struct settled e;
		uint32_t verdict;

		e.shadow = belt_settled_at(&view->belt, i, &longs, &verdict, &e.reply);
		if (e.shadow->service != m->service)
			continue;
		if (e.shadow->kind == BELT_SNAPSHOT) {
			if (m->lcores > 1)
				feed_snapshot(io, m, slot, position, e.shadow, verdict);
			else
				mirror_snapshot_reaped(m, slot, position, e.shadow->bucket, verdict);
		} else if (e.shadow->kind == BELT_TICK) {
			uint32_t bytes = mirror_tick_look(io, m, slot, position, e.shadow, e.reply, &out);

			if (m->lcores > 1)
				feed_tick(io, m, slot, position, e.shadow, bytes);
			else
				mirror_tick(io, m, slot, m->scratch);
		} else if (e.shadow->kind == BELT_PACKET || e.shadow->kind == BELT_MESSAGE) {
			if (baton_likely(!is_wanted(m, e.shadow->bucket)))
				continue;
			look(&e);
			e.outcome = mirror_outcome(verdict, e.shadow->len);
			mirror_cells(&out, position, &e.outcome);
			if (m->lcores > 1)
				feed_entry(io, m, slot, position, &e);
			else
				mirror_entry(io, m, &e);
		}
	}
}

/* ---- a worker's end ---- */

/* Buckets of a tick that it may have begun: a journal that was full has settled some of them, which no entry tells. */
static void forget_open_ticks(const struct io_lcore *io, struct mirror *m, const struct belt_producer *belt)
{
	uint32_t groups = io->steering[m->service].ticks.groups;

	for (uint64_t at = belt->reaped; at != belt->offered && at != belt->reaped + BATON_BURST; at++) {
		const struct belt_shadow *shadow = &belt->shadow[at & BELT_MASK];

		if (shadow->kind == BELT_TICK && shadow->service == m->service)
			mirror_group_forgotten(m, shadow->move, groups);
	}
}

void mirror_owner_dies(struct io_lcore *io, uint32_t slot)
{
	const struct belt_producer *belt = &io->slot[slot].belt;
	struct mirror *m = io->slot[slot].mirror;

	if (m->lcores > 1)
		feed_owner_dies(io, m, slot);
	if (io->index != 0)
		return;
	for (uint32_t b = 0; b < m->buckets; b++) {
		struct mirror_bucket *bucket = &m->bucket[b];

		if (bucket->asked == 0 || bucket->slot != slot || bucket->asked_at < belt->reaped)
			continue;
		bucket->asked = 0; /* it has gone with the belt */
		show_fed(m, bucket);
	}
	forget_open_ticks(io, m, belt);
	/* It lied, and is reaped no further: what it has settled beyond that nobody knows. */
	for (uint32_t b = 0; io->slot[slot].fence && b < m->buckets; b++)
		mirror_forget(m, &m->bucket[b]);
}
