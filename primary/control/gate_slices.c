/* Slices: quantiles of candidate and control of the same moment, one against the other. */
#include <math.h>
#include <string.h>

#include "gate_judge.h"
#include "gate_stats.h"
#include "hist.h"
#include "sabotage.h"

/* `low` and `high` as in struct gate_quantile. */
static bool exceeds(const struct config_gate *config, double low, double high, double floor, struct gate_slice *slice)
{
	bool worse = low - high > floor;

	slice->limit = config->max;
	if (!isnan(high)) {
		double ratio = config->max_ratio * high, delta = high + config->max_delta, least = fmin(ratio, delta);

		/* the floor is a part of the limit that people see */
		slice->limit = fmin(slice->limit, isnan(least) ? NAN : fmax(least, high + floor));
		if (worse && (low > ratio || low > delta))
			return true;
	}
	return low > config->max && !(high > config->max);
}

void gate_slice_end(struct gate_slices *slices, const struct gate_slice *slice, bool exceeded, bool below)
{
	slices->slice[slices->count % GATE_SLICES] = *slice;
	slices->exceeded = slices->exceeded << 1 | exceeded;
	slices->below = slices->below << 1 | below;
	slices->count++;
	slices->fresh++;
	slices->partial = 0;
}

static double floor_of(const struct gates *gates, double floor) { return gates->control_gone ? 2 * floor : floor; }

/* ---- residence ---- */

static void residence_look(struct gates *gates, bool p99, const uint64_t *candidate, const uint64_t *control)
{
	const struct config_gate *config = &gates->analysis.gate[p99 ? GATE_RESIDENCE_P99 : GATE_RESIDENCE_P50];
	uint64_t (*base)[STATS_HIST_BUCKETS] = gates->residence[p99], least = p99 ? GATE_P99_SAMPLES : GATE_P50_SAMPLES;
	double q = p99 ? 0.99 : 0.5, high = gates->last_worst.residence[p99];
	struct gate_slice slice;
	struct gate_slices *slices = p99 ? &gates->p99 : &gates->p50;
	struct gate_quantile c = gate_quantile(candidate, base[GATE_CANDIDATE], STATS_HIST_BUCKETS, hist_floor, q), k = c;

	if (!gates->control_gone)
		k = gate_quantile(control, base[GATE_CONTROL], STATS_HIST_BUCKETS, hist_floor, q);
	slices->partial = c.samples < k.samples ? c.samples : k.samples;
	if (slices->partial < least)
		return;
	if (gates->control_gone) {
		high = high == 0 ? NAN : high;
	} else {
		high = k.high;
		gates->worst.residence[p99] = fmax(gates->worst.residence[p99], high);
		memcpy(base[GATE_CONTROL], control, sizeof(base[GATE_CONTROL]));
	}
	memcpy(base[GATE_CANDIDATE], candidate, sizeof(base[GATE_CANDIDATE]));
	if (BATON_SABOTAGE(control_ignored))
		high = 0;
	slice.value = c.low;
	slice.control = high;
	bool exceeded = exceeds(config, c.low, high, floor_of(gates, p99 ? GATE_P99_FLOOR_NS : GATE_P50_FLOOR_NS), &slice);
	gate_slice_end(slices, &slice, exceeded, false);
}

/* ---- cycles ---- */

static uint64_t cycles_floor(uint32_t bucket) { return stats_cycles_floor(bucket); }

/* Median, so that the bursts that were preempted do not count. */
static struct gate_quantile median(const uint64_t *now, const uint64_t *base)
{
	struct gate_quantile q = gate_quantile(now, base, STATS_CYCLES_BUCKETS, cycles_floor, 0.5);
	double sum = 0;

	if (!BATON_SABOTAGE(preempted_burst_counted) || q.samples == 0)
		return q;
	for (uint32_t i = 0; i < STATS_CYCLES_BUCKETS; i++)
		sum += (double)(now[i] - base[i]) * (double)stats_cycles_floor(i);
	q.low = q.high = sum / (double)q.samples;
	return q;
}

/* Sums over classes of burst size, weighted. */
struct standard {
	double weights, low, high, floor;
};

static void add_class(struct standard *sum, uint32_t class, uint64_t bursts, double low, double high)
{
	double size = (double)(1u << class), weight = (double)bursts * size;

	sum->weights += weight;
	sum->low += weight * low;
	sum->high += weight * high;
	sum->floor += weight * GATE_CYCLES_FLOOR / size;
}

/* Against control as it is: classes that both have, weighted by the packets of the side that has fewer of them. */
static void beside_control(struct gates *gates, const struct gate_counts *candidate, const struct gate_counts *control,
			   struct standard *sum)
{
	struct gate_quantile c[STATS_BURST_CLASSES], k[STATS_BURST_CLASSES];

	for (uint32_t class = 0; class < STATS_BURST_CLASSES; class++) {
		c[class] = median(candidate->cycles[class], gates->cycles[GATE_CANDIDATE][class]);
		k[class] = median(control->cycles[class], gates->cycles[GATE_CONTROL][class]);
		uint64_t bursts = c[class].samples < k[class].samples ? c[class].samples : k[class].samples;

		gates->cycle.partial = bursts > gates->cycle.partial ? bursts : gates->cycle.partial;
		if (bursts >= GATE_BURSTS)
			add_class(sum, class, bursts, c[class].low, k[class].high);
	}
	for (uint32_t class = 0; sum->weights != 0 && class < STATS_BURST_CLASSES; class++)
		if (k[class].samples >= GATE_BURSTS)
			gates->worst.cycles[class] = fmax(gates->worst.cycles[class], k[class].high);
}

/* Of bursts of that class; where control had none, of the next smaller: a greater costs no more a packet. 0: none. */
static double worst_of(const struct gate_worst *worst, uint32_t class)
{
	while (class > 0 && worst->cycles[class] == 0)
		class--;
	return worst->cycles[class];
}

/* Against what was the worst of control in its last window; without that, against nothing. */
static void behind_control(struct gates *gates, const struct gate_counts *candidate, struct standard *sum)
{
	const struct gate_worst *worst = &gates->last_worst;
	bool known = false;

	for (uint32_t class = 0; class < STATS_BURST_CLASSES; class++)
		known |= worst->cycles[class] != 0;
	for (uint32_t class = 0; class < STATS_BURST_CLASSES; class++) {
		struct gate_quantile c = median(candidate->cycles[class], gates->cycles[GATE_CANDIDATE][class]);

		double high = worst_of(worst, class);

		gates->cycle.partial = c.samples > gates->cycle.partial ? c.samples : gates->cycle.partial;
		if (c.samples >= GATE_BURSTS && (!known || high != 0))
			add_class(sum, class, c.samples, c.low, known ? high : NAN);
	}
}

static void cycles_look(struct gates *gates, const struct gate_counts *candidate, const struct gate_counts *control)
{
	struct standard sum = {0};

	gates->cycle.partial = 0;
	if (gates->control_gone)
		behind_control(gates, candidate, &sum);
	else
		beside_control(gates, candidate, control, &sum);
	if (sum.weights == 0)
		return;
	memcpy(gates->cycles[GATE_CANDIDATE], candidate->cycles, sizeof(candidate->cycles));
	if (!gates->control_gone)
		memcpy(gates->cycles[GATE_CONTROL], control->cycles, sizeof(control->cycles));
	if (BATON_SABOTAGE(control_ignored))
		sum.high = 0;
	struct gate_slice slice = {.value = sum.low / sum.weights, .control = sum.high / sum.weights};
	bool exceeded = exceeds(&gates->analysis.gate[GATE_CYCLES], slice.value, slice.control,
				floor_of(gates, sum.floor / sum.weights), &slice);
	gate_slice_end(&gates->cycle, &slice, exceeded, false);
}

void gate_slices_look(struct gates *gates, const struct gate_counts *candidate, const struct gate_counts *control)
{
	const uint64_t *of_control = gates->control_gone ? NULL : control->residence;

	residence_look(gates, false, candidate->residence, of_control);
	residence_look(gates, true, candidate->residence, of_control);
	cycles_look(gates, candidate, control);
	gate_fanout_look(gates, candidate, control);
}
