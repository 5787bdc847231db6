/* A packet that the server starts: a UDP datagram around a payload, from the address and port of a service. */
#ifndef BATON_PRIMARY_OUTBOUND_H
#define BATON_PRIMARY_OUTBOUND_H

#include <stdint.h>

#include "baton.h"

struct io_lcore;
struct rte_mbuf;

/* Builds it, IPv4 header first, as neighbour_send() takes it, in a buffer of the lcore's pool (ledger.allocated).
 * service: index of the one it comes from, which the caller vouches for; `to` may come from a worker. The payload is
 * copied once and summed in the copy, so it may be in a worker's pages. The source is the service's address; of a
 * service on any address, the one the player has written to; if `to` was never heard (no MAC address), the port's own
 * in the player's subnet, else the one that the gateway is near to, else the first. Returns NULL, and counts why:
 * no_route (no such port, VLAN or destination; the service's address is elsewhere), oversize (longer than the port's
 * MTU), no_buffer. */
struct rte_mbuf *outbound_build(struct io_lcore *io, const struct baton_peer *to, uint32_t service,
				const uint8_t *payload, uint32_t len);

#endif
