/* What the data path knows of a port: filled by control/port.c before the I/O lcores start, read-only afterwards. */
#ifndef BATON_PRIMARY_PORT_H
#define BATON_PRIMARY_PORT_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>

#include "config.h"

struct generator;

#define VLAN_ID       0x0fffu /* the identifier in a tag's control information (IEEE 802.1Q); the rest is priority */
#define PORT_NETWORKS (1u + CONFIG_VLANS)
/* In baton_peer.vlan, above the identifier: which of the network's addresses the client has written to. */
#define PEER_PLACE 12u
static_assert(CONFIG_ADDRESSES <= 16, "four bits");

/* A network that a port is in: of its untagged frames, or a VLAN. */
struct port_network {
	uint16_t vlan; /* 0: untagged */
	struct config_address address[CONFIG_ADDRESSES];
	uint32_t addresses;
	uint32_t gateway; /* network byte order; 0: none */
};

struct port {
	char name[BATON_NAME_BYTES];
	enum config_driver driver;
	uint8_t index;    /* Baton's own number: place in the configuration */
	uint16_t ethdev;  /* ethdev port id; DRIVER_EAL only */
	uint16_t queues;  /* receive and transmit queues; I/O lcore i serves queue i if i < queues */
	uint8_t mac[6];
	uint16_t mtu;
	bool rx_ip_checksum;  /* the device checks and marks IPv4 headers */
	bool rx_udp_checksum; /* the device checks and marks UDP checksums */
	bool tx_ip_checksum;  /* the device fills in IPv4 header checksums */
	bool tx_udp_checksum; /* the device fills in UDP checksums, given the pseudo-header sum */
	bool rss;             /* the device spreads packets over queues and leaves its hash in the mbuf */
	bool rx_interrupts;   /* an idle lcore may sleep on the queue's interrupt */
	bool tx_vlan;         /* the device puts VLAN tags on */
	uint64_t plain_ip;    /* first untagged address, what most packets are for; UINT64_MAX: there is none */
	struct port_network network[PORT_NETWORKS]; /* the first is that of untagged frames, even if without addresses */
	uint32_t networks;
	uint8_t vlan_network[VLAN_ID + 1u]; /* index into network; 0: not a VLAN of this port */
	/* What must be looked at twice of a packet's sender, by source_place(): whatever is none, and may be others. */
	uint64_t odd_source[(UINT16_MAX + 1u) / 64u];
	const struct config_port *config;
	struct generator *generator[BATON_MAX_IO_LCORES]; /* DRIVER_GENERATOR only: one per I/O lcore */
};

/* The place of an address among those of the network; -1: it is none of them. */
static inline int32_t network_place(const struct port_network *net, uint32_t ip)
{
	for (uint32_t i = 0; i < net->addresses; i++)
		if (net->address[i].ip == ip)
			return (int32_t)i;
	return -1;
}

/* Whether the address is the port's own in that network; network byte order. */
static inline bool network_has(const struct port_network *net, uint32_t ip)
{
	return network_place(net, ip) >= 0;
}

static inline uint32_t prefix_mask(uint8_t prefix) { return htonl(prefix == 0 ? 0 : UINT32_MAX << (32 - prefix)); }

/* Whether a host other than this one can have the address (RFC 1122, 3.2.1.3): it is neither "this" network, nor
 * loopback, multicast, reserved, nor the network or the broadcast address of a subnet, nor the port's own. */
static inline bool network_has_host(const struct port_network *net, uint32_t ip)
{
	uint32_t first = ntohl(ip) >> 24;

	for (uint32_t i = 0; i < net->addresses; i++) {
		uint32_t mask = prefix_mask(net->address[i].prefix), own = net->address[i].ip;

		if (ip == own ||
		    (net->address[i].prefix < 31 && ((own ^ ip) & mask) == 0 &&
		     ((ip & ~mask) == 0 || (ip | mask) == UINT32_MAX)))
			return false;
	}
	return first != 0 && first != 127 && first < 224;
}

/* First and last octet of an address in network byte order. */
static inline uint16_t source_place(uint32_t ip) { return (uint16_t)(ip << 8 | ip >> 24); }

static inline bool port_doubts(const struct port *port, uint32_t ip)
{
	uint16_t at = source_place(ip);

	return (port->odd_source[at / 64u] >> at % 64u & 1u) != 0;
}

static inline void port_note_source(struct port *port, uint32_t ip)
{
	port->odd_source[source_place(ip) / 64u] |= 1ull << source_place(ip) % 64u;
}

static inline void port_note_sources(struct port *port, const struct port_network *net)
{
	for (uint32_t first = 0; first < 256; first++)
		for (uint32_t last = 0; last < 256 && (first == 0 || first == 127 || first >= 224); last++)
			port_note_source(port, htonl(first << 24 | last));
	for (uint32_t i = 0; i < net->addresses; i++) {
		uint32_t mask = prefix_mask(net->address[i].prefix), own = net->address[i].ip;

		port_note_source(port, own);
		port_note_source(port, own & mask);
		port_note_source(port, own | ~mask);
	}
}

/* The next network of the port, untagged frames first. */
static inline void port_add_network(struct port *port, uint32_t vlan, const struct config_address *address,
				    uint32_t addresses, uint32_t gateway)
{
	struct port_network *net = &port->network[port->networks];

	net->vlan = (uint16_t)vlan;
	net->addresses = addresses;
	net->gateway = gateway;
	for (uint32_t i = 0; i < addresses; i++)
		net->address[i] = address[i];
	if (port->networks == 0)
		port->plain_ip = addresses != 0 ? address[0].ip : UINT64_MAX;
	port->vlan_network[vlan] = (uint8_t)port->networks++;
	port_note_sources(port, net);
}

#endif
