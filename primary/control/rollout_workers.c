/* Workers of a rollout: candidate and control come and go, each version keeps the bytes it began with. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "process.h"
#include "rank.h"
#include "reload.h"
#include "rollout_inner.h"

static bool is_of(const struct supervisor *sup, uint32_t worker, uint32_t group, enum worker_role role)
{
	const struct worker *w = &sup->worker[worker];

	return w->group == group && w->role == role && !w->gone;
}

/* Beside what the candidate has at that weight there is something for control: not in a service of one bucket. */
static bool leaves_some(const struct supervisor *sup, uint32_t group, uint32_t permille)
{
	bool some = false;

	for (uint32_t left = group_services(sup, group); left != 0; left &= left - 1) {
		uint32_t buckets = sup->primary->config.service[__builtin_ctz(left)].buckets;

		some = some || rank_count(permille, buckets) < buckets;
	}
	return some || BATON_SABOTAGE(control_of_nothing);
}

struct rollout_need rollout_need(const struct supervisor *sup, const struct rollout *r)
{
	const struct config_step *step = r->step < r->plan.steps ? &r->plan.step[r->step] : NULL;
	uint32_t count = rollout_count(sup, r->group, ROLE_STABLE), permille = r->weight;

	if (step && step->kind == STEP_SHADOW)
		return (struct rollout_need){ .candidates = 1, .controls = 1, .shadow = true };
	if (step && step->kind == STEP_WEIGHT)
		permille = step->permille;
	uint32_t k = config_rollout_candidates(count, permille);
	bool alone = permille > CONFIG_CONTROL_MOST || !leaves_some(sup, r->group, permille);
	return (struct rollout_need){ .candidates = k, .controls = alone ? 0 : k };
}

uint32_t rollout_count(const struct supervisor *sup, uint32_t group, enum worker_role role)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < sup->workers; i++)
		count += is_of(sup, i, group, role);
	return count;
}

uint32_t rollouts_reserved(const struct primary *primary, uint32_t but)
{
	static struct config_rollout rest; /* main lcore only */
	uint32_t reserved = 0, permille;

	for (uint32_t g = 0; primary->supervisor && g < primary->config.groups; g++) {
		const struct supervisor *sup = primary->supervisor;
		const struct rollout *r = rollout_of(primary, g);

		if (!r || g == but || r->at < AT_START || r->at > AT_PAUSE || BATON_SABOTAGE(slots_of_steps_to_come_are_free))
			continue;
		uint32_t first = r->step < r->plan.steps ? r->step : r->plan.steps;
		rest.steps = r->plan.steps - first;
		memcpy(rest.step, r->plan.step + first, rest.steps * sizeof(rest.step[0]));
		uint32_t most = config_rollout_extra(&rest, rollout_count(sup, g, ROLE_STABLE), &permille);
		uint32_t there = rollout_count(sup, g, ROLE_CANDIDATE) + rollout_count(sup, g, ROLE_CONTROL);
		reserved += most > there ? most - there : 0;
	}
	return reserved;
}

uint32_t rollout_stable_worker(const struct supervisor *sup, uint32_t group)
{
	uint32_t i = 0;

	while (i < sup->workers && !is_of(sup, i, group, ROLE_STABLE))
		i++;
	return i;
}

/* The candidate may have been put into the place of the stable version's file, of which we have the image. */
static bool runs_another(const struct supervisor *sup, const struct rollout *r, const struct worker *w,
			 const char *path)
{
	const struct worker_slot *s = w->slot == SLOT_NONE ? NULL : &sup->slot[w->slot];

	if (strcmp(w->path, path) != 0)
		return true;
	if (BATON_SABOTAGE(replaced_file_not_noticed))
		return false;
	return s && s->ready.abi != 0 && r->stable_image >= 0 && strcmp(path, r->stable.path) == 0 &&
	       strcmp(s->ready.build_id, r->stable.build_id) != 0;
}

bool rollout_stable_runs(const struct supervisor *sup, const struct rollout *r, const char *path)
{
	for (uint32_t i = 0; i < sup->workers; i++)
		if (is_of(sup, i, r->group, ROLE_STABLE) && runs_another(sup, r, &sup->worker[i], path))
			return false;
	return strcmp(sup->group_path[r->group], path) == 0;
}

bool rollout_table_is_free(const struct supervisor *sup)
{
	return sup->restart.phase == RESTART_IDLE && sup->scale.phase == SCALE_IDLE && !reload_busy(sup->primary);
}

/* ---- images ---- */

static void keep(int *image, int from)
{
	if (*image < 0 && from >= 0)
		*image = fcntl(from, F_DUPFD_CLOEXEC, 3); /* tried again next turn */
}

/* From the first process of each version. */
void rollout_keep_images(struct supervisor *sup, struct rollout *r)
{
	for (uint32_t i = 0; i < sup->slots; i++) {
		const struct worker_slot *s = &sup->slot[i];
		const struct worker *w = &sup->worker[s->worker];

		if (s->state < WORKER_STANDBY || s->state > WORKER_DRAINED || s->standby || w->group != r->group)
			continue;
		if (w->role == ROLE_CANDIDATE && strcmp(s->ready.build_id, r->candidate.build_id) == 0)
			keep(&r->candidate_image, s->image);
		else if (w->role != ROLE_CANDIDATE && strcmp(s->ready.build_id, r->stable.build_id) == 0)
			keep(&r->stable_image, s->image);
	}
}

void rollout_drop_images(struct rollout *r)
{
	if (r->stable_image >= 0)
		close(r->stable_image);
	if (r->candidate_image >= 0)
		close(r->candidate_image);
	r->stable_image = r->candidate_image = -1;
}

int rollout_image(const struct supervisor *sup, uint32_t worker, const char *path)
{
	const struct worker *w = &sup->worker[worker];
	const struct rollout *r = rollout_of(sup->primary, w->group);

	if (!r || !rollout_at_work(r->at))
		return -1;
	if (w->role == ROLE_CANDIDATE)
		return r->candidate_image;
	if ((r->at == AT_COMPLETE || r->at == AT_SETTLE) && strcmp(path, r->candidate.path) == 0)
		return r->candidate_image;
	return strcmp(path, r->stable.path) == 0 ? r->stable_image : -1;
}

/* ---- coming ---- */

static uint32_t free_number(const struct supervisor *sup, uint32_t group)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < sup->workers; i++) /* sorted: the first number that is missing */
		n += sup->worker[i].group == group && sup->worker[i].index == n;
	return n;
}

static void add(struct supervisor *sup, struct rollout *r, enum worker_role role, bool shadow)
{
	bool candidate = role == ROLE_CANDIDATE;
	struct worker *w = &sup->worker[worker_add(sup, r->group, free_number(sup, r->group))];

	w->role = role;
	w->held = candidate; /* nobody replaces a candidate but we; control is a worker like others */
	memcpy(w->path, candidate ? r->candidate.path : r->stable.path, sizeof(w->path));
	if (shadow)
		w->shadow = candidate ? SHADOW_CANDIDATE : SHADOW_CONTROL;
}

/* Asks for its first process. */
static int spawn(struct supervisor *sup, uint32_t worker, char *why, size_t bytes)
{
	struct worker *w = &sup->worker[worker];
	char said[256];
	uint32_t slot;

	if (w->trouble[0]) {
		snprintf(why, bytes, "%s cannot start: %.150s", w->name, w->trouble);
		return -ECHILD;
	}
	int rc = slot_spawn(sup, worker, w->path, NULL, &slot, said, sizeof(said));
	if (rc == 0)
		w->slot = slot;
	else
		snprintf(why, bytes, "%s cannot start: %.150s", w->name, said);
	return rc == 0 || rc == -ENOTCONN ? -EAGAIN : rc;
}

static bool same_build(const struct worker_slot *s, const struct rollout_version *version)
{
	return strcmp(s->ready.build_id, version->build_id) == 0 && strcmp(s->ready.version, version->version) == 0;
}

int rollout_bring(struct supervisor *sup, struct rollout *r, enum worker_role role, uint32_t count, bool shadow,
		  char *why, size_t bytes)
{
	bool all = true;
	int rc;

	while (rollout_count(sup, r->group, role) < count) {
		if (!rollout_table_is_free(sup) || sup->workers == BATON_MAX_WORKERS) {
			snprintf(why, bytes, "another operation is under way");
			return -EAGAIN;
		}
		add(sup, r, role, shadow);
	}
	for (uint32_t i = 0; i < sup->workers; i++) {
		const struct worker *w = &sup->worker[i];

		if (!is_of(sup, i, r->group, role))
			continue;
		if (w->slot != SLOT_NONE && slot_usable(sup, w->slot)) {
			if (role != ROLE_CANDIDATE || same_build(&sup->slot[w->slot], &r->candidate))
				continue;
			snprintf(why, bytes, "%s runs another build than was looked at: the file was changed meanwhile", w->name);
			return -ESTALE;
		}
		all = false;
		snprintf(why, bytes, "%s is not ready", w->name);
		if (w->slot != SLOT_NONE)
			continue;
		if (role == ROLE_CANDIDATE && (rc = spawn(sup, i, why, bytes)) != -EAGAIN)
			return rc;
		if (role == ROLE_CONTROL && w->failed_starts > 2) {
			snprintf(why, bytes, "%s (control) cannot start: %.150s", w->name, w->trouble);
			return -ECHILD;
		}
	}
	return all ? 0 : -EAGAIN;
}

/* ---- going ---- */

static uint32_t owned_by(const struct supervisor *sup, uint32_t worker)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < sup->slots; i++)
		if (sup->slot[i].state != WORKER_NONE && sup->slot[i].worker == worker)
			count += datapath_owned(sup->primary->dp, i);
	return count;
}

static void stop(struct supervisor *sup, uint32_t worker)
{
	struct worker *w = &sup->worker[worker];

	w->held = w->gone = true; /* workers_sweep() takes it out when its slot is free */
	for (uint32_t i = 0; i < sup->slots; i++)
		if (sup->slot[i].worker == worker && !sup->slot[i].standby && sup->slot[i].state >= WORKER_STARTING &&
		    sup->slot[i].state < WORKER_STOPPING)
			slot_event(sup, i, EVENT_STOP);
}

void rollout_retire(struct supervisor *sup, const struct rollout *r, enum worker_role role)
{
	for (uint32_t i = 0; i < sup->workers; i++)
		if (is_of(sup, i, r->group, role) && !sup->worker[i].transfer.open && owned_by(sup, i) == 0)
			stop(sup, i);
}

bool rollout_someone_leaves(const struct supervisor *sup, const struct rollout *r)
{
	for (uint32_t i = 0; i < sup->workers; i++)
		if (sup->worker[i].group == r->group && sup->worker[i].role != ROLE_STABLE && sup->worker[i].gone)
			return true;
	return false;
}

bool rollout_alone(const struct supervisor *sup, const struct rollout *r)
{
	for (uint32_t i = 0; i < sup->workers; i++)
		if (sup->worker[i].group == r->group && sup->worker[i].role != ROLE_STABLE)
			return false;
	return true;
}

/* ---- a candidate dies ---- */

/* The stable worker that takes what it owned: it runs the stable version, and has the least to do. */
static uint32_t heir(const struct supervisor *sup, const struct rollout *r)
{
	uint32_t best = sup->workers, fewest = UINT32_MAX;

	for (uint32_t i = 0; i < sup->workers; i++) {
		const struct worker *w = &sup->worker[i];
		uint32_t owned;

		if (!is_of(sup, i, r->group, ROLE_STABLE) || w->drained || w->leaving || w->debugged || w->transfer.open ||
		    w->slot == SLOT_NONE || !slot_usable(sup, w->slot) || sup->slot[w->slot].kill_wanted)
			continue;
		owned = datapath_owned(sup->primary->dp, w->slot);
		if (rollout_at_risk(r->at) && strcmp(sup->slot[w->slot].path, r->stable.path) != 0)
			owned = UINT32_MAX - 1; /* restarted with the candidate's file already: rather anybody else */
		if (owned < fewest) {
			fewest = owned;
			best = i;
		}
	}
	return best;
}

void rollout_death(struct supervisor *sup, uint32_t slot)
{
	const struct worker_slot *s = &sup->slot[slot];
	struct rollout *r = rollout_of(sup->primary, sup->worker[s->worker].group);
	uint32_t to;

	if (!r || sup->stopping)
		return;
	r->candidate_deaths++;
	r->death_was_stall = s->stalled;
	snprintf(r->death, sizeof(r->death), "%s %s: %.120s", sup->worker[s->worker].name, s->stalled ? "stalled" : "died",
		 s->words);
	if (datapath_owned(sup->primary->dp, slot) == 0 || BATON_SABOTAGE(candidate_orphans_wait))
		return;
	/* As a standby would: the move is ordered before the data path hears of the death (R7). If no stable worker can
	 * take it now, the roll back moves what is left. */
	to = heir(sup, r);
	if (to == sup->workers)
		return;
	transfer_begin(sup, to, slot, sup->worker[to].slot);
	sup->worker[to].transfer.ahead = true;
	transfer_poll(sup, to);
	sup->worker[to].transfer.ahead = false;
}
