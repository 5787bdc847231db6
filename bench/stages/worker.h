/* The worker of bench-stages. Apart from stages.h, as the game protocol and the data path have names in common. */
#ifndef BATON_BENCH_STAGES_WORKER_H
#define BATON_BENCH_STAGES_WORKER_H

#include "belt_consumer.h"
#include "datapath.h"

extern const struct datapath_key worker_key; /* what steers its service */

void worker_init(struct belt *belt, struct belt_commit *commit);
/* Settles all but the youngest `keep` entries. */
void worker_play(uint32_t keep);

#endif
