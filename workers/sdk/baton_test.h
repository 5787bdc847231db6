/* Unit tests of plugins with cmocka: a plugin's callbacks run over plain memory, without root, hugepages or DPDK.
 *
 *	static void a_player_is_counted(void **state)
 *	{
 *		struct baton_test t;
 *
 *		baton_test_create(&t, &baton_plugin_descriptor, 16, 64);
 *		assert_int_equal(baton_test_init(&t), 0);
 *		const struct baton_test_reply *r = baton_test_send(&t, "hello", 5);
 *		assert_int_equal(r->verdict, baton_reply(5));
 *		assert_memory_equal(r->data, "HELLO", 5);
 *		baton_test_destroy(&t);
 *	}
 *
 * Link the test with the plugin's own objects, or load the finished FILE.so by baton_test_load(); then with what
 * `pkg-config --libs baton-plugin` says.
 *
 * Every call is checked (verify mode): it is run, undone from the journal, compared with what was before, run again and
 * compared with the first run. A change that was not saved, a touch of another bucket, a write behind packet->len, a
 * reply longer than its request, a result that depends on anything but its inputs, a crash: each fails the test with
 * one line that names the plugin, the entry and the offset.
 *
 * One struct baton_test at a time in a process; it must stay where it is. */
#ifndef BATON_SDK_TEST_H
#define BATON_SDK_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "baton.h"

#ifdef __cplusplus
extern "C" {
#endif

struct baton_test_inside; /* the library's own */

struct baton_test {
	const struct baton_plugin *plugin;
	/* What callbacks are handed. A test may point ctx.peer at who sends; the rest is read-only. */
	struct baton_ctx ctx;
	uint32_t buckets;
	uint64_t time_ns;    /* the clock: set it, or baton_test_advance() it; a datagram takes one ns */
	uint32_t undo_bytes; /* journal bytes that the last call took */
	uint32_t undone;     /* calls that were undone for needing more than max_undo_bytes */
	bool keep_findings;  /* true: what verify mode finds does not fail the test, baton_test_finding() has it */
	struct baton_test_inside *inside;
};

/* What became of a datagram. */
struct baton_test_reply {
	baton_verdict verdict; /* as returned, BATON_DROP_REFUSED if it was undone */
	uint16_t len;          /* bytes that go back to the sender; 0 also if nothing does */
	uint8_t data[2048];
};

/* ---- set up ---- */

/* Empty records, bucket_slots per bucket; both numbers are powers of two. The clock stands at 2023-11-14 22:13:20 UTC.
 * Does not call the plugin's init. Fails the test if memory is short. */
void baton_test_create(struct baton_test *t, const struct baton_plugin *plugin, uint32_t buckets,
		       uint32_t bucket_slots);
/* The same with the plugin in a shared object, as the worker will have it; its variables are watched then, too: a call
 * must not change them. Fails the test if it cannot be loaded. */
void baton_test_load(struct baton_test *t, const char *file, uint32_t buckets, uint32_t bucket_slots);
void baton_test_destroy(struct baton_test *t);

/* What baton_setting() answers from now on; value NULL: absent. Strings are not copied. */
void baton_test_setting(struct baton_test *t, const char *key, const char *value);
/* The last line given to baton_log(), "" if none. */
const char *baton_test_log(const struct baton_test *t);
/* Calls the plugin's init and returns what it returned, 0 if it has none. */
int baton_test_init(struct baton_test *t);

/* ---- entries ---- */

/* A datagram of ctx.peer, steered by the plugin's key, at the clock's time. The reply is valid until the next one.
 * Fails the test if it is too short for the plugin's key: no worker would see it. */
#define baton_test_send(t, data, len) baton_test_send_at((t), (data), (uint16_t)(len), __FILE__, __LINE__)
const struct baton_test_reply *baton_test_send_at(struct baton_test *t, const void *data, uint16_t len,
						  const char *file, int line);
/* The same with everything said by the caller: packet->bucket, len and time_ns. The reply is written over data, which
 * has packet->len bytes. */
#define baton_test_packet(t, packet, data) baton_test_packet_at((t), (packet), (data), __FILE__, __LINE__)
baton_verdict baton_test_packet_at(struct baton_test *t, const struct baton_packet *packet, uint8_t *data,
				   const char *file, int line);
/* The next tick of one bucket (numbers start with 1), at the clock's time; of all of them. */
#define baton_test_tick(t, bucket) baton_test_tick_at((t), (bucket), 0, (t)->time_ns, __FILE__, __LINE__)
#define baton_test_tick_all(t)                                                                                         \
	do {                                                                                                           \
		for (uint32_t baton_test_b = 0; baton_test_b < (t)->buckets; baton_test_b++)                           \
			baton_test_tick((t), baton_test_b);                                                            \
	} while (0)
/* Tick `number` (0: the next) at a time of its own. */
void baton_test_tick_at(struct baton_test *t, uint32_t bucket, uint64_t number, uint64_t time_ns, const char *file,
			int line);
static inline void baton_test_advance(struct baton_test *t, uint64_t ns) { t->time_ns += ns; }

/* ---- messages and packets ---- */

/* What the last call posted or sent, beside its reply. */
struct baton_test_out {
	bool is_packet;         /* baton_send(), else baton_post() */
	uint32_t bucket;        /* of a message */
	struct baton_peer peer; /* of a packet */
	uint16_t len;
	const uint8_t *data; /* valid until the next call */
};
uint32_t baton_test_outs(const struct baton_test *t);
struct baton_test_out baton_test_out(const struct baton_test *t, uint32_t nth);
/* A message for a bucket, at the clock's time, as its owner would get it. What a call posts goes nowhere by itself: the
 * test says when it arrives, how often, or never. */
#define baton_test_message(t, bucket, data, len) \
	baton_test_message_at((t), (bucket), (data), (uint16_t)(len), __FILE__, __LINE__)
void baton_test_message_at(struct baton_test *t, uint32_t bucket, const void *data, uint16_t len, const char *file,
			   int line);

/* ---- kills ---- */

/* A datagram whose worker is killed after its first machine instruction; again after two, and so on to its end: each
 * time the records are rolled back as the primary does it, and must be as they were. Of calls longer than about 600
 * instructions, that many points, evenly spread. Nothing is changed in the end: send it afterwards. Returns the number
 * of kills. Linked plugins run as they were compiled for the test, loaded ones as they are. */
#define baton_test_kill(t, data, len) baton_test_kill_at((t), (data), (uint16_t)(len), __FILE__, __LINE__)
uint32_t baton_test_kill_at(struct baton_test *t, const void *data, uint16_t len, const char *file, int line);
/* The same with the next tick of a bucket. */
#define baton_test_kill_tick(t, bucket) baton_test_kill_tick_at((t), (bucket), __FILE__, __LINE__)
uint32_t baton_test_kill_tick_at(struct baton_test *t, uint32_t bucket, const char *file, int line);

/* ---- looking ---- */

/* The bucket that a datagram of ctx.peer goes to; -1: too short for the plugin's key. */
int32_t baton_test_bucket(const struct baton_test *t, const void *data, uint16_t len);
/* A key's record in a bucket, NULL if absent; how many records a bucket has. */
const void *baton_test_record(struct baton_test *t, uint32_t bucket, uint64_t key);
uint32_t baton_test_records(struct baton_test *t, uint32_t bucket);
/* What verify mode found in the last call, NULL if nothing. */
const char *baton_test_finding(const struct baton_test *t);

#ifdef __cplusplus
}
#endif
#endif
