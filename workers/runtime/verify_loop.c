/* Verify mode of a worker: the loop's calls of the plugin, run twice; a finding is logged and ends the worker. */
#include <signal.h>
#include <stdlib.h>

#include "crash.h"
#include "loop.h"
#include "verify_parts.h"

int loop_verify_start(struct loop *loop)
{
	const struct verify_outbox box = outbox_of(&loop->txn.outbox);
	int rc = verify_create(&loop->verify, loop->plugin, &loop->txn.ctx, true);

	if (rc == 0)
		verify_set_outbox(loop->verify, &box);
	return rc;
}

baton_verdict loop_verify(struct loop *loop, const struct verify_call *call)
{
	baton_verdict verdict;

	if (verify_run(loop->verify, &loop->txn.ctx, call, &verdict) == 0)
		return verdict;
	int number = verify_signal(loop->verify);
	baton_log(&loop->txn.ctx, "%s", verify_finding(loop->verify));
	if (number != 0) { /* the supervisor is to see what it would see without us */
		const struct fault *fault = &loop->verify->fault;

		crash_note_fault(number, fault->si_code, fault->address, fault->code);
		signal(number, SIG_DFL);
		raise(number);
	}
	abort();
}
