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

void loop_run_shadow_tick(struct loop *loop, const uint8_t *data)
{
	const uint8_t *map = data + offsetof(struct belt_shadow_tick, map);
	struct belt_tick tick;
	bool behind = false;

	memcpy(&tick, data, sizeof(tick));
	txn_open_tick(&loop->txn);
	if (loop->plugin->tick != NULL && tick.groups != 0)
		for (uint32_t i = 0, bucket = tick.group; bucket < loop->buckets; i++, bucket += tick.groups)
			if (map[i / 8] >> (i % 8) & 1u)
				behind |= loop_tick_bucket(loop, &tick, bucket);
	txn_pass_tick(&loop->txn, behind);
}

void loop_run_compare(struct loop *loop, const uint8_t *data)
{
	digest_answer(loop->plugin, (uint8_t *)(uintptr_t)data);
	pass(loop, BATON_NO_REPLY);
}
