/* Two samples made by hand: a healthy instance of one I/O lcore and three slots, a second apart. */
#ifndef BATON_TEST_SAMPLE_RIG_H
#define BATON_TEST_SAMPLE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hist.h"
#include "monitor/top/snapshot.h"

#define HZ 1000000000ull

static struct sample *base, *now;
static struct snapshot *s;

/* `seconds` after the first sample. */
static inline void healthy(struct sample *x, uint64_t seconds)
{
	memset(x, 0, sizeof(*x));
	x->tsc_hz = HZ;
	x->tsc = x->alive_tsc = (100 + seconds) * HZ;
	x->wall_ns = (1000 + seconds) * 1000000000ull;
	x->started_ns = 900 * 1000000000ull;
	x->boot_id = 7;
	x->primary_pid = 70;
	x->zygote_pid = 71;
	x->zygote_spare_pid = 72;
	x->io_lcores = 1;
	x->slots = 3;
	x->lanes = x->slots + STATS_LANES_KEPT;
	x->page[0].kind = CORE_MAIN;
	x->page[1].kind = CORE_IO;
	x->page[2].kind = x->page[3].kind = x->page[4].kind = CORE_WORKER;
	x->page[1].heartbeat = x->tsc;
	strcpy(x->page[1].name, "io.0");
	strcpy(x->page[2].name, "game.0");
	strcpy(x->instance, "arena");
	x->worker[0] = (struct stats_worker){ .state = WORKER_ACTIVE, .pid = 11, .incarnation = 1, .name = "game.0",
					      .group = "game", .version = "1.0", .build_id = "aaaa" };
	x->ports = 1;
	x->port[0] = (struct stats_port){ .name = "lan", .interface = "eth1", .device = 1,
					  .now = { .tsc = (99 + seconds) * HZ, .rx_packets = 1000 * (99 + seconds) },
					  .before = { .tsc = (98 + seconds) * HZ, .rx_packets = 1000 * (98 + seconds) } };
}

/* Residence of packets that workers of the lane's version handled, by I/O lcore `lcore`. */
static inline void resided(struct sample *x, uint32_t lcore, uint32_t lane, uint64_t ns, uint64_t packets)
{
	x->residence[lcore][hist_bucket(ns)] += packets;
	x->version[lane].count[hist_bucket(ns)] += packets;
}

/* Gives the lane to a version. What it had counted for another stays in the lcore's total. */
static inline void lane_of(struct sample *x, uint32_t lane, uint32_t id, const char *version)
{
	struct stats_version entry = { .id = id, .taken = id, .group = "game" };

	if (x->version[lane].entry.id != id)
		memset(&x->version[lane], 0, sizeof(x->version[lane]));
	snprintf(entry.version, sizeof(entry.version), "%s", version);
	memcpy(&x->version[lane].entry, &entry, sizeof(entry));
}

static inline int samples_make(void **state)
{
	(void)state;
	base = sample_create();
	now = sample_create();
	s = malloc(sizeof(*s));
	if (base == NULL || now == NULL || s == NULL)
		return -1;
	healthy(base, 0);
	healthy(now, 1);
	return 0;
}

static inline int samples_drop(void **state)
{
	(void)state;
	free(base);
	free(now);
	free(s);
	return 0;
}

#endif
