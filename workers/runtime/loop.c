/* The loop: one open burst over all belts; packets and messages. What else there is: control_loop.c. */
#include "loop.h"

#include <errno.h>
#include <string.h>
#include <x86intrin.h>

#define DEMOTE_FROM 32u /* entries in a burst */
#define SLOTS_AHEAD  12u /* entries whose slots are asked for before they are handled */
#define PLUGIN_AHEAD 6u  /* entries whose records are, or medium cells: their slots have arrived by then */
#define CELL_AHEAD   3u  /* entries of medium cells whose records are: the cells have */

int loop_init(struct loop *loop, const struct baton_plugin *plugin, struct belt *const *belt,
	      struct belt_commit *commit, uint32_t belts, uint32_t buckets, struct CoreStats *stats, uint64_t tsc_hz,
	      bool busy_poll)
{
	if (belts == 0 || belts > BATON_MAX_IO_LCORES || buckets == 0 || buckets > BATON_MAX_BUCKETS)
		return -EINVAL;
	loop->plugin = plugin;
	loop->txn.max_posts = plugin->max_posts;
	loop->txn.max_sends = plugin->max_sends;
	loop->cells = plugin->max_posts + plugin->max_sends;
	loop->belts = belts;
	loop->next = 0;
	for (uint32_t i = 0; i < belts; i++) {
		belt_consumer_init(&loop->belt[i], belt[i], &commit[i]);
		loop->prefetched[i] = loop->belt[i].done;
	}
	loop->buckets = buckets;
	loop->owned_buckets = 0;
	memset(loop->owned, 0, buckets);
	loop->stale = 0;
	memset(loop->is_stale, 0, buckets);
	if (plugin->record_size != 0 && loop->txn.ctx.record_size != 0)
		loop->txn.ctx.record_size = plugin->record_size; /* of its schema; the file has room for it */
	loop->stats = stats;
	loop->cycles = NULL;
	loop->mixed = false;
	loop->tsc_hz = tsc_hz;
	loop->turn_tsc = __rdtsc();
	loop->primed_until = 0;
	loop->idle_turns = 0;
	loop->busy_poll = busy_poll;
	loop->stop = false;
	loop->verify = NULL;
	/* The one before may have died between a settle and the count of it. */
	loop->bursts = atomic_load_explicit(&belt[0]->bursts, memory_order_relaxed) + 1;
	loop->converting = NULL;
	loop->undone_shown = loop->early_settles_shown = 0;
	loop->table_full_shown = 0;
	return 0;
}

/* ---- entries ---- */

/* What the plugin decided, as far as the primary may be told. A reply that is longer than its request, or a verdict
 * that is none, is a mistake of the plugin: the entry is undone and dropped as malformed. */
static inline bool verdict_is_sound(const struct baton_packet *packet, baton_verdict verdict)
{
	return verdict >> 16 <= packet->len && (verdict & 0xffffu) < BATON_VERDICT_COUNT;
}

static inline void run_packet(struct loop *loop, struct belt_slot *slot, uint8_t *data)
{
	struct txn *txn = &loop->txn;
	baton_verdict verdict;

	txn_begin(txn, slot->packet.time_ns, slot->packet.bucket);
	BATON_POINT(entry_begun);
	if (VERIFIES(loop))
		verdict = VERIFY(loop, .kind = VERIFY_PACKET, .packet = &slot->packet, .data = data);
	else
		verdict = loop->plugin->packet(&txn->ctx, &slot->packet, data);
	BATON_POINT(entry_handled);
	if (baton_unlikely(!verdict_is_sound(&slot->packet, verdict))) {
		txn->ctx.overflow = 1;
		txn_end(txn, verdict);
		belt_verdict(txn->consumer, txn->position - 1, BATON_DROP_MALFORMED);
		return;
	}
	txn_end(txn, verdict);
	BATON_POINT(entry_ended);
}

/* A message is answered to nobody: the verdict only says whether it was undone. */
static void run_message(struct loop *loop, const struct belt_slot *slot, const uint8_t *data)
{
	struct txn *txn = &loop->txn;

	txn_begin(txn, slot->packet.time_ns, slot->packet.bucket);
	if (txn->ctx.posts > 1 && !BATON_SABOTAGE(message_posts_many))
		txn->ctx.posts = 1;
	if (VERIFIES(loop) && loop->plugin->message != NULL)
		VERIFY(loop, .kind = VERIFY_MESSAGE, .packet = &slot->packet, .data = (uint8_t *)(uintptr_t)data);
	else if (baton_likely(loop->plugin->message != NULL))
		loop->plugin->message(&txn->ctx, &slot->packet, data);
	else
		txn->ctx.overflow = 1; /* posted by a version that has the callback */
	BATON_POINT(message_handled);
	txn_end(txn, BATON_NO_REPLY);
}

/* ---- bursts ---- */

static inline void prefetch_slot(const struct belt_consumer *belt, uint64_t position)
{
	const struct belt_slot *slot = belt_slot_at(belt, position);

	baton_prefetch_write(slot);
	__builtin_prefetch(&belt->belt->peer[position & BELT_MASK]);
}

/* The plugin asks for the record of an entry that is near. */
static inline void prefetch_record(struct loop *loop, const struct belt_consumer *belt, struct belt_slot *slot)
{
	if (loop->plugin->prefetch != NULL && baton_likely(slot->packet.kind == BELT_PACKET))
		loop->plugin->prefetch(&loop->txn.ctx, &slot->packet, belt_slot_data(belt, slot));
}

/* What a slot does not hold is asked for first; the plugin looks into it later, or it would wait. */
static inline void prefetch_entry(struct loop *loop, const struct belt_consumer *belt, uint64_t position)
{
	struct belt_slot *slot = belt_slot_at(belt, position);

	if (baton_unlikely(slot->packet.len > BELT_INLINE))
		belt_prefetch_medium(belt->belt, (uint32_t)position & BELT_MASK, slot->packet.len);
	else
		prefetch_record(loop, belt, slot);
}

static inline void prefetch_from_cell(struct loop *loop, const struct belt_consumer *belt, uint64_t position)
{
	struct belt_slot *slot = belt_slot_at(belt, position);

	if (baton_unlikely(slot->packet.len > BELT_INLINE))
		prefetch_record(loop, belt, slot);
}

static bool is_suspect(const struct belt_slot *slot)
{
	return (slot->packet.kind & BELT_SUSPECT) != 0 && !BATON_SABOTAGE(suspects_run_together);
}

static void run_marked(struct loop *loop, struct belt_consumer *belt, struct belt_slot *slot)
{
	struct txn *txn = &loop->txn;
	uint32_t kind = slot->packet.kind & ~BELT_SUSPECT;

	if ((kind == BELT_PACKET || kind == BELT_MESSAGE) && baton_unlikely(loop->stale != 0))
		bucket_migrate(loop, slot->packet.bucket);
	if (kind == BELT_PACKET) {
		txn->ctx.peer = &belt->belt->peer[txn->position & BELT_MASK];
		run_packet(loop, slot, belt_slot_data(belt, slot));
	} else if (kind == BELT_MESSAGE) {
		run_message(loop, slot, belt_slot_data(belt, slot));
	} else {
		loop_control(loop, kind, belt_slot_data(belt, slot));
	}
}

/* The burst is this one entry, which may have ended the worker before us: nothing behind it is looked at, not even to
 * be prefetched by the plugin, so that whatever happens now is its doing. */
static void run_suspect(struct loop *loop, struct belt_consumer *belt)
{
	struct txn *txn = &loop->txn;

	if (!belt_out_room(belt, loop->cells))
		return;
	run_marked(loop, belt, belt_slot_at(belt, txn->position));
	if (loop->prefetched[txn->belt] < txn->position)
		loop->prefetched[txn->belt] = txn->position;
}

/* Entries up to `end`, with a look at those that are `ready` behind them. Counts by txn->position: `done` may move in
 * the middle of it (journal full). */
static void run_burst(struct loop *loop, struct belt_consumer *belt, uint64_t end, uint64_t ready)
{
	struct txn *txn = &loop->txn;
	uint64_t position = txn->position, fetched = loop->prefetched[txn->belt];
	bool stale = loop->stale != 0;

	for (uint64_t at = position; at != ready && at != position + SLOTS_AHEAD; at++)
		prefetch_slot(belt, at);
	for (; position != end && !loop->stop; position++) {
		struct belt_slot *slot = belt_slot_at(belt, position);

		/* The primary takes cells whatever this worker does: in one of the next turns there is room. */
		if (baton_unlikely(!belt_out_room(belt, loop->cells)))
			break;
		if (position + SLOTS_AHEAD < ready)
			prefetch_slot(belt, position + SLOTS_AHEAD);
		while (fetched < ready && fetched < position + PLUGIN_AHEAD)
			prefetch_entry(loop, belt, fetched++);
		if (position + CELL_AHEAD < fetched)
			prefetch_from_cell(loop, belt, position + CELL_AHEAD);
		if (baton_unlikely(stale) && (slot->packet.kind == BELT_PACKET || slot->packet.kind == BELT_MESSAGE))
			bucket_migrate(loop, slot->packet.bucket);
		if (baton_likely(slot->packet.kind == BELT_PACKET)) {
			txn->ctx.peer = &belt->belt->peer[position & BELT_MASK];
			run_packet(loop, slot, belt_slot_data(belt, slot));
		} else if (slot->packet.kind == BELT_MESSAGE) {
			run_message(loop, slot, belt_slot_data(belt, slot));
		} else if (is_suspect(slot)) {
			break; /* what stands before it is settled first; then it is alone */
		} else {
			run_marked(loop, belt, slot);
			stale = loop->stale != 0; /* grants and revokes come this way */
		}
	}
	loop->prefetched[txn->belt] = fetched;
}

static void count_burst(struct loop *loop, uint64_t entries, uint64_t cycles)
{
	struct CoreStats *stats = loop->stats;
	struct txn *txn = &loop->txn;

	/* Ticks may run any number of buckets, and what else the primary says is no work of the plugin's. */
	if (baton_likely(!loop->mixed && loop->cycles != NULL && entries != 0))
		stats_count_burst(loop->cycles, (uint32_t)entries, cycles);
	loop->mixed = false;
	stats_add(&stats->processed, entries);
	stats_add(&stats->processed_cycles, cycles);
	stats_add(&stats->bursts, 1);
	stats_add(&stats->burst_packets, entries);
	if (baton_unlikely(txn->undone != loop->undone_shown)) {
		stats_add(&stats->undone, txn->undone - loop->undone_shown);
		loop->undone_shown = txn->undone;
	}
	if (baton_unlikely(txn->early_settles != loop->early_settles_shown)) {
		stats_add(&stats->early_settles, txn->early_settles - loop->early_settles_shown);
		loop->early_settles_shown = txn->early_settles;
	}
	if (baton_unlikely(txn->ctx.table_full != loop->table_full_shown)) {
		stats_add(&stats->table_full, txn->ctx.table_full - loop->table_full_shown);
		loop->table_full_shown = txn->ctx.table_full;
	}
}

/* Before the burst: what settles early is to be stamped as well. Entries that are left for the next burst get another. */
static void stamp_burst(struct loop *loop, struct belt_consumer *belt, uint64_t first, uint32_t count)
{
	loop->bursts++;
	for (uint32_t i = 0; i < count; i++)
		*(volatile uint32_t *)&belt->belt->stamp[(first + i) & BELT_MASK] = (uint32_t)loop->bursts;
}

/* The slots of a large burst, which the I/O lcore reads next. In a small one it finds them as fast. */
static inline void give_back_slots(const struct belt_consumer *belt, uint64_t first, uint64_t end)
{
	if (end - first < DEMOTE_FROM)
		return;
	for (uint64_t at = first; at != end; at++)
		baton_demote(belt_slot_at(belt, at));
}

/* One open burst over all belts: it is settled before another is taken from. */
static uint32_t loop_burst(struct loop *loop, uint32_t index, uint32_t ready)
{
	struct belt_consumer *belt = &loop->belt[index];
	struct txn *txn = &loop->txn;
	uint32_t count = ready < BATON_BURST ? ready : BATON_BURST;
	uint64_t start = __rdtsc(), first = belt->done;
	/* relaxed: it stands before whatever was offered after it; the line is that of `offered` */
	bool stamped = atomic_load_explicit(&belt->belt->numbered, memory_order_relaxed) != 0;

	BATON_POINT(burst_taken);
	if (baton_unlikely(stamped))
		stamp_burst(loop, belt, first, count);
	txn_open(txn, belt, index);
	BATON_POINT(burst_opened);
	if (baton_unlikely(is_suspect(belt_slot_at(belt, first))))
		run_suspect(loop, belt);
	else
		run_burst(loop, belt, first + count, first + ready);
	BATON_POINT(burst_handled);
	give_back_slots(belt, first, txn->position);
	txn_settle(txn);
	if (baton_unlikely(stamped))
		/* release: pairs with the acquire in feed.c; whoever reads it finds `done` of every burst up to it */
		atomic_store_explicit(&loop->belt[0].belt->bursts, loop->bursts, memory_order_release);
	count = (uint32_t)(txn->position - first);
	count_burst(loop, count, __rdtsc() - start);
	return count;
}

uint32_t loop_turn(struct loop *loop)
{
	for (uint32_t i = 0; i < loop->belts && !loop->stop; i++) {
		uint32_t index = loop->next;
		/* more than a burst: the first entries of the next one are asked for while this one runs */
		uint32_t ready = belt_take(&loop->belt[index], BATON_BURST + SLOTS_AHEAD);

		loop->next = index + 1 == loop->belts ? 0 : index + 1;
		if (ready != 0)
			return loop_burst(loop, index, ready);
	}
	return 0;
}

void loop_run(struct loop *loop)
{
	struct CoreStats *stats = loop->stats;

	while (!loop->stop) {
		uint32_t count = loop_turn(loop);
		if (count == 0)
			idle_wait(loop);
		else
			loop->idle_turns = 0;
		uint64_t now = __rdtsc();
		stats_add(count != 0 ? &stats->busy_cycles : &stats->idle_cycles, now - loop->turn_tsc);
		stats_add(&stats->loops, 1);
		stats_add(&stats->busy_loops, count != 0);
		*(volatile uint64_t *)&stats->heartbeat = now;
		loop->turn_tsc = now;
	}
}
