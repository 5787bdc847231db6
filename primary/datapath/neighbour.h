/* Neighbours: where packets go that the server starts. Those to a player who has been heard go back the way the last
 * one came; for the others each I/O lcore resolves the next hop by ARP in a table of its own: fixed in size, no locks.
 *
 * What an ARP packet says is believed only of addresses that are in the table, because a packet was to be sent there.
 * An address that is known changes only by the answer to a question of ours: whoever claims it without being asked
 * makes us ask, and is used no sooner than he answers.
 *
 * With several I/O lcores the answer comes by whatever queue the device chooses. Tables stay private but for two words
 * of an entry: `key`, which other lcores read, and `heard`, in which they leave what came. */
#ifndef BATON_PRIMARY_NEIGHBOUR_H
#define BATON_PRIMARY_NEIGHBOUR_H

#include <rte_ether.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "baton.h"
#include "port.h"

struct io_lcore;
struct rte_arp_hdr;
struct rte_mbuf;

#define NEIGHBOURS         256u /* of an I/O lcore */
#define NEIGHBOUR_WAYS     8u   /* places an address can have: bounds a look-up */
#define NEIGHBOUR_QUEUE    4u   /* packets that wait for one address: the newest */
#define NEIGHBOUR_WAITING  256u /* for all of them: part of the lcore's pool (control/plan.c) */
#define NEIGHBOUR_TRIES    3u
#define NEIGHBOUR_RETRY_NS 1000000000ull   /* an address is asked for once in so long (RFC 1122, 2.3.2.1) */
#define NEIGHBOUR_LIFE_NS  300000000000ull /* an answer is believed so long, then asked for again if it was used */
#define NEIGHBOUR_SCAN_NS  100000000ull    /* the table is looked through for what is due once in so long */

enum neighbour_state {
	NEIGHBOUR_FREE = 0,
	NEIGHBOUR_ASKING,   /* no MAC address yet; packets wait */
	NEIGHBOUR_KNOWN,
	NEIGHBOUR_CHECKING, /* has one that is in use while we ask whether it still holds */
	NEIGHBOUR_FAILED    /* nobody answered; the next packet begins anew */
};

struct neighbour {
	enum neighbour_state state;
	uint32_t ip; /* network byte order */
	uint32_t our_ip; /* that asks */
	uint8_t port, network; /* indices */
	uint8_t mac[RTE_ETHER_ADDR_LEN];
	bool everyone; /* asks everyone, not just the address we have */
	uint8_t tries;
	uint8_t waiting;
	uint8_t service; /* whose packet made the entry */
	uint8_t of[NEIGHBOUR_QUEUE]; /* services of the packets that wait */
	uint64_t asked_ns, confirmed_ns, used_ns;
	struct rte_mbuf *queue[NEIGHBOUR_QUEUE]; /* oldest first */
};

struct neighbours {
	/* w: the lcore  r: every I/O lcore. Address, VLAN, port and the number of the entry's present use; 0: free */
	_Atomic uint64_t key[NEIGHBOURS];
	/* w: any I/O lcore, and 0 by the lcore itself. MAC address, how it was said, the use it is meant for */
	_Atomic uint64_t heard[NEIGHBOURS];
	/* the lcore's own */
	struct neighbour entry[NEIGHBOURS];
	uint16_t use[NEIGHBOURS];
	uint32_t used;  /* entries that are not free */
	uint32_t open;  /* of those, asking or checking */
	uint32_t asking[BATON_MAX_SERVICES];  /* entries in that state, by the service that made them */
	uint32_t waiting[BATON_MAX_SERVICES]; /* packets, by service */
	uint64_t scan_ns; /* when it is looked through next */
};

/* The network of `to` if this lcore can send there: port and VLAN exist, the port has a queue of this lcore, and a host
 * can have the address. NULL otherwise. `to` may come from a worker, so everything in it is doubted. */
const struct port_network *neighbour_network(const struct io_lcore *io, const struct baton_peer *to);

/* The port's own address in the network that shares a subnet with ip; 0: none does, only a gateway leads there. */
uint32_t neighbour_source(const struct port_network *net, uint32_t ip);

/* Sends a packet of a service that is complete from its IPv4 header on, which is where its data begins; room for
 * Ethernet and a tag is in front of it, checksum flags and l3_len are set. The packet is the lcore's no more: it is
 * in the transmit backlog, waits for an address (ledger.unresolved), or is dropped (no_route, no_neighbour) and
 * counted. With a MAC address in `to` nothing is looked up. A priority is not given to it. When there is no room to
 * wait, the service that has most of it gives way: whoever writes to players that do not exist takes nothing from
 * other services. */
void neighbour_send(struct io_lcore *io, const struct baton_peer *to, uint32_t service, struct rte_mbuf *mbuf);

/* What a sound ARP packet from this network says of its sender; the caller answers or frees it. Returns false if it is
 * of no use: nobody here sends to that address, or it is neither an answer to us, nor a question to us, nor an
 * announcement. */
bool neighbour_arp(struct io_lcore *io, const struct port *port, const struct port_network *net,
		   const struct rte_arp_hdr *arp);

/* Questions that are due, answers other lcores heard, entries that end. From housekeep(). */
void neighbour_housekeep(struct io_lcore *io);

/* Frees what waits, with reason `stopping`. */
void neighbour_stop(struct io_lcore *io);

#endif
