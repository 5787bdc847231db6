/* Messages between buckets, on their way: from the outbound ring of the worker that posted one to the belt of its
 * bucket's owner. Between the two it is a node of this pool, private to the I/O lcore like the buffers of packets. */
#ifndef BATON_PRIMARY_MESSAGE_H
#define BATON_PRIMARY_MESSAGE_H

#include <errno.h>
#include <stdlib.h>

#include "belt_producer.h"
#include "tick.h"

/* Beyond so many of a service under way the lcore offers no more packets that arrive for it: each of them might post
 * more. Of a service: one whose messages never end, or whose worker has stopped, takes nothing from the others. */
#define MESSAGES_MOST 16384u

/* Messages that wait for the buckets of one dead slot that are held (convert.h): what comes then is lost, and counted. */
#define MESSAGES_HELD 256u

struct message {
	struct message *next; /* free ones */
	uint8_t service;
	uint8_t pad[7];
	uint8_t data[BATON_MESSAGE_MOST];
};
static_assert(sizeof(struct message) == 128, "two lines");

/* Sized so that none is ever dropped for lack of room: at most MESSAGES_MOST of each service when a packet arrives for
 * it; then BATON_POSTS_MOST for every packet that may be under way (a buffer each) and every tick entry that may be
 * open. A message gives its own node back before it posts its one successor. */
struct message_pool {
	struct message *node, *free;
	uint32_t capacity;
	uint32_t fresh; /* nodes below have been used before */
	uint32_t used; /* under way: in belts, in pending lists */
	uint32_t used_by[BATON_MAX_SERVICES];
	uint32_t full; /* bit per service: more than MESSAGES_MOST under way */
};

struct io_lcore;
struct slot_view;

/* Returns 0 or -ENOMEM. Pages come as messages need them, and the last one freed is used first: most hosts touch
 * few. */
static inline int message_pool_init(struct message_pool *pool, uint32_t services, uint32_t buffers, uint32_t slots)
{
	*pool = (struct message_pool){
		.capacity = services * (MESSAGES_MOST + 1) + BATON_POSTS_MOST * (buffers + slots * TICK_GROUPS),
	};
	pool->node = calloc(pool->capacity, sizeof(*pool->node));
	return pool->node != NULL ? 0 : -ENOMEM;
}

static inline void message_pool_fini(struct message_pool *pool)
{
	free(pool->node);
	pool->node = NULL;
}

/* True if packets and ticks of the service may be offered: whatever they post finds room. */
static inline bool message_room(const struct message_pool *pool, uint32_t service)
{
	return (pool->full >> service & 1u) == 0;
}

static inline void message_free(struct message_pool *pool, struct message *message)
{
	message->next = pool->free;
	pool->free = message;
	pool->used--;
	if (--pool->used_by[message->service] <= MESSAGES_MOST)
		pool->full &= ~(1u << message->service);
}

/* Copies what a worker posted and sends it on its way. Returns false if there is no node: the worker posted more than
 * it may. data: in the worker's pages; bucket and len are checked. */
bool message_post(struct io_lcore *io, uint8_t service, uint32_t bucket, const uint8_t *data, uint32_t len);

/* Offers messages that found the belt of their owner full, oldest first. */
void message_offer_backlogs(struct io_lcore *io);

/* The owner of these buckets is about to change: what waits for its belt goes behind what waits for the new one. */
struct move;
void message_move(struct io_lcore *io, const struct move *move);

/* Under way when it ended. */
void message_drop(struct io_lcore *io, struct message *message);

#endif
