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
 * mirrors what came after it.
 *
 * This file is what each lcore does; home's part is feed_home.c. The numbers are a worker's word: what no honest worker
 * writes is found here (is_honest()), and its slot is left out until the mirror ends. */
#include "feed.h"

/* A burst is of one belt, so of its entries no more than that bear one number. */
#define SAME_MOST BATON_BURST
/* The burst that is being settled is one above what is counted; the first one after a death that was not, two. */
#define AHEAD_MOST 2u

/* ---- whether a worker's numbers are an order ---- */

static bool is_left_out(const struct mirror_feed *feed, uint32_t slot)
{
	return baton_unlikely((atomic_load_explicit(&feed->lied, memory_order_relaxed) >> slot & 1u) != 0);
}

static void leave_out(struct mirror_feed *feed, uint32_t slot)
{
	/* release: pairs with the acquire in feed_home.c; it is said nothing more of the slot */
	atomic_fetch_or_explicit(&feed->lied, 1ull << slot, memory_order_release);
}

/* Of an entry that is stamped, `now` being what the worker has counted when or after the entry was reaped. */
static bool is_honest(struct mirror_feed *feed, uint32_t slot, uint64_t number, uint64_t now)
{
	uint64_t last = feed->slot[slot].number;

	if (BATON_SABOTAGE(feed_believes_numbers))
		return true;
	/* relaxed: only this lcore writes it */
	if (now >= FEED_BURSTS_MOST || number < last || number > now + AHEAD_MOST ||
	    number <= atomic_load_explicit(&feed->through[slot], memory_order_relaxed))
		return false;
	feed->slot[slot].same = number == last ? feed->slot[slot].same + 1 : 1;
	feed->slot[slot].number = number;
	return feed->slot[slot].same <= SAME_MOST;
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

/* A node with room for so many bytes; NULL: there is none, or the worker's numbers are none. */
static struct feed_node *node_take(struct io_lcore *io, struct mirror_feed *feed, uint32_t slot, uint64_t position,
				   uint32_t bytes)
{
	uint64_t head = atomic_load_explicit(&feed->head, memory_order_relaxed), now = feed_bursts(io, slot);
	uint32_t stamp = *(const volatile uint32_t *)&io->slot[slot].belt.belt->stamp[position & BELT_MASK], at;
	uint64_t number = now + (uint64_t)(int64_t)(int32_t)(stamp - (uint32_t)now);

	if (position < feed->slot[slot].from) {
		number = 0; /* a tick that was posted before anybody wanted to know: nothing is in step with its worker yet */
	} else if (!is_honest(feed, slot, number, now)) {
		leave_out(feed, slot);
		return NULL;
	}
	/* acquire: pairs with the release in give_nodes_back() */
	if (head - atomic_load_explicit(&feed->tail, memory_order_acquire) == FEED_NODES || !bytes_take(feed, bytes, &at))
		return NULL;
	struct feed_node *node = &feed->node[head % FEED_NODES];
	node->number = number;
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
	struct feed_node *node = NULL;

	if (is_left_out(feed, slot))
		return;
	if (feed->credit != 0)
		node = node_take(io, feed, slot, position, len + e->outcome.len);
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
	struct mirror_feed *feed = m->feed[io->index];
	struct feed_node *node = is_left_out(feed, slot) ? NULL : node_take(io, feed, slot, position, 0);

	if (node == NULL)
		return mirror_snapshot_reaped(m, slot, position, shadow->bucket, BATON_NO_REPLY);
	node->shadow = *shadow;
	node->outcome = (struct mirror_outcome){.verdict = verdict};
	node_give(feed);
}

void feed_tick(struct io_lcore *io, struct mirror *m, uint32_t slot, uint64_t position,
	       const struct belt_shadow *shadow, uint32_t bytes)
{
	struct mirror_feed *feed = m->feed[io->index];
	struct feed_node *node = is_left_out(feed, slot) ? NULL : node_take(io, feed, slot, position, bytes);

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

	if (belt->reaped < feed->slot[slot].done || is_left_out(feed, slot))
		return;
	uint64_t now = feed_bursts(io, slot);
	if ((now < feed->slot[slot].burst || now >= FEED_BURSTS_MOST) && !BATON_SABOTAGE(feed_believes_numbers))
		return leave_out(feed, slot);
	say_through(feed, slot, feed->slot[slot].burst);
	feed->slot[slot].burst = now;
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
	struct mirror_feed *feed = m->feed[io->index];

	feed->slot[slot].from = io->slot[slot].belt.offered;
	feed->slot[slot].same = 0;
	/* relaxed: belt_publish() stores what is offered from now on after it */
	atomic_store_explicit(&io->slot[slot].belt.belt->numbered, 1, memory_order_relaxed);
}

void feed_shadow_comes(struct io_lcore *io, uint32_t slot)
{
	/* relaxed: before what is offered, as above */
	atomic_store_explicit(&io->slot[slot].belt.belt->numbered, 0, memory_order_relaxed);
	io->slot[slot].bursts = feed_bursts(io, slot);
}

/* The word outlives it: whoever has the slot next would count on from there. */
bool feed_shadow_counts(const struct io_lcore *io, uint32_t slot)
{
	return io->index == 0 && feed_bursts(io, slot) != io->slot[slot].bursts && !BATON_SABOTAGE(shadow_may_count);
}

/* Its last burst, which it may not have counted any more, is one above; the next incarnation begins behind that. */
void feed_owner_dies(struct io_lcore *io, struct mirror *m, uint32_t slot)
{
	struct mirror_feed *feed = m->feed[io->index];

	if (!is_left_out(feed, slot) && feed_bursts(io, slot) < FEED_BURSTS_MOST)
		say_through(feed, slot, feed_bursts(io, slot) + 1);
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

/* Those of mirrors of other services stay numbered. */
void feed_end(struct io_lcore *io)
{
	for (uint32_t slot = 0; slot < io->slots; slot++)
		if (io->slot[slot].mirror == NULL || BATON_SABOTAGE(feed_end_ends_all))
			atomic_store_explicit(&io->slot[slot].belt.belt->numbered, 0, memory_order_relaxed);
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
	return io->index == 0 && feed_home_turn(io, m);
}
