/* The life of one worker process (an incarnation in a slot) as a table: state x event -> action, next state. */
#ifndef BATON_PRIMARY_WORKER_LIFE_H
#define BATON_PRIMARY_WORKER_LIFE_H

#include <stdbool.h>
#include <stdint.h>

#include "core_stats.h"

enum worker_event {
	EVENT_SPAWNED,   /* the zygote has been asked for it */
	EVENT_HELLO,     /* first acts done; its pid is known from here on */
	EVENT_READY,     /* plugin loaded and fit for the group */
	EVENT_UNFIT,     /* plugin loaded, but its descriptor does not fit what the group's state is laid out for */
	EVENT_REFUSED,   /* the worker says why it cannot start, and leaves */
	EVENT_LOG,       /* a line for the log */
	EVENT_TIMEOUT,   /* the deadline of the present state has passed */
	EVENT_MOVE_OUT,  /* a move away from it has begun */
	EVENT_MOVE_DONE, /* a move to it is over */
	EVENT_DRAINED,   /* it owns nothing, and is to own nothing until an operator says so */
	EVENT_STOP,      /* it is to leave */
	EVENT_FENCE,     /* it wrote what no honest worker writes */
	EVENT_DIED,      /* the process is gone and reaped */
	EVENT_RECOVERED, /* rolled back, belts taken over, no orphans left: the slot is free */
	EVENT_COUNT
};

enum worker_action {
	ACTION_NONE,
	ACTION_NOTE_PID,    /* open the pidfd */
	ACTION_ATTACH,      /* tell the data path, disarm the deadline */
	ACTION_ORDER_STOP,  /* BELT_STOP, arm the stop deadline */
	ACTION_AWAIT_END,   /* it leaves by itself: arm the stop deadline */
	ACTION_KILL,        /* SIGKILL by pidfd, arm the stop deadline again */
	ACTION_LOG,
	ACTION_BURY_FAILED, /* it died before it was ready: nothing to recover */
	ACTION_BURY_CRASH,  /* it died with work to do: count, recover */
	ACTION_BURY,        /* it died as ordered: recover */
	ACTION_FREE_SLOT,
	ACTION_COUNT
};

struct worker_step {
	enum worker_action action;
	enum worker_state next;
	bool allowed; /* false: the event has no meaning in the state; it is logged and changes nothing */
};

struct worker_step worker_life_step(uint32_t state, enum worker_event event);

const char *worker_event_name(enum worker_event event);
const char *worker_action_name(enum worker_action action);

#endif
