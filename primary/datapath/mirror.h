/* The mirror of an I/O lcore: what workers of a service settled is offered once more, to a candidate and to a control that
 * work on copies of the records, and what they make of it is compared with what production did. Nothing of theirs is sent.
 *
 * Mirrored is what has been *reaped*, in that order: a death or a move of production's workers changes nothing here, for
 * what they left unsettled has not happened yet. A bucket is in step with a side from the reap of its snapshot entry on,
 * until a copy is dropped, a difference is found, or a tick cannot be told exactly; then another snapshot is posted, when
 * the side has settled all it had of the bucket, and not before the last one was MIRROR_SNAPSHOT_NS ago.
 *
 * With several I/O lcores all of this is done by lcore 0, the mirror's home; each of them hands it what it reaps, and it goes
 * by the order in which the worker has handled it: feed.c.
 *
 * All memory is made by the main lcore before the order and given back after the I/O lcore has let go. Bounded work a turn:
 * copies as far as there is credit for them, MIRROR_REAP a side, a snapshot, MIRROR_LOOK buckets looked at. */
#ifndef BATON_PRIMARY_MIRROR_H
#define BATON_PRIMARY_MIRROR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "belt_producer.h"
#include "shadow_region.h"

/* Entries copied: so many at once, after that one a MIRROR_COPY_NS, or a tenth of the lcore's time; the rest is dropped. */
#define MIRROR_COPIES      1024u
#define MIRROR_COPY_NS     1000u
#define MIRROR_REAP        64u
#define MIRROR_LOOK        64u
#define MIRROR_SNAPSHOT_NS 1000000u
#define MIRROR_RING        (1u << 20) /* bytes of requests and replies kept for a side */
#define MIRROR_BYTES       256u /* of each that are shown */
#define MIRROR_SAMPLES     64u
#define MIRROR_TICK_BYTES  (64u << 10) /* of a tick: maps, and what it has posted and sent */
#define FEED_NODES         4096u       /* entries that an lcore has handed over and home has not mirrored */
#define FEED_BYTES         (1u << 20)  /* their requests and replies */
#define FEED_BURSTS_MOST   (1ull << 62) /* no worker counts so far; what a dead one has left above is set to 0 */

/* What production made of an entry: all that is compared. */
struct mirror_outcome {
	uint32_t verdict; /* enum of baton_verdict, without a length */
	uint32_t len;     /* of the reply */
	uint32_t cells;   /* posted and sent */
	uint64_t cells_hash; /* of their heads and bytes */
};

/* An entry on its way through a side's belt, by position. */
struct mirror_node {
	struct mirror_outcome production;
	uint64_t ring_end;  /* ring is free up to here when it is over */
	/* offsets in the ring; shadow_at: of BELT_COMPARE. Ticks: number and map; cells, shadow_at bytes of them */
	uint32_t request_at, reply_at, shadow_at;
	uint32_t shadow_verdict, shadow_len; /* of BELT_COMPARE */
	uint16_t len;       /* of the request */
	uint16_t epoch;     /* of the bucket, when it was offered */
	uint8_t kind;       /* of the entry it stands for */
};

/* w, r: I/O lcore; home, if there are several */
struct mirror_bucket {
	uint8_t wanted;  /* in the map of the shadow */
	uint8_t in_step; /* bit per side */
	uint8_t asked;   /* bit per side: in the snapshot entry that is in a belt; 0: there is none */
	uint8_t slot;    /* whose belt that is; several lcores: whose entries it is in step with */
	uint32_t lost;   /* several lcores: of its entries, when it was asked for */
	uint16_t epoch[SHADOW_SIDES]; /* changes with each difference: what was offered before is not compared any more */
	uint64_t asked_at; /* its position */
	uint64_t last[SHADOW_SIDES]; /* position behind its last entry in the side's belt */
};

/* w: I/O lcore  r: main lcore, each word whole; monotonic but for in_step */
struct mirror_counts {
	uint64_t mirrored, dropped, left_step, compared, differed;
	uint64_t in_step; /* buckets now */
	uint64_t ignored; /* of a bucket that had differed before */
	uint64_t untold;  /* differences for which the main lcore had no place */
	uint64_t ticks_compared, ticks_differed; /* of compared and differed: ticks of a bucket that posted or sent */
};

struct mirror_side {
	uint32_t slot; /* SLOT_NONE: nobody, or dead */
	bool digest;   /* its plugin names fields. w: main lcore before the order */
	uint64_t from; /* position of the first entry that is ours */
	uint64_t ring_head, ring_tail;
	struct mirror_counts counts;
	struct mirror_node *node; /* BELT_SLOTS */
	uint8_t *ring;            /* MIRROR_RING */
};

/* A difference. w: I/O lcore  r: main lcore */
struct mirror_sample {
	uint64_t time_ns;
	uint64_t tick;     /* BELT_TICK: its number */
	uint32_t ordinal;  /* likewise: which of the bucket's cells; `reply` has its bytes */
	uint32_t side, bucket, kind;
	uint32_t request_len, reply_len[2], verdict[2], cells[2]; /* 0: production's, 1: the side's */
	bool cells_differ; /* in number or bytes */
	bool digested;     /* fields are the plugin's */
	uint32_t fields;   /* that differ; the first COMPARE_FIELDS stand in field */
	struct belt_field field[COMPARE_FIELDS];
	uint8_t request[MIRROR_BYTES], reply[2][MIRROR_BYTES];
};

/* An entry on its way from the lcore that has reaped it to home. w: its lcore, then home */
struct feed_node {
	struct belt_shadow shadow; /* its time above all */
	struct belt_peer peer;
	struct mirror_outcome outcome; /* BELT_SNAPSHOT: verdict is the word as it is */
	uint64_t number;   /* of the burst it was handled in */
	uint64_t position; /* BELT_SNAPSHOT */
	uint64_t bytes_end; /* bytes are free up to here when it is over */
	uint32_t at;       /* request, reply behind it; BELT_TICK: struct tick_head */
	uint8_t slot;      /* whose worker has handled it */
	bool over;         /* w: home */
	struct feed_node *next; /* w: home: of the same lcore and slot */
};

/* What an I/O lcore hands to home, if there are several. */
struct mirror_feed {
	/* w: its lcore */
	uint64_t bytes_head;
	uint32_t credit; /* as the mirror's */
	uint64_t credited_ns;
	uint64_t dropped; /* r: main lcore */
	struct {
		uint64_t from; /* position from which on everything in the belt is stamped */
		uint64_t burst, done; /* all bursts up to this one have been reaped when the belt is reaped up to there */
		uint64_t number;   /* of the last entry handed over */
		uint32_t same;     /* that have that number */
	} slot[BATON_MAX_WORKERS];
	_Atomic uint32_t *lost; /* by bucket: entries that found no room, ever  r: home */
	_Atomic uint64_t stamped; /* bit per slot: all that is reaped from now on is stamped  r: home */
	_Atomic uint64_t lied;    /* bit per slot: its worker's numbers are none, nothing of it is handed over  r: home */
	_Atomic uint64_t through[BATON_MAX_WORKERS]; /* all of the worker's bursts up to this one are handed over  r: home */
	_Atomic uint64_t head baton_aligned(64); /* nodes  r: home */
	/* w: home  r: its lcore */
	_Atomic uint64_t tail baton_aligned(64);
	_Atomic uint64_t bytes_tail;
	/* home's */
	uint64_t taken; /* nodes below stand in the lists */
	struct feed_node *first[BATON_MAX_WORKERS], *last[BATON_MAX_WORKERS];
	struct feed_node *node; /* FEED_NODES */
	uint8_t *bytes;         /* FEED_BYTES */
};

/* An entry that is not due. w, r: home */
struct feed_wait {
	uint64_t number, position, waited_ns, looked_ns;
};

struct mirror {
	/* w: main lcore before the order  r: I/O lcores */
	uint32_t service, group, buckets, lcores;
	bool digest;
	struct mirror_bucket *bucket;
	struct mirror_feed *feed[BATON_MAX_IO_LCORES]; /* NULL with one lcore */
	_Atomic uint8_t *fed; /* by bucket: is to be handed over. w: home  r: I/O lcores; NULL with one lcore */
	uint8_t *scratch;     /* MIRROR_TICK_BYTES: a tick that is being reaped. Home's */
	_Atomic uint32_t begun; /* w: I/O lcores, by addition  r: home: they stamp and hand over */
	/* w: I/O lcore, or home */
	uint32_t next_bucket; /* looked at next */
	uint64_t asked_ns;    /* when the last snapshot was posted */
	uint32_t credit;      /* copies that may be made now, one for all sides */
	uint64_t credited_ns; /* when it was last given */
	struct mirror_side side[SHADOW_SIDES];
	uint64_t left_out;    /* several lcores: bit per slot whose worker's numbers are none; none of its buckets is mirrored
			       * r: main lcore */
	struct feed_wait wait[BATON_MAX_WORKERS];
	_Atomic uint32_t released; /* w: I/O lcores, by addition: they know nothing of this any more  r: main lcore */
	_Atomic uint32_t head baton_aligned(64); /* of samples  w: I/O lcore  r: main lcore */
	_Atomic uint32_t tail baton_aligned(64); /* w: main lcore  r: I/O lcore */
	struct mirror_sample sample[MIRROR_SAMPLES];
};

struct io_lcore;
struct move;
struct order;

/* Orders of the main lcore. */
void mirror_begin(struct io_lcore *io, struct mirror *mirror);
void mirror_join(struct io_lcore *io, struct mirror *mirror, uint32_t side, uint32_t slot);
void mirror_end(struct io_lcore *io, struct mirror *mirror);

/* The first `count` settled entries of a belt whose slot feeds a mirror are about to be reaped; `cells` outbound cells
 * wait. */
void mirror_settled(struct io_lcore *io, uint32_t slot, uint32_t count, uint32_t cells);
/* What nobody waits for. */
bool mirror_is_full(const struct io_lcore *io, const struct mirror *mirror);
/* A move holds its buckets so that the main lcore can change their records: the copies do not know of that, so they begin
 * anew, with a snapshot, once the buckets have an owner again. None is asked for before. Called when they are parked. */
void mirror_records_change(struct io_lcore *io, const struct move *move);
/* Every turn in which there are shadow workers: reaps their belts, posts snapshots. True if there was something to do. */
bool mirror_turn(struct io_lcore *io);
/* A worker of the service has been attached: before anything is offered to it. */
void mirror_slot_comes(struct io_lcore *io, uint32_t slot);
/* A worker whose slot feeds a mirror is dead, and all it had settled is reaped; not what it left. */
void mirror_owner_dies(struct io_lcore *io, uint32_t slot);
/* Instead of taking entries back: a shadow worker's are forgotten. */
void mirror_slot_dies(struct io_lcore *io, uint32_t slot);

#endif
