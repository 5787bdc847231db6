/* Entries that are no packets and no messages: who owns what, ticks, conversions, the end. */
#include "loop.h"

#include <string.h>
#include <x86intrin.h>

#include "tick.h"

#define TICK_CONVERTS 4u /* buckets whose records one tick entry converts */

/* Adds `step` belts to the count of one bucket. */
static void count_bucket(struct loop *loop, uint32_t bucket, uint8_t step)
{
	uint8_t *owned = &loop->owned[bucket];

	loop->owned_buckets -= *owned != 0;
	*owned = BATON_SABOTAGE(bucket_dropped_at_first_revoke) && step != 1 ? 0 : (uint8_t)(*owned + step);
	loop->owned_buckets += *owned != 0;
	bucket_note(loop, bucket);
}

#define RUN 64u /* buckets in a word of the map */

/* The same of RUN buckets from `first` on, of which none is stale, nor will be: a handover of all buckets is a few
 * microseconds, not one for each two hundred of them. Plain loops, which the compiler makes vectors of. */
static void count_run(struct loop *loop, uint32_t first, uint8_t step)
{
	uint8_t *owned = &loop->owned[first], before = 0, after = 0;

	for (uint32_t i = 0; i < RUN; i++) {
		uint8_t was = owned[i], is = (uint8_t)(was + step);

		before = (uint8_t)(before + (was != 0));
		after = (uint8_t)(after + (is != 0));
		owned[i] = is;
	}
	loop->owned_buckets += (uint32_t)after - before;
}

/* Adds `step` belts to the count of every bucket the entry names. */
static void count_buckets(struct loop *loop, const uint8_t *data, uint8_t step)
{
	struct belt_buckets head;
	const uint8_t *map = data + sizeof(head);
	uint32_t count, i = 0;

	memcpy(&head, data, sizeof(head));
	count = head.first >= loop->buckets ? 0 : loop->buckets - head.first;
	if (head.count < count)
		count = head.count;
	while (i < count) {
		uint64_t word = UINT64_MAX;

		if (!head.all && count - i >= RUN)
			memcpy(&word, map + i / 8, sizeof(word));
		if (count - i >= RUN && word == 0) {
			i += RUN;
		} else if (count - i >= RUN && word == UINT64_MAX && buckets_stay_fresh(loop, head.first + i, RUN, step == 1) &&
			   !BATON_SABOTAGE(bucket_dropped_at_first_revoke)) {
			count_run(loop, head.first + i, step);
			i += RUN;
		} else {
			for (uint32_t end = count - i < RUN ? count : i + RUN; i < end; i++)
				if (head.all || (map[i / 8] >> (i % 8) & 1u))
					count_bucket(loop, head.first + i, step);
		}
	}
}

static void run_grant(struct loop *loop, const uint8_t *data)
{
	if (loop->owned_buckets == 0)
		name_show(loop);
	loop->primed_until = 0; /* what it was awake for */
	count_buckets(loop, data, 1);
	BATON_POINT(grant_taken);
	txn_pass(&loop->txn);
}

static void run_revoke(struct loop *loop, const uint8_t *data)
{
	count_buckets(loop, data, (uint8_t)-1);
	BATON_POINT(revoke_taken);
	txn_pass(&loop->txn);
}

/* Ticks of one bucket up to the entry's number, in order, as many as one entry may run. A bucket that has never had one
 * starts with this one. Returns true if it is still behind. */
bool loop_tick_bucket(struct loop *loop, const struct belt_tick *tick, uint32_t bucket)
{
	struct txn *txn = &loop->txn;
	uint64_t last = txn_last_tick(txn, bucket);
	uint64_t number = last != 0 && !BATON_SABOTAGE(no_catch_up) ? last + 1 : tick->number;

	if (BATON_SABOTAGE(no_guard) && last >= tick->number)
		number = tick->number;
	/* Not if another worker has run this number, or a later one, before the bucket came here (R11). */
	for (uint32_t i = 0; i < tick->catch_up && number <= tick->number && txn_tick_fits(txn); i++, number++) {
		if (number <= last && !BATON_SABOTAGE(no_guard))
			break;
		txn_begin_tick(txn, number, tick_time(&tick->times, number), bucket);
		if (VERIFIES(loop))
			VERIFY(loop, .kind = VERIFY_TICK, .number = number);
		else
			loop->plugin->tick(&txn->ctx, number);
		txn_end_tick(txn);
		BATON_POINT(tick_run);
	}
	return txn_last_tick(txn, bucket) < tick->number;
}

/* A tick comes for many buckets at once: of those that must be converted first a few take part, the others wait for the
 * entry that follows. Not behind cells that were written for others: converting may settle. */
static bool tick_migrates(struct loop *loop, uint32_t bucket, uint32_t *converted)
{
	struct txn *txn = &loop->txn;

	if (*converted == TICK_CONVERTS || txn->consumer->filled != txn->tick_cells)
		return false;
	(*converted)++;
	bucket_migrate(loop, bucket);
	return true;
}

static bool tick_owned(struct loop *loop, const struct belt_tick *tick, uint32_t bucket, uint32_t *converted)
{
	return (loop->is_stale[bucket] && !tick_migrates(loop, bucket, converted)) || loop_tick_bucket(loop, tick, bucket);
}

static void run_tick(struct loop *loop, const uint8_t *data)
{
	struct belt_tick tick;
	bool behind = false;
	uint32_t converted = 0;

	memcpy(&tick, data, sizeof(tick));
	struct loop_told told;
	loop_tell_begin(loop, &told, &tick, data);
	txn_open_tick(&loop->txn);
	if (loop->plugin->tick != NULL && loop->owned_buckets != 0 && tick.groups != 0)
		for (uint32_t bucket = tick.group; bucket < loop->buckets; bucket += tick.groups) {
			if (loop->owned[bucket] == 0)
				continue;
			uint64_t last = txn_last_tick(&loop->txn, bucket);
			behind |= tick_owned(loop, &tick, bucket, &converted);
			if (baton_unlikely(told.bytes != 0))
				loop_tell_tick(loop, &told, &tick, bucket, last);
		}
	txn_pass_tick(&loop->txn, behind && !BATON_SABOTAGE(silent_behind));
}

/* 1 + bucket, or 0: which one is to blame if this process ends now. Atomic stores are not moved over what the journal
 * and the records get (x86, and a compiler fence); a kill sees all stores that stand before it. */
static void mark_converting(const struct loop *loop, uint32_t mark)
{
	if (loop->converting == NULL || BATON_SABOTAGE(converted_bucket_unmarked))
		return;
	atomic_signal_fence(memory_order_seq_cst);
	atomic_store_explicit(loop->converting, mark, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

/* Between the last revoke and the first grant nobody owns these buckets: converting them is this entry's, which the
 * primary has given to one worker alone. */
static void run_convert(struct loop *loop, const uint8_t *data)
{
	struct belt_buckets head;
	const uint8_t *map = data + sizeof(head);

	memcpy(&head, data, sizeof(head));
	for (uint32_t i = 0; i < head.count && i < loop->buckets && head.first < loop->buckets - i; i++) {
		if (!head.all && !(map[i / 8] >> (i % 8) & 1u))
			continue;
		mark_converting(loop, 1 + head.first + i);
		BATON_POINT(convert_marked);
		bucket_convert(loop, head.first + i, head.schema);
		mark_converting(loop, 0);
		BATON_POINT(convert_unmarked);
	}
	BATON_POINT(convert_all);
	txn_pass(&loop->txn);
}

static void run_prime(struct loop *loop, const uint8_t *data)
{
	struct belt_prime prime;

	memcpy(&prime, data, sizeof(prime));
	BATON_POINT(prime_taken);
	loop->primed_until = __rdtsc() + (uint64_t)prime.for_us * (loop->tsc_hz / 1000000u);
	txn_pass(&loop->txn);
}

static void run_stop(struct loop *loop, const uint8_t *data)
{
	(void)data;
	loop->stop = true;
	BATON_POINT(stop_taken);
	txn_pass(&loop->txn);
}

/* By enum belt_kind; BELT_PACKET and BELT_MESSAGE have ways of their own. */
static const struct {
	void (*run)(struct loop *loop, const uint8_t *data);
	const char *name;
} control_entries[] = {
	[BELT_GRANT] = {run_grant, "grant"}, [BELT_REVOKE] = {run_revoke, "revoke"}, [BELT_TICK] = {run_tick, "tick"},
	[BELT_SNAPSHOT] = {loop_run_snapshot, "snapshot"},
	[BELT_SHADOW_TICK] = {loop_run_shadow_tick, "shadow tick"}, [BELT_COMPARE] = {loop_run_compare, "compare"},
	[BELT_PRIME] = {run_prime, "prime"}, [BELT_STOP] = {run_stop, "stop"}, [BELT_CONVERT] = {run_convert, "convert"},
};

void loop_control(struct loop *loop, uint32_t kind, const uint8_t *data)
{
	loop->mixed = !BATON_SABOTAGE(ticks_counted_as_packets);
	if (kind < sizeof(control_entries) / sizeof(control_entries[0]) && control_entries[kind].run != NULL)
		control_entries[kind].run(loop, data);
	else
		txn_pass(&loop->txn); /* of a later version; the ABI check should have kept it away */
}
