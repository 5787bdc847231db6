/* Words for a rollout's states, phases, gates and verdicts: primary, monitors and configuration say the same. */
#ifndef BATON_SHARED_ROLLOUT_NAMES_H
#define BATON_SHARED_ROLLOUT_NAMES_H

#include <stdint.h>

/* Of a group's rollout. */
enum rollout_state {
	ROLLOUT_NONE = 0,    /* the group has never had one, in this primary */
	ROLLOUT_HEALTHY,     /* none is under way; the last one was promoted, or replaced by its operator */
	ROLLOUT_PROGRESSING, /* it goes on by itself */
	ROLLOUT_PAUSED,      /* it waits for an operator, or for the end of a pause; the gates stay armed */
	ROLLOUT_DEGRADED,    /* it was aborted or rolled back: stable serves everything, and the reason stays */
	ROLLOUT_STATE_COUNT
};

/* What it is about at the moment. */
enum rollout_phase {
	PHASE_IDLE = 0, PHASE_CHECK, PHASE_START, PHASE_SHADOW, PHASE_WEIGHT, PHASE_PAUSE, PHASE_COMPLETE, PHASE_ROLLBACK,
	PHASE_SNAPSHOT, /* last: monitors are told by number */
	PHASE_COUNT
};

/* What candidate and control are compared on. */
enum config_gate_id {
	GATE_DROPS, GATE_MALFORMED, GATE_ERROR_REPLIES, GATE_RESIDENCE_P50, GATE_RESIDENCE_P99, GATE_CYCLES,
	GATE_MESSAGES, GATE_SENDS, GATE_SHADOW_DIFF, GATE_CRASHES, GATE_STALLS, GATE_COUNT
};

/* What a gate said of its latest window, for monitors: follows enum gate_verdict (gates.h). */
enum stats_verdict {
	STATS_GATE_OFF = 0, STATS_GATE_PASS, STATS_GATE_FAIL, STATS_GATE_INCONCLUSIVE, STATS_GATE_DRY_FAIL,
	STATS_VERDICT_COUNT
};

/* What a gate's numbers are. */
enum gate_unit { GATE_RATIO, GATE_NS, GATE_CYCLES_A_PACKET, GATE_NUMBER, GATE_A_PACKET };

/* "none", "healthy", "progressing", "paused", "degraded"; "?" for what is no state. So are the others. */
const char *rollout_state_name(uint32_t state);
/* "idle", "check", "start", "shadow", "weight", "pause", "complete", "rollback", "snapshot" */
const char *rollout_phase_name(uint32_t phase);
/* As the key in rollouts[].analysis.gates: "drop_ratio", "latency_p99", ... */
const char *rollout_gate_name(uint32_t gate);
enum gate_unit rollout_gate_unit(uint32_t gate);
/* "off", "pass", "fail", "inconclusive", "dry_fail" */
const char *rollout_verdict_name(uint32_t verdict);

#endif
