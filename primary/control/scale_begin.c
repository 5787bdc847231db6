/* What scaling is asked for, and what is refused, with the reason and what to do instead. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "process.h"
#include "rollout.h"
#include "supervisor.h"

/* Another operation is under way, or the primary stops. */
static int refuse_busy(const struct supervisor *sup, char *why, size_t bytes)
{
	const struct restart *r = &sup->restart;

	if (sup->stopping) {
		snprintf(why, bytes, "the primary is stopping");
		return -EBUSY;
	}
	if (r->phase != RESTART_IDLE) {
		snprintf(why, bytes, "a restart of %s is under way: wait for its end", r->target);
		return -EBUSY;
	}
	return scale_busy(sup, why, bytes) ? -EBUSY : 0;
}

static uint32_t find_group(const struct supervisor *sup, const char *name, size_t len)
{
	const struct config *config = &sup->primary->config;
	uint32_t g = 0;

	while (g < config->groups &&
	       (strncmp(config->group[g].name, name, len) != 0 || config->group[g].name[len] != '\0'))
		g++;
	return g;
}

static int not_found(const struct supervisor *sup, const char *target, char *why, size_t bytes)
{
	size_t used = (size_t)snprintf(why, bytes, "no worker '%.64s': workers are ", target);

	for (uint32_t i = 0; i < sup->workers && used < bytes; i++)
		if (!sup->worker[i].gone)
			used += (size_t)snprintf(why + used, bytes - used, "%s%s", i ? ", " : "",
						 sup->worker[i].name);
	return -ENOENT;
}

static void begin(struct supervisor *sup, enum scale_kind kind, uint32_t worker, const char *target,
		  restart_done_fn done, uint64_t token)
{
	struct scale *s = &sup->scale;

	uint32_t services = group_services(sup, sup->worker[worker].group);

	*s = (struct scale){
		.phase = SCALE_SHARE, .kind = kind, .worker = worker, .receiver = SHARE_NOBODY, .done = done, .token = token,
		.began_ns = process_now_ns(), .deadline_ns = process_now_ns() + 10000000000ull,
	};
	snprintf(s->target, sizeof(s->target), "%s", target);
	/* Of a group with one service, as every group has that a file can name. */
	s->keeps = balance_keeps(sup, sup->worker[worker].group) && (services & (services - 1)) == 0;
	for (uint32_t i = 0; s->keeps && i < sup->slots; i++)
		if (sup->slot[i].state != WORKER_NONE)
			s->had[sup->slot[i].worker] += datapath_owned(sup->primary->dp, i);
	if (kind == SCALE_BALANCE) /* balance_run.c says what, and why */
		return;
	log_info("worker %s: %s", sup->worker[worker].name,
		 kind == SCALE_START ? "starts, or takes its share again" : kind == SCALE_DRAIN ? "is drained" :
		 kind == SCALE_STOP ? "is drained and stopped" :
		 kind == SCALE_DEBUG ? "gives its buckets away, to be debugged" :
		 kind == SCALE_WEIGHT ? "and the others of its group take what the rollout's weight gives them" :
		 "is given buckets");
}

int scale_begin_weight(struct supervisor *sup, uint32_t group, restart_done_fn done, uint64_t token, char *why,
		       size_t bytes)
{
	uint32_t worker = 0;
	int rc = refuse_busy(sup, why, bytes);

	if (rc)
		return rc;
	while (worker < sup->workers && (sup->worker[worker].group != group || sup->worker[worker].gone ||
					 sup->worker[worker].role != ROLE_STABLE))
		worker++;
	if (worker == sup->workers) {
		snprintf(why, bytes, "group %s has no worker", sup->primary->config.group[group].name);
		return -ENOENT;
	}
	begin(sup, SCALE_WEIGHT, worker, sup->primary->config.group[group].name, done, token);
	return 0;
}

/* ---- start ---- */

/* The group of "GROUP" or "GROUP.N", and N, or BATON_MAX_WORKERS if there is none. */
static uint32_t parse_target(const struct supervisor *sup, const char *target, uint32_t *index)
{
	const char *dot = strrchr(target, '.');
	uint32_t group = find_group(sup, target, strlen(target));
	char *end;

	*index = BATON_MAX_WORKERS;
	if (group < sup->primary->config.groups || !dot || dot[1] < '0' || dot[1] > '9')
		return group;
	unsigned long n = strtoul(dot + 1, &end, 10);
	if (*end != '\0' || n >= BATON_MAX_WORKERS || (dot[1] == '0' && dot[2] != '\0'))
		return sup->primary->config.groups;
	*index = (uint32_t)n;
	return find_group(sup, target, (size_t)(dot - target));
}

static uint32_t free_number(const struct supervisor *sup, uint32_t group)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < sup->workers; i++) /* sorted: the first number that is missing */
		n += sup->worker[i].group == group && sup->worker[i].index == n;
	return n;
}

static uint32_t find_number(const struct supervisor *sup, uint32_t group, uint32_t index)
{
	uint32_t i = 0;

	while (i < sup->workers && (sup->worker[i].group != group || sup->worker[i].index != index))
		i++;
	return i;
}

/* A restart starts its successor in a slot of its own: one stays free. */
static int refuse_slots(const struct supervisor *sup, uint32_t group, uint32_t index, char *why, size_t bytes)
{
	const char *name = sup->primary->config.group[group].name;

	uint32_t standbys = standbys_wanted(sup), reserved = rollouts_reserved(sup->primary, BATON_MAX_GROUPS);
	uint32_t needed = sup->workers + standbys + reserved + 2;
	char also[80] = "";

	if (needed <= sup->slots)
		return 0;
	if (needed - reserved <= sup->slots) {
		snprintf(why, bytes, "no worker slot is free for %s.%u: of %u, %u are for workers%s, 1 for a restart, and %u for "
			 "steps to come of a rollout: wait for its end (`batonctl rollout status`)", name, index, sup->slots,
			 sup->workers, standbys ? " and standbys" : "", reserved);
		return -ENOSPC;
	}
	if (standbys != 0)
		snprintf(also, sizeof(also), ", %u standbys (groups[].standby)", standbys);
	if (sup->slots < BATON_MAX_WORKERS)
		snprintf(why, bytes, "no worker slot is free for %s.%u: there are %u, for %u workers%s and the one a restart "
			 "starts a successor in; raise memory.worker_slots to at least %u and restart batond, or stop a worker",
			 name, index, sup->slots, sup->workers, also, needed);
	else
		snprintf(why, bytes, "no worker slot is free for %s.%u: there are %u, which is all that Baton has; stop a "
			 "worker first%s", name, index, sup->slots, standbys ? ", or lower groups[].standby" : "");
	return -ENOSPC;
}

int scale_begin_start(struct supervisor *sup, const char *target, restart_done_fn done, uint64_t token, char *why,
		      size_t bytes)
{
	uint32_t index, group = parse_target(sup, target, &index);
	int rc = refuse_busy(sup, why, bytes);

	if (rc)
		return rc;
	if (group == sup->primary->config.groups || strlen(target) >= BATON_NAME_BYTES) {
		size_t used = (size_t)snprintf(why, bytes, "no group '%.64s': give a group, or GROUP.N for worker N; groups "
					       "are ", target);
		for (uint32_t g = 0; g < sup->primary->config.groups && used < bytes; g++)
			used += (size_t)snprintf(why + used, bytes - used, "%s%s", g ? ", " : "",
						 sup->primary->config.group[g].name);
		return -ENOENT;
	}
	if (rollout_refuse(sup->primary, group, why, bytes))
		return -EBUSY;
	if (index == BATON_MAX_WORKERS)
		index = free_number(sup, group);
	uint32_t worker = find_number(sup, group, index);
	bool added = worker == sup->workers;
	if (!added && debug_refuse(sup, worker, why, bytes))
		return -EBUSY;
	if (!added && sup->worker[worker].gone) {
		snprintf(why, bytes, "%s was stopped and its process has not ended yet: wait", sup->worker[worker].name);
		return -EBUSY;
	}
	if (added && (rc = refuse_slots(sup, group, index, why, bytes)) != 0)
		return rc;
	if (added)
		worker = worker_add(sup, group, index);
	struct worker *w = &sup->worker[worker];
	begin(sup, SCALE_START, worker, target, done, token);
	sup->scale.added = added;
	sup->scale.was_drained = w->drained;
	sup->scale.newcomer = added || w->drained || w->debug_over;
	if (!sup->scale.newcomer) { /* nothing else is asked for but an even share */
		sup->scale.keeps = false;
		balance_evened(sup, group);
	}
	w->drained = false;
	if (added) {
		w->held = true;
		sup->scale.phase = SCALE_SPAWN;
	}
	return 0;
}

/* ---- drain, stop, move ---- */

int scale_begin_drain(struct supervisor *sup, const char *target, bool stop, restart_done_fn done, uint64_t token,
		      char *why, size_t bytes)
{
	uint32_t worker = worker_find(sup, target);
	int rc = refuse_busy(sup, why, bytes);

	if (rc)
		return rc;
	if (worker == sup->workers)
		return not_found(sup, target, why, bytes);
	struct worker *w = &sup->worker[worker];
	if (debug_refuse(sup, worker, why, bytes) || rollout_refuse(sup->primary, w->group, why, bytes))
		return -EBUSY;
	if (!w->drained && group_owners(sup, w->group) < 2) {
		snprintf(why, bytes, "%s is the last worker of group %s that owns buckets, it cannot be %s: start another "
			 "first, by `batonctl worker start %s`", w->name, sup->primary->config.group[w->group].name,
			 stop ? "stopped" : "drained", sup->primary->config.group[w->group].name);
		return -EPERM;
	}
	begin(sup, stop ? SCALE_STOP : SCALE_DRAIN, worker, target, done, token);
	w->leaving = true;
	w->placed = group_services(sup, w->group); /* what it never got goes to the others */
	return 0;
}

/* Buckets that stay with a worker that is debugged, and that worker itself. */
static int refuse_kept(const struct supervisor *sup, uint32_t worker, const uint64_t *map, char *why, size_t bytes)
{
	if (debug_refuse(sup, worker, why, bytes) ||
	    rollout_refuse(sup->primary, sup->worker[worker].group, why, bytes))
		return -EBUSY;
	for (uint32_t left = group_services(sup, sup->worker[worker].group); left != 0; left &= left - 1) {
		uint32_t service = (uint32_t)__builtin_ctz(left);

		for (uint32_t b = 0; b < sup->primary->config.service[service].buckets; b++) {
			uint32_t slot = datapath_owner(sup->primary->dp, service, b);
			if (slot != SLOT_NONE && buckets_has(map, b) &&
			    debug_refuse(sup, sup->slot[slot].worker, why, bytes))
				return -EBUSY;
		}
	}
	return 0;
}

int scale_find_worker(const struct supervisor *sup, const char *target, char *why, size_t bytes)
{
	int rc = refuse_busy(sup, why, bytes);

	return rc ? rc : worker_find(sup, target) == sup->workers ? not_found(sup, target, why, bytes) : 0;
}

int scale_begin_debug(struct supervisor *sup, uint32_t worker, const uint64_t *map, restart_done_fn done,
		      uint64_t token, char *why, size_t bytes)
{
	int rc = refuse_kept(sup, worker, map, why, bytes);

	if (rc)
		return rc;
	begin(sup, SCALE_DEBUG, worker, sup->worker[worker].name, done, token);
	memcpy(sup->scale.chosen, map, sizeof(sup->scale.chosen));
	return 0;
}

int scale_begin_move(struct supervisor *sup, const char *buckets, const char *target, restart_done_fn done,
		     uint64_t token, char *why, size_t bytes)
{
	static uint64_t map[SHARE_WORDS]; /* main lcore only */
	uint32_t worker = worker_find(sup, target), services, most = 0;
	int rc = refuse_busy(sup, why, bytes);

	if (rc)
		return rc;
	if (worker == sup->workers)
		return not_found(sup, target, why, bytes);
	const struct worker *w = &sup->worker[worker];
	services = group_services(sup, w->group);
	for (uint32_t left = services; left != 0; left &= left - 1)
		if (sup->primary->config.service[__builtin_ctz(left)].buckets > most)
			most = sup->primary->config.service[__builtin_ctz(left)].buckets;
	memset(map, 0, sizeof(map));
	if (buckets_parse(buckets, most, map, why, bytes) < 0)
		return -EINVAL;
	rc = refuse_kept(sup, worker, map, why, bytes);
	if (rc)
		return rc;
	if (w->drained) {
		snprintf(why, bytes, "%s is drained and takes no buckets: `batonctl worker start %s` takes it back",
			 w->name, w->name);
		return -EPERM;
	}
	if (w->slot == SLOT_NONE || !slot_usable(sup, w->slot)) {
		snprintf(why, bytes, "%s is down%s%s: it can take no buckets", w->name, w->trouble[0] ? ": " : "",
			 w->trouble);
		return -EPERM;
	}
	begin(sup, SCALE_MOVE, worker, target, done, token);
	memcpy(sup->scale.chosen, map, sizeof(map));
	return 0;
}

int scale_begin_balance(struct supervisor *sup, uint32_t worker, uint32_t service, const uint64_t *map,
			restart_done_fn done, char *why, size_t bytes)
{
	int rc = refuse_busy(sup, why, bytes);

	if (rc)
		return rc;
	begin(sup, SCALE_BALANCE, worker, sup->worker[worker].name, done, 0);
	memcpy(sup->scale.chosen, map, sizeof(sup->scale.chosen));
	sup->scale.service = service;
	return 0;
}
