/* Rollouts: state, weight, and every gate against its limit. */
#include "exporter/prom_text.h"

#include <math.h>

static const struct stats_rollout *begin(struct prom *p, uint32_t i)
{
	prom_begin(p, "");
	prom_label(p, "group", p->s->rollout[i].group);
	return &p->s->rollout[i];
}

static void write_states(struct prom *p)
{
	prom_family(p, "baton_rollout_state", "gauge", "1 for the state a group's rollout is in, 0 for the others");
	for (uint32_t i = 0; i < p->s->rollouts; i++)
		for (uint32_t state = ROLLOUT_HEALTHY; state < ROLLOUT_STATE_COUNT; state++) {
			const struct stats_rollout *r = begin(p, i);

			prom_label(p, "state", rollout_state_name(state));
			prom_end_count(p, r->state == state);
		}
	prom_family(p, "baton_rollout_info", "gauge", "the versions of a rollout, and what it does");
	for (uint32_t i = 0; i < p->s->rollouts; i++) {
		const struct stats_rollout *r = begin(p, i);

		prom_label(p, "stable", r->stable);
		prom_label(p, "candidate", r->candidate);
		prom_label(p, "build_id", r->candidate_build);
		prom_label(p, "phase", rollout_phase_name(r->phase));
		prom_end_count(p, 1);
	}
}

static void write_gauge(struct prom *p, const char *name, const char *help, size_t offset, double scale)
{
	prom_family(p, name, "gauge", help);
	for (uint32_t i = 0; i < p->s->rollouts; i++) {
		const char *at = (const char *)begin(p, i) + offset;

		prom_end_real(p, *(const uint32_t *)(const void *)at * scale);
	}
}

static void write_shadow(struct prom *p)
{
	prom_family(p, "baton_rollout_shadow_replies", "gauge",
		    "compared replies of this rollout's shadow, by what they were compared with and how that went");
	for (uint32_t i = 0; i < p->s->rollouts; i++)
		for (int noise = 0; noise < 2; noise++)
			for (int differ = 0; differ < 2; differ++) {
				const struct stats_rollout *r = begin(p, i);
				uint64_t compared = noise ? r->noise_compared : r->compared;
				uint64_t differed = noise ? r->noise_differed : r->differed;

				prom_label(p, "of", noise ? "stable" : "candidate");
				prom_label(p, "outcome", differ ? "differs" : "same");
				prom_end_count(p, differ ? differed : compared - differed);
			}
	prom_family(p, "baton_rollout_shadow_dropped_copies", "gauge", "packets not copied to a shadow: it was full");
	for (uint32_t i = 0; i < p->s->rollouts; i++) {
		const struct stats_rollout *r = begin(p, i);

		prom_end_count(p, r->mirror_dropped);
	}
}

/* Gates that are off, and numbers that there are not, have no series. */
static void write_gate(struct prom *p, const char *name, const char *help, size_t offset)
{
	prom_family(p, name, "gauge", help);
	for (uint32_t i = 0; i < p->s->rollouts; i++)
		for (uint32_t g = 0; g < GATE_COUNT; g++) {
			const struct stats_gate *gate = &p->s->rollout[i].gate[g];
			double value = *(const double *)(const void *)((const char *)gate + offset);

			if (gate->verdict == STATS_GATE_OFF || isnan(value))
				continue;
			begin(p, i);
			prom_label(p, "gate", rollout_gate_name(g));
			prom_end_real(p, rollout_gate_unit(g) == GATE_NS ? value / 1e9 : value);
		}
}

enum said { FAILING, FAILURES, AWAITED };

static void write_verdicts(struct prom *p, enum said what)
{
	for (uint32_t i = 0; i < p->s->rollouts; i++)
		for (uint32_t g = 0; g < GATE_COUNT; g++) {
			const struct stats_gate *gate = &p->s->rollout[i].gate[g];

			if (gate->verdict == STATS_GATE_OFF)
				continue;
			begin(p, i);
			prom_label(p, "gate", rollout_gate_name(g));
			prom_end_count(p, what == FAILURES ? gate->failures : what == AWAITED ? gate->awaited :
				       gate->verdict == STATS_GATE_FAIL);
		}
}

void prom_rollouts(struct prom *p)
{
#define AT(field) offsetof(struct stats_rollout, field)
	if (p->s->rollouts == 0)
		return;
	write_states(p);
	write_gauge(p, "baton_rollout_weight_ratio", "share of the buckets that the candidate has", AT(weight), 0.001);
	write_gauge(p, "baton_rollout_want_ratio", "share that it is to have", AT(want), 0.001);
	write_gauge(p, "baton_rollout_step", "step that it is at, from 1", AT(step), 1);
	write_gauge(p, "baton_rollout_steps", "steps there are", AT(steps), 1);
	write_gauge(p, "baton_rollout_exposed_buckets", "buckets that the candidate owns", AT(exposed), 1);
	write_gauge(p, "baton_rollout_gate_failure_limit", "windows that a gate may fail in", AT(failure_limit), 1);
#undef AT
#define AT(field) offsetof(struct stats_gate, field)
	write_gate(p, "baton_rollout_gate_value", "candidate's, of the latest window; times in seconds", AT(value));
	write_gate(p, "baton_rollout_gate_control", "control's", AT(control));
	write_gate(p, "baton_rollout_gate_limit", "what the candidate's was held against", AT(limit));
#undef AT
	prom_family(p, "baton_rollout_gate_failing", "gauge", "1: the gate failed in the latest window");
	write_verdicts(p, FAILING);
	prom_family(p, "baton_rollout_gate_failures", "gauge", "of the last windows, so many failed");
	write_verdicts(p, FAILURES);
	prom_family(p, "baton_rollout_gate_awaited", "gauge", "1: the step waits for the gate to be judged and to pass");
	write_verdicts(p, AWAITED);
	write_shadow(p);
}
