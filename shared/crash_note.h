/* What a worker writes down as it dies of a signal: which, where, and at which entry. It stands in the control block of
 * its slot (state.h), so it outlives the worker, and the primary.
 *
 * Each part has a mark that is stored last: a handler that faults itself leaves what it had finished. The primary
 * clears the note before it asks for a worker in the slot, reads it after the fence, once, by crash_note_read(), and
 * believes nothing of it: a plugin can write here what it likes. */
#ifndef BATON_SHARED_CRASH_NOTE_H
#define BATON_SHARED_CRASH_NOTE_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRASH_FRAMES  16u
#define CRASH_MODULES 32u
#define CRASH_MARK    0x68737243656f746eull

enum crash_doing { CRASH_STARTING, CRASH_LOADING, CRASH_INIT, CRASH_RUNNING, CRASH_DOING_COUNT };

/* A loaded object. Number 0 is the plugin, and empty (end 0) before that is loaded. */
struct crash_module {
	uint64_t base;       /* what its file's addresses are shifted by */
	uint64_t start, end; /* its code; end: first byte behind */
	char path[104];      /* empty: the plugin, loaded from memory, whose path the primary knows */
};
static_assert(sizeof(struct crash_module) == 128, "two lines a module");

/* w: worker; primary (cleared) while the slot has no worker  r: primary after the fence */
struct crash_note {
	/* when the plugin is loaded, and once before */
	_Atomic uint32_t modules; /* entries of module[]; stored last */
	uint32_t pad;

	/* by the handler, first part */
	_Atomic uint64_t mark; /* CRASH_MARK; stored last: what follows up to `sender` is whole */
	uint32_t incarnation;
	uint32_t doing;        /* enum crash_doing */
	int32_t signal;
	int32_t code;          /* si_code */
	uint64_t address;      /* si_addr; of SIGSYS: the system call's number */
	uint64_t ip;           /* instruction pointer, 0 for a call of a null pointer */
	uint64_t sp;
	int64_t sender;        /* pid that sent the signal, 0: the kernel */

	/* second part: the entry being handled */
	_Atomic uint32_t open; /* 1: there is one; stored last */
	uint32_t belt;         /* index of the I/O lcore */
	uint64_t position;

	/* third part: return addresses found on the stack, innermost first. Words that point behind a call instruction:
	 * one of them may be left from a call that is over. */
	_Atomic uint32_t frames; /* stored last */
	uint32_t pad2;
	uint64_t frame[CRASH_FRAMES];

	struct crash_module module[CRASH_MODULES];
};

/* The signals a worker writes a note for: those that are a fault of its own. */
#define CRASH_SIGNALS {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS}

/* Primary, before a worker is asked for in the slot. */
void crash_note_clear(struct crash_note *note);

/* Primary, after the fence: copies the note of incarnation `incarnation`, which died of `signal` by its wait status (0:
 * not known, any). Counts are within their arrays, texts printable and ended, belt below BATON_MAX_IO_LCORES; addresses
 * and position are whatever the worker left. Returns false if there is no such note: killed, or an older one. */
bool crash_note_read(const struct crash_note *note, uint32_t incarnation, int signal, struct crash_note *out);

/* "SIGSEGV"; of a signal that is not among CRASH_SIGNALS "signal 12", put into text (of at least 16 bytes). */
const char *crash_signal_name(int signal, char *text, size_t bytes);
/* "SEGV_MAPERR"; "" for a code that has no name. */
const char *crash_code_name(int signal, int code);
/* What that means: "nothing is mapped there"; "" if nothing is known. */
const char *crash_code_words(int signal, int code);

#endif
