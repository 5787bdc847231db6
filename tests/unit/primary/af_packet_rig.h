/* A net_af_packet port with two queues of so few frames that a test fills them, in the network namespace of the test. */
#ifndef BATON_TEST_AF_PACKET_RIG_H
#define BATON_TEST_AF_PACKET_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sched.h>
#include <cmocka.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#define FRAMES 64u /* a ring has so many */

static struct rte_mempool *pool;

/* After unshare(). Returns 0 or not. */
static int start_eal_here(void)
{
	char *argv[] = { "test", "--no-huge", "--no-shconf", "-m", "64", "--no-pci", "--no-telemetry", "--lcores", "0@0",
			 "--log-level", "3", "--iova-mode", "va" };

	return rte_eal_init(sizeof(argv) / sizeof(argv[0]), argv) < 0;
}

static uint16_t start_port(const char *interface)
{
	struct rte_eth_conf none = { 0 };
	uint16_t id;
	char args[64];

	snprintf(args, sizeof(args), "iface=%s,qpairs=2,framecnt=%u", interface, FRAMES);
	assert_int_equal(rte_eal_hotplug_add("vdev", "net_af_packet0", args), 0);
	assert_int_equal(rte_eth_dev_get_port_by_name("net_af_packet0", &id), 0);
	pool = rte_pktmbuf_pool_create("frames", 1023, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, 0);
	assert_non_null(pool);
	assert_int_equal(rte_eth_dev_configure(id, 2, 2, &none), 0);
	for (uint16_t q = 0; q < 2; q++) {
		assert_int_equal(rte_eth_rx_queue_setup(id, q, FRAMES, 0, NULL, pool), 0);
		assert_int_equal(rte_eth_tx_queue_setup(id, q, FRAMES, 0, NULL), 0);
	}
	assert_int_equal(rte_eth_dev_start(id), 0);
	return id;
}

static void stop_port(uint16_t id)
{
	rte_eth_dev_stop(id);
	assert_int_equal(rte_eal_hotplug_remove("vdev", "net_af_packet0"), 0);
	rte_mempool_free(pool);
}

#endif
