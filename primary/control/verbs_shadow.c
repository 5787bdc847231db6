/* rollout.diff: what the shadow of a group's rollout found. It shows what players sent: an operator's. */
#include <stdio.h>
#include <string.h>

#include "reply.h"
#include "shadow.h"
#include "supervisor.h"
#include "verbs.h"

json_t *verb_rollout_diff(const struct command_call *call)
{
	const struct primary *primary = call->primary;
	const char *name = json_string_value(json_object_get(call->args, "group"));
	uint32_t group = 0;
	char why[128];

	if (name == NULL)
		return reply_error("usage", "args.group is the name of a group");
	while (group < primary->config.groups && strcmp(primary->config.group[group].name, name) != 0)
		group++;
	if (group == primary->config.groups || primary->supervisor == NULL) {
		snprintf(why, sizeof(why), "there is no group %.31s: `batonctl status` lists them", name);
		return reply_error("not_found", why);
	}
	json_t *diff = shadow_diff(primary->supervisor, group);
	if (diff == NULL)
		return reply_error("failed", "no memory for the answer");
	json_t *reply = reply_ok();
	json_object_set_new(reply, "diff", diff);
	return reply;
}
