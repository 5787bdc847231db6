/* Crash notes: clearing, reading with distrust, and the names of signals and their codes. */
#define _GNU_SOURCE
#include "crash_note.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "abi.h"

void crash_note_clear(struct crash_note *note)
{
	if (!BATON_SABOTAGE(old_crash_note_believed))
		memset(note, 0, sizeof(*note));
}

static void clean(char *text, size_t bytes)
{
	text[bytes - 1] = 0;
	for (; *text; text++)
		if ((unsigned char)*text <= ' ' || (unsigned char)*text >= 127 || *text == '"' || *text == '\\')
			*text = '?';
}

static bool is_ours(int signal)
{
	static const int ours[] = CRASH_SIGNALS;

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (ours[i] == signal)
			return true;
	return false;
}

bool crash_note_read(const struct crash_note *note, uint32_t incarnation, int signal, struct crash_note *out)
{
	/* The worker is gone: nothing changes any more. acquire: pairs with the release in workers/runtime/crash.c */
	if (atomic_load_explicit(&note->mark, memory_order_acquire) != CRASH_MARK)
		return false;
	memcpy(out, note, sizeof(*out));
	if (out->incarnation != incarnation && !BATON_SABOTAGE(old_crash_note_believed))
		return false;
	if (!is_ours(out->signal) || (signal != 0 && out->signal != signal) || out->doing >= CRASH_DOING_COUNT)
		return false;
	if (out->modules > CRASH_MODULES)
		out->modules = 0;
	if (out->frames > CRASH_FRAMES)
		out->frames = 0;
	out->open = out->open == 1 && out->belt < BATON_MAX_IO_LCORES;
	for (uint32_t i = 0; i < out->modules; i++)
		clean(out->module[i].path, sizeof(out->module[i].path));
	return true;
}

/* ---- names ---- */

const char *crash_signal_name(int signal, char *text, size_t bytes)
{
	const char *name = signal > 0 && signal < NSIG ? sigabbrev_np(signal) : NULL;

	if (name != NULL)
		snprintf(text, bytes, "SIG%s", name);
	else
		snprintf(text, bytes, "signal %d", signal);
	return text;
}

static const struct {
	int signal; /* 0: of any */
	int code;
	const char *name, *words;
} codes[] = {
	{0, SI_USER, "SI_USER", "sent by kill"},
	{0, SI_QUEUE, "SI_QUEUE", "sent by sigqueue"},
	{0, SI_TKILL, "SI_TKILL", "raised by a thread, as abort does"},
	{0, SI_KERNEL, "SI_KERNEL", "the kernel names no address: often one that no pointer can have"},
	{SIGSEGV, SEGV_MAPERR, "SEGV_MAPERR", "nothing is mapped there"},
	{SIGSEGV, SEGV_ACCERR, "SEGV_ACCERR", "what is mapped there may not be used so"},
	{SIGSEGV, SEGV_PKUERR, "SEGV_PKUERR", "a protection key forbids it"},
	{SIGBUS, BUS_ADRALN, "BUS_ADRALN", "not aligned"},
	{SIGBUS, BUS_ADRERR, "BUS_ADRERR", "no memory behind the address: behind the end of a file, or no huge page"},
	{SIGBUS, BUS_OBJERR, "BUS_OBJERR", "an error of the hardware"},
	{SIGBUS, BUS_MCEERR_AR, "BUS_MCEERR_AR", "memory is damaged"},
	{SIGILL, ILL_ILLOPC, "ILL_ILLOPC", "no such instruction"},
	{SIGILL, ILL_ILLOPN, "ILL_ILLOPN", "an instruction's operand is none: often __builtin_trap"},
	{SIGILL, ILL_PRVOPC, "ILL_PRVOPC", "an instruction of the kernel's"},
	{SIGFPE, FPE_INTDIV, "FPE_INTDIV", "integer division by zero"},
	{SIGFPE, FPE_INTOVF, "FPE_INTOVF", "integer overflow"},
	{SIGFPE, FPE_FLTDIV, "FPE_FLTDIV", "division by zero"},
	{SIGFPE, FPE_FLTOVF, "FPE_FLTOVF", "overflow"},
	{SIGFPE, FPE_FLTINV, "FPE_FLTINV", "invalid operation"},
	{SIGSYS, 1 /* SYS_SECCOMP */, "SYS_SECCOMP", "a seccomp filter forbids the system call"},
};

static size_t find_code(int signal, int code)
{
	size_t i = 0;

	while (i < sizeof(codes) / sizeof(codes[0]) &&
	       ((codes[i].signal != 0 && codes[i].signal != signal) || codes[i].code != code))
		i++;
	return i;
}

const char *crash_code_name(int signal, int code)
{
	size_t at = find_code(signal, code);

	return at < sizeof(codes) / sizeof(codes[0]) ? codes[at].name : "";
}

const char *crash_code_words(int signal, int code)
{
	size_t at = find_code(signal, code);

	return at < sizeof(codes) / sizeof(codes[0]) ? codes[at].words : "";
}
