/* Restart budgets: counting crashes, remembering what was good, falling back. */
#define _GNU_SOURCE
#include "budget.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "process.h"
#include "schema_check.h"
#include "supervisor.h"

static bool same_version(const struct good_version *good, const struct worker_slot *s)
{
	if (BATON_SABOTAGE(fallback_to_the_crashed))
		return false;
	if (good->build_id[0] || s->ready.build_id[0])
		return strcmp(good->build_id, s->ready.build_id) == 0;
	return strcmp(good->version, s->ready.version) == 0 && strcmp(good->path, s->path) == 0;
}

/* ---- what was good ---- */

static void forget(struct good_version *good)
{
	if (good->known)
		close(good->image);
	good->known = false;
}

static void remember(struct supervisor *sup, uint32_t group, const struct worker_slot *s)
{
	struct budget *budget = &sup->budget[group];
	struct good_version good = { .known = true };

	for (uint32_t i = 0; i < 2; i++)
		if (budget->good[i].known && same_version(&budget->good[i], s))
			return;
	good.image = fcntl(s->image, F_DUPFD_CLOEXEC, 3);
	if (good.image < 0)
		return; /* tried again next turn */
	schema_info(&s->ready, &good.facts);
	memcpy(good.path, s->path, sizeof(good.path));
	memcpy(good.version, s->ready.version, sizeof(good.version));
	memcpy(good.build_id, s->ready.build_id, sizeof(good.build_id));
	forget(&budget->good[1]);
	budget->good[1] = budget->good[0];
	budget->good[0] = good;
	log_info("group %s: version %s is what it falls back to if a later one crashes",
		 sup->primary->config.group[group].name, good.version);
}

void budget_poll(struct supervisor *sup)
{
	uint64_t now = process_now_ns();

	for (uint32_t i = 0; i < sup->slots; i++) {
		const struct worker_slot *s = &sup->slot[i];
		if (s->state != WORKER_ACTIVE || s->image < 0 || sup->worker[s->worker].role == ROLE_CANDIDATE)
			continue;
		uint32_t group = sup->worker[s->worker].group;
		uint64_t good_after = sup->primary->config.group[group].good_after_ns;
		const struct budget *budget = &sup->budget[group];
		if (!budget->fell_back && now - s->serves_ns >= good_after &&
		    (budget->last_ns == 0 || now - budget->last_ns >= good_after))
			remember(sup, group, s);
	}
}

/* ---- the budget ---- */

/* Workers that still run what crashed follow by an ordinary restart; if that cannot begin they go on, and are replaced
 * by the good one when they crash. */
static void fall_back(struct supervisor *sup, uint32_t group, uint32_t index)
{
	struct budget *budget = &sup->budget[group];
	const struct good_version *good = &budget->good[index];
	char why[256];

	budget->fell_back = true;
	budget->back = index;
	budget->crashes = 0;
	memcpy(sup->group_path[group], good->path, sizeof(good->path));
	version_kept_back(sup, group, good);
	standbys_renew(sup, group);
	for (uint32_t i = 0; i < sup->workers; i++) {
		struct worker *w = &sup->worker[i];
		if (w->group != group || w->role == ROLE_CANDIDATE)
			continue;
		memcpy(w->path, good->path, sizeof(w->path));
		w->backoff_ns = 0;
		w->next_start_ns = 0;
	}
	if (restart_begin(sup, sup->primary->config.group[group].name, NULL, NULL, 0, why, sizeof(why)) != 0)
		log_warn("group %s: workers that run the version that crashes go on for now: %s",
			 sup->primary->config.group[group].name, why);
}

uint32_t budget_recent(const struct supervisor *sup, uint32_t group)
{
	const struct budget *budget = &sup->budget[group];
	uint64_t now = process_now_ns(), window_ns = sup->primary->config.group[group].restart_window_ns;
	uint32_t recent = 0;

	for (uint32_t i = 0; i < BUDGET_MOST && i < budget->crashes; i++)
		recent += now - budget->crash_ns[i] < window_ns;
	return recent;
}

static void count_crash(struct budget *budget, uint64_t now)
{
	budget->last_ns = now;
	budget->crash_ns[budget->crashes++ % BUDGET_MOST] = now;
}

/* Records that the version in `slot` may have migrated can go back to the good one. */
static bool readable(const struct good_version *good, const struct worker_slot *s)
{
	struct plugin_info crashed;
	char why[300];

	schema_info(&s->ready, &crashed);
	if (schema_check(&crashed, &good->facts, why, sizeof(why)) != SCHEMA_REFUSED)
		return true;
	log_warn("no fall back to version %s: %s", good->version, why);
	return false;
}

/* Index of the latest good version that is not the one in `slot`, and reads what that leaves; 2: there is none. */
static uint32_t other_good(const struct budget *budget, const struct worker_slot *s)
{
	uint32_t good = 0;

	while (good < 2 && (!budget->good[good].known || same_version(&budget->good[good], s) ||
			    !readable(&budget->good[good], s)))
		good++;
	return good;
}

/* A candidate's crash is its rollout's business, not its group's. */
static bool is_on_trial(const struct supervisor *sup, uint32_t slot)
{
	return !sup->slot[slot].standby && sup->worker[sup->slot[slot].worker].role == ROLE_CANDIDATE;
}

void budget_quarantined(struct supervisor *sup, uint32_t slot, uint32_t deaths)
{
	struct budget *budget = &sup->budget[sup->worker[sup->slot[slot].worker].group];
	uint32_t before = deaths - 1; /* of them counted already */

	if (is_on_trial(sup, slot))
		return;
	if (BATON_SABOTAGE(poison_spends_the_budget))
		return budget_crash(sup, slot);
	budget->crashes -= before < budget->crashes ? before : budget->crashes;
	count_crash(budget, process_now_ns());
}

bool budget_tick_kills(struct supervisor *sup, uint32_t slot, uint32_t most)
{
	const struct worker_slot *s = &sup->slot[slot];
	uint32_t group = sup->worker[s->worker].group;
	const struct config_group *config = &sup->primary->config.group[group];
	struct budget *budget = &sup->budget[group];
	uint64_t now = process_now_ns();

	if (now - budget->tick_ns >= config->restart_window_ns)
		budget->tick_deaths = 0;
	budget->tick_ns = now;
	uint32_t good = other_good(budget, s);
	if (s->by_records || is_on_trial(sup, slot) || ++budget->tick_deaths < most || good == 2 || budget->fell_back || budget->spent ||
	    sup->restart.phase != RESTART_IDLE || sup->scale.phase != SCALE_IDLE)
		return false;
	memcpy(budget->failed, s->ready.version, sizeof(budget->failed));
	log_error("group %s: version %s has died of ticks, which must be run, %u times: it falls back to %s", config->name,
		  budget->failed, budget->tick_deaths, budget->good[good].version);
	fall_back(sup, group, good);
	return true;
}

void budget_crash(struct supervisor *sup, uint32_t slot)
{
	const struct worker_slot *s = &sup->slot[slot];
	uint32_t group = sup->worker[s->worker].group, recent, good;
	const struct config_group *config = &sup->primary->config.group[group];
	struct budget *budget = &sup->budget[group];
	uint64_t now = process_now_ns();

	if (is_on_trial(sup, slot) || s->by_records)
		return;
	count_crash(budget, now);
	recent = budget_recent(sup, group);
	if (config->restart_burst == 0 || recent < config->restart_burst || budget->spent ||
	    BATON_SABOTAGE(budget_ignored))
		return;
	/* Whatever is under way would overrule what is decided here: the next crash decides. */
	if (sup->restart.phase != RESTART_IDLE || sup->scale.phase != SCALE_IDLE)
		return;
	good = other_good(budget, s);
	if (good < 2 && !budget->fell_back) {
		memcpy(budget->failed, s->ready.version, sizeof(budget->failed));
		log_error("group %s: %u crashes of version %s within %.0f s: it falls back to %s", config->name, recent,
			  budget->failed, (double)config->restart_window_ns / 1e9, budget->good[good].version);
		fall_back(sup, group, good);
		return;
	}
	budget->spent = true;
	log_error("group %s: restarts spent: %u crashes of version %s within %.0f s, and no other version has run well; "
		  "`batonctl worker restart %s` tries again", config->name, recent, s->ready.version,
		  (double)config->restart_window_ns / 1e9, config->name);
}

void budget_reset(struct supervisor *sup, uint32_t group)
{
	struct budget *budget = &sup->budget[group];

	if (budget->spent)
		log_info("group %s: restarts are no longer spent", sup->primary->config.group[group].name);
	budget->crashes = 0;
	budget->tick_deaths = 0;
	budget->spent = budget->fell_back = false;
}

void budget_fini(struct supervisor *sup)
{
	for (uint32_t g = 0; g < BATON_MAX_GROUPS; g++)
		for (uint32_t i = 0; i < 2; i++)
			forget(&sup->budget[g].good[i]);
}
