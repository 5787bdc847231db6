/* The belt: one in-order, crash-tolerant queue between one I/O lcore of the primary and one worker.
 *
 * Like a NIC descriptor ring in which the worker is the device: the primary offers entries, the worker takes a burst,
 * writes verdicts and replies in place, settles the burst with one store of `done`, and the primary reaps in order.
 * Positions are 64 bits and never restart (protocol.md R4). The primary keeps a private shadow of every slot and
 * believes nothing the worker can write but `done`, `filled`, verdicts and reply lengths, each read once and
 * checked. */
#ifndef BATON_SHARED_BELT_H
#define BATON_SHARED_BELT_H

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "abi.h"
#include "baton.h"

#define BELT_MAGIC         0x3130746c65426e42ull /* "BnBelt01" */
#define BELT_SLOTS         4096u
#define BELT_MASK          (BELT_SLOTS - 1u)
#define BELT_INLINE        48u  /* bytes of an entry that its slot holds */
#define BELT_MEDIUM_BYTES  128u /* that its slot's medium cell does: always there, allocated never */
#define BELT_CELL_BYTES    2048u
#define BELT_LONG_CELLS    335u /* what the page has room for; given to longer entries in order */
#define BELT_OUT_CELLS     256u
#define BELT_CONTROL_SLOTS 64u /* never used by packets: a full belt must not hold up a revoke */
#define BELT_CONTROL_CELLS 16u /* likewise for entries that need a long cell */

enum belt_kind {
	BELT_PACKET = 1,
	BELT_GRANT,   /* struct belt_buckets: the worker owns these buckets one belt more */
	BELT_REVOKE,  /* struct belt_buckets: one belt less; owned until the last belt has revoked */
	BELT_TICK,    /* struct belt_tick, in tick.h */
	BELT_PRIME,   /* do not sleep for the time in struct belt_prime: a move to you is coming */
	BELT_STOP,    /* leave with _exit(0) once settled */
	BELT_MESSAGE, /* from a bucket to a bucket: what a settled entry posted */
	BELT_SNAPSHOT,    /* copy a bucket's records for a shadow: struct belt_snapshot, in shadow_region.h, as are */
	BELT_SHADOW_TICK, /* struct belt_shadow_tick: to a shadow worker alone */
	BELT_COMPARE,     /* struct belt_compare: likewise */
	BELT_CONVERT = 12, /* struct belt_buckets: records of buckets that nobody owns to `schema`; on one belt alone */
};
/* Added to the kind in a slot: a worker may have died of the entry, which is therefore run alone. */
#define BELT_SUSPECT 0x80u
/* Where an entry stands, whole: slot, medium or long cell. Its length decides; the slot's flags tell the worker. */
enum belt_size { BELT_SMALL, BELT_MEDIUM, BELT_LONG };
static inline enum belt_size belt_size(uint32_t len)
{
	return baton_likely(len <= BELT_INLINE) ? BELT_SMALL : len <= BELT_MEDIUM_BYTES ? BELT_MEDIUM : BELT_LONG;
}

/* Payload of BELT_GRANT and BELT_REVOKE: `count` buckets from `first` on; bit i of `map` names bucket first + i.
 * all != 0: every one of them, no map. A move of more buckets than one cell can name is several entries. */
#define BELT_MAP_BUCKETS 16128u
struct belt_buckets {
	uint32_t move; /* for logs */
	uint32_t first;
	uint32_t count;
	uint8_t service;
	uint8_t all;
	uint16_t schema; /* BELT_CONVERT */
	uint8_t map[];
};
struct belt_prime {
	uint32_t for_us;
};

/* A small payload, and the reply to it, move between the two cores in one cache line, and there is no line between two
 * slots that a prefetcher would fetch for nobody.
 * w: primary before the offer, worker (inl only) until it settles   r: both */
struct belt_slot {
	struct baton_packet packet; /* w: primary  r: worker */
	uint8_t inl[BELT_INLINE];   /* payload, then reply */
} baton_aligned(64);
static_assert(sizeof(struct belt_slot) == BATON_CACHE_LINE, "one cache line per slot");
/* belt_copy() moves whole steps: an entry of any length must end within its place. */
static_assert(BELT_INLINE % 16 == 0 && BELT_MEDIUM_BYTES % 16 == 0 && BELT_CELL_BYTES % 16 == 0, "whole steps");

enum belt_out_kind { BELT_OUT_MESSAGE = 1, BELT_OUT_PACKET };

/* What a worker wants sent that is not a reply. w: worker  r: primary after `filled` covers it */
struct belt_out_cell {
	uint64_t cause; /* position of the entry that caused it */
	uint16_t len;
	uint8_t kind;         /* enum belt_out_kind */
	uint8_t pad;
	uint32_t bucket;      /* messages: who gets it; packets: who sent it, for a shadow's comparison alone */
	union {
		struct baton_peer to; /* packets */
		uint32_t from;        /* messages: who posted it, likewise */
	};
	uint8_t data[BELT_CELL_BYTES - 32];
};
static_assert(sizeof(struct belt_out_cell) == BELT_CELL_BYTES, "outbound cell layout");

struct belt {
	/* w: primary at boot  r: worker */
	uint64_t magic;
	uint32_t abi;
	uint32_t lcore; /* index of the I/O lcore that produces */
	uint32_t worker; /* slot that consumes */

	/* w: primary  r: worker */
	_Atomic uint64_t offered baton_aligned(64); /* positions below may be taken */
	_Atomic uint64_t out_taken;                 /* outbound cells below have been taken and may be written again */
	_Atomic uint32_t doorbell;                  /* futex; changes when the worker is to wake */
	_Atomic uint32_t numbered;                  /* 1: bursts of this belt are to be stamped. Stored before what is offered */

	/* w: worker  r: primary */
	_Atomic uint32_t sleeping baton_aligned(64); /* 1: ring the doorbell after an offer */

	/* Of I/O lcore 0's belt alone. w: worker, after it has settled  r: every I/O lcore: stamped bursts below and at it are
	 * settled. Goes on over incarnations. */
	_Atomic uint64_t bursts baton_aligned(64);

	/* w: worker before it settles  r: primary after.  verdict | reply length << 16 */
	uint32_t verdict[BELT_SLOTS] baton_aligned(64);
	/* w: worker before the burst, if `numbered`  r: primary after it is settled.  Low half of the burst's number: in which
	 * order a worker has handled what came over several belts (docs/decisions/010) */
	uint32_t stamp[BELT_SLOTS] baton_aligned(64);
	struct belt_slot slots[BELT_SLOTS] baton_aligned(128);
	struct baton_peer peer[BELT_SLOTS]; /* as the slot's header; apart, so that four come in one line */
	uint8_t medium[BELT_SLOTS][BELT_MEDIUM_BYTES] baton_aligned(128); /* as inl; of the slot with the same index */
	uint8_t long_cells[BELT_LONG_CELLS][BELT_CELL_BYTES] baton_aligned(64); /* as inl */
	struct belt_out_cell out[BELT_OUT_CELLS];
};
static_assert(sizeof(struct belt) <= BATON_HUGE_PAGE, "one huge page per belt");
static_assert(offsetof(struct belt, offered) == 64 && offsetof(struct belt, sleeping) == 128 &&
	      offsetof(struct belt, bursts) == 192, "a line per writer");
static_assert(BELT_LONG_CELLS >= 256 + BELT_CONTROL_CELLS, "long cells of packets");
static_assert(BATON_MESSAGE_MOST <= BELT_MEDIUM_BYTES && BATON_MESSAGE_MOST % 16 == 0, "messages need no long cell");

/* Commit words of one belt. They live in the worker's control block (state.h), so that the commit point outlives both
 * processes. w: worker; primary after the fence (protocol.md R4)  r: both */
struct belt_commit {
	_Atomic uint64_t done;   /* entries below are settled */
	_Atomic uint64_t filled; /* outbound cells below belong to settled entries once done covers them */
	uint8_t pad[48];
};
static_assert(sizeof(struct belt_commit) == 64, "a line per belt");

/* Writes the header of a fresh belt; memory must be zeroed. Called by the primary before the zygote starts. */
void belt_init(struct belt *belt, uint32_t lcore, uint32_t worker);

/* Checks magic, ABI, lcore and worker. Returns 0 or -EPROTO. */
int belt_check(const struct belt *belt, uint32_t lcore, uint32_t worker);

/* Copies in 16-byte steps: up to 15 bytes beyond len are read and written, so both sides need that slack. */
static inline void belt_copy(uint8_t *to, const uint8_t *from, uint32_t len)
{
	for (uint32_t i = 0; i < len; i += 16)
		memcpy(to + i, from + i, 16);
}

/* Asks for the lines of a medium cell that `len` bytes take, to write to. A long entry has none there. */
static inline void belt_prefetch_medium(const struct belt *belt, uint32_t at, uint32_t len)
{
	if (baton_likely(len <= BELT_MEDIUM_BYTES))
		baton_prefetch_write(belt->medium[at]);
	if (len > BATON_CACHE_LINE && len <= BELT_MEDIUM_BYTES)
		baton_prefetch_write(belt->medium[at] + BATON_CACHE_LINE);
}

#endif
