/* rate.max times the time that a recovery takes: packets that must find room, or the promise is not kept. */
#include "sizing.h"

#include <inttypes.h>
#include <string.h>

#include "belt.h"
#include "loader.h"

#define TX_BACKLOG_PACKETS 1024u /* packets that may wait for a port's transmit queue, per port */
#define XDP_RING           2048u /* net_af_xdp fills rings of its own size, whatever it is asked for */
/* The main loop turns every ms while a worker is suspect, and begins to count at its second look (stall.c). */
#define STALL_LOOKS_NS     2000000u
#define SECOND_NS          1000000000ull

static uint64_t packets(uint64_t rate, uint64_t ns)
{
	return (uint64_t)(((unsigned __int128)rate * ns + SECOND_NS - 1) / SECOND_NS);
}

static uint64_t up(uint64_t value, uint64_t by)
{
	return (value + by - 1) / by;
}

uint32_t sizing_belt_room(void)
{
	return BELT_SLOTS - BELT_CONTROL_SLOTS;
}

void sizing_of(const struct config *config, uint32_t service, struct sizing *out)
{
	const struct config_service *s = &config->service[service];
	const struct config_group *group = &config->group[s->group_index];
	uint64_t found_ns = group->stall_timeout_ns != 0 ? group->stall_timeout_ns : group->stall_wall_ns;
	uint32_t lcores = config->io_cores != 0 ? config->io_cores : 1;

	*out = (struct sizing){
		.rate = up(s->rate_max, lcores), .workers = group->count != 0 ? group->count : 1,
		.recovery_ns = group->recovery_ns, .stall_ns = found_ns != 0 ? found_ns + STALL_LOOKS_NS : UINT64_MAX,
	};
	out->pending = out->rate != 0 ? packets(out->rate, out->recovery_ns) : SIZING_UNSAID_LEAST;
	out->belt = found_ns != 0 ? packets(up(out->rate, out->workers), out->stall_ns) : 0;
}

uint64_t sizing_pending(const struct config *config)
{
	struct sizing sizing;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < config->services; i++) {
		sizing_of(config, i, &sizing);
		sum += sizing.pending;
	}
	return sum;
}

uint64_t sizing_belts(const struct config *config)
{
	struct sizing sizing;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < config->services; i++) {
		sizing_of(config, i, &sizing);
		sum += sizing.belt * sizing.workers;
	}
	return sum;
}

uint32_t sizing_port_buffers(const struct config_port *port)
{
	uint32_t rx = port->rx_descriptors, tx = port->tx_descriptors;

	if (port->driver == DRIVER_GENERATOR)
		return port->in_flight + BATON_BURST;
	if (strncmp(port->device, "net_af_xdp", 10) == 0) {
		rx = 2 * XDP_RING;
		tx = tx < XDP_RING ? XDP_RING : tx;
	}
	return rx + tx + TX_BACKLOG_PACKETS;
}

static uint32_t unsaid(const struct config *config)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < config->services; i++)
		count += config->service[i].rate_max == 0;
	return count;
}

uint32_t sizing_pending_room(const struct config *config)
{
	uint64_t wanted = sizing_pending(config);

	if (config->pending != 0)
		return config->pending;
	if (config->services != 0) /* who has not said it gets what it would get if nobody had */
		wanted += (uint64_t)unsaid(config) * (SIZING_PENDING_LEAST / config->services - SIZING_UNSAID_LEAST);
	if (wanted > SIZING_PENDING_MOST)
		return SIZING_PENDING_MOST;
	return wanted > SIZING_PENDING_LEAST ? (uint32_t)wanted : SIZING_PENDING_LEAST;
}

uint32_t sizing_service_room(const struct config *config, uint32_t service)
{
	uint64_t needed = sizing_pending(config);
	uint32_t room = sizing_pending_room(config), rest = needed < room ? room - (uint32_t)needed : 0;
	uint32_t sharers = unsaid(config) != 0 ? unsaid(config) : config->services;
	struct sizing sizing;

	sizing_of(config, service, &sizing);
	if (sizing.rate != 0 && unsaid(config) != 0)
		return (uint32_t)sizing.pending;
	return (uint32_t)sizing.pending + rest / sharers;
}

/* ---- checks ---- */

#define wrong(l, field, ...) loader_error(l, field_place(l, field), __VA_ARGS__)

static struct place field_place(const struct loader *l, const void *field)
{
	const struct spot *spot = loader_spot(l, field, false);

	return spot ? spot->place : (struct place){ 0, 0 };
}

/* What keeps the promise, each alone. */
static void check_belt(struct loader *l, uint32_t s, const struct sizing *sizing)
{
	const struct config *c = l->config;
	uint32_t g = c->service[s].group_index, room = sizing_belt_room();
	uint64_t count = up(packets(sizing->rate, sizing->stall_ns), room), most = (uint64_t)room * SECOND_NS;
	uint64_t stall_ns = most / up(sizing->rate, sizing->workers);
	uint64_t rate = (uint64_t)((unsigned __int128)most * sizing->workers * c->io_cores / sizing->stall_ns);
	char shorter[96] = "", more[64] = "";

	if (stall_ns >= STALL_LOOKS_NS + 1000000)
		snprintf(shorter, sizeof(shorter), "groups[%u].stall_timeout to %" PRIu64 "ms, or ", g,
			 (stall_ns - STALL_LOOKS_NS) / 1000000);
	if (count < c->worker_slots)
		snprintf(more, sizeof(more), "groups[%u].count to %" PRIu64 ", or ", g, count);
	wrong(l, &c->service[s].rate_max,
	      "services[%u]: rate.max: a worker that stalls is found after %" PRIu64 " ms; %" PRIu64 " packets/s on %u I/O "
	      "lcore%s for %u worker%s are %" PRIu64 " packets until then, its belt holds %u: set %s%srate.max to %" PRIu64,
	      s, sizing->stall_ns / 1000000, c->service[s].rate_max, c->io_cores, c->io_cores == 1 ? "" : "s",
	      sizing->workers, sizing->workers == 1 ? "" : "s", sizing->belt, room, shorter, more, rate);
}

static void check_buffers(struct loader *l)
{
	const struct config *c = l->config;
	uint64_t rings = BATON_BURST, belts = sizing_belts(c), pending = sizing_pending(c);

	for (uint32_t i = 0; i < c->ports; i++)
		rings += sizing_port_buffers(&c->port[i]);
	if (c->buffers != 0 && loader_good(l, &c->buffers) && belts != 0 && c->buffers < rings + belts + pending)
		wrong(l, &c->buffers,
		      "memory.buffers: %u buffers are too few: %" PRIu64 " in the rings of the ports, %" PRIu64 " packets in "
		      "belts and %" PRIu64 " in pending lists at rate.max make %" PRIu64 ": raise it to that, or leave it "
		      "out",
		      c->buffers, rings, belts, pending, rings + belts + pending);
}

static void check_pending(struct loader *l)
{
	const struct config *c = l->config;
	uint64_t needed = sizing_pending(c);
	const uint64_t *rate = NULL;
	char sum[256] = "";
	struct sizing sizing;

	if (!loader_good(l, &c->pending) || needed <= sizing_pending_room(c))
		return;
	for (uint32_t i = 0; i < c->services; i++) {
		size_t used = strlen(sum);

		sizing_of(c, i, &sizing);
		if (sizing.rate == 0)
			continue;
		snprintf(sum + used, sizeof(sum) - used, "%sservice %s %" PRIu64 " packets/s for %" PRIu64 " ms",
			 used ? " + " : "", c->service[i].name, sizing.rate, sizing.recovery_ns / 1000000);
		rate = rate && *rate > c->service[i].rate_max ? rate : &c->service[i].rate_max;
	}
	if (rate == NULL)
		return; /* nothing is promised */
	if (needed > SIZING_PENDING_MOST)
		wrong(l, rate, "pending lists of an I/O lcore cannot hold what waits for the workers' recovery: %s, are "
		      "%" PRIu64 " packets of %u: lower rate.max or recovery.time, or add to eal.io_cores", sum, needed,
		      SIZING_PENDING_MOST);
	else
		wrong(l, &c->pending,
		      "memory.pending: %u packets are too few for the workers' recovery: of an I/O lcore, %s%s, are %" PRIu64
		      ": raise it to that, or leave it out", c->pending, sum,
		      unsaid(c) != 0 ? " + 64 for each service without rate.max" : "", needed);
}

void loader_check_sizing(struct loader *l)
{
	const struct config *c = l->config;
	struct sizing sizing;

	if (!loader_good(l, &c->services) || !loader_good(l, &c->groups))
		return;
	for (uint32_t i = 0; i < c->services; i++) {
		const struct config_group *group = &c->group[c->service[i].group_index];

		if (!loader_good(l, &c->service[i].rate_max) || !loader_good(l, &group->count) ||
		    !loader_good(l, &group->recovery_ns) || !loader_good(l, &group->stall_timeout_ns) ||
		    !loader_good(l, &group->stall_wall_ns) || !loader_good(l, c->service[i].group))
			return;
		sizing_of(c, i, &sizing);
		if (sizing.rate == 0)
			continue;
		if (sizing.stall_ns == UINT64_MAX)
			wrong(l, &c->service[i].rate_max,
			      "services[%u]: rate.max: no belt holds what comes while a worker is stalled, for with "
			      "stall_timeout and stall_wall off it is never replaced: switch one on, or leave rate.max out", i);
		else if (sizing.belt > sizing_belt_room() && !BATON_SABOTAGE(belt_not_checked))
			check_belt(l, i, &sizing);
	}
	if (!BATON_SABOTAGE(pending_not_checked))
		check_pending(l);
	check_buffers(l);
}
