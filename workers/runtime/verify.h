/* Verify mode: every entry is run, undone, compared and run again, so that what a plugin must not do shows at once.
 *
 * The first run sees a shadow: a private stretch of addresses as large as the group's records, in which nothing but the
 * entry's own bucket (a copy) can be touched, a copy of the datagram between two guard pages, and a journal apart. Then
 * the shadow is undone from that journal and must equal what it was; the second run is the real one, and must end as
 * the first did. So that is why no other bucket has to be compared: other workers change theirs at any time, and what a
 * worker owns may be gigabytes; a fault on a page that is not there finds a write, and a read too, whoever owns the
 * bucket, at the instruction that does it and before it has done harm. (mprotect() of the records themselves would not
 * do: they stand in huge pages, a thousand buckets in one.) Neighbours that share a page with a small bucket are filled
 * with a pattern and compared: in the shadow nobody else writes.
 *
 * One entry costs a few copies of its bucket and two system calls: for debug builds, tests and `plugin check`. */
#ifndef BATON_VERIFY_H
#define BATON_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "baton.h"

enum verify_kind { VERIFY_PACKET, VERIFY_TICK, VERIFY_MESSAGE };

/* One call of the plugin. ctx has bucket, time_ns, seed, peer and limit set as the worker sets them. */
struct verify_call {
	enum verify_kind kind;
	const struct baton_packet *packet; /* of a packet or message */
	uint8_t *data;                     /* of the same: packet->len bytes */
	uint64_t number;                   /* of a tick */
	uint64_t position;                 /* of the entry in its belt, or in the test: for the line */
};

/* Where what a call posts or sends is kept until the entry ends, so that two runs can be compared; arg of each is the
 * first member. May be absent. */
struct verify_outbox {
	void *arg;
	uint64_t (*count)(void *arg); /* messages so far, ever */
	/* Message number `at`; *bytes: how many of it count. */
	const void *(*message)(void *arg, uint64_t at, size_t *bytes);
	void (*rewind)(void *arg, uint64_t count); /* forgets those from `count` on */
};

struct verify;

/* ctx: bound to the group's records. statics: the plugin's variables are watched too, if it stands in a shared object
 * of its own (a call must not change them). Signals of a crash are caught while a call runs. One at a time in a
 * process. Returns 0 or -errno. */
int verify_create(struct verify **out, const struct baton_plugin *plugin, const struct baton_ctx *ctx, bool statics);
void verify_destroy(struct verify *v);
void verify_set_outbox(struct verify *v, const struct verify_outbox *outbox);

/* Runs the call as described above; the second run is done in place, with ctx, its journal and call->data. Returns 0
 * and the plugin's verdict (BATON_NO_REPLY of a tick), with ctx->overflow as the plugin left it; or -EBADMSG and
 * verify_finding() says what is wrong: the records may be changed then, as after a kill in the middle of the entry. */
int verify_run(struct verify *v, struct baton_ctx *ctx, const struct verify_call *call, baton_verdict *verdict);

/* The same for the plugin's init, of which only a crash is a finding. *rc: what it returned, 0 if it has none. */
int verify_init(struct verify *v, struct baton_ctx *ctx, int *rc);

/* One line, without a newline: the plugin, the entry (kind, position, bucket, key, first bytes) and what is wrong
 * where. Valid until the next call. */
const char *verify_finding(const struct verify *v);
/* The signal that ended the call of the last finding; 0: none did. */
int verify_signal(const struct verify *v);

#endif
