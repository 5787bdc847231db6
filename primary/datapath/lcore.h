/* One I/O lcore: everything it owns. Private to primary/datapath; nobody but the lcore's own thread touches these
 * fields while it runs, except where a note says otherwise. */
#ifndef BATON_PRIMARY_LCORE_H
#define BATON_PRIMARY_LCORE_H

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "belt_producer.h"
#include "clock.h"
#include "core_stats.h"
#include "datapath.h"
#include "kept.h"
#include "message.h"
#include "mirror.h"
#include "neighbour.h"
#include "pending.h"
#include "port.h"
#include "ticks.h"

#define MAILBOX_ORDERS 256u
#define TX_BACKLOG     1024u
#define REAP_MOST      256u /* entries of one belt in one turn: bounds the turn */
#define QUIET_US       50u  /* workers with entries that settle none for so long: something is wrong, or about to be */
#define RING_GAP_US    20u  /* a worker's doorbell rings at most once in so long */

/* Steering table entry: owner in the low byte, pending list in the high byte (0: offer directly). */
#define STEER_SLOT(entry) ((entry) & 0xffu)
#define STEER_LIST(entry) ((entry) >> 8)
#define STEER_ENTRY(slot, list) ((uint16_t)((slot) | (list) << 8))
/* Pending lists: one per service for the move under way, one per slot for the orphans of a dead worker. */
#define LIST_MOVE(service) (1u + (service))
#define LIST_ORPHANS(slot) (1u + BATON_MAX_SERVICES + (slot))
/* and one per slot for messages that found its belt full. Its buckets are the slot's: a move or a death takes them
 * out. */
#define LIST_BACKLOG(slot) (1u + BATON_MAX_SERVICES + BATON_MAX_WORKERS + (slot))
#define LISTS (1u + BATON_MAX_SERVICES + 2u * BATON_MAX_WORKERS)

/* belt_shadow.blame: whether the entry is to be run alone, and how many deaths it is blamed for. */
#define BLAME_SUSPECT       0x80u
#define BLAME_DEATHS(blame) ((blame) & 0x7fu)
#define BLAME_MOST          0x7fu

enum order_kind { ORDER_ATTACH = 1, ORDER_MOVE, ORDER_STOP_WORKER, ORDER_LOOK, ORDER_DEAD, ORDER_QUIT, ORDER_PARK,
		  ORDER_MIRROR, ORDER_MIRROR_JOIN, ORDER_MIRROR_END, ORDER_CONVERT, ORDER_LEAVE, ORDER_HELD };

struct order {
	uint32_t kind;
	uint32_t slot;
	uint32_t group;
	struct move *move;
	uint64_t max_age_ns; /* ORDER_PARK */
	struct mirror *mirror; /* ORDER_MIRROR and the like */
	uint32_t side;         /* ORDER_MIRROR_JOIN */
	uint32_t schema;     /* ORDER_CONVERT */
};

/* Single producer (main lcore), single consumer (the I/O lcore), both threads of the primary. */
struct mailbox {
	_Atomic uint32_t head baton_aligned(64); /* w: main lcore  r: I/O lcore */
	_Atomic uint32_t tail baton_aligned(64); /* w: I/O lcore  r: main lcore */
	struct order order[MAILBOX_ORDERS];      /* w: main lcore  r: I/O lcore */
};

/* Of reports to the main lcore, which alone writes files. A death makes one at most. */
#define REPORTS 16u
struct reports {
	_Atomic uint32_t head baton_aligned(64); /* w: I/O lcore  r: main lcore */
	_Atomic uint32_t tail baton_aligned(64); /* w: main lcore  r: I/O lcore */
	struct death_report report[REPORTS];     /* w: I/O lcore  r: main lcore */
};

/* A move as all lcores see it; lives in the datapath, one per service. */
struct move {
	/* w: main lcore before the order is posted  r: I/O lcores */
	uint32_t id;
	uint32_t service;
	uint32_t from; /* SLOT_NONE: the buckets have no owner */
	uint32_t to;
	uint32_t buckets;
	uint32_t lcores;
	bool orphans; /* from is dead and recovered: nothing to revoke */
	bool part;    /* of its orphans, not all */
	uint64_t map[BATON_MAX_BUCKETS / 64];
	/* w: I/O lcores, by addition  r: I/O lcores, main lcore */
	_Atomic uint32_t revoked; /* lcores whose revoke has been reaped */
	_Atomic uint32_t ended;   /* lcores that are through, well or not */
	_Atomic uint32_t failed;  /* lcores that saw the target die */
	/* w: main lcore  r: I/O lcores */
	_Atomic uint32_t rolled_back; /* the old owner died; its journal is undone and every lcore holds its belt */
	_Atomic uint32_t held; /* nobody may be granted the buckets yet; `to` may change until it is 0 again */
	_Atomic uint32_t converted; /* w: I/O lcore 0: the order ORDER_CONVERT is carried out */
	/* Of a move that is held: buckets that stay with `from`, which is dead. w: main lcore before ORDER_LEAVE is posted
	 * r: I/O lcores on that order. `map` and `buckets` are without them when all have carried it out. */
	bool leaving;
	uint64_t leave[BATON_MAX_BUCKETS / 64];
	_Atomic uint32_t left; /* w: I/O lcores, by addition  r: main lcore */
	/* w: I/O lcore i  r: main lcore once ended */
	struct {
		uint64_t gap_ns;
		uint64_t parked;
		uint64_t granted_tsc, replied_tsc;
	} report[BATON_MAX_IO_LCORES];
};

enum move_phase {
	MOVE_NONE = 0,
	MOVE_PRIMING,  /* the old owner works on while the new one wakes up */
	MOVE_REVOKING, /* posting revokes to the old owner */
	MOVE_WAITING,  /* for the revokes of all lcores to be reaped, or the roll back */
	MOVE_GRANTING, /* posting grants to the new owner */
	MOVE_DRAINING, /* offering the pending list */
	MOVE_WATCHING, /* over for the buckets; waits for the first reply of the new owner, to report the gap */
};

/* This lcore's part in a move. */
struct lcore_move {
	struct move *move;
	enum move_phase phase;
	uint32_t next_bucket;  /* first bucket not yet named in a revoke or grant */
	uint32_t revokes_open; /* posted, not reaped */
	uint64_t last_old_ns;  /* last packet of a moved bucket that the old owner settled */
	uint64_t primed_at;    /* position on the new owner's belt whose reap says that it is awake */
	uint64_t parked_ns;    /* when parking began; before that, when priming did */
	uint64_t watch_until;  /* position on the new owner's belt whose reap ends the gap */
	uint64_t granted_ns;   /* when draining began */
	bool counted;          /* `ended` counted */
	/* lcore 0, of a move that is held: records on their way to another schema */
	bool converting;
	uint32_t convert_slot, convert_schema, convert_next;
	uint32_t converts_open; /* posted, not reaped */
};

/* w: the I/O lcore of the belt, before it counts itself in dead_acks  r: main lcore after */
struct death_part {
	uint32_t unsettled;
	bool exact;
	struct death_entry entry;
};

#define FENCE(how) (1u << FENCE_##how) /* enum fence_why */

/* What the lcore knows of a worker slot. */
struct slot_view {
	struct belt_producer belt;
	uint64_t *residence; /* where its worker's version is counted: see residence.h */
	struct mirror *mirror;    /* what it settles is mirrored there; NULL: nowhere, as of every shadow */
	struct mirror_side *side; /* a shadow worker's; NULL: of none, what it has is forgotten */
	uint64_t bursts; /* likewise, as it found it: it does not count there */
	struct stats_slot *counts; /* where the slot is */
	uint8_t attached;
	uint8_t dead;    /* taken over; its buckets are orphans */
	uint8_t held;    /* dead, and its orphans were left behind by a move: they may wait for long */
	uint8_t fence;   /* misbehaved, FENCE(how): reap nothing more until it is dead */
	uint8_t group;
	uint8_t service; /* index of the group's service */
	uint32_t packets; /* packets in the belt, for the ledger */
	uint32_t buckets; /* owned, or its orphans, as far as this lcore has granted them */
	uint64_t rung_tsc;
	struct slot_ticks ticks;
	uint64_t max_age_ns; /* nobody is to come for its orphans: what is older is dropped; 0: it waits */
	struct slot_parked parked; /* gauge of its orphans' list  r: main lcore */
};

struct steering {
	uint16_t *entry; /* one per bucket */
	uint32_t mask;
	enum baton_key key;
	uint8_t index; /* of the service */
	uint16_t key_offset, key_length;
	uint32_t len_least; /* bytes of payload that have the key */
	uint64_t key_mask; /* the key's bytes of the eight that are loaded at key_offset */
	uint64_t salt;
	uint32_t ip; /* 0: any */
	uint16_t udp_port; /* network byte order */
	uint32_t group;
	struct ticks ticks; /* lcore 0 only */
	uint32_t *load; /* one per bucket: entries reaped, by sample: reap.c; wraps around  r: main lcore */
};

struct tx_queue {
	uint32_t count;
	struct rte_mbuf *mbuf[TX_BACKLOG];
};

/* Terms of the ledger that this lcore counts. w: the lcore  r: main lcore (relaxed; exact when the lcore is stopped) */
struct ledger_counts {
	uint64_t received, allocated, sent, freed;
	uint64_t in_belts, pending, unresolved, tx_backlog;
};

struct io_lcore {
	/* set before the start, constant while running */
	struct datapath *dp;
	uint32_t index;
	uint32_t lcore_id;
	uint32_t ports, services, slots, io_lcores;
	bool adaptive;
	bool rx_interrupts; /* all ports of this lcore have them: sleep on them */
	struct port *port;
	struct rte_mempool *pool;
	struct CoreStats *stats;
	uint64_t tsc_hz, ring_gap_tsc, quiet_tsc;
	/* UDP port (network order) -> service + 1, 0: none, 0xffff: several, look at the address */
	uint16_t *port_to_service;

	/* the lcore's own */
	struct io_clock clock;
	uint64_t tsc, now_ns; /* of this loop turn */
	uint64_t last_ns;     /* time stamps are strictly increasing, so that each is a seed of its own */
	uint64_t attached;    /* bit per slot; not of shadow workers: */
	uint64_t shadows;     /* those have their bit here; see mirror.h */
	struct mirror *mirror[BATON_MAX_SERVICES]; /* NULL: none */
	uint64_t dirty;       /* bit per slot: offered, not yet published */
	uint64_t to_ring;     /* bit per slot: published while the worker may have been asleep */
	uint32_t moves;       /* moves not yet ended or watched */
	bool quit, open; /* open: receiving: every bucket has an owner, or the workers are overdue */
	uint64_t open_ns; /* when it receives in any case */
	uint32_t turn, idle_turns;
	uint32_t draw; /* which entry of a chunk is the sample */
	uint64_t reaped_tsc;  /* when something was last reaped */
	struct ledger_counts ledger;
	struct steering steering[BATON_MAX_SERVICES];
	struct slot_view slot[BATON_MAX_WORKERS];
	struct lcore_move move[BATON_MAX_SERVICES];
	struct message_pool message;
	uint64_t backlogs; /* bit per slot: messages wait for its belt */
	struct pending_pool pending;
	uint32_t pending_room[BATON_MAX_SERVICES]; /* packets that may arrive and wait: park.c */
	uint64_t aging; /* bit per slot whose parked packets have a greatest age */
	struct pending list[LISTS];
	struct neighbours neighbours;
	uint16_t packet_id; /* of the next packet that the server starts */
	struct tx_queue tx[BATON_MAX_PORTS];
	uint8_t control[BELT_CELL_BYTES + 16]; /* a control entry being written */
	struct mailbox mailbox;
	struct death_part death[BATON_MAX_WORKERS]; /* by slot; far from what every turn looks at */
	struct reports reports;
};

/* Positions of a dead worker's belt that are suspect, and the one that is blamed; judge.c. */
struct suspects {
	uint64_t first, end;
	uint64_t blamed; /* UINT64_MAX: none */
};

struct datapath_slot {
	/* w: main lcore */
	uint32_t group;
	struct death_blame blame; /* before ORDER_DEAD  r: I/O lcores, on that order */
	bool attached, dead, recovered;
	bool shadow; /* before ORDER_ATTACH  r: I/O lcores, on that order */
	uint32_t orphans;
	/* w: main lcore before the order is posted  r: I/O lcores: what a death is reported with */
	uint32_t look_lcore;
	uint64_t look_position;
	struct journal_report report; /* w, r: main lcore: what the last roll back found */
	/* w: I/O lcores, by addition  r: main lcore */
	_Atomic uint32_t attach_acks, dead_acks;
	_Atomic uint32_t unsettled; /* packets and messages that the dead worker left */
	_Atomic uint32_t left; /* 1 + bucket of an entry that has left by the quarantine; 0: none has */
	_Atomic uint32_t fence; /* FENCE() bits: an lcore wants the worker killed */
	uint32_t fence_reported; /* w: main lcore */
	uint64_t seen_tsc, undone_tsc; /* w: main lcore */
	_Atomic uint64_t taken_tsc;    /* w: the last I/O lcore to take over  r: main lcore */
};

struct datapath {
	struct datapath_setup setup;
	struct io_lcore *io[BATON_MAX_IO_LCORES];
	struct datapath_slot slot[BATON_MAX_WORKERS];
	struct move move[BATON_MAX_SERVICES];
	uint8_t move_open[BATON_MAX_SERVICES];
	uint8_t *owner[BATON_MAX_SERVICES]; /* main lcore's truth, per bucket */
	int next_id;
	/* w, r: main lcore: records that such an entry was about to see, until they are asked for */
	struct {
		uint32_t slot, bucket;
		int len; /* as of kept_copy(); 0: nothing is here */
		uint8_t *bytes;
	} kept;
	bool running;
	uint16_t port_to_service[65536];
};

/* A settled reply on its way from reap to complete. */
struct reply {
	const struct belt_shadow *shadow;
	const uint8_t *data; /* in the worker's pages */
	uint32_t len;        /* 0 to shadow->len */
};

/* ---- stages, one a file; burst in, burst out ---- */
uint32_t rx_ports(struct io_lcore *io);
/* Fills `packet` (BATON_BURST) with what is to be steered and returns how many; the rest is answered or dropped. */
uint32_t classify_burst(struct io_lcore *io, struct port *port, struct rte_mbuf **mbuf, uint32_t count,
			struct belt_shadow *packet);
void steer_burst(struct io_lcore *io, const struct belt_shadow *packet, uint32_t count);
void steer_publish(struct io_lcore *io);
bool offer_entry(struct io_lcore *io, uint32_t slot, const struct belt_shadow *entry);
bool offer_waiting(struct io_lcore *io, uint32_t slot, uint32_t list);
bool offer_control(struct io_lcore *io, uint32_t slot, uint8_t kind, uint32_t move, const void *payload, uint32_t len);
bool emit_cells(struct io_lcore *io, uint32_t slot, uint64_t cause, uint8_t kind, uint32_t *waiting);
uint32_t reap_all(struct io_lcore *io);
uint32_t reap_slot(struct io_lcore *io, uint32_t slot);
void complete_burst(struct io_lcore *io, const struct reply *reply, uint32_t count);
bool tx_make_room(struct io_lcore *io, uint32_t port, struct rte_mbuf *mbuf);
void tx_flush(struct io_lcore *io);
void tx_port(struct io_lcore *io, uint32_t port);

/* ARP and ICMP echo: answered by the lcore itself. tag: that the frame came with, 0: none. */
void local_arp(struct io_lcore *io, struct port *port, struct rte_mbuf *mbuf, const struct port_network *net,
	       uint16_t tag);
void local_icmp(struct io_lcore *io, struct port *port, struct rte_mbuf *mbuf, uint16_t tag, uint32_t ihl);
void local_announce(struct io_lcore *io);

/* ---- moves and deaths ---- */
void move_begin(struct io_lcore *io, struct move *move);
/* An entry that wakes the worker and keeps it awake for so long, unless it comes to own something. */
bool prime_slot(struct io_lcore *io, uint32_t slot, uint32_t move, uint32_t for_us);
void move_run(struct io_lcore *io);
/* Whether what comes for the buckets of the list goes behind what waits no more: packets are dropped as they are for
 * any full belt, messages wait for the new owner's belt. */
bool move_is_late(const struct io_lcore *io, uint32_t service, uint32_t list);
static inline bool move_has(const struct move *move, uint32_t bucket)
{
	return (move->map[bucket / 64] >> (bucket % 64) & 1u) != 0;
}
bool move_takes(const struct belt_shadow *packet, const void *move);
/* The buckets of move->leave stay with the dead one that had them, and what waits for them waits there. */
void move_leave(struct io_lcore *io, struct move *move);
void move_revoke_reaped(struct io_lcore *io, const struct belt_shadow *shadow);
void move_packet_reaped(struct io_lcore *io, uint32_t slot, uint16_t bucket, uint8_t service);
void move_owner_dies(struct io_lcore *io, uint32_t slot);
/* Has the slot's worker convert the buckets of the move, which nobody owns, to a schema. On lcore 0. */
void move_convert(struct io_lcore *io, struct move *move, uint32_t slot, uint32_t schema);
void move_convert_reaped(struct io_lcore *io, const struct belt_shadow *shadow);
void death_take_over(struct io_lcore *io, uint32_t slot);
void death_note_entry(struct io_lcore *io, uint32_t slot);
/* Before it is published: the entry that was offered last is to be run alone. */
static inline void belt_mark_suspect(struct belt_producer *p)
{
	p->belt->slots[(uint32_t)(p->offered - 1) & BELT_MASK].packet.kind |= BELT_SUSPECT;
}

/* judge.c: what of a dead worker's belt is to be run alone, and what is to leave. */
struct suspects suspects_of(const struct io_lcore *io, uint32_t slot);
/* Marks the entry at `position` if it is suspect. True: it has killed often enough, and has left: reported, freed,
 * counted. */
bool entry_judged(struct io_lcore *io, uint32_t slot, const struct suspects *suspects, uint64_t position);
void death_done_on(struct datapath *dp, struct control_block *control, uint32_t slot);
void death_count(struct datapath *dp, uint32_t slot, uint32_t undone);
void death_keep_journal(struct control_block *control);
void death_keep_records(struct datapath *dp, uint32_t slot);
void death_undo_again(const struct datapath *dp, uint32_t slot);

/* ---- packets that wait (park.c) ---- */

/* Whether one more packet of the service that arrives may wait in the list. */
bool park_has_room(const struct io_lcore *io, uint32_t list, uint32_t service);
/* Sets, from the configuration, how many packets of each service may wait on each lcore. */
void park_rooms(struct io_lcore *io);
/* The slot's orphans wait for nobody: what gets older than that is dropped from now on; 0: they wait for a worker. */
void park_limit(struct io_lcore *io, uint32_t slot, uint64_t max_age_ns);
/* Drops what has become too old, and shows what waits. Bounded: a part of it each time. */
void park_housekeep(struct io_lcore *io);

/* ---- housekeeping ---- */
void housekeep(struct io_lcore *io);
void doorbell_ring(struct io_lcore *io);
void idle_wait(struct io_lcore *io);
void busy_wait(struct io_lcore *io);
/* The main lcore is waited for: it may be asleep, or want this very CPU. */
void tell_main(const struct io_lcore *io);
int idle_init(struct io_lcore *io);
bool io_turn(struct io_lcore *io);
int io_loop(void *arg);
void io_stop(struct io_lcore *io);

static inline void give_back(const struct io_lcore *io, struct rte_mbuf *mbuf)
{
	if (!BATON_SABOTAGE(one_buffer_in_1000_kept) || io->ledger.freed % 1000 != 0)
		rte_pktmbuf_free(mbuf);
}

/* Frees a buffer for a reason: the only way a packet leaves the lcore but by a port. */
static inline void drop_packet(struct io_lcore *io, struct rte_mbuf *mbuf, enum core_drop reason)
{
	stats_add(&io->stats->drop[reason], 1);
	io->ledger.freed++;
	give_back(io, mbuf);
}

/* The same of a packet that was a worker's, or was to be: `count` is of its slot. */
static inline void drop_packet_of(struct io_lcore *io, struct rte_mbuf *mbuf, enum core_drop reason, uint64_t *count)
{
	stats_add(count, 1);
	drop_packet(io, mbuf, reason);
}

/* The buffer has served its purpose: not a drop. */
static inline void free_packet(struct io_lcore *io, struct rte_mbuf *mbuf)
{
	io->ledger.freed++;
	give_back(io, mbuf);
}

/* Behind what waits for the port; a full burst leaves at once. Drops and counts the packet if the backlog is full. */
static inline void tx_enqueue(struct io_lcore *io, uint32_t port, struct rte_mbuf *mbuf)
{
	struct tx_queue *queue = &io->tx[port];

	if (baton_unlikely(queue->count == TX_BACKLOG) && !tx_make_room(io, port, mbuf))
		return;
	queue->mbuf[queue->count++] = mbuf;
	io->ledger.tx_backlog++;
	if (queue->count % BATON_BURST == 0)
		tx_port(io, port);
}

static inline uint64_t io_time_ns(const struct io_lcore *io, uint64_t tsc)
{
	return clock_ns(&io->clock, tsc);
}

#endif
