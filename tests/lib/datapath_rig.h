/* A data path without threads, for unit tests: real I/O lcores, belts, state file and a net_ring port, whose loop turns
 * the test runs one by one; workers are the test's own. */
#ifndef BATON_TESTS_DATAPATH_RIG_H
#define BATON_TESTS_DATAPATH_RIG_H

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "lcore.h"

#define RIG_IP   0x0100000au /* 10.0.0.1, network byte order */
#define RIG_PORT 8080u

struct rig {
	struct config config;
	struct port port;
	struct datapath *dp;
	struct state state;
	struct stats stats;
	struct rte_mempool *pool[BATON_MAX_IO_LCORES];
	struct rte_ring *rx[BATON_MAX_IO_LCORES], *tx[BATON_MAX_IO_LCORES];
	struct belt *belt[BATON_MAX_IO_LCORES][BATON_MAX_WORKERS];
	char instance[BATON_NAME_BYTES];
	char path[64];
	int stats_fd, belts_fd;
	uint32_t record_size;
	uint16_t key_offset; /* of the four payload bytes that steer; taken up by rig_restart() */
};

/* Starts EAL without huge pages, once per program. */
void rig_eal(void);
/* One service on RIG_PORT, steered by the first four payload bytes. Fails the test if anything is missing. */
void rig_create(struct rig *rig, uint32_t lcores, uint32_t slots, uint32_t buckets);
/* The same for records of another size than 16 bytes. */
void rig_create_for(struct rig *rig, uint32_t lcores, uint32_t slots, uint32_t buckets, uint32_t record_size);
/* With several services, the second on RIG_PORT + 1 and so on, each with a group of its own. */
void rig_create_services(struct rig *rig, uint32_t lcores, uint32_t slots, uint32_t buckets, uint32_t services);
/* Stops the lcores by hand and checks ledger and pools: every buffer is home again. */
void rig_destroy(struct rig *rig);

/* A primary that dies, and the next one on the same state file, by rig->config as it is then; workers are gone. */
void rig_restart(struct rig *rig);
/* Stops the clocks of all lcores at `ns`. */
void rig_time(struct rig *rig, uint64_t ns);

/* A valid UDP frame for the service: `len` bytes of payload. */
struct rte_mbuf *rig_frame(struct rig *rig, uint32_t lcore, const void *payload, uint32_t len);
struct rte_mbuf *rig_frame_to(struct rig *rig, uint32_t lcore, uint32_t service, const void *payload, uint32_t len);
/* Puts a frame on the lcore's receive queue. */
void rig_inject(struct rig *rig, uint32_t lcore, struct rte_mbuf *mbuf);

#endif
