/* What an entry sends beside its reply: cells of the belt's outbound ring, the entry's own until it ends well. */
#include "baton.h"

#include "hash.h"
#include "txn.h"

static struct txn *txn_of(struct baton_ctx *ctx)
{
	return (struct txn *)(void *)((uint8_t *)ctx - offsetof(struct txn, ctx));
}

uint32_t baton_bucket(const struct baton_ctx *ctx, uint64_t key)
{
	const struct txn *txn = (const struct txn *)(const void *)((const uint8_t *)ctx - offsetof(struct txn, ctx));

	return hash_key(key, txn->steering_salt) & (ctx->buckets - 1);
}

/* The room was there when the entry began (loop.c). */
static struct belt_out_cell *next_cell(struct txn *txn, enum belt_out_kind kind, const void *data, uint32_t len)
{
	struct belt_out_cell *cell = belt_out_next(txn->consumer);

	cell->cause = txn->position;
	cell->len = (uint16_t)len;
	cell->kind = (uint8_t)kind;
	memcpy(cell->data, data, len);
	return cell;
}

bool baton_post(struct baton_ctx *ctx, uint32_t bucket, const void *data, uint32_t len)
{
	struct txn *txn = txn_of(ctx);

	if (ctx->posts == 0 || len == 0 || len > BATON_MESSAGE_MOST || bucket >= ctx->buckets) {
		ctx->overflow = 1;
		return false;
	}
	next_cell(txn, BELT_OUT_MESSAGE, data, len)->bucket = bucket;
	txn->consumer->filled++;
	ctx->posts--;
	return true;
}

bool baton_send(struct baton_ctx *ctx, const struct baton_peer *to, const void *data, uint32_t len)
{
	struct txn *txn = txn_of(ctx);

	if (ctx->sends == 0 || len == 0 || len > BATON_SEND_MOST)
		return false;
	next_cell(txn, BELT_OUT_PACKET, data, len)->to = *to;
	txn->consumer->filled++;
	ctx->sends--;
	return true;
}
