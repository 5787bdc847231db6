/* The engine of gates: looks, windows, k of n, what is immediate. See gates.h. */
#include "gates.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "gate_judge.h"
#include "sabotage.h"

static_assert((int)GATE_OFF == STATS_GATE_OFF && (int)GATE_PASS == STATS_GATE_PASS &&
	      (int)GATE_FAIL == STATS_GATE_FAIL && (int)GATE_INCONCLUSIVE == STATS_GATE_INCONCLUSIVE &&
	      (int)GATE_DRY_FAIL == STATS_GATE_DRY_FAIL,
	      "monitors are told as it is");

static bool is_count(uint32_t gate) { return gate == GATE_CRASHES || gate == GATE_STALLS; }
static bool is_of_slices(uint32_t gate)
{
	return gate == GATE_RESIDENCE_P50 || gate == GATE_RESIDENCE_P99 || gate == GATE_CYCLES || gate == GATE_MESSAGES ||
	       gate == GATE_SENDS;
}

/* All of them: of each slices, or NULL. */
static struct gate_slices *slices_of(struct gates *gates, uint32_t gate)
{
	switch (gate) {
	case GATE_RESIDENCE_P50: return &gates->p50;
	case GATE_RESIDENCE_P99: return &gates->p99;
	case GATE_CYCLES: return &gates->cycle;
	case GATE_MESSAGES: return &gates->fanout[0];
	case GATE_SENDS: return &gates->fanout[1];
	default: return NULL;
	}
}

static void none_fresh(struct gates *gates)
{
	for (uint32_t i = 0; i < GATE_COUNT; i++)
		if (is_of_slices(i))
			slices_of(gates, i)->fresh = 0;
}

/* ---- beginning ---- */

void gates_begin(struct gates *gates, const struct config_analysis *analysis, uint64_t now_ns)
{
	struct config_analysis *a = &gates->analysis;

	*a = *analysis;
	a->interval_ns = a->interval_ns != 0 ? a->interval_ns : 1;
	a->failure_limit = a->failure_limit != 0 ? a->failure_limit : 1;
	a->of = a->of > a->failure_limit ? a->of : a->failure_limit;
	a->of = a->of < GATE_WINDOWS_MOST ? a->of : GATE_WINDOWS_MOST;
	gates->warm_ns = now_ns + a->warmup_ns;
	gates->window_ns = gates->look_ns = 0;
	gates->begun = false;
	for (uint32_t i = 0; i < GATE_COUNT; i++)
		if (is_of_slices(i))
			slices_of(gates, i)->count = slices_of(gates, i)->partial = 0;
	gates->guilty = GATE_COUNT;
	memset(gates->failed, 0, sizeof(gates->failed));
	for (uint32_t i = 0; i < GATE_COUNT; i++)
		gates->result[i] = (struct gate_result){
			.verdict = !a->gate[i].on ? GATE_OFF : is_count(i) ? GATE_PASS : GATE_INCONCLUSIVE,
			.value = is_count(i) ? 0 : NAN, .control = NAN, .limit = a->gate[i].max, .passed = is_count(i),
			.need = is_of_slices(i) ? GATE_SLICES_LEAST * gate_slice_samples((enum config_gate_id)i) :
				a->min_packets != 0 ? a->min_packets : 1,
		};
}

void gates_control_gone(struct gates *gates) { gates->control_gone = true; }

void gates_control_back(struct gates *gates)
{
	gates->control_gone = false;
	memset(&gates->last_control, 0, sizeof(gates->last_control));
	memset(&gates->last_worst, 0, sizeof(gates->last_worst));
}

/* ---- looks ---- */

static struct gate_tally tally_of(const struct gate_counts *c)
{
	return (struct gate_tally){
		.packets = c->packets, .drops = c->drops, .malformed = c->malformed, .error_replies = c->error_replies,
		.shadow_compared = c->shadow_compared, .shadow_differed = c->shadow_differed,
		.noise_compared = c->noise_compared, .noise_differed = c->noise_differed, .fanout = c->fanout,
	};
}

#define TALLY_WORDS (sizeof(struct gate_tally) / sizeof(uint64_t))
typedef union { struct gate_tally tally; uint64_t word[TALLY_WORDS]; } tally_words;

static struct gate_tally grown(const struct gate_tally *now, const struct gate_tally *base)
{
	tally_words n = {*now}, b = {*base};

	for (uint32_t i = 0; i < TALLY_WORDS; i++)
		n.word[i] -= b.word[i];
	return n.tally;
}

static bool words_went_back(const uint64_t *now, const uint64_t *base, size_t words)
{
	bool back = false;

	for (size_t i = 0; i < words; i++)
		back |= now[i] < base[i];
	return back;
}

static bool fanout_went_back(const struct gate_fanout *now, const struct gate_fanout *base)
{
	return words_went_back(now->causes, base->causes, STATS_CAUSES) ||
	       words_went_back(now->posted, base->posted, STATS_CAUSES) ||
	       words_went_back(now->sent, base->sent, STATS_CAUSES);
}

static bool went_back(const struct gates *gates, enum gate_side side, const struct gate_counts *c)
{
	tally_words now = {tally_of(c)}, base = {gates->latest[side]};

	return words_went_back(now.word, base.word, TALLY_WORDS) ||
	       (side == GATE_CONTROL && fanout_went_back(&c->at_large, &gates->fanout_base[GATE_SIDES])) ||
	       words_went_back(c->residence, gates->residence[0][side], STATS_HIST_BUCKETS) ||
	       words_went_back(c->residence, gates->residence[1][side], STATS_HIST_BUCKETS) ||
	       words_went_back(&c->cycles[0][0], &gates->cycles[side][0][0], STATS_BURST_CLASSES * STATS_CYCLES_BUCKETS);
}

static void rebase(struct gates *gates, enum gate_side side, const struct gate_counts *c)
{
	gates->at_window[side] = gates->latest[side] = tally_of(c);
	memcpy(gates->residence[0][side], c->residence, sizeof(c->residence));
	memcpy(gates->residence[1][side], c->residence, sizeof(c->residence));
	memcpy(gates->cycles[side], c->cycles, sizeof(c->cycles));
	gates->fanout_base[side] = c->fanout;
	if (side == GATE_CONTROL)
		gates->fanout_base[GATE_SIDES] = c->at_large;
}

/* From here on, whatever was before. */
static void window_open(struct gates *gates, uint64_t now_ns, const struct gate_counts *candidate,
			const struct gate_counts *control)
{
	rebase(gates, GATE_CANDIDATE, candidate);
	if (!gates->control_gone)
		rebase(gates, GATE_CONTROL, control);
	none_fresh(gates);
	memset(&gates->worst, 0, sizeof(gates->worst));
	gates->window_ns = now_ns;
	gates->look_ns = now_ns + gates->analysis.interval_ns / GATE_SLICES;
}

bool gates_due(const struct gates *gates, uint64_t now_ns)
{
	return (now_ns >= gates->warm_ns || BATON_SABOTAGE(warmup_ignored)) && now_ns >= gates->look_ns;
}

/* ---- verdicts ---- */

/* Takes what a window found into the gate's history. True: the rollout fails. */
static bool note(struct gates *gates, uint32_t gate, const struct gate_finding *found)
{
	const struct config_gate *config = &gates->analysis.gate[gate];
	uint32_t of = gates->analysis.of;
	struct gate_result *r = &gates->result[gate];

	r->value = found->value;
	r->control = isfinite(found->control) ? found->control : NAN;
	r->limit = isfinite(found->limit) ? found->limit : NAN;
	memcpy(r->why, found->why, sizeof(r->why));
	r->have = found->have;
	r->need = found->need;
	if (!found->judged) {
		r->verdict = GATE_INCONCLUSIVE;
		return false;
	}
	r->passed = !found->fails;
	gates->failed[gate] = gates->failed[gate] << 1 | found->fails;
	r->failures = (uint32_t)__builtin_popcountll(gates->failed[gate] << (64 - of));
	r->verdict = !found->fails ? GATE_PASS : config->dry_run && !BATON_SABOTAGE(dry_run_ignored) ? GATE_DRY_FAIL
												      : GATE_FAIL;
	return r->verdict == GATE_FAIL &&
	       (r->failures >= gates->analysis.failure_limit || (config->immediate && found->beyond));
}

/* Only this window's end, or nothing if control is there but had too little traffic. */
static const struct gate_tally *control_of(const struct gates *gates, struct gate_tally *window)
{
	if (!gates->control_gone) {
		*window = grown(&gates->latest[GATE_CONTROL], &gates->at_window[GATE_CONTROL]);
		return window;
	}
	*window = gates->last_control;
	return window->packets != 0 ? window : NULL;
}

static void judge(struct gates *gates, uint32_t gate, const struct gate_tally *candidate,
		  const struct gate_tally *control, struct gate_finding *found)
{
	uint64_t least = gates->analysis.min_packets;

	if (!is_of_slices(gate))
		return gate_judge_ratio(&gates->analysis.gate[gate], gate, candidate, control, least, found);
	gate_judge_slices(slices_of(gates, gate), gate, found);
	/* Slices have samples enough, but the window is none. */
	if (!BATON_SABOTAGE(min_packets_ignored) && found->judged &&
	    (candidate->packets < least || (control != NULL && control->packets < least))) {
		found->judged = false;
		found->have = control != NULL && control->packets < candidate->packets ? control->packets : candidate->packets;
		found->need = least;
		snprintf(found->why, sizeof(found->why), "%llu packets, control %llu: fewer than min_packets",
			 (unsigned long long)candidate->packets,
			 (unsigned long long)(control != NULL ? control->packets : 0));
	}
}

/* The window is over: every gate but crashes and stalls. */
static enum gates_say window_end(struct gates *gates)
{
	struct gate_tally candidate = grown(&gates->latest[GATE_CANDIDATE], &gates->at_window[GATE_CANDIDATE]), of_control;
	const struct gate_tally *control = control_of(gates, &of_control);
	bool judged = false, failed = false;

	gates->guilty = GATE_COUNT;
	for (uint32_t gate = 0; gate < GATE_COUNT; gate++) {
		struct gate_finding found;

		if (is_count(gate) || !gates->analysis.gate[gate].on)
			continue;
		judge(gates, gate, &candidate, control, &found);
		if (note(gates, gate, &found) && gates->guilty == GATE_COUNT)
			gates->guilty = (enum config_gate_id)gate;
		judged |= found.judged;
		failed |= gates->result[gate].verdict == GATE_FAIL;
	}
	if (!gates->control_gone && of_control.packets >= gates->analysis.min_packets && of_control.packets != 0) {
		gates->last_control = of_control;
		gates->last_worst = gates->worst;
	}
	if (gates->guilty != GATE_COUNT)
		return GATES_FAIL;
	return judged && !failed ? GATES_PASS : GATES_INCONCLUSIVE;
}

/* ---- at once ---- */

static bool count_fails(struct gates *gates, uint32_t gate, uint64_t now, uint64_t base)
{
	const struct config_gate *config = &gates->analysis.gate[gate];
	struct gate_result *r = &gates->result[gate];
	double max = isnan(config->max) ? 0 : config->max;

	if (!config->on)
		return false;
	r->value = now > base ? (double)(now - base) : 0;
	r->limit = max;
	if (r->value <= max)
		return false;
	r->verdict = config->dry_run ? GATE_DRY_FAIL : GATE_FAIL;
	r->failures = 1;
	snprintf(r->why, sizeof(r->why), "%.0f since this weight, %.0f allowed", r->value, max);
	return !config->dry_run;
}

/* A count that went back is a candidate that is gone, as no sum is to; what it counts from now on is what it counts. */
static bool deaths_fail(struct gates *gates, const struct gate_counts *candidate)
{
	if (!gates->begun || candidate->crashes < gates->crashes || candidate->stalls < gates->stalls) {
		gates->crashes = candidate->crashes;
		gates->stalls = candidate->stalls;
		gates->begun = true;
	}
	/* a stall is a crash as well: the better name first */
	if (count_fails(gates, GATE_STALLS, candidate->stalls, gates->stalls))
		gates->guilty = GATE_STALLS;
	else if (count_fails(gates, GATE_CRASHES, candidate->crashes, gates->crashes))
		gates->guilty = GATE_CRASHES;
	else
		return false;
	return true;
}

void gates_death(struct gates *gates, bool stalled, uint32_t count, const char *why)
{
	const enum config_gate_id both[] = { GATE_CRASHES, GATE_STALLS }; /* a stall is a crash as well */

	for (uint32_t i = 0; i < (stalled ? 2u : 1u); i++) {
		struct gate_result *r = &gates->result[both[i]];

		*r = (struct gate_result){ .verdict = GATE_FAIL, .value = count, .control = NAN, .failures = 1 };
		snprintf(r->why, sizeof(r->why), "%s", why);
	}
	gates->guilty = stalled ? GATE_STALLS : GATE_CRASHES;
}

static bool storm(struct gates *gates)
{
	const struct config_gate *config = &gates->analysis.gate[GATE_MALFORMED];
	struct gate_tally candidate = grown(&gates->latest[GATE_CANDIDATE], &gates->at_window[GATE_CANDIDATE]), of_control;

	if (!config->on || config->dry_run || !gate_judge_storm(&candidate, control_of(gates, &of_control)))
		return false;
	struct gate_result *r = &gates->result[GATE_MALFORMED];
	r->verdict = GATE_FAIL;
	r->value = (double)candidate.malformed / (double)candidate.packets;
	r->limit = GATE_STORM;
	snprintf(r->why, sizeof(r->why), "storm: %llu of %llu packets malformed, unlike control's",
		 (unsigned long long)candidate.malformed, (unsigned long long)candidate.packets);
	gates->guilty = GATE_MALFORMED;
	return true;
}

/* ---- the turn ---- */

enum gates_say gates_poll(struct gates *gates, uint64_t now_ns, const struct gate_counts *candidate,
			  const struct gate_counts *control)
{
	if (deaths_fail(gates, candidate))
		return GATES_FAIL;
	if (!gates_due(gates, now_ns))
		return GATES_WAIT;
	bool back = gates->window_ns != 0 && (went_back(gates, GATE_CANDIDATE, candidate) ||
					      (!gates->control_gone && went_back(gates, GATE_CONTROL, control)));
	if (gates->window_ns == 0 || back) {
		window_open(gates, now_ns, candidate, control);
		return GATES_WAIT;
	}
	gates->latest[GATE_CANDIDATE] = tally_of(candidate);
	if (!gates->control_gone)
		gates->latest[GATE_CONTROL] = tally_of(control);
	gate_slices_look(gates, candidate, control);
	gates->look_ns = now_ns + gates->analysis.interval_ns / GATE_SLICES;
	if (storm(gates))
		return GATES_FAIL;
	if (now_ns - gates->window_ns < gates->analysis.interval_ns)
		return GATES_WAIT;
	enum gates_say say = window_end(gates);
	memcpy(gates->at_window, gates->latest, sizeof(gates->at_window));
	none_fresh(gates);
	memset(&gates->worst, 0, sizeof(gates->worst));
	gates->window_ns = now_ns;
	return say;
}

const struct gate_result *gates_result(const struct gates *gates, enum config_gate_id gate)
{
	static const struct gate_result none = {.verdict = GATE_OFF};

	return (uint32_t)gate < GATE_COUNT ? &gates->result[gate] : &none;
}

enum config_gate_id gates_guilty(const struct gates *gates) { return gates->guilty; }

bool gates_comparable(const struct gates *gates, enum config_gate_id gate)
{
	return gate == GATE_SHADOW_DIFF || !gates->control_gone || gates->last_control.packets != 0 ||
	       !isnan(gates->analysis.gate[gate].max);
}

const char *gate_measure(enum config_gate_id gate)
{
	return gate == GATE_SHADOW_DIFF ? "compared" : gate == GATE_CYCLES ? "bursts" :
	       gate == GATE_RESIDENCE_P50 || gate == GATE_RESIDENCE_P99 ? "measured packets" : "packets";
}
