/* Groups: who serves, who is down and why, what is parked and for how long. */
#include "group.h"

#include <stdio.h>
#include <string.h>

#include "process.h"
#include "supervisor.h"

#define PUBLISH_NS 50000000ull

static bool serves(const struct supervisor *sup, const struct worker *w)
{
	return w->slot != SLOT_NONE && slot_usable(sup, w->slot) && datapath_owned(sup->primary->dp, w->slot) > 0;
}

static void look_at_workers(const struct supervisor *sup, uint32_t group, struct stats_group *out)
{
	for (uint32_t i = 0; i < sup->workers; i++) {
		const struct worker *w = &sup->worker[i];
		bool serving = serves(sup, w);

		if (w->group != group || w->gone || w->drained)
			continue;
		out->workers++;
		out->serving += serving;
		if (serving) {
			if (w->role == ROLE_STABLE)
				memcpy(out->version, sup->slot[w->slot].ready.version, sizeof(out->version));
			continue;
		}
		out->failed_starts += w->failed_starts;
		if (out->why[0] == '\0' && w->trouble[0])
			snprintf(out->why, sizeof(out->why), "%.31s: %.90s", w->name, w->trouble);
	}
}

static void look_at_parked(const struct supervisor *sup, uint32_t group, struct stats_group *out)
{
	for (uint32_t i = 0; i < sup->slots; i++) {
		const struct worker_slot *s = &sup->slot[i];
		struct slot_parked parked;

		if (s->state != WORKER_DEAD || sup->worker[s->worker].group != group)
			continue;
		datapath_slot_parked(sup->primary->dp, i, &parked);
		out->parked_buckets += s->orphans;
		out->parked_packets += parked.packets;
		out->parked_ns = parked.age_ns > out->parked_ns ? parked.age_ns : out->parked_ns;
	}
}

static enum group_state state_of(const struct budget *budget, const struct stats_group *group)
{
	if (budget->spent)
		return GROUP_SPENT;
	if (group->failed_starts > 0)
		return group->serving == 0 ? GROUP_DOWN : GROUP_PART;
	if (budget->fell_back)
		return GROUP_FELL_BACK;
	return group->serving == 0 && group->workers > 0 ? GROUP_STARTING : GROUP_SERVING;
}

void group_look(const struct supervisor *sup, uint32_t group, struct stats_group *out)
{
	const struct config_group *config = &sup->primary->config.group[group];
	const struct budget *budget = &sup->budget[group];

	*out = (struct stats_group){ .crashes = budget_recent(sup, group), .burst = config->restart_burst };
	memcpy(out->name, config->name, sizeof(out->name));
	look_at_workers(sup, group, out);
	look_at_parked(sup, group, out);
	out->standbys = standbys_ready(sup, group);
	out->standbys_wanted = config->standby;
	if (out->why[0] == '\0' && out->standbys < out->standbys_wanted && sup->standbys[group].trouble[0])
		snprintf(out->why, sizeof(out->why), "%.120s", sup->standbys[group].trouble);
	if (budget->fell_back) {
		memcpy(out->failed, budget->failed, sizeof(out->failed));
		memcpy(out->version, budget->good[budget->back].version, sizeof(out->version));
	}
	out->state = state_of(budget, out);
}

/* Nobody will come for its orphans, as far as can be told: nothing is started, or what is started fails, until one is
 * ready. */
static bool is_given_up(const struct supervisor *sup, const struct worker_slot *s)
{
	const struct worker *w = &sup->worker[s->worker];

	if (held_slot(sup, (uint32_t)(s - sup->slot)))
		return true;
	return s->state == WORKER_DEAD && s->recovered && s->orphans > 0 && !w->held &&
	       (sup->budget[w->group].spent || w->failed_starts > 0);
}

static void limit_age(struct supervisor *sup, uint32_t slot)
{
	struct worker_slot *s = &sup->slot[slot];
	uint64_t max_age_ns =
		is_given_up(sup, s) ? sup->primary->config.group[sup->worker[s->worker].group].park_max_age_ns : 0;

	if (s->state != WORKER_DEAD || s->max_age_ns == max_age_ns)
		return;
	s->max_age_ns = max_age_ns;
	datapath_slot_park(sup->primary->dp, slot, max_age_ns);
}

void groups_poll(struct supervisor *sup)
{
	uint64_t now = process_now_ns();
	struct stats_group entry;

	for (uint32_t i = 0; i < sup->slots; i++)
		limit_age(sup, i);
	if (now - sup->published_ns < PUBLISH_NS)
		return;
	sup->published_ns = now;
	for (uint32_t g = 0; g < sup->primary->config.groups; g++) {
		group_look(sup, g, &entry);
		stats_group_write(&sup->primary->stats, g, &entry);
	}
}
