/* What balancing sees, has decided and has done: the reply of `balance.status`. */
#include <stdlib.h>
#include <string.h>

#include "process.h"
#include "reply.h"
#include "supervisor.h"

static const char *const role_name[BALANCE_ROLES] = {
	[ROLE_STABLE] = "stable", [ROLE_CANDIDATE] = "candidate", [ROLE_CONTROL] = "control",
};

static void set_real(json_t *o, const char *key, double value)
{
	json_object_set_new(o, key, json_real(value));
}

/* Its hottest bucket, and what part of its load that is. */
static json_t *hottest(const struct supervisor *sup, const struct balance_group *g, uint32_t slot)
{
	const struct balance_service *service = &sup->balance.service[g->service];
	uint32_t best = SHARE_NO_BUCKET;
	json_t *o;

	for (uint32_t b = 0; b < service->buckets; b++)
		if (service->slot[b] == slot && service->cost[b] > 0 &&
		    (best == SHARE_NO_BUCKET || service->cost[b] > service->cost[best]))
			best = b;
	if (best == SHARE_NO_BUCKET)
		return json_null();
	o = json_object();
	reply_set_count(o, "bucket", best);
	set_real(o, "load", service->cost[best]);
	return o;
}

static json_t *workers_of(const struct supervisor *sup, uint32_t group, uint32_t role)
{
	const struct balance_group *g = &sup->balance.group[group];
	json_t *list = json_array();

	for (uint32_t i = 0; i < sup->workers; i++) {
		const struct worker *w = &sup->worker[i];
		json_t *o;

		if (w->group != group || w->gone || w->slot == SLOT_NONE || (uint32_t)w->role != role)
			continue;
		const struct balance_worker *seen = &g->worker[w->slot];
		o = json_object();
		reply_set_text(o, "name", w->name);
		json_object_set_new(o, "takes_part", json_boolean(seen->member));
		set_real(o, "busy", seen->busy);
		set_real(o, "load", seen->load);
		reply_set_count(o, "buckets", datapath_owned(sup->primary->dp, w->slot));
		json_object_set_new(o, "hottest", hottest(sup, g, w->slot));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *roles_of(const struct supervisor *sup, uint32_t group)
{
	const struct balance_group *g = &sup->balance.group[group];
	json_t *list = json_array();

	for (uint32_t role = 0; role < BALANCE_ROLES; role++) {
		json_t *workers = workers_of(sup, group, role), *o;
		const struct balance_plan *plan = &g->plan[role];

		if (json_array_size(workers) == 0) {
			json_decref(workers);
			continue;
		}
		o = json_object();
		reply_set_text(o, "role", role_name[role]);
		reply_set_text(o, "verdict", balance_verdict_name(plan->verdict));
		set_real(o, "most", plan->most);
		set_real(o, "mean", plan->mean);
		set_real(o, "imbalance", balance_imbalance(plan));
		reply_set_count(o, "intervals_above", g->role[role].above);
		json_object_set_new(o, "too_hot", plan->verdict == BALANCE_STUCK && plan->alone != SHARE_NO_BUCKET ?
				    reply_count(plan->alone) : json_null());
		json_object_set_new(o, "workers", workers);
		json_array_append_new(list, o);
	}
	return list;
}

/* What an operator has placed, and is left alone. */
static void set_placed(json_t *o, const struct supervisor *sup, uint32_t service)
{
	static uint64_t map[SHARE_WORDS]; /* main lcore only */
	const struct balance_service *s = &sup->balance.service[service];
	uint64_t now = process_now_ns();
	uint32_t count = 0;

	memset(map, 0, sizeof(map));
	for (uint32_t b = 0; b < s->buckets; b++) {
		if (s->placed_ns[b] <= now)
			continue;
		buckets_add(map, b);
		count++;
	}
	char *text = buckets_format(map, s->buckets);
	reply_set_count(o, "placed_buckets", count);
	reply_set_text(o, "placed", text ? text : "");
	free(text);
}

static json_t *rules_of(const struct config_balance *config)
{
	json_t *o = json_object();

	reply_set_text(o, "measure", config->measure == MEASURE_PACKETS ? "packets" : "cost");
	set_real(o, "interval_s", (double)config->interval_ns / 1e9);
	reply_set_count(o, "threshold_percent", config->threshold);
	reply_set_count(o, "settle_percent", config->settle);
	reply_set_count(o, "patience", config->patience);
	reply_set_count(o, "least_busy_percent", config->least_busy);
	reply_set_count(o, "moves", config->moves);
	set_real(o, "rest_s", (double)config->rest_ns / 1e9);
	json_object_set_new(o, "keep_placed_s",
			    config->keep_placed_ns ? json_real((double)config->keep_placed_ns / 1e9) : json_null());
	return o;
}

static json_t *group_row(const struct supervisor *sup, uint32_t group)
{
	const struct balance_group *g = &sup->balance.group[group];
	const struct config_group *config = &sup->primary->config.group[group];
	uint64_t now = process_now_ns();
	uint32_t services = group_services(sup, group);
	json_t *o = json_object();

	reply_set_text(o, "group", config->name);
	json_object_set_new(o, "on", json_boolean(g->on));
	reply_set_text(o, "by", g->ordered ? "order" : "configuration");
	json_object_set_new(o, "held", g->held ? reply_text(g->held) : json_null());
	json_object_set_new(o, "rules", rules_of(&config->balance));
	json_object_set_new(o, "looked_s_ago", g->looked_ns ? json_real((double)(now - g->looked_ns) / 1e9) : json_null());
	reply_set_count(o, "looks", g->looks);
	json_object_set_new(o, "roles", g->looked_ns ? roles_of(sup, group) : json_array());
	reply_set_count(o, "moves", g->moves);
	reply_set_count(o, "moved", g->moved);
	json_object_set_new(o, "last", g->last_ns ? reply_text(g->last) : json_null());
	json_object_set_new(o, "last_s_ago", g->last_ns ? json_real((double)(now - g->last_ns) / 1e9) : json_null());
	set_placed(o, sup, services ? (uint32_t)__builtin_ctz(services) : 0);
	return o;
}

json_t *balance_show(struct primary *primary, const char *group)
{
	json_t *reply = reply_ok(), *groups = json_array();

	for (uint32_t g = 0; primary->supervisor && g < primary->config.groups; g++)
		if (!group || strcmp(primary->config.group[g].name, group) == 0)
			json_array_append_new(groups, group_row(primary->supervisor, g));
	json_object_set_new(reply, "groups", groups);
	return reply;
}
