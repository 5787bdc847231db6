/* The kernel's view of the interfaces behind net_tap, net_af_packet and net_af_xdp; the driver's of other devices. */
#include "port_link.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_ethdev.h>

#include "log.h"
#include "primary.h"

void port_link_init(struct primary *primary, uint32_t port, uint32_t if_index, bool up)
{
	struct port_link *link = &primary->link[port];

	*link = (struct port_link){ .state = up ? PORT_UP : PORT_NO_LINK, .if_index = if_index };
	if (if_index != 0 && if_indextoname(if_index, link->interface) == NULL)
		link->if_index = 0; /* the driver's number is not one of this namespace: nothing to look at */
}

bool port_link_takes_tags_off(const struct primary *primary, uint32_t port)
{
	struct ethtool_value flags = { .cmd = ETHTOOL_GFLAGS };
	struct ifreq request = { .ifr_data = (void *)&flags };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool said;

	if (fd < 0)
		return false;
	memcpy(request.ifr_name, primary->link[port].interface, sizeof(request.ifr_name));
	said = ioctl(fd, SIOCETHTOOL, &request) == 0;
	close(fd);
	return said && (flags.data & ETH_FLAG_RXVLAN) != 0;
}

/* By its index: one that is made anew under the old name is not what the device is bound to. */
static enum port_state look_at_interface(struct port_link *link)
{
	struct ifreq request = { .ifr_flags = 0 };
	enum port_state state = link->state;

	if (if_indextoname(link->if_index, request.ifr_name) == NULL)
		return errno == ENXIO ? PORT_GONE : state; /* for want of descriptors nothing is known */
	memcpy(link->interface, request.ifr_name, sizeof(link->interface));
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return state;
	if (ioctl(fd, SIOCGIFFLAGS, &request) == 0)
		state = (request.ifr_flags & IFF_UP) && (request.ifr_flags & IFF_RUNNING) ? PORT_UP : PORT_NO_LINK;
	close(fd);
	return state;
}

static enum port_state look_at_device(uint16_t ethdev, enum port_state before)
{
	struct rte_eth_link link = { .link_status = RTE_ETH_LINK_UP };

	if (rte_eth_link_get_nowait(ethdev, &link) != 0)
		return before; /* a device without a link */
	return link.link_status == RTE_ETH_LINK_UP ? PORT_UP : PORT_NO_LINK;
}

void port_link_poll(struct primary *primary)
{
	for (uint32_t i = 0; i < primary->config.ports; i++) {
		struct port_link *link = &primary->link[i];
		const struct port *port = &primary->port[i];
		enum port_state before = link->state;
		char words[256];

		if (port->driver != DRIVER_EAL)
			continue;
		link->state = link->if_index != 0 ? look_at_interface(link) : look_at_device(port->ethdev, before);
		if (link->state == before)
			continue;
		if (link->state == PORT_UP)
			log_info("port '%s': the link is up", port->name);
		else
			log_line(link->state == PORT_GONE ? LEVEL_ERROR : LEVEL_WARN, "%s",
				 port_link_words(primary, i, words, sizeof(words)));
	}
}

const char *port_link_words(const struct primary *primary, uint32_t port, char *text, size_t bytes)
{
	const struct port_link *link = &primary->link[port];
	const char *name = primary->port[port].name;

	text[0] = '\0';
	if (link->state == PORT_GONE)
		snprintf(text, bytes,
			 "port '%s': its interface %s is gone (deleted, or in another network namespace): nothing comes or "
			 "leaves there any more; make it again if it is not one of net_tap, then restart batond",
			 name, link->interface);
	else if (link->state == PORT_NO_LINK && link->if_index != 0)
		snprintf(text, bytes, "port '%s': no link: see ip link show %s, and set it and its peer up", name,
			 link->interface);
	else if (link->state == PORT_NO_LINK)
		snprintf(text, bytes, "port '%s': no link: look at its cable and at the other end", name);
	return text;
}

void port_link_publish(struct primary *primary)
{
	struct stats *stats = &primary->stats;

	for (uint32_t i = 0; i < primary->config.ports; i++) {
		const struct stats_port *shown = &stats->header->port[i];
		struct stats_port entry = {
			.state = BATON_SABOTAGE(port_state_stays) ? shown->state : primary->link[i].state,
			.device = primary->port[i].driver == DRIVER_EAL, .now = primary->counts[i], .before = shown->before,
		};

		memcpy(entry.name, primary->port[i].name, sizeof(entry.name));
		memcpy(entry.interface, primary->link[i].interface, sizeof(entry.interface));
		if (shown->now.tsc != entry.now.tsc) /* else the device did not say anything new */
			entry.before = shown->now;
		stats_port_write(stats, i, &entry);
	}
	stats->header->ports = primary->config.ports; /* entries first; a reader takes unwritten ones for none */
}
