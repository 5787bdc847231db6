/* The arithmetic of a rollout, and its JSON. The words: rollout_explain_text.c. */
#include "rollout_explain.h"

#include <math.h>

#include "gates.h"
#include "rank.h"
#include "reply.h"
#include "rollout_explain_text.h"
#include "sabotage.h"

#define NS 1e9

static double seconds(uint64_t ns) { return (double)ns / NS; }

static double largest(double a, double b) { return a > b ? a : b; }

/* Windows that a gate of times takes to be judged: it wants GATE_SLICES_LEAST slices of `samples` packets, and looks
 * GATE_SLICES times a window. */
static double windows(const struct config_analysis *a, double pps, uint32_t samples)
{
	double look = pps * seconds(a->interval_ns) / GATE_SLICES;

	if (isnan(look) || look <= 0)
		return 1;
	return ceil(GATE_SLICES_LEAST * ceil(samples / look) / GATE_SLICES);
}

/* Until each gate has been judged, without which no step is left that the candidate's packets are judged in. */
static double judged_s(const struct config_analysis *a, bool shadow, double pps)
{
	double most = 1;

	if (!shadow && a->gate[GATE_RESIDENCE_P50].on && !a->gate[GATE_RESIDENCE_P50].dry_run)
		most = windows(a, pps, GATE_P50_SAMPLES);
	if (!shadow && a->gate[GATE_RESIDENCE_P99].on && !a->gate[GATE_RESIDENCE_P99].dry_run)
		most = largest(most, windows(a, pps, GATE_P99_SAMPLES));
	for (uint32_t g = GATE_MESSAGES; g <= GATE_SENDS && !shadow; g++)
		if (a->gate[g].on && !a->gate[g].dry_run)
			most = largest(most, windows(a, pps, GATE_FANOUT_PACKETS));
	return seconds(a->warmup_ns) + seconds(a->interval_ns) * most;
}

static bool pause_follows(const struct config_rollout *rollout, uint32_t i)
{
	return i + 1 < rollout->steps && rollout->step[i + 1].kind == STEP_PAUSE;
}

/* A weight that a pause follows is left at once: the pause is where it is judged, from the weight's beginning on. */
static double least_s(const struct config_rollout *rollout, uint32_t i, double pps)
{
	const struct config_step *step = &rollout->step[i];
	bool judged_before = i > 0 && rollout->step[i - 1].kind == STEP_PAUSE;
	double judged = judged_s(&rollout->analysis, step->kind == STEP_SHADOW, pps);

	if (step->kind == STEP_WEIGHT)
		return pause_follows(rollout, i) ? 0 : judged;
	return judged_before && step->kind == STEP_PAUSE ? seconds(step->ns) : largest(seconds(step->ns), judged);
}

static void sum_step(const struct config_rollout *rollout, uint32_t i, const struct rollout_facts *facts,
		     uint32_t permille, const struct rollout_sums *sums, struct rollout_step_sums *out)
{
	const struct config_step *step = &rollout->step[i];
	const struct config_analysis *a = &rollout->analysis;
	bool shadow = step->kind == STEP_SHADOW;
	uint32_t k = permille || shadow ? config_rollout_candidates(facts->workers, permille) : 0;

	*out = (struct rollout_step_sums){
		.permille = shadow ? 0 : permille,
		.buckets = rank_count(shadow ? step->permille : permille, facts->buckets),
		.candidates = k, .controls = permille > CONFIG_CONTROL_MOST || (permille && facts->buckets < 2) ? 0 : k,
		.operator_waits = step->kind == STEP_PAUSE && step->ns == 0,
	};
	out->share = facts->buckets ? (double)out->buckets / facts->buckets : 0;
	out->pps = facts->pps * out->share;
	out->least_s = permille || shadow ? least_s(rollout, i, out->pps) : seconds(step->ns);
	out->players = facts->players_known ? (double)facts->players * out->share : NAN;
	if (shadow && !BATON_SABOTAGE(shadow_counted_as_exposure))
		out->players = 0;
	out->window_short = out->candidates && out->pps * seconds(a->interval_ns) < (double)a->min_packets;
	out->bad_packets = shadow ? 0 : out->pps * sums->slowest_s;
}

void rollout_sums(const struct config_rollout *rollout, const struct rollout_facts *facts, struct rollout_sums *out)
{
	const struct config_analysis *a = &rollout->analysis;
	uint32_t permille = 0, needs;

	*out = (struct rollout_sums){
		.steady_s = seconds(a->warmup_ns) + seconds(a->interval_ns) * a->failure_limit,
		.slowest_s = seconds(a->warmup_ns) + seconds(a->interval_ns) * a->of,
	};
	for (uint32_t i = 0; i < rollout->steps; i++) {
		struct rollout_step_sums *step = &out->step[i];

		if (rollout->step[i].kind == STEP_WEIGHT)
			permille = rollout->step[i].permille;
		sum_step(rollout, i, facts, permille, out, step);
		out->fastest_s += step->least_s;
		out->resumes += step->operator_waits;
	}
	out->most_workers = config_rollout_extra(rollout, facts->workers, &needs);
	out->slots_needed = facts->workers + out->most_workers + facts->others;
	out->slots_converting = out->slots_needed + (facts->records ? 1 : 0);
}

/* ---- JSON ---- */

static json_t *figure(double value) { return isnan(value) ? json_null() : json_real(value); }

static const char *kind_name(enum config_step_kind kind)
{
	static const char *const name[] = {
		[STEP_SHADOW] = "shadow", [STEP_WEIGHT] = "weight", [STEP_PAUSE] = "pause", [STEP_SNAPSHOT] = "snapshot",
	};

	return name[kind];
}

static json_t *step_json(const struct config_rollout *rollout, const struct rollout_sums *sums, uint32_t i)
{
	const struct config_step *step = &rollout->step[i];
	const struct rollout_step_sums *s = &sums->step[i];
	json_t *o = json_object();

	reply_set_count(o, "step", i + 1);
	reply_set_text(o, "kind", kind_name(step->kind));
	reply_set_count(o, "weight", s->permille);
	if (step->kind == STEP_SHADOW) {
		reply_set_count(o, "sample", step->permille);
		reply_set_text(o, "compare", step->digest ? "digest" : "bytes");
	}
	if (step->kind == STEP_SNAPSHOT)
		reply_set_count(o, "keep", step->keep);
	reply_set_count(o, "buckets", s->buckets);
	json_object_set_new(o, "share_ratio", json_real(s->share));
	reply_set_count(o, "candidates", s->candidates);
	reply_set_count(o, "controls", s->controls);
	json_object_set_new(o, "packets_per_s", figure(s->pps));
	json_object_set_new(o, "players", figure(s->players));
	json_object_set_new(o, "least_s", json_real(s->least_s));
	json_object_set_new(o, "waits_for_operator", json_boolean(s->operator_waits));
	json_object_set_new(o, "window_short", json_boolean(s->window_short));
	json_object_set_new(o, "bad_packets", figure(s->bad_packets));
	return o;
}

static json_t *rollback_json(const struct config_rollout *rollout, const struct rollout_facts *facts,
			     const struct rollout_sums *sums)
{
	json_t *o = json_object();

	reply_set_text(o, "on_failure", rollout->pause_on_failure ? "pause" : "rollback");
	json_object_set_new(o, "steady_s", json_real(sums->steady_s));
	json_object_set_new(o, "slowest_s", json_real(sums->slowest_s));
	json_object_set_new(o, "stall_s", facts->stall_ns ? json_real(seconds(facts->stall_ns)) : json_null());
	return o;
}

static json_t *slots_json(const struct rollout_facts *facts, const struct rollout_sums *sums)
{
	json_t *o = json_object();

	reply_set_count(o, "workers", facts->workers);
	reply_set_count(o, "candidate_and_control", sums->most_workers);
	reply_set_count(o, "others", facts->others);
	reply_set_count(o, "needed", sums->slots_needed);
	reply_set_count(o, "have", facts->slots);
	json_object_set_new(o, "enough", json_boolean(sums->slots_needed <= facts->slots));
	reply_set_count(o, "needed_if_schema_differs", sums->slots_converting);
	return o;
}

static json_t *cohort_json(const struct config_rollout *rollout, const struct rollout_facts *facts)
{
	json_t *o = json_object();
	uint64_t others = facts->cohort_players > rollout->cohorts ? facts->cohort_players - rollout->cohorts : 0;

	reply_set_count(o, "players", rollout->cohorts);
	json_object_set_new(o, "buckets", facts->cohort_known ? reply_count(facts->cohort_buckets) : json_null());
	json_object_set_new(o, "others", facts->cohort_known ? reply_count(others) : json_null());
	return o;
}

json_t *rollout_explain_json(const struct config_rollout *rollout, const struct rollout_facts *facts)
{
	json_t *o = reply_ok(), *steps = json_array();
	struct rollout_sums sums;

	rollout_sums(rollout, facts, &sums);
	for (uint32_t i = 0; i < rollout->steps; i++)
		json_array_append_new(steps, step_json(rollout, &sums, i));
	reply_set_text(o, "group", rollout->name);
	json_object_set_new(o, "candidate", rollout->candidate[0] ? reply_text(rollout->candidate) : json_null());
	reply_set_text(o, "strategy", rollout->line ? "configured" : "default");
	reply_set_count(o, "buckets", facts->buckets);
	json_object_set_new(o, "packets_per_s", figure(facts->pps));
	json_object_set_new(o, "players", facts->players_known ? reply_count(facts->players) : json_null());
	json_object_set_new(o, "steps", steps);
	json_object_set_new(o, "fastest_s", json_real(sums.fastest_s));
	reply_set_count(o, "resumes", sums.resumes);
	json_object_set_new(o, "deadline_s", rollout->deadline_ns ? json_real(seconds(rollout->deadline_ns)) : json_null());
	json_object_set_new(o, "rollback", rollback_json(rollout, facts, &sums));
	json_object_set_new(o, "slots", slots_json(facts, &sums));
	json_object_set_new(o, "cohort", cohort_json(rollout, facts));
	json_object_set_new(o, "text", rollout_explain_text(rollout, facts, &sums));
	return o;
}
