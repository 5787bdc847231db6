/* Reap: what workers settled leaves their belts in order: reply, free, drop. The verdict and length of an entry are
 * read once and checked; a worker that writes what no honest worker writes is reported for fencing. */
#include "hist.h"
#include "lcore.h"

static void reap_verdict(struct io_lcore *io, const struct belt_shadow *shadow, uint32_t verdict, const uint8_t *reply,
			 struct slot_view *view)
{
	static const uint8_t reason[BATON_VERDICT_COUNT] = {
		[BATON_DROP_MALFORMED] = DROP_malformed, [BATON_DROP_RUNT] = DROP_runt, [BATON_DROP_REFUSED] = DROP_refused,
	};
	uint32_t what = verdict & 0xffffu, len = verdict >> 16;
	struct rte_mbuf *mbuf = shadow->cookie;

	switch (what) {
	case BATON_REPLY:
	case BATON_REPLY_ERROR:
		if (baton_unlikely(len > shadow->len))
			break;
		stats_add(what == BATON_REPLY ? &io->stats->replies : &io->stats->error_replies, 1);
		return complete_reply(io, shadow, reply, len);
	case BATON_NO_REPLY:
		stats_add(&io->stats->no_reply, 1);
		return free_packet(io, mbuf);
	case BATON_DROP_MALFORMED:
	case BATON_DROP_RUNT:
	case BATON_DROP_REFUSED:
		return drop_packet(io, mbuf, reason[what]);
	default:
		break;
	}
	view->fence = 1;
	drop_packet(io, mbuf, DROP_bad_verdict);
}

static void sample_residence(struct io_lcore *io, uint64_t now_ns, const struct belt_shadow *shadow)
{
	stats_add(&io->stats->residence[hist_bucket(now_ns - shadow->time_ns)], 1);
}

/* Returns the number of entries reaped from the belt, control entries included. */
uint32_t reap_slot(struct io_lcore *io, uint32_t slot)
{
	struct slot_view *view = &io->slot[slot];
	int settled = belt_settled(&view->belt);
	uint32_t count, longs = 0, packets = 0;

	if (baton_unlikely(settled < 0)) {
		view->fence = 1;
		atomic_fetch_or_explicit(&io->dp->slot[slot].fence, 1, memory_order_relaxed);
		return 0;
	}
	count = (uint32_t)settled < REAP_MOST ? (uint32_t)settled : REAP_MOST;
	if (count == 0)
		return 0;
	uint64_t now_ns = io_time_ns(io, rte_rdtsc());
	/* A large burst is sampled, one in eight: its packets came and went together. */
	uint32_t sample = count > 8 ? 7u : 0u;
	for (uint32_t i = 0; i < count; i++) {
		const uint8_t *reply;
		uint32_t verdict;
		const struct belt_shadow *shadow = belt_settled_at(&view->belt, i, &verdict, &reply);

		if (i + 4 < count) {
			uint32_t ahead = (uint32_t)(view->belt.reaped + i + 4) & BELT_MASK;
			rte_prefetch0(&view->belt.belt->slots[ahead]);
			rte_prefetch0(view->belt.shadow[ahead].cookie);
		}
		if (baton_unlikely(shadow->is_long))
			reply = belt_long_at(&view->belt, longs++);
		if (baton_unlikely(shadow->kind != BELT_PACKET)) {
			if (shadow->kind == BELT_REVOKE)
				move_revoke_reaped(io, shadow);
			continue;
		}
		if ((i & sample) == 0)
			sample_residence(io, now_ns, shadow);
		if (baton_unlikely(io->moves != 0))
			move_packet_reaped(io, slot, shadow->bucket, shadow->service);
		packets++;
		reap_verdict(io, shadow, verdict, reply, view);
	}
	belt_reaped(&view->belt, count, longs);
	view->packets -= packets;
	io->ledger.in_belts -= packets;
	stats_add(&io->stats->reaped, packets);
	if (baton_unlikely(view->fence))
		atomic_fetch_or_explicit(&io->dp->slot[slot].fence, 1, memory_order_relaxed);
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
