/* What bench-stages runs: made as batond makes it, but in one thread and without a zygote. */
#define _GNU_SOURCE
#include <errno.h>
#include <rte_eal.h>
#include <rte_mbuf.h>
#include <rte_memzone.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "generator.h"
#include "pool.h"
#include "stages.h"
#include "worker.h"

#define SERVICE_IP   0x01004d0au /* 10.77.0.1, network byte order */
#define SERVICE_PORT 8080u
#define BUCKETS      4096u
#define PLAYERS      10000u
#define MALFORMED    1000u
#define BUFFERS      8191u
#define NEED_PAGES   48u /* of 2 MiB: pool, belt, shadows and nodes of messages */
#define HUGE_DIR     "/dev/hugepages"
#define SALT         0x5bd1e995u

static int fail(const char *what, int rc)
{
	fprintf(stderr, "bench-stages: %s: %s\n", what, strerror(-rc));
	return rc;
}

static uint32_t free_huge_pages(void)
{
	FILE *in = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "r");
	unsigned int pages = 0;

	if (in == NULL)
		return 0;
	if (fscanf(in, "%u", &pages) != 1)
		pages = 0;
	fclose(in);
	return pages;
}

/* Whatever CPU the bench may run on is lcore 0's. Without huge pages the figures include more misses of the TLB. */
static int start_eal(void)
{
	bool huge = free_huge_pages() >= NEED_PAGES;
	char *argv[] = {"bench-stages", huge ? "--in-memory" : "--no-huge", "-m", "80", "--no-pci", "--no-telemetry",
			"--no-shconf", "--lcores=0", "--log-level=4", "--iova-mode=va", NULL};
	cpu_set_t allowed;
	char lcores[32];

	if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
		return fail("CPUs", -errno);
	for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--)
		if (CPU_ISSET(cpu, &allowed))
			snprintf(lcores, sizeof(lcores), "--lcores=0@%d", cpu);
	argv[7] = lcores;
	if (!huge)
		fprintf(stderr, "bench-stages: fewer than %u huge pages are free: running without\n", NEED_PAGES);
	return rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])) - 1, argv) < 0 ? fail("EAL", -ENODEV) : 0;
}

static void fill_config(struct bench_rig *rig, bool offload, uint32_t in_flight)
{
	struct config *c = &rig->config;
	struct port *port = &rig->port;

	snprintf(c->name, sizeof(c->name), "bench-stages-%d", getpid());
	c->io_cores = 1;
	c->poll = POLL_BUSY;
	c->worker_slots = 1;
	c->pending = 4096;
	c->start_timeout_ns = UINT64_MAX; /* nothing is received before the worker owns the buckets */
	c->ports = c->services = c->groups = 1;
	c->service[0].udp_port = SERVICE_PORT;
	c->service[0].buckets = BUCKETS;
	c->port[0].driver = DRIVER_GENERATOR;
	c->port[0].players = PLAYERS;
	c->port[0].in_flight = in_flight;
	c->port[0].malformed_every = MALFORMED;
	c->port[0].lost_after_ns = 1000000000;
	port->driver = DRIVER_GENERATOR;
	port->queues = 1;
	port->mtu = 1500;
	port->mac[0] = 0x02;
	port->rx_ip_checksum = port->rx_udp_checksum = port->tx_ip_checksum = port->tx_udp_checksum = offload;
	port->config = &c->port[0];
	port_add_network(port, 0, &(struct config_address){.ip = SERVICE_IP, .prefix = 24}, 1, 0);
}

/* Pool, belt, state file, counters. */
static int make_memory(struct bench_rig *rig)
{
	const struct rte_memzone *zone;
	struct state_group group;
	bool fresh;
	int rc;

	rig->pool = rte_pktmbuf_pool_create_by_ops("bench_pool", BUFFERS, pool_cache_size(BUFFERS), 0,
						   RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY, "ring_sp_sc");
	zone = rte_memzone_reserve_aligned("bench_belt", BATON_HUGE_PAGE, SOCKET_ID_ANY,
					   RTE_MEMZONE_2MB | RTE_MEMZONE_SIZE_HINT_ONLY, BATON_HUGE_PAGE);
	if (rig->pool == NULL || zone == NULL)
		return fail("buffers and belt", -ENOMEM);
	rig->belt = zone->addr;
	memset(rig->belt, 0, BATON_HUGE_PAGE);
	belt_init(rig->belt, 0, 0);
	snprintf(rig->path, sizeof(rig->path), "%s/%.40s.state",
		 rte_eal_has_hugepages() && access(HUGE_DIR, W_OK) == 0 ? HUGE_DIR : "/dev/shm", rig->config.name);
	unlink(rig->path);
	rc = state_group_init(&group, "game", BUCKETS, 16, BUCKETS, 1);
	if (rc == 0)
		rc = state_open(&rig->state, rig->path, &group, 1, 1, 1, SALT, 1000, &fresh);
	if (rc != 0)
		return fail("state file", rc);
	rc = stats_create(&rig->stats, rig->config.name, 1, 1, rte_get_tsc_hz(), &rig->stats_fd);
	return rc != 0 ? fail("counters", rc) : 0;
}

int rig_create(struct bench_rig *rig, bool offload, uint32_t in_flight)
{
	struct datapath_setup setup = {.config = &rig->config, .port = &rig->port, .io_lcores = 1};
	int rc;

	memset(rig, 0, sizeof(*rig));
	fill_config(rig, offload, in_flight);
	rc = start_eal();
	if (rc == 0)
		rc = make_memory(rig);
	if (rc != 0)
		return rc;
	setup.pool[0] = rig->pool;
	setup.belt[0][0] = rig->belt;
	setup.key[0] = worker_key;
	setup.state = &rig->state;
	setup.stats = &rig->stats;
	rc = datapath_create(&rig->dp, &setup);
	if (rc == 0)
		rc = generator_create(&rig->port, 0, 1, rig->pool, rte_get_tsc_hz(), SERVICE_IP,
				      rte_cpu_to_be_16(SERVICE_PORT), stats_io(&rig->stats, 0));
	return rc != 0 ? fail("data path", rc) : 0;
}

int rig_destroy(struct bench_rig *rig)
{
	struct ledger ledger;
	int rc;

	io_stop(rig->dp->io[0]);
	datapath_ledger(rig->dp, 0, &ledger);
	rc = ledger_balance(&ledger) != 0 || rte_mempool_avail_count(rig->pool) != BUFFERS;
	if (rc != 0)
		fputs("bench-stages: buffers are missing\n", stderr);
	generator_destroy(&rig->port, 0);
	datapath_destroy(rig->dp);
	state_close(&rig->state);
	unlink(rig->path);
	close(rig->stats_fd);
	stats_detach(&rig->stats);
	stats_unlink(rig->config.name);
	return rc;
}
