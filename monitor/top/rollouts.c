/* Rollouts: put into words, judged, and as text. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "render.h"
#include "sabotage.h"
#include "snapshot.h"

bool rollout_at_work(const struct stats_rollout *r)
{
	return r->state == ROLLOUT_PROGRESSING || r->state == ROLLOUT_PAUSED;
}

const struct stats_gate *rollout_worst(const struct stats_rollout *r, uint32_t *gate)
{
	const struct stats_gate *worst = NULL;

	for (uint32_t i = 0; i < GATE_COUNT; i++) {
		const struct stats_gate *g = &r->gate[i];

		if (g->failures == 0 || g->verdict == STATS_GATE_OFF || g->verdict == STATS_GATE_DRY_FAIL ||
		    (worst != NULL && g->failures <= worst->failures))
			continue;
		worst = g;
		*gate = i;
	}
	return worst;
}

enum verdict rollout_level(const struct stats_rollout *r)
{
	uint32_t gate;

	if (r->state == ROLLOUT_DEGRADED && !BATON_SABOTAGE(degraded_rollout_unsaid))
		return VERDICT_WARN;
	return rollout_at_work(r) && rollout_worst(r, &gate) != NULL ? VERDICT_WARN : VERDICT_OK;
}

/* The first gate without which the step is not left, or GATE_COUNT. */
static uint32_t awaited(const struct stats_rollout *r)
{
	uint32_t gate = 0;

	while (gate < GATE_COUNT && r->gate[gate].awaited == 0)
		gate++;
	return gate;
}

void rollout_words(const struct stats_rollout *r, char *text, size_t size)
{
	const struct stats_gate *worst;
	uint32_t gate = 0;

	if (r->state == ROLLOUT_DEGRADED) {
		snprintf(text, size, "is degraded, stable serves: %s", r->why[0] != 0 ? r->why : "no reason is known");
		return;
	}
	if (r->state == ROLLOUT_HEALTHY) {
		snprintf(text, size, "is over: %.20s is what runs", r->promoted != 0 ? r->candidate : r->stable);
		return;
	}
	worst = rollout_worst(r, &gate);
	if (worst != NULL)
		snprintf(text, size, "at %u.%u%%: %s failed in %u of %u windows, %u end it", r->weight / 10, r->weight % 10,
			 rollout_gate_name(gate), worst->failures, r->of, r->failure_limit);
	else {
		uint32_t next = awaited(r);
		bool waits = r->why[0] == 0 && next != GATE_COUNT; /* else `why` says so */

		snprintf(text, size, "%s at %u.%u%%, step %u of %u (%s)%s%s", rollout_state_name(r->state), r->weight / 10,
			 r->weight % 10, r->step, r->steps, rollout_phase_name(r->phase),
			 waits ? ", to be judged yet: " : r->why[0] != 0 ? ": " : "", waits ? rollout_gate_name(next) : r->why);
	}
}

const char *gate_figure(char *text, size_t size, uint32_t gate, double value)
{
	if (isnan(value)) {
		snprintf(text, size, "-");
		return text;
	}
	switch (rollout_gate_unit(gate)) {
	case GATE_RATIO:
		snprintf(text, size, "%.3g%%", 100 * value);
		return text;
	case GATE_A_PACKET:
		snprintf(text, size, "%.3g", value);
		return text;
	case GATE_NS:
		return render_ns(text, size, value > 0 ? (uint64_t)value : 0);
	default:
		return render_count(text, size, value > 0 ? value : 0);
	}
}

/* Those that somebody looks at first. */
static uint32_t rank(const struct stats_rollout *r)
{
	return rollout_at_work(r) ? 0 : r->state == ROLLOUT_DEGRADED ? 1 : 2;
}

void snapshot_rollouts(struct snapshot *s, const struct sample *now)
{
	for (uint32_t wanted = 0; wanted < 3; wanted++)
		for (uint32_t i = 0; i < BATON_MAX_GROUPS; i++) {
			const struct stats_rollout *r = &now->rollout[i];

			if (r->state == ROLLOUT_NONE || r->state >= ROLLOUT_STATE_COUNT || rank(r) != wanted)
				continue;
			memcpy(&s->rollout[s->rollouts++], r, sizeof(*r));
		}
}

void render_rollouts(FILE *out, const struct snapshot *s)
{
	char words[192], value[16], control[16], limit[16];

	if (s->rollouts != 0)
		fprintf(out, "\n ROLLOUT      STABLE -> CANDIDATE\n");
	for (uint32_t i = 0; i < s->rollouts; i++) {
		const struct stats_rollout *r = &s->rollout[i];

		rollout_words(r, words, sizeof(words));
		fprintf(out, " %-12.12s %.20s -> %.20s  %s\n", r->group, r->stable, r->candidate, words);
		for (uint32_t g = 0; g < GATE_COUNT && r->state != ROLLOUT_HEALTHY; g++)
			if (r->gate[g].verdict != STATS_GATE_OFF)
				fprintf(out, "   %-18s %-12s %10s, control %10s, limit %10s, failed %u of %u\n",
					rollout_gate_name(g), rollout_verdict_name(r->gate[g].verdict),
					gate_figure(value, sizeof(value), g, r->gate[g].value),
					gate_figure(control, sizeof(control), g, r->gate[g].control),
					gate_figure(limit, sizeof(limit), g, r->gate[g].limit), r->gate[g].failures, r->of);
	}
}
