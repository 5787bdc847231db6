/* Plugins in plain memory. */
#include "sandbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hash.h"

static void *zeroed(size_t bytes)
{
	void *memory = NULL;

	bytes = (bytes + 63u) & ~(size_t)63u;
	if (posix_memalign(&memory, 64, bytes != 0 ? bytes : 64) != 0)
		return NULL;
	memset(memory, 0, bytes);
	return memory;
}

/* Of many buckets few are touched. */
static void *pages(size_t bytes)
{
	void *memory =
	    mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static uint32_t stride_of(const struct baton_plugin *plugin)
{
	uint32_t stride = 64;

	while (stride < plugin->record_size + sizeof(struct baton_record))
		stride *= 2;
	return stride;
}

int sandbox_create(struct sandbox *s, const struct baton_plugin *plugin, struct baton_ctx *ctx, uint32_t buckets,
		   uint32_t bucket_slots, bool statics)
{
	return sandbox_create_wide(s, plugin, ctx, buckets, bucket_slots, stride_of(plugin), statics);
}

int sandbox_create_wide(struct sandbox *s, const struct baton_plugin *plugin, struct baton_ctx *ctx, uint32_t buckets,
			uint32_t bucket_slots, uint32_t stride, bool statics)
{
	static const struct baton_peer nobody;

	if (stride < stride_of(plugin))
		return -ERANGE;
	if (buckets == 0 || (buckets & (buckets - 1)) != 0 || buckets > BATON_MAX_BUCKETS || bucket_slots == 0 ||
	    (bucket_slots & (bucket_slots - 1)) != 0)
		return -EINVAL;
	if (plugin->record_size == 0)
		bucket_slots = 1; /* the one empty record that stands in for all of them (state_bind()) */
	*s = (struct sandbox){.plugin = plugin, .ctx = ctx, .buckets = buckets};
	s->bytes = (size_t)stride * bucket_slots * (plugin->record_size != 0 ? buckets : 1);
	s->records = pages(s->bytes);
	s->journal = zeroed(sizeof(*s->journal));
	s->belt = zeroed(sizeof(*s->belt));
	if (s->records == NULL || s->journal == NULL || s->belt == NULL) {
		sandbox_destroy(s);
		return -ENOMEM;
	}
	*ctx = (struct baton_ctx){
		.records = s->records, .stride = stride, .record_size = plugin->record_size,
		.bucket_slots = bucket_slots, .journal = s->journal->records, .last = JOURNAL_NONE, .peer = &nobody,
		.buckets = buckets, .outbox = &s->outbox,
	};
	s->consumer = (struct belt_consumer){.belt = s->belt, .commit = &s->commit};
	s->outbox = (struct outbox){.consumer = &s->consumer, .cause = &s->position};
	ctx->journal_used = (uint32_t *)(uintptr_t)&s->journal->used;
	if (plugin->record_size != 0) {
		ctx->bucket_bytes = (uint64_t)stride * bucket_slots;
		ctx->records_bytes = s->bytes;
	}
	int rc = verify_create(&s->verify, plugin, ctx, statics);
	const struct verify_outbox box = outbox_of(&s->outbox);
	if (rc != 0)
		sandbox_destroy(s);
	else
		verify_set_outbox(s->verify, &box);
	return rc;
}

void sandbox_destroy(struct sandbox *s)
{
	verify_destroy(s->verify);
	if (s->records != NULL)
		munmap(s->records, s->bytes);
	free(s->journal);
	free(s->belt);
	*s = (struct sandbox){.records = NULL};
}

int32_t sandbox_bucket(const struct sandbox *s, const struct baton_peer *peer, const uint8_t *data, uint32_t len)
{
	const struct baton_plugin *p = s->plugin;
	uint64_t key = (uint64_t)peer->ip << 16 | peer->udp_port;

	if (p->key == BATON_KEY_PAYLOAD) {
		if (len < (uint32_t)p->key_offset + p->key_length)
			return -1;
		key = hash_key_bytes(data + p->key_offset, p->key_length);
	}
	return (int32_t)(hash_key(key, 0) & (s->buckets - 1));
}

void sandbox_begin(struct sandbox *s, uint32_t bucket, uint64_t time_ns, uint64_t number)
{
	struct baton_ctx *ctx = s->ctx;

	journal_open(s->journal, ctx, 0, s->position);
	ctx->bucket = bucket;
	ctx->time_ns = time_ns;
	ctx->seed = number * 31 + bucket;
	ctx->overflow = 0;
	ctx->posts = s->plugin->max_posts;
	ctx->sends = s->plugin->max_sends;
	s->out_first = s->consumer.filled;
	ctx->limit = (s->plugin->max_undo_bytes + 7u) & ~7u;
}

int sandbox_run(struct sandbox *s, struct verify_call *call, uint32_t bucket, uint64_t time_ns, baton_verdict *verdict)
{
	struct baton_ctx *ctx = s->ctx;

	sandbox_begin(s, bucket, time_ns, call->kind == VERIFY_TICK ? call->number : time_ns);
	if (call->kind == VERIFY_MESSAGE && ctx->posts > 1)
		ctx->posts = 1;
	call->position = s->position;
	int rc = verify_run(s->verify, ctx, call, verdict);
	if (rc != 0)
		return rc;
	s->undo_bytes = ctx->used;
	if (ctx->overflow) {
		journal_undo_to(ctx, 0);
		s->consumer.filled = s->out_first;
		ctx->overflow = 0;
		*verdict = BATON_DROP_REFUSED;
	} else {
		journal_end_entry(ctx, 0);
	}
	s->position++;
	atomic_store_explicit(&s->commit.done, s->position, memory_order_release); /* read by a roll back */
	journal_clear(s->journal, ctx);
	return 0;
}
