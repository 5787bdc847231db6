/* Mirror: ticks. A worker that has run one says of which buckets, and from which number on (struct belt_tick_told); a
 * shadow runs the same numbers of the same buckets, with as many posts left, in one entry. What a bucket's tick posts
 * and sends is compared cell by cell: cells name the bucket they are from, buckets are run in their order, and a
 * bucket's numbers in theirs, so that bucket, entry and place among the bucket's cells pair them exactly.
 * docs/decisions/010. */
#include "lcore.h"
#include "mirror_parts.h"

static uint32_t padded(uint32_t bytes)
{
	return (bytes + 7) & ~7u;
}

static bool has(const uint8_t *map, uint32_t nth)
{
	return map[nth / 8] >> nth % 8 & 1u;
}

static const uint8_t *ran_of(const uint8_t *tick) { return tick + sizeof(struct tick_head); }
static const uint8_t *other_of(const struct tick_head *head, const uint8_t *tick)
{
	return ran_of(tick) + head->map_bytes;
}
static const uint8_t *spent_of(const struct tick_head *head, const uint8_t *tick)
{
	return ran_of(tick) + 2 * head->map_bytes;
}

bool mirror_tick_names(const struct tick_head *head, const uint8_t *tick, uint32_t nth)
{
	return has(ran_of(tick), nth) || has(other_of(head, tick), nth);
}

void mirror_group_forgotten(struct mirror *m, uint32_t group, uint32_t groups)
{
	for (uint32_t b = group; groups != 0 && b < m->buckets; b += groups)
		mirror_forget(m, &m->bucket[b]);
}

/* ---- at reap ---- */

/* A cell as it is compared. Returns false if it is of no bucket of the group. Read once: a worker may write on. */
static bool cell_read(const struct belt_out_cell *from, uint32_t group, uint32_t groups, uint32_t buckets,
		      struct tick_cell *out)
{
	struct belt_out_cell head;

	memcpy(&head, from, offsetof(struct belt_out_cell, data));
	baton_compiler_fence();
	bool message = head.kind == BELT_OUT_MESSAGE;
	uint32_t of = message ? head.from : head.bucket;
	*out = (struct tick_cell){
		.len = head.len < sizeof(head.data) ? head.len : sizeof(head.data), .kind = head.kind,
		.target = message ? head.bucket : 0,
	};
	if (!message)
		out->to = head.to;
	if (of >= buckets || of % groups != group)
		return false;
	out->nth = of / groups;
	return true;
}

/* What the worker had posted before it came to the buckets behind this one. */
static void count_post(const struct tick_head *head, uint8_t *spent, uint32_t nth, uint32_t *posts)
{
	if (++*posts > BATON_POSTS_MOST)
		return; /* no honest worker's */
	for (uint32_t i = nth + 1; i < head->buckets; i++)
		spent[i]++;
}

static void keep_cells(struct mirror *m, struct tick_head *head, uint64_t position, struct mirror_cells *cells)
{
	uint8_t *ran = m->scratch + sizeof(*head), *other = ran + head->map_bytes, *spent = other + head->map_bytes;
	const struct belt_out_cell *from;
	uint32_t posts = 0;

	for (; (from = mirror_cell(cells, position)) != NULL; cells->left--, cells->at++) {
		struct tick_cell cell;

		if (!cell_read(from, head->tick.group, head->tick.groups, m->buckets, &cell))
			continue;
		if (cell.kind == BELT_OUT_MESSAGE)
			count_post(head, spent, cell.nth, &posts);
		const struct mirror_bucket *bucket = &m->bucket[head->tick.group + cell.nth * head->tick.groups];
		if (!has(ran, cell.nth) || (bucket->in_step | bucket->asked) == 0)
			continue;
		uint32_t bytes = (uint32_t)sizeof(cell) + padded(cell.len);
		if (head->cells_at + head->cells + bytes > MIRROR_TICK_BYTES) { /* of more than that nothing is said */
			ran[cell.nth / 8] &= (uint8_t)~(1u << cell.nth % 8);
			other[cell.nth / 8] |= (uint8_t)(1u << cell.nth % 8);
			continue;
		}
		uint8_t *to = m->scratch + head->cells_at + head->cells;
		memcpy(to, &cell, sizeof(cell));
		memcpy(to + sizeof(cell), from->data, cell.len);
		head->cells += bytes;
	}
	head->spent = posts != 0;
}

/* Of a bucket that moves: the old owner until its revokes are reaped, the new one while what has waited still does. */
static bool may_own(const struct io_lcore *io, uint32_t service, uint32_t slot, uint32_t b)
{
	uint32_t entry = io->steering[service].entry[b];

	return STEER_SLOT(entry) == slot ||
	       (STEER_LIST(entry) == LIST_MOVE(service) && io->move[service].move->to == slot);
}

/* What a worker says it has run of others' buckets would take those out of step, or have them ticked once more. */
static void forget_others(const struct io_lcore *io, const struct mirror *m, uint32_t slot,
			  const struct tick_head *head, uint8_t *ran)
{
	uint8_t *other = ran + head->map_bytes;

	for (uint32_t i = 0, b = head->tick.group; i < head->buckets; i++, b += head->tick.groups) {
		uint8_t bit = (uint8_t)(1u << i % 8);

		if (((ran[i / 8] | other[i / 8]) & bit) == 0 || may_own(io, m->service, slot, b) ||
		    BATON_SABOTAGE(tick_of_others_believed))
			continue;
		ran[i / 8] &= (uint8_t)~bit;
		other[i / 8] &= (uint8_t)~bit;
	}
}

uint32_t mirror_tick_look(struct io_lcore *io, struct mirror *m, uint32_t slot, uint64_t position,
			  const struct belt_shadow *shadow, const uint8_t *data, struct mirror_cells *cells)
{
	uint32_t groups = io->steering[m->service].ticks.groups;
	uint32_t bytes = tick_map_bytes(m->buckets, groups);
	struct tick_head head = {
		.buckets = m->buckets / groups, .map_bytes = bytes, .time_ns = shadow->time_ns,
		.cells_at = padded((uint32_t)sizeof(head) + 2 * bytes + m->buckets / groups),
	};
	uint8_t *maps = m->scratch + sizeof(head);

	memcpy(&head.tick, data, sizeof(head.tick));
	/* the worker may have written there: what we go by is our own */
	head.tick.group = shadow->move;
	head.tick.groups = groups;
	memset(maps, 0, head.cells_at - sizeof(head));
	if (shadow->len > sizeof(head.tick)) {
		memcpy(&head.from, data + sizeof(head.tick), sizeof(head.from));
		memcpy(maps, data + sizeof(head.tick) + offsetof(struct belt_tick_told, map), 2 * bytes);
	} else {
		memset(maps + bytes, 0xff, bytes); /* it was posted before anybody wanted to know */
	}
	forget_others(io, m, slot, &head, maps);
	keep_cells(m, &head, position, cells);
	memcpy(m->scratch, &head, sizeof(head));
	return head.cells_at + head.cells;
}

/* ---- to the sides ---- */

/* Cells of the buckets in `map`. Returns their bytes; to: NULL: they are counted alone. */
static uint32_t pick_cells(const struct tick_head *head, const uint8_t *tick, const uint8_t *map, uint8_t *to)
{
	uint32_t at = head->cells_at, end = at + head->cells, picked = 0;

	while (at < end) {
		struct tick_cell cell;

		memcpy(&cell, tick + at, sizeof(cell));
		uint32_t bytes = (uint32_t)sizeof(cell) + padded(cell.len);
		if (has(map, cell.nth)) {
			if (to != NULL)
				memcpy(to + picked, tick + at, bytes);
			picked += bytes;
		}
		at += bytes;
	}
	return picked;
}

static bool copy_tick(struct io_lcore *io, struct mirror *m, uint32_t s, const struct tick_head *head,
		      const uint8_t *tick)
{
	struct mirror_side *side = &m->side[s];
	struct slot_view *view = &io->slot[side->slot];
	struct belt_shadow_tick *entry = (void *)io->control;
	uint32_t cells = pick_cells(head, tick, entry->map, NULL), at;
	uint32_t kept = padded((uint32_t)sizeof(uint64_t) + head->map_bytes);
	struct belt_shadow shadow = {
		.time_ns = head->time_ns, .move = head->tick.group, .kind = BELT_SHADOW_TICK, .service = (uint8_t)m->service,
		.len = (uint16_t)(offsetof(struct belt_shadow_tick, map) + head->map_bytes +
				  (head->spent ? head->buckets : 0)),
	};

	if (m->credit == 0 || !belt_fits(&view->belt, shadow.len, false) || !mirror_ring_take(side, kept + cells, &at))
		return false;
	memcpy(side->ring + at, &head->tick.number, sizeof(head->tick.number));
	memcpy(side->ring + at + sizeof(head->tick.number), entry->map, head->map_bytes);
	pick_cells(head, tick, entry->map, side->ring + at + kept);
	side->node[view->belt.offered & BELT_MASK] = (struct mirror_node){
		.ring_end = side->ring_head, .kind = BELT_TICK, .request_at = at, .reply_at = at + kept, .shadow_at = cells,
	};
	entry->tick = head->tick;
	entry->tick.tell = head->spent;
	entry->from = head->from;
	if (head->spent)
		memcpy(entry->map + head->map_bytes, spent_of(head, tick), head->buckets);
	belt_offer(&view->belt, &shadow, (struct belt_peer){{0}}, io->control);
	io->dirty |= 1ull << side->slot;
	stats_add(&side->counts.mirrored, 1);
	return true;
}

/* The buckets of it that are in step, into `map`. What cannot be told leaves. Returns how many there are. */
static uint32_t in_step_of(struct mirror *m, uint32_t s, uint32_t slot, const struct tick_head *head,
			   const uint8_t *tick, uint8_t *map)
{
	uint32_t count = 0;

	memset(map, 0, head->map_bytes);
	for (uint32_t i = 0, b = head->tick.group; i < head->buckets; i++, b += head->tick.groups) {
		struct mirror_bucket *bucket = &m->bucket[b];

		if ((bucket->in_step >> s & 1u) == 0 || !mirror_tick_names(head, tick, i) ||
		    (m->lcores > 1 && bucket->slot != slot))
			continue;
		if (has(other_of(head, tick), i)) {
			mirror_leave_step(m, s, bucket);
			continue;
		}
		map[i / 8] |= (uint8_t)(1u << i % 8);
		count++;
	}
	return count;
}

void mirror_tick(struct io_lcore *io, struct mirror *m, uint32_t slot, const uint8_t *tick)
{
	struct belt_shadow_tick *entry = (void *)io->control;
	struct tick_head head;

	memcpy(&head, tick, sizeof(head));
	for (uint32_t s = 0; s < SHADOW_SIDES; s++) {
		if (m->side[s].slot == SLOT_NONE || in_step_of(m, s, slot, &head, tick, entry->map) == 0)
			continue;
		bool copied = copy_tick(io, m, s, &head, tick);
		for (uint32_t i = 0, b = head.tick.group; i < head.buckets; i++, b += head.tick.groups) {
			if (!has(entry->map, i))
				continue;
			if (copied)
				m->bucket[b].last[s] = io->slot[m->side[s].slot].belt.offered;
			else
				mirror_drop_copy(m, s, &m->bucket[b]);
		}
	}
	m->credit -= m->credit != 0;
}

/* ---- what became of it ---- */

/* Cells of production's, kept, and of the side's, in its belt: both in the order of their buckets. */
struct walk {
	const uint8_t *kept, *kept_end;
	struct mirror_cells *cells;
	uint64_t cause;
	uint32_t group, groups, buckets;
};

/* The next of the bucket; those of buckets before it are passed over. False: there is none. */
static bool kept_of(struct walk *w, uint32_t nth, struct tick_cell *cell, const uint8_t **data)
{
	for (; w->kept != w->kept_end; w->kept += sizeof(*cell) + padded(cell->len)) {
		memcpy(cell, w->kept, sizeof(*cell));
		if (cell->nth > nth)
			return false;
		*data = w->kept + sizeof(*cell);
		if (cell->nth == nth) {
			w->kept += sizeof(*cell) + padded(cell->len);
			return true;
		}
	}
	return false;
}

static bool made_of(struct walk *w, uint32_t nth, struct tick_cell *cell, const uint8_t **data)
{
	const struct belt_out_cell *from;

	for (; (from = mirror_cell(w->cells, w->cause)) != NULL; w->cells->left--, w->cells->at++) {
		if (!cell_read(from, w->group, w->groups, w->buckets, cell) || cell->nth < nth)
			continue;
		if (cell->nth > nth)
			return false;
		*data = from->data;
		w->cells->left--;
		w->cells->at++;
		return true;
	}
	return false;
}

/* Of one bucket; [0]: production's, [1]: the side's. */
struct tick_pair {
	uint32_t cells[2];
	bool differs;
	/* the first that differs; no data: there is none */
	uint32_t ordinal, len[2];
	const uint8_t *data[2];
};

static struct tick_pair compare_bucket(struct walk *w, uint32_t nth)
{
	struct tick_pair pair = {.differs = false};

	for (uint32_t n = 0;; n++) {
		struct tick_cell cell[2];
		const uint8_t *data[2] = {NULL, NULL};
		bool is[2] = {kept_of(w, nth, &cell[0], &data[0]), made_of(w, nth, &cell[1], &data[1])};

		if (!is[0] && !is[1])
			return pair;
		pair.cells[0] += is[0];
		pair.cells[1] += is[1];
		if (pair.differs || (is[0] && is[1] && memcmp(&cell[0], &cell[1], sizeof(cell[0])) == 0 &&
				     memcmp(data[0], data[1], cell[0].len) == 0))
			continue;
		pair.differs = true;
		pair.ordinal = n;
		for (uint32_t i = 0; i < 2; i++) {
			pair.data[i] = is[i] ? data[i] : NULL;
			pair.len[i] = is[i] ? cell[i].len : 0;
		}
	}
}

static void tick_differs(struct mirror *m, uint32_t s, uint32_t b, const struct belt_shadow *shadow, uint64_t number,
			 const struct tick_pair *pair)
{
	struct mirror_sample *sample = mirror_sample(m, s);

	if (sample != NULL) {
		*sample = (struct mirror_sample){
			.time_ns = shadow->time_ns, .tick = number, .ordinal = pair->ordinal, .side = s, .bucket = b,
			.kind = BELT_TICK, .verdict = {BATON_NO_REPLY, BATON_NO_REPLY}, .cells_differ = true,
		};
		for (uint32_t i = 0; i < 2; i++) {
			sample->cells[i] = pair->cells[i];
			sample->reply_len[i] = pair->len[i];
			if (pair->data[i] != NULL)
				memcpy(sample->reply[i], pair->data[i],
				       pair->len[i] < MIRROR_BYTES ? pair->len[i] : MIRROR_BYTES);
		}
		mirror_sample_told(m);
	}
	stats_add(&m->side[s].counts.differed, 1);
	stats_add(&m->side[s].counts.ticks_differed, 1);
	m->bucket[b].epoch[s]++;
	mirror_leave_step(m, s, &m->bucket[b]);
}

void mirror_tick_judge(struct io_lcore *io, struct mirror *m, uint32_t s, uint64_t position,
		       const struct belt_shadow *shadow, uint32_t verdict, struct mirror_cells *cells)
{
	const struct mirror_side *side = &m->side[s];
	const struct mirror_node *node = &side->node[position & BELT_MASK];
	uint32_t groups = io->steering[m->service].ticks.groups;
	const uint8_t *map = side->ring + node->request_at + sizeof(uint64_t);
	struct walk walk = {
		.kept = side->ring + node->reply_at, .kept_end = side->ring + node->reply_at + node->shadow_at,
		.cells = cells, .cause = position, .group = shadow->move, .groups = groups, .buckets = m->buckets,
	};
	uint64_t number;

	memcpy(&number, side->ring + node->request_at, sizeof(number));
	for (uint32_t i = 0, b = shadow->move; b < m->buckets; i++, b += groups) {
		struct mirror_bucket *bucket = &m->bucket[b];

		if (!has(map, i))
			continue;
		if (verdict == TICK_BEHIND) {
			bucket->epoch[s]++; /* what it has behind this entry is not to be compared, in step or not */
			mirror_leave_step(m, s, bucket);
			continue;
		}
		/* Out of step since then; it cannot have come back before this entry is reaped. */
		if ((bucket->in_step >> s & 1u) == 0)
			continue;
		struct tick_pair pair = compare_bucket(&walk, i);
		if (pair.cells[0] + pair.cells[1] == 0)
			continue; /* nothing was said */
		stats_add(&m->side[s].counts.compared, 1);
		stats_add(&m->side[s].counts.ticks_compared, 1);
		if (pair.differs && !BATON_SABOTAGE(tick_output_not_compared))
			tick_differs(m, s, b, shadow, number, &pair);
	}
}
