/* The strategy of a rollout in the file of rollouts. A reload in the middle of one is for the next: whom it exposes and
 * what it is judged by stay what they were when it was begun, and so does a primary that takes it up. */
#include <math.h>
#include <stdio.h>

#include "reply.h"
#include "rollout_inner.h"

/* ---- to JSON ---- */

static json_t *steps_json(const struct config_rollout *plan)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < plan->steps; i++) {
		const struct config_step *step = &plan->step[i];
		json_t *o = json_object();

		json_object_set_new(o, "kind", json_integer(step->kind));
		json_object_set_new(o, "permille", json_integer(step->permille));
		json_object_set_new(o, "ns", json_integer((json_int_t)step->ns));
		json_object_set_new(o, "digest", json_boolean(step->digest));
		json_object_set_new(o, "keep", json_integer(step->keep));
		json_array_append_new(list, o);
	}
	return list;
}

/* NAN is null. */
static void set_real(json_t *o, const char *key, double value)
{
	json_object_set_new(o, key, isfinite(value) ? json_real(value) : json_null());
}

static json_t *analysis_json(const struct config_analysis *a)
{
	json_t *o = json_object(), *gates = json_object();

	json_object_set_new(o, "interval_ns", json_integer((json_int_t)a->interval_ns));
	json_object_set_new(o, "warmup_ns", json_integer((json_int_t)a->warmup_ns));
	json_object_set_new(o, "min_packets", json_integer((json_int_t)a->min_packets));
	json_object_set_new(o, "failure_limit", json_integer(a->failure_limit));
	json_object_set_new(o, "of", json_integer(a->of));
	for (uint32_t i = 0; i < GATE_COUNT; i++) {
		const struct config_gate *gate = &a->gate[i];
		json_t *g = json_object();

		json_object_set_new(g, "on", json_boolean(gate->on));
		json_object_set_new(g, "dry_run", json_boolean(gate->dry_run));
		json_object_set_new(g, "immediate", json_boolean(gate->immediate));
		set_real(g, "max", gate->max);
		set_real(g, "max_delta", gate->max_delta);
		set_real(g, "max_ratio", gate->max_ratio);
		json_object_set_new(gates, rollout_gate_name(i), g);
	}
	json_object_set_new(o, "gates", gates);
	return o;
}

void rollout_plan_to(json_t *o, const struct config_rollout *plan)
{
	json_t *cohort = json_array();

	json_object_set_new(o, "steps", steps_json(plan));
	if (BATON_SABOTAGE(strategy_of_the_reload)) {
		json_decref(cohort);
		return;
	}
	for (uint32_t i = 0; i < plan->cohorts; i++)
		json_array_append_new(cohort, reply_text(plan->cohort[i]));
	json_object_set_new(o, "cohort", cohort);
	json_object_set_new(o, "analysis", analysis_json(&plan->analysis));
	json_object_set_new(o, "pause_on_failure", json_boolean(plan->pause_on_failure));
	json_object_set_new(o, "deadline_ns", json_integer((json_int_t)plan->deadline_ns));
	json_object_set_new(o, "accept_one_way", json_boolean(plan->accept_one_way));
}

/* ---- from JSON ---- */

static uint64_t number_of(const json_t *o, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(o, key));

	return n > 0 ? (uint64_t)n : 0;
}

static bool truth_of(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

static double real_of(const json_t *o, const char *key)
{
	const json_t *value = json_object_get(o, key);

	return json_is_number(value) ? json_number_value(value) : NAN;
}

static bool steps_from(const json_t *list, struct config_rollout *plan)
{
	const json_t *item;
	size_t i;

	plan->steps = 0;
	json_array_foreach(list, i, item) {
		struct config_step step = {
			.kind = (enum config_step_kind)number_of(item, "kind"), .permille = (uint32_t)number_of(item, "permille"),
			.ns = number_of(item, "ns"), .digest = truth_of(item, "digest"),
			.keep = (uint32_t)number_of(item, "keep"),
		};
		if (plan->steps == CONFIG_STEPS || step.kind > STEP_SNAPSHOT || step.permille > 1000)
			return false;
		plan->step[plan->steps++] = step;
	}
	return plan->steps > 0;
}

static bool analysis_from(const json_t *o, struct config_analysis *a)
{
	const json_t *gates = json_object_get(o, "gates"), *g;

	a->interval_ns = number_of(o, "interval_ns");
	a->warmup_ns = number_of(o, "warmup_ns");
	a->min_packets = number_of(o, "min_packets");
	a->failure_limit = (uint32_t)number_of(o, "failure_limit");
	a->of = (uint32_t)number_of(o, "of");
	for (uint32_t i = 0; i < GATE_COUNT; i++) {
		g = json_object_get(gates, rollout_gate_name(i));
		if (!g)
			continue; /* one that the last primary did not know: as the configuration says */
		a->gate[i] = (struct config_gate){
			.on = truth_of(g, "on"), .dry_run = truth_of(g, "dry_run"), .immediate = truth_of(g, "immediate"),
			.max = real_of(g, "max"), .max_delta = real_of(g, "max_delta"), .max_ratio = real_of(g, "max_ratio"),
		};
	}
	return a->of <= 64 && a->failure_limit <= a->of;
}

bool rollout_plan_from(const json_t *o, struct config_rollout *plan)
{
	const json_t *analysis = json_object_get(o, "analysis"), *item;
	size_t i;

	if (!steps_from(json_object_get(o, "steps"), plan))
		return false;
	if (!json_is_object(analysis)) /* of a primary that kept the steps alone */
		return true;
	plan->cohorts = 0;
	json_array_foreach(json_object_get(o, "cohort"), i, item) {
		const char *key = json_string_value(item);

		if (!key || plan->cohorts == CONFIG_COHORT)
			return false;
		snprintf(plan->cohort[plan->cohorts++], CONFIG_KEY_BYTES, "%s", key);
	}
	plan->pause_on_failure = truth_of(o, "pause_on_failure");
	plan->deadline_ns = number_of(o, "deadline_ns");
	plan->accept_one_way = truth_of(o, "accept_one_way");
	return analysis_from(analysis, &plan->analysis);
}
