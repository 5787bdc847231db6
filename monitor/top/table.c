/* Tables: filter, sort, fit, draw. */
#define _GNU_SOURCE
#include "table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BAR_TEXT 6 /* columns of the figure behind a bar */

void table_begin(struct table *t, const struct column *column, uint32_t columns)
{
	t->column = column;
	t->columns = columns < TABLE_COLUMNS ? columns : TABLE_COLUMNS;
	t->rows = 0;
}

void table_row(struct table *t)
{
	if (t->rows == TABLE_ROWS)
		return;
	for (uint32_t i = 0; i < t->columns; i++)
		t->cell[t->rows][i] = (struct table_cell){ .bar = -1 };
	t->rows++;
}

void table_put(struct table *t, uint32_t column, enum attr attr, double key, const char *format, ...)
{
	struct table_cell *cell = &t->cell[t->rows - 1][column];
	va_list args;

	va_start(args, format);
	vsnprintf(cell->text, sizeof(cell->text), format, args);
	va_end(args);
	cell->attr = attr;
	cell->key = key;
}

void table_bar(struct table *t, uint32_t column, double share)
{
	t->cell[t->rows - 1][column].bar = share < 0 ? 0 : share;
}

bool filter_matches(const char *filter, const char *text)
{
	bool inverse = filter[0] == '!';

	return filter[inverse] == 0 || (strcasestr(text, filter + inverse) != NULL) != inverse;
}

/* A row matches if one of its cells does; an inverse filter if none of them has the word. */
static bool row_matches(const struct table *t, uint32_t row, const char *filter)
{
	bool inverse = filter[0] == '!';

	for (uint32_t i = 0; i < t->columns; i++)
		if (filter_matches(filter, t->cell[row][i].text) != inverse)
			return !inverse;
	return inverse;
}

struct order {
	const struct table *table;
	const struct table_view *view;
};

static int compare(const void *a, const void *b, void *arg)
{
	const struct order *order = arg;
	uint16_t one = *(const uint16_t *)a, two = *(const uint16_t *)b;
	const struct table_cell *x = &order->table->cell[one][order->view->sort];
	const struct table_cell *y = &order->table->cell[two][order->view->sort];
	int result = order->table->column[order->view->sort].left ? strcmp(x->text, y->text)
								   : (x->key < y->key) - (x->key > y->key);

	if (result == 0)
		return (one > two) - (one < two); /* rows that are equal stay as they came */
	return order->view->invert ? -result : result;
}

/* Which columns fit, as a mask. */
static uint32_t fit(const struct table *t, int width)
{
	uint32_t mask = (1u << t->columns) - 1;

	for (;;) {
		int sum = 0;
		uint32_t worst = 0;
		for (uint32_t i = 0; i < t->columns; i++) {
			if (!(mask >> i & 1))
				continue;
			sum += (t->column[i].width != 0 ? t->column[i].width : 12) + 1;
			if (t->column[i].drop > t->column[worst].drop || !(mask >> worst & 1))
				worst = i;
		}
		if (sum <= width + 1 || t->column[worst].drop == 0)
			return mask;
		mask &= ~(1u << worst);
	}
}

static void draw_head(const struct table *t, struct canvas *c, int row, uint32_t mask, const struct table_view *view)
{
	int col = 0;

	canvas_rest(c, row, 0, ATTR_HEAD);
	for (uint32_t i = 0; i < t->columns; i++) {
		if (!(mask >> i & 1))
			continue;
		int width = t->column[i].width != 0 ? t->column[i].width : c->width - col;
		int len = (int)strlen(t->column[i].title), at = t->column[i].left ? col : col + width - len;
		canvas_text(c, row, at, ATTR_HEAD, t->column[i].title);
		if (view->sort == (int)i) /* the mark stands where the gap between columns is, or before a number */
			canvas_glyph(c, row, t->column[i].left ? at + len : at - 1, ATTR_HEAD,
				     t->column[i].left != view->invert ? GLYPH_UP : GLYPH_DOWN);
		col += width + 1;
	}
}

static void draw_row(const struct table *t, struct canvas *c, int row, uint32_t from, uint32_t mask)
{
	int col = 0;

	for (uint32_t i = 0; i < t->columns; i++) {
		if (!(mask >> i & 1))
			continue;
		const struct table_cell *cell = &t->cell[from][i];
		int width = t->column[i].width != 0 ? t->column[i].width : c->width - col;
		int len = (int)strlen(cell->text), end = col + width;
		len = len < width ? len : width;
		if (cell->bar >= 0)
			canvas_bar(c, row, col, width - BAR_TEXT, cell->attr, cell->bar);
		/* A figure that lost digits would be another figure: as in spreadsheets, it is not shown. */
		if (!t->column[i].left && cell->text[len] != 0)
			canvas_print(c, row, col, cell->attr, "%.*s", width, "################################");
		else
			canvas_print(c, row, t->column[i].left ? col : end - len, cell->attr, "%.*s", len, cell->text);
		col = end + 1;
	}
}

int table_draw(struct table *t, struct canvas *c, int row, int height, const struct table_view *view, uint32_t *hidden,
	       uint32_t *matching)
{
	uint16_t index[TABLE_ROWS];
	uint32_t count = 0, shown = height > 1 ? (uint32_t)height - 1 : 0;

	*hidden = *matching = 0;
	if (height < 1)
		return 0;
	for (uint32_t i = 0; i < t->rows; i++)
		if (row_matches(t, i, view->filter))
			index[count++] = (uint16_t)i;
	if (view->sort >= 0 && view->sort < (int)t->columns)
		qsort_r(index, count, sizeof(index[0]), compare, &(struct order){ t, view });
	shown = shown < count ? shown : count;
	uint32_t first = view->scroll < count - shown ? view->scroll : count - shown;
	uint32_t mask = fit(t, c->width);
	draw_head(t, c, row, mask, view);
	for (uint32_t i = 0; i < shown; i++)
		draw_row(t, c, row + 1 + (int)i, index[first + i], mask);
	*hidden = count - shown;
	*matching = count;
	return 1 + (int)shown;
}
