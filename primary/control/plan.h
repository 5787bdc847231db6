/* Constants and helpers of the memory arithmetic that pools and ports share. */
#ifndef BATON_PRIMARY_PLAN_H
#define BATON_PRIMARY_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

#define PLAN_CACHE  512u /* buffers in the cache of a pool's only lcore */
#define PLAN_BURSTS 8u   /* bursts in the hands of the loop at one time */
#define PLAN_LOOP_BUFFERS (PLAN_BURSTS * BATON_BURST + PLAN_CACHE * 2)
#define PLAN_POOL_FIXED (2u << 20) /* of a pool: caches of RTE_MAX_LCORE lcores, ring, zone headers */
#define PLAN_EAL_BYTES (8u << 20) /* EAL's own tables and services */
#define PLAN_HEADROOM_PERCENT 30u

/* The service whose buckets are the group's, or NULL. */
const struct config_service *plan_service(const struct config *config, uint32_t group);
/* Where the state file is, and whether that is on the mount whose huge pages are counted. */
void plan_state_path(const struct config *config, char *out, size_t size);
bool plan_state_is_huge(const struct config *config);

#endif
