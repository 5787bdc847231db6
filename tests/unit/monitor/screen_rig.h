/* The live screen of the demo instance, without a terminal: drawn into text, keys pressed. */
#ifndef BATON_TEST_SCREEN_RIG_H
#define BATON_TEST_SCREEN_RIG_H

#include "demo_rig.h"
#include "monitor/top/screen.h"

static struct screen screen;
static struct record record;

static inline void sized(int width, int height, bool ascii)
{
	screen_fini(&screen);
	assert_int_equal(screen_init(&screen, width, height, ascii, SECOND), 0);
}

static inline void look(void)
{
	static char picture[CANVAS_HEIGHT_MAX * (CANVAS_WIDTH_MAX * 3 + 1) + 1];
	size_t at = 0;

	screen_draw(&screen, &s, &record);
	for (int row = 0; row < screen.canvas.height; row++) {
		canvas_row(&screen.canvas, row, picture + at, sizeof(picture) - at);
		at += strlen(picture + at);
		picture[at++] = '\n';
	}
	picture[at] = 0;
	text = picture;
}

static inline void press(const char *keys)
{
	for (; *keys != 0; keys++)
		screen_press(&screen, *keys);
	look();
}

static inline int screen_make(void **state)
{
	(void)state;
	if (demo_make() != 0)
		return -1;
	record_init(&record);
	snapshot_derive(&s, NULL, a);
	record_observe(&record, NULL, a, &s);
	snapshot_derive(&s, a, b);
	record_observe(&record, a, b, &s);
	sized(80, 24, true);
	return 0;
}

static inline int screen_drop(void **state)
{
	(void)state;
	demo_free();
	screen_fini(&screen);
	return 0;
}

#endif
