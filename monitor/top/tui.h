/* The terminal: puts a canvas on it, turns its keys into the screen's, and gives it back sane whatever happens. */
#ifndef BATON_TOP_TUI_H
#define BATON_TOP_TUI_H

#include <stdbool.h>

#include "options.h"
#include "sample.h"

/* Is there a terminal that a screen can be drawn on? */
bool tui_possible(void);
/* Runs until the user quits. source NULL: made-up samples. Returns an exit status; a signal that ends it ends the
 * process by that signal, after the terminal was put back. */
int tui_run(const struct top_options *options, struct source *source);

#endif
