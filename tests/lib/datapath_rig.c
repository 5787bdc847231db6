/* The rig: a port of rings, a state file in /dev/shm, belts in a memfd, and I/O lcores that the caller turns. */
#define _GNU_SOURCE
#include "datapath_rig.h"

#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ether.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "checksum.h"

#define RIG_BUFFERS 8191u

void rig_eal(void)
{
	static bool done;
	char *argv[] = {"rig", "--no-huge", "--no-shconf", "-m", "512", "--no-pci", "--no-telemetry", "--lcores=0@0",
			"--log-level=4", "--iova-mode=va"};

	if (done)
		return;
	assert_true(rte_eal_init(sizeof(argv) / sizeof(argv[0]), argv) >= 0);
	done = true;
}

static void rig_queues(struct rig *rig, uint32_t lcores)
{
	static uint32_t serial;
	struct rte_eth_conf conf = {0};
	char name[32];
	int id;

	for (uint32_t i = 0; i < lcores; i++) {
		snprintf(name, sizeof(name), "rig%u_pool%u", serial, i);
		rig->pool[i] = rte_pktmbuf_pool_create_by_ops(name, RIG_BUFFERS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, 0,
							       "ring_sp_sc");
		snprintf(name, sizeof(name), "rig%u_rx%u", serial, i);
		rig->rx[i] = rte_ring_create(name, 4096, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
		snprintf(name, sizeof(name), "rig%u_tx%u", serial, i);
		rig->tx[i] = rte_ring_create(name, 8192, 0, RING_F_SP_ENQ | RING_F_SC_DEQ);
		assert_true(rig->pool[i] != NULL && rig->rx[i] != NULL && rig->tx[i] != NULL);
	}
	snprintf(name, sizeof(name), "rig%u", serial++);
	id = rte_eth_from_rings(name, rig->rx, lcores, rig->tx, lcores, 0);
	assert_true(id >= 0);
	rig->port.ethdev = (uint16_t)id;
	assert_int_equal(rte_eth_dev_configure((uint16_t)id, (uint16_t)lcores, (uint16_t)lcores, &conf), 0);
	for (uint16_t i = 0; i < lcores; i++) {
		assert_int_equal(rte_eth_rx_queue_setup((uint16_t)id, i, 256, 0, NULL, rig->pool[i]), 0);
		assert_int_equal(rte_eth_tx_queue_setup((uint16_t)id, i, 256, 0, NULL), 0);
	}
	assert_int_equal(rte_eth_dev_start((uint16_t)id), 0);
}

static void rig_config(struct rig *rig, uint32_t lcores, uint32_t slots, uint32_t buckets, uint32_t services)
{
	struct config *c = &rig->config;

	snprintf(c->name, sizeof(c->name), "%s", rig->instance);
	c->io_cores = lcores;
	c->poll = POLL_BUSY;
	c->worker_slots = slots;
	c->pending = 8192;
	c->ports = 1;
	c->services = c->groups = services;
	for (uint32_t i = 0; i < services; i++) {
		c->service[i].udp_port = (uint16_t)(RIG_PORT + i);
		c->service[i].key = KEY_PAYLOAD;
		c->service[i].buckets = buckets;
		c->service[i].group_index = i;
	}
	rig->port.queues = (uint16_t)lcores;
	rig->port.mtu = 1500;
	rig->port.config = &c->port[0];
	memcpy(rig->port.mac, "\x02\x00\x00\x00\x00\x01", 6);
	port_add_network(&rig->port, 0, &(struct config_address){.ip = RIG_IP, .prefix = 24}, 1, 0);
}

/* Shared, as in production: a worker may be a process of its own. */
static void rig_belts(struct rig *rig)
{
	uint32_t slots = rig->config.worker_slots, belts = rig->config.io_cores * slots;

	rig->belts_fd = memfd_create("rig_belts", MFD_CLOEXEC);
	assert_true(rig->belts_fd >= 0 && ftruncate(rig->belts_fd, (off_t)belts * BATON_HUGE_PAGE) == 0);
	for (uint32_t i = 0; i < belts; i++) {
		struct belt *belt = mmap(NULL, BATON_HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, rig->belts_fd,
					 (off_t)i * BATON_HUGE_PAGE);
		assert_true(belt != MAP_FAILED);
		belt_init(belt, i / slots, i % slots);
		rig->belt[i / slots][i % slots] = belt;
	}
}

/* Everything that a start of the primary makes: state file taken over or made, belts empty, nothing attached. */
static void rig_primary(struct rig *rig, bool want_fresh)
{
	uint32_t lcores = rig->config.io_cores, slots = rig->config.worker_slots, buckets = rig->config.service[0].buckets;
	struct datapath_setup setup = {.config = &rig->config, .port = &rig->port, .io_lcores = lcores};
	struct journal_report report;
	struct state_group group[BATON_MAX_GROUPS];
	bool fresh;
	char name[16];

	for (uint32_t g = 0; g < rig->config.groups; g++) {
		snprintf(name, sizeof(name), "game%u", g);
		assert_int_equal(state_group_init(&group[g], name, buckets, rig->record_size, buckets, 1), 0);
		setup.key[g] = (struct datapath_key){.key = BATON_KEY_PAYLOAD, .offset = rig->key_offset, .length = 4};
	}
	assert_int_equal(state_open(&rig->state, rig->path, group, rig->config.groups, slots, lcores, 42, 1000, &fresh), 0);
	assert_int_equal(fresh, want_fresh);
	for (uint32_t s = 0; s < slots; s++)
		assert_int_equal(state_roll_back(&rig->state, s, &report), 0);
	rig_belts(rig);
	memcpy(setup.belt, rig->belt, sizeof(setup.belt));
	memcpy(setup.pool, rig->pool, sizeof(setup.pool));
	setup.state = &rig->state;
	setup.stats = &rig->stats;
	assert_int_equal(datapath_create(&rig->dp, &setup), 0);
	for (uint32_t l = 0; l < lcores; l++)
		rig->dp->io[l]->open = true;
}

static void rig_make(struct rig *rig, uint32_t lcores, uint32_t slots, uint32_t buckets, uint32_t record_size,
		     uint32_t services)
{
	memset(rig, 0, sizeof(*rig));
	rig->record_size = record_size;
	snprintf(rig->instance, sizeof(rig->instance), "rig-%d", getpid());
	snprintf(rig->path, sizeof(rig->path), "/dev/shm/%s.state", rig->instance);
	unlink(rig->path);
	rig_config(rig, lcores, slots, buckets, services);
	rig_queues(rig, lcores);
	assert_int_equal(stats_create(&rig->stats, rig->instance, lcores, slots, rte_get_tsc_hz(), &rig->stats_fd), 0);
	/* Nobody attaches by name, and a test that fails leaves nothing behind that looks like an instance. */
	stats_unlink(rig->instance);
	rig_primary(rig, true);
}

void rig_create(struct rig *rig, uint32_t lcores, uint32_t slots, uint32_t buckets)
{
	rig_make(rig, lcores, slots, buckets, 16, 1);
}

void rig_create_for(struct rig *rig, uint32_t lcores, uint32_t slots, uint32_t buckets, uint32_t record_size)
{
	rig_make(rig, lcores, slots, buckets, record_size, 1);
}

void rig_create_services(struct rig *rig, uint32_t lcores, uint32_t slots, uint32_t buckets, uint32_t services)
{
	rig_make(rig, lcores, slots, buckets, 16, services);
}

static void rig_primary_end(struct rig *rig)
{
	datapath_destroy(rig->dp);
	for (uint32_t l = 0; l < rig->config.io_cores; l++)
		for (uint32_t s = 0; s < rig->config.worker_slots; s++)
			munmap(rig->belt[l][s], BATON_HUGE_PAGE);
	close(rig->belts_fd);
	state_close(&rig->state);
}

void rig_restart(struct rig *rig)
{
	for (uint32_t l = 0; l < rig->config.io_cores; l++)
		io_stop(rig->dp->io[l]); /* for the buffers: state and commit words stay as a kill would leave them */
	rig_primary_end(rig);
	rig_primary(rig, false);
}

void rig_time(struct rig *rig, uint64_t ns)
{
	for (uint32_t l = 0; l < rig->config.io_cores; l++) {
		struct io_clock *clock = &rig->dp->io[l]->clock;
		clock->mult = 0;
		clock->ns_base = ns;
		clock->due_tsc = rte_rdtsc() + INT64_MAX / 2;
	}
}

void rig_destroy(struct rig *rig)
{
	for (uint32_t l = 0; l < rig->config.io_cores; l++) {
		struct ledger ledger;
		struct rte_mbuf *mbuf;

		io_stop(rig->dp->io[l]);
		datapath_ledger(rig->dp, l, &ledger);
		assert_int_equal(ledger_balance(&ledger), 0);
		assert_int_equal(ledger.in_belts + ledger.pending + ledger.unresolved + ledger.tx_backlog, 0);
		while (rte_ring_dequeue(rig->tx[l], (void **)&mbuf) == 0)
			rte_pktmbuf_free(mbuf);
		assert_int_equal(rte_mempool_avail_count(rig->pool[l]), RIG_BUFFERS);
	}
	rig_primary_end(rig);
	rte_eth_dev_stop(rig->port.ethdev);
	rte_eth_dev_close(rig->port.ethdev);
	for (uint32_t l = 0; l < rig->config.io_cores; l++) {
		rte_ring_free(rig->rx[l]);
		rte_ring_free(rig->tx[l]);
		rte_mempool_free(rig->pool[l]);
	}
	unlink(rig->path);
	close(rig->stats_fd);
	stats_detach(&rig->stats);
}

struct rte_mbuf *rig_frame(struct rig *rig, uint32_t lcore, const void *payload, uint32_t len)
{
	return rig_frame_to(rig, lcore, 0, payload, len);
}

struct rte_mbuf *rig_frame_to(struct rig *rig, uint32_t lcore, uint32_t service, const void *payload, uint32_t len)
{
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(rig->pool[lcore]);
	struct rte_ether_hdr *eth;
	struct rte_ipv4_hdr *ip;
	struct rte_udp_hdr *udp;

	assert_non_null(mbuf);
	assert_non_null(rte_pktmbuf_append(mbuf, (uint16_t)(sizeof(*eth) + sizeof(*ip) + sizeof(*udp) + len)));
	eth = rte_pktmbuf_mtod(mbuf, struct rte_ether_hdr *);
	ip = (void *)(eth + 1);
	udp = (void *)(ip + 1);
	memset(eth, 0, sizeof(*eth) + sizeof(*ip) + sizeof(*udp));
	memcpy(&eth->dst_addr, rig->port.mac, 6);
	memcpy(&eth->src_addr, "\x02\x00\x00\x00\x00\x02", 6);
	eth->ether_type = rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4);
	ip->version_ihl = 0x45;
	ip->total_length = rte_cpu_to_be_16((uint16_t)(sizeof(*ip) + sizeof(*udp) + len));
	ip->time_to_live = 64;
	ip->next_proto_id = IPPROTO_UDP;
	ip->src_addr = rte_cpu_to_be_32(0x0a000002);
	ip->dst_addr = RIG_IP;
	ip->hdr_checksum = (uint16_t)~rte_raw_cksum(ip, sizeof(*ip));
	udp->src_port = rte_cpu_to_be_16(40000);
	udp->dst_port = rte_cpu_to_be_16((uint16_t)(RIG_PORT + service));
	udp->dgram_len = rte_cpu_to_be_16((uint16_t)(sizeof(*udp) + len));
	memcpy(udp + 1, payload, len);
	udp->dgram_cksum = (uint16_t)~checksum_udp(ip, udp, (uint32_t)sizeof(*udp) + len);
	return mbuf;
}

void rig_inject(struct rig *rig, uint32_t lcore, struct rte_mbuf *mbuf)
{
	assert_int_equal(rte_ring_enqueue(rig->rx[lcore], mbuf), 0);
}
