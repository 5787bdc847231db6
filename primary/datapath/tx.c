/* Transmit: full bursts leave at once, a partly filled one in the loop turn in which nothing more was reaped. */
#include "generator.h"
#include "lcore.h"

/* Hands as much of the port's backlog to the device as it takes. */
void tx_port(struct io_lcore *io, uint32_t index)
{
	struct tx_queue *queue = &io->tx[index];
	struct port *port = &io->port[index];
	uint32_t sent = 0;
	uint64_t bytes = 0;

	while (sent < queue->count) {
		uint32_t burst = queue->count - sent < BATON_BURST ? queue->count - sent : BATON_BURST;
		uint32_t taken;

		for (uint32_t i = 0; i < burst; i++)
			bytes += queue->mbuf[sent + i]->pkt_len;
		if (port->driver == DRIVER_GENERATOR)
			taken = generator_tx(port->generator[io->index], io->tsc, queue->mbuf + sent, burst);
		else
			taken = rte_eth_tx_burst(port->ethdev, (uint16_t)io->index, queue->mbuf + sent, (uint16_t)burst);
		sent += taken;
		if (taken < burst) {
			for (uint32_t i = sent; i < sent + burst - taken; i++)
				bytes -= queue->mbuf[i]->pkt_len;
			break;
		}
	}
	if (sent == 0)
		return;
	queue->count -= sent;
	if (queue->count != 0)
		memmove(queue->mbuf, queue->mbuf + sent, queue->count * sizeof(queue->mbuf[0]));
	if (!BATON_SABOTAGE(ledger_sent_forgotten))
		io->ledger.sent += sent;
	io->ledger.tx_backlog -= sent;
	stats_add(&io->stats->tx_packets, sent);
	stats_add(&io->stats->tx_bytes, bytes);
}

/* Returns false if there is none: the packet is dropped and counted. */
bool tx_make_room(struct io_lcore *io, uint32_t index, struct rte_mbuf *mbuf)
{
	tx_port(io, index);
	if (io->tx[index].count < TX_BACKLOG)
		return true;
	drop_packet(io, mbuf, DROP_tx_full);
	return false;
}

void tx_flush(struct io_lcore *io)
{
	for (uint32_t i = 0; i < io->ports; i++)
		if (io->tx[i].count != 0)
			tx_port(io, i);
}
