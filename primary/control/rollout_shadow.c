/* The shadow step of a rollout; the shadow itself is shadow.c. */
#include "shadow.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rank.h"
#include "rollout_inner.h"
#include "share.h"

static uint32_t worker_of(const struct supervisor *sup, uint32_t group, enum worker_role role)
{
	uint32_t i = 0;

	while (i < sup->workers && (sup->worker[i].group != group || sup->worker[i].role != role || sup->worker[i].gone))
		i++;
	return i;
}

/* Those that the candidate would own at that weight; of the service with most buckets. */
static void sample(const struct supervisor *sup, const struct rollout *r, uint32_t permille, uint64_t *map)
{
	static uint8_t role[BATON_MAX_BUCKETS]; /* main lcore only */
	uint32_t service = 0, most = 0;

	for (uint32_t left = group_services(sup, r->group); left != 0; left &= left - 1) {
		uint32_t s = (uint32_t)__builtin_ctz(left);
		if (sup->primary->config.service[s].buckets > most) {
			most = sup->primary->config.service[s].buckets;
			service = s;
		}
	}
	memset(map, 0, SHARE_WORDS * sizeof(*map));
	rollout_rank(sup, r, service, permille, 0, role);
	for (uint32_t b = 0; b < most; b++)
		if (role[b] == RANK_CANDIDATE)
			buckets_add(map, b);
}

static int refuse_plugin(const struct plugin_info *info, const char *whose, char *why, size_t bytes)
{
	if (info->shadow)
		return 0;
	snprintf(why, bytes, "plugin %s %s (%s) does not declare that it may run as a shadow: set .shadow = 1 in its "
		 "descriptor if it has no effect but on its records, replies and messages, or leave the shadow step out",
		 info->name, info->version, whose);
	return -ENOTSUP;
}

int rollout_shadow_refuse(const struct supervisor *sup, const struct rollout *r, const struct config_rollout *plan,
			  const struct plugin_info *stable, char *why, size_t bytes)
{
	uint32_t buckets = sup->primary->state.header->group[r->group].buckets;
	int rc = 0;

	for (uint32_t i = r->wish.resumed ? r->step : 0; i < plan->steps && rc == 0; i++) {
		if (plan->step[i].kind != STEP_SHADOW || BATON_SABOTAGE(shadow_tried_all_the_same))
			continue;
		if ((rc = refuse_plugin(&r->info, "candidate", why, bytes)) == 0 &&
		    (rc = refuse_plugin(stable, "stable", why, bytes)) == 0)
			rc = shadow_fits(sup, r->group, rank_count(plan->step[i].permille, buckets), why, bytes);
	}
	return rc;
}

int rollout_mirror(struct supervisor *sup, struct rollout *r, char *why, size_t bytes)
{
	static uint64_t map[SHARE_WORDS]; /* main lcore only */
	const struct config_step *step = &r->plan.step[r->step];

	sample(sup, r, step->permille, map);
	return shadow_begin(sup, r->group, map, worker_of(sup, r->group, ROLE_CANDIDATE),
			    worker_of(sup, r->group, ROLE_CONTROL), step->digest, why, bytes);
}

void rollout_unmirror(struct supervisor *sup, struct rollout *r)
{
	if (!r->mirroring)
		return;
	shadow_end(sup, r->group);
	r->mirroring = false;
	if (!BATON_SABOTAGE(gates_outlive_the_shadow))
		rollout_gates_disarm(r); /* there is nothing to judge until the next weight */
	/* Their processes have no records of the group's: the next step has others. */
	rollout_retire(sup, r, ROLE_CANDIDATE);
	rollout_retire(sup, r, ROLE_CONTROL);
}

void rollout_shadow_counts(const struct supervisor *sup, const struct rollout *r, struct shadow_counts *out)
{
	shadow_counts(sup, r->group, out);
}

bool rollout_shadowed(const struct supervisor *sup, const struct rollout *r)
{
	for (uint32_t i = 0; i < sup->workers; i++) {
		const struct worker *w = &sup->worker[i];

		if (w->group != r->group || w->role == ROLE_STABLE || w->gone)
			continue;
		if (w->shadow != SHADOW_NONE || (w->slot != SLOT_NONE && sup->slot[w->slot].shadow != SHADOW_NONE))
			return true;
	}
	return false;
}
