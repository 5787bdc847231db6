/* Checks of rollouts across values. Each looks only at values that were read without an error. */
#include <inttypes.h>
#include <string.h>

#include "loader.h"
#include "sabotage.h"

static struct place place_at(const struct loader *l, const void *field, bool element)
{
	const struct spot *spot = loader_spot(l, field, element);

	return spot ? spot->place : (struct place){ 0, 0 };
}

#define wrong(l, field, ...) loader_error(l, place_at(l, field, false), __VA_ARGS__)
#define wrong_step(l, step, ...) loader_error(l, place_at(l, step, true), __VA_ARGS__)

/* The group, or NULL after an error or if nothing can be said. */
static const struct config_group *find_group(struct loader *l, uint32_t r)
{
	struct config *c = l->config;
	struct config_rollout *rollout = &c->rollout[r];
	const char *names[BATON_MAX_GROUPS + 1];
	char hint[SHOWN_BYTES];
	uint32_t g;

	if (!loader_good(l, rollout->name) || !loader_good(l, &c->groups))
		return NULL;
	for (g = 0; g < c->groups && strcmp(c->group[g].name, rollout->name) != 0; g++) {
		if (!loader_good(l, c->group[g].name))
			return NULL;
		names[g] = c->group[g].name;
	}
	if (g == c->groups) {
		names[g] = NULL;
		wrong(l, rollout->name, "rollouts[%u].group: no group is called '%s'%s", r, rollout->name,
		      value_meant(rollout->name, names, hint));
		return NULL;
	}
	rollout->group_index = g;
	for (uint32_t o = 0; o < r; o++)
		if (strcmp(c->rollout[o].name, rollout->name) == 0)
			wrong(l, rollout->name,
			      "rollouts[%u].group: '%s' already has rollouts[%u]; a group has one rollout at a time", r,
			      rollout->name, o);
	return &c->group[g];
}

static void check_candidate(struct loader *l, uint32_t r, const struct config_group *group)
{
	const char *candidate = l->config->rollout[r].candidate, *names[CONFIG_VERSIONS + 1];
	char known[CONFIG_VERSIONS * (BATON_NAME_BYTES + 2)] = "", hint[SHOWN_BYTES];

	if (!loader_good(l, candidate) || !loader_good(l, &group->versions) || candidate[0] == '\0' ||
	    strchr(candidate, '/'))
		return;
	for (uint32_t v = 0; v < group->versions; v++) {
		if (!loader_good(l, group->version[v].name) || strcmp(group->version[v].name, candidate) == 0)
			return;
		names[v] = group->version[v].name;
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s", v ? ", " : "", names[v]);
	}
	names[group->versions] = NULL;
	value_meant(candidate, names, hint);
	wrong(l, candidate, "rollouts[%u].candidate: group '%s' has no version '%s'%s%s%s", r, group->name, candidate,
	      hint[0] ? hint : group->versions ? "; it has: " : "; name it under groups[].versions, or write a path with "
	      "a slash in it", hint[0] ? "" : known, "");
}

/* Shadow and snapshot, then weights that rise, up to 100 %. The first mistake is the one that is told. */
static void check_order(struct loader *l, uint32_t r)
{
	const struct config_rollout *rollout = &l->config->rollout[r];
	const struct config_step *last = NULL;
	uint32_t snapshots = 0;
	char share[16], other[16];

	if (!loader_good(l, rollout->step))
		return;
	for (uint32_t i = 0; i < rollout->steps; i++) {
		const struct config_step *step = &rollout->step[i];

		if (step->kind == STEP_SHADOW && last) {
			wrong_step(l, step, "rollouts[%u].steps[%u]: shadow comes before every weight: at %s players have the "
				   "candidate's replies already", r, i, share_text(last->permille, share));
			return;
		}
		if (step->kind == STEP_SNAPSHOT && (last || snapshots++ > 0)) {
			wrong_step(l, step, "rollouts[%u].steps[%u]: %s", r, i, !last ? "a rollout takes one snapshot" :
				   "a snapshot comes before every weight: it is what there was before the candidate wrote "
				   "anything");
			return;
		}
		if (step->kind != STEP_WEIGHT)
			continue;
		if (last && step->permille <= last->permille && !BATON_SABOTAGE(rollout_weights_fall)) {
			wrong_step(l, step, "rollouts[%u].steps[%u]: weights rise: %s comes after %s", r, i,
				   share_text(step->permille, share), share_text(last->permille, other));
			return;
		}
		last = step;
	}
	if (!last || last->permille != 1000)
		wrong(l, rollout->step, "rollouts[%u].steps: the last weight must be 100%%%s%s: add {weight: 100%%}", r,
		      last ? ", not " : "; there is none", last ? share_text(last->permille, share) : "");
}

/* Minutes that the file itself asks for must fit into its deadline. */
static void check_deadline(struct loader *l, uint32_t r)
{
	const struct config_rollout *rollout = &l->config->rollout[r];
	char needed[32], given[32];
	uint64_t ns = 0;

	if (!loader_good(l, rollout->step) || !loader_good(l, &rollout->deadline_ns) || rollout->deadline_ns == 0)
		return;
	for (uint32_t i = 0; i < rollout->steps; i++)
		ns += rollout->step[i].ns;
	if (ns < rollout->deadline_ns)
		return;
	schema_format_number(SCHEMA_DURATION, ns, needed, sizeof(needed));
	schema_format_number(SCHEMA_DURATION, rollout->deadline_ns, given, sizeof(given));
	wrong(l, &rollout->deadline_ns, "rollouts[%u].deadline: %s is over before the steps are, whose shadows and pauses "
	      "take %s alone; raise it, or write none", r, given, needed);
}

static void check_slots(struct loader *l, uint32_t r, const struct config_group *of)
{
	const struct config *c = l->config;
	const struct config_rollout *rollout = &c->rollout[r];
	uint32_t workers = 0, standby = 0, permille, extra;
	bool whole = loader_good(l, &c->groups) && loader_good(l, &c->worker_slots) && loader_good(l, rollout->step);
	char at[32] = "in shadow", share[16];

	for (uint32_t g = 0; g < c->groups; g++) {
		whole = whole && loader_good(l, &c->group[g].count) && loader_good(l, &c->group[g].standby);
		workers += c->group[g].count;
		standby += c->group[g].standby;
	}
	if (!whole || workers + standby + 1 > c->worker_slots) /* which has its own error */
		return;
	extra = config_rollout_extra(rollout, of->count, &permille);
	if (workers + standby + 1 + extra <= c->worker_slots)
		return;
	if (permille)
		snprintf(at, sizeof(at), "at %s", share_text(permille, share));
	uint32_t needed = workers + standby + 1 + extra;
	wrong(l, rollout->step,
	      "rollouts[%u].steps: %s it takes %u workers of candidate%s beside %u workers, %u standbys and 1 slot for a "
	      "restart: %u, and memory.worker_slots is %u: raise it to %u%s%s", r, at, extra,
	      permille > CONFIG_CONTROL_MOST ? "" : " and control", workers, standby, needed, c->worker_slots, needed,
	      needed > BATON_MAX_WORKERS ? ", which is more than Baton has: lower groups[].count" : "",
	      rollout->accept_one_way || needed >= BATON_MAX_WORKERS ? "" :
	      "; a candidate of another schema takes one more, which converts its records back if it dies");
}

void loader_check_rollouts(struct loader *l)
{
	struct config *c = l->config;

	for (uint32_t r = 0; r < c->rollouts; r++) {
		struct config_rollout *rollout = &c->rollout[r];
		const struct config_analysis *a = &rollout->analysis;
		const struct config_group *group = find_group(l, r);

		rollout->line = place_at(l, rollout->name, false).line + 1;
		check_order(l, r);
		check_deadline(l, r);
		if (loader_good(l, &a->failure_limit) && loader_good(l, &a->of) && a->failure_limit > a->of)
			wrong(l, &a->failure_limit, "rollouts[%u].analysis.failure_limit: %u of the last %u windows can "
			      "never fail; at most %u (of_windows)", r, a->failure_limit, a->of, a->of);
		if (group) {
			check_candidate(l, r, group);
			check_slots(l, r, group);
		}
	}
}
