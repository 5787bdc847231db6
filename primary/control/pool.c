/* What the I/O lcores work with: CoreStats pages, one buffer pool per I/O lcore, the belts. All of it before the zygote
 * attaches; nothing grows later. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_memzone.h>

#include "log.h"
#include "plan.h"
#include "pool.h"
#include "primary.h"
#include "version.h"

static void stats_name(struct CoreStats *page, enum core_kind kind, uint32_t index, uint32_t cpu, const char *name)
{
	page->kind = (uint32_t)kind;
	page->index = index;
	page->cpu = cpu;
	snprintf(page->name, sizeof(page->name), "%s", name);
}

static int stats_init(struct primary *primary)
{
	const struct config *config = &primary->config;
	char name[BATON_NAME_BYTES];
	int rc = stats_create(&primary->stats, config->name, config->io_cores, config->worker_slots, rte_get_tsc_hz(),
			      &primary->stats_fd);

	if (rc != 0) {
		log_error("cannot create " BATON_STATS_PATH_FMT ": %s", config->name, strerror(-rc));
		return rc;
	}
	primary->stats.header->boot_id = primary->boot_id;
	snprintf(primary->stats.header->build, sizeof(primary->stats.header->build), BATON_VERSION " %s %.20s",
		 version_build_type(), version_build_id());
	stats_name(stats_main(&primary->stats), CORE_MAIN, 0, config->main_core, "main");
	for (uint32_t i = 0; i < config->io_cores; i++) {
		snprintf(name, sizeof(name), "io.%u", i);
		stats_name(stats_io(&primary->stats, i), CORE_IO, i, config->io_core[i], name);
	}
	return 0;
}

/* A clean-up job of somebody's, or logind's RemoveIPC, may have removed it. */
void stats_look(struct primary *primary)
{
	int rc = stats_keep(&primary->stats);

	if (rc > 0)
		log_warn("door of the counters " BATON_STATS_PATH_FMT " was removed: made again", primary->config.name);
	if (rc < 0 && !primary->stats_complained)
		log_error("door of the counters " BATON_STATS_PATH_FMT
			  " was removed and cannot be made again: %s: tried every second",
			  primary->config.name, strerror(-rc));
	primary->stats_complained = rc < 0;
}

/* A cache holds up to 1.5 times its size: small pools get a small one. */
uint32_t pool_cache_size(uint32_t buffers)
{
	uint32_t cache = buffers / 8;

	return cache < PLAN_CACHE ? cache : PLAN_CACHE;
}

/* One producer, one consumer: only the I/O lcore takes and gives; the main lcore only before it starts and after it has
 * stopped. */
static int create_pool(struct primary *primary, uint32_t lcore)
{
	const struct memory_plan *plan = &primary->plan;
	uint32_t socket = rte_lcore_to_socket_id(primary->setup.lcore_id[lcore]);
	char name[RTE_MEMPOOL_NAMESIZE];
	struct rte_mempool *pool;

	snprintf(name, sizeof(name), "baton_pool_%u", lcore);
	pool = rte_pktmbuf_pool_create_by_ops(name, plan->pool_buffers, pool_cache_size(plan->pool_buffers), 0,
					      (uint16_t)plan->buffer_bytes, (int)socket, "ring_sp_sc");
	if (pool == NULL) {
		log_error("pool of I/O lcore %u: %u buffers of %u bytes: %s; raise eal.socket_memory or lower memory.buffers",
			  lcore, plan->pool_buffers, plan->buffer_bytes, rte_strerror(rte_errno));
		return -ENOMEM;
	}
	primary->setup.pool[lcore] = pool;
	stats_io(&primary->stats, lcore)->pool_size = plan->pool_buffers;
	stats_io(&primary->stats, lcore)->pool_free = plan->pool_buffers;
	return 0;
}

static int create_belts(struct primary *primary, uint32_t lcore)
{
	uint32_t slots = primary->config.worker_slots;
	uint32_t socket = rte_lcore_to_socket_id(primary->setup.lcore_id[lcore]);
	const struct rte_memzone *zone;
	char name[RTE_MEMZONE_NAMESIZE];

	snprintf(name, sizeof(name), BATON_BELT_ZONE_FMT, lcore);
	/* The page size is a hint, as the mount decides it (eal_check); the alignment is not. */
	zone = rte_memzone_reserve_aligned(name, (size_t)slots * BATON_HUGE_PAGE, (int)socket,
					   RTE_MEMZONE_2MB | RTE_MEMZONE_SIZE_HINT_ONLY, BATON_HUGE_PAGE);
	if (zone == NULL) {
		log_error("belts of I/O lcore %u: %u huge pages: %s; raise eal.socket_memory or lower memory.worker_slots",
			  lcore, slots, rte_strerror(rte_errno));
		return -ENOMEM;
	}
	memset(zone->addr, 0, (size_t)slots * BATON_HUGE_PAGE);
	for (uint32_t slot = 0; slot < slots; slot++) {
		struct belt *belt = (struct belt *)((uint8_t *)zone->addr + (size_t)slot * BATON_HUGE_PAGE);

		belt_init(belt, lcore, slot);
		primary->setup.belt[lcore][slot] = belt;
	}
	return 0;
}

int pool_init(struct primary *primary)
{
	int rc = stats_init(primary);

	for (uint32_t i = 0; rc == 0 && i < primary->config.io_cores; i++) {
		rc = create_pool(primary, i);
		if (rc == 0)
			rc = create_belts(primary, i);
	}
	if (rc != 0 && primary->stats.header != NULL)
		stats_unlink(primary->config.name);
	return rc;
}

/* What the main lcore took from a pool while it set up ports stays in its own cache: give it back, the I/O lcore could
 * never reach it. */
void pool_flush_main_cache(struct rte_mempool *pool)
{
	rte_mempool_cache_flush(rte_mempool_default_cache(pool, rte_lcore_id()), pool);
}

/* The last word on invariant 1: what the ledger says we gave back has arrived. */
static void check_full(struct primary *primary, uint32_t lcore)
{
	const struct rte_mempool *pool = primary->setup.pool[lcore];
	uint32_t back = rte_mempool_avail_count(pool), missing = pool->size - back;

	if (missing == 0) {
		log_info("pool io.%u: full (%u buffers)", lcore, back);
	} else if (missing >= primary->kept_least[lcore] && missing <= primary->kept_most[lcore]) {
		log_info("pool io.%u: full (%u of %u buffers; net_af_xdp keeps %u to %u when it is closed)", lcore, back,
			 pool->size, primary->kept_least[lcore], primary->kept_most[lcore]);
	} else {
		log_error("pool io.%u: %u of %u buffers came back", lcore, back, pool->size);
		primary->exit_code = 1;
	}
}

void pool_fini(struct primary *primary)
{
	for (uint32_t i = 0; i < primary->config.io_cores; i++) {
		if (primary->setup.pool[i] == NULL)
			continue;
		check_full(primary, i);
		rte_mempool_free(primary->setup.pool[i]);
		primary->setup.pool[i] = NULL;
	}
	stats_unlink(primary->config.name);
	stats_detach(&primary->stats);
	if (primary->stats_fd > 0)
		close(primary->stats_fd);
}
