/* Rollouts as JSON: keys as in batonctl rollout status, weights in permille. */
#include "json_rollouts.h"

#include <math.h>

static json_t *figure(double value) { return isnan(value) ? json_null() : json_real(value); }

static json_t *name(const char *text)
{
	json_t *value = json_string(text);

	return value != NULL ? value : json_string("?");
}

static json_t *gates(const struct stats_rollout *r)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < GATE_COUNT; i++) {
		const struct stats_gate *g = &r->gate[i];
		json_t *o = json_object();

		json_object_set_new(o, "name", json_string(rollout_gate_name(i)));
		json_object_set_new(o, "verdict", json_string(rollout_verdict_name(g->verdict)));
		json_object_set_new(o, "value", figure(g->value));
		json_object_set_new(o, "control", figure(g->control));
		json_object_set_new(o, "limit", figure(g->limit));
		json_object_set_new(o, "failures", json_integer(g->failures));
		json_object_set_new(o, "awaited", json_boolean(g->awaited));
		json_object_set_new(o, "have", json_integer(g->have));
		json_object_set_new(o, "need", json_integer(g->need));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *shadow(const struct stats_rollout *r)
{
	const struct { const char *key; uint64_t value; } counts[] = {
		{ "mirrored", r->mirrored }, { "dropped", r->mirror_dropped }, { "out_of_step", r->out_of_step },
		{ "compared", r->compared }, { "differed", r->differed }, { "noise_compared", r->noise_compared },
		{ "noise_differed", r->noise_differed },
	};
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		json_object_set_new(o, counts[i].key, json_integer((json_int_t)counts[i].value));
	return o;
}

static json_t *row(const struct snapshot *s, const struct stats_rollout *r)
{
	json_t *o = json_object();
	char words[192];

	rollout_words(r, words, sizeof(words));
	json_object_set_new(o, "group", name(r->group));
	json_object_set_new(o, "state", json_string(rollout_state_name(r->state)));
	json_object_set_new(o, "phase", json_string(rollout_phase_name(r->phase)));
	json_object_set_new(o, "health", json_string(verdict_name(rollout_level(r))));
	json_object_set_new(o, "text", name(words));
	json_object_set_new(o, "step", json_integer(r->step));
	json_object_set_new(o, "steps", json_integer(r->steps));
	json_object_set_new(o, "weight", json_integer(r->weight));
	json_object_set_new(o, "want", json_integer(r->want));
	json_object_set_new(o, "exposed_buckets", json_integer(r->exposed));
	json_object_set_new(o, "buckets", json_integer(r->buckets));
	json_object_set_new(o, "stable", name(r->stable));
	json_object_set_new(o, "candidate", name(r->candidate));
	json_object_set_new(o, "candidate_build_id", name(r->candidate_build));
	json_object_set_new(o, "candidates", json_integer(r->candidates));
	json_object_set_new(o, "controls", json_integer(r->controls));
	json_object_set_new(o, "failure_limit", json_integer(r->failure_limit));
	json_object_set_new(o, "of_windows", json_integer(r->of));
	json_object_set_new(o, "windows", json_integer((json_int_t)r->windows));
	json_object_set_new(o, "one_way", json_boolean(r->one_way));
	json_object_set_new(o, "until_s", r->until_ns == 0 ? json_null() : json_real(
		r->until_ns > s->wall_ns ? (double)(r->until_ns - s->wall_ns) / 1e9 : 0));
	json_object_set_new(o, "gates", gates(r));
	json_object_set_new(o, "shadow", shadow(r));
	json_object_set_new(o, "why", r->why[0] != 0 ? name(r->why) : json_null());
	return o;
}

json_t *json_rollouts(const struct snapshot *s)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < s->rollouts; i++)
		json_array_append_new(list, row(s, &s->rollout[i]));
	return list;
}
