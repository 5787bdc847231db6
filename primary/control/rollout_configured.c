/* What a configuration in force, or one that is to be, orders of rollouts: its candidates. */
#include <stdio.h>
#include <string.h>

#include "rollout_inner.h"

static const char *candidate_in(const struct config *config, uint32_t group)
{
	for (uint32_t i = 0; i < config->rollouts; i++)
		if (strcmp(config->rollout[i].name, config->group[group].name) == 0)
			return config->rollout[i].candidate;
	return "";
}

/* It is what is looked at, waits for its turn, or is under way. */
static bool is_ordered(const struct rollout *r, const char *to)
{
	if (strcmp(r->wish.to, to) == 0)
		return true;
	return rollout_at_work(r->at) && (strcmp(r->candidate.path, to) == 0 || strcmp(r->candidate.version, to) == 0);
}

bool rollout_refuse_candidate(const struct primary *primary, const struct config *next, char *why, size_t bytes)
{
	for (uint32_t g = 0; primary->rollouts && g < primary->config.groups; g++) {
		const struct rollout *r = rollout_of(primary, g);
		const char *to = candidate_in(next, g), *name = primary->config.group[g].name;

		if (to[0] == '\0' || strcmp(to, candidate_in(&primary->config, g)) == 0 || BATON_SABOTAGE(candidate_unheard))
			continue;
		if ((!rollout_at_work(r->at) && r->at != AT_CHECK && !r->wish.queued) || is_ordered(r, to))
			continue;
		snprintf(why, bytes, "the file names candidate %.120s for %s, of which a rollout is under way: wait for its end "
			 "(`batonctl rollout status %s`), or replace it, by `batonctl rollout start %s --to %.120s --replace`, and "
			 "reload then", to, name, name, name, to);
		return true;
	}
	return false;
}

void rollouts_configured(struct primary *primary, const struct config *before)
{
	static struct rollout_wish wish; /* main lcore only */

	for (uint32_t g = 0; primary->rollouts && primary->supervisor && g < primary->config.groups; g++) {
		struct rollout *r = rollout_of(primary, g);
		const char *to = candidate_in(&primary->config, g);

		if (to[0] == '\0' || strcmp(to, candidate_in(before, g)) == 0)
			continue;
		if (r->at != AT_IDLE && r->at != AT_DEGRADED)
			continue; /* it is that one: of another the reload was refused */
		memset(&wish, 0, sizeof(wish));
		snprintf(wish.to, sizeof(wish.to), "%s", to);
		snprintf(wish.actor, sizeof(wish.actor), "configuration");
		wish.by_file = wish.answered = true;
		rollout_order_it(primary, r, &wish);
	}
}
