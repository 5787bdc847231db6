/* What must wait while workers are replaced: the arithmetic of rate.max, for checks, plan and the I/O lcores. */
#ifndef BATON_CONFIG_SIZING_H
#define BATON_CONFIG_SIZING_H

#include <stdint.h>

#include "config.h"

#define SIZING_UNSAID_LEAST  64u
#define SIZING_PENDING_MOST  4194304u /* memory.pending */
#define SIZING_PENDING_LEAST 16000u   /* memory.pending: auto, if no service says its rate.max or they need less */

/* Of one service, and of one I/O lcore: those share the packets evenly, and so do the workers of the group. */
struct sizing {
	uint64_t rate;        /* packets per second; 0: no rate.max, so nothing is promised but SIZING_UNSAID_LEAST */
	uint32_t workers;
	uint64_t recovery_ns; /* from the death of workers, all of the group at once, until their buckets are served */
	uint64_t pending;     /* packets that come meanwhile and wait in pending lists */
	uint64_t stall_ns;    /* from a worker's last entry until it is found stalled; UINT64_MAX: never */
	uint64_t belt;        /* packets that come for it meanwhile and wait in its belt */
};
void sizing_of(const struct config *config, uint32_t service, struct sizing *out);

/* Packets that a belt holds. */
uint32_t sizing_belt_room(void);
/* Packets that must find room in the pending lists of an I/O lcore: all services together. */
uint64_t sizing_pending(const struct config *config);
/* The same for all belts of an I/O lcore. */
uint64_t sizing_belts(const struct config *config);
/* Buffers a port can hold per I/O lcore: in its rings and waiting for them. */
uint32_t sizing_port_buffers(const struct config_port *port);
/* memory.pending, or what it is if it is auto. */
uint32_t sizing_pending_room(const struct config *config);
/* Of that, the room of a service: what it needs. The rest is shared by those that have not said it, or by all. */
uint32_t sizing_service_room(const struct config *config, uint32_t service);

#endif
