/* What stands for rollouts: orders are checked for their rights and answered at once. */
#include <string.h>

#include "audit.h"
#include "command.h"
#include "fuzz_command.h"
#include "peer.h"
#include "reply.h"
#include "rollout.h"
#include "rollout_explain.h"
#include "primary/control/shadow.h"

/* As begin_order() of fuzz_command_rest.c: by an operator, and in the log already. What it names is text. */
static json_t *ordered(struct primary *p, const struct rollout_order *order)
{
	const struct command_client *c = &p->command->client[(uint32_t)order->token % COMMAND_CLIENTS];

	must(order->group && strlen(order->group) < 1u << 20 && (!order->to || strlen(order->to) < 1u << 20));
	must(c->fd >= 0 && peer_role(&p->config, &c->peer) == ROLE_OPERATOR);
	must(p->audit->open_orders > 0);
	return strcmp(order->group, "game") == 0 ? reply_ok() : reply_error("not_found", "no such group");
}

json_t *rollout_start(struct primary *p, const struct rollout_order *order) { return ordered(p, order); }
json_t *rollout_retry(struct primary *p, const struct rollout_order *order) { return ordered(p, order); }
json_t *rollout_undo(struct primary *p, const struct rollout_order *order) { return ordered(p, order); }
json_t *rollout_pause(struct primary *p, const struct rollout_order *order) { return ordered(p, order); }
json_t *rollout_resume(struct primary *p, const struct rollout_order *order) { return ordered(p, order); }
json_t *rollout_promote(struct primary *p, const struct rollout_order *order) { return ordered(p, order); }
json_t *rollout_abort(struct primary *p, const struct rollout_order *order) { return ordered(p, order); }
json_t *rollout_status(struct primary *p, const char *group) { (void)p, (void)group; return reply_ok(); }
json_t *rollout_history(struct primary *p, const char *group) { (void)p; must(group); return reply_ok(); }

json_t *rollout_explain_group(const struct primary *p, uint32_t group)
{
	must(group < p->config.groups);
	return reply_ok();
}

json_t *shadow_diff(const struct supervisor *sup, uint32_t group)
{
	must(sup && group < primary.config.groups);
	return json_object();
}
