/* What ARP packets tell of neighbours; whom to believe stands in neighbour.h. */
#include <rte_arp.h>

#include "neighbour_table.h"

/* How an ARP packet came to say who has an address; the later, the more it is worth. */
enum claim { CLAIM_ANNOUNCEMENT, CLAIM_QUESTION /* for us */, CLAIM_ANSWER /* to us */ };

/* A word of `heard`: MAC address, 14 bits of use, 2 of claim. */
#define HEARD_MAC   0xffffffffffffull
#define HEARD(mac, use, claim) ((mac) | (uint64_t)((use) & NEIGHBOUR_USE) << 48 | (uint64_t)(claim) << 62)
#define HEARD_CLAIM(word) ((enum claim)((word) >> 62))

static void hear(struct io_lcore *io, struct neighbour *n, const uint8_t *mac, enum claim claim)
{
	if (BATON_SABOTAGE(arp_claims_believed))
		return neighbour_learn(io, n, mac);
	switch (n->state) {
	case NEIGHBOUR_ASKING:
	case NEIGHBOUR_FAILED: /* there is nothing to lose yet, but an announcement may be anybody's: he will answer */
		if (claim != CLAIM_ANNOUNCEMENT)
			neighbour_learn(io, n, mac);
		return;
	case NEIGHBOUR_CHECKING:
		if (claim == CLAIM_ANSWER && n->tries != 0)
			neighbour_learn(io, n, mac);
		return;
	case NEIGHBOUR_KNOWN:
		/* Within a second of the last question the first answer stands. */
		if (memcmp(n->mac, mac, RTE_ETHER_ADDR_LEN) != 0 && io->now_ns - n->asked_ns >= NEIGHBOUR_RETRY_NS)
			neighbour_ask(io, n, NEIGHBOUR_CHECKING, true);
		return;
	default:
		return;
	}
}

/* Leaves it with the lcores that have the address in their tables. Returns whether there are any. */
static bool tell_others(struct io_lcore *io, uint64_t who, const uint8_t *mac, enum claim claim)
{
	uint64_t word = 0, key, unread;
	bool any = false;

	memcpy(&word, mac, RTE_ETHER_ADDR_LEN);
	for (uint32_t i = 0; i < io->io_lcores; i++) {
		struct neighbours *table = &io->dp->io[i]->neighbours;
		uint32_t at = i == io->index ? NEIGHBOURS : neighbour_find(table, who, &key);

		if (at == NEIGHBOURS)
			continue;
		any = true;
		/* acquire: pairs with the release of the key in find_or_make(), so that this comes after its 0 in `heard` */
		atomic_thread_fence(memory_order_acquire);
		unread = atomic_load_explicit(&table->heard[at], memory_order_relaxed);
		/* of two that say it the same way the first stands, as with an lcore that hears for itself */
		if (unread == 0 || claim > HEARD_CLAIM(unread))
			atomic_store_explicit(&table->heard[at], HEARD(word, key, claim), memory_order_relaxed);
	}
	return any;
}

bool neighbour_arp(struct io_lcore *io, const struct port *port, const struct port_network *net,
		   const struct rte_arp_hdr *arp)
{
	uint32_t ip = arp->arp_data.arp_sip, at;
	const uint8_t *mac = arp->arp_data.arp_sha.addr_bytes;
	enum claim claim = CLAIM_ANNOUNCEMENT;
	uint64_t who = neighbour_identity(ip, net->vlan, port->index), key;

	if (network_has(net, arp->arp_data.arp_tip))
		claim = arp->arp_opcode == rte_cpu_to_be_16(RTE_ARP_OP_REPLY) ? CLAIM_ANSWER : CLAIM_QUESTION;
	else if (arp->arp_data.arp_tip != ip)
		return false;
	if (!neighbour_is_mac(mac) || memcmp(mac, port->mac, RTE_ETHER_ADDR_LEN) == 0 || neighbour_source(net, ip) == 0 ||
	    network_has(net, ip))
		return false;
	bool others = tell_others(io, who, mac, claim);
	at = neighbour_find(&io->neighbours, who, &key);
	if (at == NEIGHBOURS)
		return others;
	hear(io, &io->neighbours.entry[at], mac, claim);
	return true;
}

void neighbour_read_heard(struct io_lcore *io)
{
	struct neighbours *table = &io->neighbours;

	for (uint32_t i = 0; i < NEIGHBOURS; i++) {
		uint64_t word, mac;

		if (atomic_load_explicit(&table->heard[i], memory_order_relaxed) == 0)
			continue;
		word = atomic_exchange_explicit(&table->heard[i], 0, memory_order_relaxed);
		mac = word & HEARD_MAC;
		if (table->entry[i].state != NEIGHBOUR_FREE && (word >> 48 & NEIGHBOUR_USE) == table->use[i])
			hear(io, &table->entry[i], (const uint8_t *)&mac, HEARD_CLAIM(word));
	}
}
