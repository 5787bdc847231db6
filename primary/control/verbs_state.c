/* The verbs that take and put back snapshots: state.snapshot, state.restore. */
#include <errno.h>

#include "command.h"
#include "reload.h"
#include "reply.h"
#include "supervisor.h"
#include "verbs.h"

static const char *text_arg(const struct command_call *call, const char *key)
{
	return json_string_value(json_object_get(call->args, key));
}

static json_t *begun(int rc, const char *why)
{
	if (rc == 0)
		return NULL;
	return reply_error(rc == -ENOENT ? "not_found" : rc == -EBUSY ? "busy" : rc == -EINVAL ? "usage" : "failed", why);
}

json_t *verb_state_snapshot(const struct command_call *call)
{
	const char *file = text_arg(call, "file");
	char why[600];

	if (!file)
		return reply_error("usage", "state.snapshot needs args.file: an absolute path");
	if (!call->primary->supervisor)
		return reply_error("failed", "the primary is stopping");
	return begun(state_snapshot_begin(call->primary->supervisor, file, text_arg(call, "group"), command_reply,
					  call->token, why, sizeof(why)), why);
}

json_t *verb_state_restore(const struct command_call *call)
{
	const char *file = text_arg(call, "file"), *buckets = text_arg(call, "buckets");
	char why[600];

	if (!file || !buckets)
		return reply_error("usage", "state.restore needs args.file, an absolute path, and args.buckets: 17 or 0-255,300");
	if (!call->primary->supervisor)
		return reply_error("failed", "the primary is stopping");
	if (reload_busy(call->primary))
		return reply_error("busy", "a reload of the configuration is under way: wait for its end");
	return begun(state_restore_begin(call->primary->supervisor, file, buckets, text_arg(call, "group"), command_reply,
					 call->token, why, sizeof(why)), why);
}
