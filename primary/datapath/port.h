/* What the data path knows of a port: filled by control/port.c before the I/O lcores start, read-only afterwards. */
#ifndef BATON_PRIMARY_PORT_H
#define BATON_PRIMARY_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"

struct generator;

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
	struct config_address address[CONFIG_ADDRESSES];
	uint32_t addresses;
	uint32_t gateway;
	const struct config_port *config;
	struct generator *generator[BATON_MAX_IO_LCORES]; /* DRIVER_GENERATOR only: one per I/O lcore */
};

#endif
