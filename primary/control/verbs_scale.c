/* The verbs that scale a group: worker.start, worker.stop, worker.drain, worker.debug, buckets.show, buckets.find,
 * buckets.move. */
#include <errno.h>
#include <string.h>

#include "command.h"
#include "reload.h"
#include "reply.h"
#include "scale.h"
#include "supervisor.h"
#include "verbs.h"

static const char *text_arg(const struct command_call *call, const char *key)
{
	return json_string_value(json_object_get(call->args, key));
}

/* Why not, or not now; NULL: now. usage: what to say if an argument is missing. */
static json_t *refusal(const struct primary *primary, bool complete, const char *usage)
{
	if (!complete)
		return reply_error("usage", usage);
	if (!primary->supervisor)
		return reply_error("failed", "the primary is stopping");
	if (reload_busy(primary))
		return reply_error("busy", "a reload of the configuration is under way: wait for its end");
	return NULL;
}

/* The reply to what could not be begun; NULL: it has begun, the reply comes at its end. */
static json_t *begun(int rc, const char *why)
{
	switch (rc) {
	case 0: return NULL;
	case -ENOENT: return reply_error("not_found", why);
	case -EBUSY: return reply_error("busy", why);
	case -EINVAL: return reply_error("usage", why);
	default: return reply_error("failed", why);
	}
}

json_t *verb_worker_start(const struct command_call *call)
{
	const char *target = text_arg(call, "target");
	json_t *refused = refusal(call->primary, target, "worker.start needs args.target: a group, or a worker GROUP.N");
	char why[700];

	if (refused)
		return refused;
	return begun(scale_begin_start(call->primary->supervisor, target, command_reply, call->token, why,
				       sizeof(why)), why);
}

static json_t *drain(const struct command_call *call, bool stop)
{
	const char *target = text_arg(call, "target");
	json_t *refused = refusal(call->primary, target, "args.target is needed: the name of a worker");
	char why[700];

	if (refused)
		return refused;
	return begun(scale_begin_drain(call->primary->supervisor, target, stop, command_reply, call->token, why,
				       sizeof(why)), why);
}

json_t *verb_worker_stop(const struct command_call *call)
{
	return drain(call, true);
}

json_t *verb_worker_drain(const struct command_call *call)
{
	return drain(call, false);
}

json_t *verb_worker_debug(const struct command_call *call)
{
	const char *target = text_arg(call, "target"), *buckets = text_arg(call, "buckets");
	const json_t *keys = json_object_get(call->args, "keys");
	bool sound = target && (!keys || json_is_array(keys)) && json_array_size(keys) <= 1000;
	json_t *refused = refusal(call->primary, sound, "worker.debug needs args.target, a worker, and may have "
				  "args.buckets, such as \"17,300\", args.keys, an array of strings, and args.end");
	char why[700];

	if (refused)
		return refused;
	if (json_is_true(json_object_get(call->args, "end")))
		return begun(debug_end(call->primary->supervisor, target, command_reply, call->token, why, sizeof(why)),
			     why);
	return begun(debug_begin(call->primary->supervisor, target, buckets, keys, command_reply, call->token, why,
				 sizeof(why)), why);
}

json_t *verb_buckets_show(const struct command_call *call)
{
	const struct config *config = &call->primary->config;
	const json_t *group = json_object_get(call->args, "group");
	char text[700] = "";
	size_t used = 0;
	bool known = !group || json_is_null(group);

	if (!known && !json_is_string(group))
		return reply_error("usage", "args.group is the name of a group");
	for (uint32_t g = 0; g < config->groups; g++)
		known = known || strcmp(config->group[g].name, json_string_value(group)) == 0;
	if (known)
		return scale_show(call->primary, json_string_value(group));
	for (uint32_t g = 0; g < config->groups && used < sizeof(text); g++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", g ? ", " : "no such group: groups are ",
					 config->group[g].name);
	return reply_error("not_found", text);
}

json_t *verb_buckets_find(const struct command_call *call)
{
	const json_t *service = json_object_get(call->args, "service");

	if (service && !json_is_null(service) && !json_is_string(service))
		return reply_error("usage", "args.service is the name of a service, or of a group");
	return scale_find(call->primary, json_string_value(service), json_object_get(call->args, "keys"));
}

json_t *verb_buckets_move(const struct command_call *call)
{
	const char *buckets = text_arg(call, "buckets"), *target = text_arg(call, "target");
	json_t *refused = refusal(call->primary, buckets && target, "buckets.move needs args.buckets, such as "
				  "\"0-255,300\", and args.target: a worker");
	char why[700];

	if (refused)
		return refused;
	return begun(scale_begin_move(call->primary->supervisor, buckets, target, command_reply, call->token, why,
				      sizeof(why)), why);
}
