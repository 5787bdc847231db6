/* The words, by number. */
#include "rollout_names.h"

#define WORD(table, at) ((at) < sizeof(table) / sizeof((table)[0]) ? (table)[at] : "?")

const char *rollout_state_name(uint32_t state)
{
	static const char *const name[ROLLOUT_STATE_COUNT] = { "none", "healthy", "progressing", "paused", "degraded" };

	return WORD(name, state);
}

const char *rollout_phase_name(uint32_t phase)
{
	static const char *const name[PHASE_COUNT] = {
		"idle", "check", "start", "shadow", "weight", "pause", "complete", "rollback",
		"snapshot",
	};

	return WORD(name, phase);
}

static const struct {
	const char *name;
	enum gate_unit unit;
} gates[GATE_COUNT] = {
	[GATE_DROPS] = { "drop_ratio", GATE_RATIO },
	[GATE_MALFORMED] = { "malformed_ratio", GATE_RATIO },
	[GATE_ERROR_REPLIES] = { "error_reply_ratio", GATE_RATIO },
	[GATE_RESIDENCE_P50] = { "latency_p50", GATE_NS },
	[GATE_RESIDENCE_P99] = { "latency_p99", GATE_NS },
	[GATE_CYCLES] = { "cycles_per_packet", GATE_CYCLES_A_PACKET },
	[GATE_MESSAGES] = { "messages", GATE_A_PACKET },
	[GATE_SENDS] = { "sends", GATE_A_PACKET },
	[GATE_SHADOW_DIFF] = { "shadow_diff_ratio", GATE_RATIO },
	[GATE_CRASHES] = { "crashes", GATE_NUMBER },
	[GATE_STALLS] = { "stalls", GATE_NUMBER },
};

const char *rollout_gate_name(uint32_t gate) { return gate < GATE_COUNT ? gates[gate].name : "?"; }
enum gate_unit rollout_gate_unit(uint32_t gate) { return gate < GATE_COUNT ? gates[gate].unit : GATE_NUMBER; }

const char *rollout_verdict_name(uint32_t verdict)
{
	static const char *const name[STATS_VERDICT_COUNT] = { "off", "pass", "fail", "inconclusive", "dry_fail" };

	return WORD(name, verdict);
}
