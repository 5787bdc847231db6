/* What the control plane (main lcore) may ask of the I/O lcores. Orders are asynchronous: posted to every I/O lcore's
 * mailbox, carried out inside its loop, and polled for; nothing here blocks, and no I/O lcore ever waits for the main
 * lcore or for a worker. All functions are called by the main lcore only. */
#ifndef BATON_PRIMARY_DATAPATH_H
#define BATON_PRIMARY_DATAPATH_H

#include <stdbool.h>
#include <stdint.h>

#include "belt.h"
#include "config.h"
#include "core_stats.h"
#include "port.h"
#include "state.h"

struct rte_mempool;
struct datapath;

#define SLOT_NONE 0xffu

/* What steers a service: as the configuration says, else as its group's plugin does. */
struct datapath_key {
	uint32_t key; /* enum baton_key */
	uint16_t offset, length;
};

struct datapath_setup {
	const struct config *config;
	struct port *port; /* config->ports of them */
	uint32_t io_lcores;
	uint32_t lcore_id[BATON_MAX_IO_LCORES];          /* EAL ids */
	struct rte_mempool *pool[BATON_MAX_IO_LCORES];   /* one per I/O lcore; nobody else uses it */
	struct belt *belt[BATON_MAX_IO_LCORES][BATON_MAX_WORKERS]; /* initialised by belt_init() */
	struct datapath_key key[BATON_MAX_SERVICES]; /* as config->service */
	const struct state *state;
	struct stats *stats;
	int wake_fd; /* eventfd, ends the main loop's wait: written when all lcores have carried out an order; 0: none */
};

/* Allocates everything the I/O lcores need. Returns 0, -ENOMEM or -EINVAL. */
int datapath_create(struct datapath **out, const struct datapath_setup *setup);
int datapath_start(struct datapath *dp);  /* launches the I/O lcores; returns 0 or -errno */
void datapath_stop(struct datapath *dp);  /* lcores reap what is settled, free the rest (reason `stopping`), return */
void datapath_destroy(struct datapath *dp);

/* Main loop's share of the work: call every turn (at least every 10 ms; at once while an order is open). */
void datapath_poll(struct datapath *dp);

/* A worker of group `group` is READY in `slot`: its belts may be used from now on (it owns nothing yet). */
void datapath_slot_attach(struct datapath *dp, uint32_t slot, uint32_t group);
bool datapath_slot_attached(struct datapath *dp, uint32_t slot); /* every lcore has taken note */

/* Moves buckets. from: SLOT_NONE takes buckets that have no owner; a dead slot hands over its orphans.
 * map: bit b names bucket b of the service; NULL: every bucket that `from` owns. */
struct move_order {
	uint32_t service;
	uint32_t from;
	uint32_t to;
	const uint64_t *map;
};
struct move_report {
	uint32_t buckets;  /* moved */
	uint64_t gap_ns;   /* longest over the lcores: last packet of the old owner reaped or parked, to first reap from the new */
	uint64_t parked;   /* packets that waited */
	uint64_t granted_tsc, replied_tsc; /* the last lcore's grant, and first reply of the new owner; 0: none */
	bool failed;       /* the target died before the move ended: buckets are orphans of the target now */
};
/* Starts a move. Returns an id > 0, -EBUSY (a move of this service is under way), -ENOENT (slot not attached),
 * -EALREADY (nothing to move). */
int datapath_move(struct datapath *dp, const struct move_order *order);
/* True once the move `id` is over on every lcore; fills in the report. */
bool datapath_move_done(struct datapath *dp, int id, struct move_report *report);
/* True if the old owner has let go of all buckets of the move `id`, or is dead and rolled back: from then on the new
 * owner is the one that is waited for. */
bool datapath_move_granted(struct datapath *dp, int id);

/* The move of a service that is under way: who gives which buckets to whom. order->map is valid until the move is over.
 * False: none is. */
bool datapath_moving(const struct datapath *dp, uint32_t service, struct move_order *order);

/* Asks the slot's worker for a sign of life: an entry on one of its belts that it has but to settle. */
void datapath_slot_look(struct datapath *dp, uint32_t slot);

/* Orders the slot's worker to leave: BELT_STOP as its last entry. It must own nothing. The caller then waits for its end. */
void datapath_slot_stop(struct datapath *dp, uint32_t slot);

/* The slot's worker is gone for certain: the caller has reaped it (waitpid), so no store of it can come any more.
 * Every lcore reaps what is settled and takes over its belt; then the journal is rolled back. */
void datapath_slot_dead(struct datapath *dp, uint32_t slot);
/* True when that is done. orphans: buckets that wait for datapath_move(from = slot). The slot is free for a new worker
 * once it has no orphans left; call datapath_slot_attach() anew for it. */
bool datapath_slot_recovered(struct datapath *dp, uint32_t slot, uint32_t *orphans);

/* When the steps of the slot's latest death were done, by TSC; 0: not yet. */
struct death_stages {
	uint64_t seen_tsc;   /* datapath_slot_dead() */
	uint64_t taken_tsc;  /* every lcore has taken its belt over */
	uint64_t undone_tsc; /* the journal is rolled back */
};
void datapath_slot_death(const struct datapath *dp, uint32_t slot, struct death_stages *out);

/* A worker wrote what no honest worker writes: the slot to kill (its death then takes the usual way), or SLOT_NONE.
 * Each slot is reported once per incarnation. */
uint32_t datapath_slot_to_fence(struct datapath *dp);

/* How far the slot's worker is, as the main lcore may see it at any time. */
struct slot_progress {
	uint64_t settled;    /* `done`, summed over its belts */
	uint32_t waiting;    /* entries handed to it and not settled */
	uint64_t lcores_tsc; /* every I/O lcore has come through a turn that it began at this time or later */
};
void datapath_slot_progress(const struct datapath *dp, uint32_t slot, struct slot_progress *out);

uint32_t datapath_owner(const struct datapath *dp, uint32_t service, uint32_t bucket);
uint32_t datapath_owned(const struct datapath *dp, uint32_t slot); /* buckets owned over all services */

/* Conservation of buffers of one I/O lcore (design, invariant 1). balance is 0 when nothing is lost. */
struct ledger {
	uint64_t received, allocated;
	uint64_t sent, freed;
	uint64_t in_belts, pending;
	uint64_t unresolved; /* waiting for a neighbour's address */
	uint64_t tx_backlog;
};
void datapath_ledger(const struct datapath *dp, uint32_t lcore, struct ledger *out);
static inline int64_t ledger_balance(const struct ledger *l)
{
	return (int64_t)(l->received + l->allocated - l->sent - l->freed - l->in_belts - l->pending -
			 l->unresolved - l->tx_backlog);
}

#endif
