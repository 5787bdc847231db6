/* The Baton plugin SDK: the only header a plugin includes.
 *
 * A plugin is a shared object that exports one `struct baton_plugin` through BATON_PLUGIN(). A worker process loads
 * it and calls `packet` once per datagram. Each call is a transaction: the records it changed (after baton_save), the
 * reply it wrote, the messages it posted and the packets it sent take effect together, or not at all if the worker is
 * killed in between; the same datagram is then handled again, with the same time and the same random numbers, by the
 * next worker.
 *
 * So a handler must depend on nothing but its records, the datagram and ctx: no clock, no rand(), no globals that
 * change, no system calls. docs/sdk.md is the guide. */
#ifndef BATON_SDK_H
#define BATON_SDK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where a test of Baton itself ends a worker; nothing in any other build. */
#ifndef BATON_POINT
#define BATON_POINT(name) ((void)0)
#endif

/* Must equal the ABI of the worker that loads the plugin; checked at load, refused with the fix otherwise. */
#define BATON_PLUGIN_ABI 4u

/* What the handler decided; the reply length, if any, stands in the upper 16 bits. */
typedef uint32_t baton_verdict;
enum {
	BATON_NO_REPLY = 0,       /* handled, nothing to send */
	BATON_REPLY = 1,          /* send the first `len` bytes of data back to the sender */
	BATON_REPLY_ERROR = 2,    /* the same, counted as an error reply (rollout gates watch the ratio) */
	BATON_DROP_MALFORMED = 3, /* not a datagram of this protocol: dropped and counted, unanswered */
	BATON_DROP_RUNT = 4,      /* shorter than its reply would be: dropped and counted, unanswered */
	BATON_DROP_REFUSED = 5,   /* undone by the runtime: needed more undo bytes than the plugin declared */
	BATON_VERDICT_COUNT
};

/* len: bytes of `data` to send, at most the length of the request (else the runtime drops it as malformed). */
static inline baton_verdict baton_reply(uint16_t len) { return BATON_REPLY | (uint32_t)len << 16; }
static inline baton_verdict baton_reply_error(uint16_t len) { return BATON_REPLY_ERROR | (uint32_t)len << 16; }
static inline baton_verdict baton_drop_malformed(void) { return BATON_DROP_MALFORMED; }
static inline baton_verdict baton_drop_runt(void) { return BATON_DROP_RUNT; }
static inline baton_verdict baton_no_reply(void) { return BATON_NO_REPLY; }

/* How to reach a client again: what baton_send() is addressed with. Addresses and ports in network
 * byte order. 16 bytes, fit to be stored in a record. */
struct baton_peer {
	uint32_t ip;
	uint16_t udp_port;
	uint16_t vlan; /* identifier in the low 12 bits, 0: untagged; the others are the runtime's own */
	uint8_t mac[6];
	uint8_t port;    /* index of the Baton port the packet came in by */
	uint8_t service; /* index of the service */
};

/* One datagram or message as the worker sees it: the first 16 bytes of a belt slot. Read-only for plugins. */
struct baton_packet {
	uint16_t len; /* bytes of UDP payload, or of the message */
	uint8_t kind; /* runtime's own */
	uint8_t flags; /* runtime's own */
	uint16_t bucket;
	uint16_t cell; /* runtime's own */
	uint64_t time_ns; /* nanoseconds since the UNIX epoch: of a datagram its receive time, of a message the time when
	                   * what posted it was settled; the same when handled again */
};

/* In front of every record; written by the runtime only. Readers in other processes use `seq` as a seqlock. */
struct baton_record {
	uint64_t key;
	uint32_t seq;   /* odd while a transaction changes the record */
	uint32_t state; /* enum baton_record_state */
};
enum baton_record_state { BATON_RECORD_EMPTY = 0, BATON_RECORD_USED = 1, BATON_RECORD_GONE = 2 };

/* Undo journal entry header, followed by `len` bytes, padded to 8. */
struct baton_undo {
	uint32_t len;
	uint32_t prev; /* journal offset of the undo record before this one; 0xffffffff: none */
	uint64_t offset; /* from the start of the group's records; the top bit is the runtime's own */
};

/* What one transaction may have sent beside its reply: limits of what a plugin may declare. */
#define BATON_POSTS_MOST   4u   /* messages of a packet, or of all ticks in one entry; a message posts at most one */
#define BATON_SENDS_MOST   32u  /* packets */
#define BATON_MESSAGE_MOST 112u /* bytes of a message */
#define BATON_SEND_MOST    1472u /* bytes of a packet's payload; the port's MTU may allow less */

/* The worker's side of a transaction. Plugins read time_ns, bucket, buckets, worker, user, peer, posts and sends; the
 * rest belongs to the runtime and stands here so that the calls below can be inlined. */
struct baton_ctx {
	uint64_t time_ns; /* time of the entry being handled */
	uint64_t seed;    /* advanced by baton_random() */
	uint32_t bucket;  /* bucket of the entry being handled: only its records may be touched */
	uint32_t worker;  /* worker slot, for logs only */
	void *user;       /* the plugin's own, for what init built; must not change afterwards */
	const struct baton_peer *peer; /* who sent the datagram; valid during packet() only, copy what you keep */
	uint32_t posts, sends; /* what this entry may still post and send */

	uint32_t buckets; /* of the service; a power of two */
	uint32_t pad;
	void *outbox; /* where they go */

	/* records of this group: a sub-table of bucket_slots records of stride bytes for every bucket */
	uint8_t *records;
	uint64_t records_bytes;
	uint64_t bucket_bytes;
	uint32_t bucket_slots; /* a power of two */
	uint32_t stride;       /* a power of two, at least 64; records and bucket_bytes are multiples of it */
	uint32_t record_size; /* plugin's bytes of a record; stride >= record_size + sizeof(struct baton_record) */
	uint32_t table_full;  /* inserts refused because the bucket was full, ever */

	/* journal of the open burst */
	uint8_t *journal;         /* first undo record */
	uint32_t *journal_used;   /* published count of journal bytes, in the control block */
	uint32_t used;            /* private copy of *journal_used */
	uint32_t limit;           /* bytes this entry may reach; beyond: overflow */
	uint32_t last;            /* offset of the last undo record; 0xffffffff: none */
	uint32_t overflow;        /* set when the entry needed more than max_undo_bytes: it will be undone */
};

#define baton_sdk_fence() __asm__ __volatile__("" ::: "memory")

/* Call before changing [ptr, ptr + len) of one record of ctx->bucket; several times per entry is fine. The old bytes go
 * to the undo journal, and the record's sequence word becomes odd until the entry ends.
 * Returns false if the entry now exceeds the plugin's max_undo_bytes or the bytes are not inside one record of the
 * bucket: return any verdict then; the runtime undoes the entry, drops it and counts it. The change itself must not be
 * made. */
bool baton_save_refused(struct baton_ctx *ctx, const void *ptr, uint32_t len);
static inline __attribute__((always_inline)) bool baton_save(struct baton_ctx *ctx, const void *ptr, uint32_t len)
{
	uint64_t offset = (uint64_t)((const uint8_t *)ptr - ctx->records);
	uint64_t in_bucket = offset - ctx->bucket * ctx->bucket_bytes;
	uint32_t in_record = (uint32_t)offset & (ctx->stride - 1);
	uint32_t need = (uint32_t)sizeof(struct baton_undo) + ((len + 7u) & ~7u);
	uint32_t used = ctx->used;

	if (__builtin_expect(in_bucket >= ctx->bucket_bytes || len > ctx->stride - in_record ||
				 need > ctx->limit - used, 0)) {
		baton_save_refused(ctx, ptr, len);
		return false; /* a constant, so that nothing of the caller's must survive the call */
	}
	/* all addresses before the first fence: after one, everything is loaded again */
	struct baton_undo *undo = (struct baton_undo *)(void *)(ctx->journal + used);
	struct baton_record *record = (struct baton_record *)(void *)((uint8_t *)(uintptr_t)ptr - in_record);
	volatile uint32_t *published = ctx->journal_used;
	undo->len = len;
	undo->prev = ctx->last;
	undo->offset = offset;
	memcpy(undo + 1, ptr, len);
	ctx->last = used;
	used += need;
	ctx->used = used;
	BATON_POINT(undo_written);
	baton_sdk_fence(); /* the undo record must be whole before it counts */
	*published = used;
	BATON_POINT(undo_counted);
	baton_sdk_fence(); /* and must count before the caller changes the bytes */
	*(volatile uint32_t *)&record->seq |= 1u;
	baton_sdk_fence();
	return true;
}

/* The first place where `key` of the entry's bucket can stand: its record if it does, NULL if not. */
static inline void *baton_find_first(struct baton_ctx *ctx, uint64_t key)
{
	uint32_t at = (uint32_t)((key * 0x9e3779b97f4a7c15ull) >> 32) & (ctx->bucket_slots - 1);
	struct baton_record *record = (struct baton_record *)(void *)
	    (ctx->records + ctx->bucket * ctx->bucket_bytes + (size_t)at * ctx->stride);

	return __builtin_expect(record->key == key && record->state == BATON_RECORD_USED, 1) ? record + 1 : NULL;
}

/* Looks up `key` in the bucket of the entry being handled. Returns the plugin's bytes of the record, or NULL. */
static inline void *baton_find(struct baton_ctx *ctx, uint64_t key)
{
	uint8_t *base = ctx->records + ctx->bucket * ctx->bucket_bytes;
	uint32_t mask = ctx->bucket_slots - 1;
	uint32_t at = (uint32_t)((key * 0x9e3779b97f4a7c15ull) >> 32);

	for (uint32_t i = 0; i <= mask; i++) {
		struct baton_record *record = (struct baton_record *)(void *)(base + (size_t)((at + i) & mask) * ctx->stride);
		if (record->state == BATON_RECORD_EMPTY)
			return NULL;
		if (record->key == key && record->state == BATON_RECORD_USED)
			return record + 1;
	}
	return NULL;
}

/* For a plugin's prefetch(): starts to load the record where `key` most likely stands, its first 128 bytes. */
static inline void baton_prefetch(const struct baton_ctx *ctx, uint32_t bucket, uint64_t key)
{
	uint32_t at = (uint32_t)((key * 0x9e3779b97f4a7c15ull) >> 32) & (ctx->bucket_slots - 1);
	const uint8_t *record = ctx->records + bucket * ctx->bucket_bytes + (size_t)at * ctx->stride;

	__builtin_prefetch(record, 1);
	if (ctx->stride > 64)
		__builtin_prefetch(record + 64, 1);
}

/* Inserts `key`, zero-filled, in the bucket of the entry; the record is already saved for the whole of its length.
 * Returns the plugin's bytes, or NULL if the bucket is full (counted) or the undo bytes are spent. `key` must be
 * absent. Takes 32 + record_size undo bytes, rounded up to 8. */
void *baton_insert(struct baton_ctx *ctx, uint64_t key);

/* Removes a record found in this bucket; its bytes stay readable until the entry ends. Returns false as baton_save
 * does. Takes at most BATON_UNDO_REMOVE undo bytes. */
#define BATON_UNDO_REMOVE 72u
bool baton_remove(struct baton_ctx *ctx, void *data);

/* Walks the used records of the entry's bucket: start with *iter = 0; NULL ends it. */
void *baton_next(struct baton_ctx *ctx, uint32_t *iter, uint64_t *key);

/* A random number that is the same when the entry is handled again. (splitmix64, Steele, Lea, Flood 2014.) */
static inline uint64_t baton_random(struct baton_ctx *ctx)
{
	uint64_t z = (ctx->seed += 0x9e3779b97f4a7c15ull);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* The bucket of a steering key, for plugins whose key is in the payload: `key` is its bytes as a little-endian number,
 * as it is in baton_find() by convention. */
uint32_t baton_bucket(const struct baton_ctx *ctx, uint64_t key);

/* Posts `len` bytes (1 to BATON_MESSAGE_MOST) to a bucket of this service, this one or another: once the entry is
 * settled its owner gets them, exactly once, through message(). Messages are not ordered among each other. Returns
 * false if the plugin's max_posts are spent (of a tick: see ctx->posts), or len or bucket are out of range: return any
 * verdict then; the runtime undoes the entry, drops it and counts it. */
bool baton_post(struct baton_ctx *ctx, uint32_t bucket, const void *data, uint32_t len);

/* Sends `len` bytes (1 to BATON_SEND_MOST) to a client, from the service's address and port, once the entry is settled;
 * not a reply, and after the reply if there is one. May be lost like any datagram; sent once unless the primary dies.
 * Returns false if the plugin's max_sends are spent or len is out of range: nothing will be sent, the entry goes on. */
bool baton_send(struct baton_ctx *ctx, const struct baton_peer *to, const void *data, uint32_t len);

/* A line in the primary's log, prefixed with the worker's name. For init only: a handler that logs is slow, and of what
 * it says beyond 100 lines and 10 a second only the number is logged. */
void baton_log(struct baton_ctx *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* One `key: value` of the group's `settings:` in the configuration, as text; NULL if absent. For init only. */
const char *baton_setting(struct baton_ctx *ctx, const char *key);

/* For digest() alone: names a value of the reply. name: up to 23 characters; at most 32 fields. */
struct baton_digest;
void baton_field(struct baton_digest *digest, const char *name, int64_t value);
void baton_field_real(struct baton_digest *digest, const char *name, double value);

/* What steers a datagram to a bucket. */
enum baton_key {
	BATON_KEY_FLOW = 1,    /* addresses and ports */
	BATON_KEY_PAYLOAD = 2, /* key_length bytes at key_offset of the payload: survives a change of address */
};

/* A schema that the plugin has left behind and still knows: how a record looked in it. */
struct baton_older {
	uint32_t schema;      /* below the plugin's own, 1 to BATON_SCHEMA_MOST */
	uint32_t record_size; /* bytes of a record in it */
	uint32_t down;        /* 1: down() can convert back to it */
};
#define BATON_SCHEMA_MOST 65534u
#define BATON_OLDER_MOST  16u

struct baton_plugin {
	uint32_t abi;  /* BATON_PLUGIN_ABI */
	uint32_t size; /* sizeof(struct baton_plugin) */
	const char *name;
	const char *version;

	uint32_t key; /* enum baton_key */
	uint16_t key_offset;
	uint16_t key_length; /* 1 to 8 */

	uint32_t schema;         /* raised when the layout of a record changes */
	uint32_t record_size;    /* bytes of one record, 0: keeps no state */
	uint32_t max_undo_bytes; /* most bytes one entry saves, each save rounded up to 8 plus 16; 0: saves nothing */
	uint32_t max_posts; /* most messages one entry posts, up to BATON_POSTS_MOST */
	uint32_t max_sends; /* most packets one packet, message or tick of one bucket sends, up to BATON_SENDS_MOST */

	/* Once per process, before any entry. Returns 0, or -errno to refuse to start (say why with baton_log). May be
	 * NULL. */
	int (*init)(struct baton_ctx *ctx);
	/* Called a few entries ahead of `packet` so that the record's lines arrive in time; must have no effect. May be
	 * NULL. */
	void (*prefetch)(struct baton_ctx *ctx, const struct baton_packet *packet, const uint8_t *data);
	/* One datagram: packet->len bytes at data; the reply, if any, is written over them and is never longer. */
	baton_verdict (*packet)(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data);
	/* Tick `number` for ctx->bucket, each number once per bucket and in order. May be NULL. */
	void (*tick)(struct baton_ctx *ctx, uint64_t number);
	/* One message for ctx->bucket: message->len bytes at data, as posted. May be NULL if nothing is posted. */
	void (*message)(struct baton_ctx *ctx, const struct baton_packet *message, const uint8_t *data);

	/* 1: may run as a shadow, in which everything it does is done to a copy of the records, compared and forgotten: it
	 * has no effect but on its records, its reply and what it posts and sends. 0: it opens files, talks to others,
	 * ... */
	uint32_t shadow;
	/* What of a reply matters, field by field (baton_field()), for a shadow's comparison: two replies that differ in
	 * bytes are alike if all their fields are. `len` bytes at `reply`, of this version or another: check them. Must
	 * have no effect and depend on nothing else. May be NULL: bytes are compared. */
	void (*digest)(struct baton_digest *digest, const uint8_t *reply, uint32_t len);
	/* Older schemas that migrate() takes records from: `olders` of them. A group's buckets change their schema one by
	 * one, each when a worker of another schema handles its first entry; the runtime saves, counts and commits, the
	 * callbacks only convert. */
	const struct baton_older *older;
	uint32_t olders;
	/* Converts one record in place from schema `from`: its older record_size bytes stand in front, zeroes up to the
	 * plugin's own. Nothing may be saved, inserted, posted or sent. Returns false if that cannot be done, which ends
	 * the worker: what it had converted of the bucket is undone, and the version is rolled back. */
	bool (*migrate)(struct baton_ctx *ctx, uint64_t key, void *record, uint32_t from);
	/* The way back, to a schema whose `down` is 1, before the bucket goes to a worker of that schema. Without one the
	 * step to this version is one way. */
	bool (*down)(struct baton_ctx *ctx, uint64_t key, void *record, uint32_t to);
};

/* Exports the descriptor under the name the loader looks for. */
#define BATON_PLUGIN_SYMBOL "baton_plugin_descriptor"
#define BATON_PLUGIN(...) \
	const struct baton_plugin baton_plugin_descriptor = { \
		.abi = BATON_PLUGIN_ABI, .size = sizeof(struct baton_plugin), __VA_ARGS__ }
extern const struct baton_plugin baton_plugin_descriptor __attribute__((visibility("default")));

/* What a plugin may say of its records beside: `batonctl state verify` asks it about each one, in a process of its own
 * and never in a worker. ctx has bucket, buckets and baton_bucket(); there is nothing to find, save or post. Returns
 * NULL if such a record may stand there, else what is wrong in a few words. A plugin without one is one of which only
 * the tables are looked at. */
struct baton_verify {
	uint32_t size; /* sizeof(struct baton_verify) */
	const char *(*record)(struct baton_ctx *ctx, uint64_t key, const void *data);
};
#define BATON_VERIFY_SYMBOL "baton_plugin_verify"
#define BATON_VERIFY(function) \
	const struct baton_verify baton_plugin_verify = { .size = sizeof(struct baton_verify), .record = (function) }
extern const struct baton_verify baton_plugin_verify __attribute__((visibility("default")));

#ifdef __cplusplus
}
#endif
#endif
