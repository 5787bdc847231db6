/* View 1: what every core does, and below it the lines one looks for first: drops, residence, latest events. */
#include <stdio.h>
#include <string.h>

#include "render.h"
#include "screen.h"

#define BOTTOM_MOST 8 /* rows below the table at most, events included */
#define CYCLES_MOST 999999

enum { CPU, ROLE, NAME, VERSION, BUSY, BURST, RX, TX, DROP, BELT, CYCLES, P99, POOL, PENDING, COLUMNS };

static const struct column columns[COLUMNS] = {
	[CPU] = { "CPU", 3, false, 4 },      [ROLE] = { "ROLE", 6, true, 7 },    [NAME] = { "NAME", 12, true, 0 },
	[VERSION] = { "VERSION", 9, true, 5 }, [BUSY] = { "BUSY", 17, false, 0 },  [BURST] = { "BURST", 6, false, 0 },
	[RX] = { "RX/s", 6, false, 0 },      [TX] = { "TX/s", 6, false, 3 },     [DROP] = { "DROP/s", 6, false, 1 },
	[BELT] = { "BELT", 5, false, 2 },    [CYCLES] = { "CYC/PKT", 7, false, 6 }, [P99] = { "P99", 9, false, 8 },
	[POOL] = { "POOL", 5, false, 9 },    [PENDING] = { "PENDING", 7, false, 10 },
};

static const char *version_of(const struct snapshot *snap, uint32_t slot)
{
	for (uint32_t i = 0; i < snap->workers; i++)
		if (snap->worker[i].slot == slot)
			return snap->worker[i].entry.version;
	return "";
}

/* What only I/O lcores have. */
static void put_lcore(struct table *t, const struct snapshot *snap, const struct snapshot_core *k)
{
	const struct snapshot_residence *r = &snap->lcore[k->index].now;
	char text[16];

	table_put(t, TX, ATTR_NORMAL, k->tx_pps, "%s", render_count(text, sizeof(text), k->tx_pps));
	table_put(t, DROP, k->drop_pps > 0 ? ATTR_BOLD : ATTR_NORMAL, k->drop_pps, "%s",
		  render_count(text, sizeof(text), k->drop_pps));
	table_put(t, P99, ATTR_NORMAL, (double)r->p99, "%s", r->count != 0 ? render_ns(text, sizeof(text), r->p99) : "-");
	if (k->pool_size != 0) {
		double left = (double)k->pool_free / (double)k->pool_size;
		table_put(t, POOL, left < POOL_WARN ? ATTR_WARN : ATTR_NORMAL, left, "%.0f%%", 100 * left);
	}
	table_put(t, PENDING, ATTR_NORMAL, (double)k->pending, "%llu", (unsigned long long)k->pending);
}

static void put_core(struct table *t, const struct snapshot *snap, const struct snapshot_core *k)
{
	bool busy = k->kind != CORE_MAIN && k->busy > BUSY_WARN;
	char text[16];

	table_row(t);
	if (k->cpu > INT32_MAX)
		table_put(t, CPU, ATTR_NORMAL, -1, "any");
	else
		table_put(t, CPU, ATTR_NORMAL, k->cpu, "%u", k->cpu);
	table_put(t, ROLE, ATTR_NORMAL, 0, "%s", core_kind_name(k->kind));
	table_put(t, NAME, ATTR_NORMAL, 0, "%s", k->name);
	table_put(t, VERSION, ATTR_NORMAL, 0, "%s", k->kind == CORE_WORKER ? version_of(snap, k->index) : "");
	/* The mark says in mono what the colour says; it stands where the blank before the figure is. */
	table_put(t, BUSY, busy ? ATTR_WARN : ATTR_NORMAL, k->busy, "%s%s", busy ? "!" : "",
		  percent_text(text, sizeof(text), k->busy, k->busy >= 0.9995 ? 0 : 1));
	table_bar(t, BUSY, k->busy);
	if (k->burst >= 0)
		table_put(t, BURST, k->burst > BURST_WARN ? ATTR_WARN : ATTR_NORMAL, k->burst, "%s%.1f",
			  k->burst > BURST_WARN ? "!" : "", k->burst);
	else
		table_put(t, BURST, ATTR_NORMAL, -1, "-");
	if (k->kind == CORE_MAIN)
		return;
	table_put(t, RX, ATTR_NORMAL, k->rx_pps, "%s", render_count(text, sizeof(text), k->rx_pps));
	table_put(t, BELT, ATTR_NORMAL, (double)k->belt_depth, "%s",
		  render_count(text, sizeof(text), (double)k->belt_depth));
	if (k->cycles > CYCLES_MOST)
		render_count(text, sizeof(text), k->cycles);
	else
		snprintf(text, sizeof(text), k->cycles < 0 ? "-" : "%.0f", k->cycles);
	table_put(t, CYCLES, ATTR_NORMAL, k->cycles, "%s", text);
	if (k->kind == CORE_IO && k->index < snap->lcores)
		put_lcore(t, snap, k);
}

/* The reasons with most drops now; all that fit. */
static void draw_drops(struct canvas *c, int row, const struct snapshot *snap)
{
	bool told[DROP_COUNT] = { false };
	char a[16], b[16], text[64];
	int col = canvas_print(c, row, 0, ATTR_BOLD, "DROPS/s");

	col = canvas_print(c, row, col, ATTR_NORMAL, "  %s (%s of what arrived)",
			   render_count(a, sizeof(a), snap->drop_pps), percent_text(b, sizeof(b), snap->drop_share, 2));
	for (;;) {
		uint32_t worst = DROP_COUNT;
		for (uint32_t i = 0; i < DROP_COUNT; i++)
			if (!told[i] && snap->drop[i].pps > (worst < DROP_COUNT ? snap->drop[worst].pps : 0))
				worst = i;
		if (worst == DROP_COUNT)
			return;
		told[worst] = true;
		int len = snprintf(text, sizeof(text), "%s%s %s", drop_is_loss(worst) ? "!" : "", core_drop_name(worst),
				   render_count(a, sizeof(a), snap->drop[worst].pps));
		if (col + 2 + len > c->width)
			return;
		col = canvas_text(c, row, col + 2, drop_is_loss(worst) ? ATTR_WARN : ATTR_NORMAL, text);
	}
}

static void draw_residence(struct canvas *c, int row, const struct snapshot *snap)
{
	const struct snapshot_residence *r = &snap->residence;
	const struct { const char *name; uint64_t ns; } figure[] = {
		{ "p50", r->p50 }, { "p90", r->p90 }, { "p99", r->p99 }, { "p99.9", r->p999 },
	};
	char ns[16], text[32];
	int col = canvas_text(c, row, 0, ATTR_BOLD, "RESIDENCE");

	if (r->count == 0) {
		canvas_text(c, row, col, ATTR_NORMAL, "  no packets");
		return;
	}
	/* Whole figures only: one that has lost its unit is worse than none. */
	for (size_t i = 0; i < sizeof(figure) / sizeof(figure[0]); i++) {
		int len = snprintf(text, sizeof(text), "  %s %s", figure[i].name, render_ns(ns, sizeof(ns), figure[i].ns));
		if (col + len <= c->width)
			col = canvas_text(c, row, col, ATTR_NORMAL, text);
	}
}

/* As much of the minute as there is room for, the latest at the right. */
static void draw_history(struct canvas *c, int row, const struct snapshot *snap, const struct record *record)
{
	uint32_t room = c->width > 40 ? (uint32_t)(c->width - 20) / 2 : 0;
	uint32_t count = room < RECORD_RATES ? room : RECORD_RATES, from = RECORD_RATES - count;
	char text[16];

	int col = canvas_text(c, row, 0, ATTR_BOLD, "RX/s ");
	col = canvas_spark(c, row, col, ATTR_NORMAL, &record->rx[from], count);
	col = canvas_print(c, row, col + 1, ATTR_NORMAL, "%-6s",
			   render_count(text, sizeof(text), snap->rate[COUNTER_rx_packets]));
	col = canvas_text(c, row, col, ATTR_BOLD, "DROPS ");
	canvas_spark(c, row, col, ATTR_NORMAL, &record->drops[from], count);
}

static void draw(struct screen *s, const struct snapshot *snap, const struct record *record, int row, int height)
{
	struct canvas *c = &s->canvas;
	int bottom = height / 2 < BOTTOM_MOST ? height / 2 : BOTTOM_MOST;

	table_begin(&s->table, columns, COLUMNS);
	for (uint32_t i = 0; i < snap->cores; i++)
		put_core(&s->table, snap, &snap->core[i]);
	int end = row + height, below = screen_table(s, row, height - bottom);
	/* What the table leaves is for more events. */
	below++;
	if (below < end)
		draw_drops(c, below++, snap);
	if (below < end)
		draw_residence(c, below++, snap);
	if (below < end)
		draw_history(c, below++, snap, record);
	below++;
	for (uint64_t n = 0; below < end; n++) {
		const struct event *event = record_event(record, n, snap->wall_ns);
		if (event == NULL)
			break;
		event_draw(c, below++, event);
	}
}

const struct view view_cores = { "Cores", columns, COLUMNS, draw };
