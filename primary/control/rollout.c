/* Rollouts as the rest of the primary sees them: one a group, taken up again after a start. */
#include "rollout.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "process.h"
#include "rank.h"
#include "rollout_inner.h"
#include "share.h"

struct rollout *rollout_of(const struct primary *primary, uint32_t group)
{
	return primary->rollouts && group < primary->config.groups ? primary->rollouts->of[group] : NULL;
}

int rollouts_init(struct primary *primary)
{
	struct rollouts *all = calloc(1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	primary->rollouts = all;
	snprintf(all->path, sizeof(all->path), BATON_ROLLOUT_PATH_FMT, primary->config.name);
	for (uint32_t g = 0; g < primary->config.groups; g++) {
		struct rollout *r = calloc(1, sizeof(*r));

		if (!r) {
			rollouts_fini(primary);
			return -ENOMEM;
		}
		all->of[g] = r;
		r->group = g;
		r->stable_image = r->candidate_image = -1;
		r->wish.answered = true;
		config_rollout_of(&primary->config, g, &r->plan);
	}
	rollout_load(primary);
	return 0;
}

void rollouts_fini(struct primary *primary)
{
	if (!primary->rollouts)
		return;
	for (uint32_t g = 0; g < BATON_MAX_GROUPS; g++) {
		struct rollout *r = primary->rollouts->of[g];

		if (!r)
			continue;
		rollout_drop_images(r);
		rollout_home_free(r);
		rollout_gates_free(r);
		plugin_ask_cancel(&r->wish.ask);
		version_find_cancel(&r->wish.find);
		free(r);
	}
	free(primary->rollouts);
	primary->rollouts = NULL;
}

void rollouts_poll(struct supervisor *sup)
{
	struct rollouts *all = sup->primary->rollouts;

	/* The disk was full: once it has room the file is true again, whether anything happens by then or not. */
	if (all && all->complained && !sup->stopping && process_now_ns() >= all->again_ns &&
	    !BATON_SABOTAGE(not_written_again))
		rollout_save(sup->primary, false);
	for (uint32_t g = 0; g < sup->primary->config.groups; g++) {
		struct rollout *r = rollout_of(sup->primary, g);

		if (r && !sup->stopping)
			rollout_poll_one(sup, r);
	}
}

bool rollouts_busy(const struct primary *primary)
{
	for (uint32_t g = 0; g < primary->config.groups; g++) {
		const struct rollout *r = rollout_of(primary, g);

		if (r && (r->at == AT_CHECK || r->at == AT_START || r->at == AT_SNAPSHOT || r->at == AT_COMPLETE ||
			  r->at == AT_SETTLE || r->at == AT_ROLLBACK || r->moving || r->wish.queued))
			return true;
	}
	return false;
}

const char *rollout_plugin(const struct primary *primary, uint32_t group)
{
	const struct rollout *r = rollout_of(primary, group);
	const char *configured = primary->config.group[group].plugin;

	if (!r || !r->promoted.path[0] || strcmp(r->configured, configured) != 0)
		return configured;
	if (access(r->promoted.path, R_OK) != 0) {
		log_warn("group %s: %s, which its last rollout promoted, cannot be read: it starts with %s",
			 primary->config.group[group].name, r->promoted.path, configured);
		return configured;
	}
	return r->promoted.path;
}

bool rollout_refuse(const struct primary *primary, uint32_t group, char *why, size_t bytes)
{
	const struct rollout *r = rollout_of(primary, group);
	const char *name = primary->config.group[group].name;

	if (!r || primary->rollouts->ordering || !rollout_at_work(r->at))
		return false;
	/* Nobody of stable is left to go back to, or it cannot have what the candidate leaves: an operator's to change. */
	if (r->at == AT_ROLLBACK && r->hindered)
		return false;
	snprintf(why, bytes, "a rollout of %s to version %s is under way: wait for its end (`batonctl rollout status %s`) "
		 "or end it, by `batonctl rollout abort %s`", name, r->candidate.version, name, name);
	return true;
}

bool rollout_barred_runs(const struct primary *primary, uint32_t group, char *why, size_t bytes)
{
	const struct rollout *r = rollout_of(primary, group);

	return r && primary->supervisor && !rollout_at_work(r->at) &&
	       rollout_runs_barred(primary->supervisor, r, why, bytes);
}

/* ---- whose buckets ---- */

static void cohort_map(const struct supervisor *sup, const struct rollout *r, uint32_t service, uint64_t *map)
{
	char why[200];
	uint32_t bucket;

	memset(map, 0, SHARE_WORDS * sizeof(*map));
	for (uint32_t i = 0; i < r->plan.cohorts; i++)
		if (scale_key_bucket(sup->primary, service, r->plan.cohort[i], &bucket, why, sizeof(why)) == 0)
			buckets_add(map, bucket);
}

void rollout_rank(const struct supervisor *sup, const struct rollout *r, uint32_t service, uint32_t permille,
		  uint32_t control, uint8_t *role)
{
	static uint64_t cohort[SHARE_WORDS]; /* main lcore only */

	cohort_map(sup, r, service, cohort);
	rank_roles(sup->primary->config.service[service].buckets, r->salt, cohort, permille, control, role);
}

void rollout_roles(const struct supervisor *sup, uint32_t group, uint32_t service, uint8_t *role)
{
	const struct rollout *r = rollout_of(sup->primary, group);

	if (r)
		rollout_rank(sup, r, service, r->want, r->control ? r->want : 0, role);
	else
		memset(role, ROLE_STABLE, sup->primary->config.service[service].buckets);
}

bool rollout_shares(const struct supervisor *sup, uint32_t group, uint32_t role)
{
	const struct rollout *r = rollout_of(sup->primary, group);

	if (!r || role == ROLE_STABLE)
		return true;
	return r->want > 0 && (role == ROLE_CANDIDATE || r->control);
}
