/* Fan-out: what a candidate's entries post and send, against what entries of the same kinds do with stable.
 *
 * The denominator. Messages and packets a handled packet are what people see, but no packet alone decides them: a
 * bucket with a busy cell of the map in it has the messages of everybody there, and ticks send without being asked. So
 * what is held against the candidate is what its own packets, messages and ticks would have posted and sent at the
 * rates of stable (indirect standardisation), kind by kind. A message in a chain that never ends is one more cause,
 * but whatever began the chain was a packet or a tick, and is seen there.
 *
 * What a tick does depends on how many players are near each other, which nobody counts: it may go with the buckets,
 * the packets or the messages of the slot. Whichever explains most is believed, or least, if it is to be too few.
 *
 * Chance. Few buckets, few cells: which of them control has is luck that lasts as long as the rollout, and no number of
 * windows evens it out. So it is too many only if it is more than both control and the group's other workers explain,
 * and too few only if less than either does. What comes in clusters within one slice is one toss for the sign test. */
#include <math.h>
#include <string.h>

#include "gate_judge.h"
#include "gate_stats.h"
#include "sabotage.h"

#define REFERENCES 2u

struct reference {
	struct gate_fanout of[REFERENCES];
	uint32_t count;
};

static const uint64_t *events_of(const struct gate_fanout *f, bool sends) { return sends ? f->sent : f->posted; }

/* What so many causes do at the rate of those `events` and `of`; both bounds, widened. */
static void widen(double causes, uint64_t events, uint64_t of, double *low, double *high)
{
	if (of == 0)
		return;
	*low = fmin(*low, causes * gate_count_low(events) / (double)of);
	*high = fmax(*high, causes * gate_count_high(events) / (double)of);
}

/* Of the candidate's causes of that kind. Returns false if no reference has such causes. */
static bool expected_of(const struct gate_fanout *candidate, const struct reference *refs, bool sends, uint32_t kind,
			double *low, double *high)
{
	double least = INFINITY, most = -INFINITY;

	for (uint32_t r = 0; r < refs->count; r++) {
		const struct gate_fanout *ref = &refs->of[r];

		for (uint32_t by = 0; by < STATS_CAUSES; by++)
			if (by == kind || kind == CAUSE_TICK)
				widen((double)candidate->causes[by], events_of(ref, sends)[kind], ref->causes[by],
				      &least, &most);
	}
	if (isinf(most))
		return false;
	*low += least;
	*high += most;
	return true;
}

/* low, high: what stable would have made of the causes; events: what was made of those that stable has as well.
 * Low and high are a packet's. */
static void compare(const struct config_gate *config, double packets, double events, double low, double high,
		    double floor, struct gate_slice *slice, bool *above, bool *below)
{
	double least = gate_count_low((uint64_t)events) / packets, most = gate_count_high((uint64_t)events) / packets;

	slice->value = events / packets;
	slice->control = high;
	slice->limit = config->max;
	*above = least > config->max && !(high > config->max);
	*below = false;
	if (isnan(high))
		return;
	double up = fmin(config->max_ratio * high, config->max_delta + high); /* fmin() leaves out what is NAN */
	slice->limit = fmin(slice->limit, isnan(up) ? NAN : fmax(up, high + floor));
	if (least > up && least - high > floor)
		*above = true;
	double down = fmax(low / config->max_ratio, low - config->max_delta);
	if (most < down && low - most > floor) {
		*below = true;
		slice->control = low;
		slice->limit = fmin(down, low - floor);
	}
}

static void look(struct gates *gates, bool sends, const struct gate_fanout *c, const struct reference *refs)
{
	const struct config_gate *config = &gates->analysis.gate[sends ? GATE_SENDS : GATE_MESSAGES];
	double packets = (double)c->causes[CAUSE_PACKET], events = 0, all = 0, low = 0, high = 0;
	double floor = gates->control_gone ? 2 * GATE_FANOUT_FLOOR : GATE_FANOUT_FLOOR;
	bool known = false, above, below;
	struct gate_slice slice;

	for (uint32_t kind = 0; kind < STATS_CAUSES; kind++) {
		bool compared = expected_of(c, refs, sends, kind, &low, &high);

		all += (double)events_of(c, sends)[kind];
		events += compared ? (double)events_of(c, sends)[kind] : 0;
		known |= compared;
	}
	if (!known) /* nothing but max */
		low = high = NAN;
	else if (BATON_SABOTAGE(control_ignored))
		low = high = 0;
	compare(config, packets, known ? events : all, low / packets, high / packets, floor, &slice, &above, &below);
	gate_slice_end(&gates->fanout[sends], &slice, above, below && !BATON_SABOTAGE(silence_ignored));
}

static void grown(struct gate_fanout *out, const struct gate_fanout *now, const struct gate_fanout *base)
{
	for (uint32_t i = 0; i < STATS_CAUSES; i++) {
		out->causes[i] = now->causes[i] - base->causes[i];
		out->posted[i] = now->posted[i] - base->posted[i];
		out->sent[i] = now->sent[i] - base->sent[i];
	}
}

void gate_fanout_look(struct gates *gates, const struct gate_counts *candidate, const struct gate_counts *control)
{
	struct gate_fanout *base = gates->fanout_base, c;
	struct reference refs = {.count = 0};
	uint64_t least;

	grown(&c, &candidate->fanout, &base[GATE_CANDIDATE]);
	least = c.causes[CAUSE_PACKET];
	if (!gates->control_gone) {
		grown(&refs.of[0], &control->fanout, &base[GATE_CONTROL]);
		grown(&refs.of[1], &control->at_large, &base[GATE_SIDES]);
		refs.count = BATON_SABOTAGE(control_alone) ? 1 : 2;
		least = refs.of[0].causes[CAUSE_PACKET] < least ? refs.of[0].causes[CAUSE_PACKET] : least;
	} else if (gates->last_control.packets != 0) {
		refs.of[0] = gates->last_control.fanout;
		refs.count = 1;
	}
	gates->fanout[0].partial = gates->fanout[1].partial = least;
	if (least < GATE_FANOUT_PACKETS)
		return;
	look(gates, false, &c, &refs);
	look(gates, true, &c, &refs);
	base[GATE_CANDIDATE] = candidate->fanout;
	if (gates->control_gone)
		return;
	base[GATE_CONTROL] = control->fanout;
	base[GATE_SIDES] = control->at_large;
}
