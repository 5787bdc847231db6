/* One request: may its peer ask for that, who does it, and what is recorded. */
#include <stdio.h>
#include <string.h>

#include "audit.h"
#include "balance.h"
#include "command.h"
#include "log.h"
#include "reply.h"

/* An order that changes something is recorded when it begins, and when it ends, be that now or later. */
static json_t *give_order(struct primary *primary, const struct command_verb *verb, const struct command_call *call)
{
	struct audit_order *order = NULL;

	if (verb->role == ROLE_OPERATOR) {
		log_info("control socket: %s by uid %u, pid %d", verb->name, call->peer->uid, (int)call->peer->pid);
		order = audit_begin(primary, call->peer, verb->name, call->args);
	}
	json_t *reply = verb->handler(call);
	if (!reply)
		audit_await(primary, order, call->token);
	else if (json_is_true(json_object_get(reply, "ok")) && json_is_false(json_object_get(reply, "applied")))
		audit_await(primary, order, AUDIT_RELOAD); /* accepted; nobody waits, and yet it ends */
	else if (!BATON_SABOTAGE(end_forgotten))
		audit_end(primary, order, reply);
	return reply;
}

static const struct command_verb *find_verb(const char *name)
{
	const struct command_verb *verb = command_verbs;

	while (verb->name && strcmp(verb->name, name) != 0)
		verb++;
	return verb->name ? verb : NULL;
}

json_t *command_run(struct primary *primary, struct command_client *c, uint64_t token, const json_t *request)
{
	struct command_counters *counters = &primary->command->counters;
	const char *name = json_string_value(json_object_get(request, "command"));
	const json_t *args = json_object_get(request, "args");
	enum peer_role role = peer_role(&primary->config, &c->peer);
	json_t *none = NULL, *reply;
	char text[160];

	if (role == ROLE_NONE) { /* it had one when it connected */
		counters->denied++;
		c->closing = true;
		return command_denied(primary, &c->peer, NULL);
	}
	if (!name || (args && !json_is_object(args))) {
		counters->garbage++;
		return reply_error("garbage", "a frame holds one object {\"command\": text, \"args\": object}");
	}
	const struct command_verb *verb = find_verb(name);
	if (!verb) {
		snprintf(text, sizeof(text), "no command '%.64s'", name);
		return reply_error("unknown_command", text);
	}
	if (verb->role != ROLE_VIEWER && role != ROLE_OPERATOR && !BATON_SABOTAGE(role_unchecked)) {
		counters->denied++;
		reply = command_denied(primary, &c->peer, verb->name);
		audit_refused(primary, &c->peer, verb->name, args, reply);
		return reply;
	}
	if (verb->role == ROLE_OPERATOR && balance_holds(primary)) {
		c->waits = true;
		return NULL;
	}
	counters->commands++;
	if (!args)
		args = none = json_object();
	const struct command_call call = {
		.primary = primary, .args = args, .token = token, .peer = &c->peer, .role = role,
	};
	reply = give_order(primary, verb, &call);
	c->pending = reply == NULL;
	json_decref(none);
	return reply;
}
