/* The live screen: its state, what a key does to it, and how it is drawn into a canvas from a snapshot that does not
 * change. Neither keys nor cells are the terminal's own: tui.c translates. */
#ifndef BATON_TOP_SCREEN_H
#define BATON_TOP_SCREEN_H

#include "canvas.h"
#include "record.h"
#include "snapshot.h"
#include "table.h"

enum view_index { VIEW_CORES, VIEW_DROPS, VIEW_WORKERS, VIEW_HEALTH, VIEW_LATENCY, VIEW_EVENTS, VIEW_ROLLOUTS,
		  VIEW_COUNT };

/* Below this size the views give way to a summary of ten lines of 40; below that to a line that says so. */
#define SCREEN_WIDTH   60
#define SCREEN_HEIGHT  12
#define SUMMARY_WIDTH  20
#define SUMMARY_HEIGHT 4

struct screen {
	struct canvas canvas;
	struct table table;
	struct table_view look[VIEW_COUNT];
	enum view_index view;
	bool help;
	bool typing; /* the filter */
	bool paused;
	char filter[32];
	char note[48]; /* what a key just did, until the next key */
	uint64_t interval_ns;
	/* of the latest drawing */
	uint32_t hidden, matching;
	int help_hidden; /* lines of help that found no place */
	int help_scroll;
};

/* Keys beside characters. */
enum screen_key {
	SCREEN_KEY_NONE = 0, SCREEN_KEY_TAB = '\t', SCREEN_KEY_ENTER = '\n', SCREEN_KEY_ESC = 27,
	SCREEN_KEY_BACKSPACE = 127,
	SCREEN_KEY_UP = 0x100, SCREEN_KEY_DOWN, SCREEN_KEY_PAGE_UP, SCREEN_KEY_PAGE_DOWN, SCREEN_KEY_HOME, SCREEN_KEY_END,
	SCREEN_KEY_BACKTAB, SCREEN_KEY_F1, SCREEN_KEY_F10,
};

/* What a key asks of the loop around the screen. */
enum screen_order { ORDER_NONE, ORDER_QUIT, ORDER_REBASE, ORDER_PAUSE, ORDER_INTERVAL };

/* Returns 0 or -ENOMEM. */
int screen_init(struct screen *s, int width, int height, bool ascii, uint64_t interval_ns);
void screen_fini(struct screen *s);
enum screen_order screen_press(struct screen *s, int key);
/* Draws all of the canvas. */
void screen_draw(struct screen *s, const struct snapshot *snap, const struct record *record);

/* ---- for the views ---- */

struct view {
	const char *name;
	const struct column *column; /* of its table, which keys sort by */
	uint32_t columns;
	/* Draws into `height` rows from `row` on. */
	void (*draw)(struct screen *s, const struct snapshot *snap, const struct record *record, int row, int height);
};
extern const struct view view_cores, view_drops, view_workers, view_health, view_latency, view_events, view_rollouts;
const struct view *screen_view(enum view_index index);

/* Draws the table that was filled, as this view is looked at; what did not fit is counted for the status line. Returns
 * the first row below it. */
int screen_table(struct screen *s, int row, int height);
void summary_draw(struct screen *s, const struct snapshot *snap, const struct record *record);
void help_draw(struct screen *s, int row, int height);
/* Symbol and word of a level: state is never told by colour alone. Returns the column after it. */
int level_draw(struct canvas *c, int row, int col, enum verdict level);
enum attr level_attr(enum verdict level);
/* Time of day, UTC, without the Z. */
const char *clock_text(char *text, size_t size, uint64_t wall_ns);
const char *percent_text(char *text, size_t size, double share, int digits);
/* One line: time, level, sentence. */
void event_draw(struct canvas *c, int row, const struct event *event);

#endif
