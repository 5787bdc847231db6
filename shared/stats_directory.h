/* Directories in the header of CoreStats: workers, versions, ports. An entry is read and written whole.
 *
 * w: primary's main lcore, seq odd while it writes  r: monitors. See core_stats.h for the file they stand in. */
#ifndef BATON_SHARED_STATS_DIRECTORY_H
#define BATON_SHARED_STATS_DIRECTORY_H

#include <net/if.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "abi.h"

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
};

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

#endif
