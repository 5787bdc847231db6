/* A table of text cells: filtered, sorted, scrolled and fitted to the width in one place for all views. */
#ifndef BATON_TOP_TABLE_H
#define BATON_TOP_TABLE_H

#include "canvas.h"

#define TABLE_COLUMNS 16u
#define TABLE_ROWS    256u
#define TABLE_TEXT    100u

struct column {
	const char *title;
	uint8_t width; /* 0: what is left; only the last one */
	bool left;     /* text: aligned left, sorted as text, the others by key, the largest first */
	uint8_t drop;  /* when it is too narrow for all, columns with the highest number go first; 0: never */
};

struct table_cell {
	char text[TABLE_TEXT];
	double key;
	double bar; /* share drawn as a bar before the text; below 0: none */
	enum attr attr;
};

struct table {
	const struct column *column;
	uint32_t columns;
	uint32_t rows;
	struct table_cell cell[TABLE_ROWS][TABLE_COLUMNS];
};

/* How it is to be looked at. */
struct table_view {
	const char *filter; /* rows that contain it, whatever the case; "!x": those that do not; "": all */
	int sort;           /* column, or -1: as the rows came */
	bool invert;
	uint32_t scroll; /* rows above the first one shown */
};

void table_begin(struct table *t, const struct column *column, uint32_t columns);
/* Begins a row; what would be the 257th is not there. */
void table_row(struct table *t);
/* Fills a cell of the latest row. */
void table_put(struct table *t, uint32_t column, enum attr attr, double key, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
void table_bar(struct table *t, uint32_t column, double share);
/* Draws head and rows into `height` lines from `row` on. Returns the lines used; *hidden: rows that found no place
 * below or above, *matching: those the filter let through. */
int table_draw(struct table *t, struct canvas *c, int row, int height, const struct table_view *view, uint32_t *hidden,
	       uint32_t *matching);

/* Does the text match the filter? */
bool filter_matches(const char *filter, const char *text);

#endif
