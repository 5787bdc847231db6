/* The plugin test library: sets a plugin up, runs its callbacks, fails cmocka's test with what verify mode finds. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "inside.h"

#define START_NS 1700000000000000000ull

/* A call may ask for a setting or log before there is any test: the last one that was created. */
static struct baton_test *current;

const char *baton_setting(struct baton_ctx *ctx, const char *key)
{
	(void)ctx;
	for (uint32_t i = 0; current != NULL && i < INSIDE_SETTINGS && current->inside->setting[i].key != NULL; i++)
		if (strcmp(current->inside->setting[i].key, key) == 0)
			return current->inside->setting[i].value;
	return NULL;
}

void baton_log(struct baton_ctx *ctx, const char *format, ...)
{
	va_list args;

	(void)ctx;
	va_start(args, format);
	if (current != NULL)
		vsnprintf(current->inside->log, sizeof(current->inside->log), format, args);
	else
		vfprintf(stderr, format, args);
	va_end(args);
}

void inside_fail(const char *file, int line, const char *format, ...)
{
	char text[1200];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	print_error("%s\n", text);
	_fail(file, line);
	abort(); /* it does not return; its declaration does not say so */
}

void inside_found(struct baton_test *t, const char *finding, const char *file, int line)
{
	t->inside->finding = finding;
	if (!t->keep_findings)
		inside_fail(file, line, "%s", finding);
}

/* ---- set up ---- */

/* What a loaded plugin finds in the test program: all of it is to be linked, used or not. */
__attribute__((used)) static const struct {
	bool (*save_refused)(struct baton_ctx *ctx, const void *ptr, uint32_t len);
	void *(*insert)(struct baton_ctx *ctx, uint64_t key);
	bool (*remove)(struct baton_ctx *ctx, void *data);
	void *(*next)(struct baton_ctx *ctx, uint32_t *iter, uint64_t *key);
	uint32_t (*bucket)(const struct baton_ctx *ctx, uint64_t key);
	bool (*post)(struct baton_ctx *ctx, uint32_t bucket, const void *data, uint32_t len);
	bool (*send)(struct baton_ctx *ctx, const struct baton_peer *to, const void *data, uint32_t len);
	void (*field)(struct baton_digest *digest, const char *name, int64_t value);
	void (*field_real)(struct baton_digest *digest, const char *name, double value);
} offered = {baton_save_refused, baton_insert, baton_remove, baton_next, baton_bucket, baton_post, baton_send,
	     baton_field, baton_field_real};

static void create(struct baton_test *t, const struct baton_plugin *plugin, uint32_t buckets, uint32_t bucket_slots,
		   void *object)
{
	struct baton_test_inside *inside = calloc(1, sizeof(*inside));

	*t = (struct baton_test){.plugin = plugin, .buckets = buckets, .time_ns = START_NS, .inside = inside};
	if (inside != NULL)
		inside->last_tick = calloc(buckets, sizeof(*inside->last_tick));
	if (inside == NULL || inside->last_tick == NULL)
		inside_fail(__FILE__, __LINE__, "baton_test_create: no memory");
	inside->object = object;
	current = t;
	int rc = sandbox_create(&inside->sandbox, plugin, &t->ctx, buckets, bucket_slots, object != NULL);
	if (rc != 0)
		inside_fail(__FILE__, __LINE__, "baton_test_create: %s%s", strerror(-rc),
			    rc == -EINVAL ? ": buckets and bucket_slots must be powers of two" : "");
}

void baton_test_create(struct baton_test *t, const struct baton_plugin *plugin, uint32_t buckets, uint32_t bucket_slots)
{
	create(t, plugin, buckets, bucket_slots, NULL);
}

/* Of the file system if the dynamic loader was never asked. */
static const char *load_error(void)
{
	int error = errno;
	const char *text = dlerror();

	return text != NULL ? text : strerror(error);
}

void baton_test_load(struct baton_test *t, const char *file, uint32_t buckets, uint32_t bucket_slots)
{
	char path[PATH_MAX];
	void *object = realpath(file, path) != NULL ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;

	if (object == NULL)
		inside_fail(__FILE__, __LINE__, "baton_test_load: %s cannot be loaded: %s", file, load_error());
	const struct baton_plugin *plugin = dlsym(object, BATON_PLUGIN_SYMBOL);
	if (plugin == NULL || plugin->abi != BATON_PLUGIN_ABI || plugin->size != sizeof(*plugin))
		inside_fail(__FILE__, __LINE__, "baton_test_load: %s is no plugin of this baton.h: rebuild it", file);
	create(t, plugin, buckets, bucket_slots, object);
}

void baton_test_destroy(struct baton_test *t)
{
	struct baton_test_inside *inside = t->inside;

	if (inside == NULL)
		return;
	sandbox_destroy(&inside->sandbox);
	if (inside->object != NULL)
		dlclose(inside->object);
	free(inside->last_tick);
	free(inside);
	if (current == t)
		current = NULL;
	*t = (struct baton_test){.plugin = NULL};
}

void baton_test_setting(struct baton_test *t, const char *key, const char *value)
{
	uint32_t i = 0;

	while (i < INSIDE_SETTINGS && t->inside->setting[i].key != NULL && strcmp(t->inside->setting[i].key, key) != 0)
		i++;
	if (i == INSIDE_SETTINGS)
		inside_fail(__FILE__, __LINE__, "baton_test_setting: more than %u settings", INSIDE_SETTINGS);
	t->inside->setting[i].key = key;
	t->inside->setting[i].value = value;
}

const char *baton_test_log(const struct baton_test *t)
{
	return t->inside->log;
}

int baton_test_init(struct baton_test *t)
{
	int rc = -EFAULT;

	t->inside->finding = NULL;
	if (verify_init(t->inside->sandbox.verify, &t->ctx, &rc) != 0)
		inside_found(t, verify_finding(t->inside->sandbox.verify), __FILE__, __LINE__);
	return rc;
}

/* ---- entries ---- */

static baton_verdict run(struct baton_test *t, struct verify_call *call, uint32_t bucket, uint64_t time_ns,
			 const char *file, int line)
{
	struct sandbox *s = &t->inside->sandbox;
	baton_verdict verdict = BATON_DROP_REFUSED;

	t->inside->finding = NULL;
	if (bucket >= t->buckets)
		inside_fail(file, line, "bucket %u of %u", bucket, t->buckets);
	if (sandbox_run(s, call, bucket, time_ns, &verdict) != 0)
		inside_found(t, verify_finding(s->verify), file, line);
	else if (verdict == BATON_DROP_REFUSED)
		t->undone++;
	t->undo_bytes = s->undo_bytes;
	return verdict;
}

baton_verdict baton_test_packet_at(struct baton_test *t, const struct baton_packet *packet, uint8_t *data,
				   const char *file, int line)
{
	return run(t, &(struct verify_call){.kind = VERIFY_PACKET, .packet = packet, .data = data}, packet->bucket,
		   packet->time_ns, file, line);
}

int32_t baton_test_bucket(const struct baton_test *t, const void *data, uint16_t len)
{
	return sandbox_bucket(&t->inside->sandbox, t->ctx.peer, data, len);
}

const struct baton_test_reply *baton_test_send_at(struct baton_test *t, const void *data, uint16_t len,
						  const char *file, int line)
{
	struct baton_test_reply *reply = &t->inside->reply;
	int32_t bucket = baton_test_bucket(t, data, len);

	if (bucket < 0 || len > sizeof(reply->data))
		inside_fail(file, line, "a datagram of %u bytes: the plugin's key ends at byte %u, the longest has %zu", len,
			    t->plugin->key_offset + t->plugin->key_length, sizeof(reply->data));
	struct baton_packet packet = {.len = len, .bucket = (uint16_t)bucket, .time_ns = t->time_ns++};
	if (len != 0)
		memmove(reply->data, data, len);
	reply->verdict = baton_test_packet_at(t, &packet, reply->data, file, line);
	reply->len = (uint16_t)(reply->verdict >> 16);
	return reply;
}

void baton_test_tick_at(struct baton_test *t, uint32_t bucket, uint64_t number, uint64_t time_ns, const char *file,
			int line)
{
	if (t->plugin->tick == NULL)
		return;
	if (bucket < t->buckets && number == 0)
		number = t->inside->last_tick[bucket] + 1;
	run(t, &(struct verify_call){.kind = VERIFY_TICK, .number = number}, bucket, time_ns, file, line);
	t->inside->last_tick[bucket] = number;
}

/* ---- messages and packets ---- */

uint32_t baton_test_outs(const struct baton_test *t)
{
	return (uint32_t)(t->inside->sandbox.consumer.filled - t->inside->sandbox.out_first);
}

struct baton_test_out baton_test_out(const struct baton_test *t, uint32_t nth)
{
	const struct sandbox *s = &t->inside->sandbox;
	const struct belt_out_cell *cell = &s->belt->out[(s->out_first + nth) % BELT_OUT_CELLS];

	if (nth >= baton_test_outs(t))
		inside_fail(__FILE__, __LINE__, "baton_test_out: %u of %u", nth, baton_test_outs(t));
	return (struct baton_test_out){
		.is_packet = cell->kind == BELT_OUT_PACKET, .bucket = cell->bucket, .peer = cell->to, .len = cell->len,
		.data = cell->data,
	};
}

void baton_test_message_at(struct baton_test *t, uint32_t bucket, const void *data, uint16_t len, const char *file,
			   int line)
{
	uint8_t copy[BATON_MESSAGE_MOST + 16]; /* data may be of the last call */
	struct baton_packet packet = {.len = len, .bucket = (uint16_t)bucket, .time_ns = t->time_ns++};

	if (len == 0 || len > BATON_MESSAGE_MOST || t->plugin->message == NULL)
		inside_fail(file, line, "a message of %u bytes: it has 1 to %u, and the plugin must have .message", len,
			    BATON_MESSAGE_MOST);
	memcpy(copy, data, len);
	run(t, &(struct verify_call){.kind = VERIFY_MESSAGE, .packet = &packet, .data = copy}, bucket, packet.time_ns, file,
	    line);
}

/* ---- looking ---- */

const void *baton_test_record(struct baton_test *t, uint32_t bucket, uint64_t key)
{
	t->ctx.bucket = bucket;
	return baton_find(&t->ctx, key);
}

uint32_t baton_test_records(struct baton_test *t, uint32_t bucket)
{
	uint32_t count = 0, iter = 0;
	uint64_t key;

	t->ctx.bucket = bucket;
	while (baton_next(&t->ctx, &iter, &key) != NULL)
		count++;
	return count;
}

const char *baton_test_finding(const struct baton_test *t)
{
	return t->inside->finding;
}
