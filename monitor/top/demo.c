/* Synthetic samples: a small instance under load that a hot restart moves over. A sample is a function of its number
 * and the interval alone, so that pictures and tests come out the same every time. */
#include <stdio.h>
#include <string.h>

#include "hist.h"
#include "sample.h"

#define DEMO_HZ      2000000000ull
#define DEMO_START   1700000000000000000ull
#define DEMO_LCORES  1u
#define DEMO_WORKERS 3u
#define DEMO_PPS     1200000ull
#define RESTART_NS   10000000000ull /* game.1 is restarted so often */

static void demo_io(struct CoreStats *page, uint64_t now_ns, uint64_t tsc)
{
	uint64_t rx = DEMO_PPS * (now_ns / 1000) / 1000000;

	page->kind = CORE_IO;
	page->cpu = 1;
	page->heartbeat = tsc;
	strcpy(page->name, "io.0");
	page->rx_packets = rx;
	page->rx_bytes = rx * 90;
	page->drop[DROP_malformed] = rx / 1000;
	page->drop[DROP_bad_udp_checksum] = rx / 50000;
	page->freed = page->drop[DROP_malformed] + page->drop[DROP_bad_udp_checksum];
	page->belt_depth = 24 + tsc / 7 % 40;
	page->offered = rx - page->drop[DROP_bad_udp_checksum];
	page->reaped = page->offered - page->belt_depth;
	page->tx_packets = page->replies = rx - page->freed - page->belt_depth;
	page->tx_bytes = page->tx_packets * 90;
	page->bursts = rx / 19;
	page->burst_packets = rx;
	page->busy_cycles = rx * 118;
	page->idle_cycles = tsc - page->busy_cycles;
	page->moves = now_ns / RESTART_NS;
	page->parked = page->moves * 37;
	page->pool_size = 16384;
	page->pool_free = page->pool_size - 2048 - page->belt_depth;
}

/* A bell around 900 ns and a thin tail; the version before it, which is gone, took a little longer. */
static void demo_residence(struct sample *out, uint64_t rx)
{
	static const struct { const char *version; uint32_t shape; } ran[] = { { "1.4.1", 900 }, { "1.4.2", 650 } };
	uint64_t before = DEMO_PPS * 60; /* entries of the version that is gone */

	out->lanes = DEMO_WORKERS + STATS_LANES_KEPT;
	for (uint32_t v = 0; v < 2; v++) {
		struct sample_version *lane = &out->version[v];
		uint64_t entries = v == 0 ? before : rx - before;
		lane->entry.id = v + 1;
		lane->entry.taken = v + 1;
		strcpy(lane->entry.group, "game");
		strcpy(lane->entry.version, ran[v].version);
		for (uint32_t i = 0; i < 16; i++)
			lane->count[hist_bucket(ran[v].shape) + i] = entries / 32 * (i < 8 ? i : 16 - i) / 2;
		lane->count[hist_bucket(40000)] = entries / 3000;
		hist_add(out->residence[0], lane->count, NULL);
	}
}

static void demo_port(struct sample *out, uint64_t rx)
{
	struct stats_port *port = &out->port[0];

	out->ports = 1;
	port->state = PORT_UP;
	port->device = 1;
	strcpy(port->name, "lan");
	strcpy(port->interface, "eth1");
	port->now = (struct port_counts){ .tsc = out->tsc, .rx_packets = rx, .tx_packets = rx };
	port->before = (struct port_counts){ .tsc = out->tsc - DEMO_HZ, .rx_packets = rx - DEMO_PPS,
					     .tx_packets = rx - DEMO_PPS };
}

static void demo_group(struct sample *out)
{
	struct stats_group *group = &out->group[0];

	group->state = GROUP_SERVING;
	group->workers = group->serving = 2;
	group->burst = 10;
	group->standbys = group->standbys_wanted = 1;
	strcpy(group->name, "game");
	strcpy(group->version, "1.4.2");
}

static void demo_worker(struct sample *out, uint32_t slot, uint64_t now_ns)
{
	struct CoreStats *page = &out->page[1 + DEMO_LCORES + slot];
	struct stats_worker *w = &out->worker[slot];
	uint64_t restarts = now_ns / RESTART_NS;
	uint32_t standby = 1 + (uint32_t)((restarts + 1) % 2); /* slots 1 and 2 take turns at being game.1 */

	w->pid = 4100 + slot + (slot == 0 ? 0 : (uint32_t)restarts);
	w->incarnation = slot == 0 ? 1 : 1 + (uint32_t)(restarts + (slot == 1)) / 2;
	w->cpu = page->cpu = 2 + slot % 2;
	w->state = slot == standby ? WORKER_STANDBY : WORKER_ACTIVE;
	w->buckets = slot == standby ? 0 : 2048;
	w->restarts = slot == 0 ? 0 : (uint32_t)restarts;
	snprintf(w->name, sizeof(w->name), "game.%u", slot == 0 ? 0 : 1);
	strcpy(w->group, "game");
	strcpy(w->version, "1.4.2");
	strcpy(w->build_id, "0f3c9a77d21be650418c2f0e9b6d35a1c7e84f12");
	page->kind = CORE_WORKER;
	page->index = slot;
	page->incarnation = w->incarnation;
	page->heartbeat = out->tsc;
	memcpy(page->name, w->name, sizeof(page->name));
	/* The two slots of game.1 share its time: each has counted only while it was active. */
	uint64_t mine = slot == 0 ? now_ns : restarts / 2 * RESTART_NS;
	if (slot != 0 && slot != standby)
		mine += now_ns % RESTART_NS;
	if (slot == 1)
		mine += restarts % 2 * RESTART_NS;
	page->processed = DEMO_PPS / 2 * (mine / 1000) / 1000000;
	page->processed_cycles = page->processed * 64;
	page->busy_cycles = page->processed * 81;
	page->idle_cycles = out->tsc - page->busy_cycles;
	page->bursts = page->processed / 11;
	page->burst_packets = page->processed;
	out->page[1].belt[slot] = slot == standby ? 0 : 12;
}

void sample_demo(struct sample *out, uint64_t n, uint64_t interval_ns)
{
	uint64_t now_ns = 125000000000ull + n * interval_ns;

	memset(out, 0, sizeof(*out));
	out->tsc_hz = DEMO_HZ;
	out->tsc = now_ns * (DEMO_HZ / 1000000000u);
	out->alive_tsc = out->tsc - DEMO_HZ / 1000;
	out->wall_ns = DEMO_START + now_ns;
	out->started_ns = DEMO_START;
	out->boot_id = 0xba70;
	out->primary_pid = 4096;
	out->io_lcores = DEMO_LCORES;
	out->slots = DEMO_WORKERS;
	strcpy(out->host, "demo-host");
	strcpy(out->instance, "demo");
	snprintf(out->build, sizeof(out->build), "%s demo", BATON_VERSION);
	out->page[0].kind = CORE_MAIN;
	out->page[0].heartbeat = out->tsc;
	strcpy(out->page[0].name, "main");
	out->page[0].busy_cycles = out->tsc / 50;
	out->page[0].idle_cycles = out->tsc - out->page[0].busy_cycles;
	demo_io(&out->page[1], now_ns, out->tsc);
	demo_residence(out, out->page[1].rx_packets);
	demo_port(out, out->page[1].rx_packets);
	demo_group(out);
	out->zygote_pid = 4098;
	out->zygote_spare_pid = 4099;
	for (uint32_t slot = 0; slot < DEMO_WORKERS; slot++)
		demo_worker(out, slot, now_ns);
}
