/* The frame around the views: title, verdict, tabs, key bar. */
#include "screen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "render.h"

static const struct view *const views[VIEW_COUNT] = {
	&view_cores, &view_drops, &view_workers, &view_health, &view_latency, &view_events, &view_rollouts,
};

const struct view *screen_view(enum view_index index)
{
	return views[index];
}

int screen_init(struct screen *s, int width, int height, bool ascii, uint64_t interval_ns)
{
	memset(s, 0, sizeof(*s));
	for (uint32_t i = 0; i < VIEW_COUNT; i++)
		s->look[i] = (struct table_view){ .filter = s->filter, .sort = -1 };
	s->canvas.ascii = ascii;
	s->interval_ns = interval_ns;
	return canvas_resize(&s->canvas, width, height);
}

void screen_fini(struct screen *s)
{
	canvas_fini(&s->canvas);
}

/* ---- pieces ---- */

enum attr level_attr(enum verdict level)
{
	return level == VERDICT_CRIT ? ATTR_CRIT : level == VERDICT_WARN ? ATTR_WARN : ATTR_OK;
}

int level_draw(struct canvas *c, int row, int col, enum verdict level)
{
	static const enum glyph glyph[] = { GLYPH_OK, GLYPH_WARN, GLYPH_CRIT };

	col = canvas_glyph(c, row, col, level_attr(level), glyph[level]);
	return canvas_print(c, row, col, level_attr(level), " %s", verdict_name(level));
}

const char *clock_text(char *text, size_t size, uint64_t wall_ns)
{
	render_clock(text, size, wall_ns);
	text[strlen(text) - 1] = 0;
	return text;
}

const char *percent_text(char *text, size_t size, double share, int digits)
{
	if (share < 0)
		snprintf(text, size, "-");
	else
		snprintf(text, size, "%.*f%%", digits, 100 * share);
	return text;
}

void event_draw(struct canvas *c, int row, const struct event *event)
{
	static const enum glyph glyph[] = { GLYPH_SEPARATOR, GLYPH_WARN, GLYPH_CRIT };
	char clock[16];

	int col = canvas_text(c, row, 0, ATTR_DIM, clock_text(clock, sizeof(clock), event->wall_ns));
	col = canvas_glyph(c, row, col + 1, event->level == VERDICT_OK ? ATTR_DIM : level_attr(event->level),
			   glyph[event->level]);
	canvas_text(c, row, col + 1, event->level == VERDICT_OK ? ATTR_NORMAL : level_attr(event->level), event->text);
}

int screen_table(struct screen *s, int row, int height)
{
	struct table_view *look = &s->look[s->view];
	int used = table_draw(&s->table, &s->canvas, row, height, look, &s->hidden, &s->matching);

	/* A screen that grew, or rows that went away, must not leave the keys counting beyond the end. */
	if (look->scroll > s->hidden)
		look->scroll = s->hidden;
	return row + used;
}

/* ---- the frame ---- */

static void draw_title(struct screen *s, const struct snapshot *snap)
{
	struct canvas *c = &s->canvas;
	unsigned long up = (unsigned long)snap->up_s;
	char text[64], clock[16], age[32];

	if (snap->gone)
		snprintf(age, sizeof(age), "stopped");
	else if (up >= 86400)
		snprintf(age, sizeof(age), "up %lud%02luh", up / 86400, up / 3600 % 24);
	else
		snprintf(age, sizeof(age), "up %luh%02lum%02lus", up / 3600, up / 60 % 60, up % 60);
	canvas_rest(c, 0, 0, ATTR_BAR);
	int col = canvas_print(c, 0, 1, ATTR_BAR, "baton-top %s  %s@%s", BATON_VERSION, snap->instance, snap->host);
	int len = snprintf(text, sizeof(text), "  %s%s  every %.1f s ", s->paused ? "PAUSED at " : "",
			   render_clock(clock, sizeof(clock), snap->wall_ns), (double)s->interval_ns / 1e9);
	if (col + 2 + (int)strlen(age) + len <= c->width)
		canvas_text(c, 0, col + 2, ATTR_BAR, age);
	canvas_text(c, 0, c->width - len, ATTR_BAR, text);
}

#define REASON_ROWS  3  /* of the worst reason: a rollout's names the gate, both values and the limit */
#define REASON_LEAST 20 /* rows of a screen that has them to spare */

/* OK / WARN / CRIT and the reasons, as many lines as they need. Returns the first row below. */
static int draw_verdict(struct screen *s, const struct snapshot *snap, int row)
{
	struct canvas *c = &s->canvas;
	int indent = level_draw(c, row, 0, snap->verdict) + 2, col = indent;

	if (snap->reasons == 0)
		canvas_text(c, row, col, ATTR_NORMAL,
			    snap->interval_s > 0 ? "nothing is wrong" : "first look: no rates yet");
	for (uint32_t i = 0; i < snap->reasons; i++) {
		int len = (int)strlen(snap->reason[i]);
		if (col > indent && col + 3 + len > c->width) {
			row++;
			col = indent;
		} else if (col > indent)
			col = 1 + canvas_glyph(c, row, col + 1, ATTR_DIM, GLYPH_SEPARATOR);
		int rows = i == 0 && c->height >= REASON_LEAST ? REASON_ROWS : 1;

		col = canvas_wrap(c, &row, rows, col, indent, level_attr(snap->verdict), snap->reason[i]);
	}
	return row + 1;
}

/* The view that is shown stands in brackets; what it is sorted and filtered by stands behind the tabs. */
static void draw_tabs(struct screen *s, int row)
{
	struct canvas *c = &s->canvas;
	const struct table_view *look = &s->look[s->view];
	const struct view *view = views[s->view];
	char text[120] = "";
	int col = 0, width = 1;

	canvas_rest(c, row, 0, ATTR_NORMAL);
	if (s->filter[0] != 0)
		snprintf(text, sizeof(text), "/%s: %u", s->filter, s->matching);
	if (look->sort >= 0 && look->sort < (int)view->columns)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%sby %s%s", text[0] != 0 ? ", " : "",
			 view->column[look->sort].title, look->invert ? " inverted" : "");
	if (s->help)
		text[0] = 0;
	for (uint32_t i = 0; i < VIEW_COUNT; i++)
		width += 4 + (int)strlen(views[i]->name);
	/* What does not fit costs the other views their names, not their keys. */
	bool narrow = width + (int)strlen(text) > c->width;
	for (uint32_t i = 0; i < VIEW_COUNT; i++) {
		bool here = i == s->view && !s->help;
		col = here ? canvas_print(c, row, col, ATTR_BOLD, "[%u %s]", i + 1, views[i]->name) :
		      narrow ? canvas_print(c, row, col, ATTR_NORMAL, " %u ", i + 1) :
			       canvas_print(c, row, col, ATTR_NORMAL, " %u %s ", i + 1, views[i]->name);
	}
	canvas_text(c, row, col + 1, ATTR_BOLD, text);
}

static void draw_keys(struct screen *s, int row)
{
	static const struct { const char *key, *what; } bar[] = {
		{ "?", "Help" }, { "q", "Quit" }, { "/", "Filter" }, { "<>", "Sort" }, { "I", "Invert" },
		{ "Z", "Pause" }, { "R", "Rebase" }, { "+-", "Interval" }, { "Tab", "View" },
	};
	struct canvas *c = &s->canvas;
	int col = 0;

	canvas_rest(c, row, 0, ATTR_BAR);
	if (s->typing) {
		col = canvas_print(c, row, 1, ATTR_BAR, "Filter: %s_  ", s->filter);
		canvas_text(c, row, col, ATTR_BAR, "Enter keep  Esc drop  !text all but");
		return;
	}
	if (s->note[0] != 0)
		col = canvas_print(c, row, 1, ATTR_BAR, "%s  ", s->note);
	for (uint32_t i = 0; i < sizeof(bar) / sizeof(bar[0]); i++) {
		const char *what = s->help && i == 0 ? "Back" : s->paused && bar[i].key[0] == 'Z' ? "Go on" : bar[i].what;
		if (col + 2 + (int)(strlen(bar[i].key) + strlen(what)) > c->width)
			break;
		col = canvas_print(c, row, col + 1, ATTR_BAR, "%s %s ", bar[i].key, what);
	}
}

static void draw_more(struct screen *s, int row)
{
	uint32_t above = s->look[s->view].scroll;

	if (s->hidden != 0)
		canvas_print(&s->canvas, row, 0, ATTR_DIM, "%u more above, %u below: arrows, PgUp, PgDn", above,
			     s->hidden - above);
}

void screen_draw(struct screen *s, const struct snapshot *snap, const struct record *record)
{
	struct canvas *c = &s->canvas;

	canvas_clear(c);
	s->hidden = s->matching = 0;
	if (c->width < SCREEN_WIDTH || c->height < SCREEN_HEIGHT) {
		summary_draw(s, snap, record);
		return;
	}
	draw_title(s, snap);
	int row = draw_verdict(s, snap, 1), tabs = row;
	int height = c->height - row - 2; /* between the tabs and the key bar */
	if (s->help)
		help_draw(s, row + 1, height);
	else
		views[s->view]->draw(s, snap, record, row + 1, height - 1);
	draw_tabs(s, tabs); /* last: it says how many rows the filter let through */
	if (!s->help)
		draw_more(s, c->height - 2);
	draw_keys(s, c->height - 1);
}
