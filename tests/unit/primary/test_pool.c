/* Claims about the memory arithmetic, the pools and the belts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <rte_eal.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_memzone.h>

#include "log.h"
#include "sizing.h"
#include "plan.h"
#include "pool.h"
#include "primary.h"

#define BUFFERS 4000u

static struct primary primary;

static int start_eal(void **state)
{
	char *argv[] = { "test", "--no-huge", "--no-shconf", "-m", "192", "--no-pci", "--no-telemetry", "--lcores",
			 "0@0,1@0,2@0", "--log-level", "4", "--iova-mode", "va" };

	(void)state;
	log_init("test_pool", LEVEL_INFO);
	return rte_eal_init(sizeof(argv) / sizeof(argv[0]), argv) < 0;
}

static int setup(void **state)
{
	struct config *config = &primary.config;

	(void)state;
	memset(&primary, 0, sizeof(primary));
	snprintf(config->name, sizeof(config->name), "unitpool%d", (int)getpid());
	config->io_cores = 2;
	config->worker_slots = 3;
	config->pending = 1000;
	config->ports = 1;
	strcpy(config->port[0].name, "p0");
	strcpy(config->port[0].device, "net_null0");
	config->port[0].mtu = 1500;
	config->port[0].rx_descriptors = 512;
	config->port[0].tx_descriptors = 256;
	return 0;
}

static void a_pool_holds_all_that_can_be_under_way(void **state)
{
	struct memory_plan plan = { 0 };
	const struct config *config = &primary.config;

	(void)state;
	assert_int_equal(plan_compute(config, &plan), 0);
	assert_true(plan.pool_buffers >= 512 + 256 + 3 * BELT_SLOTS + config->pending + BATON_BURST);
	assert_true(plan.belt_bytes >= (uint64_t)2 * 3 * BATON_HUGE_PAGE);
	assert_true(plan.eal_bytes >= plan.pool_bytes * 2 + plan.belt_bytes);
	assert_int_equal(plan.eal_bytes % BATON_HUGE_PAGE, 0);
	assert_int_equal(plan.pages, plan.eal_bytes / BATON_HUGE_PAGE);
}

static void thirty_percent_of_memory_are_headroom(void **state)
{
	struct memory_plan plan = { 0 };

	(void)state;
	assert_int_equal(plan_compute(&primary.config, &plan), 0);
	assert_true(plan.eal_bytes * 10 >= (plan.pool_bytes * 2 + plan.belt_bytes + plan.port_bytes) * 13);
}

static void xdp_rings_are_counted_at_their_own_size(void **state)
{
	struct config_port port = primary.config.port[0];
	uint32_t small = sizing_port_buffers(&port);

	(void)state;
	strcpy(port.device, "net_af_xdp0,iface=veth0");
	assert_true(sizing_port_buffers(&port) >= small + 4096 - 512);
}

static void buffers_as_configured_are_taken_or_refused(void **state)
{
	struct memory_plan plan = { 0 };

	(void)state;
	primary.config.buffers = 9000;
	assert_int_equal(plan_compute(&primary.config, &plan), 0);
	assert_int_equal(plan.pool_buffers, 9000);
	primary.config.buffers = 512 + 256; /* not even the rings and a burst */
	assert_int_equal(plan_compute(&primary.config, &plan), -EINVAL);
}

static void too_little_socket_memory_is_refused(void **state)
{
	struct memory_plan plan = { 0 };

	(void)state;
	primary.config.socket_memory = 16ull << 20;
	assert_int_equal(plan_compute(&primary.config, &plan), -EINVAL);
	primary.config.socket_memory = 512ull << 20;
	assert_int_equal(plan_compute(&primary.config, &plan), 0);
	assert_int_equal(plan.eal_bytes, 512ull << 20);
}

static void a_buffer_has_room_for_a_long_cell_and_the_mtu(void **state)
{
	struct memory_plan plan = { 0 };

	(void)state;
	assert_int_equal(plan_compute(&primary.config, &plan), 0);
	assert_true(plan.buffer_bytes >= RTE_PKTMBUF_HEADROOM + BELT_CELL_BYTES);
	primary.config.port[0].mtu = 9000;
	assert_int_equal(plan_compute(&primary.config, &plan), 0);
	assert_true(plan.buffer_bytes >= RTE_PKTMBUF_HEADROOM + 9000 + 14);
}

static void small_pools_have_small_caches(void **state)
{
	(void)state;
	assert_int_equal(pool_cache_size(65536), 512);
	for (uint32_t n = 64; n < 10000; n += 61)
		assert_true(pool_cache_size(n) + pool_cache_size(n) / 2 <= n);
}

/* Two pools and six belts in memory; BUFFERS is small so that this takes no huge pages. */
static void start_pools(void)
{
	primary.setup.lcore_id[0] = 1;
	primary.setup.lcore_id[1] = 2;
	primary.config.buffers = BUFFERS;
	assert_int_equal(plan_compute(&primary.config, &primary.plan), 0);
	assert_int_equal(pool_init(&primary), 0);
}

/* The zones of a primary live as long as it does; a test gives them back for the next. */
static void stop_pools(void)
{
	char name[RTE_MEMZONE_NAMESIZE];

	pool_fini(&primary);
	for (uint32_t i = 0; i < 2; i++) {
		snprintf(name, sizeof(name), BATON_BELT_ZONE_FMT, i);
		assert_int_equal(rte_memzone_free(rte_memzone_lookup(name)), 0);
	}
}

static void pools_have_one_producer_and_one_consumer(void **state)
{
	(void)state;
	start_pools();
	for (uint32_t i = 0; i < 2; i++) {
		struct rte_mempool *pool = primary.setup.pool[i];

		assert_string_equal(rte_mempool_get_ops(pool->ops_index)->name, "ring_sp_sc");
		assert_int_equal(pool->size, BUFFERS);
		assert_int_equal(stats_io(&primary.stats, i)->pool_size, BUFFERS);
		assert_int_equal(pool->nb_mem_chunks, 1); /* net_af_xdp registers the first chunk only */
	}
	assert_ptr_not_equal(primary.setup.pool[0], primary.setup.pool[1]);
	stop_pools();
}

static void belts_are_whole_pages_found_by_name(void **state)
{
	char name[RTE_MEMZONE_NAMESIZE];

	(void)state;
	start_pools();
	for (uint32_t i = 0; i < 2; i++) {
		const struct rte_memzone *zone;

		snprintf(name, sizeof(name), BATON_BELT_ZONE_FMT, i);
		zone = rte_memzone_lookup(name);
		assert_non_null(zone);
		assert_true(zone->len >= 3u * BATON_HUGE_PAGE);
		for (uint32_t slot = 0; slot < 3; slot++) {
			struct belt *belt = (struct belt *)((uint8_t *)zone->addr + (size_t)slot * BATON_HUGE_PAGE);

			assert_int_equal((uintptr_t)belt % BATON_HUGE_PAGE, 0);
			assert_ptr_equal(primary.setup.belt[i][slot], belt);
			assert_int_equal(belt_check(belt, i, slot), 0);
		}
	}
	stop_pools();
}

static void pages_of_core_stats_carry_names(void **state)
{
	(void)state;
	primary.boot_id = 77;
	start_pools();
	assert_string_equal(stats_main(&primary.stats)->name, "main");
	assert_string_equal(stats_io(&primary.stats, 1)->name, "io.1");
	assert_int_equal(stats_io(&primary.stats, 1)->kind, CORE_IO);
	assert_int_equal(primary.stats.header->boot_id, 77);
	stop_pools();
}

/* Free buffers that are in nobody's cache. */
static uint32_t in_ring(const struct rte_mempool *pool)
{
	return rte_mempool_get_ops(pool->ops_index)->get_count(pool);
}

static void what_the_main_lcore_took_at_start_is_given_back_to_all(void **state)
{
	struct rte_mbuf *mbuf[100];
	struct rte_mempool *pool;

	(void)state;
	start_pools();
	pool = primary.setup.pool[0];
	assert_int_equal(rte_pktmbuf_alloc_bulk(pool, mbuf, 100), 0);
	assert_true(in_ring(pool) < BUFFERS - 100); /* more sits in the cache */
	rte_pktmbuf_free_bulk(mbuf, 100);
	pool_flush_main_cache(pool);
	assert_int_equal(in_ring(pool), BUFFERS);
	stop_pools();
}

static void a_full_pool_ends_well(void **state)
{
	(void)state;
	start_pools();
	stop_pools();
	assert_int_equal(primary.exit_code, 0);
}

static void a_lost_buffer_is_an_error(void **state)
{
	(void)state;
	start_pools();
	assert_non_null(rte_pktmbuf_alloc(primary.setup.pool[1]));
	stop_pools();
	assert_int_equal(primary.exit_code, 1);
}

static void what_a_driver_keeps_is_no_error_and_more_is(void **state)
{
	struct rte_mbuf *mbuf[11];

	(void)state;
	for (uint32_t lost = 9; lost <= 11; lost++) {
		setup(NULL);
		start_pools();
		primary.kept_least[0] = 10;
		primary.kept_most[0] = 10;
		assert_int_equal(rte_pktmbuf_alloc_bulk(primary.setup.pool[0], mbuf, lost), 0);
		stop_pools();
		assert_int_equal(primary.exit_code, lost != 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_pool_holds_all_that_can_be_under_way, setup),
		cmocka_unit_test_setup(thirty_percent_of_memory_are_headroom, setup),
		cmocka_unit_test_setup(xdp_rings_are_counted_at_their_own_size, setup),
		cmocka_unit_test_setup(buffers_as_configured_are_taken_or_refused, setup),
		cmocka_unit_test_setup(too_little_socket_memory_is_refused, setup),
		cmocka_unit_test_setup(a_buffer_has_room_for_a_long_cell_and_the_mtu, setup),
		cmocka_unit_test_setup(small_pools_have_small_caches, setup),
		cmocka_unit_test_setup(pools_have_one_producer_and_one_consumer, setup),
		cmocka_unit_test_setup(belts_are_whole_pages_found_by_name, setup),
		cmocka_unit_test_setup(pages_of_core_stats_carry_names, setup),
		cmocka_unit_test_setup(what_the_main_lcore_took_at_start_is_given_back_to_all, setup),
		cmocka_unit_test_setup(a_full_pool_ends_well, setup),
		cmocka_unit_test_setup(a_lost_buffer_is_an_error, setup),
		cmocka_unit_test_setup(what_a_driver_keeps_is_no_error_and_more_is, setup),
	};

	return cmocka_run_group_tests(tests, start_eal, NULL);
}
