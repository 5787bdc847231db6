/* Pending lists: packets and messages of buckets that move, in order of arrival, as the shadows they will be offered
 * with.
 *
 * All lists of an I/O lcore share one pool of nodes, one for every buffer and every message of the lcore, allocated
 * before the first packet, so that a whole list changes hands in O(1) and a packet that was offered once always finds a
 * place. What may arrive and wait is limited apart (memory.pending), for each service and each list: park.h. Private to
 * the lcore. */
#ifndef BATON_PRIMARY_PENDING_H
#define BATON_PRIMARY_PENDING_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "belt_producer.h"

#define PENDING_NIL UINT32_MAX

struct pending_node {
	struct belt_shadow packet;
	uint32_t next;
};

struct pending_pool {
	struct pending_node *node;
	uint32_t free; /* first free node */
	uint32_t capacity;
	uint32_t used;
	uint32_t waiting[BATON_MAX_SERVICES]; /* of those, by service, what is not exempt */
};

/* May not be dropped for lack of room: messages, and what a dead worker left. */

static inline bool pending_is_exempt(const struct belt_shadow *packet)
{
	return packet->attempts != 0 || packet->kind == BELT_MESSAGE;
}

struct pending {
	uint32_t head; /* next to leave; valid if count > 0 */
	uint32_t tail;
	uint32_t count;
	uint32_t packets; /* of those; the others are messages */
	uint32_t waiting; /* of the packets, what is not exempt */
	uint32_t kept;    /* 1 + node up to which all have been looked at for their age, and stay; 0: none has */
};

static inline void pending_note(struct pending *list, const struct belt_shadow *packet, uint32_t one)
{
	list->count += one;
	list->packets += packet->kind == BELT_PACKET ? one : 0;
	list->waiting += pending_is_exempt(packet) ? 0 : one;
}

/* Returns 0 or -ENOMEM. */
static inline int pending_pool_init(struct pending_pool *pool, uint32_t capacity)
{
	pool->node = calloc(capacity, sizeof(*pool->node));
	if (pool->node == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < capacity; i++)
		pool->node[i].next = i + 1 < capacity ? i + 1 : PENDING_NIL;
	pool->free = capacity > 0 ? 0 : PENDING_NIL;
	pool->capacity = capacity;
	pool->used = 0;
	memset(pool->waiting, 0, sizeof(pool->waiting));
	return 0;
}

static inline void pending_pool_fini(struct pending_pool *pool)
{
	free(pool->node);
	pool->node = NULL;
}

static inline uint32_t pending_node_take(struct pending_pool *pool, const struct belt_shadow *packet)
{
	uint32_t at = pool->free;

	if (baton_unlikely(at == PENDING_NIL))
		return PENDING_NIL;
	pool->free = pool->node[at].next;
	pool->used++;
	pool->waiting[packet->service] += !pending_is_exempt(packet);
	pool->node[at].packet = *packet;
	pool->node[at].next = PENDING_NIL;
	return at;
}

/* Puts a node that is in no list behind what waits. */
static inline void pending_link(struct pending_pool *pool, struct pending *list, uint32_t at)
{
	pool->node[at].next = PENDING_NIL;
	if (list->count == 0)
		list->head = at;
	else
		pool->node[list->tail].next = at;
	list->tail = at;
	pending_note(list, &pool->node[at].packet, 1);
}

/* Behind what waits already. Returns false if the pool is spent: the caller drops the packet and counts it. */
static inline bool pending_append(struct pending_pool *pool, struct pending *list, const struct belt_shadow *packet)
{
	uint32_t at = pending_node_take(pool, packet);

	if (at == PENDING_NIL)
		return false;
	pending_link(pool, list, at);
	return true;
}

/* In front of what waits: for unsettled entries of a dead worker (attempts > 0), which are older; call with the
 * youngest first. The pool has a node for each of them, so it never fails for them. */
static inline bool pending_prepend(struct pending_pool *pool, struct pending *list, const struct belt_shadow *packet)
{
	uint32_t at = pending_node_take(pool, packet);

	if (at == PENDING_NIL)
		return false;
	if (list->count == 0)
		list->tail = at;
	else
		pool->node[at].next = list->head;
	list->head = at;
	list->kept = 0;
	pending_note(list, packet, 1);
	return true;
}

static inline const struct belt_shadow *pending_first(const struct pending_pool *pool, const struct pending *list)
{
	return &pool->node[list->head].packet;
}

/* The node is in no chain any more. */
static inline void pending_free(struct pending_pool *pool, struct pending *list, uint32_t at)
{
	const struct belt_shadow *packet = &pool->node[at].packet;

	pending_note(list, packet, (uint32_t)-1);
	pool->waiting[packet->service] -= !pending_is_exempt(packet);
	pool->node[at].next = pool->free;
	pool->free = at;
	pool->used--;
}

static inline void pending_drop_first(struct pending_pool *pool, struct pending *list)
{
	uint32_t at = list->head;

	list->head = pool->node[at].next;
	list->kept = list->kept == at + 1 ? 0 : list->kept;
	pending_free(pool, list, at);
}

/* The oldest that has not been looked at for its age; NULL if there is none. */
static inline const struct belt_shadow *pending_unseen(const struct pending_pool *pool, const struct pending *list)
{
	uint32_t at = list->count == 0 ? PENDING_NIL : list->kept == 0 ? list->head : pool->node[list->kept - 1].next;

	return at == PENDING_NIL ? NULL : &pool->node[at].packet;
}

/* That one stays. */
static inline void pending_keep_unseen(struct pending_pool *pool, struct pending *list)
{
	list->kept = 1 + (list->kept == 0 ? list->head : pool->node[list->kept - 1].next);
}

/* That one goes. */
static inline void pending_drop_unseen(struct pending_pool *pool, struct pending *list)
{
	if (list->kept == 0) {
		pending_drop_first(pool, list);
		return;
	}
	uint32_t before = list->kept - 1, at = pool->node[before].next;

	pool->node[before].next = pool->node[at].next;
	if (list->tail == at)
		list->tail = before;
	pending_free(pool, list, at);
}

/* Everything in `from` goes behind what waits in `to`; `from` is empty then. */
static inline void pending_splice(struct pending_pool *pool, struct pending *to, struct pending *from)
{
	if (from->count == 0)
		return;
	if (to->count == 0)
		to->head = from->head;
	else
		pool->node[to->tail].next = from->head;
	to->tail = from->tail;
	to->count += from->count;
	to->packets += from->packets;
	to->waiting += from->waiting;
	*from = (struct pending){0};
}

/* Of those in `from`, in order, the ones that leaves() names go behind what waits in `to`. */
static inline void pending_split(struct pending_pool *pool, struct pending *to, struct pending *from,
				 bool (*leaves)(const struct belt_shadow *packet, const void *arg), const void *arg)
{
	struct pending old = *from;

	*from = (struct pending){0};
	for (uint32_t at = old.head; old.count > 0; old.count--) {
		uint32_t next = pool->node[at].next;

		pending_link(pool, leaves(&pool->node[at].packet, arg) ? to : from, at);
		at = next;
	}
}

#endif
