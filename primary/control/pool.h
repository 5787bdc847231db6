/* Helpers of the pools that ports use too. */
#ifndef BATON_PRIMARY_POOL_H
#define BATON_PRIMARY_POOL_H

#include <stdint.h>

struct primary;
struct rte_mempool;

/* Buffers in the cache of the lcore that owns a pool of so many. */
uint32_t pool_cache_size(uint32_t buffers);
/* After the main lcore has set up ports, before the I/O lcores start. */
void pool_flush_main_cache(struct rte_mempool *pool);
/* Once a second: makes the door of the counters again if somebody removed it. */
void stats_look(struct primary *primary);

#endif
