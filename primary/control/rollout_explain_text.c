/* A rollout's arithmetic in lines that a person reads before the start. */
#include "rollout_explain_text.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "gates.h"
#include "reply.h"
#include "rollout_inner.h"
#include "schema.h"
#include "value.h"

#define WORD ROLLOUT_STEP_WORD

static void __attribute__((format(printf, 2, 3))) line(json_t *lines, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	json_array_append_new(lines, reply_text(text));
}

/* 90 s, 2.5 min, 1.5 h: what is said aloud. */
static const char *time_text(double s, char out[WORD])
{
	if (s < 120)
		snprintf(out, WORD, "%.3g s", s);
	else if (s < 7200)
		snprintf(out, WORD, "%.3g min", s / 60);
	else
		snprintf(out, WORD, "%.3g h", s / 3600);
	return out;
}

/* Whole up to 99999, then in thousands. */
static const char *count_text(double value, char out[WORD])
{
	if (isnan(value))
		snprintf(out, WORD, "?");
	else if (value < 1e5)
		snprintf(out, WORD, "%.0f", value);
	else if (value < 1e8)
		snprintf(out, WORD, "%.0fk", value / 1e3);
	else
		snprintf(out, WORD, "%.0fM", value / 1e6);
	return out;
}

const char *rollout_step_text(const struct config_step *step, char out[ROLLOUT_STEP_WORD])
{
	char share[16], time[WORD];

	schema_format_number(SCHEMA_DURATION, step->ns, time, sizeof(time));
	if (step->kind == STEP_WEIGHT)
		snprintf(out, WORD, "weight %s", share_text(step->permille, share));
	else if (step->kind == STEP_SHADOW)
		snprintf(out, WORD, "shadow %s", share_text(step->permille, share));
	else if (step->kind == STEP_SNAPSHOT)
		snprintf(out, WORD, "snapshot, %u kept", step->keep);
	else
		snprintf(out, WORD, step->ns ? "pause %s" : "pause until resumed", time);
	return out;
}

static void put_steps(json_t *lines, const struct config_rollout *rollout, const struct rollout_sums *sums)
{
	char what[WORD], least[WORD], players[WORD], pps[WORD], bad[WORD];

	line(lines, "%4s  %-20s %8s %9s %9s %7s %9s %11s", "STEP", "", "BUCKETS", "SHARE", "PLAYERS", "PKT/S", "AT LEAST",
	     "BAD PACKETS");
	for (uint32_t i = 0; i < rollout->steps; i++) {
		const struct rollout_step_sums *s = &sums->step[i];

		line(lines, "%4u  %-20s %8u %8.2f%% %9s %7s %9s %11s%s", i + 1,
		     rollout_step_text(&rollout->step[i], what), s->buckets, 100 * s->share,
		     count_text(s->players, players), count_text(s->pps, pps), time_text(s->least_s, least),
		     count_text(s->bad_packets, bad), s->window_short ? "  (!)" : "");
	}
}

/* The arithmetic of a window that is too short, and what would be long enough. */
static void put_short(json_t *lines, const struct config_rollout *rollout, const struct rollout_sums *sums)
{
	const struct config_analysis *a = &rollout->analysis;

	for (uint32_t i = 0; i < rollout->steps; i++) {
		const struct rollout_step_sums *s = &sums->step[i];
		double interval = (double)a->interval_ns / 1e9;
		char enough[WORD];

		if (!s->window_short || rollout->step[i].kind == STEP_PAUSE)
			continue;
		if (s->pps <= 0) {
			line(lines, "(!) step %u: nothing is received: gates neither pass nor fail, the rollout holds", i + 1);
			return;
		}
		line(lines, "(!) step %u: about %.0f packets in a window of %.3g s, fewer than min_packets (%llu): gates "
		     "neither pass nor", i + 1, s->pps * interval, interval, (unsigned long long)a->min_packets);
		line(lines, "    fail, the rollout holds: raise interval to %s, lower min_packets, or begin with more",
		     time_text(ceil((double)a->min_packets / s->pps), enough));
		return; /* the smallest weight: what helps it helps all */
	}
}

static void put_times(json_t *lines, const struct config_rollout *rollout, const struct rollout_facts *facts,
		      const struct rollout_sums *sums)
{
	const struct config_analysis *a = &rollout->analysis;
	double warmup = (double)a->warmup_ns / 1e9, interval = (double)a->interval_ns / 1e9;
	char t[WORD], u[WORD], deadline[WORD];

	line(lines, "fastest promotion: %s%s", time_text(sums->fastest_s, t),
	     sums->resumes ? ", and what operators take" : "");
	if (sums->resumes)
		line(lines, "  it waits %u time%s for batonctl rollout resume %s", sums->resumes, sums->resumes == 1 ? "" : "s",
		     rollout->name);
	line(lines, "a step is left when each gate that can be judged in it has been, and has passed: latency_p99 takes "
	     "%u", GATE_SLICES_LEAST * GATE_P99_SAMPLES);
	line(lines, "  measured packets of candidate and control each, cycles_per_packet %u bursts of a size, messages and "
	     "sends %u", GATE_SLICES_LEAST * GATE_BURSTS, GATE_SLICES_LEAST * GATE_FANOUT_PACKETS);
	line(lines, "  packets; else it holds");
	line(lines, "a gate that fails in every window %s after %s: warmup %.3g s + interval %.3g s x failure_limit %u",
	     rollout->pause_on_failure ? "pauses it" : "rolls back", time_text(sums->steady_s, t), warmup, interval,
	     a->failure_limit);
	line(lines, "slowest: %s: warmup %.3g s + interval %.3g s x of_windows %u, if only %u of them fail",
	     time_text(sums->slowest_s, u), warmup, interval, a->of, a->failure_limit);
	if (facts->stall_ns)
		line(lines, "a crash rolls back at once; a stall once it is found, within %s of CPU time",
		     time_text((double)facts->stall_ns / 1e9, t));
	else
		line(lines, "a crash rolls back at once; stalls are not looked for (stall_timeout and stall_wall are off)");
	if (rollout->deadline_ns)
		line(lines, "deadline: %s, pauses until resumed apart; then it is rolled back",
		     time_text((double)rollout->deadline_ns / 1e9, deadline));
	if (rollout->deadline_ns && sums->fastest_s > (double)rollout->deadline_ns / 1e9)
		line(lines, "(!) the fastest promotion takes longer: raise deadline, or shorten the steps");
}

static void put_cohort(json_t *lines, const struct config_rollout *rollout, const struct rollout_facts *facts)
{
	uint64_t others = facts->cohort_players > rollout->cohorts ? facts->cohort_players - rollout->cohorts : 0;

	if (rollout->cohorts == 0)
		return;
	if (!facts->cohort_known)
		line(lines, "cohort: %u players, whose buckets come before all others", rollout->cohorts);
	else
		line(lines, "cohort: %u players in %u buckets, which come before all others; %llu other players share them",
		     rollout->cohorts, facts->cohort_buckets, (unsigned long long)others);
}

json_t *rollout_explain_text(const struct config_rollout *rollout, const struct rollout_facts *facts,
			     const struct rollout_sums *sums)
{
	json_t *lines = json_array();
	char pps[WORD], players[WORD];

	line(lines, "group %s: %s strategy; %u buckets, %u workers, %s packets/s, %s players", rollout->name,
	     rollout->line ? "configured" : "default", facts->buckets, facts->workers, count_text(facts->pps, pps),
	     count_text(facts->players_known ? (double)facts->players : NAN, players));
	put_steps(lines, rollout, sums);
	line(lines, "BAD PACKETS: what a candidate that is bad from its first packet on answers until the slowest gate "
	     "ends it");
	put_short(lines, rollout, sums);
	if (facts->buckets < 2)
		line(lines, "(!) the service has one bucket: the first weight exposes everybody, and there is no control to compare "
		     "with: only gates with `max` judge");
	put_cohort(lines, rollout, facts);
	put_times(lines, rollout, facts, sums);
	line(lines, "worker slots: %u workers + %u of candidate and control + %u others (groups, standbys, a restart) = "
	     "%u of %u%s", facts->workers, sums->most_workers, facts->others, sums->slots_needed, facts->slots,
	     sums->slots_needed > facts->slots ? ": NOT ENOUGH, raise memory.worker_slots" : "");
	if (sums->slots_converting > sums->slots_needed)
		line(lines, "  %u if the candidate has another schema: one converts its records back if it dies%s",
		     sums->slots_converting, sums->slots_converting > facts->slots ? ": NOT ENOUGH for that" : "");
	return lines;
}

void rollout_explain_awaited(json_t *lines, const char *group, uint32_t step, const char *what)
{
	line(lines, "now: step %u is not left before each gate is judged; %s; `rollout promote %s` leaves it", step, what,
	     group);
}

void rollout_explain_last(json_t *lines, const struct rollout_past *past)
{
	char gate[80] = "";

	if (past->fired.gate[0] && strncmp(past->why, "gate ", 5) != 0)
		snprintf(gate, sizeof(gate), "gate %s at %.4g, limit %.4g: ", past->fired.gate, past->fired.value,
			 isnan(past->fired.limit) ? 0 : past->fired.limit);
	line(lines, "the last one, to %s, build %.12s, was %s%s%s%.110s", past->to.version,
	     past->to.build_id[0] ? past->to.build_id : "without id", past->promoted ? "promoted" : "rolled back",
	     past->why[0] || gate[0] ? ": " : "", gate, past->why);
}

void rollout_explain_bar(json_t *lines, const char *group, const struct rollout_bar *bar)
{
	line(lines, "barred: build %.12s of version %s (%.80s): build it anew; `rollout retry %s` unbars the latest",
	     bar->version.build_id, bar->version.version, bar->why, group);
}
