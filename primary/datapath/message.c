/* Messages: steered like packets, but never dropped for lack of room. */
#include "lcore.h"

static struct message *message_take(struct message_pool *pool, uint8_t service)
{
	struct message *message = pool->free;

	if (message != NULL)
		pool->free = message->next;
	else if (pool->fresh < pool->capacity)
		message = &pool->node[pool->fresh++];
	else
		return NULL;
	pool->used++;
	if (++pool->used_by[service] > MESSAGES_MOST)
		pool->full |= BATON_SABOTAGE(message_room_shared) ? UINT32_MAX : 1u << service;
	message->service = service;
	return message;
}

void message_drop(struct io_lcore *io, struct message *message)
{
	stats_add(&io->stats->messages_lost, 1);
	message_free(&io->message, message);
}

/* Behind what its bucket waits for, or into the owner's belt. Every lcore has nodes for all its messages. */
static void message_steer(struct io_lcore *io, const struct belt_shadow *shadow)
{
	uint32_t entry = io->steering[shadow->service].entry[shadow->bucket];
	uint32_t slot = STEER_SLOT(entry), list = STEER_LIST(entry);

	if (baton_unlikely(list == 0 && slot == SLOT_NONE))
		return message_drop(io, shadow->cookie);
	if (baton_unlikely(list != 0 && move_is_late(io, shadow->service, list))) {
		slot = io->move[shadow->service].move->to;
		list = LIST_BACKLOG(slot);
		io->backlogs |= 1ull << slot;
	}
	if (list == 0) {
		if ((io->list[LIST_BACKLOG(slot)].count == 0 || BATON_SABOTAGE(message_overtakes)) &&
		    offer_entry(io, slot, shadow))
			return;
		if (BATON_SABOTAGE(message_dropped_when_full))
			return message_drop(io, shadow->cookie);
		list = LIST_BACKLOG(slot);
		io->backlogs |= 1ull << slot;
	}
	/* Buckets that nobody can have for now may be waited for a long time: they take no room from the service. */
	if (baton_unlikely(slot != SLOT_NONE && list == LIST_ORPHANS(slot) && io->slot[slot].held &&
			   io->list[list].count - io->list[list].packets >= MESSAGES_HELD))
		return message_drop(io, shadow->cookie);
	pending_append(&io->pending, &io->list[list], shadow);
}

bool message_post(struct io_lcore *io, uint8_t service, uint32_t bucket, const uint8_t *data, uint32_t len)
{
	struct message *message = message_take(&io->message, service);

	if (baton_unlikely(message == NULL))
		return false;
	memcpy(message->data, data, len);
	io->last_ns = io->now_ns > io->last_ns ? io->now_ns : io->last_ns + 1;
	const struct belt_shadow shadow = {
		.cookie = message, .time_ns = io->last_ns, .bucket = (uint16_t)bucket, .len = (uint16_t)len,
		.kind = BELT_MESSAGE, .service = service,
	};
	stats_add(&io->stats->messages_posted, 1);
	message_steer(io, &shadow);
	return true;
}

/* Belts whose room belongs to what a move that is late has yet to give their workers. */
static uint64_t taken_by_moves(const struct io_lcore *io)
{
	uint64_t slots = 0;

	for (uint32_t service = 0; service < io->services && io->moves != 0; service++)
		if (move_is_late(io, service, LIST_MOVE(service)))
			slots |= 1ull << io->move[service].move->to;
	return slots;
}

void message_offer_backlogs(struct io_lcore *io)
{
	for (uint64_t left = io->backlogs & ~taken_by_moves(io); left != 0; left &= left - 1) {
		uint32_t slot = (uint32_t)__builtin_ctzll(left);

		while (offer_waiting(io, slot, LIST_BACKLOG(slot)))
			;
		if (io->list[LIST_BACKLOG(slot)].count == 0)
			io->backlogs &= ~(1ull << slot);
	}
}

void message_move(struct io_lcore *io, const struct move *move)
{
	if (move->from == SLOT_NONE)
		return;
	pending_split(&io->pending, &io->list[LIST_MOVE(move->service)], &io->list[LIST_BACKLOG(move->from)], move_takes,
		      move);
}
