/* View 5: residence by lcore and by version, now and since the counters count; how it is spread. */
#include <stdio.h>

#include "hist.h"
#include "render.h"
#include "screen.h"

enum { WHERE, WHEN, SAMPLES, P50, P90, P99, P999, MOST, COLUMNS };

static const struct column columns[COLUMNS] = {
	[WHERE] = { "RESIDENCE OF", 13, true, 0 }, [WHEN] = { "TIME", 7, true, 0 }, [SAMPLES] = { "SAMPLES", 8, false, 2 },
	[P50] = { "P50", 9, false, 0 },        [P90] = { "P90", 9, false, 0 },    [P99] = { "P99", 9, false, 0 },
	[P999] = { "P99.9", 9, false, 0 },     [MOST] = { "MAX", 9, false, 1 },
};

enum {
	V_GROUP, V_VERSION, V_WHEN, V_SAMPLES, V_P50, V_P90, V_P99, V_P999, V_MOST, V_RATE, V_CYCLES, V_WORKERS, V_COLUMNS
};

/* At 80 columns group, version, time, four percentiles and the rate. */
static const struct column version_columns[V_COLUMNS] = {
	[V_GROUP] = { "GROUP", 8, true, 0 },        [V_VERSION] = { "VERSION", 12, true, 0 },
	[V_WHEN] = { "TIME", 7, true, 0 },          [V_SAMPLES] = { "SAMPLES", 8, false, 2 },
	[V_P50] = { "P50", 9, false, 0 },           [V_P90] = { "P90", 9, false, 0 },
	[V_P99] = { "P99", 9, false, 0 },           [V_P999] = { "P99.9", 9, false, 0 },
	[V_MOST] = { "MAX", 9, false, 1 },          [V_RATE] = { "ENTRY/s", 7, false, 0 },
	[V_CYCLES] = { "CYC/ENT", 7, false, 3 },    [V_WORKERS] = { "WRK", 3, false, 4 },
};

/* Six cells from `at` on. */
static void put_figures(struct table *t, uint32_t at, const struct snapshot_residence *r)
{
	const uint64_t value[] = { r->p50, r->p90, r->p99, r->p999, r->max };
	char text[16];

	table_put(t, at, ATTR_NORMAL, (double)r->count, "%s", render_count(text, sizeof(text), (double)r->count));
	for (uint32_t i = 0; i < sizeof(value) / sizeof(value[0]); i++)
		table_put(t, at + 1 + i, ATTR_NORMAL, (double)value[i], "%s",
			  r->count != 0 ? render_ns(text, sizeof(text), value[i]) : "-");
}

static void put_residence(struct table *t, const char *where, const char *when, const struct snapshot_residence *r)
{
	table_row(t);
	table_put(t, WHERE, ATTR_NORMAL, 0, "%s", where);
	table_put(t, WHEN, ATTR_NORMAL, 0, "%s", when);
	put_figures(t, SAMPLES, r);
}

static void put_version(struct table *t, const char *group, const char *version, const char *when,
			const struct snapshot_residence *r)
{
	table_row(t);
	table_put(t, V_GROUP, ATTR_NORMAL, 0, "%s", group);
	table_put(t, V_VERSION, ATTR_NORMAL, 0, "%s", version[0] != 0 ? version : "?");
	table_put(t, V_WHEN, ATTR_NORMAL, 0, "%s", when);
	put_figures(t, V_SAMPLES, r);
}

/* Two rows a version that has workers; one of each that is gone: nothing happens to it now. */
static int draw_versions(struct screen *s, const struct snapshot *snap, int row, int height, const char *since)
{
	const struct table_view look = { .filter = s->filter, .sort = -1 };
	struct table *t = &s->table;
	uint32_t hidden, matching;
	char text[16];

	table_begin(t, version_columns, V_COLUMNS);
	for (uint32_t i = 0; i < snap->versions; i++) {
		const struct snapshot_version *v = &snap->version[i];
		if (v->workers != 0 || v->now.count != 0) {
			put_version(t, v->group, v->version, "now", &v->now);
			table_put(t, V_RATE, ATTR_NORMAL, v->pps, "%s", render_count(text, sizeof(text), v->pps));
			table_put(t, V_CYCLES, ATTR_NORMAL, v->cycles, "%s", render_count(text, sizeof(text), v->cycles));
			table_put(t, V_WORKERS, ATTR_NORMAL, v->workers, "%u", v->workers);
		}
		if (v->total.count != 0)
			put_version(t, v->group, v->version, since, &v->total);
	}
	if (snap->earlier.count != 0)
		put_version(t, "(all)", "(earlier)", since, &snap->earlier);
	return row + table_draw(t, &s->canvas, row, height, &look, &hidden, &matching);
}

/* Samples of the interval by powers of two, the range that has any. */
static void draw_spread(struct screen *s, const struct snapshot *snap, int row, int end)
{
	uint64_t octave[STATS_HIST_BUCKETS / 8] = { 0 }, most = 0;
	struct canvas *c = &s->canvas;
	char a[16], b[16];

	for (uint32_t i = 0; i < snap->lcores; i++)
		for (uint32_t k = 0; k < STATS_HIST_BUCKETS; k++)
			octave[k / 8] += snap->lcore[i].now_bucket[k];
	for (uint32_t i = 0; i < STATS_HIST_BUCKETS / 8; i++)
		most = octave[i] > most ? octave[i] : most;
	if (row < end)
		canvas_text(c, row++, 0, ATTR_BOLD, most != 0 ? "SPREAD, all lcores, now" : "SPREAD: no packets now");
	for (uint32_t i = 0; i < STATS_HIST_BUCKETS / 8 && row < end; i++) {
		if (octave[i] == 0)
			continue;
		canvas_print(c, row, 0, ATTR_NORMAL, "%9s to %9s %7s", render_ns(a, sizeof(a), hist_floor(i * 8)),
			     render_ns(b, sizeof(b), hist_floor(i * 8 + 8)), "");
		canvas_print(c, row, 24, ATTR_NORMAL, "%6s", render_count(a, sizeof(a), (double)octave[i]));
		canvas_bar(c, row, 31, c->width - 31, ATTR_NORMAL, (double)octave[i] / (double)most);
		row++;
	}
}

static void draw(struct screen *s, const struct snapshot *snap, const struct record *record, int row, int height)
{
	struct table *t = &s->table;
	char name[24], since[16];
	int end = row + height, below;

	(void)record;
	snprintf(since, sizeof(since), "%.0f s", snap->counted_s);
	table_begin(t, columns, COLUMNS);
	put_residence(t, "all lcores", "now", &snap->residence);
	put_residence(t, "all lcores", since, &snap->residence_total);
	for (uint32_t i = 0; i < snap->lcores; i++) {
		snprintf(name, sizeof(name), "io.%u", i);
		put_residence(t, name, "now", &snap->lcore[i].now);
		put_residence(t, name, since, &snap->lcore[i].total);
	}
	below = screen_table(s, row, height * 2 / 3) + 1;
	if (below + 2 < end)
		below = draw_versions(s, snap, below, end - below, since) + 1;
	draw_spread(s, snap, below, end);
}

const struct view view_latency = { "Latency", columns, COLUMNS, draw };
