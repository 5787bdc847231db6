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

#endif
