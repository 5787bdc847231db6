/* bench-stages: one I/O lcore, its generator and its belt in one thread, and a clock that the stages pass. */
#ifndef BATON_BENCH_STAGES_H
#define BATON_BENCH_STAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "lcore.h"

/* X(name): what the cycles of a loop turn are counted under. Time in a stage that another calls is its own. */
#define STAGES(X) X(rest) X(generator_rx) X(classify) X(steer) X(reap) X(complete) X(tx_port) X(generator_tx)

enum stage {
#define X(name) STAGE_##name,
	STAGES(X)
#undef X
	STAGE_COUNT
};

struct stage_clock {
	uint64_t cycles[STAGE_COUNT];
	uint64_t entered[STAGE_COUNT];
};

/* Begins anew, in the loop itself: STAGE_rest. */
void clock_start(void);
/* What was counted since clock_start(). */
void clock_stop(struct stage_clock *out);

/* A data path with one I/O lcore, one generator port, one worker slot and the game's key, whose worker is the bench. */
struct bench_rig {
	struct config config;
	struct port port;
	struct datapath *dp;
	struct state state;
	struct stats stats;
	struct belt *belt;
	struct rte_mempool *pool;
	char path[64];
	int stats_fd;
};

/* Starts EAL and makes all of it. Returns 0, or -errno after a line on standard error. */
int rig_create(struct bench_rig *rig, bool offload, uint32_t in_flight);
/* Returns 0, or 1 if a buffer is missing. */
int rig_destroy(struct bench_rig *rig);

#endif
