/* Feed, home's part: what the I/O lcores have handed over is mirrored in the order in which their workers have handled
 * it. feed.c says how that order is known. */
#include "feed.h"

bool feed_is_stamped(const struct mirror *m, uint32_t slot)
{
	/* acquire: pairs with the releases in feed_begin() and say() */
	if (atomic_load_explicit(&m->begun, memory_order_acquire) != m->lcores)
		return false;
	for (uint32_t l = 0; l < m->lcores; l++)
		if ((atomic_load_explicit(&m->feed[l]->stamped, memory_order_acquire) >> slot & 1u) == 0)
			return false;
	return (m->left_out >> slot & 1u) == 0;
}

uint32_t feed_lost(const struct mirror *m, uint32_t b)
{
	uint32_t lost = 0;

	for (uint32_t l = 0; l < m->lcores; l++)
		lost += atomic_load_explicit(&m->feed[l]->lost[b], memory_order_relaxed);
	return lost;
}

/* What every lcore has handed over of the worker. */
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

/* ---- who writes no order ---- */

/* Nothing of what it has handed over is mirrored, so that nobody waits behind that. */
static void drop_all_of(struct mirror *m, uint32_t slot)
{
	for (uint32_t l = 0; l < m->lcores; l++) {
		struct mirror_feed *feed = m->feed[l];

		for (; feed->first[slot] != NULL; feed->first[slot] = feed->first[slot]->next)
			feed->first[slot]->over = true;
	}
}

static void forget_all_of(struct mirror *m, uint32_t slot)
{
	drop_all_of(m, slot);
	for (uint32_t b = 0; b < m->buckets; b++)
		if ((m->bucket[b].in_step | m->bucket[b].asked) != 0 && m->bucket[b].slot == slot)
			mirror_forget(m, &m->bucket[b]);
}

static void leave_out(struct mirror *m, uint32_t slot)
{
	m->left_out |= 1ull << slot; /* one word of this lcore's: the main lcore reads it whole */
	forget_all_of(m, slot);
}

static void look_at_liars(struct mirror *m)
{
	uint64_t lied = 0;

	for (uint32_t l = 0; l < m->lcores; l++)
		/* acquire: pairs with the release in feed.c leave_out() */
		lied |= atomic_load_explicit(&m->feed[l]->lied, memory_order_acquire);
	for (uint64_t left = lied & ~m->left_out; left != 0; left &= left - 1)
		leave_out(m, (uint32_t)__builtin_ctzll(left));
}

/* Its first entry is not due. Honest is a worker that was stopped between a burst's `done` and the count of it, or an
 * lcore that is asleep; but neither may hold up for good what is of others, with which it shares the feeds' room. */
static void wait_for(struct io_lcore *io, struct mirror *m, uint32_t slot, const struct feed_node *node)
{
	struct feed_wait *wait = &m->wait[slot];
	uint64_t passed = io->now_ns - wait->looked_ns;

	if (wait->number != node->number || wait->position != node->position)
		*wait = (struct feed_wait){.number = node->number, .position = node->position};
	else /* no look counts for more: it may have been we who stood still */
		wait->waited_ns += passed < FEED_LOOK_NS ? passed : FEED_LOOK_NS;
	wait->looked_ns = io->now_ns;
	if (wait->waited_ns < FEED_WAIT_NS || BATON_SABOTAGE(feed_waits_for_ever))
		return;
	wait->waited_ns = 0;
	if (feed_bursts(io, slot) < node->number)
		return leave_out(m, slot);
	forget_all_of(m, slot);
}

/* ---- what is due ---- */

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

		if (node->number > through) {
			wait_for(io, m, slot, node);
			break;
		}
		mirror_node(io, m, feed, node);
		feed->first[slot] = node->next;
		node->over = true;
	}
	return count;
}

bool feed_home_turn(struct io_lcore *io, struct mirror *m)
{
	uint64_t through[BATON_MAX_WORKERS];
	uint32_t count = 0;

	for (uint32_t slot = 0; slot < io->slots; slot++)
		through[slot] = feed_through(m, slot);
	take_all(m); /* after that: see feed.c */
	look_at_liars(m);
	for (uint64_t left = m->left_out; left != 0; left &= left - 1)
		drop_all_of(m, (uint32_t)__builtin_ctzll(left)); /* from before it was found */
	for (uint32_t slot = 0; slot < io->slots; slot++)
		count += mirror_due(io, m, slot, through[slot]);
	for (uint32_t l = 0; l < m->lcores; l++)
		give_nodes_back(m->feed[l]);
	return count != 0;
}
