/* What a death is reported with: the entry that the worker had open, from the primary's own copy. Each I/O lcore writes
 * down its part while it takes over its belt, before anything is put back; the main lcore reads it when all have. */
#include <string.h>

#include "lcore.h"

/* The payload, as it arrived: the worker may have written its reply over the one in the belt. */
static const uint8_t *payload_of(const struct belt_shadow *shadow, uint32_t *len)
{
	const struct rte_mbuf *frame = shadow->cookie;

	*len = shadow->len;
	if (shadow->cookie == NULL)
		return NULL;
	if (shadow->kind == BELT_MESSAGE)
		return ((const struct message *)shadow->cookie)->data;
	if (shadow->kind != BELT_PACKET || shadow->data_at > rte_pktmbuf_data_len(frame))
		return NULL;
	uint32_t there = (uint32_t)rte_pktmbuf_data_len(frame) - shadow->data_at;
	*len = *len < there ? *len : there;
	return rte_pktmbuf_mtod_offset(frame, const uint8_t *, shadow->data_at);
}

void death_note_entry(struct io_lcore *io, uint32_t slot)
{
	const struct belt_producer *belt = &io->slot[slot].belt;
	const struct datapath_slot *s = &io->dp->slot[slot];
	struct death_part *part = &io->death[slot];
	uint64_t at = belt->reaped;

	*part = (struct death_part){.unsettled = belt_depth(belt)};
	if (part->unsettled == 0)
		return;
	part->exact = s->look_lcore == io->index &&
		      (s->look_position - belt->reaped < part->unsettled || BATON_SABOTAGE(crash_position_believed));
	if (part->exact)
		at = s->look_position;
	const struct belt_shadow *shadow = &belt->shadow[at & BELT_MASK];
	part->entry = (struct death_entry){
		.lcore = io->index, .position = at, .time_ns = shadow->time_ns, .kind = shadow->kind,
		.service = shadow->service, .attempts = shadow->attempts, .bucket = shadow->bucket, .len = shadow->len,
	};
	uint32_t len;
	const uint8_t *payload = payload_of(shadow, &len);
	if (payload == NULL)
		return;
	part->entry.kept = (uint16_t)(len < DEATH_PAYLOAD ? len : DEATH_PAYLOAD);
	memcpy(part->entry.payload, payload, part->entry.kept);
}

/* ---- main lcore ---- */

/* Behind the roll back, and before whoever is to have the bucket next is granted it: what the entry was about to see.
 * The latest alone is there: of two at a time the first has none. */
void death_keep_records(struct datapath *dp, uint32_t slot)
{
	/* relaxed: the acknowledgements have been acquired */
	uint32_t left = atomic_load_explicit(&dp->slot[slot].left, memory_order_relaxed);
	uint32_t group = dp->slot[slot].group;

	if (left == 0 || group >= dp->setup.state->header->groups ||
	    left > dp->setup.state->header->group[group].buckets)
		return;
	dp->kept.slot = slot;
	dp->kept.bucket = left - 1;
	dp->kept.len = kept_copy(dp->setup.state, group, left - 1, dp->kept.bytes);
}

int datapath_slot_kept(struct datapath *dp, uint32_t slot, uint32_t bucket, const uint8_t **bytes)
{
	int len = dp->kept.slot == slot && dp->kept.bucket == bucket && dp->kept.len != 0 ? dp->kept.len : -ENOENT;

	if (len > 0) {
		kept_seal(dp->kept.bytes);
		*bytes = dp->kept.bytes;
	}
	if (dp->kept.slot == slot)
		dp->kept.len = 0;
	return len;
}

void datapath_slot_look(struct datapath *dp, uint32_t slot, uint32_t lcore, uint64_t position)
{
	dp->slot[slot].look_lcore = lcore;
	dp->slot[slot].look_position = position;
}

void datapath_slot_death(const struct datapath *dp, uint32_t slot, struct slot_death *out)
{
	const struct datapath_slot *s = &dp->slot[slot];
	const struct death_part *best = NULL;

	*out = (struct slot_death){.undone = s->report.undone, .open_burst = s->report.valid != 0};
	for (uint32_t i = 0; i < dp->setup.io_lcores; i++) {
		const struct death_part *part = &dp->io[i]->death[slot];
		bool of_burst = out->open_burst && s->report.belt == i;

		out->unsettled += part->unsettled;
		if (part->unsettled == 0)
			continue;
		if (best == NULL || part->exact || (of_burst && !best->exact))
			best = part;
	}
	if (best == NULL)
		return;
	out->found = true;
	out->exact = best->exact;
	out->entry = best->entry;
}
