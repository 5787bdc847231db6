/* What an entry has sent beside its reply: cells of the belt's outbound ring, the entry's own until it ends well. */
#include "outbox.h"

#include "baton.h"
#include "hash.h"

uint32_t baton_bucket(const struct baton_ctx *ctx, uint64_t key)
{
	const struct outbox *outbox = ctx->outbox;

	return hash_key(key, outbox->salt) & (ctx->buckets - 1);
}

/* The room was there when the entry began (loop.c). */
static struct belt_out_cell *next_cell(struct outbox *outbox, enum belt_out_kind kind, const void *data, uint32_t len)
{
	struct belt_out_cell *cell = belt_out_next(outbox->consumer);

	memset(cell, 0, offsetof(struct belt_out_cell, data));
	cell->cause = *outbox->cause;
	cell->len = (uint16_t)len;
	cell->kind = (uint8_t)kind;
	memcpy(cell->data, data, len);
	BATON_POINT(cell_written);
	return cell;
}

bool baton_post(struct baton_ctx *ctx, uint32_t bucket, const void *data, uint32_t len)
{
	struct outbox *outbox = ctx->outbox;

	if (ctx->posts == 0 || len == 0 || len > BATON_MESSAGE_MOST || bucket >= ctx->buckets) {
		ctx->overflow = 1;
		return false;
	}
	struct belt_out_cell *cell = next_cell(outbox, BELT_OUT_MESSAGE, data, len);
	cell->bucket = bucket;
	cell->from = ctx->bucket;
	outbox->consumer->filled++;
	BATON_POINT(post_counted);
	ctx->posts--;
	return true;
}

bool baton_send(struct baton_ctx *ctx, const struct baton_peer *to, const void *data, uint32_t len)
{
	struct outbox *outbox = ctx->outbox;

	if (ctx->sends == 0 || len == 0 || len > BATON_SEND_MOST)
		return false;
	struct belt_out_cell *cell = next_cell(outbox, BELT_OUT_PACKET, data, len);
	cell->to = *to;
	cell->bucket = ctx->bucket;
	outbox->consumer->filled++;
	ctx->sends--;
	return true;
}

/* ---- verify mode ---- */

static uint64_t count(void *arg)
{
	const struct outbox *outbox = arg;

	return outbox->consumer->filled;
}

static const void *cell_at(void *arg, uint64_t at, size_t *bytes)
{
	const struct outbox *outbox = arg;
	const struct belt_out_cell *cell = &outbox->consumer->belt->out[at % BELT_OUT_CELLS];

	*bytes = offsetof(struct belt_out_cell, data) + cell->len;
	return cell;
}

static void rewind_to(void *arg, uint64_t to)
{
	struct outbox *outbox = arg;

	outbox->consumer->filled = to;
}

struct verify_outbox outbox_of(struct outbox *outbox)
{
	return (struct verify_outbox){outbox, count, cell_at, rewind_to};
}
