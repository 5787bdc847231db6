/* The table of rollouts; see rollout_state.h. */
#include "rollout_state.h"

#include "sabotage.h"

#define GO(act, to) { ACT_##act, AT_##to, true }

/* What ends any step: an operator, a gate, a death, the clock. */
#define ENDS \
	[EV_ABORT] = GO(BACK, ROLLBACK), [EV_UNDO] = GO(BACK, ROLLBACK), [EV_GATE] = GO(BAR, ROLLBACK), \
	[EV_DEATH] = GO(BAR, ROLLBACK), [EV_DEADLINE] = GO(BACK, ROLLBACK)
/* Holding and going on, wherever it is. */
#define HOLDS(at) \
	[EV_PAUSE] = GO(PAUSE, at), [EV_RESUME] = GO(RESUME, at), [EV_FULL] = GO(FULL, at), \
	[EV_GATE_PAUSE] = GO(HOLD, at)
#define NEXT \
	[EV_TO_WORKERS] = GO(STEP, START), [EV_TO_PAUSE] = GO(STEP, PAUSE), [EV_TO_END] = GO(COMPLETE, COMPLETE)
/* The same before the first weight. */
#define NEXT_EARLY NEXT, [EV_TO_SNAPSHOT] = GO(STEP, SNAPSHOT)

static const struct rollout_transition table[AT_COUNT][EV_COUNT] = {
	[AT_IDLE] = {
		[EV_ORDER] = GO(CHECK, CHECK),
	},
	[AT_CHECK] = {
		[EV_SOUND] = GO(BEGIN, START),
		[EV_REFUSED] = GO(REFUSE, IDLE),
		[EV_UNFIT] = GO(REFUSE, DEGRADED),
	},
	[AT_START] = {
		ENDS,
		HOLDS(START),
		[EV_PROMOTE] = GO(SKIP, START),
		[EV_READY_SHADOW] = GO(SHADOW, SHADOW),
		[EV_READY_WEIGHT] = GO(MOVE, WEIGHT),
		[EV_NO_START] = GO(BACK, ROLLBACK),
		[EV_TO_SNAPSHOT] = GO(STEP, SNAPSHOT), /* the first step is one: it needs no workers */
	},
	[AT_SHADOW] = {
		ENDS,
		HOLDS(SHADOW),
		NEXT_EARLY,
		[EV_PROMOTE] = GO(LEAVE, SHADOW),
		[EV_NO_START] = GO(BACK, ROLLBACK),
	},
	[AT_SNAPSHOT] = {
		ENDS,
		HOLDS(SNAPSHOT),
		NEXT,
		[EV_PROMOTE] = GO(SKIP, SNAPSHOT), /* it is whole or it is none: there is nothing to leave early */
		[EV_NO_START] = GO(BACK, ROLLBACK),
	},
	[AT_WEIGHT] = {
		ENDS,
		HOLDS(WEIGHT),
		NEXT,
		[EV_PROMOTE] = GO(SKIP, WEIGHT),
		[EV_MOVED] = GO(ARM, WEIGHT),
	},
	[AT_PAUSE] = {
		ENDS,
		HOLDS(PAUSE),
		NEXT_EARLY,
		[EV_PROMOTE] = GO(LEAVE, PAUSE),
	},
	[AT_COMPLETE] = {
		ENDS,
		[EV_FULL] = GO(NONE, COMPLETE),
		[EV_PROMOTE] = GO(NONE, COMPLETE),
		[EV_GATE_PAUSE] = GO(NONE, COMPLETE), /* it is as good as decided: crashes still count */
		[EV_NO_START] = GO(BACK, ROLLBACK),
		[EV_RESTARTED] = GO(PROMOTED, SETTLE),
	},
	[AT_SETTLE] = {
		/* The version is the group's by now: a death is replaced like any other, the restart budget judges it. */
		[EV_DEATH] = GO(NONE, SETTLE),
		[EV_PROMOTE] = GO(NONE, SETTLE),
		[EV_FULL] = GO(NONE, SETTLE),
		[EV_MOVED] = GO(RETIRE, SETTLE),
		[EV_EMPTY] = GO(FINISH, IDLE),
	},
	[AT_ROLLBACK] = {
		[EV_ABORT] = GO(NONE, ROLLBACK),
		[EV_DEATH] = GO(NONE, ROLLBACK),
		[EV_MOVED] = GO(NONE, ROLLBACK),
		[EV_RESTARTED] = GO(RETIRE, ROLLBACK),
		[EV_EMPTY] = GO(DEGRADE, DEGRADED),
		[EV_EMPTY_UNDONE] = GO(FINISH, IDLE),
	},
	[AT_DEGRADED] = {
		[EV_ORDER] = GO(CHECK, CHECK),
		[EV_ABORT] = GO(NONE, DEGRADED),
		[EV_UNDO] = GO(CLEAR, IDLE),
	},
};

struct rollout_transition rollout_state_step(enum rollout_at at, enum rollout_event event)
{
	if (at >= AT_COUNT || event >= EV_COUNT || !table[at][event].allowed)
		return (struct rollout_transition){ ACT_NONE, at, false };
	return table[at][event];
}

bool rollout_at_work(enum rollout_at at)
{
	return at > AT_CHECK && at < AT_DEGRADED;
}

bool rollout_at_risk(enum rollout_at at)
{
	if (BATON_SABOTAGE(disarmed_while_paused) && at == AT_PAUSE)
		return false;
	return at >= AT_START && at <= AT_COMPLETE;
}

enum rollout_phase rollout_at_phase(enum rollout_at at)
{
	static const enum rollout_phase phase[AT_COUNT] = {
		PHASE_IDLE, PHASE_CHECK, PHASE_START, PHASE_SHADOW, PHASE_SNAPSHOT, PHASE_WEIGHT, PHASE_PAUSE,
		PHASE_COMPLETE, PHASE_COMPLETE, PHASE_ROLLBACK, PHASE_IDLE,
	};

	return at < AT_COUNT ? phase[at] : PHASE_IDLE;
}

const char *rollout_at_name(enum rollout_at at)
{
	static const char *const name[AT_COUNT] = {
		"idle", "check", "start", "shadow", "snapshot", "weight", "pause", "complete", "settle", "rollback",
		"degraded",
	};

	return at < AT_COUNT ? name[at] : "unknown";
}

const char *rollout_event_name(enum rollout_event event)
{
	static const char *const name[EV_COUNT] = {
		"order", "sound", "refused", "unfit", "ready_shadow", "ready_weight", "no_start", "moved", "to_workers",
		"to_snapshot", "to_pause", "to_end", "pause", "resume", "promote", "full", "abort", "undo", "gate",
		"gate_pause", "death", "deadline", "restarted", "empty", "empty_undone",
	};

	return event < EV_COUNT ? name[event] : "unknown";
}

const char *rollout_action_name(enum rollout_action action)
{
	static const char *const name[ACT_COUNT] = {
		"none", "check", "begin", "refuse", "shadow", "move", "arm", "step", "pause", "resume", "skip", "leave", "full",
		"hold", "back", "bar", "complete", "promoted", "retire", "finish", "degrade", "clear",
	};

	return action < ACT_COUNT ? name[action] : "unknown";
}
