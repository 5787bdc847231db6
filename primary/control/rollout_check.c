/* Which file is the candidate, and may it be rolled out? Nothing moves before the answer. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "hash.h"
#include "log.h"
#include "process.h"
#include "rollout_inner.h"
#include "schema_check.h"

#define ASK_MS    5000
#define SETTLE_NS 60000000000ull /* after a start of the primary, until the group serves */

/* ---- barred builds ---- */

static uint32_t find_bar(const struct rollout *r, const char *build_id)
{
	uint32_t i = 0;

	while (i < r->bars && (!build_id[0] || strcmp(r->barred[i].version.build_id, build_id) != 0))
		i++;
	return i;
}

bool rollout_barred(const struct rollout *r, const char *build_id)
{
	return find_bar(r, build_id) < r->bars;
}

void rollout_unbar(struct rollout *r, const char *build_id)
{
	uint32_t i = find_bar(r, build_id);

	if (i == r->bars)
		return;
	r->bars--;
	memmove(&r->barred[i], &r->barred[i + 1], (r->bars - i) * sizeof(r->barred[0]));
}

void rollout_bar(struct rollout *r, const char *why)
{
	rollout_unbar(r, r->candidate.build_id);
	if (!r->candidate.build_id[0])
		return; /* a file without build id cannot be known again */
	if (r->bars == ROLLOUT_BARRED) {
		memmove(&r->barred[0], &r->barred[1], (ROLLOUT_BARRED - 1) * sizeof(r->barred[0]));
		r->bars--;
	}
	r->barred[r->bars] = (struct rollout_bar){ .version = r->candidate, .time_ns = rollout_wall_ns() };
	snprintf(r->barred[r->bars++].why, ROLLOUT_WHY, "%s", why);
}

bool rollout_runs_barred(const struct supervisor *sup, const struct rollout *r, char *why, size_t bytes)
{
	for (uint32_t i = 0; i < sup->workers && !BATON_SABOTAGE(barred_build_unsaid); i++) {
		const struct worker *w = &sup->worker[i];
		const struct worker_slot *s = w->slot == SLOT_NONE ? NULL : &sup->slot[w->slot];

		if (w->group != r->group || w->role != ROLE_STABLE || w->gone || !s || s->ready.abi == 0)
			continue;
		uint32_t bar = find_bar(r, s->ready.build_id);
		if (bar == r->bars)
			continue;
		snprintf(why, bytes, "%s runs build %.12s of version %s, which was rolled back (%.80s): it lies at %.100s; put the "
			 "right file there, then `batonctl worker restart %s`", w->name, s->ready.build_id, s->ready.version,
			 r->barred[bar].why, s->path, sup->primary->config.group[r->group].name);
		return true;
	}
	return false;
}

void rollout_warn_barred(const struct supervisor *sup, struct rollout *r)
{
	char why[ROLLOUT_BARRED_WHY];
	bool runs = r->bars > 0 && rollout_runs_barred(sup, r, why, sizeof(why));

	if (runs && !r->runs_barred)
		log_warn("%s", why);
	r->runs_barred = runs;
}

/* ---- the file ---- */

/* Fills in wish.path, or begins the search for it. */
static int choose_file(struct supervisor *sup, struct rollout *r, char *why, size_t bytes)
{
	const struct config_group *g = &sup->primary->config.group[r->group];
	const char *named[2 + CONFIG_VERSIONS] = { g->plugin, sup->group_path[r->group] };
	struct rollout_wish *w = &r->wish;

	if (w->to[0] == '/') {
		memcpy(w->path, w->to, sizeof(w->path));
		return 0;
	}
	for (uint32_t i = 0; i < g->versions; i++) {
		if (strcmp(w->to, g->version[i].name) == 0) {
			memcpy(w->path, g->version[i].plugin, sizeof(w->path));
			return 0;
		}
		named[2 + i] = g->version[i].plugin;
	}
	if (w->to[0] == '\0' || strlen(w->to) >= BATON_NAME_BYTES || strchr(w->to, '/')) {
		snprintf(why, bytes, "'%.64s' is no version (1 to %u characters, no '/'): give a version of plugin %s, or the "
			 "absolute path of a file", w->to, BATON_NAME_BYTES - 1, sup->primary->plugin[r->group].name);
		return -EINVAL;
	}
	version_find_begin(&w->find, sup->zygote.path, sup->primary->plugin[r->group].name, w->to, named, 2 + g->versions);
	return 0;
}

/* ---- may it ---- */

/* converts: what the candidate has settled must be converted before stable can have it again. The candidate does that,
 * but it may be dead: then a process of its version is started for it (convert.c). */
static int refuse_slots(const struct supervisor *sup, const struct rollout *r, const struct config_rollout *plan,
			bool converts, char *why, size_t bytes)
{
	uint32_t permille, extra, standbys = standbys_wanted(sup), needed;
	uint32_t others = rollouts_reserved(sup->primary, r->group);
	char at[32], also[80] = "", elsewhere[64] = "";

	extra = config_rollout_extra(plan, rollout_count(sup, r->group, ROLE_STABLE), &permille);
	needed = sup->workers + extra + others + standbys + 1 + (converts && !BATON_SABOTAGE(converter_has_no_slot));
	if (needed <= sup->slots)
		return 0;
	snprintf(at, sizeof(at), "at %u.%u %%", permille / 10, permille % 10);
	if (converts)
		snprintf(also, sizeof(also), ", 1 to convert records of schema %u back if the candidate dies", r->info.schema);
	if (others)
		snprintf(elsewhere, sizeof(elsewhere), ", %u for rollouts of other groups", others);
	snprintf(why, bytes, "too few worker slots: %u for workers, %u for candidate and control %s%s, %u for standbys, 1 "
		 "for a restart%s are %u, there are %u; raise memory.worker_slots to %u and restart batond, or stop workers%s",
		 sup->workers, extra, permille ? at : "in the shadow", elsewhere, standbys, also, needed, sup->slots, needed,
		 others ? ", or wait for the other rollout's end" : "");
	return -ENOSPC;
}

static int refuse_group(const struct supervisor *sup, const struct rollout *r, char *why, size_t bytes)
{
	for (uint32_t i = 0; i < sup->workers; i++)
		if (sup->worker[i].group == r->group && debug_refuse(sup, i, why, bytes))
			return -EBUSY;
	if (sup->budget[r->group].fell_back || sup->budget[r->group].spent) {
		snprintf(why, bytes, "group %s has crashed too often and %s: `batonctl worker restart %s` with a version that "
			 "works comes first", sup->primary->config.group[r->group].name,
			 sup->budget[r->group].spent ? "waits for an operator" : "has fallen back",
			 sup->primary->config.group[r->group].name);
		return -EBUSY;
	}
	return 0;
}

static int refuse_schema(struct supervisor *sup, struct rollout *r, const struct plugin_info *stable, bool accepted,
			 char *why, size_t bytes)
{
	char said[300] = "";
	enum schema_way way = schema_check(stable, &r->info, said, sizeof(said));

	if (way != SCHEMA_REFUSED)
		way = schema_check_group(sup->primary, r->group, &r->info, said, sizeof(said));
	r->one_way = way == SCHEMA_ONE_WAY;
	if (way == SCHEMA_REFUSED && !BATON_SABOTAGE(schema_not_asked)) {
		snprintf(why, bytes, "%s", said);
		return -EINVAL;
	}
	if (r->one_way && !accepted) {
		snprintf(why, bytes, "there is no way back: %.150s; take a snapshot, by a {snapshot: {}} step or "
			 "`batonctl state snapshot FILE`, and give --accept-one-way", said);
		return -EPERM;
	}
	return 0;
}

static int refuse_build(const struct rollout *r, const struct rollout_version *stable, char *why, size_t bytes)
{
	const struct rollout_wish *w = &r->wish;
	uint32_t bar = find_bar(r, r->info.build_id);

	if (w->version[0] && strcmp(w->version, r->info.version) != 0) {
		snprintf(why, bytes, "%.120s says version %s, not %s: it was changed", w->path, r->info.version, w->version);
		return -ESTALE;
	}
	if (w->build_id[0] && strcmp(w->build_id, r->info.build_id) != 0) {
		snprintf(why, bytes, "%.100s is build %.12s by now, it was %.12s: it was changed", w->path,
			 r->info.build_id[0] ? r->info.build_id : "without id", w->build_id);
		return -ESTALE;
	}
	if (r->info.build_id[0] && strcmp(stable->build_id, r->info.build_id) == 0) {
		snprintf(why, bytes, "version %s, build %.12s, is what the group runs", r->info.version, r->info.build_id);
		return -EALREADY;
	}
	if (bar < r->bars && !w->retry && !w->at_once) {
		snprintf(why, bytes, "build %.12s of version %s was rolled back (%.90s): `batonctl rollout retry %s` tries it "
			 "again", r->info.build_id, r->info.version, r->barred[bar].why, r->plan.name);
		return -EPERM;
	}
	return 0;
}

/* What the group runs now; its descriptor in *info. -EAGAIN: nobody serves yet. */
static int look_at_stable(const struct supervisor *sup, const struct rollout *r, struct rollout_version *stable,
			  struct plugin_info *info)
{
	for (uint32_t i = 0; i < sup->workers; i++) {
		const struct worker *w = &sup->worker[i];
		const struct worker_slot *s = w->slot == SLOT_NONE ? NULL : &sup->slot[w->slot];

		if (w->group != r->group || w->role != ROLE_STABLE || w->gone || !s || s->ready.abi == 0 ||
		    !slot_usable(sup, w->slot))
			continue;
		memset(stable, 0, sizeof(*stable));
		memcpy(stable->version, s->ready.version, sizeof(stable->version));
		memcpy(stable->build_id, s->ready.build_id, sizeof(stable->build_id));
		memcpy(stable->path, sup->group_path[r->group], sizeof(stable->path));
		schema_info(&s->ready, info);
		return 0;
	}
	return -EAGAIN;
}

/* ---- the plan ---- */

static void make_plan(const struct supervisor *sup, const struct rollout *r, struct config_rollout *plan)
{
	if (r->wish.resumed) { /* what it was begun with, whatever a reload has said since */
		*plan = r->plan;
		return;
	}
	config_rollout_of(&sup->primary->config, r->group, plan);
	if (r->wish.at_once) {
		plan->step[0] = (struct config_step){ .kind = STEP_WEIGHT, .permille = 1000 };
		plan->steps = 1;
		for (uint32_t g = 0; g < GATE_CRASHES; g++)
			plan->analysis.gate[g].on = false;
		return;
	}
	uint32_t last = 0;
	for (uint32_t i = 0; i < plan->steps; i++)
		if (plan->step[i].kind == STEP_WEIGHT)
			last = plan->step[i].permille;
	if (last == 1000)
		return;
	if (plan->steps == CONFIG_STEPS)
		plan->steps--;
	plan->step[plan->steps++] = (struct config_step){ .kind = STEP_WEIGHT, .permille = 1000 };
}

static void take_over(struct supervisor *sup, struct rollout *r, const struct rollout_version *stable,
		   const struct config_rollout *plan)
{
	struct rollout_wish *w = &r->wish;

	r->plan = *plan;
	r->stable = *stable;
	memset(&r->candidate, 0, sizeof(r->candidate));
	memcpy(r->candidate.version, r->info.version, sizeof(r->candidate.version));
	memcpy(r->candidate.build_id, r->info.build_id, sizeof(r->candidate.build_id));
	memcpy(r->candidate.path, w->path, sizeof(r->candidate.path));
	r->at_once = w->at_once;
	if (!w->resumed) {
		r->began_ns = rollout_wall_ns();
		r->salt = hash_mix64(r->began_ns ^ sup->primary->boot_id ^ sup->primary->state.header->salt);
	}
	rollout_unbar(r, r->candidate.build_id);
}

/* All is known. */
static int judge(struct supervisor *sup, struct rollout *r, char *why, size_t bytes)
{
	static struct config_rollout plan; /* main lcore only */
	struct rollout_version stable;
	struct plugin_info info;
	struct rollout_wish *w = &r->wish;
	int rc = look_at_stable(sup, r, &stable, &info);

	if (rc) {
		snprintf(why, bytes, "no worker of group %s serves: there is nothing to compare a candidate with",
			 sup->primary->config.group[r->group].name);
		return -EBUSY;
	}
	make_plan(sup, r, &plan);
	if (w->resumed && strcmp(stable.build_id, r->stable.build_id) != 0) {
		snprintf(why, bytes, "the group runs build %.12s since batond was restarted, the rollout was from build %.12s",
			 stable.build_id, r->stable.build_id);
		return -ESTALE;
	}
	if ((rc = refuse_group(sup, r, why, bytes)) || (rc = refuse_build(r, &stable, why, bytes)) ||
	    (rc = refuse_schema(sup, r, &info, w->accept_one_way || w->resumed || plan.accept_one_way, why, bytes)) ||
	    (rc = rollout_shadow_refuse(sup, r, &plan, &info, why, bytes)) || (rc = refuse_slots(sup, r, &plan, !r->one_way && !schema_takes(&info, r->info.schema), why, bytes)))
		return rc;
	take_over(sup, r, &stable, &plan);
	return 0;
}

/* ---- turns ---- */

void rollout_check_begin(struct supervisor *sup, struct rollout *r)
{
	(void)sup;
	r->wish.asking = r->wish.searching = r->wish.known = false;
	r->wish.path[0] = '\0';
	r->wish.began_ns = process_now_ns();
}

/* -EAGAIN until it is known. */
static int find_and_ask(struct supervisor *sup, struct rollout *r, char *why, size_t bytes)
{
	struct rollout_wish *w = &r->wish;
	int rc;

	if (!w->searching) {
		rc = choose_file(sup, r, why, bytes);
		w->searching = rc == 0;
		if (rc)
			return rc;
	}
	if (w->path[0] == '\0') {
		rc = version_find_poll(&w->find, w->path, why, bytes);
		w->unknown = rc == -ENOENT;
		if (rc)
			return rc;
	}
	if (!w->asking) {
		rc = plugin_ask_begin(&w->ask, sup->zygote.path, w->path, ASK_MS, why, bytes);
		w->asking = rc == 0;
		if (rc)
			return rc;
	}
	return plugin_ask_poll(&w->ask, &r->info, why, bytes);
}

/* After a start of the primary the group comes first. */
static bool group_serves(const struct supervisor *sup, const struct rollout *r)
{
	if (process_now_ns() - r->wish.began_ns >= SETTLE_NS)
		return true;
	for (uint32_t i = 0; i < sup->workers; i++)
		if (sup->worker[i].group == r->group && !worker_settled(sup, i))
			return false;
	return true;
}

void rollout_check_poll(struct supervisor *sup, struct rollout *r)
{
	char why[700] = "";
	int rc = 0;

	if (r->wish.resumed && r->wish.began_ns == 0)
		rollout_check_begin(sup, r);
	if (r->wish.resumed && !group_serves(sup, r))
		return;
	if (!r->wish.known)
		rc = find_and_ask(sup, r, why, sizeof(why));
	if (rc == -EAGAIN)
		return;
	r->wish.known = rc == 0;
	/* A restart or a reload under way: which file it is that the group runs, and goes back to, is known at its end. */
	if (rc == 0 && !rollout_table_is_free(sup) && !BATON_SABOTAGE(crossing_restart_not_awaited))
		return;
	if (rc == 0)
		rc = judge(sup, r, why, sizeof(why));
	if (rc == 0)
		rollout_event(sup, r, EV_SOUND, "");
	else
		rollout_event(sup, r, r->before == AT_DEGRADED || r->wish.resumed || r->wish.by_file ? EV_UNFIT : EV_REFUSED,
			      why);
}
