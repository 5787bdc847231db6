/* What the kernel drops because the ring of an af_packet queue is full: net_af_packet counts it nowhere. */
#ifndef BATON_PRIMARY_RING_DROPS_H
#define BATON_PRIMARY_RING_DROPS_H

#include <stdint.h>

/* The sockets of the port's queues are looked for among the descriptors of this process, where its driver has opened
 * them; what was dropped until now is forgotten. if_index: the interface they are bound to. port: from 0. */
void ring_drops_init(uint32_t port, uint32_t if_index);
/* Before the driver closes them. */
void ring_drops_fini(uint32_t port);

/* Frames dropped since ring_drops_init(); 0 for a port without. Makes a system call for each queue: main lcore only. */
uint64_t ring_drops_read(uint32_t port);

#endif
