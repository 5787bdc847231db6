/* What a worker that dies of a signal leaves behind: each signal, each way, from a plugin that runs in a real loop. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "confine.h"
#include "crash.h"
#include "fake.h"
#include "loop.h"
#include "plugin.h"
#include "plugin_cc.h"

#define SLOT        1u
#define BUCKETS     16u
#define INCARNATION 7u

/* The first byte of a request says what happens to it. */
#define PLUGIN_SOURCE \
	"#define _GNU_SOURCE\n#include \"baton.h\"\n#include <linux/filter.h>\n#include <linux/seccomp.h>\n" \
	"#include <signal.h>\n#include <stdlib.h>\n#include <sys/mman.h>\n#include <sys/prctl.h>\n" \
	"#include <sys/syscall.h>\n#include <unistd.h>\n" \
	"#define KEPT __attribute__((noinline, noclone))\n" \
	"static int (*volatile nobody)(int); static volatile int zero;\n" \
	"KEPT void by_write(uint8_t *d) { *(volatile uint8_t *)(uintptr_t)(16 + zero) = *d; }\n" \
	"KEPT void by_call(uint8_t *d) { *d = (uint8_t)nobody(*d); }\n" \
	"KEPT void by_depth(uint8_t *d) { volatile uint8_t room[4000]; room[zero] = *d;\n" \
	"	if (room[zero] != 0xff) by_depth(d); *d = room[zero]; }\n" \
	"KEPT void by_frame(uint8_t *d) { volatile uint8_t room[(256 << 20) + 7]; room[zero] = *d; *d = room[zero]; }\n" \
	"KEPT void by_abort(uint8_t *d) { if (*d) abort(); *d = 0; }\n" \
	"KEPT void by_division(uint8_t *d) { volatile int n = *d; n = n / zero; *d = (uint8_t)n; }\n" \
	"KEPT void by_trap(uint8_t *d) { if (*d) __builtin_trap(); *d = 0; }\n" \
	"KEPT void by_bus(uint8_t *d) { int fd = (int)syscall(SYS_memfd_create, \"x\", 0);\n" \
	"	volatile uint8_t *m = mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0); *d = *m; }\n" \
	"KEPT void by_system_call(uint8_t *d) { struct sock_filter code[] = {\n" \
	"		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),\n" \
	"		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),\n" \
	"		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};\n" \
	"	struct sock_fprog program = {4, code}; prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);\n" \
	"	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program); *d = (uint8_t)syscall(SYS_getppid); }\n" \
	"KEPT void by_kill(uint8_t *d) { kill(getpid(), *d == 10 ? SIGKILL : SIGSEGV); *d = 0; }\n" \
	"KEPT void by_lost_stack(uint8_t *d) { *d = 0;\n" \
	"	__asm__ volatile(\"xorl %%esp, %%esp; movl %%eax, (%%rsp)\" ::: \"memory\"); }\n" \
	"static baton_verdict packet(struct baton_ctx *ctx, const struct baton_packet *p, uint8_t *data)\n" \
	"{ static void (*const way[])(uint8_t *) = {0, by_write, by_call, by_depth, by_frame, by_abort, by_division,\n" \
	"		by_trap, by_bus, by_system_call, by_kill, by_kill, by_lost_stack};\n" \
	"	(void)ctx; if (way[data[0]]) way[data[0]](data); return baton_reply(p->len); }\n" \
	"BATON_PLUGIN(.name = \"wild\", .version = \"1\", .key = BATON_KEY_FLOW, .schema = 1, .record_size = 32,\n" \
	"	.max_undo_bytes = 64, .packet = packet);\n"

enum way {
	GOOD, WRITE, CALL, DEPTH, FRAME, ABORT, DIVISION, TRAP, BUS, SYSTEM_CALL, KILL, SENT, LOST_STACK,
};

static struct state memory;
static struct fake_primary primary[2];
static struct CoreStats stats;
static char path[64]; /* of the plugin */
static void *copy;    /* of it, in this process: for the offsets of its functions */
static struct crash_note *there;
static struct crash_note note;

static int set_up(void **state)
{
	(void)state;
	fake_state_create(&memory, BUCKETS, 32, 64, 3, 2);
	for (uint32_t i = 0; i < 2; i++)
		fake_primary_init(&primary[i], &state_control(&memory, SLOT)->commit[i], i, SLOT);
	there = &state_control(&memory, SLOT)->crash;
	plugin_cc(PLUGIN_SOURCE, "-g0", path);
	copy = dlopen(path, RTLD_NOW);
	assert_non_null(copy);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	plugin_cc_remove(path);
	return 0;
}

/* As worker_run() does, without what it takes from itself. */
static void run_worker(void)
{
	static struct loop loop;
	struct belt *belt[] = {primary[0].belt, primary[1].belt};
	char why[PLUGIN_WHY_BYTES];
	struct plugin plugin;

	confine_signals();
	if (confine_core() != 0 || crash_watch(there, INCARNATION, &loop.txn) != 0)
		_exit(2);
	crash_doing(CRASH_LOADING);
	if (plugin_load(&plugin, open(path, O_RDONLY), path, why, sizeof(why)) != 0)
		_exit(3);
	crash_list_modules(plugin.descriptor);
	if (txn_bind(&loop.txn, &memory, SLOT, 0, 64, 0) != 0 ||
	    loop_init(&loop, plugin.descriptor, belt, state_control(&memory, SLOT)->commit, 2, BUCKETS, &stats,
		      1000000000, false) != 0)
		_exit(4);
	crash_doing(CRASH_RUNNING);
	loop_run(&loop);
	_exit(0);
}

static int end_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void offer(uint32_t lcore, uint8_t kind, enum way way)
{
	static struct fake_entry entry[8];
	static uint32_t next;
	struct fake_entry *e = &entry[next++ % 8];

	*e = (struct fake_entry){.kind = kind, .bucket = 3, .len = 16, .time_ns = 5, .data = {(uint8_t)way}};
	assert_true(fake_offer(&primary[lcore], e));
}

/* A worker handles two good entries and one that ends it, on the second belt. Returns how it ended; the belts are then
 * as the primary leaves them. */
static int die(enum way way)
{
	static const struct fake_entry *entries[BELT_SLOTS];

	crash_note_clear(there);
	offer(1, BELT_PACKET, GOOD);
	offer(1, BELT_PACKET, GOOD);
	offer(1, BELT_PACKET, way);
	offer(1, BELT_PACKET, GOOD);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0)
		run_worker();
	int status = end_of(pid);
	journal_clear(&state_control(&memory, SLOT)->journal, &(struct baton_ctx){.used = 0});
	fake_reap(&primary[1], NULL, NULL);
	fake_take_back(&primary[1], entries);
	return status;
}

/* True if `at` is in the function of that name of the plugin. */
static bool is_in(const char *function, uint64_t at)
{
	Dl_info info;
	ElfW(Sym) *symbol;
	void *start = dlsym(copy, function);

	assert_non_null(start);
	assert_int_not_equal(dladdr1(start, &info, (void **)&symbol, RTLD_DL_SYMENT), 0);
	uint64_t offset = at - note.module[0].base;
	return offset >= symbol->st_value && offset < symbol->st_value + symbol->st_size;
}

static bool called_from(const char *function)
{
	for (uint32_t i = 0; i < note.frames; i++)
		if (is_in(function, note.frame[i] - 1)) /* the call may be the function's last instruction */
			return true;
	return false;
}

static void check(enum way way, int number, const char *function)
{
	uint64_t bad = primary[1].producer.offered + 2;
	int status = die(way);

	if (!WIFSIGNALED(status) || WTERMSIG(status) != number)
		fail_msg("way %d: status 0x%x, not signal %d", way, (unsigned)status, number);
	if (!crash_note_read(there, INCARNATION, number, &note))
		fail_msg("way %d: no note", way);
	assert_int_equal(note.signal, number);
	assert_int_equal(note.doing, CRASH_RUNNING);
	assert_int_equal(note.open, 1);
	assert_int_equal(note.belt, 1);
	assert_int_equal(note.position, bad);
	assert_true(note.modules > 1);
	if (!is_in(function, note.ip) && !called_from(function))
		fail_msg("way %d: neither at 0x%llx nor among %u frames is %s", way, (unsigned long long)note.ip,
			 note.frames, function);
}

static void a_worker_says_where_it_died(void **state)
{
	(void)state;
	check(WRITE, SIGSEGV, "by_write");
	assert_true(is_in("by_write", note.ip));
	assert_true(note.frames > 0 && note.frame[0] >= note.module[0].start && note.frame[0] < note.module[0].end);
	assert_int_equal(note.address, 16);
	assert_int_equal(note.code, SEGV_MAPERR);
	assert_int_equal(note.sender, 0);
	check(DIVISION, SIGFPE, "by_division");
	assert_int_equal(note.code, FPE_INTDIV);
	assert_int_equal(note.address, note.ip);
	check(TRAP, SIGILL, "by_trap");
	assert_true(is_in("by_trap", note.ip));
	check(BUS, SIGBUS, "by_bus");
	assert_int_equal(note.code, BUS_ADRERR);
	check(SYSTEM_CALL, SIGSYS, "by_system_call");
	assert_string_equal(crash_code_name(note.signal, note.code), "SYS_SECCOMP");
	assert_int_equal(note.address, SYS_getppid);
	check(ABORT, SIGABRT, "by_abort");
	assert_int_equal(note.code, SI_TKILL);
}

static void a_call_of_nothing_names_the_caller(void **state)
{
	(void)state;
	check(CALL, SIGSEGV, "by_call");
	assert_int_equal(note.ip, 0);
	assert_true(is_in("by_call", note.frame[0] - 1));
}

static void a_stack_that_ran_over_leaves_a_note(void **state)
{
	(void)state;
	check(DEPTH, SIGSEGV, "by_depth");
	assert_true(is_in("by_depth", note.ip));
	assert_true(note.frames >= 4 && called_from("by_depth"));
	check(FRAME, SIGSEGV, "by_frame"); /* its pointer is far below everything that is mapped */
	assert_true(is_in("by_frame", note.ip));
	check(LOST_STACK, SIGSEGV, "by_lost_stack"); /* it has none at all */
	assert_true(is_in("by_lost_stack", note.ip));
}

static void a_signal_that_somebody_sent_ends_it_and_names_the_sender(void **state)
{
	(void)state;
	check(SENT, SIGSEGV, "by_kill");
	assert_int_equal(note.code, SI_USER);
	assert_true(note.sender > 1 && note.sender != getpid()); /* the worker itself */
}

static void a_killed_worker_leaves_no_note(void **state)
{
	(void)state;
	int status = die(KILL);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_false(crash_note_read(there, INCARNATION, 0, &note));
}

static void a_note_of_another_death_is_not_believed(void **state)
{
	(void)state;
	die(WRITE);
	assert_true(crash_note_read(there, INCARNATION, SIGSEGV, &note));
	assert_false(crash_note_read(there, INCARNATION + 1, SIGSEGV, &note));
	assert_false(crash_note_read(there, INCARNATION, SIGKILL, &note));
	crash_note_clear(there);
	assert_false(crash_note_read(there, INCARNATION, SIGSEGV, &note));
}

static void a_forged_note_is_cut_to_what_a_note_can_be(void **state)
{
	uint64_t seed = fake_seed("a_forged_note_is_cut_to_what_a_note_can_be");
	uint32_t believed = 0;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		for (size_t i = 0; i < sizeof(*there) / 8; i++)
			((uint64_t *)(void *)there)[i] = fake_random(&seed);
		atomic_store(&there->mark, CRASH_MARK);
		there->incarnation = INCARNATION;
		if (round % 4 != 0) {
			there->signal = SIGSEGV;
			there->doing = round % 3;
			there->modules = (uint32_t)round % (CRASH_MODULES + 2);
			there->frames = (uint32_t)round % (CRASH_FRAMES + 2);
			there->open = 1;
		}
		if (!crash_note_read(there, INCARNATION, 0, &note))
			continue;
		believed++;
		assert_in_range(note.modules, 0, CRASH_MODULES);
		assert_in_range(note.frames, 0, CRASH_FRAMES);
		assert_in_range(note.open, 0, 1);
		assert_true(note.open == 0 || note.belt < BATON_MAX_IO_LCORES);
		assert_in_range(note.doing, 0, CRASH_DOING_COUNT - 1);
		for (uint32_t i = 0; i < note.modules; i++)
			for (size_t at = 0; note.module[i].path[at] != 0; at++)
				assert_in_range(note.module[i].path[at], ' ' + 1, '~');
	}
	assert_true(believed > 1000);
	crash_note_clear(there);
}

static void a_fault_while_a_plugin_is_loaded_is_told_apart(void **state)
{
	char loading[64];

	(void)state;
	plugin_cc("#include <stdlib.h>\n__attribute__((constructor)) static void first(void) { abort(); }\n"
		  PLUGIN_SOURCE, "", loading);
	crash_note_clear(there);
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		memcpy(path, loading, sizeof(path));
		run_worker();
	}
	int status = end_of(pid);
	plugin_cc_remove(loading);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_true(crash_note_read(there, INCARNATION, SIGABRT, &note));
	assert_int_equal(note.doing, CRASH_LOADING);
	assert_int_equal(note.open, 0);
	assert_int_equal(note.module[0].end, 0);
}

static void signals_and_codes_have_names(void **state)
{
	char text[16];

	(void)state;
	assert_string_equal(crash_signal_name(SIGSEGV, text, sizeof(text)), "SIGSEGV");
	assert_string_equal(crash_signal_name(SIGKILL, text, sizeof(text)), "SIGKILL");
	assert_string_equal(crash_signal_name(40, text, sizeof(text)), "signal 40");
	assert_string_equal(crash_signal_name(-1, text, sizeof(text)), "signal -1");
	assert_string_equal(crash_code_name(SIGSEGV, SEGV_ACCERR), "SEGV_ACCERR");
	assert_string_equal(crash_code_name(SIGBUS, SI_USER), "SI_USER");
	assert_string_equal(crash_code_name(SIGSEGV, 77), "");
	assert_string_equal(crash_code_words(SIGFPE, FPE_INTDIV), "integer division by zero");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_worker_says_where_it_died),
		cmocka_unit_test(a_call_of_nothing_names_the_caller),
		cmocka_unit_test(a_stack_that_ran_over_leaves_a_note),
		cmocka_unit_test(a_signal_that_somebody_sent_ends_it_and_names_the_sender),
		cmocka_unit_test(a_killed_worker_leaves_no_note),
		cmocka_unit_test(a_note_of_another_death_is_not_believed),
		cmocka_unit_test(a_forged_note_is_cut_to_what_a_note_can_be),
		cmocka_unit_test(a_fault_while_a_plugin_is_loaded_is_told_apart),
		cmocka_unit_test(signals_and_codes_have_names),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
