/* The life table; what its actions do is worker_slot.c. */
#include "worker_life.h"

#define GO(act, to) { ACTION_##act, WORKER_##to, true }

static const struct worker_step table[WORKER_STATE_COUNT][EVENT_COUNT] = {
	[WORKER_NONE] = {
		[EVENT_SPAWNED] = GO(NONE, STARTING),
	},
	[WORKER_STARTING] = {
		[EVENT_HELLO] = GO(NOTE_PID, STARTING),
		[EVENT_READY] = GO(ATTACH, STANDBY),
		[EVENT_UNFIT] = GO(KILL, STOPPING),
		[EVENT_REFUSED] = GO(AWAIT_END, STOPPING),
		[EVENT_LOG] = GO(LOG, STARTING),
		[EVENT_TIMEOUT] = GO(KILL, STOPPING),
		[EVENT_STOP] = GO(KILL, STOPPING),
		[EVENT_DIED] = GO(BURY_FAILED, DEAD),
	},
	[WORKER_STANDBY] = {
		[EVENT_LOG] = GO(LOG, STANDBY),
		[EVENT_MOVE_DONE] = GO(NONE, ACTIVE),
		[EVENT_DRAINED] = GO(NONE, DRAINED),
		[EVENT_STOP] = GO(ORDER_STOP, STOPPING),
		[EVENT_FENCE] = GO(KILL, STANDBY),
		[EVENT_DIED] = GO(BURY_CRASH, DEAD),
	},
	[WORKER_ACTIVE] = {
		[EVENT_LOG] = GO(LOG, ACTIVE),
		[EVENT_MOVE_OUT] = GO(NONE, DRAINING),
		[EVENT_MOVE_DONE] = GO(NONE, ACTIVE),
		[EVENT_DRAINED] = GO(NONE, DRAINED),
		[EVENT_STOP] = GO(ORDER_STOP, STOPPING),
		[EVENT_FENCE] = GO(KILL, ACTIVE),
		[EVENT_DIED] = GO(BURY_CRASH, DEAD),
	},
	[WORKER_DRAINING] = {
		[EVENT_LOG] = GO(LOG, DRAINING),
		[EVENT_MOVE_OUT] = GO(NONE, DRAINING),
		/* The successor died during the move and the buckets came back. */
		[EVENT_MOVE_DONE] = GO(NONE, ACTIVE),
		[EVENT_DRAINED] = GO(NONE, DRAINED),
		[EVENT_STOP] = GO(ORDER_STOP, STOPPING),
		[EVENT_FENCE] = GO(KILL, DRAINING),
		[EVENT_DIED] = GO(BURY_CRASH, DEAD),
	},
	[WORKER_DRAINED] = {
		[EVENT_LOG] = GO(LOG, DRAINED),
		[EVENT_MOVE_DONE] = GO(NONE, ACTIVE),
		[EVENT_DRAINED] = GO(NONE, DRAINED),
		[EVENT_STOP] = GO(ORDER_STOP, STOPPING),
		[EVENT_FENCE] = GO(KILL, DRAINED),
		[EVENT_DIED] = GO(BURY_CRASH, DEAD),
	},
	[WORKER_STOPPING] = {
		/* Words said before it learnt that it must go. */
		[EVENT_HELLO] = GO(NOTE_PID, STOPPING),
		[EVENT_READY] = GO(NONE, STOPPING),
		[EVENT_REFUSED] = GO(NONE, STOPPING),
		[EVENT_LOG] = GO(LOG, STOPPING),
		[EVENT_TIMEOUT] = GO(KILL, STOPPING),
		[EVENT_STOP] = GO(NONE, STOPPING),
		[EVENT_FENCE] = GO(KILL, STOPPING),
		[EVENT_DIED] = GO(BURY, DEAD),
	},
	[WORKER_DEAD] = {
		[EVENT_LOG] = GO(LOG, DEAD),
		[EVENT_STOP] = GO(NONE, DEAD),
		[EVENT_RECOVERED] = GO(FREE_SLOT, NONE),
	},
};

struct worker_step worker_life_step(uint32_t state, enum worker_event event)
{
	if (state >= WORKER_STATE_COUNT || event >= EVENT_COUNT || !table[state][event].allowed)
		return (struct worker_step){ ACTION_NONE, (enum worker_state)state, false };
	return table[state][event];
}

const char *worker_event_name(enum worker_event event)
{
	static const char *const name[EVENT_COUNT] = {
		"spawned",  "hello",	 "ready", "unfit", "refused", "log",	   "timeout",
		"move_out", "move_done", "drained", "stop",  "fence", "died",    "recovered",
	};
	return event < EVENT_COUNT ? name[event] : "unknown";
}

const char *worker_action_name(enum worker_action action)
{
	static const char *const name[ACTION_COUNT] = {
		"none", "note_pid",    "attach",     "order_stop", "await_end", "kill",
		"log",	"bury_failed", "bury_crash", "bury",	   "free_slot",
	};
	return action < ACTION_COUNT ? name[action] : "unknown";
}
