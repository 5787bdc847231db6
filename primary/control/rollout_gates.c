/* A rollout's gates: when they are armed, what they are shown, what follows of what they say. gates.c judges. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate_collect.h"
#include "gates.h"
#include "log.h"
#include "process.h"
#include "reply.h"
#include "rollout_inner.h"
#include "shadow.h"

struct rollout_gates {
	struct gates engine;
	struct gate_counts candidate, control;
	bool armed;
	bool judges;      /* there is a gate beside those of deaths that can be judged in this step */
	bool no_control;
	bool passed;      /* the latest window has failed none */
	uint32_t windows; /* since it was armed, whatever they said */
	uint32_t controls; /* incarnations of control's processes: another sum, another control */
	uint32_t said;    /* 1 + the gate that the log was told it waits for; 0: none yet */
};

/* What the step can be judged by, however much traffic there is: shadow differences are of a shadow, all else of
 * packets that candidate and control settle as owners of buckets, and a gate needs something to be held against. */
static bool applies(const struct rollout *r, uint32_t gate)
{
	const struct config_analysis *a = &r->plan.analysis;

	return gate < GATE_CRASHES && a->interval_ns != 0 && a->gate[gate].on &&
	       (gate == GATE_SHADOW_DIFF) == r->mirroring &&
	       gates_comparable(&r->gates->engine, (enum config_gate_id)gate);
}

static bool judges(const struct rollout *r)
{
	for (uint32_t g = 0; g < GATE_CRASHES; g++)
		if (applies(r, g))
			return true;
	return false;
}

/* The step is not left before the gate has been judged in it, and has passed. */
static bool waits_for(const struct rollout *r, uint32_t gate)
{
	const struct rollout_gates *g = r->gates;

	if (!g || !g->armed || !(r->at == AT_SHADOW || r->at == AT_WEIGHT || r->at == AT_PAUSE))
		return false;
	if (r->full || r->skip || r->at_once || BATON_SABOTAGE(unjudged_gate_passes))
		return false;
	return applies(r, gate) && !r->plan.analysis.gate[gate].dry_run &&
	       !gates_result(&g->engine, (enum config_gate_id)gate)->passed;
}

/* The first of them, or GATE_COUNT. */
static uint32_t awaited(const struct rollout *r)
{
	uint32_t gate = 0;

	while (gate < GATE_COUNT && !waits_for(r, gate))
		gate++;
	return gate;
}

/* Changes when a process of control is another one. */
static uint32_t control_incarnations(const struct supervisor *sup, uint32_t group)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < sup->workers; i++) {
		const struct worker *w = &sup->worker[i];
		if (w->group == group && w->role == ROLE_CONTROL && !w->gone && w->slot != SLOT_NONE)
			sum += sup->slot[w->slot].incarnation * 64u + w->slot + 1u;
	}
	return sum;
}

/* Of the rollout; NULL: no memory. A first one is as gates_begin() leaves it. */
static struct rollout_gates *gates_of(struct rollout *r)
{
	if (r->gates)
		return r->gates;
	r->gates = calloc(1, sizeof(*r->gates));
	if (r->gates)
		gates_begin(&r->gates->engine, &r->plan.analysis, process_now_ns());
	return r->gates;
}

void rollout_gates_arm(struct supervisor *sup, struct rollout *r)
{
	struct rollout_gates *g = gates_of(r);

	if (!g)
		return; /* crashes and stalls need none of this */
	if (r->want == 0 && !r->mirroring && !BATON_SABOTAGE(gates_outlive_the_shadow)) {
		g->armed = false; /* a pause before the first weight: nobody has the candidate */
		return;
	}
	bool first = !g->armed;
	bool no_control = !r->control && !r->mirroring;
	if (no_control && !g->no_control)
		gates_control_gone(&g->engine);
	else if (!no_control && (g->no_control || first))
		gates_control_back(&g->engine);
	g->no_control = no_control;
	gates_begin(&g->engine, &r->plan.analysis, process_now_ns());
	g->armed = true;
	g->judges = judges(r);
	g->said = 0;
	g->passed = false;
	g->windows = 0;
	g->controls = control_incarnations(sup, r->group);
}

void rollout_gates_disarm(struct rollout *r)
{
	if (r->gates)
		r->gates->armed = false;
}

void rollout_gates_free(struct rollout *r)
{
	free(r->gates);
	r->gates = NULL;
}

bool rollout_gates_passed(const struct rollout *r)
{
	const struct rollout_gates *g = r->gates;

	if (r->full || r->skip || r->at_once || !g || !g->armed || !g->judges || BATON_SABOTAGE(no_traffic_passes))
		return true;
	return g->windows > 0 && g->passed && awaited(r) == GATE_COUNT;
}

/* "latency_p99: 600 of 2000 measured packets" */
static const char *wanting(const struct rollout *r, uint32_t gate, char *out, size_t bytes)
{
	const struct gate_result *result = gates_result(&r->gates->engine, (enum config_gate_id)gate);

	if (result->failures != 0)
		snprintf(out, bytes, "%s: failed when it was judged last", rollout_gate_name(gate));
	else
		snprintf(out, bytes, "%s: %llu of %llu %s", rollout_gate_name(gate), (unsigned long long)result->have,
			 (unsigned long long)result->need, gate_measure((enum config_gate_id)gate));
	return out;
}

void rollout_gates_hold(struct rollout *r, const char *what)
{
	uint32_t gate = awaited(r);
	char more[80] = "";

	if (gate != GATE_COUNT)
		wanting(r, gate, more, sizeof(more));
	bool known = r->why[0] != '\0' && r->gates->said == gate + 1;
	snprintf(r->why, sizeof(r->why), "%.50s: no window has passed all gates; too little traffic?%s%s", what,
		 more[0] ? " " : "", more);
	r->gates->said = gate + 1;
	if (!known)
		log_info("rollout of %s: %s", r->plan.name, r->why);
}

bool rollout_gates_awaited(const struct rollout *r, char *out, size_t bytes)
{
	uint32_t gate = awaited(r);

	if (gate == GATE_COUNT)
		return false;
	wanting(r, gate, out, bytes);
	return true;
}

static void collect(struct supervisor *sup, struct rollout *r, bool due)
{
	struct rollout_gates *g = r->gates;
	struct shadow_counts shadow;

	if (!due) {
		gate_collect_deaths(sup, r->group, ROLE_CANDIDATE, &g->candidate);
		return;
	}
	gate_collect(sup, r->group, ROLE_CANDIDATE, &g->candidate);
	gate_collect(sup, r->group, ROLE_CONTROL, &g->control);
	gate_collect_fanout(sup, r->group, ROLE_STABLE, &g->control.at_large);
	if (!r->mirroring)
		return;
	rollout_shadow_counts(sup, r, &shadow);
	g->candidate.shadow_compared = shadow.compared;
	g->candidate.shadow_differed = shadow.differed;
	g->candidate.noise_compared = shadow.noise_compared;
	g->candidate.noise_differed = shadow.noise_differed;
}

/* From here on it is this gate that ends the rollout, or holds it. */
static void fired(struct rollout *r, enum config_gate_id gate, const struct gate_result *result)
{
	r->fired = (struct rollout_fired){ .value = result->value, .control = result->control, .limit = result->limit };
	snprintf(r->fired.gate, sizeof(r->fired.gate), "%s", rollout_gate_name(gate));
}

void rollout_gates_death(struct rollout *r, uint32_t count)
{
	enum config_gate_id gate = r->death_was_stall ? GATE_STALLS : GATE_CRASHES;
	const struct gate_result bare = { .value = count, .control = NAN };
	struct rollout_gates *g = gates_of(r);

	if (g && !BATON_SABOTAGE(death_not_shown_as_gate))
		gates_death(&g->engine, r->death_was_stall, count, r->death);
	fired(r, gate, g ? gates_result(&g->engine, gate) : &bare);
}

static void failed(struct supervisor *sup, struct rollout *r)
{
	enum config_gate_id gate = gates_guilty(&r->gates->engine);
	const struct gate_result *result = gates_result(&r->gates->engine, gate);
	bool death = gate == GATE_CRASHES || gate == GATE_STALLS;
	char why[ROLLOUT_WHY];

	if (BATON_SABOTAGE(failing_gate_ignored) || (r->held && r->plan.pause_on_failure && !death))
		return; /* he knows, and the first is named */
	snprintf(why, sizeof(why), "gate %s: %.120s", rollout_gate_name(gate), result->why);
	fired(r, gate, result);
	rollout_event(sup, r, r->plan.pause_on_failure && !death ? EV_GATE_PAUSE : EV_GATE, why);
}

/* In the latest window, if not often enough to end the rollout; one in which nothing was judged takes nothing back. */
static bool failed_now(const struct rollout_gates *g)
{
	bool failed = false;

	for (uint32_t i = 0; i < GATE_CRASHES; i++)
		failed |= gates_result(&g->engine, (enum config_gate_id)i)->verdict == GATE_FAIL;
	return failed;
}

void rollout_gates_poll(struct supervisor *sup, struct rollout *r)
{
	struct rollout_gates *g = r->gates;
	uint64_t now = process_now_ns();

	if (!g || !g->armed)
		return;
	if (!g->no_control && g->controls != control_incarnations(sup, r->group)) {
		log_info("rollout of %s: control has another process: what it is compared on begins anew", r->plan.name);
		rollout_gates_arm(sup, r);
		return;
	}
	collect(sup, r, gates_due(&g->engine, now));
	enum gates_say say = gates_poll(&g->engine, now, &g->candidate, g->no_control ? NULL : &g->control);
	if (say == GATES_WAIT)
		return;
	g->windows++;
	g->passed = say == GATES_PASS ||
		    (say == GATES_INCONCLUSIVE && !failed_now(g) && !BATON_SABOTAGE(quiet_window_holds));
	if (say == GATES_FAIL)
		failed(sup, r);
}

/* ---- shown ---- */

static json_t *number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

json_t *rollout_fired_json(const struct rollout_fired *f)
{
	json_t *o = json_object();

	reply_set_text(o, "name", f->gate);
	reply_set_text(o, "verdict", rollout_verdict_name(GATE_FAIL));
	json_object_set_new(o, "value", number(f->value));
	json_object_set_new(o, "control", number(f->control));
	json_object_set_new(o, "limit", number(f->limit));
	return o;
}

json_t *rollout_gates_json(const struct rollout *r)
{
	json_t *list = json_array(), *last;

	if (!r->gates && r->fired.gate[0]) { /* of a rollout that the last primary has ended */
		last = rollout_fired_json(&r->fired);
		reply_set_count(last, "failures", 1);
		reply_set_text(last, "why", r->why);
		json_array_append_new(list, last);
	}

	for (uint32_t i = 0; r->gates && i < GATE_COUNT; i++) {
		const struct gate_result *result = gates_result(&r->gates->engine, (enum config_gate_id)i);
		json_t *o;

		if (result->verdict == GATE_OFF)
			continue;
		o = json_object();
		reply_set_text(o, "name", rollout_gate_name(i));
		reply_set_text(o, "verdict", rollout_verdict_name(result->verdict));
		json_object_set_new(o, "value", number(result->value));
		json_object_set_new(o, "control", number(result->control));
		json_object_set_new(o, "limit", number(result->limit));
		reply_set_count(o, "failures", result->failures);
		json_object_set_new(o, "awaited", json_boolean(waits_for(r, i)));
		json_object_set_new(o, "judged_here", json_boolean(i >= GATE_CRASHES || applies(r, i)));
		reply_set_count(o, "have", result->have);
		reply_set_count(o, "need", result->need);
		reply_set_text(o, "measure", gate_measure((enum config_gate_id)i));
		reply_set_text(o, "why", result->why);
		json_array_append_new(list, o);
	}
	return list;
}

uint32_t rollout_gates_windows(const struct rollout *r)
{
	return r->gates ? r->gates->windows : 0;
}

static uint32_t count32(uint64_t n) { return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX; }

void rollout_gates_stats(const struct rollout *r, struct stats_rollout *out)
{
	out->failure_limit = r->plan.analysis.failure_limit;
	out->of = r->plan.analysis.of;
	for (uint32_t i = 0; i < GATE_COUNT; i++)
		out->gate[i] = (struct stats_gate){ .value = NAN, .control = NAN, .limit = NAN };
	for (uint32_t i = 0; !r->gates && i < GATE_COUNT; i++) /* of a rollout that the last primary has ended */
		if (strcmp(rollout_gate_name(i), r->fired.gate) == 0)
			out->gate[i] = (struct stats_gate){ .verdict = STATS_GATE_FAIL, .failures = 1, .value = r->fired.value,
							    .control = r->fired.control, .limit = r->fired.limit };
	if (!r->gates)
		return;
	out->windows = r->gates->windows;
	for (uint32_t i = 0; i < GATE_COUNT; i++) {
		const struct gate_result *result = gates_result(&r->gates->engine, (enum config_gate_id)i);

		out->gate[i] = (struct stats_gate){ .verdict = result->verdict, .failures = result->failures,
						    .value = result->value, .control = result->control, .limit = result->limit,
						    .awaited = waits_for(r, i), .have = count32(result->have),
						    .need = count32(result->need) };
	}
}
