/* baton-zygote --replay: one entry run by a plugin, in a process of its own and without traffic, for
 * `batonctl quarantine replay`. Its bucket's records are those that were kept with it, if they are given; else there are
 * none. */
#ifndef BATON_REPLAY_H
#define BATON_REPLAY_H

#include <stdbool.h>

/* A setting for the plugin's init, "KEY=VALUE". What is none, or one too many, is left out. */
void replay_setting(const char *text);

/* Faults are said before they end the process. Before the process is confined. */
void replay_watch(void);

/* Takes the records from standard input (shared/kept.h), before the process is confined. False: they are none. */
bool replay_records(void);

/* Loads the plugin, calls its init with the settings, and handles the entry. entry: "packet" or "message", bucket,
 * buckets (a power of two), time in nanoseconds, the sender's address and UDP port as hexadecimal bytes, the payload as
 * hexadecimal bytes; joined by colons: packet:17:4096:1700000000000000000:0a000001:9c40:0011aabb
 * Says, one JSON object a line:
 *	{"stage": "load" | "init" | "migrate" | "entry"}   is about to happen
 *	{"plugin": NAME, "version": TEXT}          what has been loaded
 *	{"log": TEXT}                              baton_log
 *	{"signal": N, "code": N, "address": HEX, "ip": HEX, "offset": HEX} offset: in the plugin's file, if it was in it
 *	{"refused": TEXT}                          the end
 *	{"verdict": TEXT, "reply_bytes": N, "undo_bytes": N, "messages": N, "packets": N}, then {"reply": HEX} in parts
 * Returns the exit code: 0 it has been handled, 1 refused. A process that ends otherwise was ended by the plugin. */
int replay_entry(const char *path, const char *entry);

#endif
