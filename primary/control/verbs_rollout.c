/* The verbs of rollouts: rollout.start, .status, .pause, .resume, .promote, .abort, .retry, .undo, .history. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "reply.h"
#include "rollout.h"
#include "rollout_explain.h"
#include "verbs.h"

static bool is_text(const json_t *value)
{
	return !value || json_is_null(value) || json_is_string(value);
}

/* Returns NULL and *order, or the refusal. */
static json_t *read_order(const struct command_call *call, struct rollout_order *order)
{
	const json_t *group = json_object_get(call->args, "group"), *to = json_object_get(call->args, "to");

	if (!json_is_string(group) || !is_text(to))
		return reply_error("usage", "args.group is the name of a group, args.to a version or an absolute path");
	*order = (struct rollout_order){
		.group = json_string_value(group), .to = json_string_value(to), .peer = call->peer, .token = call->token,
		.replace = json_is_true(json_object_get(call->args, "replace")),
		.accept_one_way = json_is_true(json_object_get(call->args, "accept_one_way")),
		.full = json_is_true(json_object_get(call->args, "full")),
	};
	return NULL;
}

#define ORDER(verb) \
	json_t *verb_rollout_##verb(const struct command_call *call) \
	{ \
		struct rollout_order order; \
		json_t *refused = read_order(call, &order); \
\
		return refused ? refused : rollout_##verb(call->primary, &order); \
	}

ORDER(start)
ORDER(pause)
ORDER(resume)
ORDER(promote)
ORDER(abort)
ORDER(retry)
ORDER(undo)

json_t *verb_rollout_status(const struct command_call *call)
{
	const json_t *group = json_object_get(call->args, "group");

	if (!is_text(group))
		return reply_error("usage", "args.group is the name of a group");
	return rollout_status(call->primary, json_string_value(group));
}

json_t *verb_rollout_history(const struct command_call *call)
{
	const json_t *group = json_object_get(call->args, "group");

	if (!json_is_string(group))
		return reply_error("usage", "args.group is the name of a group");
	return rollout_history(call->primary, json_string_value(group));
}

json_t *verb_rollout_explain(const struct command_call *call)
{
	const struct config *config = &call->primary->config;
	const char *name = json_string_value(json_object_get(call->args, "group"));
	uint32_t group = 0;
	char why[120];

	if (!name)
		return reply_error("usage", "args.group is the name of a group");
	while (group < config->groups && strcmp(config->group[group].name, name) != 0)
		group++;
	if (group < config->groups)
		return rollout_explain_group(call->primary, group);
	snprintf(why, sizeof(why), "no group '%.40s': `batonctl rollout status` lists them", name);
	return reply_error("not_found", why);
}
