/* A rollout as a state machine: state x event -> action, next state. What the actions do is rollout_act.c. */
#ifndef BATON_PRIMARY_ROLLOUT_STATE_H
#define BATON_PRIMARY_ROLLOUT_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "rollout_names.h"

enum rollout_at {
	AT_IDLE,     /* none is under way, nothing is wrong */
	AT_CHECK,    /* the candidate's file is looked for and asked; nothing has moved */
	AT_START,    /* the workers that the step needs come */
	AT_SHADOW,
	AT_SNAPSHOT, /* a copy of the group's records is written; the candidate owns nothing */
	AT_WEIGHT,   /* buckets move; then the gates are waited for */
	AT_PAUSE,
	AT_COMPLETE, /* the candidate has everything: the group's own workers are restarted with its file */
	AT_SETTLE,   /* promoted: buckets go back to the group's own workers, the candidate's leave */
	AT_ROLLBACK, /* buckets go back to stable, candidate and control leave */
	AT_DEGRADED, /* it was aborted or rolled back; the reason stays */
	AT_COUNT
};

enum rollout_event {
	EV_ORDER,        /* a start, a retry, an undo to a version; or the configuration names a candidate */
	EV_SOUND,        /* the candidate may run */
	EV_REFUSED,      /* it may not, and nothing was wrong before */
	EV_UNFIT,        /* it may not, and the group was degraded, or nobody waits for the answer */
	EV_READY_SHADOW, /* the workers of a shadow step are there */
	EV_READY_WEIGHT, /* the workers of a weight are there */
	EV_NO_START,     /* one of them cannot start; or there can be no snapshot */
	EV_MOVED,        /* buckets are where the weight wants them */
	EV_TO_WORKERS,   /* the step is over, the next one is a shadow or a weight */
	EV_TO_SNAPSHOT,  /* the next one is a snapshot */
	EV_TO_PAUSE,     /* the next one is a pause */
	EV_TO_END,       /* there is none */
	EV_PAUSE,        /* orders */
	EV_RESUME,
	EV_PROMOTE,
	EV_FULL,
	EV_ABORT,
	EV_UNDO,
	EV_GATE,         /* a gate failed often enough */
	EV_GATE_PAUSE,   /* the same with on_failure: pause */
	EV_DEATH,        /* a candidate crashed or stalled */
	EV_DEADLINE,
	EV_RESTARTED,    /* the group's own workers run what they are to run */
	EV_EMPTY,        /* candidate and control have left */
	EV_EMPTY_UNDONE, /* the same, and an operator wants to hear no more of that version */
	EV_COUNT
};

enum rollout_action {
	ACT_NONE,
	ACT_CHECK,     /* look for the file */
	ACT_BEGIN,     /* answer, take the first step */
	ACT_REFUSE,    /* answer with the reason */
	ACT_SHADOW,    /* mirror */
	ACT_MOVE,      /* to the weight */
	ACT_ARM,       /* gates, from here on */
	ACT_STEP,      /* take the step */
	ACT_PAUSE,     /* hold where it is */
	ACT_RESUME,
	ACT_SKIP,      /* do not wait for the gates of this step */
	ACT_LEAVE,     /* leave the step at once */
	ACT_FULL,      /* no more pauses, no more waiting: the gates stay armed */
	ACT_HOLD,      /* a gate failed: an operator is waited for */
	ACT_BACK,      /* roll back */
	ACT_BAR,       /* the same, and bar the build */
	ACT_COMPLETE,  /* restart the group's own workers */
	ACT_PROMOTED,  /* write it down; share back */
	ACT_RETIRE,    /* candidate and control leave */
	ACT_FINISH,    /* healthy */
	ACT_DEGRADE,   /* write down why */
	ACT_CLEAR,     /* forget why */
	ACT_COUNT
};

struct rollout_transition {
	enum rollout_action action;
	enum rollout_at next;
	bool allowed; /* false: the event has no meaning in the state */
};

struct rollout_transition rollout_state_step(enum rollout_at at, enum rollout_event event);

/* Between its first step and its last: a second one is refused, other operations of the group, too. */
bool rollout_at_work(enum rollout_at at);
/* Its candidate owns buckets or is about to: what it does is judged. */
bool rollout_at_risk(enum rollout_at at);
enum rollout_phase rollout_at_phase(enum rollout_at at);
const char *rollout_at_name(enum rollout_at at);
const char *rollout_event_name(enum rollout_event event);
const char *rollout_action_name(enum rollout_action action);

#endif
