/* Constants and helpers of the memory arithmetic that pools and ports share. */
#ifndef BATON_PRIMARY_PLAN_H
#define BATON_PRIMARY_PLAN_H

#include "config.h"

#define PLAN_CACHE  512u /* buffers in the cache of a pool's only lcore */
#define PLAN_BURSTS 8u   /* bursts in the hands of the loop at one time */

/* Buffers a port can hold per I/O lcore: in its rings and waiting for them. */
uint32_t plan_port_buffers(const struct config_port *port);
/* The service whose buckets are the group's, or NULL. */
const struct config_service *plan_service(const struct config *config, uint32_t group);

#endif
