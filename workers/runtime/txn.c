/* Transactions of a worker: the parts that are not on every packet's path. */
#include "txn.h"

#include <errno.h>

int txn_bind(struct txn *txn, const struct state *state, uint32_t slot, uint32_t group, uint32_t max_undo_bytes,
	     uint64_t salt)
{
	if (slot >= state->header->slots || group >= state->header->groups)
		return -EINVAL;
	struct journal *journal = &state_control(state, slot)->journal;
	if (max_undo_bytes > JOURNAL_BYTES / 2)
		return -E2BIG;
	/* R3: whoever starts a worker on records that are not undone would let it settle them. */
	if (atomic_load_explicit(&journal->used, memory_order_acquire) != 0)
		return -ESTALE;
	state_bind(state, slot, group, &txn->ctx);
	txn->consumer = NULL;
	txn->position = 0;
	txn->salt = salt;
	txn->outbox = (struct outbox){.cause = &txn->position, .salt = state->header->salt};
	txn->ctx.outbox = &txn->outbox;
	txn->ctx.buckets = state->header->group[group].buckets;
	txn->words = state_words(state, group);
	txn->group_schema = state->header->group[group].schema;
	txn->journal = journal;
	txn->belt = 0;
	txn->max_undo = (max_undo_bytes + 7u) & ~7u;
	txn->max_posts = txn->max_sends = txn->tick_posts = 0;
	txn->undone = 0;
	txn->early_settles = 0;
	return 0;
}

void txn_open(struct txn *txn, struct belt_consumer *consumer, uint32_t belt)
{
	txn->consumer = consumer;
	txn->outbox.consumer = consumer;
	txn->belt = belt;
	txn->position = consumer->done;
	journal_open(txn->journal, &txn->ctx, belt, consumer->done);
}

void txn_settle(struct txn *txn)
{
	if (BATON_SABOTAGE(used_before_done))
		journal_clear(txn->journal, &txn->ctx);
	belt_settle(txn->consumer, txn->position);
	if (BATON_SABOTAGE(header_while_used))
		txn->journal->first = txn->position;
	journal_clear(txn->journal, &txn->ctx);
}

/* In the middle of a tick, `done` does not move: then used = 0 alone commits the buckets that have been done, and their
 * last_tick with them, so that the tick goes on after them wherever it is posted next. */
void txn_settle_early(struct txn *txn)
{
	txn_settle(txn);
	if (!BATON_SABOTAGE(early_settle_without_header))
		journal_open(txn->journal, &txn->ctx, txn->belt, txn->position);
	txn->early_settles++;
}

baton_verdict txn_refuse(struct txn *txn)
{
	struct belt_consumer *consumer = txn->consumer;

	journal_undo_to(&txn->ctx, txn->ctx.limit - txn->max_undo);
	if (!BATON_SABOTAGE(refused_keeps_cells))
		consumer->filled = txn->cells;
	txn->ctx.overflow = 0;
	txn->undone++;
	return BATON_DROP_REFUSED;
}

bool txn_tick_fits(struct txn *txn)
{
	if (txn->max_posts + txn->max_sends == 0)
		return true;
	if (!belt_out_room(txn->consumer, txn->max_posts + txn->max_sends))
		return false;
	if (txn->max_posts != 0 && txn->tick_posts == 0)
		return false;
	return txn->consumer->filled == txn->tick_cells ||
	       txn->ctx.used <= JOURNAL_BYTES - txn->max_undo - journal_cost(sizeof(uint64_t));
}

void txn_begin_tick(struct txn *txn, uint64_t number, uint64_t time_ns, uint32_t bucket)
{
	struct baton_ctx *ctx = &txn->ctx;
	uint64_t *last_tick = &txn->words[bucket].last_tick;

	if (ctx->used > JOURNAL_BYTES - txn->max_undo - journal_cost(sizeof(*last_tick)))
		txn_settle_early(txn);
	if (!BATON_SABOTAGE(tick_outside))
		journal_save_word(ctx, txn->words, last_tick, sizeof(*last_tick));
	BATON_POINT(tick_saved);
	*(volatile uint64_t *)last_tick = number;
	baton_compiler_fence();
	ctx->time_ns = time_ns;
	ctx->bucket = bucket;
	ctx->posts = txn->tick_posts;
	ctx->sends = txn->max_sends;
	txn->cells = txn->consumer->filled;
	ctx->seed = txn_seed(txn, number, bucket); /* not of the time: the next primary has another */
	ctx->limit = ctx->used + txn->max_undo;
}
