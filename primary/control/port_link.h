/* Whether packets can come and go by a port: looked at by the main lcore, because no driver says so by itself. */
#ifndef BATON_PRIMARY_PORT_LINK_H
#define BATON_PRIMARY_PORT_LINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stats_directory.h"

struct primary;

struct port_link {
	enum port_state state;
	uint32_t if_index;           /* kernel interface that the device is bound to; 0: none */
	char interface[IF_NAMESIZE]; /* its name when it was last seen */
};

/* if_index: as the driver says. up: the link has come up at the start; if not, that has been logged. */
void port_link_init(struct primary *primary, uint32_t port, uint32_t if_index, bool up);
/* Whether the interface takes VLAN tags off frames and keeps them beside: XDP sees the frame without. False if the
 * kernel does not say. */
bool port_link_takes_tags_off(const struct primary *primary, uint32_t port);
/* Once a second: looks at every port and logs what has changed. */
void port_link_poll(struct primary *primary);

/* Shows the ports' states and counts to monitors: after each look at the devices. */
void port_link_publish(struct primary *primary);

/* What is wrong with the port and what to do, as a sentence; "" if it is up. */
const char *port_link_words(const struct primary *primary, uint32_t port, char *text, size_t bytes);

#endif
