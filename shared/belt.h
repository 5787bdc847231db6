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

/* ---- primary's end: private memory, one owner lcore ---- */

/* What the primary remembers of an entry it offered; the truth about it whatever the worker scribbles. */
struct belt_shadow {
	void *cookie;     /* the mbuf or message kept for completion and redelivery; NULL for control entries */
	uint64_t time_ns;
	union {
		uint32_t move; /* grants and revokes: the move they belong to; ticks: the group */
		uint32_t tag;  /* packets: priority and identifier of the VLAN tag they came with, 0: none */
	};
	uint16_t bucket;
	uint16_t len;
	uint8_t kind;
	uint8_t attempts; /* deaths of workers that left it unsettled */
	uint8_t blame;    /* the primary's own (lcore.h) */
	/* the primary's own, of packets: place, data_at, port */
	uint8_t place;    /* of the address it was sent to among those of its network */
	uint16_t data_at; /* offset of the payload in the frame it kept */
	uint8_t port;     /* that it came in by */
	uint8_t service;
};
static_assert(sizeof(struct belt_shadow) == 32, "two shadows a line");

struct belt_producer {
	struct belt *belt;
	struct belt_commit *commit;
	struct belt_shadow *shadow; /* BELT_SLOTS of them */
	uint64_t offered;           /* next position to write */
	uint64_t published;         /* offered as the worker knows it */
	uint64_t reaped;            /* next position to reap */
	uint64_t long_head;         /* long cells ever used, and ever given back: cells are freed in order */
	uint64_t long_tail;
	uint64_t out_reaped;        /* next outbound cell */
};

/* Writes the header of a fresh belt; memory must be zeroed. Called by the primary before the zygote starts. */
void belt_init(struct belt *belt, uint32_t lcore, uint32_t worker);

/* Checks magic, ABI, lcore and worker. Returns 0 or -EPROTO. */
int belt_check(const struct belt *belt, uint32_t lcore, uint32_t worker);

/* Goes on from the commit words: positions outlive incarnations and primaries. */
void belt_producer_init(struct belt_producer *p, struct belt *belt, struct belt_commit *commit,
			struct belt_shadow *shadow);
/* After the worker's end, whatever it wrote there: a successor that finds `offered` elsewhere takes what nobody
 * filled. */
void belt_publish_again(struct belt_producer *p);

/* Entries in the belt: offered and not reaped. */
static inline uint32_t belt_depth(const struct belt_producer *p) { return (uint32_t)(p->offered - p->reaped); }

/* Packets that can still be offered; control entries may use BELT_CONTROL_SLOTS more. */
static inline uint32_t belt_room(const struct belt_producer *p)
{
	uint32_t depth = belt_depth(p);
	return depth >= BELT_SLOTS - BELT_CONTROL_SLOTS ? 0 : BELT_SLOTS - BELT_CONTROL_SLOTS - depth;
}

/* True if an entry of len bytes fits now. */
static inline bool belt_fits(const struct belt_producer *p, uint32_t len, bool control)
{
	if (control ? belt_depth(p) >= BELT_SLOTS : belt_room(p) == 0)
		return false;
	if (baton_likely(belt_size(len) != BELT_LONG))
		return true;
	return len <= BELT_CELL_BYTES &&
	       p->long_head - p->long_tail < BELT_LONG_CELLS - (control ? 0 : BELT_CONTROL_CELLS);
}

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

/* struct baton_peer as two words. mac: its six bytes in memory order, the upper 16 bits 0. */
struct belt_peer {
	uint64_t word[2];
};
static_assert(sizeof(struct belt_peer) == sizeof(struct baton_peer) && offsetof(struct baton_peer, mac) == 8,
	      "two words");

static inline struct belt_peer belt_peer(uint32_t ip, uint16_t udp_port, uint16_t vlan, uint64_t mac, uint8_t port,
					 uint8_t service)
{
	return (struct belt_peer){{ip | (uint64_t)udp_port << 32 | (uint64_t)vlan << 48,
				   mac | (uint64_t)port << 48 | (uint64_t)service << 56}};
}

/* Where an entry is written that its slot does not hold, and says so. */
static inline uint8_t *belt_offer_cell(struct belt_producer *p, uint32_t at, enum belt_size size)
{
	struct baton_packet *packet = &p->belt->slots[at].packet;

	packet->flags = (uint8_t)size;
	if (baton_likely(size == BELT_MEDIUM))
		return p->belt->medium[at];
	uint32_t cell = (uint32_t)(p->long_head++ % BELT_LONG_CELLS);
	packet->cell = (uint16_t)cell;
	return p->belt->long_cells[cell];
}

/* What the primary keeps of the entry at index `at`, and what the worker is told of it, but for its bytes. The peer
 * comes as the two words it is in memory, and the header is put together in two as well: a struct filled field by field
 * would be copied before those stores have left the store buffer, and wait for them. */
static inline void belt_write_header(const struct belt_producer *p, uint32_t at, const struct belt_shadow *shadow,
				     struct belt_peer peer)
{
	uint64_t header[2] = {(uint64_t)shadow->len | (uint64_t)shadow->kind << 16 | (uint64_t)shadow->bucket << 32,
			      shadow->time_ns};

	p->shadow[at] = *shadow;
	memcpy(&p->belt->slots[at].packet, header, sizeof(header));
	memcpy(&p->belt->peer[at], &peer, sizeof(peer));
}
static_assert(offsetof(struct baton_packet, kind) == 2 && offsetof(struct baton_packet, flags) == 3 &&
	      BELT_SMALL == 0 && offsetof(struct baton_packet, bucket) == 4 &&
	      offsetof(struct baton_packet, time_ns) == 8, "two words");

/* Writes one entry; the worker sees it after belt_publish(). The caller has checked belt_fits() and filled `shadow`
 * (kind, bucket, len, time, service, cookie); control entries have a peer of zeroes.
 * `payload` must be readable for shadow->len rounded up to 16. */
static inline void belt_offer(struct belt_producer *p, const struct belt_shadow *shadow, struct belt_peer peer,
			      const uint8_t *payload)
{
	uint32_t at = (uint32_t)p->offered & BELT_MASK;
	uint8_t *to = p->belt->slots[at].inl;
	enum belt_size size = belt_size(shadow->len);

	belt_write_header(p, at, shadow, peer);
	if (baton_unlikely(size != BELT_SMALL))
		to = belt_offer_cell(p, at, size);
	belt_copy(to, payload, shadow->len);
	p->offered++;
}

/* The same for an entry of at most BELT_INLINE bytes, `ahead` of those that have been offered: belt_offered() counts
 * them. `payload` must be readable for BELT_INLINE bytes. */
static inline void belt_offer_small(const struct belt_producer *p, uint32_t ahead, const struct belt_shadow *shadow,
				    struct belt_peer peer, const uint8_t *payload)
{
	uint32_t at = (uint32_t)(p->offered + ahead) & BELT_MASK;

	belt_write_header(p, at, shadow, peer);
	belt_copy(p->belt->slots[at].inl, payload, BELT_INLINE);
}

static inline void belt_offered(struct belt_producer *p, uint32_t count) { p->offered += count; }

/* Hands everything written so far to the worker. Returns the number of entries newly visible. */
static inline uint32_t belt_publish(struct belt_producer *p)
{
	uint32_t fresh = (uint32_t)(p->offered - p->published);
	if (fresh != 0) {
		p->published = p->offered;
		/* release: pairs with the acquire in belt_take() */
		atomic_store_explicit(&p->belt->offered, p->offered, memory_order_release);
	}
	return fresh;
}

/* Reads `done` once. Returns the number of settled entries that wait for belt_reaped(), or -EBADMSG if the word is
 * not one an honest worker can write: the caller fences the worker. */
static inline int belt_settled(const struct belt_producer *p)
{
	/* acquire: pairs with the release of `done` in belt_settle(); verdicts and replies are read after it */
	uint64_t done = atomic_load_explicit(&p->commit->done, memory_order_acquire);
	uint64_t count = done - p->reaped;
	return baton_likely(count <= p->published - p->reaped) ? (int)count : -EBADMSG;
}

/* Where the reply to such an entry stands. */
static inline const uint8_t *belt_cell_at(const struct belt_producer *p, uint32_t at, bool is_long, uint32_t *longs)
{
	return is_long ? p->belt->long_cells[(p->long_tail + (*longs)++) % BELT_LONG_CELLS] : p->belt->medium[at];
}

/* The i-th settled entry: its shadow, verdict word (read once) and the reply's bytes. Asked for in order, once each:
 * *longs counts the long ones since the last belt_reaped(), which is told. */
static inline const struct belt_shadow *belt_settled_at(const struct belt_producer *p, uint32_t i, uint32_t *longs,
							uint32_t *verdict, const uint8_t **reply)
{
	uint32_t at = (uint32_t)(p->reaped + i) & BELT_MASK;
	const struct belt_shadow *shadow = &p->shadow[at];
	enum belt_size size = belt_size(shadow->len); /* the slot says it too, but the worker can write there */

	*verdict = *(const volatile uint32_t *)&p->belt->verdict[at];
	*reply = p->belt->slots[at].inl;
	if (baton_unlikely(size != BELT_SMALL))
		*reply = belt_cell_at(p, at, size == BELT_LONG, longs);
	return shadow;
}

/* Outbound cells that wait: of settled entries and, behind those, of others. Call it after belt_settled(), which has
 * read `done`. Returns -EBADMSG if the word is not one an honest worker can write. */
static inline int belt_out_waiting(const struct belt_producer *p)
{
	/* acquire: pairs with the release of `filled` in belt_settle() */
	uint64_t count = atomic_load_explicit(&p->commit->filled, memory_order_acquire) - p->out_reaped;
	return baton_likely(count <= BELT_OUT_CELLS) ? (int)count : -EBADMSG;
}

static inline const struct belt_out_cell *belt_out_at(const struct belt_producer *p)
{
	return &p->belt->out[p->out_reaped % BELT_OUT_CELLS];
}

/* Lets the worker write the cells again that have been taken since the last call. */
static inline void belt_out_publish(struct belt_producer *p)
{
	/* release: the cells have been read; pairs with the acquire in belt_out_room() */
	atomic_store_explicit(&p->belt->out_taken, p->out_reaped, memory_order_release);
}

/* Gives back `count` slots, `longs` of which had a long cell: as belt_settled_at() has counted. */
static inline void belt_reaped(struct belt_producer *p, uint32_t count, uint32_t longs)
{
	p->reaped += count;
	p->long_tail += longs;
}

/* ---- worker's end: private memory ---- */

struct belt_consumer {
	struct belt *belt;
	struct belt_commit *commit;
	uint64_t done;   /* private copy of commit->done */
	uint64_t filled; /* outbound cells written by entries that ended well, and by the open one */
	uint64_t out_taken; /* as last read */
};

void belt_consumer_init(struct belt_consumer *c, struct belt *belt, struct belt_commit *commit);

/* Entries ready after position done + ahead, at most `max`. */
static inline uint32_t belt_take(const struct belt_consumer *c, uint32_t max)
{
	/* acquire: pairs with the release in belt_publish() */
	uint64_t ready = atomic_load_explicit(&c->belt->offered, memory_order_acquire) - c->done;
	return ready < max ? (uint32_t)ready : max;
}

static inline struct belt_slot *belt_slot_at(const struct belt_consumer *c, uint64_t position)
{
	return &c->belt->slots[position & BELT_MASK];
}

static inline uint8_t *belt_slot_data(const struct belt_consumer *c, struct belt_slot *slot)
{
	if (baton_likely(slot->packet.flags == BELT_SMALL))
		return slot->inl;
	return slot->packet.flags == BELT_LONG ? c->belt->long_cells[slot->packet.cell]
					       : c->belt->medium[slot - c->belt->slots];
}

/* True if `need` outbound cells can be written now. */
static inline bool belt_out_room(struct belt_consumer *c, uint32_t need)
{
	if (baton_likely(c->filled + need - c->out_taken <= BELT_OUT_CELLS))
		return true;
	/* acquire: pairs with belt_out_publish() */
	c->out_taken = atomic_load_explicit(&c->belt->out_taken, memory_order_acquire);
	return c->filled + need - c->out_taken <= BELT_OUT_CELLS;
}

/* The next outbound cell; it is the open entry's once c->filled counts it. */
static inline struct belt_out_cell *belt_out_next(const struct belt_consumer *c)
{
	return &c->belt->out[c->filled % BELT_OUT_CELLS];
}

static inline void belt_verdict(const struct belt_consumer *c, uint64_t position, baton_verdict verdict)
{
	c->belt->verdict[position & BELT_MASK] = verdict;
}

/* The commit: everything before `position` is settled. `filled` first, then `done` (protocol.md R1); the caller
 * stores the journal's used = 0 after it. */
static inline void belt_settle(struct belt_consumer *c, uint64_t position)
{
	if (BATON_SABOTAGE(done_before_filled))
		atomic_store_explicit(&c->commit->done, position, memory_order_release);
	/* release: pairs with the loads at reap, `done` then `filled` */
	atomic_store_explicit(&c->commit->filled, c->filled, memory_order_release);
	BATON_POINT(settle_filled);
	baton_compiler_fence();
	atomic_store_explicit(&c->commit->done, position, memory_order_release);
	BATON_POINT(settle_done);
	c->done = position;
}

#endif
