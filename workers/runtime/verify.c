/* Verify mode: two runs of one entry, and the line that says in what they differ. */
#define _GNU_SOURCE
#include "verify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "belt.h"
#include "journal.h"
#include "sabotage.h"
#include "verify_parts.h"

/* ---- create and destroy ---- */

static void release(struct verify *v)
{
	shadow_destroy(&v->shadow);
	free(v->journal);
	free(v->after);
	free(v->post);
	statics_release(&v->statics);
	free(v);
}

int verify_create(struct verify **out, const struct baton_plugin *plugin, const struct baton_ctx *ctx, bool statics)
{
	struct verify *v = calloc(1, sizeof(*v));
	int rc;

	if (v == NULL)
		return -ENOMEM;
	v->plugin = plugin;
	rc = shadow_create(&v->shadow, ctx);
	if (rc != 0) {
		free(v);
		return rc;
	}
	v->journal = calloc(1, sizeof(*v->journal));
	v->after = malloc(ctx->bucket_bytes + 1);
	v->post = malloc(OUTBOX_MOST * sizeof(*v->post));
	rc = v->journal == NULL || v->after == NULL || v->post == NULL ? -ENOMEM : 0;
	if (rc == 0 && statics)
		rc = statics_watch(&v->statics, plugin);
	if (rc == 0)
		rc = fault_catch();
	if (rc != 0) {
		release(v);
		return rc;
	}
	*out = v;
	return 0;
}

void verify_destroy(struct verify *v)
{
	if (v == NULL)
		return;
	fault_release();
	release(v);
}

void verify_set_outbox(struct verify *v, const struct verify_outbox *outbox)
{
	v->outbox = *outbox;
}

const char *verify_finding(const struct verify *v)
{
	return v->finding;
}

int verify_signal(const struct verify *v)
{
	return v->fault.signal;
}

/* ---- comparing ---- */

#define SEQ_AT  offsetof(struct baton_record, seq)
#define SEQ_END (SEQ_AT + sizeof(uint32_t))

/* The first byte of the bucket that differs, but for sequence words, which count readers' generations; -1. */
static int64_t bucket_differs(const struct baton_ctx *ctx, const uint8_t *is, const uint8_t *want)
{
	for (uint64_t at = 0; at < ctx->bucket_bytes; at += ctx->stride) {
		if (memcmp(is + at, want + at, SEQ_AT) == 0 &&
		    memcmp(is + at + SEQ_END, want + at + SEQ_END, ctx->stride - SEQ_END) == 0)
			continue;
		for (uint64_t byte = 0; byte < ctx->stride; byte++)
			if (is[at + byte] != want[at + byte] && (byte < SEQ_AT || byte >= SEQ_END))
				return (int64_t)(at + byte);
	}
	return -1;
}

static int check_statics(struct verify *v, const struct baton_ctx *ctx)
{
	uint8_t was, is;
	int64_t at = statics_changed(&v->statics, &was, &is);

	if (at < 0)
		return 0;
	return verify_found(v, ctx, "changed a global or static variable at FILE.so+%#llx from %#x to %#x, but state "
		"lives in "
		    "records (gdb FILE.so, info symbol %#llx)", (unsigned long long)at, was, is, (unsigned long long)at);
}

static int check_verdict(struct verify *v, const struct baton_ctx *ctx, baton_verdict verdict)
{
	uint32_t len = verdict >> 16, kind = verdict & 0xffffu;

	if (v->call->kind != VERIFY_PACKET)
		return 0;
	if (kind >= BATON_VERDICT_COUNT || kind == BATON_DROP_REFUSED)
		return verify_found(v, ctx, "returned %#x, which is no verdict: use baton_reply() and its like", verdict);
	if (len > v->call->packet->len)
		return verify_found(v, ctx, "answers with %u bytes, longer than the request: it would be dropped as "
			"malformed", len);
	return 0;
}

/* ---- the first run ---- */

struct run {
	struct verify *v;
	struct baton_ctx *ctx;
	uint8_t *data;
	baton_verdict verdict;
	bool prefetch_only;
};

static void call_plugin(void *arg)
{
	struct run *run = arg;
	const struct verify_call *call = run->v->call;
	const struct baton_plugin *plugin = run->v->plugin;

	run->verdict = BATON_NO_REPLY;
	if (run->prefetch_only)
		plugin->prefetch(run->ctx, call->packet, run->data);
	else if (call->kind == VERIFY_TICK)
		plugin->tick(run->ctx, call->number);
	else if (call->kind == VERIFY_MESSAGE)
		plugin->message(run->ctx, call->packet, run->data);
	else
		run->verdict = plugin->packet(run->ctx, call->packet, run->data);
}

static uint64_t outbox_count(const struct verify *v)
{
	return v->outbox.count != NULL ? v->outbox.count(v->outbox.arg) : 0;
}

/* Keeps what the first run posted and takes it back. */
static void keep_posted(struct verify *v, uint64_t from)
{
	v->posted = outbox_count(v) - from;
	for (uint64_t i = 0; i < v->posted && i < OUTBOX_MOST; i++) {
		const void *message = v->outbox.message(v->outbox.arg, from + i, &v->post_bytes[i]);

		memcpy(v->post[i], message, v->post_bytes[i]);
	}
	if (v->posted != 0)
		v->outbox.rewind(v->outbox.arg, from);
}

static int check_ctx(struct verify *v, const struct baton_ctx *real, const struct baton_ctx *is)
{
	if (is->time_ns != real->time_ns || is->bucket != real->bucket || is->worker != real->worker ||
	    is->user != real->user || is->peer != real->peer || is->buckets != real->buckets ||
	    is->outbox != real->outbox || is->records != v->shadow.records ||
	    is->journal != v->journal->records)
		return verify_found(v, real, "changed a field of ctx: all of it is read-only for plugins");
	return 0;
}

/* A record that this run has brought and that nobody finds: its key was there. */
static int check_keys(struct verify *v, const struct baton_ctx *real, struct baton_ctx *is, const uint8_t *own)
{
	const uint8_t *bucket = is->records + is->bucket * is->bucket_bytes;
	char where[96];

	for (uint64_t at = 0; at < is->bucket_bytes; at += is->stride) {
		const struct baton_record *now = (const struct baton_record *)(const void *)(bucket + at);
		const struct baton_record *was = (const struct baton_record *)(const void *)(own + at);

		if (now->state != BATON_RECORD_USED || (was->state == BATON_RECORD_USED && was->key == now->key) ||
		    baton_find(is, now->key) == now + 1 || BATON_SABOTAGE(key_there_twice))
			continue;
		return verify_found(v, real, "inserted key %#llx, which was there: bucket %u, %s",
				    (unsigned long long)now->key, real->bucket, verify_place(real, at, where));
	}
	return 0;
}

/* What the first run left in the shadow, before it is undone. */
static int check_first(struct verify *v, const struct baton_ctx *real, const struct run *run, uint32_t len)
{
	int rc = check_ctx(v, real, run->ctx);
	int64_t stray = rc == 0 ? shadow_stray(&v->shadow) : -1;
	int32_t past = rc == 0 ? shadow_past(&v->shadow, len) : -1;
	char where[96];

	if (stray >= 0)
		return verify_found(v, real, "wrote to bucket %llu, which is not the entry's: %s",
			    (unsigned long long)((uint64_t)stray / real->bucket_bytes),
			    verify_place(real, (uint64_t)stray % real->bucket_bytes, where));
	if (past >= 0)
		return verify_found(v, real, "wrote to byte %d of a datagram of %u bytes: packet->len is the end of "
			"data", past, len);
	if (rc == 0)
		rc = check_statics(v, real);
	if (rc == 0 && !run->ctx->overflow)
		rc = check_verdict(v, real, run->verdict);
	return rc;
}

static void to_shadow(struct verify *v, struct baton_ctx *ctx)
{
	ctx->limit -= ctx->used;
	ctx->used = 0;
	ctx->last = JOURNAL_NONE;
	ctx->overflow = 0;
	ctx->records = v->shadow.records;
	ctx->journal = v->journal->records;
	ctx->journal_used = (uint32_t *)(uintptr_t)&v->journal->used;
	*ctx->journal_used = 0;
}

static int run_prefetch(struct verify *v, const struct baton_ctx *real, struct run *run, const uint8_t *own,
			uint32_t len)
{
	char where[96];

	run->prefetch_only = true;
	int rc = fault_guard(call_plugin, run, &v->fault);
	run->prefetch_only = false;
	if (rc != 0)
		return verify_explain_fault(v, real);
	int64_t at = bucket_differs(real, v->shadow.records + real->bucket * real->bucket_bytes, own);
	if (at >= 0 || run->ctx->used != 0)
		return verify_found(v, real, "prefetch changed a record: "
			"%s", verify_place(real, at >= 0 ? (uint64_t)at : 0, where));
	if (len != 0 && memcmp(v->shadow.data, v->request, len) != 0)
		return verify_found(v, real, "prefetch changed the datagram");
	return 0;
}

static int first_run(struct verify *v, struct baton_ctx *ctx, const uint8_t *own, uint32_t len)
{
	const struct baton_ctx real = *ctx;
	uint8_t *bucket = v->shadow.records + real.bucket * real.bucket_bytes;
	struct run run = {.v = v, .ctx = ctx, .data = v->shadow.data};
	uint64_t posted = outbox_count(v);
	char where[96];

	to_shadow(v, ctx);
	int rc = 0;
	if (v->call->kind == VERIFY_PACKET && v->plugin->prefetch != NULL)
		rc = run_prefetch(v, &real, &run, own, len);
	if (rc == 0) {
		rc = fault_guard(call_plugin, &run, &v->fault);
		rc = rc != 0 ? verify_explain_fault(v, &real) : check_first(v, &real, &run, len);
		if (rc == 0 && ctx->overflow == 0)
			rc = check_keys(v, &real, ctx, own);
	}
	if (rc == 0) {
		v->verdict = run.verdict;
		v->overflow = ctx->overflow != 0;
		memcpy(v->reply, v->shadow.data, len);
		memcpy(v->after, bucket, real.bucket_bytes);
		journal_undo_to(ctx, 0);
		int64_t at = bucket_differs(&real, bucket, own);
		if (at >= 0)
			rc = verify_found(v, &real, "changed without baton_save: bucket %u, %s, from %#x to %#x", real.bucket,
				  verify_place(&real, (uint64_t)at, where), own[at], v->after[at]);
	}
	keep_posted(v, posted);
	*ctx = real;
	return rc;
}

/* ---- the second run ---- */

static int check_posted(struct verify *v, const struct baton_ctx *ctx, uint64_t from)
{
	uint64_t posted = outbox_count(v) - from;

	if (posted != v->posted)
		return verify_found(v, ctx, "run again, it posts %llu messages, not %llu: it depends on more than its inputs",
			    (unsigned long long)posted, (unsigned long long)v->posted);
	for (uint64_t i = 0; i < posted && i < OUTBOX_MOST; i++) {
		size_t bytes;
		const void *message = v->outbox.message(v->outbox.arg, from + i, &bytes);

		if (bytes != v->post_bytes[i] || memcmp(message, v->post[i], bytes) != 0)
			return verify_found(v, ctx, "run again, message %llu differs: it depends on more than its inputs",
				    (unsigned long long)i);
	}
	return 0;
}

static int check_second(struct verify *v, const struct baton_ctx *ctx, const struct run *run, uint32_t len,
			uint64_t posted)
{
	const uint8_t *own = ctx->records + ctx->bucket * ctx->bucket_bytes;
	char where[96];

	if (v->overflow != (ctx->overflow != 0))
		return verify_found(v, ctx, "run again, it saves %s undo bytes than it declares: it depends on more than "
			"its inputs",
			    v->overflow ? "no more" : "more");
	if (v->overflow)
		return 0;
	if (run->verdict != v->verdict)
		return verify_found(v, ctx, "run again, it returns %#x, not %#x: it depends on more than its "
			"inputs", run->verdict,
			    v->verdict);
	for (uint32_t i = 0; i < len; i++)
		if (run->data[i] != v->reply[i])
			return verify_found(v, ctx, "run again, the reply differs: byte %u is %#x, was %#x: it depends on more "
				"than "
				    "its inputs", i, run->data[i], v->reply[i]);
	int64_t at = bucket_differs(ctx, own, v->after);
	if (at >= 0)
		return verify_found(v, ctx, "run again, a record differs: bucket %u, %s is %#x, was %#x: it depends on more "
			"than its "
			    "inputs", ctx->bucket, verify_place(ctx, (uint64_t)at, where), own[at], v->after[at]);
	return check_posted(v, ctx, posted);
}

int verify_run(struct verify *v, struct baton_ctx *ctx, const struct verify_call *call, baton_verdict *verdict)
{
	const uint8_t *own = ctx->records + ctx->bucket * ctx->bucket_bytes;
	uint32_t len = call->kind != VERIFY_TICK ? call->packet->len : 0;
	struct run run = {.v = v, .ctx = ctx, .data = call->data};
	uint64_t posted = outbox_count(v);

	v->call = call;
	v->fault.signal = 0;
	if (len > VERIFY_DATA_MOST)
		return verify_found(v, ctx, "a datagram of %u bytes is longer than any", len);
	if (len != 0)
		memcpy(v->request, call->data, len);
	statics_copy(&v->statics);
	shadow_datagram(&v->shadow, v->request, len);
	int rc = shadow_open(&v->shadow, ctx->bucket, own);
	if (rc != 0)
		return verify_found(v, ctx, "no memory to verify in: %s", strerror(-rc));
	rc = first_run(v, ctx, own, len);
	if (rc != 0)
		return rc;
	if (fault_guard(call_plugin, &run, &v->fault) != 0)
		return verify_explain_fault(v, ctx);
	rc = check_second(v, ctx, &run, len, posted);
	if (rc == 0)
		*verdict = run.verdict;
	return rc;
}

/* ---- init ---- */

struct init_run {
	struct verify *v;
	struct baton_ctx *ctx;
	int rc;
};

static void call_init(void *arg)
{
	struct init_run *run = arg;

	run->rc = run->v->plugin->init(run->ctx);
}

int verify_init(struct verify *v, struct baton_ctx *ctx, int *rc)
{
	struct init_run run = {.v = v, .ctx = ctx};

	v->call = NULL;
	v->fault.signal = 0;
	if (v->plugin->init != NULL && fault_guard(call_init, &run, &v->fault) != 0)
		return verify_explain_fault(v, ctx);
	*rc = run.rc;
	return 0;
}
