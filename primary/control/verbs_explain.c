/* rollout.explain: what the group's strategy would mean, before anything moves. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "reply.h"
#include "rollout_explain.h"
#include "verbs.h"

json_t *verb_rollout_explain(const struct command_call *call)
{
	const char *group = json_string_value(json_object_get(call->args, "group"));
	const struct config *config = &call->primary->config;
	char why[160];

	if (!group)
		return reply_error("usage", "args.group is the name of a group");
	for (uint32_t g = 0; g < config->groups; g++)
		if (strcmp(config->group[g].name, group) == 0)
			return rollout_explain_group(call->primary, g);
	snprintf(why, sizeof(why), "no group '%.40s': batonctl status has their names", group);
	return reply_error("not_found", why);
}
