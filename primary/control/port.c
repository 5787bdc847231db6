/* Ports: takes what EAL has probed, asks each device what it can do, sets it up as far as that goes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_bus.h>
#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_ethdev.h>

#include "eal.h"
#include "fanout.h"
#include "log.h"
#include "pool.h"
#include "port_setup.h"
#include "primary.h"
#include "ring_drops.h"

#define LINK_WAIT_MS 2000u

/* What a device had counted when it was last looked at. */
static struct rte_eth_stats counted[BATON_MAX_PORTS];
static bool gives_back[BATON_MAX_PORTS];

/* What the device has counted, and the kernel for it. Returns 0 or -errno. */
static int look_at_device(const struct port *port, struct rte_eth_stats *stats)
{
	int rc = rte_eth_stats_get(port->ethdev, stats);

	if (rc == 0)
		stats->imissed += ring_drops_read(port->index);
	return rc;
}

static void fill_common(struct port *port, const struct config_port *config, uint32_t index)
{
	memset(port, 0, sizeof(*port));
	snprintf(port->name, sizeof(port->name), "%s", config->name);
	port->driver = config->driver;
	port->index = (uint8_t)index;
	port->mtu = (uint16_t)config->mtu;
	port->config = config;
	port_add_network(port, 0, config->address, config->addresses, config->gateway);
	for (uint32_t i = 0; i < config->vlans; i++)
		port_add_network(port, config->vlan[i].id, config->vlan[i].address, config->vlan[i].addresses,
				 config->vlan[i].gateway);
}

static int find_device(struct port *port)
{
	char name[BATON_PATH_BYTES];

	eal_device_name(port->config->device, name, sizeof(name));
	if (rte_eth_dev_get_port_by_name(name, &port->ethdev) == 0)
		return 0;
	/* PCI devices are known by their long name. */
	if (eal_is_pci(name)) {
		char full[BATON_PATH_BYTES + 8];

		snprintf(full, sizeof(full), "0000:%s", name);
		if (rte_eth_dev_get_port_by_name(full, &port->ethdev) == 0)
			return 0;
		log_error("port '%s': no driver of DPDK took PCI device %s: bind it with dpdk-devbind.py --bind=vfio-pci %s",
			  port->name, name, name);
		return -ENODEV;
	}
	log_error("port '%s': EAL has not made %s (%s): correct device:", port->name, port->config->device,
		  eal_start_error());
	return -ENODEV;
}

/* A link that comes up later is no error: what is sent until then is lost on the wire, as with any card. */
static bool wait_for_link(const struct port *port)
{
	struct rte_eth_link link = { 0 };

	for (uint32_t ms = 0; ms <= LINK_WAIT_MS; ms += 10) {
		if (rte_eth_link_get_nowait(port->ethdev, &link) != 0)
			return true; /* a device without a link */
		if (link.link_status == RTE_ETH_LINK_UP)
			return true;
		rte_delay_us_sleep(10000);
	}
	log_warn("port '%s': no link yet (see ip link); going on without", port->name);
	return false;
}

static void set_promiscuous(const struct port *port)
{
	int rc = port->config->promiscuous ? rte_eth_promiscuous_enable(port->ethdev)
					   : rte_eth_promiscuous_disable(port->ethdev);

	if (rc != 0 && rc != -ENOTSUP)
		log_warn("port '%s': promiscuous: %s: %s", port->name, port->config->promiscuous ? "true" : "false",
			 rte_strerror(-rc));
	else if (rc == -ENOTSUP && port->config->promiscuous)
		log_warn("port '%s': the device knows no promiscuous mode", port->name);
}

static const char *addresses_text(const struct port_network *net, char *out, size_t size)
{
	size_t at = (size_t)snprintf(out, size, net->addresses == 0 ? " none" : "");

	for (uint32_t i = 0; i < net->addresses; i++) {
		const uint8_t *ip = (const uint8_t *)&net->address[i].ip;

		at += (size_t)snprintf(out + at, size - at, " %u.%u.%u.%u/%u", ip[0], ip[1], ip[2], ip[3],
				       net->address[i].prefix);
	}
	return out;
}

static void describe(const struct port *port, const char *driver, bool up)
{
	char addresses[CONFIG_ADDRESSES * 20];

	log_info("port '%s': %s, mac %02x:%02x:%02x:%02x:%02x:%02x, mtu %u, %u queue%s, link %s, addresses%s", port->name,
		 driver, port->mac[0], port->mac[1], port->mac[2], port->mac[3], port->mac[4], port->mac[5], port->mtu,
		 port->queues, port->queues == 1 ? "" : "s", up ? "up" : "down",
		 addresses_text(&port->network[0], addresses, sizeof(addresses)));
	for (uint32_t i = 1; i < port->networks; i++)
		log_info("port '%s': vlan %u, tags put on by %s, addresses%s", port->name, port->network[i].vlan,
			 port->tx_vlan ? "device" : "software",
			 addresses_text(&port->network[i], addresses, sizeof(addresses)));
	log_info("port '%s': rx checksums %s%s%s, tx checksums %s%s%s, rss hash %s, rx interrupts %s, promiscuous %s",
		 port->name, port->rx_ip_checksum ? "ip " : "", port->rx_udp_checksum ? "udp " : "",
		 port->rx_ip_checksum || port->rx_udp_checksum ? "by device" : "by software",
		 port->tx_ip_checksum ? "ip " : "", port->tx_udp_checksum ? "udp " : "",
		 port->tx_ip_checksum || port->tx_udp_checksum ? "by device" : "by software", port->rss ? "yes" : "no",
		 port->rx_interrupts ? "yes" : "no", port->config->promiscuous ? "yes" : "no");
}

static int start_device(struct primary *primary, struct port *port)
{
	struct rte_eth_dev_info info;
	struct rte_ether_addr mac;
	int rc = find_device(port);

	if (rc != 0)
		return rc;
	rc = port_setup_device(primary, port, &info);
	if (rc != 0)
		return rc;
	set_promiscuous(port);
	if (rte_eth_macaddr_get(port->ethdev, &mac) == 0)
		memcpy(port->mac, mac.addr_bytes, sizeof(port->mac));
	gives_back[port->index] = port_gives_back(info.driver_name);
	memset(&counted[port->index], 0, sizeof(counted[0]));
	ring_drops_fini(port->index);
	if (strcmp(info.driver_name, "net_af_packet") == 0)
		ring_drops_init(port->index, info.if_index);
	look_at_device(port, &counted[port->index]); /* what was lost before us is not our loss */
	bool up = wait_for_link(port);
	port_link_init(primary, port->index, info.if_index, up);
	describe(port, info.driver_name, up);
	if (port->networks > 1 && strcmp(info.driver_name, "net_af_xdp") == 0 &&
	    port_link_takes_tags_off(primary, port->index)) {
		const char *interface = primary->link[port->index].interface;

		log_warn("port '%s': %s may take VLAN tags off before net_af_xdp sees a frame, which then counts as "
			 "untagged: ethtool -K %s rxvlan off (of a veth: txvlan off at its other end)", port->name, interface,
			 interface);
	}
	if (port->queues > 1 && strcmp(info.driver_name, "net_af_packet") == 0 && fanout_rolls_over())
		log_warn("port '%s': what comes for a queue that is full goes to another one: requests may overtake each "
			 "other then; raise framecnt= in device:", port->name);
	return 0;
}

int port_init(struct primary *primary)
{
	const struct config *config = &primary->config;
	int rc = 0;

	for (uint32_t i = 0; rc == 0 && i < config->ports; i++) {
		struct port *port = &primary->port[i];

		fill_common(port, &config->port[i], i);
		rc = port->driver == DRIVER_GENERATOR ? port_setup_generator(primary, port) : start_device(primary, port);
	}
	for (uint32_t i = 0; i < config->io_cores; i++)
		pool_flush_main_cache(primary->setup.pool[i]);
	if (rc != 0)
		port_fini(primary);
	else
		port_link_publish(primary);
	return rc;
}

void port_fini(struct primary *primary)
{
	for (uint32_t i = 0; i < primary->config.ports; i++) {
		struct port *port = &primary->port[i];

		if (port->config == NULL)
			continue; /* the start never came to it */
		if (port->driver == DRIVER_GENERATOR) {
			port_remove_generator(primary, port);
		} else if (port->queues != 0) {
			ring_drops_fini(i);
			port_remove_device(primary, port);
		}
		port->config = NULL;
	}
	for (uint32_t i = 0; i < primary->config.io_cores; i++)
		pool_flush_main_cache(primary->setup.pool[i]);
}

/* now - before, or 0 if the device has started anew. */
static uint64_t growth(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

/* struct rte_eth_stats calls oerrors "failed transmitted packets" and leaves it to the driver whose they are then.
 * net_tap (pmd_tx_burst) and net_af_xdp (af_xdp_tx_zc) count what they did not take. net_af_packet counts what it took
 * and the kernel refused: those are lost, while a full ring is not counted at all. Any other is taken at its word. */
bool port_gives_back(const char *driver)
{
	return strcmp(driver, "net_tap") == 0 || strcmp(driver, "net_af_xdp") == 0;
}

void port_add_losses(struct CoreStats *page, const struct rte_eth_stats *now, const struct rte_eth_stats *before,
		     bool retried)
{
	stats_add(&page->drop[DROP_device_missed], growth(now->imissed, before->imissed));
	stats_add(&page->drop[DROP_device_nombuf], growth(now->rx_nombuf, before->rx_nombuf));
	stats_add(&page->drop[DROP_device_rx_errors], growth(now->ierrors, before->ierrors));
	stats_add(retried ? &page->tx_errors_retried : &page->drop[DROP_device_tx_errors],
		  growth(now->oerrors, before->oerrors));
}

/* retried: its driver gives back what it does not send. */
static void add_counts(struct port_counts *counts, const struct rte_eth_stats *now, const struct rte_eth_stats *before,
		       bool retried)
{
	counts->tsc = rte_rdtsc();
	counts->rx_packets += growth(now->ipackets, before->ipackets);
	counts->tx_packets += growth(now->opackets, before->opackets);
	counts->missed += growth(now->imissed, before->imissed);
	counts->no_buffer += growth(now->rx_nombuf, before->rx_nombuf);
	counts->rx_errors += growth(now->ierrors, before->ierrors);
	*(retried ? &counts->tx_retried : &counts->tx_errors) += growth(now->oerrors, before->oerrors);
}

void port_poll_device_stats(struct primary *primary)
{
	struct rte_eth_stats now;

	for (uint32_t i = 0; i < primary->config.ports; i++) {
		const struct port *port = &primary->port[i];

		if (port->driver != DRIVER_EAL || look_at_device(port, &now) != 0)
			continue;
		port_add_losses(stats_main(&primary->stats), &now, &counted[i], gives_back[i]);
		add_counts(&primary->counts[i], &now, &counted[i], gives_back[i]);
		counted[i] = now;
	}
}
