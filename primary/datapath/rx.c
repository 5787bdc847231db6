/* Receive: one burst from every port this lcore serves. */
#include "generator.h"
#include "lcore.h"

static uint32_t rx_port(struct io_lcore *io, struct port *port)
{
	struct belt_shadow packet[BATON_BURST];
	struct rte_mbuf *mbuf[BATON_BURST];
	uint32_t count;

	if (port->driver == DRIVER_GENERATOR)
		count = generator_rx(port->generator[io->index], io->tsc, mbuf, BATON_BURST);
	else
		count = rte_eth_rx_burst(port->ethdev, (uint16_t)io->index, mbuf, BATON_BURST);
	if (count == 0)
		return 0;
	if (!BATON_SABOTAGE(ledger_received_forgotten))
		io->ledger.received += count;
	stats_add(&io->stats->rx_packets, count);
	stats_add(&io->stats->bursts, 1);
	stats_add(&io->stats->burst_packets, count);
	steer_burst(io, packet, classify_burst(io, port, mbuf, count, packet));
	return count;
}

/* Returns the number of packets received; all of them are offered, parked, answered or dropped. */
uint32_t rx_ports(struct io_lcore *io)
{
	uint32_t count = 0;

	if (baton_unlikely(!io->open))
		return 0;
	for (uint32_t i = 0; i < io->ports; i++)
		if (io->index < io->port[i].queues)
			count += rx_port(io, &io->port[i]);
	return count;
}
