/* A group's rollout, between the files of it; see rollout.h. */
#ifndef BATON_PRIMARY_ROLLOUT_INNER_H
#define BATON_PRIMARY_ROLLOUT_INNER_H

#include "plugin_ask.h"
#include "primary.h"
#include "rollout.h"
#include "rollout_state.h"
#include "supervisor.h"
#include "version_find.h"

#define ROLLOUT_BARRED  16u /* builds of a group; the oldest is forgotten */
#define ROLLOUT_HISTORY 16u
#define ROLLOUT_WHY     200u
#define ROLLOUT_ACTOR   96u /* "alice (uid 1000)", "configuration", "batond" */

struct rollout_version {
	char version[BATON_NAME_BYTES];
	char build_id[44];
	char path[BATON_PATH_BYTES];
};

struct rollout_bar {
	struct rollout_version version;
	uint64_t time_ns; /* CLOCK_REALTIME */
	char why[ROLLOUT_WHY];
};

/* The gate that ended it, or holds it, and what it saw; control and limit NAN: none. */
struct rollout_fired {
	char gate[32]; /* empty: no gate's doing */
	double value, control, limit;
};

/* How one ended. */
struct rollout_past {
	struct rollout_version from, to;
	bool promoted;
	uint64_t time_ns;
	char actor[ROLLOUT_ACTOR];
	char why[ROLLOUT_WHY];
	char snapshot[BATON_PATH_BYTES]; /* of before its first weight; empty: none. It may be removed by now */
	struct rollout_fired fired;
};

/* What is being ordered: from the order to the answer. */
struct rollout_wish {
	char to[BATON_PATH_BYTES];  /* version or path */
	char version[BATON_NAME_BYTES], build_id[44]; /* what the file must say; empty: anything */
	bool retry;                 /* a barred build may try again */
	bool at_once;               /* an undo: 100 % in one step, no waiting for gates */
	bool resumed;               /* it was under way when the last primary ended */
	bool accept_one_way;
	bool answered;              /* nobody waits, or has been answered */
	bool queued;                /* waits for the end of the one that it replaces */
	uint64_t token;
	char actor[ROLLOUT_ACTOR];
	bool by_file;               /* it is the configuration that wants it */
	uint64_t began_ns;          /* CLOCK_MONOTONIC: its check; 0: not begun */
	bool searching, asking;     /* the file is looked for, or known and asked */
	bool known;                 /* it has answered */
	bool unknown;               /* no file is of that version */
	char path[BATON_PATH_BYTES];
	struct version_find find;
	struct plugin_ask ask;
};

struct rollout {
	uint32_t group;
	enum rollout_at at;
	enum rollout_at before; /* the order that is checked */
	enum rollout_at saved;  /* where it is by what the file says */
	bool ever; /* there has been one */
	struct rollout_wish wish;
	struct config_rollout plan;
	struct rollout_version stable, candidate;
	struct plugin_info info; /* the candidate's */
	bool one_way;
	bool at_once;
	bool undone;       /* the rollback is an undo: it ends healthy */
	bool full, skip;   /* orders: no more waiting; not in this step */
	bool paused;       /* an operator is waited for, whatever the step */
	bool held;         /* ... by a gate, or the deadline, which `why` names */
	uint32_t step;     /* index in plan.step; plan.steps: through */
	uint32_t weight;   /* permille that the candidate has */
	uint32_t want;     /* that its buckets are moved to */
	bool control;      /* control has its share */
	bool in_place;     /* the weight of this step has been reached */
	bool moving;       /* buckets are not yet where they are wanted */
	bool restarting;   /* the group's own workers do not yet run what they are to */
	bool ordered;      /* the operation for one of the two is ours */
	bool forward;      /* a restart with the candidate's file has been ordered */
	bool hindered;     /* a roll back whose last attempt to move buckets failed */
	bool retiring;     /* candidate and control are to leave */
	bool mirroring;
	uint64_t salt;
	uint64_t began_ns, step_ns;   /* CLOCK_REALTIME */
	uint64_t until_ns;            /* CLOCK_MONOTONIC: end of a timed step; 0: none */
	uint64_t deadline_ns;         /* CLOCK_MONOTONIC; 0: none */
	uint64_t looked_ns;           /* the last turn */
	uint64_t start_ns;            /* CLOCK_MONOTONIC: by when the workers of this step must be there */
	uint64_t retry_ns;            /* an operation that could not be begun is tried again */
	char actor[ROLLOUT_ACTOR];    /* who started it */
	char by[ROLLOUT_ACTOR];       /* who ordered what is done now */
	char why[ROLLOUT_WHY];        /* it is paused or degraded, or waits; empty: nothing to say */
	struct rollout_fired fired;
	int stable_image, candidate_image; /* -1: none yet */
	uint32_t candidate_deaths;    /* not yet acted on */
	bool death_was_stall;
	char death[ROLLOUT_WHY];
	uint64_t told_ns;             /* when monitors were told the last time */
	bool runs_barred;             /* the log has been told that the group's own workers run a barred build */
	bool stable_fell_back;        /* at its beginning */
	uint32_t snap_serial;         /* of snapshot steps: whose answer it is */
	bool snapped;                 /* the step has what it wants */
	char snapping[BATON_PATH_BYTES]; /* being written; empty: not asked for */
	char snapshot[BATON_PATH_BYTES]; /* whole, of this rollout or of the last one; empty: none */
	bool homed;
	uint8_t *home[BATON_MAX_SERVICES]; /* rollout_home.c; NULL: no memory, or not needed yet */
	/* gates */
	struct rollout_gates *gates;  /* rollout_gates.c */
	/* what stays */
	struct rollout_version promoted; /* path empty: none */
	char configured[BATON_PATH_BYTES]; /* groups[].plugin when it was promoted */
	struct rollout_bar barred[ROLLOUT_BARRED];
	uint32_t bars;
	struct rollout_past past[ROLLOUT_HISTORY]; /* latest last */
	uint32_t pasts;
};

struct rollouts {
	char path[BATON_PATH_BYTES];
	bool complained; /* the file could not be written */
	uint64_t again_ns; /* CLOCK_MONOTONIC: when that is tried again */
	bool ordering;   /* it is a rollout that orders an operation of its group */
	struct rollout *of[BATON_MAX_GROUPS];
};

/* CLOCK_REALTIME. */
uint64_t rollout_wall_ns(void);
/* NULL: there are no rollouts. */
struct rollout *rollout_of(const struct primary *primary, uint32_t group);

/* rollout.c. role[b] at that weight, and with control's share at that. */
void rollout_rank(const struct supervisor *sup, const struct rollout *r, uint32_t service, uint32_t permille,
		  uint32_t control, uint8_t *role);

/* rollout_act.c: applies the table. `why`: for those that roll back or hold; else "". False, and nothing done, if the
 * event means nothing now. */
bool rollout_event(struct supervisor *sup, struct rollout *r, enum rollout_event event, const char *why);
/* Does the next step of the plan, from its end on: the one after r->step. */
void rollout_advance(struct supervisor *sup, struct rollout *r);
/* It is over: into its history. */
void rollout_note_past(struct rollout *r, bool promoted);
/* The step at r->step is to be taken. */
void rollout_take_step(struct supervisor *sup, struct rollout *r);

/* rollout_order.c. wish is complete. Returns NULL: the answer comes later. */
json_t *rollout_order_it(struct primary *primary, struct rollout *r, const struct rollout_wish *wish);

/* rollout_check.c */
void rollout_check_begin(struct supervisor *sup, struct rollout *r);
void rollout_check_poll(struct supervisor *sup, struct rollout *r);
bool rollout_barred(const struct rollout *r, const char *build_id);
/* The group's own workers run a build that is barred: nobody rolled it out, its file lies where another's did. True, and
 * a line in `why`. The other says so in the log, once. */
#define ROLLOUT_BARRED_WHY 480u
bool rollout_runs_barred(const struct supervisor *sup, const struct rollout *r, char *why, size_t bytes);
void rollout_warn_barred(const struct supervisor *sup, struct rollout *r);
void rollout_bar(struct rollout *r, const char *why);
void rollout_unbar(struct rollout *r, const char *build_id);

/* rollout_workers.c */
struct rollout_need {
	uint32_t candidates, controls;
	bool shadow;
};
struct rollout_need rollout_need(const struct supervisor *sup, const struct rollout *r);
uint32_t rollout_count(const struct supervisor *sup, uint32_t group, enum worker_role role);
/* Brings the workers of the role. 0: they serve; -EAGAIN: not yet; else `why`. */
int rollout_bring(struct supervisor *sup, struct rollout *r, enum worker_role role, uint32_t count, bool shadow,
		  char *why, size_t bytes);
/* Those of the role that own nothing leave. */
void rollout_retire(struct supervisor *sup, const struct rollout *r, enum worker_role role);
/* Nobody of candidate and control is left; leaving: or only those that are not gone yet. */
bool rollout_alone(const struct supervisor *sup, const struct rollout *r);
bool rollout_someone_leaves(const struct supervisor *sup, const struct rollout *r);
/* Index of a stable worker of the group. */
uint32_t rollout_stable_worker(const struct supervisor *sup, uint32_t group);
/* All stable workers run that file, or are to. */
bool rollout_stable_runs(const struct supervisor *sup, const struct rollout *r, const char *path);
void rollout_keep_images(struct supervisor *sup, struct rollout *r);
void rollout_drop_images(struct rollout *r);
/* No operation knows workers by index. */
bool rollout_table_is_free(const struct supervisor *sup);

/* rollout_poll.c */
void rollout_poll_one(struct supervisor *sup, struct rollout *r);

/* rollout_shadow.c */
/* Begins to mirror, once the workers of the shadow are there. 0, -EAGAIN: not yet, else `why`. */
/* A plan with a shadow step: whether that can be is known before anything moves. 0, or -errno and a line in `why`. */
int rollout_shadow_refuse(const struct supervisor *sup, const struct rollout *r, const struct config_rollout *plan,
			  const struct plugin_info *stable, char *why, size_t bytes);
int rollout_mirror(struct supervisor *sup, struct rollout *r, char *why, size_t bytes);
void rollout_unmirror(struct supervisor *sup, struct rollout *r);
/* There are workers of a shadow, which can own no buckets. */
struct shadow_counts;
void rollout_shadow_counts(const struct supervisor *sup, const struct rollout *r, struct shadow_counts *out);
bool rollout_shadowed(const struct supervisor *sup, const struct rollout *r);

/* rollout_home.c */
/* Once a rollout, before its first weight and while nothing else moves buckets of the group. */
void rollout_home_note(const struct supervisor *sup, struct rollout *r);
void rollout_home_free(struct rollout *r);

/* rollout_snapshot.c */
/* The step is taken, and every turn of it. */
void rollout_snapshot_begin(struct rollout *r);
/* The one that is being written, if there is one, is not wanted any more. False: there is none. */
bool rollout_snapshot_call_off(struct supervisor *sup, const struct rollout *r);
void rollout_snapshot_poll(struct supervisor *sup, struct rollout *r);

/* rollout_gates.c */
void rollout_gates_arm(struct supervisor *sup, struct rollout *r);
void rollout_gates_disarm(struct rollout *r);
/* So many candidates have died (r->death says how): shown as the gate that it is, before the roll back. */
void rollout_gates_death(struct rollout *r, uint32_t count);
void rollout_gates_poll(struct supervisor *sup, struct rollout *r);
/* The gates do not keep it from leaving the step: each that can be judged in it has been, and has passed, and the
 * latest window has failed none. */
bool rollout_gates_passed(const struct rollout *r);
/* They do: says so, `what` first, and which gate has not been judged yet. */
void rollout_gates_hold(struct rollout *r, const char *what);
/* Whether the step is to wait for a gate; if so `out` says for which, what it has and what it needs. */
bool rollout_gates_awaited(const struct rollout *r, char *out, size_t bytes);
/* One that fired, as a row of the gates has it. */
json_t *rollout_fired_json(const struct rollout_fired *fired);
json_t *rollout_gates_json(const struct rollout *r);
/* That ended since the weight was reached, whatever they said. */
uint32_t rollout_gates_windows(const struct rollout *r);
void rollout_gates_stats(const struct rollout *r, struct stats_rollout *out);
void rollout_gates_free(struct rollout *r);

/* rollout_store.c. durable: wait until it is on the disk; only while nothing is under way. */
void rollout_save(struct primary *primary, bool durable);
void rollout_load(struct primary *primary);

/* rollout_plan.c. The strategy as the file of rollouts has it: the one that was in force when the rollout was begun. */
void rollout_plan_to(json_t *o, const struct config_rollout *plan);
/* Over what the configuration says. False: it makes no sense. */
bool rollout_plan_from(const json_t *o, struct config_rollout *plan);

/* rollout_file.c */
/* Under another name, by which the next primary knows that it is not true any more; and what lies there is not needed. */
void rollout_file_put_aside(const char *path);
void rollout_file_drop_aside(const char *path);
/* That, or what was put aside (stale). False: there is neither. */
bool rollout_file_find(const char *path, char found[BATON_PATH_BYTES + 8], bool *stale);

/* rollout_show.c */
enum rollout_state rollout_state_of(const struct rollout *r);
/* A row of the history. */
json_t *rollout_past_row(const struct rollout_past *past);
json_t *rollout_row(const struct supervisor *sup, const struct rollout *r);
json_t *rollout_version_json(const struct rollout_version *version);
void rollout_publish(struct supervisor *sup, struct rollout *r);
/* A line of the audit log. what: "start", "step", "weight", "pause", "gate", "rollback", ... */
void rollout_audit(struct primary *primary, const struct rollout *r, const char *what, const char *why);

#endif
