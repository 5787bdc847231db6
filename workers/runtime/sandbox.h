/* A plugin's surroundings in plain memory: records, journal, context, and verify mode around each call. What the test
 * library and `plugin check` run a plugin in; no belt, no root. */
#ifndef BATON_SANDBOX_H
#define BATON_SANDBOX_H

#include "journal.h"
#include "outbox.h"
#include "verify.h"

struct sandbox {
	const struct baton_plugin *plugin;
	struct baton_ctx *ctx; /* the caller's */
	uint32_t buckets;      /* a power of two */
	uint8_t *records;
	size_t bytes; /* of the records */
	struct journal *journal;
	struct belt_commit commit;
	struct verify *verify;
	/* what the last call posted and sent: cells from out_first to consumer.filled */
	struct belt *belt;
	struct belt_consumer consumer;
	struct outbox outbox;
	uint64_t out_first;
	uint64_t position;   /* entries so far */
	uint32_t undo_bytes; /* journal bytes of the last call */
};

/* Empty records, bucket_slots of them (a power of two) per bucket, laid out as in a state file. statics: as
 * verify_create(). *ctx is filled in and must stay where it is. Returns 0 or -errno. */
int sandbox_create(struct sandbox *s, const struct baton_plugin *plugin, struct baton_ctx *ctx, uint32_t buckets,
		   uint32_t bucket_slots, bool statics);
/* The same with records of so many bytes, header and all: a power of two. -ERANGE: it is less than the plugin needs. */
int sandbox_create_wide(struct sandbox *s, const struct baton_plugin *plugin, struct baton_ctx *ctx, uint32_t buckets,
			uint32_t bucket_slots, uint32_t stride, bool statics);
void sandbox_destroy(struct sandbox *s);

/* The bucket that a datagram from `peer` is steered to; a salt of zero. -1: too short for the plugin's key. */
int32_t sandbox_bucket(const struct sandbox *s, const struct baton_peer *peer, const uint8_t *data, uint32_t len);

/* Makes ctx ready for one entry, as the worker does. */
void sandbox_begin(struct sandbox *s, uint32_t bucket, uint64_t time_ns, uint64_t number);

/* Begins the call, runs it in verify mode and settles it: bucket and time: of call->packet, or of
 * the tick. Returns 0 and the verdict, BATON_DROP_REFUSED if it was undone for want of undo bytes; or -EBADMSG and
 * verify_finding(s->verify). */
int sandbox_run(struct sandbox *s, struct verify_call *call, uint32_t bucket, uint64_t time_ns, baton_verdict *verdict);

#endif
