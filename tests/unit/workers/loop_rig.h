/* The worker's loop with a primary in memory: two belts and a plugin that counts. For test programs of the loop. */
#ifndef BATON_TEST_LOOP_RIG_H
#define BATON_TEST_LOOP_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "fake.h"
#include "loop.h"

#define BELTS   2u
#define BUCKETS 64u
#define TICK_15 4000000000ull /* when tick 15 is; a period is 1 ms */
#define TSC_HZ  1000000000ull /* only its order of size matters */

struct record {
	uint64_t count;
	uint64_t last_time;
	uint64_t chance;
	uint64_t numbers; /* of ticks, one decimal digit each, oldest first */
};

enum what { COUNT, TOO_LONG, NO_VERDICT, TOO_MUCH, SILENT, MALFORMED, RUNT, POST, SEND, POST_TOO_MUCH };
#define MAX_POSTS 3u
#define MAX_SENDS 2u
struct request {
	uint64_t key;
	uint32_t what;
	uint32_t pad;
	uint64_t count; /* reply: how often the key has been counted */
};

static struct loop loop;
static struct state memory;
static struct fake_primary primary[BELTS];
static struct CoreStats *stats;
static struct stats_cycles cycles;
static struct fake_entry pool[BELT_SLOTS];
static uint32_t pooled;
static uint32_t packets_seen, prefetches_seen, ticks_post;

/* ---- a plugin ---- */

static struct record *counter(struct baton_ctx *ctx, uint64_t key)
{
	struct record *record = baton_find(ctx, key);

	return record != NULL ? record : baton_insert(ctx, key);
}

static void prefetch(struct baton_ctx *ctx, const struct baton_packet *packet, const uint8_t *data)
{
	struct request request;

	memcpy(&request, data, sizeof(request));
	baton_prefetch(ctx, packet->bucket, request.key);
	prefetches_seen++;
}

static baton_verdict packet(struct baton_ctx *ctx, const struct baton_packet *p, uint8_t *data)
{
	struct request request;

	packets_seen++;
	memcpy(&request, data, sizeof(request));
	struct record *record = counter(ctx, request.key);
	if (record == NULL || !baton_save(ctx, record, sizeof(*record)))
		return baton_no_reply();
	record->count++;
	record->last_time = ctx->time_ns;
	record->chance = baton_random(ctx);
	request.count = record->count;
	memcpy(data, &request, sizeof(request));
	switch (request.what) {
	case TOO_LONG: return baton_reply((uint16_t)(p->len + 1));
	case NO_VERDICT: return BATON_VERDICT_COUNT;
	case TOO_MUCH:
		for (int i = 0; i < 10; i++)
			if (!baton_save(ctx, record, sizeof(*record)))
				return baton_reply(p->len);
		abort();
	case SILENT: return baton_no_reply();
	case MALFORMED: return baton_drop_malformed();
	case RUNT: return baton_drop_runt();
	case POST: /* as many as the key says, to buckets of the key */
		for (uint32_t i = 0; i < request.pad; i++)
			assert_true(baton_post(ctx, (uint32_t)request.key + i, &request, sizeof(request)));
		return baton_reply(p->len);
	case SEND:
		for (uint32_t i = 0; i <= MAX_SENDS; i++)
			assert_int_equal(baton_send(ctx, ctx->peer, &request, sizeof(request)), i < MAX_SENDS);
		return baton_reply(p->len);
	case POST_TOO_MUCH:
		for (uint32_t i = 0; i <= MAX_POSTS; i++)
			assert_int_equal(baton_post(ctx, 1, &request, sizeof(request)), i < MAX_POSTS);
		return baton_reply(p->len);
	default: return baton_reply(p->len);
	}
}

static void tick(struct baton_ctx *ctx, uint64_t number)
{
	struct record *record = counter(ctx, ctx->bucket);

	assert_non_null(record);
	assert_true(baton_save(ctx, record, sizeof(*record)));
	record->numbers = record->numbers * 10 + number % 10;
	record->last_time = ctx->time_ns;
	record->chance = baton_random(ctx);
	for (uint32_t i = 0; i < ticks_post && ctx->posts > 0; i++)
		assert_true(baton_post(ctx, ctx->bucket, &number, sizeof(number)));
}

/* Counts as a packet does; posts to the bucket after its own if it is told to. */
static void message(struct baton_ctx *ctx, const struct baton_packet *p, const uint8_t *data)
{
	struct request request;

	assert_int_equal(p->len, sizeof(request));
	memcpy(&request, data, sizeof(request));
	struct record *record = counter(ctx, request.key);
	assert_non_null(record);
	assert_true(baton_save(ctx, record, sizeof(*record)));
	record->count++;
	record->last_time = ctx->time_ns;
	for (uint32_t i = 0; i < request.pad; i++)
		assert_int_equal(baton_post(ctx, (ctx->bucket + 1) % BUCKETS, &request, sizeof(request)), i < 1);
}

static const struct baton_plugin plugin = {
	.abi = BATON_PLUGIN_ABI, .size = sizeof(plugin), .name = "test", .version = "1", .key = BATON_KEY_PAYLOAD,
	.key_length = 8, .schema = 1, .record_size = sizeof(struct record), .max_undo_bytes = 240,
	.prefetch = prefetch, .packet = packet, .tick = tick, .message = message, .max_posts = MAX_POSTS,
	.max_sends = MAX_SENDS,
};

/* ---- the rig ---- */

static inline void start_worker(bool busy_poll)
{
	struct belt *belt[BELTS] = {primary[0].belt, primary[1].belt};

	assert_int_equal(txn_bind(&loop.txn, &memory, 0, 0, plugin.max_undo_bytes, 77), 0);
	struct belt_commit *commit = state_control(&memory, 0)->commit;
	assert_int_equal(loop_init(&loop, &plugin, belt, commit, BELTS, BUCKETS, stats, TSC_HZ, busy_poll), 0);
	loop.cycles = &cycles;
}

static inline int set_up(void **state)
{
	(void)state;
	fake_state_create(&memory, BUCKETS, sizeof(struct record), 256, 1, BELTS);
	stats = mmap(NULL, sizeof(*stats), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (uint32_t i = 0; i < BELTS; i++)
		fake_primary_init(&primary[i], &state_control(&memory, 0)->commit[i], i, 0);
	pooled = packets_seen = prefetches_seen = ticks_post = 0;
	memset(&cycles, 0, sizeof(cycles));
	start_worker(false);
	return stats == MAP_FAILED;
}

static inline int tear_down(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < BELTS; i++)
		fake_primary_fini(&primary[i]);
	munmap(stats, sizeof(*stats));
	state_close(&memory);
	return 0;
}

static inline struct fake_entry *offer(uint32_t belt, uint8_t kind, uint16_t bucket, const void *data, uint32_t len)
{
	struct fake_entry *entry = &pool[pooled++ % BELT_SLOTS];

	*entry = (struct fake_entry){.kind = kind, .bucket = bucket, .len = (uint16_t)len, .time_ns = 1000 + pooled};
	if (len > 0)
		memcpy(entry->data, data, len);
	assert_true(fake_offer(&primary[belt], entry));
	return entry;
}

static inline void offer_request(uint32_t belt, uint64_t key, enum what what)
{
	struct request request = {.key = key, .what = what};

	offer(belt, BELT_PACKET, (uint16_t)(key % BUCKETS), &request, sizeof(request));
}

/* Grants or revokes: every bucket whose bit is set in map; UINT64_MAX: by `all`. */
static inline void offer_buckets(uint32_t belt, uint8_t kind, uint64_t map)
{
	uint8_t bytes[sizeof(struct belt_buckets) + 8];
	struct belt_buckets head = {.first = 0, .count = BUCKETS, .all = map == UINT64_MAX};

	memcpy(bytes, &head, sizeof(head));
	memcpy(bytes + sizeof(head), &map, sizeof(map));
	offer(belt, kind, 0, bytes, head.all ? sizeof(head) : sizeof(bytes));
}

static inline void offer_tick(uint32_t belt, uint64_t number, uint32_t group, uint32_t groups)
{
	struct belt_tick t = {
		.number = number, .group = group, .groups = groups, .catch_up = 4,
		.times = {.period_ns = 1000000, .number = 15, .ns = TICK_15, .old_number = 15, .old_ns = TICK_15},
	};

	offer(belt, BELT_TICK, 0, &t, sizeof(t));
}

static inline uint32_t run(void)
{
	uint32_t count, sum = 0;

	while ((count = loop_turn(&loop)) != 0)
		sum += count;
	return sum;
}

static inline struct record read_record(uint32_t bucket, uint64_t key)
{
	struct record record = {.count = 0};

	if (state_read_record(&memory, 0, bucket, key, &record, sizeof(record)) != 0)
		memset(&record, 0, sizeof(record));
	return record;
}

static struct {
	uint32_t count;
	uint32_t verdict[BELT_SLOTS];
	struct request reply[BELT_SLOTS];
	const struct fake_entry *entry[BELT_SLOTS];
} reaped;

static inline void note(void *arg, const struct fake_entry *entry, uint32_t verdict, const uint8_t *reply)
{
	(void)arg;
	reaped.verdict[reaped.count] = verdict;
	reaped.entry[reaped.count] = entry;
	memcpy(&reaped.reply[reaped.count++], reply, sizeof(struct request));
}

static inline uint32_t reap(uint32_t belt)
{
	reaped.count = 0;
	assert_true(fake_reap(&primary[belt], note, NULL) >= 0);
	return reaped.count;
}

static inline uint32_t journal_used(void)
{
	return atomic_load(&state_control(&memory, 0)->journal.used);
}

#endif
