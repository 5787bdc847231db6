/* The worker's last words: a handler on a stack of its own that fills in its slot's crash note (crash_note.h) and then
 * lets the signal do what it does without us. One process, one thread, one note. */
#ifndef BATON_CRASH_H
#define BATON_CRASH_H

#include <stdint.h>

#include "crash_note.h"
#include "txn.h"

/* Installs the handlers. After confine_signals(); before the filter of system calls and the plugin. `txn` is looked at
 * by the handler and must stay. Returns 0 or -errno. */
int crash_watch(struct crash_note *note, uint32_t incarnation, const struct txn *txn);

/* What the worker is at from now on. */
void crash_doing(enum crash_doing doing);

/* Lists what is loaded, for addresses to be told by. plugin: any address within it, NULL: it is not loaded yet. */
void crash_list_modules(const void *plugin);

/* Fills in the note for a fault that somebody else's handler caught (verify mode). code: si_code; ip 0: not known. */
void crash_note_fault(int number, int code, uint64_t address, uint64_t ip);

#endif
