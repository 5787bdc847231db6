/* One window's ratios, and the verdict over slices. */
#include "gate_judge.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gate_stats.h"
#include "sabotage.h"

/* ---- ratios ---- */

struct share {
	uint64_t events, of;
};

/* A look is taken while the lcores count: of two counters of one moment either may be ahead. */
static struct share share(uint64_t events, uint64_t of) { return (struct share){events < of ? events : of, of}; }

static struct share share_of(enum config_gate_id gate, const struct gate_tally *t)
{
	switch (gate) {
	case GATE_DROPS: return share(t->drops, t->packets + t->drops);
	case GATE_MALFORMED: return share(t->malformed, t->packets);
	case GATE_ERROR_REPLIES: return share(t->error_replies, t->packets);
	case GATE_SHADOW_DIFF: return share(t->shadow_differed, t->shadow_compared);
	default: return (struct share){0, 0};
	}
}

static double point(struct share s) { return s.of == 0 ? NAN : (double)s.events / (double)s.of; }

static double least(double a, double b) { return isnan(a) || b < a ? b : a; }

/* By which threshold the candidate fails, NULL: by none. Bounds of two ratios: each is missed half as often. */
static const char *ratio_exceeds(const struct config_gate *config, struct share candidate, struct share control,
				 double alpha)
{
	double low = gate_lower(candidate.events, candidate.of, alpha / 2);
	double high = control.of == 0 ? 1 : gate_upper(control.events, control.of, alpha / 2);

	if (BATON_SABOTAGE(chance_ignored))
		low = point(candidate), high = control.of == 0 ? 1 : point(control);
	if (BATON_SABOTAGE(control_ignored))
		high = 0;
	if (low > config->max_delta + high) /* comparisons with NAN are false */
		return "max_delta";
	if (low > config->max_ratio * high)
		return "max_ratio";
	if (low > config->max && !(point(control) > config->max))
		return "max";
	return NULL;
}

void gate_judge_ratio(const struct config_gate *config, enum config_gate_id gate, const struct gate_tally *candidate,
		      const struct gate_tally *control, uint64_t min_packets, struct gate_finding *out)
{
	bool shadow = gate == GATE_SHADOW_DIFF;
	struct share c = share_of(gate, candidate), k = {0, 0};
	uint64_t traffic = shadow ? candidate->shadow_compared : candidate->packets;

	if (shadow)
		k = share(candidate->noise_differed, candidate->noise_compared);
	else if (control != NULL)
		k = share_of(gate, control);
	*out = (struct gate_finding){.value = point(c), .control = point(k), .limit = config->max};
	out->limit = k.of == 0 ? out->limit : least(out->limit, point(k) + config->max_delta);
	out->limit = k.of == 0 ? out->limit : least(out->limit, point(k) * config->max_ratio);
	out->have = !shadow && control != NULL && control->packets < traffic ? control->packets : traffic;
	out->need = min_packets != 0 ? min_packets : 1;
	if (!BATON_SABOTAGE(min_packets_ignored))
		out->judged = traffic >= min_packets && traffic != 0 &&
			      (shadow || control == NULL || control->packets >= min_packets);
	else
		out->judged = traffic != 0;
	if (!out->judged) {
		snprintf(out->why, sizeof(out->why), "%llu %s%s: fewer than min_packets", (unsigned long long)traffic,
			 shadow ? "compared" : "packets", control != NULL && traffic >= min_packets ? ", control" : "");
		return;
	}
	const char *by = ratio_exceeds(config, c, k, GATE_ALPHA);
	if (by == NULL)
		return;
	out->fails = true;
	out->beyond = ratio_exceeds(config, c, k, GATE_ALPHA_NOW) != NULL;
	snprintf(out->why, sizeof(out->why), "%.4g %% of %llu, control %.4g %% of %llu: beyond %s", 100 * point(c),
		 (unsigned long long)c.of, k.of == 0 ? 0.0 : 100 * point(k), (unsigned long long)k.of, by);
}

bool gate_judge_storm(const struct gate_tally *candidate, const struct gate_tally *control)
{
	struct share c = share_of(GATE_MALFORMED, candidate), k = {0, 0};
	double low = gate_lower(c.events, c.of, GATE_ALPHA_NOW / 2);

	if (control != NULL)
		k = share_of(GATE_MALFORMED, control);
	return low > GATE_STORM && k.of != 0 && low > gate_upper(k.events, k.of, GATE_ALPHA_NOW / 2);
}

/* ---- slices ---- */

/* The slice whose value is in the middle of what it was held against: what stands for the window. */
static const struct gate_slice *typical(const struct gate_slices *s, uint32_t count)
{
	const struct gate_slice *sorted[GATE_SLICES];

	for (uint32_t i = 0; i < count; i++) {
		const struct gate_slice *slice = &s->slice[i];
		double excess = slice->value - (isnan(slice->limit) ? 0 : slice->limit);
		uint32_t at = i;

		while (at > 0 && sorted[at - 1]->value - (isnan(sorted[at - 1]->limit) ? 0 : sorted[at - 1]->limit) > excess) {
			sorted[at] = sorted[at - 1];
			at--;
		}
		sorted[at] = slice;
	}
	return sorted[count / 2];
}

uint32_t gate_slice_samples(enum config_gate_id gate)
{
	return gate == GATE_RESIDENCE_P50 ? GATE_P50_SAMPLES : gate == GATE_RESIDENCE_P99 ? GATE_P99_SAMPLES :
	       gate == GATE_CYCLES ? GATE_BURSTS : GATE_FANOUT_PACKETS;
}

void gate_judge_slices(const struct gate_slices *slices, enum config_gate_id gate, struct gate_finding *out)
{
	bool fanout = gate == GATE_MESSAGES || gate == GATE_SENDS;
	const char *unit = gate == GATE_CYCLES ? "cycles" : fanout ? "a packet" : "ns";
	uint32_t count = slices->count < GATE_SLICES ? slices->count : GATE_SLICES;
	uint32_t needed = gate_sign_needed(count, GATE_ALPHA);
	uint32_t above = (uint32_t)__builtin_popcountll(slices->exceeded & ((1ull << count) - 1));
	uint32_t below = (uint32_t)__builtin_popcountll(slices->below & ((1ull << count) - 1));
	uint32_t exceeded = above > below ? above : below;

	*out = (struct gate_finding){
		.value = NAN, .control = NAN, .limit = NAN,
		.have = (uint64_t)count * gate_slice_samples(gate) + slices->partial,
		.need = GATE_SLICES_LEAST * gate_slice_samples(gate),
	};
	if (count != 0) {
		const struct gate_slice *slice = typical(slices, count);

		out->value = slice->value;
		out->control = slice->control;
		out->limit = slice->limit;
	}
	out->judged = needed <= count && slices->fresh != 0;
	if (!out->judged) {
		snprintf(out->why, sizeof(out->why), "%u slices, %u of them new: too few samples", count, slices->fresh);
		return;
	}
	out->fails = exceeded >= needed;
	out->beyond = exceeded >= gate_sign_needed(count, GATE_ALPHA_NOW);
	if (out->fails)
		snprintf(out->why, sizeof(out->why), "%s the limit in %u of %u slices, in the middle %.*f, control %.*f %s",
			 above > below ? "above" : "below", exceeded, count, fanout ? 3 : 0, out->value, fanout ? 3 : 0,
			 out->control, unit);
}
