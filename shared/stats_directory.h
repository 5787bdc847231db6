/* Directories in the header of CoreStats: workers, versions, ports, groups, rollouts. An entry is read and written
 * whole.
 *
 * w: primary's main lcore, seq odd while it writes  r: monitors. See core_stats.h for the file they stand in. */
#ifndef BATON_SHARED_STATS_DIRECTORY_H
#define BATON_SHARED_STATS_DIRECTORY_H

#include <net/if.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"
#include "rollout_names.h"

enum worker_state {
	WORKER_NONE = 0, WORKER_STARTING, WORKER_STANDBY, WORKER_ACTIVE, WORKER_DRAINING, WORKER_DRAINED, WORKER_STOPPING,
	WORKER_DEAD, WORKER_STATE_COUNT
};

/* A worker slot. */
struct stats_worker {
	_Atomic uint32_t seq;
	uint32_t state; /* enum worker_state */
	uint32_t pid;
	uint32_t incarnation;
	uint32_t cpu;
	uint32_t buckets;  /* buckets owned */
	uint32_t restarts; /* of the logical worker */
	uint32_t crashes;
	char name[BATON_NAME_BYTES];    /* "game.0" */
	char group[BATON_NAME_BYTES];
	char version[BATON_NAME_BYTES];
	char build_id[44];              /* 40 hex digits */
	uint32_t stalls;                /* of the crashes: killed because it settled nothing */
	uint32_t debug;                 /* 1: an operator debugs it: it may stand still, and is left alone */
};

/* From well to worse. */
enum group_state {
	GROUP_NONE = 0, GROUP_SERVING, GROUP_STARTING,
	GROUP_FELL_BACK, /* an older version runs, as the wanted one crashed too often */
	GROUP_PART,      /* a worker cannot be started; others serve */
	GROUP_DOWN,      /* none can, and none serves */
	GROUP_SPENT,     /* restarts are spent: nothing is started until an operator says so */
	GROUP_STATE_COUNT
};

/* A group, as configured. */
struct stats_group {
	_Atomic uint32_t seq;
	uint32_t state;          /* enum group_state */
	uint32_t workers;        /* that are to own buckets */
	uint32_t serving;        /* of them: own buckets and run */
	uint32_t crashes;        /* by faults of its own within restart_window */
	uint32_t burst;          /* that many spend the restarts; 0: none do */
	uint32_t failed_starts;  /* of the workers that are down, since the last good one */
	uint32_t parked_buckets; /* whose worker is gone and has no successor yet */
	uint64_t parked_packets; /* that wait for those buckets */
	uint64_t parked_ns;      /* age of the oldest of them */
	char name[BATON_NAME_BYTES];    /* "": no such group */
	char version[BATON_NAME_BYTES]; /* that runs */
	char failed[BATON_NAME_BYTES];  /* that it fell back from; "": it did not */
	char why[128];                  /* why a worker is down, or the last standby ended; "": neither */
	uint32_t standbys;              /* ready to take over from a worker that dies */
	uint32_t standbys_wanted;
};
static_assert(sizeof(struct stats_group) % 8 == 0, "whole words");

/* What a gate of a rollout said of its latest window. */
struct stats_gate {
	uint32_t verdict;  /* enum stats_verdict */
	uint32_t failures; /* in the last `of` windows */
	double value, control, limit; /* by rollout_gate_unit(); NAN: there is none */
	uint32_t awaited;    /* 1: the step is not left before the gate has been judged in it, and passed */
	uint32_t have, need; /* of what it is judged by: at the end of the latest window, and what it takes */
	uint32_t pad;
};

/* The rollout of a group: the one that is under way, or how the last one ended. */
struct stats_rollout {
	_Atomic uint32_t seq;
	uint32_t state;    /* enum rollout_state; ROLLOUT_NONE: nothing else here means anything */
	uint32_t phase;    /* enum rollout_phase */
	uint32_t step, steps; /* that it is at, from 1; of how many */
	uint32_t weight, want; /* permille that the candidate has, and is to have */
	uint32_t exposed;  /* buckets that the candidate owns */
	uint32_t buckets;  /* of the group's service */
	uint32_t candidates, controls; /* workers */
	uint32_t failure_limit, of; /* so many failures of a gate in so many windows end it */
	uint32_t one_way;  /* 1: the candidate cannot write what stable reads */
	uint64_t began_ns, until_ns; /* CLOCK_REALTIME: of the rollout; end of a timed step or pause, 0: there is none */
	uint64_t windows;  /* of the gates, that ended */
	uint64_t mirrored, mirror_dropped, out_of_step, compared, differed, noise_compared, noise_differed; /* shadow.h */
	struct stats_gate gate[GATE_COUNT];
	char group[BATON_NAME_BYTES];
	char stable[BATON_NAME_BYTES], candidate[BATON_NAME_BYTES]; /* versions */
	char candidate_build[44]; /* 40 hex digits */
	uint32_t promoted; /* 1: the last one was: the candidate is what runs */
	char why[200]; /* it is paused or degraded, or waits; "": nothing to say */
};
static_assert(sizeof(struct stats_rollout) % 8 == 0 && offsetof(struct stats_rollout, gate) % 8 == 0, "whole words");

/* What is counted in one lane (residence.h): a version of a group, whichever slots it ran in. */
struct stats_version {
	_Atomic uint32_t seq;
	uint32_t id;    /* counts up, 0: none yet; another version that takes the lane over has another */
	uint64_t taken; /* when a worker last took the lane: counts up over all lanes */
	char group[BATON_NAME_BYTES];
	char version[BATON_NAME_BYTES];
};

enum port_state { PORT_UP, PORT_NO_LINK, PORT_GONE, PORT_STATE_COUNT };

/* What a device has counted since the primary started; rates are differences of two looks. */
struct port_counts {
	uint64_t tsc; /* when it was looked at; 0: never */
	uint64_t rx_packets, tx_packets;
	uint64_t missed;     /* imissed: its queue was full */
	uint64_t no_buffer;  /* rx_nombuf: the pool was empty */
	uint64_t rx_errors;  /* ierrors */
	uint64_t tx_errors;  /* oerrors that are lost */
	uint64_t tx_retried; /* oerrors of a driver that gives the packet back: offered again, nothing is lost */
};

/* A port, as configured. */
struct stats_port {
	_Atomic uint32_t seq;
	uint32_t state;  /* enum port_state */
	uint32_t device; /* 0: made by Baton (generator): it has neither link nor losses */
	char interface[IF_NAMESIZE]; /* the kernel's name of it; "": no interface of this kernel */
	char name[BATON_NAME_BYTES]; /* "": no such port */
	uint32_t pad;
	struct port_counts now, before; /* the latest look, and the one before it, a second earlier */
};
static_assert(sizeof(struct stats_port) % 8 == 0 && offsetof(struct stats_port, now) % 8 == 0, "whole words");

/* "up", "no_link", "gone". */
const char *port_state_name(uint32_t state);
const char *worker_state_name(uint32_t state);
/* "serving", "fell_back", "spent", ... */
const char *group_state_name(uint32_t state);

#endif
