/* Verify mode of a worker: the loop's calls of the plugin, run twice; a finding is logged and ends the worker. */
#include <signal.h>
#include <stdlib.h>

#include "loop.h"
#include "verify.h"

/* ---- what a call posted stands in the belt's outbound cells ---- */

static uint64_t count(void *arg)
{
	const struct loop *loop = arg;

	return loop->txn.consumer->filled;
}

static const void *message(void *arg, uint64_t at, size_t *bytes)
{
	const struct loop *loop = arg;
	const struct belt_out_cell *cell = &loop->txn.consumer->belt->out[at % BELT_OUT_CELLS];

	*bytes = offsetof(struct belt_out_cell, data) + (cell->len <= sizeof(cell->data) ? cell->len : 0);
	return cell;
}

static void rewind_to(void *arg, uint64_t to)
{
	struct loop *loop = arg;

	loop->txn.consumer->filled = to;
}

int loop_verify_start(struct loop *loop)
{
	const struct verify_outbox outbox = {loop, count, message, rewind_to};
	int rc = verify_create(&loop->verify, loop->plugin, &loop->txn.ctx, true);

	if (rc == 0)
		verify_set_outbox(loop->verify, &outbox);
	return rc;
}

baton_verdict loop_verify(struct loop *loop, const struct verify_call *call)
{
	baton_verdict verdict;

	if (verify_run(loop->verify, &loop->txn.ctx, call, &verdict) == 0)
		return verdict;
	int number = verify_signal(loop->verify) != 0 ? verify_signal(loop->verify) : SIGABRT;
	baton_log(&loop->txn.ctx, "%s", verify_finding(loop->verify));
	signal(number, SIG_DFL); /* the supervisor is to see what it would see without us */
	raise(number);
	abort();
}
