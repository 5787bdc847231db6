/* The help page, and the summary for a screen that is too small for views. */
#include <stdio.h>
#include <string.h>

#include "render.h"
#include "screen.h"

#define INDENT 11

static const struct { const char *head, *text; } help[] = {
	{ "q F10", "quit" },
	{ "? h F1", "this help, and back" },
	{ "1-7 Tab", "views; Esc: one level back" },
	{ "/", "only rows with a text; begun by !, only those without it. Enter keeps it, Esc drops it" },
	{ "< > I", "sort by the column before or after, the other way round" },
	{ "arrows", "scroll; PgUp, PgDn, Home, End too" },
	{ "Z", "stop the picture and go on; samples and events are collected all the while" },
	{ "R", "totals count from now, on this screen only: the counters themselves are never reset" },
	{ "+ -", "longer or shorter interval, 0.1 to 10 s" },
	{ "", "" },
	{ "Cores", "BUSY is the share of cycles in turns that did work, so a polling core is not at 100%; "
		   "BURST the entries handled together: near 64 the next stop is a full queue" },
	{ "Drops", "every packet without an answer has one reason; a loss is Baton's or the machine's, a refusal is of "
		   "what a client sent" },
	{ "Workers", "processes by slot; INC counts their incarnations, BELT the entries that wait for them" },
	{ "Health", "ports, lcores, pools, workers, zygote: ok, warn or crit, with a sentence. A port's figures are its "
		    "device's, looked at once a second" },
	{ "Latency", "from receive to reap, by lcore and by the version that handled the packet; of bursts over 8 one "
		     "packet in 8 is measured. A version that is gone stays until its place is needed, then it is (earlier)" },
	{ "Rollouts", "state, step and weight of each group's rollout, and every gate: its value against control's and the "
		      "limit, and in how many of the last windows it failed; stable serves everything once it is degraded" },
	{ "Events", "what changed between two samples; what is shorter than the interval may go unseen" },
	{ "", "" },
	{ "", "This screen only reads. To act: batonctl status, batonctl worker restart NAME" },
};
#define HELP_LINES (sizeof(help) / sizeof(help[0]))

/* Draws a paragraph from line `at` on, which may be above `row` or below the height. Returns the lines it takes. */
static int wrap(struct canvas *c, int row, int height, int at, const char *head, const char *text)
{
	int used = 0, width = c->width - INDENT - 1;

	do {
		int len = (int)strlen(text);
		if (len > width) {
			for (len = width; len > 0 && text[len] != ' '; len--)
				;
			len = len > 0 ? len : width;
		}
		if (at >= 0 && at < height) {
			canvas_text(c, row + at, 1, ATTR_BOLD, used == 0 ? head : "");
			canvas_print(c, row + at, INDENT, ATTR_NORMAL, "%.*s", len, text);
		}
		at++;
		used++;
		text += len;
		text += strspn(text, " ");
	} while (*text != 0);
	return used;
}

/* Lines of help, drawn from the scroll position on. */
static int draw_from(struct screen *s, int row, int height)
{
	int total = 0;

	for (size_t i = 0; i < HELP_LINES; i++)
		total += wrap(&s->canvas, row, height, total - s->help_scroll, help[i].head, help[i].text);
	return total;
}

void help_draw(struct screen *s, int row, int height)
{
	int total = draw_from(s, row, 0); /* counts */

	s->help_hidden = total > height ? total - height : 0;
	if (s->help_scroll > s->help_hidden)
		s->help_scroll = s->help_hidden;
	draw_from(s, row, height);
}

/* ---- summary ---- */

/* The reason with most drops in the interval, or DROP_COUNT. */
static uint32_t worst_drop(const struct snapshot *snap)
{
	uint32_t worst = DROP_COUNT;

	for (uint32_t i = 0; i < DROP_COUNT; i++)
		if (snap->drop[i].pps > (worst < DROP_COUNT ? snap->drop[worst].pps : 0))
			worst = i;
	return worst;
}

static int summary_traffic(struct canvas *c, int row, const struct snapshot *snap)
{
	char a[16], b[16], d[16];
	uint32_t worst = worst_drop(snap);

	canvas_print(c, row++, 0, ATTR_NORMAL, "rx %s/s  tx %s/s",
		     render_count(a, sizeof(a), snap->rate[COUNTER_rx_packets]),
		     render_count(b, sizeof(b), snap->rate[COUNTER_tx_packets]));
	canvas_print(c, row++, 0, ATTR_NORMAL, "drops %s/s (%s)%s%s", render_count(a, sizeof(a), snap->drop_pps),
		     percent_text(d, sizeof(d), snap->drop_share, 2), worst < DROP_COUNT ? "  " : "",
		     worst < DROP_COUNT ? core_drop_name(worst) : "");
	canvas_print(c, row++, 0, ATTR_NORMAL, "p50 %s  p99 %s",
		     snap->residence.count != 0 ? render_ns(a, sizeof(a), snap->residence.p50) : "-",
		     snap->residence.count != 0 ? render_ns(b, sizeof(b), snap->residence.p99) : "-");
	return row;
}

static int summary_workers(struct canvas *c, int row, const struct snapshot *snap)
{
	uint32_t active = 0;
	double busiest = UNKNOWN;
	const char *name = "";
	char a[16];

	for (uint32_t i = 0; i < snap->workers; i++)
		active += snap->worker[i].entry.state == WORKER_ACTIVE;
	for (uint32_t i = 0; i < snap->cores; i++)
		if (snap->core[i].kind != CORE_MAIN && snap->core[i].busy > busiest) {
			busiest = snap->core[i].busy;
			name = snap->core[i].name;
		}
	canvas_print(c, row++, 0, ATTR_NORMAL, "workers %u active of %u", active, snap->workers);
	canvas_print(c, row++, 0, ATTR_NORMAL, "busiest %s %s", percent_text(a, sizeof(a), busiest, 0), name);
	return row;
}

static void draw_summary_keys(struct screen *s)
{
	struct canvas *c = &s->canvas;
	int row = c->height - 1;

	canvas_rest(c, row, 0, ATTR_BAR);
	canvas_text(c, row, 0, ATTR_BAR, s->help ? "? Back  q Quit  arrows Scroll" : "q Quit  ? Help  Z Pause");
}

void summary_draw(struct screen *s, const struct snapshot *snap, const struct record *record)
{
	struct canvas *c = &s->canvas;
	const struct event *event = record_event(record, 0, snap->wall_ns);
	char clock[16];

	if (c->width < SUMMARY_WIDTH || c->height < SUMMARY_HEIGHT) {
		canvas_print(c, 0, 0, ATTR_BOLD, "%s", verdict_name(snap->verdict));
		canvas_print(c, 1, 0, ATTR_NORMAL, "needs %dx%d", SUMMARY_WIDTH, SUMMARY_HEIGHT);
		return;
	}
	if (s->help) {
		help_draw(s, 0, c->height - 1);
		draw_summary_keys(s);
		return;
	}
	canvas_rest(c, 0, 0, ATTR_BAR);
	canvas_print(c, 0, 0, ATTR_BAR, "%s %s%s", snap->instance, clock_text(clock, sizeof(clock), snap->wall_ns),
		     s->paused ? " PAUSED" : "");
	int col = level_draw(c, 1, 0, snap->verdict) + 1;
	if (snap->reasons != 0)
		canvas_text(c, 1, col, level_attr(snap->verdict), snap->reason[0]);
	int row = summary_traffic(c, 2, snap);
	row = summary_workers(c, row, snap);
	if (event != NULL)
		event_draw(c, row, event);
	draw_summary_keys(s); /* last: over what did not fit */
}
