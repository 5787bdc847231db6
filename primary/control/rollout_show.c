/* What is said of a rollout: status rows, the stats directory, the audit log. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "audit.h"
#include "process.h"
#include "reply.h"
#include "rollout_explain_text.h"
#include "rollout_inner.h"
#include "shadow.h"

enum rollout_state rollout_state_of(const struct rollout *r)
{
	switch (r->at) {
	case AT_IDLE: return r->ever ? ROLLOUT_HEALTHY : ROLLOUT_NONE;
	case AT_DEGRADED: return ROLLOUT_DEGRADED;
	case AT_CHECK: return r->wish.resumed ? ROLLOUT_PROGRESSING : r->before == AT_DEGRADED ? ROLLOUT_DEGRADED :
		       r->ever ? ROLLOUT_HEALTHY : ROLLOUT_NONE;
	case AT_PAUSE: return (r->full || r->skip) && !r->paused ? ROLLOUT_PROGRESSING : ROLLOUT_PAUSED;
	default: return r->paused ? ROLLOUT_PAUSED : ROLLOUT_PROGRESSING;
	}
}

/* ---- rows ---- */

json_t *rollout_version_json(const struct rollout_version *version)
{
	json_t *o = json_object();

	reply_set_text(o, "version", version->version);
	reply_set_text(o, "build_id", version->build_id);
	reply_set_text(o, "path", version->path);
	return o;
}

static json_t *names_of(const struct supervisor *sup, uint32_t group, enum worker_role role)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < sup->workers; i++)
		if (sup->worker[i].group == group && sup->worker[i].role == role && !sup->worker[i].gone)
			json_array_append_new(list, reply_text(sup->worker[i].name));
	return list;
}

/* Buckets that candidates own now. */
static uint32_t exposed(const struct supervisor *sup, const struct rollout *r)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < sup->slots; i++) {
		const struct worker_slot *s = &sup->slot[i];
		const struct worker *w = &sup->worker[s->worker];

		if (s->state != WORKER_NONE && !s->standby && w->group == r->group && w->role == ROLE_CANDIDATE)
			count += datapath_owned(sup->primary->dp, i);
	}
	return count;
}

static const struct config_step *step_of(const struct rollout *r)
{
	return r->step < r->plan.steps ? &r->plan.step[r->step] : NULL;
}

static uint32_t wanted(const struct rollout *r)
{
	const struct config_step *step = step_of(r);

	if (r->at == AT_START && step && step->kind == STEP_WEIGHT)
		return step->permille;
	return r->at == AT_START || r->at == AT_COMPLETE || r->at == AT_SHADOW ? r->weight : r->want;
}

static uint32_t shown_step(const struct rollout *r)
{
	return r->step < r->plan.steps ? r->step + 1 : r->plan.steps;
}

static json_t *until_json(const struct rollout *r)
{
	uint64_t now = process_now_ns();

	if (r->until_ns == 0 || r->paused || !rollout_at_work(r->at))
		return json_null();
	return json_real(r->until_ns > now ? (double)(r->until_ns - now) / 1e9 : 0);
}

static json_t *shadow_json(const struct supervisor *sup, const struct rollout *r)
{
	struct shadow_counts counts = { .mirrored = 0 };
	json_t *o = json_object();

	rollout_shadow_counts(sup, r, &counts);
	reply_set_count(o, "mirrored", counts.mirrored);
	reply_set_count(o, "dropped", counts.dropped);
	reply_set_count(o, "out_of_step", counts.out_of_step);
	reply_set_count(o, "compared", counts.compared);
	reply_set_count(o, "differed", counts.differed);
	reply_set_count(o, "noise_compared", counts.noise_compared);
	reply_set_count(o, "noise_differed", counts.noise_differed);
	return o;
}

static void set_build(json_t *o, const char *key, const struct rollout_version *version)
{
	json_object_set_new(o, key, version->path[0] ? rollout_version_json(version) : json_null());
}

/* What it is at and what comes after it, in words: "weight 10%", "pause until resumed"; null: nothing. */
static void set_step(json_t *o, const char *key, const struct rollout *r, uint32_t step)
{
	char text[ROLLOUT_STEP_WORD];

	json_object_set_new(o, key, rollout_at_work(r->at) && step < r->plan.steps ?
			    reply_text(rollout_step_text(&r->plan.step[step], text)) : json_null());
}

/* Null if it is not there any more. */
static void set_snapshot(json_t *o, const char *path)
{
	json_object_set_new(o, "snapshot", path[0] && access(path, F_OK) == 0 ? reply_text(path) : json_null());
}

json_t *rollout_past_row(const struct rollout_past *past)
{
	json_t *o = json_object();

	json_object_set_new(o, "time", json_real((double)past->time_ns / 1e9));
	json_object_set_new(o, "from", rollout_version_json(&past->from));
	json_object_set_new(o, "to", rollout_version_json(&past->to));
	reply_set_text(o, "result", past->promoted ? "promoted" : "rolled_back");
	reply_set_text(o, "by", past->actor);
	reply_set_text(o, "why", past->why);
	json_object_set_new(o, "gate", past->fired.gate[0] ? rollout_fired_json(&past->fired) : json_null());
	set_snapshot(o, past->snapshot);
	return o;
}

/* The latest has ended so, and nothing was begun since. */
static bool is_promoted(const struct rollout *r)
{
	return rollout_state_of(r) == ROLLOUT_HEALTHY && r->pasts > 0 && r->past[r->pasts - 1].promoted;
}

json_t *rollout_row(const struct supervisor *sup, const struct rollout *r)
{
	const char *group = sup->primary->config.group[r->group].name;
	json_t *o = json_object(), *workers = json_object(), *barred = json_array();
	char awaited[96], runs[ROLLOUT_BARRED_WHY];

	reply_set_text(o, "group", group);
	reply_set_text(o, "state", rollout_state_name(rollout_state_of(r)));
	reply_set_text(o, "phase", rollout_phase_name(rollout_at_phase(r->at)));
	reply_set_count(o, "step", r->ever ? shown_step(r) : 0);
	reply_set_count(o, "steps", r->ever ? r->plan.steps : 0);
	reply_set_count(o, "weight", r->weight);
	reply_set_count(o, "want", wanted(r));
	json_object_set_new(o, "paused", json_boolean(r->paused));
	json_object_set_new(o, "promoted", json_boolean(is_promoted(r)));
	set_build(o, "stable", &r->stable);
	set_build(o, "candidate", &r->candidate);
	json_object_set_new(workers, "candidate", names_of(sup, r->group, ROLE_CANDIDATE));
	json_object_set_new(workers, "control", names_of(sup, r->group, ROLE_CONTROL));
	json_object_set_new(o, "workers", workers);
	json_object_set_new(o, "gates", rollout_gates_json(r));
	reply_set_count(o, "windows", rollout_gates_windows(r));
	reply_set_count(o, "failure_limit", r->plan.analysis.failure_limit);
	reply_set_count(o, "of_windows", r->plan.analysis.of);
	set_step(o, "doing", r, r->step);
	set_step(o, "next", r, r->step + 1);
	json_object_set_new(o, "waits_for", rollout_gates_awaited(r, awaited, sizeof(awaited)) ? reply_text(awaited) :
			    json_null());
	set_snapshot(o, r->snapshot);
	json_object_set_new(o, "shadow", shadow_json(sup, r));
	json_object_set_new(o, "until", until_json(r));
	reply_set_text(o, "why", r->why);
	reply_set_text(o, "gate", r->fired.gate);
	json_object_set_new(o, "one_way", json_boolean(r->one_way));
	reply_set_count(o, "exposed_buckets", exposed(sup, r));
	reply_set_text(o, "started_by", r->actor);
	json_object_set_new(o, "began", r->ever ? json_real((double)r->began_ns / 1e9) : json_null());
	json_object_set_new(o, "runs_barred", !rollout_at_work(r->at) && rollout_runs_barred(sup, r, runs, sizeof(runs)) ?
			    reply_text(runs) : json_null());
	for (uint32_t i = 0; i < r->bars; i++) {
		json_t *bar = rollout_version_json(&r->barred[i].version);

		reply_set_text(bar, "why", r->barred[i].why);
		json_array_append_new(barred, bar);
	}
	json_object_set_new(o, "barred", barred);
	return o;
}

/* ---- monitors ---- */

static void add_shadow(const struct supervisor *sup, const struct rollout *r, struct stats_rollout *out)
{
	struct shadow_counts counts = { .mirrored = 0 };

	rollout_shadow_counts(sup, r, &counts);
	out->mirrored = counts.mirrored;
	out->mirror_dropped = counts.dropped;
	out->out_of_step = counts.out_of_step;
	out->compared = counts.compared;
	out->differed = counts.differed;
	out->noise_compared = counts.noise_compared;
	out->noise_differed = counts.noise_differed;
}

static uint32_t buckets_of(const struct supervisor *sup, uint32_t group)
{
	uint32_t count = 0;

	for (uint32_t left = group_services(sup, group); left != 0; left &= left - 1)
		count += sup->primary->config.service[__builtin_ctz(left)].buckets;
	return count;
}

void rollout_publish(struct supervisor *sup, struct rollout *r)
{
	struct stats_rollout out = { .state = rollout_state_of(r), .phase = rollout_at_phase(r->at) };
	uint64_t now = process_now_ns();

	r->told_ns = now;
	memcpy(out.group, sup->primary->config.group[r->group].name, sizeof(out.group));
	out.step = r->ever ? shown_step(r) : 0;
	out.steps = r->ever ? r->plan.steps : 0;
	out.weight = r->weight;
	out.want = wanted(r);
	out.exposed = exposed(sup, r);
	out.buckets = buckets_of(sup, r->group);
	out.candidates = rollout_count(sup, r->group, ROLE_CANDIDATE);
	out.controls = rollout_count(sup, r->group, ROLE_CONTROL);
	out.one_way = r->one_way;
	out.promoted = is_promoted(r);
	out.began_ns = r->began_ns;
	if (r->until_ns > now && !r->paused)
		out.until_ns = rollout_wall_ns() + (r->until_ns - now);
	rollout_gates_stats(r, &out);
	add_shadow(sup, r, &out);
	memcpy(out.stable, r->stable.version, sizeof(out.stable));
	memcpy(out.candidate, r->candidate.version, sizeof(out.candidate));
	memcpy(out.candidate_build, r->candidate.build_id, sizeof(out.candidate_build));
	snprintf(out.why, sizeof(out.why), "%.199s", r->why);
	stats_rollout_write(&sup->primary->stats, r->group, &out);
}

/* ---- the audit log ---- */

void rollout_audit(struct primary *primary, const struct rollout *r, const char *what, const char *why)
{
	json_t *o = json_object();

	reply_set_text(o, "group", primary->config.group[r->group].name);
	reply_set_text(o, "what", what);
	reply_set_text(o, "by", r->by[0] ? r->by : "batond");
	reply_set_text(o, "version", r->candidate.version);
	reply_set_text(o, "build_id", r->candidate.build_id);
	reply_set_text(o, "stable", r->stable.version);
	reply_set_text(o, "stable_build_id", r->stable.build_id);
	reply_set_count(o, "step", shown_step(r));
	reply_set_count(o, "steps", r->plan.steps);
	reply_set_count(o, "weight", r->weight);
	reply_set_count(o, "want", wanted(r));
	if (r->fired.gate[0])
		reply_set_text(o, "gate", r->fired.gate);
	if (r->snapshot[0])
		reply_set_text(o, "snapshot", r->snapshot);
	if (why[0])
		reply_set_text(o, "why", why);
	audit_note(primary, "rollout", o);
}
