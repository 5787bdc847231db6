/* Entries of a shadow: what the loop does with those that no ordinary worker needs on its way. */
#include "loop.h"

static void pass(struct loop *loop, uint32_t verdict)
{
	belt_verdict(loop->txn.consumer, loop->txn.position, verdict);
	loop->txn.position++;
}

/* Between two entries, as everything in a belt is: what stands before is done, what stands behind is not. */
void loop_run_snapshot(struct loop *loop, const uint8_t *data)
{
	struct belt_snapshot order;

	memcpy(&order, data, sizeof(order));
	bool copied = order.bucket < loop->buckets && loop->owned[order.bucket] != 0 &&
		      shadow_copy(&loop->shadow, &loop->txn, order.bucket, order.sides);
	pass(loop, copied ? SNAPSHOT_COPIED : BATON_NO_REPLY);
}

/* Room for it stands behind the tick, in the entry's own cell. */
void loop_tell_begin(const struct loop *loop, struct loop_told *told, const struct belt_tick *tick, const uint8_t *data)
{
	*told = (struct loop_told){0};
	if (baton_likely(tick->tell == 0) || tick->groups == 0)
		return;
	told->bytes = tick_map_bytes(loop->buckets, tick->groups);
	told->map = (uint8_t *)(uintptr_t)data + sizeof(*tick) + offsetof(struct belt_tick_told, map);
	memset(told->map - offsetof(struct belt_tick_told, map), 0, offsetof(struct belt_tick_told, map) + 2 * told->bytes);
}

void loop_tell_tick(const struct loop *loop, struct loop_told *told, const struct belt_tick *tick, uint32_t bucket,
		    uint64_t last)
{
	uint64_t now = txn_last_tick(&loop->txn, bucket);
	uint32_t nth = bucket / tick->groups;

	if (now == last)
		return;
	if (!told->any) {
		told->any = true;
		told->from = last;
		memcpy(told->map - offsetof(struct belt_tick_told, map), &told->from, sizeof(told->from));
	}
	bool exact = last == told->from && now == tick->number;
	told->map[(exact ? 0 : told->bytes) + nth / 8] |= (uint8_t)(1u << nth % 8);
}

/* The numbers that production's worker has run, with as many posts left as it had; nothing of a bucket that has come
 * from elsewhere than production's did. */
void loop_run_shadow_tick(struct loop *loop, const uint8_t *data)
{
	const uint8_t *map = data + offsetof(struct belt_shadow_tick, map), *spent;
	struct txn *txn = &loop->txn;
	struct belt_tick tick;
	bool behind = false;
	uint64_t from;

	memcpy(&tick, data, sizeof(tick));
	memcpy(&from, data + offsetof(struct belt_shadow_tick, from), sizeof(from));
	txn_open_tick(txn);
	if (loop->plugin->tick == NULL || tick.groups == 0)
		return txn_pass_tick(txn, false);
	spent = tick.tell != 0 ? map + tick_map_bytes(loop->buckets, tick.groups) : NULL;
	for (uint32_t i = 0, bucket = tick.group; bucket < loop->buckets; i++, bucket += tick.groups) {
		if ((map[i / 8] >> i % 8 & 1u) == 0)
			continue;
		if (txn_last_tick(txn, bucket) != from) {
			behind = true;
			continue;
		}
		uint32_t gone = spent != NULL ? spent[i] : 0;
		txn->tick_posts = txn->max_posts > gone ? txn->max_posts - gone : 0;
		behind |= loop_tick_bucket(loop, &tick, bucket);
	}
	txn_pass_tick(txn, behind);
}

void loop_run_compare(struct loop *loop, const uint8_t *data)
{
	digest_answer(loop->plugin, (uint8_t *)(uintptr_t)data);
	pass(loop, BATON_NO_REPLY);
}
