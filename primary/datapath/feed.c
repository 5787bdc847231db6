/* Feed: the mirror of several I/O lcores. A bucket's entries reach its worker over the belts of all of them; the
 * shadow must handle them in the order in which the worker has.
 *
 * The order is the worker's own: it has one open burst over all its belts, and numbers bursts while a mirror is on
 * (belt.h: numbered, stamp, bursts). Each lcore copies what it reaps to home, lcore 0, with the number of its burst,
 * and says how far it is: `through`. It may say n when it has read n in the worker's `bursts`, then the worker's
 * `done` of its own belt, and has handed over all up to there: `done` was stored before `bursts`. Home reads every
 * lcore's `through` first and then takes all that they have handed over; of what it has then of a worker, no entry of
 * a burst up to the least `through` is missing. Those it mirrors, burst by burst.
 *
 * A bucket that goes to another worker is a new beginning. All that the old one has done for it has been handed over
 * before the new one is granted it, so home finds the first entry of the new owner's no later than it mirrors
 * anything that came after it, takes the bucket out of step there and asks the new owner for a snapshot. What finds
 * no room is lost, and counted by bucket before its lcore's `through` goes on: home finds that, too, before it
 * mirrors what came after it. */
#include "lcore.h"
#include "mirror_parts.h"

static const struct belt *bursts_of(const struct io_lcore *io, uint32_t slot)
{
	return io->dp->setup.belt[0][slot];
}

/* acquire: pairs with the release in the worker's loop_burst() */
static uint64_t bursts(const struct io_lcore *io, uint32_t slot)
{
	return atomic_load_explicit(&bursts_of(io, slot)->bursts, memory_order_acquire);
}

/* ---- an lcore hands over ---- */

/* In one piece. */
static bool bytes_take(struct mirror_feed *feed, uint32_t bytes, uint32_t *at)
{
	uint64_t head = feed->bytes_head;

	if (head % FEED_BYTES + bytes > FEED_BYTES)
		head += FEED_BYTES - head % FEED_BYTES;
	/* acquire: pairs with the release in give_nodes_back() */
	if (head + bytes - atomic_load_explicit(&feed->bytes_tail, memory_order_acquire) > FEED_BYTES)
		return false;
	feed->bytes_head = head + bytes;
	*at = (uint32_t)(head % FEED_BYTES);
	return true;
}

/* A node with room for so many bytes; NULL: there is none. */
static struct feed_node *node_take(struct io_lcore *io, struct mirror_feed *feed, uint32_t slot, uint64_t position,
				   uint32_t bytes)
{
	uint64_t head = atomic_load_explicit(&feed->head, memory_order_relaxed);
	uint32_t at;

	/* acquire: pairs with the release in give_nodes_back() */
	if (head - atomic_load_explicit(&feed->tail, memory_order_acquire) == FEED_NODES || !bytes_take(feed, bytes, &at))
		return NULL;
	struct feed_node *node = &feed->node[head % FEED_NODES];
	uint64_t now = bursts(io, slot);
	uint32_t stamp = *(const volatile uint32_t *)&io->slot[slot].belt.belt->stamp[position & BELT_MASK];
	node->number = now + (uint64_t)(int64_t)(int32_t)(stamp - (uint32_t)now);
	node->position = position;
	node->at = at;
	node->bytes_end = feed->bytes_head;
	node->slot = (uint8_t)slot;
	node->over = false;
	return node;
}

static void node_give(struct mirror_feed *feed)
{
	/* release: pairs with the acquire in take_all(); the node is written */
	atomic_store_explicit(&feed->head, atomic_load_explicit(&feed->head, memory_order_relaxed) + 1,
			      memory_order_release);
}

void feed_entry(struct io_lcore *io, struct mirror *m, uint32_t slot, uint64_t position, const struct settled *e)
{
	struct mirror_feed *feed = m->feed[io->index];
	uint32_t len = e->shadow->len;
	struct feed_node *node = feed->credit == 0 ? NULL : node_take(io, feed, slot, position, len + e->outcome.len);

	if (node == NULL) {
		_Atomic uint32_t *lost = &feed->lost[e->shadow->bucket];

		/* relaxed: before the release of `through` */
		if (!BATON_SABOTAGE(feed_loses_silently))
			atomic_store_explicit(lost, atomic_load_explicit(lost, memory_order_relaxed) + 1,
					      memory_order_relaxed);
		stats_add(&feed->dropped, 1);
		return;
	}
	feed->credit--;
	node->shadow = *e->shadow;
	node->peer = e->peer;
	node->outcome = e->outcome;
	memcpy(feed->bytes + node->at, e->payload, len);
	memcpy(feed->bytes + node->at + len, e->reply, e->outcome.len);
	node_give(feed);
}

/* Home's own belt alone has snapshots, and ticks. */
void feed_snapshot(struct io_lcore *io, struct mirror *m, uint32_t slot, uint64_t position,
		   const struct belt_shadow *shadow, uint32_t verdict)
{
	struct feed_node *node = node_take(io, m->feed[io->index], slot, position, 0);

	if (node == NULL)
		return mirror_snapshot_reaped(m, slot, position, shadow->bucket, BATON_NO_REPLY);
	node->shadow = *shadow;
	node->outcome = (struct mirror_outcome){.verdict = verdict};
	node_give(m->feed[io->index]);
}

void feed_tick(struct io_lcore *io, struct mirror *m, uint32_t slot, uint64_t position,
	       const struct belt_shadow *shadow, uint32_t bytes)
{
	struct mirror_feed *feed = m->feed[io->index];
	struct feed_node *node = node_take(io, feed, slot, position, bytes);

	if (node == NULL)
		return mirror_group_forgotten(m, shadow->move, io->steering[m->service].ticks.groups);
	node->shadow = *shadow;
	memcpy(feed->bytes + node->at, m->scratch, bytes);
	node_give(feed);
}

/* ---- an lcore says how far it is ---- */

static void say_through(struct mirror_feed *feed, uint32_t slot, uint64_t burst)
{
	/* release: pairs with the acquire in feed_through(); what is up to there has been handed over, or counted as
	 * lost */
	if (burst > atomic_load_explicit(&feed->through[slot], memory_order_relaxed))
		atomic_store_explicit(&feed->through[slot], burst, memory_order_release);
}

/* What was read of `bursts` is said when the belt has been reaped up to the `done` that was read after it. */
static void say(const struct io_lcore *io, struct mirror_feed *feed, uint32_t slot)
{
	const struct belt_producer *belt = &io->slot[slot].belt;

	if (belt->reaped < feed->slot[slot].done)
		return;
	say_through(feed, slot, feed->slot[slot].burst);
	feed->slot[slot].burst = bursts(io, slot);
	/* acquire: pairs with the release in belt_settle() */
	feed->slot[slot].done = atomic_load_explicit(&belt->commit->done, memory_order_acquire);
	if (belt->reaped >= feed->slot[slot].done || BATON_SABOTAGE(feed_through_before_reaped))
		say_through(feed, slot, feed->slot[slot].burst);
	/* release: pairs with the acquire in feed_is_stamped() */
	if (belt->reaped >= feed->slot[slot].from)
		atomic_fetch_or_explicit(&feed->stamped, 1ull << slot, memory_order_release);
}

void feed_slot_comes(struct io_lcore *io, struct mirror *m, uint32_t slot)
{
	m->feed[io->index]->slot[slot].from = io->slot[slot].belt.offered;
	/* relaxed: belt_publish() stores what is offered from now on after it */
	atomic_store_explicit(&io->slot[slot].belt.belt->numbered, 1, memory_order_relaxed);
}

/* Its last burst, which it may not have counted any more, is one above; the next incarnation begins behind that. */
void feed_owner_dies(struct io_lcore *io, struct mirror *m, uint32_t slot)
{
	struct mirror_feed *feed = m->feed[io->index];

	say_through(feed, slot, bursts(io, slot) + 1);
	feed->slot[slot].burst = feed->slot[slot].done = 0;
}

void feed_begin(struct io_lcore *io, struct mirror *m)
{
	for (uint64_t left = io->attached; left != 0; left &= left - 1) {
		uint32_t slot = (uint32_t)__builtin_ctzll(left);

		if (io->slot[slot].service == m->service)
			feed_slot_comes(io, m, slot);
	}
	/* release: pairs with the acquire in feed_is_stamped() */
	atomic_fetch_add_explicit(&m->begun, 1, memory_order_release);
}

void feed_end(struct io_lcore *io)
{
	for (uint32_t slot = 0; slot < io->slots; slot++)
		atomic_store_explicit(&io->slot[slot].belt.belt->numbered, 0, memory_order_relaxed);
}

/* ---- home ---- */

bool feed_is_stamped(const struct mirror *m, uint32_t slot)
{
	/* acquire: pairs with the releases in feed_begin() and say() */
	if (atomic_load_explicit(&m->begun, memory_order_acquire) != m->lcores)
		return false;
	for (uint32_t l = 0; l < m->lcores; l++)
		if ((atomic_load_explicit(&m->feed[l]->stamped, memory_order_acquire) >> slot & 1u) == 0)
			return false;
	return true;
}

uint32_t feed_lost(const struct mirror *m, uint32_t b)
{
	uint32_t lost = 0;

	for (uint32_t l = 0; l < m->lcores; l++)
		lost += atomic_load_explicit(&m->feed[l]->lost[b], memory_order_relaxed);
	return lost;
}

static uint64_t feed_through(const struct mirror *m, uint32_t slot)
{
	uint64_t least = UINT64_MAX;

	for (uint32_t l = 0; l < m->lcores; l++) {
		/* acquire: pairs with the release in say_through() */
		uint64_t through = atomic_load_explicit(&m->feed[l]->through[slot], memory_order_acquire);

		least = through < least ? through : least;
	}
	return BATON_SABOTAGE(feed_in_any_order) ? UINT64_MAX : least;
}

static void other_owner(struct mirror *m, uint32_t b, uint32_t slot)
{
	struct mirror_bucket *bucket = &m->bucket[b];

	if ((bucket->in_step | bucket->asked) != 0 && bucket->slot != slot && !BATON_SABOTAGE(feed_forgets_no_bucket))
		mirror_forget(m, bucket);
}

/* Entries of another worker than the one that a bucket is in step with. */
static void look_at_owner(struct mirror *m, const struct mirror_feed *feed, const struct feed_node *node)
{
	const uint8_t *tick = feed->bytes + node->at;
	struct tick_head head;

	if (node->shadow.kind == BELT_SNAPSHOT)
		return;
	if (node->shadow.kind != BELT_TICK)
		return other_owner(m, node->shadow.bucket, node->slot);
	memcpy(&head, tick, sizeof(head));
	for (uint32_t i = 0; i < head.buckets; i++)
		if (mirror_tick_names(&head, tick, i))
			other_owner(m, head.tick.group + i * head.tick.groups, node->slot);
}

static void take_all(struct mirror *m)
{
	for (uint32_t l = 0; l < m->lcores; l++) {
		struct mirror_feed *feed = m->feed[l];
		/* acquire: pairs with the release in node_give() */
		uint64_t head = atomic_load_explicit(&feed->head, memory_order_acquire);

		for (; feed->taken != head; feed->taken++) {
			struct feed_node *node = &feed->node[feed->taken % FEED_NODES];

			node->next = NULL;
			if (feed->first[node->slot] == NULL)
				feed->first[node->slot] = node;
			else
				feed->last[node->slot]->next = node;
			feed->last[node->slot] = node;
			look_at_owner(m, feed, node);
		}
	}
}

static void give_nodes_back(struct mirror_feed *feed)
{
	uint64_t tail = atomic_load_explicit(&feed->tail, memory_order_relaxed), bytes = 0;

	for (; tail != feed->taken && feed->node[tail % FEED_NODES].over; tail++)
		bytes = feed->node[tail % FEED_NODES].bytes_end;
	if (bytes != 0)
		/* release: they have been read; pairs with the acquire in bytes_take() */
		atomic_store_explicit(&feed->bytes_tail, bytes, memory_order_release);
	/* release: likewise, node_take() */
	atomic_store_explicit(&feed->tail, tail, memory_order_release);
}

static void mirror_node(struct io_lcore *io, struct mirror *m, const struct mirror_feed *feed,
			const struct feed_node *node)
{
	const uint8_t *bytes = feed->bytes + node->at;
	struct mirror_bucket *bucket = &m->bucket[node->shadow.bucket];

	if (node->shadow.kind == BELT_TICK) {
		struct tick_head head;

		memcpy(&head, bytes, sizeof(head));
		for (uint32_t b = head.tick.group; b < m->buckets; b += head.tick.groups)
			if (m->bucket[b].in_step != 0 && feed_lost(m, b) != m->bucket[b].lost)
				mirror_forget(m, &m->bucket[b]);
		return mirror_tick(io, m, node->slot, bytes);
	}
	if ((bucket->in_step | bucket->asked) == 0 || bucket->slot != node->slot)
		return; /* of before its snapshot, or of an owner before this one */
	if (feed_lost(m, node->shadow.bucket) != bucket->lost)
		return mirror_forget(m, bucket);
	if (node->shadow.kind == BELT_SNAPSHOT)
		return mirror_snapshot_reaped(m, node->slot, node->position, node->shadow.bucket, node->outcome.verdict);
	if (bucket->in_step == 0)
		return;
	const struct settled e = {
		.shadow = &node->shadow, .payload = bytes, .reply = bytes + node->shadow.len, .peer = node->peer,
		.outcome = node->outcome,
	};
	mirror_entry(io, m, &e);
}

/* Of the lcores' next entries of this worker, the one that it has handled first. */
static struct mirror_feed *next_of(const struct mirror *m, uint32_t slot)
{
	struct mirror_feed *first = NULL;

	for (uint32_t l = 0; l < m->lcores; l++) {
		struct mirror_feed *feed = m->feed[l];

		if (feed->first[slot] != NULL && (first == NULL || feed->first[slot]->number < first->first[slot]->number))
			first = feed;
	}
	return first;
}

static uint32_t mirror_due(struct io_lcore *io, struct mirror *m, uint32_t slot, uint64_t through)
{
	uint32_t count = 0;
	struct mirror_feed *feed;

	for (; m->credit != 0 && (feed = next_of(m, slot)) != NULL; count++) {
		struct feed_node *node = feed->first[slot];

		if (node->number > through)
			break;
		mirror_node(io, m, feed, node);
		feed->first[slot] = node->next;
		node->over = true;
	}
	return count;
}

static bool mirror_all_due(struct io_lcore *io, struct mirror *m)
{
	uint64_t through[BATON_MAX_WORKERS];
	uint32_t count = 0;

	for (uint32_t slot = 0; slot < io->slots; slot++)
		through[slot] = feed_through(m, slot);
	take_all(m); /* after that: see above */
	for (uint32_t slot = 0; slot < io->slots; slot++)
		count += mirror_due(io, m, slot, through[slot]);
	for (uint32_t l = 0; l < m->lcores; l++)
		give_nodes_back(m->feed[l]);
	return count != 0;
}

bool feed_turn(struct io_lcore *io, struct mirror *m)
{
	struct mirror_feed *feed = m->feed[io->index];

	mirror_credit(io->now_ns, &feed->credit, &feed->credited_ns);
	for (uint64_t left = io->attached; left != 0; left &= left - 1) {
		uint32_t slot = (uint32_t)__builtin_ctzll(left);

		if (io->slot[slot].mirror == m)
			say(io, feed, slot);
	}
	return io->index == 0 && mirror_all_due(io, m);
}
