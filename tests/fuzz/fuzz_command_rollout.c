/* What stands for rollouts, balancing and snapshots: orders are checked for their rights and answered at once. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "audit.h"
#include "command.h"
#include "fuzz_command.h"
#include "peer.h"
#include "reply.h"
#include "rollout.h"
#include "rollout_explain.h"
#include "primary/control/shadow.h"
#include "reload.h"
#include "supervisor.h"

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

void rollouts_configured(struct primary *p, const struct config *before) { must(p && before); }
json_t *reload_in_rollout(struct primary *p) { must(p); return NULL; }

/* ---- balancing ---- */

bool balance_holds(struct primary *p) { must(p); return false; }

void balance_order(struct supervisor *sup, uint32_t group, bool on)
{
	(void)on;
	must(sup && group < primary.config.groups);
}

json_t *balance_show(struct primary *p, const char *group)
{
	must(p && (!group || strlen(group) < 1u << 20));
	return reply_ok();
}

/* ---- snapshots ---- */

static int named(const struct supervisor *sup, const char *path, const char *group)
{
	must(sup && strlen(path) < 1u << 20 && (!group || strlen(group) < 1u << 20));
	must(primary.audit->open_orders > 0);
	return -EINVAL;
}

int state_snapshot_begin(struct supervisor *sup, const char *path, const char *group, restart_done_fn done,
			 uint64_t token, char *why, size_t bytes)
{
	(void)done, (void)token;
	snprintf(why, bytes, "%.80s is refused", path);
	return named(sup, path, group);
}

int state_restore_begin(struct supervisor *sup, const char *path, const char *buckets, const char *group,
			restart_done_fn done, uint64_t token, char *why, size_t bytes)
{
	must(strlen(buckets) < 1u << 20);
	return state_snapshot_begin(sup, path, group, done, token, why, bytes);
}
