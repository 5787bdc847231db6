/* Reap: what workers settled leaves their belts in order: reply, free, drop. The verdict and length of an entry are
 * read once and checked; a worker that writes what no honest worker writes is reported for fencing. */
#include "belt_consumer.h" /* the worker's end, for a sabotage rule alone */
#include "hist.h"
#include "lcore.h"

#define LOAD_CHUNK  32u
#define SLOTS_AHEAD 12u /* entries whose slots, with the worker until now, are asked for before they are reaped */

/* Not a plain reply. True if it is an error reply, which leaves like any other. */
static __attribute__((noinline)) bool reap_verdict(struct io_lcore *io, const struct belt_shadow *shadow,
						   uint32_t verdict, struct slot_view *view)
{
	static const uint8_t reason[BATON_VERDICT_COUNT] = {
		[BATON_DROP_MALFORMED] = DROP_malformed, [BATON_DROP_RUNT] = DROP_runt, [BATON_DROP_REFUSED] = DROP_refused,
	};
	uint32_t what = verdict & 0xffffu, len = verdict >> 16;
	struct rte_mbuf *mbuf = shadow->cookie;

	switch (what) {
	case BATON_REPLY_ERROR:
		if (baton_unlikely(len > shadow->len))
			break;
		stats_add(&io->stats->error_replies, 1);
		stats_add(&view->counts->error_replies, 1);
		return true;
	case BATON_NO_REPLY:
		stats_add(&io->stats->no_reply, 1);
		free_packet(io, mbuf);
		return false;
	case BATON_DROP_MALFORMED:
	case BATON_DROP_RUNT:
	case BATON_DROP_REFUSED:
		drop_packet_of(io, mbuf, reason[what],
			       what == BATON_DROP_REFUSED ? &view->counts->refused : &view->counts->malformed);
		return false;
	default:
		break;
	}
	view->fence = FENCE(VERDICT);
	drop_packet_of(io, mbuf, DROP_bad_verdict, &view->counts->bad_verdict);
	return false;
}

/* Samples one after the other that fell into one bucket, which is what most of a burst do: counted twice, by version
 * and by slot, but as one. */
struct samples {
	uint32_t bucket, count;
};

static inline void count_samples(const struct slot_view *view, const struct samples *samples)
{
	stats_add(&view->residence[samples->bucket], samples->count);
	stats_add(&view->counts->residence[samples->bucket], samples->count);
}

static inline void sample_residence(const struct slot_view *view, uint64_t now_ns, const struct belt_shadow *shadow,
				    struct samples *samples)
{
	uint32_t bucket = hist_bucket(now_ns - shadow->time_ns);

	if (bucket != samples->bucket) {
		count_samples(view, samples);
		*samples = (struct samples){.bucket = bucket};
	}
	samples->count++;
}

/* For whoever balances: whose the worker's time was. Entry by entry while they are few; of a large burst one in
 * LOAD_CHUNK stands for its whole chunk, drawn by chance: players whose packets come at fixed distances have their
 * turn like others. */
static inline void count_load(struct io_lcore *io, const struct belt_producer *belt, uint32_t count)
{
	uint32_t chunk = count <= LOAD_CHUNK ? 1 : LOAD_CHUNK;

	for (uint32_t first = 0; first < count; first += chunk) {
		uint32_t of = count - first < chunk ? count - first : chunk;

		io->draw = io->draw * 1664525u + 1013904223u; /* Numerical Recipes, 7.1: the high bits are good enough */
		uint32_t nth = first + (uint32_t)((uint64_t)io->draw * of >> 32);
		const struct belt_shadow *shadow = &belt->shadow[(uint32_t)(belt->reaped + nth) & BELT_MASK];
		volatile uint32_t *load = &io->steering[shadow->service].load[shadow->bucket];
		if (baton_likely(shadow->kind == BELT_PACKET) || shadow->kind == BELT_MESSAGE)
			*load = *load + (BATON_SABOTAGE(load_counts_chunks) ? 1 : of);
	}
}

/* Asks for a slot that the worker had, to write to, because the next thing that happens to it is an offer. Only for
 * what is settled: beyond it the worker is writing. Of a medium cell the lines the request had: a reply is never
 * longer. */
static inline void prefetch_slot(const struct belt_producer *belt, uint32_t nth)
{
	uint32_t at = (uint32_t)(belt->reaped + nth) & BELT_MASK;
	const struct belt_slot *slot = &belt->belt->slots[at];

	baton_prefetch_write(slot);
	if (baton_unlikely(belt->shadow[at].len > BELT_INLINE))
		belt_prefetch_medium(belt->belt, at, belt->shadow[at].len);
}

/* A few entries are there as fast without: taking lines over early costs the worker more than it gives. */
static inline void prefetch_settled(const struct belt_producer *belt, uint32_t count)
{
	if (count <= 8)
		return;
	for (uint32_t i = 0; i < count; i += BATON_CACHE_LINE / sizeof(belt->belt->verdict[0]))
		rte_prefetch0(&belt->belt->verdict[(uint32_t)(belt->reaped + i) & BELT_MASK]);
	for (uint32_t i = 0; i < count && i < SLOTS_AHEAD; i++)
		prefetch_slot(belt, i);
}

static void message_reaped(struct io_lcore *io, uint32_t slot, const struct belt_shadow *shadow, uint32_t verdict)
{
	stats_add(&io->slot[slot].counts->messages, 1);
	if (baton_unlikely(io->moves != 0))
		move_packet_reaped(io, slot, shadow->bucket, shadow->service);
	if (baton_likely((verdict & 0xffffu) == BATON_NO_REPLY)) {
		stats_add(&io->stats->messages_settled, 1);
		message_free(&io->message, shadow->cookie);
	} else {
		message_drop(io, shadow->cookie);
	}
}

/* Cells stand in the order of their causes: one whose cause has been reaped without it names none that is under way,
 * nor does one of an entry that the worker has yet to be offered. */
static void end_cells(struct slot_view *view, uint32_t waiting)
{
	belt_out_publish(&view->belt);
	if (waiting == 0)
		return;
	uint64_t cause = *(const volatile uint64_t *)&belt_out_at(&view->belt)->cause;
	if (cause < view->belt.reaped || (cause >= view->belt.published && !BATON_SABOTAGE(any_cause_waited_for)))
		view->fence = FENCE(CELL);
}

/* Grants and primes need nothing. */
static __attribute__((noinline)) void reap_other(struct io_lcore *io, uint32_t slot, const struct belt_shadow *shadow,
						 uint32_t verdict)
{
	switch (shadow->kind) {
	case BELT_REVOKE: return move_revoke_reaped(io, shadow);
	case BELT_CONVERT: return move_convert_reaped(io, shadow);
	case BELT_TICK: return ticks_reaped(io, slot, shadow, verdict);
	case BELT_MESSAGE: return message_reaped(io, slot, shadow, verdict);
	default: return;
	}
}

/* True: `reply` is to be completed; *plain counts those that are no error replies. */
static inline bool reap_packet(struct io_lcore *io, uint32_t slot, const struct belt_shadow *shadow, uint32_t verdict,
			       struct reply *reply, uint32_t *plain)
{
	if (baton_unlikely(io->moves != 0))
		move_packet_reaped(io, slot, shadow->bucket, shadow->service);
	reply->shadow = shadow;
	reply->len = verdict >> 16;
	if (baton_likely((verdict & 0xffffu) == BATON_REPLY &&
			 (reply->len <= shadow->len || BATON_SABOTAGE(reply_length_believed)))) {
		(*plain)++;
		return true;
	}
	return reap_verdict(io, shadow, verdict, &io->slot[slot]);
}

static inline int settled_of(const struct belt_producer *belt)
{
	int settled = belt_settled(belt);

	if (BATON_SABOTAGE(reap_beyond_done) || (BATON_SABOTAGE(forged_done_believed) && settled < 0))
		settled = (int)(belt->published - belt->reaped);
	return settled;
}

/* Entries that are settled, at most REAP_MOST, and how many outbound cells wait. A word no honest worker writes: the
 * worker is to be fenced. */
static inline uint32_t reap_ready(struct io_lcore *io, uint32_t slot, uint32_t *cells)
{
	struct slot_view *view = &io->slot[slot];
	int early = BATON_SABOTAGE(filled_loaded_before_done) ? belt_out_waiting(&view->belt) : 0;
	int settled = settled_of(&view->belt), waiting = belt_out_waiting(&view->belt); /* in this order */

	if (BATON_SABOTAGE(filled_loaded_before_done))
		waiting = early;

	if (baton_unlikely(settled < 0 || waiting < 0)) {
		view->fence = settled < 0 ? FENCE(DONE) : FENCE(FILLED);
		atomic_fetch_or_explicit(&io->dp->slot[slot].fence, view->fence, memory_order_relaxed);
	}
	*cells = waiting > 0 ? (uint32_t)waiting : 0;
	return settled <= 0 ? 0 : (uint32_t)settled < REAP_MOST ? (uint32_t)settled : REAP_MOST;
}

/* Where the worker finds an entry: not to be trusted with where its reply stands. */
static inline const uint8_t *where_the_slot_says(const struct belt_producer *belt, uint32_t nth)
{
	const struct belt_consumer worker = {.belt = belt->belt};

	return belt_slot_data(&worker, belt_slot_at(&worker, belt->reaped + nth));
}

/* Returns the number of entries reaped from the belt, control entries included. */
uint32_t reap_slot(struct io_lcore *io, uint32_t slot)
{
	struct slot_view *view = &io->slot[slot];
	uint32_t early = BATON_SABOTAGE(done_read_relaxed) ? view->belt.belt->verdict[view->belt.reaped & BELT_MASK] : 0;
	uint32_t cells, count = reap_ready(io, slot, &cells);
	uint32_t longs = 0, packets = 0, plain = 0, replies = 0, waiting = cells;

	if (count == 0)
		return 0;
	prefetch_settled(&view->belt, count);
	if (baton_unlikely(view->mirror != NULL)) {
		if (BATON_SABOTAGE(mirror_back_pressures) && mirror_is_full(io, view->mirror))
			return 0;
		mirror_settled(io, slot, count, cells); /* the frames are as they came, until they are completed */
	}
	uint64_t now_ns = io_time_ns(io, rte_rdtsc());
	/* A large burst is sampled, one in eight: its packets came and went together. */
	uint32_t sample = count > 8 ? 7u : 0u;
	struct samples samples = {0};
	struct reply reply[BATON_BURST];
	for (uint32_t i = 0; i < count; i++) {
		struct reply *next = &reply[replies % BATON_BURST];
		uint32_t verdict;
		const struct belt_shadow *shadow = belt_settled_at(&view->belt, i, &longs, &verdict, &next->data);

		if (BATON_SABOTAGE(slots_size_believed))
			next->data = where_the_slot_says(&view->belt, i);
		if (BATON_SABOTAGE(done_read_relaxed) && i == 0)
			verdict = early;
		if (BATON_SABOTAGE(settled_reply_dropped) && !view->attached && shadow->kind == BELT_PACKET)
			verdict = BATON_NO_REPLY;
		if (i + SLOTS_AHEAD < count)
			prefetch_slot(&view->belt, i + SLOTS_AHEAD);
		if (baton_unlikely(shadow->kind != BELT_PACKET)) {
			reap_other(io, slot, shadow, verdict);
		} else {
			if ((i & sample) == 0)
				sample_residence(view, now_ns, shadow, &samples);
			packets++;
			if (reap_packet(io, slot, shadow, verdict, next, &plain) && ++replies % BATON_BURST == 0)
				complete_burst(io, reply, BATON_BURST);
		}
		if (baton_likely(waiting == 0) || belt_out_at(&view->belt)->cause != view->belt.reaped + i)
			continue;
		/* behind the replies of this entry and of those before it */
		complete_burst(io, reply, replies % BATON_BURST);
		replies -= replies % BATON_BURST;
		if (!emit_cells(io, slot, view->belt.reaped + i, shadow->kind, &waiting))
			view->fence = FENCE(CELL);
	}
	complete_burst(io, reply, replies % BATON_BURST);
	stats_add(&io->stats->replies, plain);
	count_load(io, &view->belt, count);
	belt_reaped(&view->belt, count, longs);
	if (baton_unlikely(cells != 0))
		end_cells(view, waiting);
	view->packets -= packets;
	io->ledger.in_belts -= packets;
	stats_add(&io->stats->reaped, packets);
	if (!BATON_SABOTAGE(slot_uncounted))
		stats_add(&view->counts->packets, packets);
	count_samples(view, &samples);
	if (baton_unlikely(view->fence))
		atomic_fetch_or_explicit(&io->dp->slot[slot].fence, view->fence, memory_order_relaxed);
	return count;
}

/* Returns the number of entries reaped from all belts. */
uint32_t reap_all(struct io_lcore *io)
{
	uint32_t count = 0;

	for (uint64_t left = io->attached; left != 0; left &= left - 1) {
		uint32_t slot = (uint32_t)__builtin_ctzll(left);

		if (belt_depth(&io->slot[slot].belt) != 0 && !io->slot[slot].fence)
			count += reap_slot(io, slot);
	}
	return count;
}
