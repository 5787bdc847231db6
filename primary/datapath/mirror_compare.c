/* Mirror: what shadow workers made of their copies is compared, and forgotten. Which slot is which side's, and the end. */
#include "lcore.h"
#include "mirror_parts.h"
#include "outbound.h"

static bool is_reply(uint32_t verdict)
{
	return verdict == BATON_REPLY || verdict == BATON_REPLY_ERROR;
}

/* ---- a difference ---- */

/* Both sides of it, as far as they are shown. */
struct pair {
	const struct mirror_node *node;
	const struct belt_shadow *shadow;
	struct mirror_outcome made;
	const uint8_t *reply; /* the shadow's */
	const struct belt_compared *fields; /* NULL: bytes alone */
};

static uint32_t cut(uint32_t len)
{
	return len < MIRROR_BYTES ? len : MIRROR_BYTES;
}

struct mirror_sample *mirror_sample(struct mirror *m, uint32_t s)
{
	uint32_t head = atomic_load_explicit(&m->head, memory_order_relaxed);

	/* acquire: pairs with the release in control/shadow_show.c */
	if (head - atomic_load_explicit(&m->tail, memory_order_acquire) != MIRROR_SAMPLES)
		return &m->sample[head % MIRROR_SAMPLES];
	stats_add(&m->side[s].counts.untold, 1);
	return NULL;
}

void mirror_sample_told(struct mirror *m)
{
	/* release: pairs with the acquire in control/shadow_show.c */
	atomic_store_explicit(&m->head, atomic_load_explicit(&m->head, memory_order_relaxed) + 1, memory_order_release);
}

static void tell(struct mirror *m, uint32_t s, const struct pair *p)
{
	const struct mirror_side *side = &m->side[s];
	const struct mirror_node *node = p->node;
	struct mirror_sample *sample = mirror_sample(m, s);

	if (sample == NULL)
		return;
	sample->tick = sample->ordinal = 0;
	sample->time_ns = p->shadow->time_ns;
	sample->side = s;
	sample->bucket = p->shadow->bucket;
	sample->kind = node->kind;
	sample->request_len = node->len;
	sample->reply_len[0] = node->production.len;
	sample->reply_len[1] = p->made.len;
	sample->verdict[0] = node->production.verdict;
	sample->verdict[1] = p->made.verdict;
	sample->cells[0] = node->production.cells;
	sample->cells[1] = p->made.cells;
	sample->cells_differ = node->production.cells != p->made.cells || node->production.cells_hash != p->made.cells_hash;
	memcpy(sample->request, side->ring + node->request_at, cut(node->len));
	memcpy(sample->reply[0], side->ring + node->reply_at, cut(node->production.len));
	memcpy(sample->reply[1], p->reply, cut(p->made.len));
	sample->digested = p->fields != NULL;
	sample->fields = p->fields != NULL ? p->fields->differ : 0;
	if (p->fields != NULL)
		memcpy(sample->field, p->fields->field, sizeof(sample->field));
	mirror_sample_told(m);
}

/* From here on the two histories are not the same. */
static void differ(struct mirror *m, uint32_t s, const struct pair *p)
{
	struct mirror_bucket *bucket = &m->bucket[p->shadow->bucket];

	stats_add(&m->side[s].counts.compared, 1);
	stats_add(&m->side[s].counts.differed, 1);
	tell(m, s, p);
	bucket->epoch[s]++;
	mirror_leave_step(m, s, bucket);
}

/* ---- the plugin's own word ---- */

/* Bytes differ: the shadow worker is asked what that means. False: there is no room, or too much to ask. */
static bool ask_plugin(struct io_lcore *io, struct mirror *m, uint32_t s, const struct pair *p)
{
	struct mirror_side *side = &m->side[s];
	struct belt_producer *belt = &io->slot[side->slot].belt;
	const struct mirror_node *of = p->node;
	struct belt_compare *entry = (void *)io->control;
	uint32_t len = (uint32_t)sizeof(*entry) + of->production.len + p->made.len, at;
	struct belt_shadow shadow = {
		.time_ns = p->shadow->time_ns, .bucket = p->shadow->bucket, .kind = BELT_COMPARE,
		.service = p->shadow->service, .len = (uint16_t)(len < COMPARE_LEAST ? COMPARE_LEAST : len),
	};

	if (len > BELT_CELL_BYTES || !belt_fits(belt, shadow.len, false) ||
	    !mirror_ring_take(side, of->len + of->production.len + p->made.len, &at))
		return false;
	uint8_t *kept = side->ring + at;
	memcpy(kept, side->ring + of->request_at, of->len);
	memcpy(kept + of->len, side->ring + of->reply_at, of->production.len);
	memcpy(kept + of->len + of->production.len, p->reply, p->made.len);
	side->node[belt->offered & BELT_MASK] = (struct mirror_node){
		.production = of->production, .request_at = at, .reply_at = at + of->len,
		.shadow_at = at + of->len + of->production.len, .shadow_verdict = p->made.verdict,
		.shadow_len = p->made.len, .len = of->len, .epoch = of->epoch, .kind = of->kind,
		.ring_end = side->ring_head,
	};
	*entry = (struct belt_compare){.production = (uint16_t)of->production.len, .shadow = (uint16_t)p->made.len};
	memcpy(entry->bytes, kept + of->len, of->production.len + p->made.len);
	belt_offer(belt, &shadow, (struct belt_peer){{0}}, io->control);
	io->dirty |= 1ull << side->slot;
	return true;
}

static void compared(struct mirror *m, uint32_t s, const struct belt_shadow *shadow, const struct mirror_node *node,
		     const uint8_t *answer)
{
	struct belt_compared fields; /* a copy: the worker may write on */
	struct pair p = {
		.node = node, .shadow = shadow, .fields = &fields, .reply = m->side[s].ring + node->shadow_at,
		.made = {
			.verdict = node->shadow_verdict, .len = node->shadow_len, .cells = node->production.cells,
			.cells_hash = node->production.cells_hash,
		},
	};

	memcpy(&fields, answer, sizeof(fields));
	if (fields.differ == 0) {
		stats_add(&m->side[s].counts.compared, 1);
		return;
	}
	if (fields.differ == COMPARE_IMPOSSIBLE || fields.listed > COMPARE_FIELDS)
		p.fields = NULL;
	differ(m, s, &p);
}

/* ---- entry by entry ---- */

static void compare(struct io_lcore *io, struct mirror *m, uint32_t s, struct pair *p)
{
	const struct mirror_outcome *was = &p->node->production, *is = &p->made;
	bool cells = was->cells == is->cells && was->cells_hash == is->cells_hash, verdicts = was->verdict == is->verdict;

	if (verdicts && cells && was->len == is->len && memcmp(m->side[s].ring + p->node->reply_at, p->reply, is->len) == 0) {
		stats_add(&m->side[s].counts.compared, 1);
		return;
	}
	if (verdicts && cells && is_reply(is->verdict) && m->digest && m->side[s].digest && ask_plugin(io, m, s, p))
		return;
	differ(m, s, p);
}

/* What nobody may do, as a test of those who watch. */
static void send_after_all(struct io_lcore *io, uint32_t slot, uint64_t position, const struct pair *p)
{
	struct belt_producer *belt = &io->slot[slot].belt;

	if (BATON_SABOTAGE(shadow_reply_sent) && is_reply(p->made.verdict)) {
		const struct baton_peer *to = &belt->belt->peer[position & BELT_MASK];
		struct rte_mbuf *mbuf = outbound_build(io, to, p->shadow->service, p->reply, p->made.len);

		if (mbuf != NULL)
			neighbour_send(io, to, p->shadow->service, mbuf);
	}
	if (BATON_SABOTAGE(shadow_posts)) {
		uint32_t waiting = (uint32_t)belt_out_waiting(belt);

		emit_cells(io, slot, position, p->shadow->kind, &waiting);
	}
}

static void judge(struct io_lcore *io, uint32_t slot, uint64_t position, const struct belt_shadow *shadow, uint32_t verdict,
		  const uint8_t *reply, struct mirror_cells *cells)
{
	struct mirror_side *side = io->slot[slot].side;
	struct mirror *m = io->mirror[io->slot[slot].service];
	uint32_t s = (uint32_t)(side - m->side);
	const struct mirror_node *node = &side->node[position & BELT_MASK];
	struct pair p = {.node = node, .shadow = shadow, .reply = reply};

	if (shadow->kind != BELT_PACKET && shadow->kind != BELT_MESSAGE && shadow->kind != BELT_SHADOW_TICK &&
	    shadow->kind != BELT_COMPARE)
		return; /* stop, prime: none of ours, and without a node */
	if (shadow->kind == BELT_SHADOW_TICK) {
		mirror_tick_judge(io, m, s, position, shadow, verdict, cells);
	} else if (node->epoch != m->bucket[shadow->bucket].epoch[s]) {
		stats_add(&side->counts.ignored, 1);
	} else if (shadow->kind == BELT_COMPARE) {
		compared(m, s, shadow, node, reply);
	} else {
		p.made = mirror_outcome(verdict, shadow->len);
		mirror_cells(cells, position, &p.made);
		compare(io, m, s, &p);
		send_after_all(io, slot, position, &p);
	}
	side->ring_tail = node->ring_end;
}

/* ---- a shadow's belt ---- */

static void reap_shadow(struct io_lcore *io, uint32_t slot)
{
	struct slot_view *view = &io->slot[slot];
	int settled = belt_settled(&view->belt), waiting = belt_out_waiting(&view->belt); /* in this order */
	bool counts = feed_shadow_counts(io, slot);
	uint32_t longs = 0;

	if (baton_unlikely(settled < 0 || waiting < 0 || counts)) {
		view->fence = settled < 0 ? FENCE(DONE) : waiting < 0 ? FENCE(FILLED) : FENCE(NUMBER);
		atomic_fetch_or_explicit(&io->dp->slot[slot].fence, view->fence, memory_order_relaxed);
		return;
	}
	uint32_t count = (uint32_t)settled < MIRROR_REAP ? (uint32_t)settled : MIRROR_REAP;
	struct mirror_cells cells = {&view->belt, view->belt.out_reaped, (uint32_t)waiting};
	for (uint32_t i = 0; i < count; i++) {
		uint32_t verdict;
		const uint8_t *reply;
		const struct belt_shadow *shadow = belt_settled_at(&view->belt, i, &longs, &verdict, &reply);

		if (view->side != NULL && view->belt.reaped + i >= view->side->from)
			judge(io, slot, view->belt.reaped + i, shadow, verdict, reply, &cells);
	}
	belt_reaped(&view->belt, count, longs);
	/* what it posted and sent goes nowhere */
	for (; waiting > 0 && *(const volatile uint64_t *)&belt_out_at(&view->belt)->cause < view->belt.reaped; waiting--)
		view->belt.out_reaped++;
	belt_out_publish(&view->belt);
}

void mirror_credit(uint64_t now_ns, uint32_t *credit, uint64_t *credited_ns)
{
	uint64_t more = (now_ns - *credited_ns) / MIRROR_COPY_NS;

	if (more == 0)
		return;
	*credit = more < MIRROR_COPIES - *credit ? *credit + (uint32_t)more : MIRROR_COPIES;
	*credited_ns = now_ns;
}

static bool one_mirror(struct io_lcore *io, struct mirror *m)
{
	bool worked = false;

	if (io->index == 0)
		mirror_credit(io->now_ns, &m->credit, &m->credited_ns);
	if (m->lcores > 1)
		worked = feed_turn(io, m);
	if (io->index == 0)
		mirror_ask(io, m);
	return worked;
}

bool mirror_turn(struct io_lcore *io)
{
	bool worked = false;

	for (uint64_t left = io->shadows; left != 0; left &= left - 1) {
		uint32_t slot = (uint32_t)__builtin_ctzll(left);

		if (belt_depth(&io->slot[slot].belt) != 0 && !io->slot[slot].fence)
			reap_shadow(io, slot);
	}
	for (uint32_t i = 0; i < io->services; i++)
		if (io->mirror[i] != NULL)
			worked |= one_mirror(io, io->mirror[i]);
	return worked;
}

/* ---- who is which side ---- */

static void side_gone(struct mirror *m, uint32_t s)
{
	struct mirror_side *side = &m->side[s];

	for (uint32_t b = 0; b < m->buckets; b++) {
		struct mirror_bucket *bucket = &m->bucket[b];

		bucket->asked &= (uint8_t)~(1u << s);
		mirror_leave_step(m, s, bucket);
		if ((bucket->in_step | bucket->asked) == 0)
			mirror_forget(m, bucket);
		bucket->last[s] = 0;
	}
	side->slot = SLOT_NONE;
	side->ring_head = side->ring_tail = 0;
}

void mirror_begin(struct io_lcore *io, struct mirror *m)
{
	io->mirror[m->service] = m;
	for (uint64_t left = io->attached; left != 0; left &= left - 1) {
		struct slot_view *view = &io->slot[__builtin_ctzll(left)];

		if (view->service == m->service)
			view->mirror = m;
	}
	if (m->lcores > 1)
		feed_begin(io, m);
}

void mirror_slot_comes(struct io_lcore *io, uint32_t slot)
{
	struct slot_view *view = &io->slot[slot];

	view->mirror = io->mirror[view->service];
	if (view->mirror != NULL && view->mirror->lcores > 1)
		feed_slot_comes(io, view->mirror, slot);
}

/* Copies that the worker has from before are not compared: there is no node of them. */
void mirror_join(struct io_lcore *io, struct mirror *m, uint32_t s, uint32_t slot)
{
	struct slot_view *view = &io->slot[slot];
	struct mirror_side *side = &m->side[s];

	if (io->index != 0)
		return; /* sides are home's */
	if ((io->shadows >> slot & 1u) == 0 || view->service != m->service || io->mirror[m->service] != m)
		return; /* it has died meanwhile */
	if (side->slot != SLOT_NONE)
		io->slot[side->slot].side = NULL;
	side_gone(m, s);
	side->slot = slot;
	side->from = view->belt.offered;
	view->side = side;
}

void mirror_end(struct io_lcore *io, struct mirror *m)
{
	io->mirror[m->service] = NULL;
	for (uint32_t slot = 0; slot < io->slots; slot++)
		if (io->slot[slot].mirror == m)
			io->slot[slot].mirror = NULL;
	if (m->lcores > 1)
		feed_end(io);
	for (uint32_t s = 0; s < SHADOW_SIDES && io->index == 0; s++)
		if (m->side[s].slot != SLOT_NONE)
			io->slot[m->side[s].slot].side = NULL;
	/* release: pairs with the acquire in control/shadow.c; its memory is the main lcore's again */
	atomic_fetch_add_explicit(&m->released, 1, memory_order_release);
}

/* Its death is reported with what it was at, from our copy. */
static void note_request(struct io_lcore *io, uint32_t slot)
{
	struct death_entry *entry = &io->death[slot].entry;
	const struct mirror_side *side = io->slot[slot].side;

	if (io->death[slot].unsettled == 0 || side == NULL || (entry->kind != BELT_PACKET && entry->kind != BELT_MESSAGE))
		return;
	const struct mirror_node *node = &side->node[entry->position & BELT_MASK];
	entry->kept = (uint16_t)(node->len < DEATH_PAYLOAD ? node->len : DEATH_PAYLOAD);
	memcpy(entry->payload, side->ring + node->request_at, entry->kept);
}

void mirror_slot_dies(struct io_lcore *io, uint32_t slot)
{
	struct slot_view *view = &io->slot[slot];
	struct belt_producer *belt = &view->belt;

	death_note_entry(io, slot);
	note_request(io, slot);
	if (view->side != NULL) {
		struct mirror *m = io->mirror[view->service];

		side_gone(m, (uint32_t)(view->side - m->side));
	}
	view->side = NULL;
	belt->out_reaped = atomic_load_explicit(&belt->commit->filled, memory_order_acquire);
	belt_out_publish(belt);
	belt_publish_again(belt);
	belt->reaped = belt->offered;
	belt->long_tail = belt->long_head;
}
