/* View 7: rollouts. Above, what each is about; below, the gates of those that are under way or were rolled back. */
#include <stdio.h>
#include <string.h>

#include "render.h"
#include "screen.h"

#define BAR_WIDTH  22
#define WHY_ROWS   2
#define BLOCK_ROWS (3 + WHY_ROWS) /* of a rollout: state, weight, versions, why */
#define TABLE_LEAST 4

enum { GATE, VALUE, CONTROL, LIMIT, FAILED, VERDICT, GROUP, COLUMNS };

static const struct column columns[COLUMNS] = {
	[GATE] = { "GATE", 18, true, 0 },      [VALUE] = { "VALUE", 9, false, 0 },   [CONTROL] = { "CONTROL", 9, false, 0 },
	[LIMIT] = { "LIMIT", 9, false, 0 },    [FAILED] = { "FAILED", 8, false, 0 }, [VERDICT] = { "VERDICT", 14, true, 0 },
	[GROUP] = { "GROUP", 12, true, 1 },
};

static enum attr state_attr(const struct stats_rollout *r)
{
	return r->state == ROLLOUT_DEGRADED ? ATTR_WARN : r->state == ROLLOUT_HEALTHY ? ATTR_OK : ATTR_BOLD;
}

/* 3:05 to go; "": nobody knows. */
static const char *left_text(char *text, size_t size, const struct stats_rollout *r, const struct snapshot *snap)
{
	uint64_t s = r->until_ns > snap->wall_ns ? (r->until_ns - snap->wall_ns) / 1000000000u : 0;

	text[0] = 0;
	if (r->until_ns != 0 && rollout_at_work(r))
		snprintf(text, size, ", %llu:%02llu left", (unsigned long long)(s / 60), (unsigned long long)(s % 60));
	else if (r->state == ROLLOUT_PAUSED)
		snprintf(text, size, ", until resumed");
	return text;
}

static int draw_state(struct canvas *c, int row, const struct stats_rollout *r, const struct snapshot *snap)
{
	static const char *const mark[] = { "", "! ", "X " };
	char left[32];
	int col = canvas_print(c, row, 0, ATTR_BOLD, "%s  ", r->group);

	col = canvas_print(c, row, col, state_attr(r), "%s%s", mark[rollout_level(r)], rollout_state_name(r->state));
	if (rollout_at_work(r))
		canvas_print(c, row, col, ATTR_NORMAL, ": %s, step %u of %u%s", rollout_phase_name(r->phase), r->step, r->steps,
			     left_text(left, sizeof(left), r, snap));
	return row + 1;
}

static int draw_weight(struct canvas *c, int row, const struct stats_rollout *r)
{
	int col = canvas_print(c, row, 0, ATTR_NORMAL, "weight %3u.%u%% ", r->weight / 10, r->weight % 10);

	col = canvas_bar(c, row, col, BAR_WIDTH, state_attr(r), r->weight / 1000.0);
	if (r->want != r->weight)
		col = canvas_print(c, row, col, ATTR_NORMAL, " to %u.%u%%", r->want / 10, r->want % 10);
	canvas_print(c, row, col, ATTR_NORMAL, "  %u of %u buckets, %u+%u workers", r->exposed, r->buckets, r->candidates,
		     r->controls);
	return row + 1;
}

static int draw_versions(struct canvas *c, int row, const struct stats_rollout *r)
{
	int col = canvas_print(c, row, 0, ATTR_NORMAL, "candidate %.24s (%.12s), stable %.24s", r->candidate,
			       r->candidate_build, r->stable);

	if (r->one_way)
		canvas_text(c, row, col, ATTR_WARN, "  one way: no way back");
	return row + 1;
}

static int draw_why(struct canvas *c, int row, const struct stats_rollout *r)
{
	char words[192];

	if (r->compared != 0 && r->phase == PHASE_SHADOW)
		canvas_print(c, row, 0, ATTR_NORMAL, "shadow %llu compared, %llu differ; stable with itself %llu, %llu",
			     (unsigned long long)r->compared, (unsigned long long)r->differed,
			     (unsigned long long)r->noise_compared, (unsigned long long)r->noise_differed);
	else if (r->why[0] != 0 || rollout_level(r) != VERDICT_OK) {
		rollout_words(r, words, sizeof(words));
		canvas_wrap(c, &row, WHY_ROWS, 0, 2, rollout_level(r) != VERDICT_OK ? ATTR_WARN : ATTR_NORMAL,
			    r->why[0] != 0 ? r->why : words);
	} else
		return row;
	return row + 1;
}

static enum attr verdict_attr(uint32_t verdict)
{
	return verdict == STATS_GATE_FAIL ? ATTR_CRIT : verdict == STATS_GATE_PASS ? ATTR_OK :
	       verdict == STATS_GATE_DRY_FAIL ? ATTR_WARN : ATTR_DIM;
}

static void put_gate(struct table *t, const struct stats_rollout *r, uint32_t gate)
{
	const struct stats_gate *g = &r->gate[gate];
	enum attr failed = g->failures == 0 ? ATTR_NORMAL : ATTR_WARN;
	static const char *const mark[] = { "", "", "X ", "", "! " };
	char text[16], have[16], need[16];

	table_row(t);
	table_put(t, GATE, ATTR_NORMAL, gate, "%s", rollout_gate_name(gate));
	table_put(t, VALUE, ATTR_NORMAL, g->value, "%s", gate_figure(text, sizeof(text), gate, g->value));
	table_put(t, CONTROL, ATTR_NORMAL, g->control, "%s", gate_figure(text, sizeof(text), gate, g->control));
	table_put(t, LIMIT, ATTR_NORMAL, g->limit, "%s", gate_figure(text, sizeof(text), gate, g->limit));
	table_put(t, FAILED, failed, g->failures, "%u of %u", g->failures, r->of);
	table_put(t, GROUP, ATTR_NORMAL, 0, "%s", r->group);
	if (g->awaited && g->verdict == STATS_GATE_INCONCLUSIVE) /* the step is not left without it */
		table_put(t, VERDICT, ATTR_NORMAL, g->verdict, "has %s of %s", render_count(have, sizeof(have), g->have),
			  render_count(need, sizeof(need), g->need));
	else
		table_put(t, VERDICT, verdict_attr(g->verdict), g->verdict, "%s%s",
			  g->verdict < STATS_VERDICT_COUNT ? mark[g->verdict] : "", rollout_verdict_name(g->verdict));
}

static void draw(struct screen *s, const struct snapshot *snap, const struct record *record, int row, int height)
{
	struct canvas *c = &s->canvas;
	int end = row + height;

	(void)record;
	table_begin(&s->table, columns, COLUMNS);
	if (snap->rollouts == 0) {
		canvas_text(c, row, 0, ATTR_NORMAL, "no group has or had a rollout; to begin one:");
		if (height > 1)
			canvas_text(c, row + 1, 0, ATTR_NORMAL, "batonctl rollout start GROUP --to VERSION");
		return;
	}
	for (uint32_t i = 0; i < snap->rollouts; i++) {
		const struct stats_rollout *r = &snap->rollout[i];
		uint32_t after = snap->rollouts - i - 1;
		bool whole = end - row >= BLOCK_ROWS + TABLE_LEAST + (int)after && r->state != ROLLOUT_HEALTHY;

		for (uint32_t g = 0; g < GATE_COUNT && r->state != ROLLOUT_HEALTHY; g++)
			if (r->gate[g].verdict != STATS_GATE_OFF)
				put_gate(&s->table, r, g);
		if (end - row <= TABLE_LEAST)
			continue;
		row = draw_state(c, row, r, snap);
		if (!whole)
			continue;
		row = draw_weight(c, row, r);
		row = draw_versions(c, row, r);
		row = draw_why(c, row, r);
	}
	if (s->table.rows != 0 && end > row)
		screen_table(s, row, end - row);
}

const struct view view_rollouts = { "Rollouts", columns, COLUMNS, draw };
