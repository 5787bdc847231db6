/* ncurses, and nothing else of the screen. */
#define NCURSES_WIDECHAR 1 /* ncurses hides its wide functions behind _XOPEN_SOURCE, which gnu11 does not set */
#include <curses.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "guard.h"
#include "live.h"
#include "tui.h"

#define FIRST_NS 250000000u /* until the first rates: nobody wants to look at dashes for ten seconds */

/* ---- cells ---- */

static attr_t style[ATTR_COUNT];

/* Without colours, and with NO_COLOR, weight alone tells them apart; the words are the same. */
static void choose_styles(void)
{
	const char *no_color = getenv("NO_COLOR");

	style[ATTR_BOLD] = A_BOLD;
	style[ATTR_DIM] = A_DIM;
	style[ATTR_BAR] = A_REVERSE;
	style[ATTR_HEAD] = A_UNDERLINE;
	style[ATTR_WARN] = A_BOLD;
	style[ATTR_CRIT] = A_BOLD | A_REVERSE;
	if (!has_colors() || (no_color != NULL && no_color[0] != 0))
		return;
	start_color();
	use_default_colors();
	init_pair(1, COLOR_GREEN, -1);
	init_pair(2, COLOR_YELLOW, -1);
	init_pair(3, COLOR_RED, -1);
	init_pair(4, COLOR_CYAN, -1);
	style[ATTR_OK] = (attr_t)COLOR_PAIR(1);
	style[ATTR_WARN] = (attr_t)COLOR_PAIR(2) | A_BOLD;
	style[ATTR_CRIT] = (attr_t)COLOR_PAIR(3) | A_BOLD;
	style[ATTR_HEAD] = (attr_t)COLOR_PAIR(4) | A_UNDERLINE;
}

/* Every cell is written; ncurses sends what differs, so nothing flickers. */
static void put_canvas(const struct canvas *c)
{
	wchar_t text[CANVAS_WIDTH_MAX];

	for (int row = 0; row < c->height; row++)
		for (int col = 0, len; col < c->width; col += len) {
			uint32_t attr = canvas_cell(c, row, col)->attr;
			for (len = 0; col + len < c->width && canvas_cell(c, row, col + len)->attr == attr; len++)
				text[len] = (wchar_t)canvas_cell(c, row, col + len)->rune;
			attrset((int)style[attr]);
			mvaddnwstr(row, col, text, len);
		}
	refresh();
}

static int translate(int key)
{
	static const struct { int from, to; } keys[] = {
		{ '\r', SCREEN_KEY_ENTER }, { KEY_ENTER, SCREEN_KEY_ENTER }, { KEY_BACKSPACE, SCREEN_KEY_BACKSPACE },
		{ '\b', SCREEN_KEY_BACKSPACE }, { KEY_UP, SCREEN_KEY_UP }, { KEY_DOWN, SCREEN_KEY_DOWN },
		{ KEY_PPAGE, SCREEN_KEY_PAGE_UP }, { KEY_NPAGE, SCREEN_KEY_PAGE_DOWN }, { KEY_HOME, SCREEN_KEY_HOME },
		{ KEY_END, SCREEN_KEY_END }, { KEY_BTAB, SCREEN_KEY_BACKTAB }, { KEY_F(1), SCREEN_KEY_F1 },
		{ KEY_F(10), SCREEN_KEY_F10 },
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i].from == key)
			return keys[i].to;
	return key < 0x80 ? key : SCREEN_KEY_NONE;
}

/* ---- the loop ---- */

static uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A stop that nobody could catch (SIGSTOP) leaves the terminal to the shell: take it back and draw all of it. */
static void take_back(void)
{
	reset_prog_mode();
	clearok(curscr, TRUE);
}

/* Returns false when it is time to go. */
static bool react(struct live *live, struct screen *screen, int key, uint64_t *next)
{
	if (key == KEY_RESIZE) {
		canvas_resize(&screen->canvas, COLS, LINES);
		clearok(curscr, TRUE);
		return true;
	}
	switch (screen_press(screen, translate(key))) {
	case ORDER_QUIT: return false;
	case ORDER_REBASE: live_rebase(live); break;
	case ORDER_INTERVAL: *next = clock_ns() + screen->interval_ns; break;
	case ORDER_PAUSE:
		if (!screen->paused)
			memcpy(live->shown, live->latest, sizeof(*live->shown));
		break;
	case ORDER_NONE: break;
	}
	return true;
}

static void loop(struct live *live, struct screen *screen)
{
	uint64_t next = clock_ns() + (screen->interval_ns < FIRST_NS ? screen->interval_ns : FIRST_NS);

	while (guard_stopped() == 0) {
		screen_draw(screen, live->shown, live->record);
		put_canvas(&screen->canvas);
		uint64_t now = clock_ns();
		timeout(now < next ? (int)((next - now + 999999) / 1000000) : 0);
		int key = getch(); /* ERR: it is time for a sample, or a signal came, or the terminal is gone */
		if (guard_continued())
			take_back();
		if (key == ERR ? guard_abandoned() : !react(live, screen, key, &next))
			return;
		now = clock_ns();
		if (now < next)
			continue;
		live_sample(live, screen->interval_ns, screen->paused);
		/* After a long stop there is nothing to catch up with. */
		next = next + screen->interval_ns > now ? next + screen->interval_ns : now + screen->interval_ns;
	}
}

bool tui_possible(void)
{
	const char *term = getenv("TERM");

	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term != NULL && term[0] != 0 && strcmp(term, "dumb") != 0;
}

static bool terminal_start(void)
{
	setlocale(LC_CTYPE, ""); /* and no more of it: figures keep their point */
	set_escdelay(25);
	guard_save();
	SCREEN *terminal = newterm(NULL, stdout, stdin);
	if (terminal == NULL)
		return false;
	guard_start();
	cbreak();
	noecho();
	nonl();
	curs_set(0);
	keypad(stdscr, TRUE);
	choose_styles();
	return true;
}

int tui_run(const struct top_options *options, struct source *source)
{
	struct screen *screen = malloc(sizeof(*screen));
	struct live live;
	int rc = live_init(&live, source);

	if (screen == NULL || rc != 0) {
		fprintf(stderr, "baton-top: out of memory\n");
		rc = TOP_FAILED;
		goto done;
	}
	if (!terminal_start()) {
		fprintf(stderr, "baton-top: this terminal (TERM=%s) is not known here: try --once\n", getenv("TERM"));
		rc = TOP_FAILED;
		goto done;
	}
	bool ascii = options->ascii || strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
	if (screen_init(screen, COLS, LINES, ascii, options->interval_ns) == 0)
		loop(&live, screen);
	endwin();
	screen_fini(screen);
	guard_finish();
	rc = TOP_OK;
done:
	free(screen);
	live_fini(&live);
	return rc;
}
