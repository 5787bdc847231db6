/* What the control plane (main lcore) may ask of the I/O lcores. Orders are asynchronous: posted to every I/O lcore's
 * mailbox, carried out inside its loop, and polled for; nothing here blocks, and no I/O lcore ever waits for the main
 * lcore or for a worker. All functions are called by the main lcore only. */
#ifndef BATON_PRIMARY_DATAPATH_H
#define BATON_PRIMARY_DATAPATH_H

#include <stdbool.h>
#include <stdint.h>

#include "belt_producer.h"
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
	uint32_t pending_room[BATON_MAX_SERVICES];   /* packets of each that may wait on a lcore; 0: an even share */
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
/* Before that: its worker is a shadow, which owns nothing and is offered copies alone. Told each time. */
void datapath_slot_shadow(struct datapath *dp, uint32_t slot, bool shadow);

/* Mirrors: see mirror.h, whose memory is the caller's until it has been given to the I/O lcore, and again once
 * mirror->released is 1. One a service; the caller sees to that. */
struct mirror;
void datapath_mirror_begin(struct datapath *dp, struct mirror *mirror);
/* A shadow worker that is attached is side `side` from now on, in place of one before. */
void datapath_mirror_join(struct datapath *dp, struct mirror *mirror, uint32_t side, uint32_t slot);
void datapath_mirror_end(struct datapath *dp, struct mirror *mirror);

/* Moves buckets. from: SLOT_NONE takes buckets that have no owner; a dead slot that is recovered hands over its orphans.
 * map: bit b names bucket b of the service; NULL: every bucket that `from` owns. */
struct move_order {
	uint32_t service;
	uint32_t from;
	uint32_t to;
	const uint64_t *map;
	bool hold; /* nobody is granted the buckets until datapath_move_release() */
};
struct move_report {
	uint32_t buckets;  /* moved */
	uint64_t gap_ns;   /* longest over the lcores: last packet of the old owner reaped or parked, to first of the new */
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

/* A move that was asked to hold: true once nobody owns its buckets, or works on them. The main lcore may then change
 * their records, or have them changed; packets wait meanwhile. */
bool datapath_move_held(const struct datapath *dp, int id);
/* Has the worker in `slot`, which need not own anything, convert the records of all buckets of the held move to a
 * schema. Again with another slot if it dies, once that is recovered. */
void datapath_convert(struct datapath *dp, int id, uint32_t slot, uint32_t schema);
bool datapath_converted(const struct datapath *dp, int id);
/* Takes these buckets out of the held move, whose old owner is dead: they stay its orphans, and what waits for them waits
 * there. Nobody may be at work on them. map: as of a move_order. */
void datapath_leave(struct datapath *dp, int id, const uint64_t *map);
/* True once every lcore has done that; from then on the move may be converted or go on, even if nothing is left of it. */
bool datapath_left(struct datapath *dp, int id);
/* The move goes on. back: to the old owner, alive or dead, as if it had never begun. */
void datapath_move_release(struct datapath *dp, int id, bool back);
/* True if the slot's dead worker has been rolled back, whatever moves are open. */
bool datapath_slot_undone(struct datapath *dp, uint32_t slot);

/* The move of a service that is under way: who gives which buckets to whom. order->map is valid until the move is over.
 * False: none is. */
bool datapath_moving(const struct datapath *dp, uint32_t service, struct move_order *order);

/* Asks the slot's worker for a sign of life: an entry on one of its belts that it has but to settle. */
void datapath_slot_ping(struct datapath *dp, uint32_t slot);

/* Orders the slot's worker to leave: BELT_STOP as its last entry. It must own nothing. The caller then waits for its
 * end. */
void datapath_slot_stop(struct datapath *dp, uint32_t slot);

/* What is known of the end of the slot's worker, before datapath_slot_dead() tells of it. Else nothing is suspect. */
struct death_blame {
	uint32_t attempts; /* deaths an entry may be blamed for: with the last one it leaves; 0: nothing is suspect */
	bool counts;       /* by a fault of its own, or a stall: the entry that it was at is blamed */
	bool named;        /* the worker has written down which that was; else it is the first one not settled */
	uint32_t belt;
	uint64_t position;
};
void datapath_slot_blame(struct datapath *dp, uint32_t slot, const struct death_blame *blame);

/* What an I/O lcore found in the belt of a dead worker: the entry that is blamed. A frame that leaves is kept as it
 * came, its VLAN tag put back. */
#define REPORT_BYTES (BELT_CELL_BYTES + 64u)
struct death_report {
	uint32_t slot;
	uint8_t kind;     /* enum belt_kind */
	uint8_t service;
	uint8_t deaths;   /* that it is blamed for by now; of control entries this one alone: 1 */
	bool left;        /* it is dropped and counted: data holds it */
	uint16_t bucket;
	uint16_t port;
	uint32_t group;   /* of ticks: buckets whose number modulo TICK_GROUPS it is */
	uint64_t time_ns; /* of the entry */
	uint16_t len, kept; /* bytes of data, and how many of them there was room for */
	uint16_t payload_at;
	uint8_t data[REPORT_BYTES];
};
/* Takes the next report, if there is one. Those of a death are there when datapath_slot_judged() says so. */
bool datapath_death_report(struct datapath *dp, struct death_report *out);
/* The records of the bucket of an entry that left when the slot's worker died, as they were when its burst was undone:
 * once datapath_slot_undone() says so. Returns the bytes, in *bytes until the next death is undone; or -ENOENT, and as
 * kept_copy() does. */
int datapath_slot_kept(struct datapath *dp, uint32_t slot, uint32_t bucket, const uint8_t **bytes);
/* True once every lcore has looked at what the slot's dead worker left. */
bool datapath_slot_judged(struct datapath *dp, uint32_t slot);

/* The slot's worker is gone for certain: the caller has reaped it (waitpid), so no store of it can come any more.
 * Every lcore reaps what is settled and takes over its belt; then the journal is rolled back. */
void datapath_slot_dead(struct datapath *dp, uint32_t slot);
/* True when that is done. orphans: buckets that wait for datapath_move(from = slot). The slot is free for a new worker
 * once it has no orphans left; call datapath_slot_attach() anew for it. */
bool datapath_slot_recovered(struct datapath *dp, uint32_t slot, uint32_t *orphans);

/* Before datapath_slot_dead(), for its report alone: the worker's own word which entry it had open. lcore: none of ours
 * (BATON_MAX_IO_LCORES) if it left no word. */
void datapath_slot_look(struct datapath *dp, uint32_t slot, uint32_t lcore, uint64_t position);

#define DEATH_PAYLOAD 256u /* bytes of it that are kept */
/* An entry that a worker left unsettled, as the primary had offered it. */
struct death_entry {
	uint64_t position, time_ns;
	uint32_t lcore;
	uint16_t bucket, len;
	uint16_t kept;     /* bytes in payload; 0: a control entry */
	uint8_t kind;      /* enum belt_kind */
	uint8_t service, attempts; /* attempts: workers that died before with it unsettled */
	uint8_t payload[DEATH_PAYLOAD];
};
struct slot_death {
	uint32_t unsettled; /* entries, taken by the worker or not */
	uint32_t undone;    /* undo records */
	bool open_burst;    /* its journal was open */
	bool found;         /* entry: there is one */
	bool exact;         /* it is the one that datapath_slot_look() named; else the first unsettled of its belt */
	struct death_entry entry;
};
/* What it left: once datapath_slot_recovered() is true, until the slot's next worker is dead. */
void datapath_slot_death(const struct datapath *dp, uint32_t slot, struct slot_death *out);

/* The orphans of a dead slot wait for nobody: packets that have waited for longer are dropped (`park_expired`), until
 * it is called with 0. Packets alone, never messages. Ends by itself when the buckets are moved. */
void datapath_slot_park(struct datapath *dp, uint32_t slot, uint64_t max_age_ns);
/* They wait for long: of messages to them only so many do, as of what datapath_leave() has left there. */
void datapath_slot_held(struct datapath *dp, uint32_t slot);
/* What waits for the orphans of a dead slot, over all lcores, as of their last housekeeping. */
struct slot_parked {
	uint64_t packets;
	uint64_t age_ns; /* of the oldest */
};
void datapath_slot_parked(const struct datapath *dp, uint32_t slot, struct slot_parked *out);

/* When the steps of the slot's latest death were done, by TSC; 0: not yet. */
struct death_stages {
	uint64_t seen_tsc;   /* datapath_slot_dead() */
	uint64_t taken_tsc;  /* every lcore has taken its belt over */
	uint64_t undone_tsc; /* the journal is rolled back */
};
void datapath_slot_stages(const struct datapath *dp, uint32_t slot, struct death_stages *out);

/* A worker wrote what no honest worker writes: the slot to kill (its death then takes the usual way), or SLOT_NONE.
 * Each slot is reported once per incarnation. */
uint32_t datapath_slot_to_fence(struct datapath *dp);
/* How: of a slot reported by the function above, what was noticed first. MESSAGE: on its socket, worker_hear.c. */
enum fence_why { FENCE_DONE, FENCE_FILLED, FENCE_VERDICT, FENCE_CELL, FENCE_MESSAGE, FENCE_NUMBER, FENCE_WHYS };
enum fence_why datapath_fence_why(const struct datapath *dp, uint32_t slot);

/* How far the slot's worker is, as the main lcore may see it at any time. */
struct slot_progress {
	uint64_t settled;    /* `done`, summed over its belts */
	uint32_t waiting;    /* entries handed to it and not settled */
	uint64_t lcores_tsc; /* every I/O lcore has come through a turn that it began at this time or later */
};
void datapath_slot_progress(const struct datapath *dp, uint32_t slot, struct slot_progress *out);

uint32_t datapath_owner(const struct datapath *dp, uint32_t service, uint32_t bucket);
uint32_t datapath_owned(const struct datapath *dp, uint32_t slot); /* buckets owned over all services */

/* load[b]: entries of bucket b, packets and messages, that its workers have settled, ever, over all lcores; of
 * large bursts an estimate, as one entry of 32 stands for them all. Modulo 2^32: good for differences. */
void datapath_load(const struct datapath *dp, uint32_t service, uint32_t *load);

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
