/* The verbs of balancing: balance.status, balance.on, balance.off; of one group, or of all. */
#include <stdio.h>
#include <string.h>

#include "balance.h"
#include "log.h"
#include "reply.h"
#include "supervisor.h"
#include "verbs.h"

/* The refusal, or NULL and *name (NULL: all groups). */
static json_t *find_group(const struct command_call *call, const char **name)
{
	const struct config *config = &call->primary->config;
	const json_t *group = json_object_get(call->args, "group");
	char text[700] = "";
	size_t used = 0;

	if (!call->primary->supervisor)
		return reply_error("failed", "the primary is stopping");
	if (group && !json_is_null(group) && !json_is_string(group))
		return reply_error("usage", "args.group is the name of a group");
	*name = json_string_value(group);
	for (uint32_t g = 0; g < config->groups; g++)
		if (!*name || strcmp(config->group[g].name, *name) == 0)
			return NULL;
	for (uint32_t g = 0; g < config->groups && used < sizeof(text); g++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", g ? ", " : "no such group: groups are ",
					 config->group[g].name);
	return reply_error("not_found", text);
}

json_t *verb_balance_status(const struct command_call *call)
{
	const char *name = NULL;
	json_t *refused = find_group(call, &name);

	return refused ? refused : balance_show(call->primary, name);
}

static json_t *order(const struct command_call *call, bool on)
{
	const struct config *config = &call->primary->config;
	const char *name = NULL;
	json_t *refused = find_group(call, &name);

	if (refused)
		return refused;
	for (uint32_t g = 0; g < config->groups; g++) {
		if (name && strcmp(config->group[g].name, name) != 0)
			continue;
		balance_order(call->primary->supervisor, g, on);
		log_info("group %s: balancing is %s", config->group[g].name, on ? "on" : "off");
	}
	return balance_show(call->primary, name);
}

json_t *verb_balance_on(const struct command_call *call)
{
	return order(call, true);
}

json_t *verb_balance_off(const struct command_call *call)
{
	return order(call, false);
}
