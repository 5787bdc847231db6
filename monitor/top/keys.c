/* What keys do. */
#include <stdio.h>
#include <string.h>

#include "screen.h"

#define PAGE 10u

static const uint64_t interval_step[] = {
	100000000, 200000000, 500000000, 1000000000, 2000000000, 5000000000, 10000000000,
};
#define STEPS (sizeof(interval_step) / sizeof(interval_step[0]))

static void scroll(struct screen *s, int64_t by)
{
	if (s->help) {
		int64_t to = s->help_scroll + by;
		s->help_scroll = (int)(to < 0 ? 0 : to > s->help_hidden ? s->help_hidden : to);
		return;
	}
	int64_t to = (int64_t)s->look[s->view].scroll + by;
	s->look[s->view].scroll = (uint32_t)(to < 0 ? 0 : to > s->hidden ? s->hidden : to);
}

/* The next step of the ladder, from wherever -d put it. */
static enum screen_order change_interval(struct screen *s, bool longer)
{
	uint64_t next = s->interval_ns;

	if (longer) {
		for (size_t i = STEPS; i-- > 0;)
			if (interval_step[i] > s->interval_ns)
				next = interval_step[i];
	} else {
		for (size_t i = 0; i < STEPS; i++)
			if (interval_step[i] < s->interval_ns)
				next = interval_step[i];
	}
	if (next == s->interval_ns)
		return ORDER_NONE;
	s->interval_ns = next;
	return ORDER_INTERVAL;
}

/* Through the columns and, before the first, the order the rows came in. */
static void change_sort(struct screen *s, int by)
{
	struct table_view *look = &s->look[s->view];
	int count = (int)screen_view(s->view)->columns + 1;

	if (count > 1)
		look->sort = (look->sort + 1 + by + count) % count - 1;
}

static enum screen_order type(struct screen *s, int key)
{
	size_t len = strlen(s->filter);

	switch (key) {
	case SCREEN_KEY_ESC: s->filter[0] = 0; s->typing = false; break;
	case SCREEN_KEY_ENTER: s->typing = false; break;
	case SCREEN_KEY_BACKSPACE:
		if (len > 0)
			s->filter[len - 1] = 0;
		else
			s->typing = false;
		break;
	case SCREEN_KEY_F10: return ORDER_QUIT;
	default:
		if (key >= 0x20 && key < 0x7f && len + 1 < sizeof(s->filter)) {
			s->filter[len] = (char)key;
			s->filter[len + 1] = 0;
		}
	}
	return ORDER_NONE;
}

/* One level back: help, then the filter, then the first view. */
static void back(struct screen *s)
{
	if (s->help)
		s->help = false;
	else if (s->filter[0] != 0)
		s->filter[0] = 0;
	else
		s->view = VIEW_CORES;
}

static void turn_to(struct screen *s, uint32_t view)
{
	s->help = false;
	s->view = view % VIEW_COUNT;
}

static bool move(struct screen *s, int key)
{
	switch (key) {
	case SCREEN_KEY_UP: case 'k': scroll(s, -1); return true;
	case SCREEN_KEY_DOWN: case 'j': scroll(s, 1); return true;
	case SCREEN_KEY_PAGE_UP: scroll(s, -(int64_t)PAGE); return true;
	case SCREEN_KEY_PAGE_DOWN: case ' ': scroll(s, PAGE); return true;
	case SCREEN_KEY_HOME: scroll(s, INT32_MIN); return true;
	case SCREEN_KEY_END: scroll(s, INT32_MAX); return true;
	case SCREEN_KEY_TAB: turn_to(s, s->view + 1); return true;
	case SCREEN_KEY_BACKTAB: turn_to(s, s->view + VIEW_COUNT - 1); return true;
	default: return false;
	}
}

enum screen_order screen_press(struct screen *s, int key)
{
	s->note[0] = 0;
	if (s->typing)
		return type(s, key);
	if (key >= '1' && key < '1' + VIEW_COUNT) {
		turn_to(s, (uint32_t)(key - '1'));
		return ORDER_NONE;
	}
	if (move(s, key))
		return ORDER_NONE;
	switch (key) {
	case 'q': case SCREEN_KEY_F10: return ORDER_QUIT;
	case '?': case 'h': case SCREEN_KEY_F1: s->help = !s->help; s->help_scroll = 0; return ORDER_NONE;
	case SCREEN_KEY_ESC: back(s); return ORDER_NONE;
	case '/': s->help = false; s->typing = true; return ORDER_NONE;
	case '<': case ',': change_sort(s, -1); return ORDER_NONE;
	case '>': case '.': change_sort(s, 1); return ORDER_NONE;
	case 'I': s->look[s->view].invert = !s->look[s->view].invert; return ORDER_NONE;
	case 'Z': s->paused = !s->paused; return ORDER_PAUSE;
	case 'R': snprintf(s->note, sizeof(s->note), "totals count from now"); return ORDER_REBASE;
	case '+': case '=': return change_interval(s, true);
	case '-': return change_interval(s, false);
	default: return ORDER_NONE;
	}
}
