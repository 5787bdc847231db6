/* One device or generator made ready, and put away again. */
#ifndef BATON_PRIMARY_PORT_SETUP_H
#define BATON_PRIMARY_PORT_SETUP_H

#include "primary.h"

struct CoreStats;
struct rte_eth_dev_info;
struct rte_eth_stats;

/* Configures port->ethdev as far as the device can do it, starts it, fills in queues, offloads, MTU and *info.
 * Returns 0 or -errno, having logged why. */
int port_setup_device(struct primary *primary, struct port *port, struct rte_eth_dev_info *info);
/* Stops and closes the device: it gives its buffers back. */
void port_remove_device(struct primary *primary, struct port *port);

/* One generator per I/O lcore. */
int port_setup_generator(struct primary *primary, struct port *port);
void port_remove_generator(struct primary *primary, struct port *port);

/* True if a packet that the driver counts in oerrors is still the caller's, which offers it again. */
bool port_gives_back(const char *driver);
/* What the device lost between two looks at its counters, added to the page's drops; of oerrors what is lost: with
 * `retried` all of them are counted beside the drops. */
void port_add_losses(struct CoreStats *page, const struct rte_eth_stats *now, const struct rte_eth_stats *before,
		     bool retried);

#endif
