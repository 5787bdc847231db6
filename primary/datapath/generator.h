/* The generator: a port without a device, for benchmarks. It writes every byte of every frame anew, as a card would,
 * and checks every reply; at most `in_flight` packets are under way. One per I/O lcore. */
#ifndef BATON_PRIMARY_GENERATOR_H
#define BATON_PRIMARY_GENERATOR_H

#include <stdint.h>

#include "core_stats.h"
#include "port.h"

struct generator;
struct rte_mbuf;
struct rte_mempool;

/* Sets up the generator of `port` for I/O lcore `lcore` of `lcores`; players are shared out evenly between lcores.
 * ip, udp_port (network byte order): the service it plays against. Returns 0, -ENOMEM or -EINVAL. */
int generator_create(struct port *port, uint32_t lcore, uint32_t lcores, struct rte_mempool *pool, uint64_t tsc_hz,
		     uint32_t ip, uint16_t udp_port, struct CoreStats *stats);
void generator_destroy(struct port *port, uint32_t lcore);

/* As rte_eth_rx_burst() and rte_eth_tx_burst(). tsc: of the loop turn. tx frees what it takes and takes everything. */
uint32_t generator_rx(struct generator *g, uint64_t tsc, struct rte_mbuf **mbuf, uint32_t most);
uint32_t generator_tx(struct generator *g, uint64_t tsc, struct rte_mbuf **mbuf, uint32_t count);

#endif
