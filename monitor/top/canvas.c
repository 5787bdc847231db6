/* Drawing into cells. */
#include "canvas.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 8u /* of a bar's last cell, and of a sparkline */

static const uint32_t glyph_utf8[GLYPH_COUNT] = { 0x2713, 0x25b2, 0x2717, 0x25b4, 0x25be, 0x2502 };
static const char glyph_ascii[GLYPH_COUNT] = { '+', '!', 'X', '^', 'v', '|' };

int canvas_resize(struct canvas *c, int width, int height)
{
	width = width < 1 ? 1 : width > CANVAS_WIDTH_MAX ? CANVAS_WIDTH_MAX : width;
	height = height < 1 ? 1 : height > CANVAS_HEIGHT_MAX ? CANVAS_HEIGHT_MAX : height;
	struct cell *cell = calloc((size_t)width * (size_t)height, sizeof(*cell));
	if (cell == NULL)
		return -ENOMEM;
	free(c->cell);
	c->cell = cell;
	c->width = width;
	c->height = height;
	canvas_clear(c);
	return 0;
}

void canvas_fini(struct canvas *c)
{
	free(c->cell);
	memset(c, 0, sizeof(*c));
}

void canvas_clear(struct canvas *c)
{
	for (int i = 0; i < c->width * c->height; i++)
		c->cell[i] = (struct cell){ .rune = ' ', .attr = ATTR_NORMAL };
}

static int put(struct canvas *c, int row, int col, enum attr attr, uint32_t rune)
{
	if (row >= 0 && row < c->height && col >= 0 && col < c->width)
		*canvas_cell(c, row, col) = (struct cell){ .rune = rune, .attr = attr };
	return col + 1;
}

int canvas_text(struct canvas *c, int row, int col, enum attr attr, const char *text)
{
	for (; *text != 0; text++)
		col = put(c, row, col, attr, *text >= 0x20 && *text < 0x7f ? (uint32_t)*text : '?');
	return col;
}

int canvas_wrap(struct canvas *c, int *row, int rows, int col, int indent, enum attr attr, const char *text)
{
	char word[CANVAS_WIDTH_MAX + 1];
	int begin = col;

	while (*text != '\0') {
		size_t len = strcspn(text, " ");

		snprintf(word, sizeof(word), "%.*s", (int)len, text);
		if (rows > 1 && col > indent && col + (col > begin) + (int)len > c->width) {
			(*row)++;
			rows--;
			col = begin = indent;
		}
		if (col > begin)
			col = put(c, *row, col, attr, ' ');
		col = canvas_text(c, *row, col, attr, word);
		text += len;
		text += strspn(text, " ");
	}
	return col;
}

int canvas_print(struct canvas *c, int row, int col, enum attr attr, const char *format, ...)
{
	char text[CANVAS_WIDTH_MAX + 1];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return canvas_text(c, row, col, attr, text);
}

int canvas_glyph(struct canvas *c, int row, int col, enum attr attr, enum glyph glyph)
{
	return put(c, row, col, attr, c->ascii ? (uint32_t)glyph_ascii[glyph] : glyph_utf8[glyph]);
}

int canvas_bar(struct canvas *c, int row, int col, int width, enum attr attr, double share)
{
	unsigned inner = width > 2 ? (unsigned)width - 2 : 0;
	double part = share > 1 ? 1 : share > 0 ? share : 0;
	unsigned eighths = (unsigned)(part * inner * STEPS + 0.5);

	col = put(c, row, col, ATTR_DIM, '[');
	for (unsigned i = 0; i < inner; i++) {
		unsigned left = eighths > i * STEPS ? eighths - i * STEPS : 0;
		uint32_t rune = ' ';
		if (c->ascii)
			rune = left >= STEPS / 2 ? '#' : ' ';
		else if (left > 0)
			rune = left >= STEPS ? 0x2588 : 0x2590 - left; /* full block; left one to seven eighths */
		col = put(c, row, col, attr, rune);
	}
	return put(c, row, col, ATTR_DIM, ']');
}

int canvas_spark(struct canvas *c, int row, int col, enum attr attr, const double *value, uint32_t count)
{
	static const char ascii[] = "_.:-=+*#";
	double most = 0;

	for (uint32_t i = 0; i < count; i++)
		most = value[i] > most ? value[i] : most;
	for (uint32_t i = 0; i < count; i++) {
		unsigned step = most > 0 && value[i] > 0 ? (unsigned)(value[i] / most * (STEPS - 1) + 0.5) : 0;
		uint32_t rune = c->ascii ? (uint32_t)ascii[step] : 0x2581 + step;
		col = put(c, row, col, attr, value[i] < 0 ? ' ' : rune);
	}
	return col;
}

void canvas_rest(struct canvas *c, int row, int col, enum attr attr)
{
	while (col < c->width)
		col = put(c, row, col, attr, ' ');
}

/* UTF-8 of a code point below 0x10000: all that is drawn here. Returns its length. */
static size_t encode(char *out, uint32_t rune)
{
	if (rune < 0x80) {
		out[0] = (char)rune;
		return 1;
	}
	out[0] = (char)(0xe0 | rune >> 12);
	out[1] = (char)(0x80 | (rune >> 6 & 0x3f));
	out[2] = (char)(0x80 | (rune & 0x3f));
	return 3;
}

void canvas_row(const struct canvas *c, int row, char *out, size_t size)
{
	size_t at = 0;
	int end = c->width;

	while (end > 0 && canvas_cell(c, row, end - 1)->rune == ' ')
		end--;
	for (int col = 0; col < end && at + 4 < size; col++)
		at += encode(out + at, canvas_cell(c, row, col)->rune);
	out[at] = 0;
}
