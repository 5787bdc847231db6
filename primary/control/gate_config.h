/* The part of a rollout's configuration that gates read, for as long as config.h has none of its own. */
#ifndef BATON_PRIMARY_GATE_CONFIG_H
#define BATON_PRIMARY_GATE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"

#ifndef CONFIG_STEPS
enum config_gate_id {
	GATE_DROPS, GATE_MALFORMED, GATE_ERROR_REPLIES, GATE_RESIDENCE_P50, GATE_RESIDENCE_P99, GATE_CYCLES,
	GATE_SHADOW_DIFF, GATE_CRASHES, GATE_STALLS, GATE_COUNT
};
struct config_gate {
	bool on, dry_run, immediate;
	double max;                  /* absolute; NAN: none */
	double max_delta, max_ratio; /* against control; NAN: none */
};
struct config_analysis {
	uint64_t interval_ns, warmup_ns;
	uint64_t min_packets;
	uint32_t failure_limit, of; /* k of the last n windows */
	struct config_gate gate[GATE_COUNT];
};
#endif

#endif
