/* What the two halves of the neighbour table share: neighbour.c sends and asks, neighbour_hear.c hears. */
#ifndef BATON_PRIMARY_NEIGHBOUR_TABLE_H
#define BATON_PRIMARY_NEIGHBOUR_TABLE_H

#include "hash.h"
#include "lcore.h"

#define NEIGHBOUR_USE 0x3fffu /* number of an entry's present use, never 0: 14 bits of its key and of what was heard */

static_assert(BATON_MAX_PORTS <= 16, "four bits of a key");

/* Without the use: who it is. */
static inline uint64_t neighbour_identity(uint32_t ip, uint16_t vlan, uint8_t port)
{
	return (uint64_t)ip << 32 | (uint64_t)vlan << 20 | (uint64_t)port << 16;
}

static inline uint32_t neighbour_first_way(uint64_t who)
{
	return (uint32_t)hash_mix64(who) % (NEIGHBOURS / NEIGHBOUR_WAYS) * NEIGHBOUR_WAYS;
}

/* Index of the entry in a table that may be another lcore's, and its key; NEIGHBOURS: there is none. */
static inline uint32_t neighbour_find(const struct neighbours *table, uint64_t who, uint64_t *key)
{
	uint32_t first = neighbour_first_way(who);

	for (uint32_t i = first; i < first + NEIGHBOUR_WAYS; i++) {
		*key = atomic_load_explicit(&table->key[i], memory_order_relaxed);
		if (*key != 0 && (*key & ~0xffffull) == who)
			return i;
	}
	return NEIGHBOURS;
}

/* An address that one host can have. */
static inline bool neighbour_is_mac(const uint8_t *mac)
{
	static const uint8_t none[RTE_ETHER_ADDR_LEN];

	return (mac[0] & 1) == 0 && memcmp(mac, none, sizeof(none)) != 0;
}

/* A round of questions, of everyone or of the address we have. Asked for within the last second: the first of them
 * comes with the next scan. */
void neighbour_ask(struct io_lcore *io, struct neighbour *n, enum neighbour_state state, bool everyone);

/* Its MAC address is known from now on: what waited for it leaves. */
void neighbour_learn(struct io_lcore *io, struct neighbour *n, const uint8_t *mac);

/* What other lcores left. */
void neighbour_read_heard(struct io_lcore *io);

#endif
