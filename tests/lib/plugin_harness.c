/* The transaction check around a plugin's callbacks. */
#include "plugin_harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SETTINGS 16u

static struct {
	const char *key, *value;
} settings[SETTINGS];
static char last_log[1024];
static const struct baton_peer nobody; /* who sends, unless the test says so in ctx.peer */

const char *baton_setting(struct baton_ctx *ctx, const char *key)
{
	(void)ctx;
	for (uint32_t i = 0; i < SETTINGS && settings[i].key != NULL; i++)
		if (strcmp(settings[i].key, key) == 0)
			return settings[i].value;
	return NULL;
}

void baton_log(struct baton_ctx *ctx, const char *format, ...)
{
	va_list args;

	(void)ctx;
	va_start(args, format);
	vsnprintf(last_log, sizeof(last_log), format, args);
	va_end(args);
}

void harness_setting(const char *key, const char *value)
{
	uint32_t i = 0;

	while (i < SETTINGS && settings[i].key != NULL && strcmp(settings[i].key, key) != 0)
		i++;
	assert_true(i < SETTINGS);
	settings[i].key = key;
	settings[i].value = value;
}

const char *harness_log(void)
{
	return last_log;
}

static void *need(size_t bytes)
{
	void *memory = NULL;

	bytes = (bytes + 63u) & ~(size_t)63u;
	if (posix_memalign(&memory, 64, bytes != 0 ? bytes : 64) != 0)
		fail_msg("no memory for the plugin's records");
	memset(memory, 0, bytes);
	return memory;
}

void harness_create(struct plugin_harness *h, const struct baton_plugin *plugin, uint32_t buckets,
		    uint32_t bucket_slots)
{
	uint32_t stride = 64;

	memset(settings, 0, sizeof(settings));
	last_log[0] = '\0';
	while (stride < plugin->record_size + sizeof(struct baton_record))
		stride *= 2;
	*h = (struct plugin_harness){ .plugin = plugin, .buckets = buckets };
	struct baton_ctx *ctx = &h->ctx;
	ctx->bucket_slots = bucket_slots;
	ctx->stride = stride;
	ctx->record_size = plugin->record_size;
	ctx->bucket_bytes = (uint64_t)stride * bucket_slots;
	ctx->records_bytes = ctx->bucket_bytes * buckets;
	ctx->records = need(ctx->records_bytes);
	h->before = need(ctx->records_bytes);
	h->after = need(ctx->records_bytes);
	h->journal = need(sizeof(*h->journal));
	ctx->journal = h->journal->records;
	ctx->journal_used = (uint32_t *)&h->journal->used;
	ctx->last = JOURNAL_NONE;
	h->ctx.peer = &nobody;
}

void harness_destroy(struct plugin_harness *h)
{
	free(h->ctx.records);
	free(h->before);
	free(h->after);
	free(h->journal);
	*h = (struct plugin_harness){ 0 };
}

int harness_init(struct plugin_harness *h)
{
	return h->plugin->init != NULL ? h->plugin->init(&h->ctx) : 0;
}

/* Copies the records with all sequence words 0: those count readers' generations and are never restored. */
static void snapshot(const struct plugin_harness *h, uint8_t *to)
{
	memcpy(to, h->ctx.records, h->ctx.records_bytes);
	for (uint64_t at = 0; at < h->ctx.records_bytes; at += h->ctx.stride)
		((struct baton_record *)(void *)(to + at))->seq = 0;
}

#define SEQ_AT  offsetof(struct baton_record, seq)
#define SEQ_END (SEQ_AT + sizeof(uint32_t))

static void expect_records(const struct plugin_harness *h, const uint8_t *want, const char *what)
{
	for (uint64_t at = 0; at < h->ctx.records_bytes; at += h->ctx.stride) {
		const uint8_t *is = h->ctx.records + at, *was = want + at;
		if (memcmp(is, was, SEQ_AT) == 0 && memcmp(is + SEQ_END, was + SEQ_END, h->ctx.stride - SEQ_END) == 0)
			continue;
		uint32_t byte = 0;
		while (is[byte] == was[byte] || (byte >= SEQ_AT && byte < SEQ_END))
			byte++;
		fail_msg("%s: bucket %llu, byte %u of a record (its header included) is %u, not %u", what,
			 (unsigned long long)(at / h->ctx.bucket_bytes), byte, is[byte], was[byte]);
	}
}

struct call {
	const struct baton_packet *packet; /* NULL: a tick */
	uint8_t *data;
	uint64_t number;
};

static baton_verdict run(struct plugin_harness *h, const struct call *call, uint64_t seed)
{
	struct baton_ctx *ctx = &h->ctx;

	ctx->seed = seed;
	ctx->overflow = 0;
	ctx->used = 0;
	ctx->last = JOURNAL_NONE;
	*ctx->journal_used = 0;
	ctx->limit = h->plugin->max_undo_bytes;
	if (call->packet == NULL) {
		h->plugin->tick(ctx, call->number);
		return BATON_NO_REPLY;
	}
	if (h->plugin->prefetch != NULL)
		h->plugin->prefetch(ctx, call->packet, call->data);
	return h->plugin->packet(ctx, call->packet, call->data);
}

static baton_verdict transact(struct plugin_harness *h, const struct call *call)
{
	uint8_t request[2048], reply[2048];
	uint16_t len = call->packet != NULL ? call->packet->len : 0;
	uint64_t seed = h->ctx.time_ns * 31 + h->ctx.bucket;
	uint32_t full = h->ctx.table_full;

	assert_true(len <= sizeof(request) && h->ctx.bucket < h->buckets);
	if (len != 0)
		memcpy(request, call->data, len);
	snapshot(h, h->before);
	baton_verdict first = run(h, call, seed);
	if (h->ctx.overflow) {
		journal_undo_to(&h->ctx, 0);
		expect_records(h, h->before, "undone for want of undo bytes, but not as it was before");
		h->undone++;
		return BATON_DROP_REFUSED;
	}
	if (len != 0)
		memcpy(reply, call->data, len);
	snapshot(h, h->after);
	for (uint64_t at = 0; at < h->ctx.records_bytes; at += h->ctx.bucket_bytes)
		if (at / h->ctx.bucket_bytes != h->ctx.bucket)
			assert_memory_equal(h->before + at, h->after + at, h->ctx.bucket_bytes);
	h->undo_bytes = h->ctx.used;

	journal_undo_to(&h->ctx, 0);
	expect_records(h, h->before, "changed without baton_save");
	if (len != 0)
		memcpy(call->data, request, len);
	h->ctx.table_full = full;
	baton_verdict second = run(h, call, seed);
	assert_int_equal(first, second);
	expect_records(h, h->after, "handled again, the outcome differs");
	if (len != 0)
		assert_memory_equal(call->data, reply, len);
	journal_end_entry(&h->ctx, 0);
	for (uint64_t at = 0; at < h->ctx.records_bytes; at += h->ctx.stride)
		assert_int_equal(((struct baton_record *)(void *)(h->ctx.records + at))->seq & 1u, 0);
	assert_true((first >> 16) <= len);
	return first;
}

baton_verdict harness_packet(struct plugin_harness *h, const struct baton_packet *packet, uint8_t *data)
{
	h->ctx.time_ns = packet->time_ns;
	h->ctx.bucket = packet->bucket;
	return transact(h, &(struct call){ .packet = packet, .data = data });
}

void harness_tick(struct plugin_harness *h, uint32_t bucket, uint64_t number, uint64_t time_ns)
{
	h->ctx.time_ns = time_ns;
	h->ctx.bucket = bucket;
	transact(h, &(struct call){ .number = number });
}

const void *harness_record(struct plugin_harness *h, uint32_t bucket, uint64_t key)
{
	h->ctx.bucket = bucket;
	return baton_find(&h->ctx, key);
}

uint32_t harness_records(struct plugin_harness *h, uint32_t bucket)
{
	uint32_t count = 0, iter = 0;
	uint64_t key;

	h->ctx.bucket = bucket;
	while (baton_next(&h->ctx, &iter, &key) != NULL)
		count++;
	return count;
}
