/* Balancing: hot buckets go from the busiest worker to the idlest of the same role, by the move that everything else is
 * made by. The policy is a pure function over what was measured in one interval; balance_load.c measures, balance_run.c
 * orders. Main lcore only. */
#ifndef BATON_PRIMARY_BALANCE_H
#define BATON_PRIMARY_BALANCE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "config.h"
#include "share.h"

struct primary;
struct supervisor;

/* ---- the policy: balance.c ---- */

#define BALANCE_MOVES_MOST 256u /* buckets of one interval */
#define BALANCE_ROLES      3u    /* enum worker_role */

struct balance_rules {
	double threshold;  /* 0.25: a worker that has 25 % more than the mean of its role is too busy */
	double settle;     /* one that has 10 % more is not: what began ends there */
	double least_busy; /* below this share of a CPU nobody is short of time, and nothing is moved */
	uint32_t looks;    /* in a row with a worker that is too busy, before anything is moved */
	uint32_t moves;    /* buckets, at most, of one look */
};

struct balance_worker {
	uint8_t role; /* enum worker_role */
	bool member;  /* gives and takes */
	double busy;  /* share of a CPU, 0 to 1 */
	double load;  /* what is to be even; in the unit of cost[] */
};

/* What was measured. */
struct balance_look {
	uint64_t now_ns;
	uint32_t workers, buckets;
	const struct balance_worker *worker;
	const uint8_t *owner;     /* of each bucket: a worker, or SHARE_NOBODY; workers may be numbered as one likes */
	const double *cost;       /* of each bucket: its part of its owner's load */
	const uint64_t *rests_ns; /* of each bucket: until then it stays where it is */
};

/* What is remembered of a role from look to look. */
struct balance_state {
	bool balancing;
	uint32_t above; /* looks in a row */
};

enum balance_verdict {
	BALANCE_ALONE,  /* fewer than two members */
	BALANCE_IDLE,   /* nobody is busy enough to care */
	BALANCE_EVEN,
	BALANCE_WAITS,  /* uneven, not yet for as many looks in a row as it takes */
	BALANCE_MOVES,
	BALANCE_STUCK,  /* uneven, and no move would help: see `alone` */
	BALANCE_VERDICTS
};

/* A bucket that is to go from worker to worker. */
struct balance_move {
	uint32_t bucket;
	uint8_t from, to;
	bool taken; /* by who carries the plan out */
	double cost;
};

struct balance_plan {
	enum balance_verdict verdict;
	uint32_t busiest, idlest; /* workers, before; SHARE_NOBODY: there are none */
	double most, mean;        /* load of the busiest one, and of all, before */
	double then;              /* load of what is the busiest one after the moves, if all stays as it was */
	uint32_t alone;           /* bucket that is too hot for any other worker; SHARE_NO_BUCKET: none was met */
	uint32_t moves;
	struct balance_move move[BALANCE_MOVES_MOST];
};
#define SHARE_NO_BUCKET UINT32_MAX

/* Decides for the workers of one role. Greedy: as long as the busiest worker is above the mean by more than half of
 * `settle`, the one of its buckets that evens it out best with the idlest goes there. A bucket hotter than the mean of
 * all goes no further than half way: the others leave it. A worker that has nothing to give, as nobody has room for the
 * hot bucket that it is left with, is left out, and the others are evened among themselves. Two thresholds, the looks
 * in a row, rests and margins keep noise from moving anything back and forth. Changes `state` only. */
void balance_plan(const struct balance_rules *rules, uint8_t role, struct balance_state *state,
		  const struct balance_look *look, struct balance_plan *plan);
const char *balance_verdict_name(enum balance_verdict verdict);
/* The most loaded one's excess over the mean: 0.25 is 25 %. */
static inline double balance_imbalance(const struct balance_plan *plan)
{
	return plan->mean > 0 ? plan->most / plan->mean - 1 : 0;
}

/* ---- what is kept of each service and group ---- */

/* Of a service, made when it is first needed. */
struct balance_service {
	uint32_t buckets;
	uint32_t *seen;      /* counts of datapath_load() at the beginning of the interval */
	double *cost;        /* of the latest look */
	uint64_t *rests_ns;  /* until when a bucket that was moved stays */
	uint64_t *placed_ns; /* until when what an operator has placed stays; 0: it may be moved */
	uint8_t *slot;       /* owners at the beginning of the interval */
};

/* Of a worker slot, at the beginning of the interval. */
struct balance_slot {
	uint32_t incarnation; /* 0: not looked at */
	uint64_t busy_cycles, cpu_ns;
};

struct balance_group {
	bool on;             /* in force: as configured, or as ordered since */
	bool ordered;        /* by an operator */
	bool configured;     /* what the configuration said when `on` was last set by it */
	bool uneven;         /* shares are as balancing made them, not as many buckets each */
	bool measuring;      /* an interval has begun */
	uint64_t began_ns, began_tsc;
	double seconds;      /* of the latest look */
	uint64_t looked_ns;  /* when that was; 0: never */
	uint64_t looks;      /* ever */
	const char *held;    /* why nothing is decided now; NULL: it is */
	uint32_t service;
	struct balance_state role[BALANCE_ROLES];
	/* By slot, as are the plans: workers change their places in the table. */
	struct balance_worker worker[BATON_MAX_WORKERS];
	struct balance_plan plan[BALANCE_ROLES];
	uint32_t incarnation[BATON_MAX_WORKERS]; /* for which the plans were made */
	bool planned;          /* some of it is still to be done */
	uint64_t moves, moved; /* ever: moves, buckets in them */
	char last[400];        /* the latest decision, in words */
	uint64_t last_ns;      /* 0: none yet */
};

struct balance {
	struct balance_group group[BATON_MAX_GROUPS];
	struct balance_service service[BATON_MAX_SERVICES];
	struct balance_slot slot[BATON_MAX_WORKERS];
	uint32_t at_group;         /* whose move is under way */
	struct audit_order *audit; /* of it */
	uint64_t asked_ns;         /* when an order last waited for a move of ours */
	uint32_t pause;            /* turns until the next: whoever waits for the end of any operation gets on first */
};

/* ---- measuring: balance_load.c ---- */

/* The memory of a service; NULL: there is none. */
struct balance_service *balance_service(struct supervisor *sup, uint32_t service);
/* The interval begins. */
void balance_measure(struct supervisor *sup, uint32_t group);
/* It ends: fills in group->worker and service->cost. False: owners or processes have changed meanwhile, it means
 * nothing. */
bool balance_measured(struct supervisor *sup, uint32_t group);
void balance_fini(struct supervisor *sup);

/* ---- ordering: balance_run.c ---- */

/* Every turn. */
void balance_poll(struct supervisor *sup);
/* A move of ours is under way, which an order has to wait for: microseconds, as a rule. It is remembered that one does,
 * so that the next move of ours comes after it. */
bool balance_holds(struct primary *primary);
/* An operator has placed these buckets of the service by hand: they stay for keep_placed, or until balance_order(). */
void balance_placed(struct supervisor *sup, uint32_t service, const uint64_t *map);
/* Shares are what balancing has made of them, and an operation is not to even them out by number. */
bool balance_keeps(const struct supervisor *sup, uint32_t group);
/* An operator asked for an even share by number. */
void balance_evened(struct supervisor *sup, uint32_t group);
/* On or off, until a reload changes balance.enabled. On: what was placed by hand may be moved again. */
void balance_order(struct supervisor *sup, uint32_t group, bool on);
/* The reply of `balance.status`: balance_show.c. group: NULL for all. */
json_t *balance_show(struct primary *primary, const char *group);

#endif
