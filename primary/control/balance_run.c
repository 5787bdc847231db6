/* Balancing under traffic: measure, decide, move, and stand back from whoever orders something. */
#include <rte_cycles.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "log.h"
#include "process.h"
#include "reload.h"
#include "reply.h"
#include "supervisor.h"

#define ORDERS_FIRST_NS 100000000ull /* after an order has waited for a move of ours, it has this long to begin */

/* ---- whether ---- */

static bool is_ours(const struct supervisor *sup)
{
	return sup->scale.phase != SCALE_IDLE && sup->scale.kind == SCALE_BALANCE;
}

bool balance_holds(struct primary *primary)
{
	struct supervisor *sup = primary->supervisor;

	if (!sup || !is_ours(sup) || BATON_SABOTAGE(balance_refuses_orders))
		return false;
	sup->balance.asked_ns = process_now_ns();
	return true;
}

void balance_order(struct supervisor *sup, uint32_t group, bool on)
{
	struct balance_group *g = &sup->balance.group[group];

	g->on = on;
	g->ordered = true;
	for (uint32_t left = group_services(sup, group); on && left != 0; left &= left - 1) {
		struct balance_service *service = &sup->balance.service[__builtin_ctz(left)];

		if (service->buckets != 0)
			memset(service->placed_ns, 0, service->buckets * sizeof(*service->placed_ns));
	}
}

void balance_placed(struct supervisor *sup, uint32_t service, const uint64_t *map)
{
	const struct config *config = &sup->primary->config;
	uint64_t keep = config->group[config->service[service].group_index].balance.keep_placed_ns;
	struct balance_service *s = balance_service(sup, service);
	uint64_t until = keep == 0 ? UINT64_MAX : process_now_ns() + keep;

	for (uint32_t b = 0; s && b < s->buckets; b++)
		if (buckets_has(map, b))
			s->placed_ns[b] = until;
}

bool balance_keeps(const struct supervisor *sup, uint32_t group)
{
	return sup->balance.group[group].uneven;
}

void balance_evened(struct supervisor *sup, uint32_t group)
{
	sup->balance.group[group].uneven = false;
}

/* Why nothing is decided now, or NULL. */
static const char *held_by(const struct supervisor *sup, uint32_t group)
{
	if (sup->restart.phase != RESTART_IDLE || reload_busy(sup->primary) ||
	    (sup->scale.phase != SCALE_IDLE && !is_ours(sup)))
		return "another operation is under way";
	for (uint32_t i = 0; i < sup->workers; i++) {
		const struct worker *w = &sup->worker[i];

		if (w->group == group && !w->gone && !worker_settled(sup, i))
			return "a worker is down, or buckets are on their way to it";
	}
	return NULL;
}

/* ---- one move ---- */

static void on_moved(struct primary *primary, uint64_t token, json_t *reply)
{
	struct supervisor *sup = primary->supervisor;
	struct balance *balance = &sup->balance;
	struct balance_group *g = &balance->group[balance->at_group];
	uint64_t moved = (uint64_t)json_integer_value(json_object_get(reply, "moved"));
	struct CoreStats *page = stats_main(&primary->stats);

	(void)token;
	if (moved > 0) {
		g->uneven = true;
		g->moves++;
		g->moved += moved;
		stats_add(&page->balance_moves, 1);
		stats_add(&page->balance_buckets, moved);
	}
	if (!json_is_true(json_object_get(reply, "ok")))
		g->planned = false;
	audit_end(primary, balance->audit, reply);
	balance->audit = NULL;
	balance->pause = 2;
	json_decref(reply);
}

static const char *name_of(const struct supervisor *sup, uint32_t slot)
{
	return sup->worker[sup->slot[slot].worker].name;
}

/* "81.2 %" of a CPU, "5210 packets/s". */
static const char *load_text(const struct supervisor *sup, uint32_t group, double load, char *text, size_t bytes)
{
	if (sup->primary->config.group[group].balance.measure == MEASURE_PACKETS)
		snprintf(text, bytes, "%.0f packets/s", load);
	else
		snprintf(text, bytes, "%.1f %% of a CPU", load * 100);
	return text;
}

/* Why, and what, with its numbers. */
static void explain(struct supervisor *sup, uint32_t group, const struct balance_plan *plan,
		    const struct balance_move *move, const char *buckets, double cost)
{
	struct balance_group *g = &sup->balance.group[group];
	char most[32], mean[32], idle[32], carried[32], text[sizeof(g->last)];
	bool several = strpbrk(buckets, "-,") != NULL;

	snprintf(text, sizeof(text), "%s has %s, %.0f %% above the mean of %s; bucket%s %.100s with %s go%s from %s to %s, "
		 "which has %s", name_of(sup, plan->busiest), load_text(sup, group, plan->most, most, sizeof(most)),
		 balance_imbalance(plan) * 100, load_text(sup, group, plan->mean, mean, sizeof(mean)), several ? "s" : "",
		 buckets, load_text(sup, group, cost, carried, sizeof(carried)), several ? "" : "es",
		 name_of(sup, move->from), name_of(sup, move->to),
		 load_text(sup, group, g->worker[move->to].load, idle, sizeof(idle)));
	memcpy(g->last, text, sizeof(text));
	g->last_ns = process_now_ns();
}

static struct audit_order *record(struct supervisor *sup, uint32_t group, const struct balance_plan *plan,
				  const struct balance_move *move, const char *buckets, double cost)
{
	const struct balance_group *g = &sup->balance.group[group];
	const struct peer nobody = { .uid = PEER_NONE, .login = PEER_NONE };
	json_t *args = json_object();

	reply_set_text(args, "group", sup->primary->config.group[group].name);
	reply_set_text(args, "from", name_of(sup, move->from));
	reply_set_text(args, "to", name_of(sup, move->to));
	reply_set_text(args, "buckets", buckets);
	json_object_set_new(args, "load", json_real(cost));
	json_object_set_new(args, "from_load", json_real(g->worker[move->from].load));
	json_object_set_new(args, "to_load", json_real(g->worker[move->to].load));
	json_object_set_new(args, "mean_load", json_real(plan->mean));
	json_object_set_new(args, "imbalance", json_real(balance_imbalance(plan)));
	reply_set_text(args, "reason", g->last);
	struct audit_order *order = audit_begin(sup->primary, &nobody, "balance.move", args);
	json_decref(args);
	return order;
}

/* Both are who they were when the plan was made, and the bucket is still there. */
static bool still_so(const struct supervisor *sup, const struct balance_group *g, const struct balance_move *move)
{
	return slot_usable(sup, move->from) && slot_usable(sup, move->to) &&
	       sup->slot[move->from].incarnation == g->incarnation[move->from] &&
	       sup->slot[move->to].incarnation == g->incarnation[move->to] &&
	       datapath_owner(sup->primary->dp, g->service, move->bucket) == move->from;
}

/* What goes the same way as the move does into `map`. Returns their load; 0: nothing. */
static double take_alike(struct supervisor *sup, uint32_t group, struct balance_plan *plan, uint32_t first,
			 uint64_t *map)
{
	struct balance_group *g = &sup->balance.group[group];
	struct balance_service *service = balance_service(sup, g->service);
	uint64_t until = process_now_ns() + sup->primary->config.group[group].balance.rest_ns;
	double cost = 0;

	memset(map, 0, SHARE_WORDS * sizeof(*map));
	for (uint32_t i = first; service && i < plan->moves; i++) {
		struct balance_move *move = &plan->move[i];

		if (move->taken || move->from != plan->move[first].from || move->to != plan->move[first].to)
			continue;
		move->taken = true;
		if (!still_so(sup, g, move))
			continue;
		buckets_add(map, move->bucket);
		service->rests_ns[move->bucket] = until;
		cost += move->cost;
	}
	return cost;
}

/* Begins the next move of a role's plan. False: there is none. */
static bool begin_next(struct supervisor *sup, uint32_t group, struct balance_plan *plan)
{
	static uint64_t map[SHARE_WORDS]; /* main lcore only */
	struct balance_group *g = &sup->balance.group[group];
	char why[700];

	for (uint32_t i = 0; i < plan->moves; i++) {
		const struct balance_move *move = &plan->move[i];
		double cost = move->taken ? 0 : take_alike(sup, group, plan, i, map);

		if (cost <= 0)
			continue;
		if (scale_begin_balance(sup, sup->slot[move->to].worker, g->service, map, on_moved, why, sizeof(why)))
			return false;
		char *buckets = buckets_format(map, sup->primary->config.service[g->service].buckets);
		sup->balance.at_group = group;
		explain(sup, group, plan, move, buckets ? buckets : "?", cost);
		log_info("group %s: balancing: %s", sup->primary->config.group[group].name, g->last);
		sup->balance.audit = record(sup, group, plan, move, buckets ? buckets : "?", cost);
		free(buckets);
		return true;
	}
	return false;
}

/* ---- one group ---- */

static void forget(struct balance_group *g)
{
	g->measuring = g->planned = false;
	memset(g->role, 0, sizeof(g->role));
}

static void decide(struct supervisor *sup, uint32_t group)
{
	static uint64_t rests_ns[BATON_MAX_BUCKETS]; /* main lcore only */
	struct balance_group *g = &sup->balance.group[group];
	const struct config_balance *config = &sup->primary->config.group[group].balance;
	const struct balance_service *service = &sup->balance.service[g->service];
	const struct balance_rules rules = {
		.threshold = config->threshold / 100.0, .settle = config->settle / 100.0,
		.least_busy = config->least_busy / 100.0, .looks = config->patience, .moves = config->moves,
	};
	const struct balance_look look = {
		.now_ns = g->looked_ns, .workers = sup->slots, .buckets = service->buckets, .worker = g->worker,
		.owner = service->slot, .cost = service->cost, .rests_ns = rests_ns,
	};

	for (uint32_t b = 0; b < service->buckets; b++) {
		bool placed = service->placed_ns[b] > service->rests_ns[b] && !BATON_SABOTAGE(balance_overrules_operators);

		rests_ns[b] = placed ? service->placed_ns[b] : service->rests_ns[b];
	}
	for (uint32_t i = 0; i < sup->slots; i++)
		g->incarnation[i] = sup->slot[i].incarnation;
	for (uint8_t role = 0; role < BALANCE_ROLES; role++) {
		balance_plan(&rules, role, &g->role[role], &look, &g->plan[role]);
		g->planned = g->planned || g->plan[role].moves > 0;
	}
}

/* As configured, unless an operator has said something since. */
static void set_on(struct balance_group *g, bool configured)
{
	if (configured == g->configured)
		return;
	g->configured = g->on = configured;
	g->ordered = false;
}

static void poll_group(struct supervisor *sup, uint32_t group)
{
	struct balance_group *g = &sup->balance.group[group];
	const struct config_balance *config = &sup->primary->config.group[group].balance;
	uint32_t services = group_services(sup, group);

	set_on(g, config->enabled);
	g->held = g->on && services != 0 ? held_by(sup, group) : NULL;
	if (is_ours(sup) && sup->balance.at_group == group)
		return; /* the plan goes on when that is through */
	if (!g->on || services == 0 || g->held) {
		forget(g);
		return;
	}
	g->service = (uint32_t)__builtin_ctz(services);
	if (g->planned) {
		bool others = sup->scale.phase != SCALE_IDLE || sup->balance.pause > 0 || sup->primary->hangup ||
			      (sup->balance.asked_ns != 0 && process_now_ns() - sup->balance.asked_ns < ORDERS_FIRST_NS);
		if (others)
			return;
		g->planned = false;
		for (uint32_t role = 0; role < BALANCE_ROLES && !g->planned; role++)
			g->planned = begin_next(sup, group, &g->plan[role]);
		g->measuring = false; /* owners have changed: what comes is measured anew */
		return;
	}
	if (!g->measuring) {
		balance_measure(sup, group);
	} else if (process_now_ns() - g->began_ns >= config->interval_ns) {
		if (balance_measured(sup, group))
			decide(sup, group);
		if (!g->planned)
			balance_measure(sup, group);
	}
}

void balance_poll(struct supervisor *sup)
{
	if (sup->stopping)
		return;
	for (uint32_t g = 0; g < sup->primary->config.groups; g++)
		poll_group(sup, g);
	sup->balance.pause -= sup->balance.pause > 0;
}
