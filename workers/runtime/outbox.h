/* Where an entry's messages and packets are written: what baton_post() and baton_send() find in ctx->outbox. */
#ifndef BATON_OUTBOX_H
#define BATON_OUTBOX_H

#include "belt_consumer.h"
#include "verify.h"

struct outbox {
	struct belt_consumer *consumer; /* of the open burst */
	const uint64_t *cause;          /* position of the entry that runs */
	uint64_t salt;                  /* of the hash that steers by payload */
};

/* For verify mode: compares and takes back what a call wrote. */
struct verify_outbox outbox_of(struct outbox *outbox);

#endif
