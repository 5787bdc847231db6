/* What the primary says of ports and zygote. */
#include "exporter/prom_text.h"

static void begin_port(struct prom *p, const struct snapshot_port *port)
{
	prom_begin(p, "");
	prom_label(p, "port", port->entry.name);
}

static void write_port_counts(struct prom *p, const char *name, const char *help, const char *key,
			      const char *const *value, const size_t *offset, uint32_t count)
{
	prom_family(p, name, "counter", help);
	for (uint32_t i = 0; i < p->s->ports; i++) {
		const struct snapshot_port *port = &p->s->port[i];
		for (uint32_t k = 0; port->entry.device && k < count; k++) {
			begin_port(p, port);
			if (key != NULL)
				prom_label(p, key, value[k]);
			prom_end_count(p, *(const uint64_t *)(const void *)((const char *)&port->entry.now + offset[k]));
		}
	}
}

void prom_ports(struct prom *p)
{
#define AT(field) offsetof(struct port_counts, field)
	static const char *const direction[] = { "rx", "tx" };
	static const char *const reason[] = { "missed", "no_buffer", "rx_errors", "tx_errors" };
	static const size_t packets[] = { AT(rx_packets), AT(tx_packets) }, retried[] = { AT(tx_retried) };
	static const size_t losses[] = { AT(missed), AT(no_buffer), AT(rx_errors), AT(tx_errors) };

	prom_family(p, "baton_port_state", "gauge", "1 for the state a port is in, 0 for the others");
	for (uint32_t i = 0; i < p->s->ports; i++)
		for (uint32_t state = 0; state < PORT_STATE_COUNT; state++) {
			begin_port(p, &p->s->port[i]);
			prom_label(p, "interface", p->s->port[i].entry.interface);
			prom_label(p, "state", port_state_name(state));
			prom_end_count(p, p->s->port[i].entry.state == state);
		}
	write_port_counts(p, "baton_port_packets_total", "packets as the device counts them, once a second", "direction",
			  direction, packets, 2);
	write_port_counts(p, "baton_port_lost_packets_total", "packets that the device lost, by its reason", "reason",
			  reason, losses, 4);
	write_port_counts(p, "baton_port_tx_retried_packets_total",
			  "packets that the device did not take and was offered again", NULL, NULL, retried, 1);
#undef AT
}

void prom_zygote(struct prom *p)
{
	prom_family(p, "baton_zygote_up", "gauge",
		    "1 if there is a zygote, without which no worker can be started; and its spare");
	prom_begin(p, "");
	prom_label(p, "role", "zygote");
	prom_end_count(p, p->s->zygote_pid != 0);
	prom_begin(p, "");
	prom_label(p, "role", "spare");
	prom_end_count(p, p->s->zygote_spare_pid != 0);
	prom_family(p, "baton_zygote_deaths_total", "counter", "deaths of zygotes and spares");
	prom_begin(p, "");
	prom_end_count(p, p->s->zygote_deaths);
}
