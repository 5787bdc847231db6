/* Emit: what a settled entry had sent beside its reply leaves the outbound ring: messages to their buckets, packets to
 * their ports. Every field of a cell is read once and checked. */
#include "lcore.h"
#include "outbound.h"

/* All of a cell but its data. */
struct cell_head {
	uint64_t cause;
	uint16_t len;
	uint8_t kind, pad;
	uint32_t bucket;
	struct baton_peer to;
};
static_assert(offsetof(struct belt_out_cell, data) == sizeof(struct cell_head) &&
	      offsetof(struct belt_out_cell, to) == offsetof(struct cell_head, to), "cells begin with their head");

static uint32_t posts_most(uint8_t kind)
{
	return kind == BELT_MESSAGE ? 1 : kind == BELT_PACKET || kind == BELT_TICK ? BATON_POSTS_MOST : 0;
}

/* A tick entry is of many buckets: as many as the ring holds. */
static uint32_t sends_most(uint8_t kind)
{
	return kind == BELT_MESSAGE || kind == BELT_PACKET ? BATON_SENDS_MOST : kind == BELT_TICK ? BELT_OUT_CELLS : 0;
}

static bool emit_message(struct io_lcore *io, const struct slot_view *view, const struct cell_head *head,
			 const uint8_t *data)
{
	if (head->len == 0 || head->len > BATON_MESSAGE_MOST || head->bucket > io->steering[view->service].mask)
		return false;
	if (BATON_SABOTAGE(message_posted_twice))
		message_post(io, view->service, head->bucket, data, head->len);
	return message_post(io, view->service, head->bucket, data, head->len);
}

static bool emit_packet(struct io_lcore *io, const struct slot_view *view, const struct cell_head *head,
			const uint8_t *data)
{
	if (head->len == 0 || head->len > BATON_SEND_MOST)
		return false;
	/* Where it goes may be wrong without a lie: a client's own address decided it. Counted there. */
	struct rte_mbuf *mbuf = outbound_build(io, &head->to, view->service, data, head->len);
	if (mbuf != NULL) {
		stats_add(&io->stats->packets_started, 1);
		neighbour_send(io, &head->to, view->service, mbuf);
	}
	return true;
}

/* Takes the cells of one entry of that kind. Returns false if the worker wrote what no honest one writes. */
bool emit_cells(struct io_lcore *io, uint32_t slot, uint64_t cause, uint8_t kind, uint32_t *waiting)
{
	struct slot_view *view = &io->slot[slot];
	uint32_t posts = posts_most(kind), sends = BATON_SABOTAGE(sends_without_limit) ? UINT32_MAX : sends_most(kind);
	struct stats_slot *counts = view->counts;
	enum stats_cause of = kind == BELT_TICK ? CAUSE_TICK : kind == BELT_MESSAGE ? CAUSE_MESSAGE : CAUSE_PACKET;
	uint32_t posted = 0, sent = 0;
	bool sound = true;

	for (; *waiting != 0 && sound; (*waiting)--, view->belt.out_reaped++) {
		const struct belt_out_cell *cell = belt_out_at(&view->belt);
		struct cell_head head;

		memcpy(&head, cell, sizeof(head));
		baton_compiler_fence(); /* the copy is what counts: the worker may write on */
		if (head.cause != cause && !BATON_SABOTAGE(cells_before_their_cause))
			break;
		if (head.kind == BELT_OUT_MESSAGE && posts != 0) {
			posts--;
			posted++;
			sound = emit_message(io, view, &head, cell->data);
		} else {
			sound = head.kind == BELT_OUT_PACKET && sends != 0 && emit_packet(io, view, &head, cell->data);
			sends--;
			sent++;
		}
	}
	if (!BATON_SABOTAGE(cells_uncounted)) {
		stats_add(&counts->posted[of], posted);
		stats_add(&counts->sent[of], sent);
	}
	return sound;
}
