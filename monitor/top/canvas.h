/* A screen of cells in memory: what is drawn is decided here and tested without a terminal; tui.c only puts it there.
 *
 * Text from elsewhere (names of plugins, versions) is drawn byte by byte: what is not printable ASCII becomes '?', so
 * no name can send the terminal an order. Everything clips at the edges. */
#ifndef BATON_TOP_CANVAS_H
#define BATON_TOP_CANVAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CANVAS_WIDTH_MAX  400
#define CANVAS_HEIGHT_MAX 200

enum attr {
	ATTR_NORMAL, ATTR_BOLD, ATTR_DIM, ATTR_BAR /* title and key bar */, ATTR_HEAD /* of a table */,
	ATTR_OK, ATTR_WARN, ATTR_CRIT, ATTR_COUNT
};

/* Symbols there are in two alphabets. */
enum glyph {
	GLYPH_OK, GLYPH_WARN, GLYPH_CRIT, GLYPH_UP, GLYPH_DOWN, GLYPH_SEPARATOR, GLYPH_COUNT
};

struct cell {
	uint32_t rune; /* Unicode code point */
	uint32_t attr; /* enum attr */
};

struct canvas {
	int width, height;
	bool ascii;
	struct cell *cell; /* height rows of width */
};

/* Sizes beyond the maxima are cut down to them. Returns 0 or -ENOMEM; then the canvas is as it was. */
int canvas_resize(struct canvas *c, int width, int height);
void canvas_fini(struct canvas *c);

void canvas_clear(struct canvas *c);
/* Each returns the column after what was drawn. */
int canvas_text(struct canvas *c, int row, int col, enum attr attr, const char *text);
/* The same, going on in the next row at `indent` where a word does not fit: *row is the last one, `rows` the most. What
 * does not fit into those is cut. */
int canvas_wrap(struct canvas *c, int *row, int rows, int col, int indent, enum attr attr, const char *text);
int canvas_print(struct canvas *c, int row, int col, enum attr attr, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
int canvas_glyph(struct canvas *c, int row, int col, enum attr attr, enum glyph glyph);
/* [####    ] in `width` columns, frame included. share: 0 to 1, more is cut, less is empty. */
int canvas_bar(struct canvas *c, int row, int col, int width, enum attr attr, double share);
/* One column a value, each as high as its share of the largest; those below 0 are blank. */
int canvas_spark(struct canvas *c, int row, int col, enum attr attr, const double *value, uint32_t count);
/* Blanks of this attribute to the end of the row. */
void canvas_rest(struct canvas *c, int row, int col, enum attr attr);

static inline struct cell *canvas_cell(const struct canvas *c, int row, int col)
{
	return &c->cell[(size_t)row * (size_t)c->width + (size_t)col];
}

/* The row as UTF-8 without trailing blanks. size: 4 bytes a column and one. */
void canvas_row(const struct canvas *c, int row, char *out, size_t size);

#endif
