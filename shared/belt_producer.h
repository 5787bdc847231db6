/* The primary's end of a belt (belt.h): offers, publishes, reaps. Private memory of the one I/O lcore that owns it. */
#ifndef BATON_SHARED_BELT_PRODUCER_H
#define BATON_SHARED_BELT_PRODUCER_H

#include "belt.h"

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

#endif
