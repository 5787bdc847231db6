/* Keeps the terminal from being left raw: signals that end the screen or crash it, and a stop that nobody could catch.
 * Apart from tui.c because <term.h> defines words such as `columns`. */
#ifndef BATON_TOP_GUARD_H
#define BATON_TOP_GUARD_H

#include <stdbool.h>

/* Remembers the terminal's modes; before ncurses changes them. */
void guard_save(void);
/* Catches the signals; after newterm(). A crash gives the terminal back and then kills as it would have. */
void guard_start(void);
/* The signal that asks the screen to end, or 0. */
int guard_stopped(void);
/* Was the process continued since this was last asked? */
bool guard_continued(void);
/* Is the terminal gone without a SIGHUP, because it is not the controlling one? Reading from it then never waits. */
bool guard_abandoned(void);
/* After endwin(): if a signal asked for the end, the process ends by that signal. */
void guard_finish(void);

#endif
