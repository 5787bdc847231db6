/* baton-zygote --try: a plugin's callbacks on made-up entries, for `batonctl plugin check`. */
#ifndef BATON_TRY_H
#define BATON_TRY_H

#include <stdint.h>

/* Loads the plugin, calls its init without settings, then runs datagrams and ticks that follow from `seed`, each in
 * verify mode. Says what it is about to do, one JSON object a line, on standard output; the plugin's own output goes to
 * standard error. The process must be confined by now. Returns the exit code: 0 done, 1 refused or found. A process
 * that ends in another way was ended by the plugin, in what was said last.
 *	{"stage": "load" | "init" | "packet" | "tick", "entry": N, "bytes": N}     is about to happen
 *	{"log": TEXT}                                                              baton_log
 *	{"init": RC}                                                               what init returned
 *	{"refused": TEXT}  {"finding": TEXT, "signal": N}                          the end
 *	{"done": true, "packets": N, "replies": N, "drops": N, "ticks": N, "undone": N, "undo_bytes": N}
 * undone: entries that needed more than max_undo_bytes; undo_bytes: the most that any other took. */
int try_plugin(const char *path, uint64_t seed);

/* ---- what replay.c shares: one process does one of the two ---- */

struct plugin;

/* Standard output becomes standard error, and JSON goes to where it was; limits of what a worker may use without end.
 * Returns 0 or -errno. */
int try_start(void);
/* Loads the plugin. Returns 0, or 1 having said why not. */
int try_load(const char *path, struct plugin *plugin);
void try_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Text as the inside of a JSON string; what is not printable becomes a dot. Valid until the next call. */
const char *try_quoted(const char *text);

#endif
