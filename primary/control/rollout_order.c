/* What operators and the configuration order of a rollout. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "log.h"
#include "peer.h"
#include "process.h"
#include "reload.h"
#include "reply.h"
#include "rollout_inner.h"

/* ---- who and which ---- */

static void name_actor(const struct peer *peer, char actor[ROLLOUT_ACTOR])
{
	char user[PEER_USER_BYTES];
	uid_t uid = peer && peer->login != PEER_NONE ? peer->login : peer ? peer->uid : PEER_NONE;

	if (uid == PEER_NONE)
		snprintf(actor, ROLLOUT_ACTOR, "batond");
	else if (peer_user(uid, user)[0])
		snprintf(actor, ROLLOUT_ACTOR, "%s", user);
	else
		snprintf(actor, ROLLOUT_ACTOR, "uid %u", (unsigned)uid);
}

static uint32_t find_group(const struct primary *primary, const char *name)
{
	uint32_t g = 0;

	while (g < primary->config.groups && strcmp(primary->config.group[g].name, name) != 0)
		g++;
	return g;
}

static json_t *no_group(const struct primary *primary, const char *name)
{
	char text[700];
	size_t used = (size_t)snprintf(text, sizeof(text), "no group '%.64s': groups are ", name);

	for (uint32_t g = 0; g < primary->config.groups && used < sizeof(text); g++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s", g ? ", " : "",
					 primary->config.group[g].name);
	return reply_error("not_found", text);
}

/* Returns NULL and *r, or the refusal. */
static json_t *find(struct primary *primary, const struct rollout_order *order, struct rollout **r)
{
	uint32_t group;

	if (!primary->supervisor || primary->supervisor->stopping || !primary->rollouts)
		return reply_error("failed", "the primary is stopping");
	group = find_group(primary, order->group);
	if (group == primary->config.groups)
		return no_group(primary, order->group);
	*r = rollout_of(primary, group);
	return NULL;
}

static json_t *row(struct primary *primary, const struct rollout *r)
{
	json_t *reply = reply_ok();

	json_object_set_new(reply, "rollout", rollout_row(primary->supervisor, r));
	return reply;
}

/* ---- beginning ---- */

static void begin(struct primary *primary, struct rollout *r)
{
	plugin_ask_cancel(&r->wish.ask);
	version_find_cancel(&r->wish.find);
	r->before = r->at;
	memcpy(r->by, r->wish.actor, sizeof(r->by));
	rollout_event(primary->supervisor, r, EV_ORDER, "");
}

/* One is under way: refused, or ended first. NULL: go on, now or later. */
static json_t *make_room(struct primary *primary, struct rollout *r, const struct rollout_order *order)
{
	char why[400];

	if (r->at == AT_CHECK || r->wish.queued)
		return reply_error("busy", "another order for this group is being looked at: wait for its end");
	if (!rollout_at_work(r->at))
		return NULL;
	if (!order->replace) {
		snprintf(why, sizeof(why), "a rollout of %s to version %s is under way (%s, step %u of %u): abort it, or give "
			 "--replace", r->plan.name, r->candidate.version, rollout_phase_name(rollout_at_phase(r->at)), r->step + 1,
			 r->plan.steps);
		return reply_error("busy", why);
	}
	if (r->at == AT_SETTLE)
		return reply_error("busy", "the rollout under way has just been promoted: wait a moment");
	snprintf(why, sizeof(why), "replaced by an order of %s", r->by);
	if (r->at != AT_ROLLBACK)
		rollout_event(primary->supervisor, r, EV_ABORT, why);
	return NULL;
}

json_t *rollout_order_it(struct primary *primary, struct rollout *r, const struct rollout_wish *wish)
{
	r->wish = *wish;
	if (rollout_at_work(r->at))
		r->wish.queued = true; /* rollout_poll_one() begins it */
	else
		begin(primary, r);
	return NULL;
}

static json_t *start(struct primary *primary, struct rollout *r, const struct rollout_order *order,
		     struct rollout_wish *wish)
{
	char by[ROLLOUT_ACTOR];
	json_t *refused;

	if (reload_busy(primary))
		return reply_error("busy", "a reload of the configuration is under way: wait for its end");
	name_actor(order->peer, wish->actor);
	memcpy(by, r->by, sizeof(by));
	memcpy(r->by, wish->actor, sizeof(r->by));
	refused = make_room(primary, r, order);
	if (refused) { /* what goes on is not his doing */
		memcpy(r->by, by, sizeof(r->by));
		return refused;
	}
	wish->token = order->token;
	wish->accept_one_way = order->accept_one_way;
	return rollout_order_it(primary, r, wish);
}

json_t *rollout_start(struct primary *primary, const struct rollout_order *order)
{
	static struct config_rollout plan; /* main lcore only */
	static struct rollout_wish wish;
	struct rollout *r = NULL;
	json_t *refused = find(primary, order, &r);
	const char *to = order->to;

	if (refused)
		return refused;
	memset(&wish, 0, sizeof(wish));
	config_rollout_of(&primary->config, r->group, &plan);
	if (!to || !to[0])
		to = plan.candidate;
	if (!to[0])
		return reply_error("usage", "to which version? give --to V, or write rollouts[].candidate");
	if (strlen(to) >= sizeof(wish.to))
		return reply_error("usage", "the path is too long: 255 characters are the most");
	snprintf(wish.to, sizeof(wish.to), "%s", to);
	return start(primary, r, order, &wish);
}

static void wish_for(struct rollout_wish *wish, const struct rollout_version *version)
{
	memset(wish, 0, sizeof(*wish));
	memcpy(wish->to, version->path, sizeof(wish->to));
	memcpy(wish->version, version->version, sizeof(wish->version));
	memcpy(wish->build_id, version->build_id, sizeof(wish->build_id));
}

/* The file may have been repaired: any build of it is taken. */
json_t *rollout_retry(struct primary *primary, const struct rollout_order *order)
{
	static struct rollout_wish wish; /* main lcore only */
	struct rollout *r = NULL;
	json_t *refused = find(primary, order, &r);

	if (refused)
		return refused;
	if (r->at != AT_DEGRADED || !r->candidate.path[0])
		return reply_error("failed", "there is nothing to retry: no rollout of this group was aborted or rolled back");
	wish_for(&wish, &r->candidate);
	wish.version[0] = wish.build_id[0] = '\0';
	wish.retry = true;
	return start(primary, r, order, &wish);
}

/* What is looked at, or waits for its turn, is not begun. False: there is no such order. */
static bool call_off(struct primary *primary, struct rollout *r, const char *why)
{
	struct rollout_wish *w = &r->wish;

	if (r->at == AT_CHECK) {
		plugin_ask_cancel(&w->ask);
		version_find_cancel(&w->find);
		rollout_event(primary->supervisor, r, r->before == AT_DEGRADED || w->resumed ? EV_UNFIT : EV_REFUSED, why);
		return true;
	}
	if (!w->queued || BATON_SABOTAGE(abort_leaves_the_next))
		return false;
	w->queued = false;
	if (!w->answered)
		command_reply(primary, w->token, reply_error("failed", why));
	w->answered = true;
	return true;
}

/* ---- undo ---- */

/* The version that was promoted away from the latest, or the latest known of that name. NULL: none. */
static const struct rollout_version *find_past(const struct rollout *r, const char *to)
{
	for (uint32_t i = r->pasts; i-- > 0;) {
		const struct rollout_past *past = &r->past[i];

		if (!to && past->promoted)
			return &past->from;
		if (to && strcmp(past->from.version, to) == 0)
			return &past->from;
		if (to && past->promoted && strcmp(past->to.version, to) == 0)
			return &past->to;
	}
	return NULL;
}

static json_t *undo_now(struct primary *primary, struct rollout *r, const struct rollout_order *order)
{
	char why[ROLLOUT_WHY];

	if (r->at == AT_CHECK || r->at == AT_SETTLE)
		return reply_error("busy", r->at == AT_CHECK ? "it is being looked at: wait a moment" :
				   "it has just been promoted: wait a moment, then undo");
	name_actor(order->peer, r->by);
	r->undone = r->at != AT_DEGRADED;
	snprintf(why, sizeof(why), "undone by %s", r->by);
	r->fired.gate[0] = '\0';
	call_off(primary, r, why);
	if (r->at != AT_ROLLBACK)
		rollout_event(primary->supervisor, r, EV_UNDO, why);
	r->by[0] = '\0';
	return row(primary, r);
}

json_t *rollout_undo(struct primary *primary, const struct rollout_order *order)
{
	static struct rollout_wish wish; /* main lcore only */
	const struct rollout_version *past;
	struct rollout *r = NULL;
	json_t *refused = find(primary, order, &r);
	char why[300];

	if (refused)
		return refused;
	if (!order->to && r->at != AT_IDLE)
		return undo_now(primary, r, order);
	past = find_past(r, order->to);
	if (!past && order->to) {
		snprintf(why, sizeof(why), "no version '%.31s' in the history of %s: `batonctl rollout history %s`", order->to,
			 r->plan.name, r->plan.name);
		return reply_error("not_found", why);
	}
	if (!past)
		return reply_error("failed", "there is nothing to undo: no rollout of this group has been promoted");
	wish_for(&wish, past);
	wish.at_once = true;
	return start(primary, r, order, &wish);
}

/* ---- on its way ---- */

static json_t *tell(struct primary *primary, const struct rollout_order *order, enum rollout_event event,
		    const char *what)
{
	struct rollout *r = NULL;
	json_t *refused = find(primary, order, &r);
	char why[300], by[ROLLOUT_ACTOR];

	if (refused)
		return refused;
	memcpy(by, r->by, sizeof(by));
	name_actor(order->peer, r->by);
	snprintf(why, sizeof(why), "%s by %s", what, r->by);
	if (rollout_event(primary->supervisor, r, event, why)) {
		r->by[0] = '\0';
		return row(primary, r);
	}
	memcpy(r->by, by, sizeof(r->by));
	if (r->at == AT_IDLE || r->at == AT_DEGRADED)
		snprintf(why, sizeof(why), "no rollout of %s is under way", r->plan.name);
	else
		snprintf(why, sizeof(why), "the rollout of %s cannot be %s now: it is in phase %s", r->plan.name, what,
			 rollout_at_name(r->at));
	return reply_error("failed", why);
}

json_t *rollout_pause(struct primary *primary, const struct rollout_order *order)
{
	return tell(primary, order, EV_PAUSE, "paused");
}

json_t *rollout_resume(struct primary *primary, const struct rollout_order *order)
{
	return tell(primary, order, EV_RESUME, "resumed");
}

json_t *rollout_promote(struct primary *primary, const struct rollout_order *order)
{
	return tell(primary, order, order->full ? EV_FULL : EV_PROMOTE, "promoted");
}

/* Whatever it is at: nothing of it is begun from here on, either. */
json_t *rollout_abort(struct primary *primary, const struct rollout_order *order)
{
	struct rollout *r = NULL;
	json_t *refused = find(primary, order, &r);
	char why[ROLLOUT_WHY], by[ROLLOUT_ACTOR];

	if (refused)
		return refused;
	name_actor(order->peer, r->at == AT_CHECK ? r->by : by);
	snprintf(why, sizeof(why), "aborted by %s", r->at == AT_CHECK ? r->by : by);
	return call_off(primary, r, why) ? row(primary, r) : tell(primary, order, EV_ABORT, "aborted");
}

/* ---- questions ---- */

json_t *rollout_status(struct primary *primary, const char *group)
{
	json_t *reply, *rows = json_array();

	if (group && find_group(primary, group) == primary->config.groups) {
		json_decref(rows);
		return no_group(primary, group);
	}
	reply = reply_ok();
	for (uint32_t g = 0; primary->supervisor && g < primary->config.groups; g++) {
		const struct rollout *r = rollout_of(primary, g);

		if (r && (!group || strcmp(primary->config.group[g].name, group) == 0))
			json_array_append_new(rows, rollout_row(primary->supervisor, r));
	}
	json_object_set_new(reply, "rollouts", rows);
	return reply;
}

json_t *rollout_history(struct primary *primary, const char *group)
{
	const struct rollout *r = rollout_of(primary, find_group(primary, group));
	json_t *reply, *rows = json_array();

	if (!r) {
		json_decref(rows);
		return no_group(primary, group);
	}
	for (uint32_t i = r->pasts; i-- > 0;)
		json_array_append_new(rows, rollout_past_row(&r->past[i]));
	reply = reply_ok();
	json_object_set_new(reply, "history", rows);
	return reply;
}
