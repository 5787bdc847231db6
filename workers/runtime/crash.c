/* Crash notes: the handler. Everything it does is bounded, allocates nothing, takes no lock and calls nothing but plain
 * system calls: the process may have been stopped anywhere, with its heap and its stack in any state. */
#define _GNU_SOURCE
#include "crash.h"

#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#define STACK_BYTES (64u << 10) /* the kernel's frame takes up to 11 KiB of it, with AVX-512 and AMX */
#define PAGE        4096u
#define SCAN_WORDS  4096u /* of the stack; a few microseconds */
#define SCAN_PAGES  16u   /* looked for the first that is mapped */

/* w: worker at its start  r: handler */
static struct {
	struct crash_note *note; /* NULL: none to write */
	const struct txn *txn;
	uint32_t incarnation;
	uint32_t doing;
	uintptr_t stack_low, stack_high; /* of the one thread */
} crash;
static uint8_t handler_stack[STACK_BYTES] baton_aligned(64);

/* ---- in the handler ---- */

/* The entry that is open: the last burst's position, if something has been offered there. Between two bursts that is
 * the entry the worker would have taken next. */
static void note_entry(struct crash_note *note)
{
	const struct txn *txn = crash.txn;

	if (crash.doing != CRASH_RUNNING || txn->consumer == NULL)
		return;
	uint64_t offered = atomic_load_explicit(&txn->consumer->belt->offered, memory_order_relaxed);
	if (txn->position >= offered)
		return;
	note->belt = txn->belt;
	note->position = txn->position;
	atomic_store_explicit(&note->open, 1, memory_order_release); /* pairs with crash_note_read() */
}

static bool is_code(const struct crash_note *note, uint64_t at)
{
	for (uint32_t i = 0; i < note->modules && i < CRASH_MODULES; i++)
		/* the longest call is 7 bytes: all of them are within the code */
		if (at >= note->module[i].start + 7 && at <= note->module[i].end)
			return true;
	return false;
}

/* True if a call instruction ends at `at`: E8 with a displacement, or FF /2 with up to five bytes of operand. */
static bool follows_call(uint64_t at)
{
	const uint8_t *code = (const uint8_t *)(uintptr_t)at;

	if (code[-5] == 0xe8)
		return true;
	for (int length = 2; length <= 7; length++)
		if (code[-length] == 0xff && (code[-length + 1] & 0x38) == 0x10)
			return true;
	return false;
}

static bool is_mapped(uintptr_t at)
{
	unsigned char resident;

	return syscall(SYS_mincore, at & ~(uintptr_t)(PAGE - 1), PAGE, &resident) == 0;
}

/* Code is built without frame pointers, and an unwinder takes locks: so every word of the stack that can be a return
 * address counts as one. A stack that ran over ends in pages that are not there: those are passed. */
static void note_frames(struct crash_note *note, uint64_t sp)
{
	uintptr_t at = (uintptr_t)sp & ~(uintptr_t)7;
	uint32_t frames = 0;

	if (at < crash.stack_low)
		at = crash.stack_low;
	for (uint32_t i = 0; i < SCAN_PAGES && at < crash.stack_high && !is_mapped(at); i++)
		at = (at & ~(uintptr_t)(PAGE - 1)) + PAGE;
	for (uint32_t i = 0; i < SCAN_WORDS && at < crash.stack_high && frames < CRASH_FRAMES; i++, at += 8) {
		uint64_t word = *(const volatile uint64_t *)at;

		if (is_code(note, word) && follows_call(word))
			note->frame[frames++] = word;
	}
	atomic_store_explicit(&note->frames, frames, memory_order_release); /* pairs with crash_note_read() */
}

struct fault {
	int number, code;
	uint64_t address, ip, sp;
	int64_t sender;
};

static void note_write(const struct fault *fault)
{
	struct crash_note *note = crash.note;

	note->incarnation = crash.incarnation;
	note->doing = crash.doing;
	note->signal = fault->number;
	note->code = fault->code;
	note->address = fault->address;
	note->ip = fault->ip;
	note->sp = fault->sp;
	note->sender = fault->sender;
	atomic_store_explicit(&note->mark, CRASH_MARK, memory_order_release); /* pairs with crash_note_read() */
	note_entry(note);
	note_frames(note, fault->sp);
}

static void on_crash(int number, siginfo_t *info, void *context)
{
	const ucontext_t *at = context;
	struct fault fault = {
		.number = number,
		.code = info->si_code,
		.ip = (uint64_t)at->uc_mcontext.gregs[REG_RIP],
		.sp = (uint64_t)at->uc_mcontext.gregs[REG_RSP],
	};

	if (info->si_code <= 0)
		fault.sender = info->si_pid;
	else if (number == SIGSYS)
		fault.address = (uint64_t)info->si_syscall;
	else
		fault.address = (uint64_t)(uintptr_t)info->si_addr;
	note_write(&fault);
	/* The disposition is the default again (SA_RESETHAND). A fault would come again by itself; a signal that somebody
	 * sent would not. This one waits until the handler is left and its mask with it, and ends the process there. */
	syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), number);
}

/* ---- at the start ---- */

/* Without them the note lacks return addresses, and nothing else. */
static void find_stack(void)
{
	pthread_attr_t attributes;
	size_t bytes;
	void *low;

	crash.stack_low = crash.stack_high = 0;
	if (pthread_getattr_np(pthread_self(), &attributes) != 0)
		return;
	if (pthread_attr_getstack(&attributes, &low, &bytes) == 0) {
		crash.stack_low = (uintptr_t)low;
		crash.stack_high = (uintptr_t)low + bytes;
	}
	pthread_attr_destroy(&attributes);
}

int crash_watch(struct crash_note *note, uint32_t incarnation, const struct txn *txn)
{
	static const int signals[] = CRASH_SIGNALS;
	stack_t stack = {.ss_sp = handler_stack, .ss_size = sizeof(handler_stack)};
	struct sigaction act = {.sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESETHAND};

	crash.note = note;
	crash.txn = txn;
	crash.incarnation = incarnation;
	crash.doing = CRASH_STARTING;
	find_stack();
	crash_list_modules(NULL);
	if (sigaltstack(&stack, NULL) != 0)
		return -errno;
	/* All of them wait while one is handled: the handler's own fault is then the end, at once (force_sig(9)). */
	sigemptyset(&act.sa_mask);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(&act.sa_mask, signals[i]);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (!BATON_SABOTAGE(no_crash_note) && sigaction(signals[i], &act, NULL) != 0)
			return -errno;
	return 0;
}

void crash_doing(enum crash_doing doing)
{
	crash.doing = doing;
}

struct listing {
	uint32_t count;
	uintptr_t plugin;
};

static int list_module(struct dl_phdr_info *info, size_t bytes, void *arg)
{
	struct crash_module module = {.base = info->dlpi_addr, .start = UINT64_MAX};
	struct listing *listing = arg;
	bool plugin = false;

	(void)bytes;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		uint64_t start = info->dlpi_addr + p->p_vaddr, end = start + p->p_memsz;

		if (p->p_type != PT_LOAD)
			continue;
		plugin |= listing->plugin >= start && listing->plugin < end;
		if (!(p->p_flags & PF_X))
			continue;
		if (start < module.start)
			module.start = start;
		if (end > module.end)
			module.end = end;
	}
	if (module.end == 0 || (!plugin && listing->count == CRASH_MODULES))
		return 0;
	if (!plugin && info->dlpi_name[0] == 0) /* the program itself has no name */
		(void)!readlink("/proc/self/exe", module.path, sizeof(module.path) - 1);
	else if (!plugin)
		strncpy(module.path, info->dlpi_name, sizeof(module.path) - 1);
	crash.note->module[plugin ? 0 : listing->count++] = module;
	return 0;
}

void crash_list_modules(const void *plugin)
{
	struct listing listing = {1, (uintptr_t)plugin};

	if (crash.note == NULL)
		return;
	dl_iterate_phdr(list_module, &listing);
	/* release: pairs with crash_note_read(); a fault before this had the shorter list */
	atomic_store_explicit(&crash.note->modules, listing.count, memory_order_release);
}

void crash_note_fault(int number, int code, uint64_t address, uint64_t ip)
{
	if (crash.note != NULL)
		note_write(&(struct fault){
			.number = number, .code = code, .address = address, .ip = ip,
			.sp = (uint64_t)(uintptr_t)__builtin_frame_address(0),
		});
}
