/* What a confined child can still do, and what it cannot. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "confine.h"

#define PAGE 4096u

static struct confine_filter filter;
static struct confine_maps maps;

/* Runs fn in a child; its result is the exit code, 0: as it should be, else the line that was not. */
static int in_child(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(fn());
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

#define EXPECT(truth) do { if (!(truth)) return __LINE__ % 255 + 1; } while (0)

static void *nothing(void *arg)
{
	return arg;
}

static int try_system_calls(void)
{
	char *argv[] = {"true", NULL};
	struct iovec here = {.iov_base = &filter, .iov_len = 8}, there = here;
	pthread_t thread;
	pid_t parent = getppid();

	EXPECT(confine_system_calls(&filter) == 0);
	EXPECT(fork() == -1 && errno == EPERM);
	EXPECT(vfork() == -1 && errno == EPERM);
	EXPECT(syscall(SYS_fork) == -1 && errno == EPERM);
	EXPECT(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) == -1 && errno == EPERM);
	EXPECT(syscall(SYS_clone3, NULL, 0) == -1 && errno == EPERM);
	EXPECT(pthread_create(&thread, NULL, nothing, NULL) != 0);
	EXPECT(execv("/bin/true", argv) == -1 && errno == EPERM);
	EXPECT(syscall(SYS_execveat, AT_FDCWD, "/bin/true", argv, argv + 1, 0) == -1 && errno == EPERM);
	EXPECT(ptrace(PTRACE_ATTACH, parent, NULL, NULL) == -1 && errno == EPERM);
	EXPECT(process_vm_readv(getpid(), &here, 1, &there, 1, 0) == -1 && errno == EPERM);
	EXPECT(process_vm_writev(getpid(), &here, 1, &there, 1, 0) == -1 && errno == EPERM);
	EXPECT(syscall(SYS_io_uring_setup, 1, NULL) == -1 && errno == EPERM);
	/* what it needs goes on */
	EXPECT(getpid() > 0);
	EXPECT(open("/proc/self/maps", O_RDONLY) >= 0);
	EXPECT(mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
	EXPECT(sched_yield() == 0);
	return 0;
}

static void processes_threads_and_other_programs_are_refused(void **state)
{
	(void)state;
	assert_int_equal(in_child(try_system_calls), 0);
}

#define REFUSED(call) EXPECT((call) == -1 && errno == EPERM)

/* What is shared with the primary is a file that it has open, and the primary a process of the same user. */
static int reach_for_the_primary(void)
{
	pid_t parent = getppid();
	int file = memfd_create("state", MFD_CLOEXEC);
	struct rlimit limit = {1 << 30, 1 << 30};

	EXPECT(file >= 0 && ftruncate(file, 2 * PAGE) == 0);
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	EXPECT(page != MAP_FAILED);
	EXPECT(confine_capabilities() == 0);
	EXPECT(confine_system_calls(&filter) == 0);
	REFUSED(kill(parent, 0));
	REFUSED(kill(parent, SIGKILL));
	REFUSED(kill(-1, SIGKILL));
	REFUSED(kill(0, SIGKILL));
	REFUSED(syscall(SYS_tgkill, parent, parent, 0));
	REFUSED(syscall(SYS_tkill, parent, 0));
	REFUSED(syscall(SYS_rt_sigqueueinfo, parent, 0, NULL));
	REFUSED(syscall(SYS_pidfd_open, parent, 0));
	REFUSED(fcntl(file, F_SETOWN, parent));
	REFUSED(fcntl(file, F_SETSIG, SIGKILL));
	REFUSED(ioctl(file, 0x8901 /* FIOSETOWN */, &parent));
	REFUSED(syscall(SYS_prlimit64, parent, RLIMIT_NOFILE, &limit, NULL));
	REFUSED(setpriority(PRIO_PROCESS, 0, -20));
	REFUSED(prctl(PR_SET_PDEATHSIG, 0));
	REFUSED((long)mmap(NULL, PAGE, PROT_READ, MAP_SHARED, file, 0));
	REFUSED((long)mremap(page, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	REFUSED(ftruncate(file, 0));
	REFUSED(fallocate(file, 3 /* keep size, punch hole */, 0, PAGE));
	REFUSED(madvise(page, PAGE, MADV_REMOVE));
	REFUSED(syscall(SYS_flock, file, 8 /* LOCK_UN */));
	REFUSED(open("/dev/null", O_RDWR));
	REFUSED(open("/dev/null", O_WRONLY));
	REFUSED(syscall(SYS_open, "/tmp/baton-none", O_RDONLY | O_CREAT, 0600));
	REFUSED(open("/dev/null", O_RDONLY | O_TRUNC));
	REFUSED(unlink("/tmp/baton-none"));
	REFUSED(socket(AF_INET, SOCK_DGRAM, 0));
	REFUSED(socket(AF_UNIX, SOCK_STREAM, 0));
	*(volatile char *)page = 1; /* what is its own still is */
	EXPECT(kill(getpid(), 0) == 0);
	EXPECT(raise(SIGURG) == 0); /* ignored by default */
	EXPECT(realloc(malloc(1 << 20), 1 << 22) != NULL);
	return 0;
}

static void a_worker_cannot_reach_for_the_primary(void **state)
{
	(void)state;
	assert_int_equal(in_child(reach_for_the_primary), 0);
}

static int lose_capabilities(void)
{
	FILE *status;
	char line[256];
	int found = 0;

	EXPECT(confine_capabilities() == 0);
	EXPECT((status = fopen("/proc/self/status", "r")) != NULL);
	while (fgets(line, sizeof(line), status) != NULL)
		if (strncmp(line, "CapEff:", 7) == 0 || strncmp(line, "CapPrm:", 7) == 0) {
			EXPECT(strtoull(line + 7, NULL, 16) == 0);
			found++;
		}
	EXPECT(found == 2);
	return 0;
}

static void a_worker_has_no_capabilities(void **state)
{
	(void)state;
	assert_int_equal(in_child(lose_capabilities), 0);
}

static int abort_oneself(void)
{
	EXPECT(confine_system_calls(&filter) == 0);
	abort();
}

/* Who reads the log must see what it was. */
static void abort_is_still_an_abort(void **state)
{
	(void)state;
	int status = in_child(abort_oneself);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

static uint8_t *shared[3], *own;

static int unmap_others(void)
{
	struct confine_range keep[] = {
		{(uintptr_t)shared[2] + PAGE, (uintptr_t)shared[2] + 2 * PAGE},
		{(uintptr_t)shared[1], (uintptr_t)shared[1] + 4 * PAGE},
	};

	confine_signals(); /* a sanitizer's handlers among them */
	return confine_unmap(&maps, keep, 2);
}

static int write_own(void)
{
	EXPECT(unmap_others() == 0);
	memset(shared[1], 1, 4 * PAGE);
	memset(shared[2] + PAGE, 1, PAGE);
	memset(own, 1, PAGE);
	char *heap = malloc(100000);
	memset(heap, 1, 100000);
	free(heap);
	return 0;
}

static uint8_t *victim;

static int write_victim(void)
{
	EXPECT(unmap_others() == 0);
	*(volatile uint8_t *)victim = 1;
	return 0;
}

static void a_write_to_what_is_not_its_own_is_a_crash(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		/* pages between them, so that each is a mapping of its own */
		shared[i] = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		assert_ptr_not_equal(shared[i], MAP_FAILED);
		assert_ptr_not_equal(mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), MAP_FAILED);
	}
	own = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_int_equal(confine_maps_read(&maps), 0);
	assert_int_equal(in_child(write_own), 0);
	assert_int_equal(shared[1][4 * PAGE - 1], 1); /* it was really the shared page */
	uint8_t *const victims[] = {shared[0], shared[0] + 4 * PAGE - 1, shared[2] + PAGE - 1, shared[2] + 2 * PAGE,
				    shared[2] + 4 * PAGE - 1};
	for (size_t i = 0; i < sizeof(victims) / sizeof(victims[0]); i++) {
		victim = victims[i];
		int status = in_child(write_victim);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGSEGV);
		assert_int_equal(*victims[i], 0);
	}
}

static void neighbours_are_one_range(void **state)
{
	uint8_t *at = mmap(NULL, 6 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int found = 0;

	(void)state;
	for (uint32_t i = 1; i < 5; i++)
		assert_ptr_not_equal(mmap(at + i * PAGE, PAGE, i % 2 ? PROT_READ : PROT_READ | PROT_WRITE,
					  MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0), MAP_FAILED);
	assert_int_equal(confine_maps_read(&maps), 0);
	for (uint32_t i = 0; i < maps.count; i++) {
		assert_true(maps.range[i].start < maps.range[i].end);
		assert_true(i == 0 || maps.range[i - 1].end < maps.range[i].start);
		found += maps.range[i].start == (uintptr_t)at + PAGE && maps.range[i].end == (uintptr_t)at + 5 * PAGE;
	}
	assert_int_equal(found, 1);
	munmap(at, 6 * PAGE);
}

static int keep_two(void)
{
	int fd[2], extra[40];
	char text[3] = "";

	for (size_t i = 0; i < sizeof(extra) / sizeof(extra[0]); i++)
		EXPECT((extra[i] = open("/dev/null", O_RDONLY)) >= 0);
	int pipe_fd[2];
	EXPECT(pipe(pipe_fd) == 0);
	/* the numbers that they are to get are taken, by each other among them */
	EXPECT(dup2(pipe_fd[1], 3) == 3);
	EXPECT(dup2(pipe_fd[0], 4) == 4);
	fd[0] = 4;
	fd[1] = 3;
	EXPECT(confine_descriptors(fd, 2) == 0);
	EXPECT(fd[0] == 3 && fd[1] == 4);
	EXPECT(write(4, "ok", 2) == 2 && read(3, text, 2) == 2 && memcmp(text, "ok", 2) == 0);
	EXPECT(write(1, "x", 1) == 1 && write(2, "x", 1) == 1 && read(0, text, 1) == 0); /* /dev/null */
	for (int i = 5; i < 300; i++)
		EXPECT(fcntl(i, F_GETFD) == -1 && errno == EBADF);
	return 0;
}

static void descriptors_not_kept_are_closed(void **state)
{
	(void)state;
	assert_int_equal(in_child(keep_two), 0);
}

static int choose_cpu(void)
{
	cpu_set_t set;

	EXPECT(confine_cpu(CPU_SETSIZE - 1) == -EINVAL);
	EXPECT(confine_cpu(1 << 20) == -EINVAL);
	EXPECT(confine_cpu(-1) == 0);
	EXPECT(sched_getaffinity(0, sizeof(set), &set) == 0);
	int all = CPU_COUNT(&set), cpu = 0;
	while (!CPU_ISSET(cpu, &set))
		cpu++;
	EXPECT(confine_cpu(cpu) == 0);
	EXPECT(sched_getaffinity(0, sizeof(set), &set) == 0);
	EXPECT(CPU_COUNT(&set) == 1 && CPU_ISSET(cpu, &set));
	EXPECT(confine_cpu(-1) == 0);
	EXPECT(sched_getaffinity(0, sizeof(set), &set) == 0);
	EXPECT(CPU_COUNT(&set) == all);
	return 0;
}

static void a_worker_without_a_cpu_of_its_own_is_not_bound_to_its_parents(void **state)
{
	(void)state;
	assert_int_equal(in_child(choose_cpu), 0);
}

static int oom_score(int write_first)
{
	FILE *file = fopen("/proc/self/oom_score_adj", write_first == INT_MIN ? "r" : "r+");
	int score = INT_MIN;

	if (file == NULL)
		return score;
	if (write_first != INT_MIN)
		fprintf(file, "%d\n", write_first);
	rewind(file);
	if (fscanf(file, "%d", &score) != 1)
		score = INT_MIN;
	fclose(file);
	return score;
}

/* Root without CAP_SYS_RESOURCE may not go below 0: what a primary that may not protect itself has. */
static int raise_oom_score(void)
{
	int inherited[] = {-900, 0, CONFINE_OOM_SCORE - 1};

	for (size_t i = 0; i < sizeof(inherited) / sizeof(inherited[0]); i++) {
		oom_score(inherited[i]);
		EXPECT(oom_score(INT_MIN) < CONFINE_OOM_SCORE);
		EXPECT(confine_oom_score() == 0);
		EXPECT(oom_score(INT_MIN) == CONFINE_OOM_SCORE);
		oom_score(0);
	}
	oom_score(700);
	EXPECT(confine_oom_score() == 0);
	EXPECT(oom_score(INT_MIN) == 700);
	return 0;
}

static void a_worker_is_not_protected_as_its_primary_is(void **state)
{
	(void)state;
	assert_int_equal(in_child(raise_oom_score), 0);
}

static void catch_nothing(int number)
{
	(void)number;
}

static int reset_signals(void)
{
	struct sigaction act;
	sigset_t set;

	signal(SIGTERM, SIG_IGN);
	signal(SIGUSR1, catch_nothing);
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	confine_signals();
	EXPECT(sigaction(SIGTERM, NULL, &act) == 0 && act.sa_handler == SIG_DFL);
	EXPECT(sigaction(SIGUSR1, NULL, &act) == 0 && act.sa_handler == SIG_DFL);
	EXPECT(sigaction(SIGSEGV, NULL, &act) == 0 && act.sa_handler == SIG_DFL);
	EXPECT(sigaction(SIGPIPE, NULL, &act) == 0 && act.sa_handler == SIG_IGN);
	EXPECT(sigprocmask(SIG_BLOCK, NULL, &set) == 0);
	for (int i = 1; i < 32; i++)
		EXPECT(!sigismember(&set, i));
	return 0;
}

static void signals_are_as_after_exec(void **state)
{
	(void)state;
	assert_int_equal(in_child(reset_signals), 0);
}

static int stranger(void)
{
	EXPECT(confine_die_with(1 << 22) == -ESRCH);
	return 0;
}

static void a_worker_whose_primary_is_gone_is_told_so(void **state)
{
	(void)state;
	assert_int_equal(in_child(stranger), 0);
}

/* As the zygote does it: forked by one that leaves, adopted by the primary, which then dies. */
static void a_worker_dies_with_the_primary_that_adopted_it(void **state)
{
	int ready[2], status;
	pid_t worker = 0;
	char byte;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); /* so that the end of the worker is ours to see */
	pid_t primary = fork();
	if (primary == 0) {
		pid_t self = getpid();

		prctl(PR_SET_CHILD_SUBREAPER, 1);
		if (fork() == 0) {
			if (fork() != 0)
				_exit(0); /* the one between */
			pid_t me = getpid();
			if (confine_die_with(self) != 0 || write(ready[1], &me, sizeof(me)) != sizeof(me))
				_exit(1);
			for (;;)
				pause();
		}
		pause();
	}
	assert_int_equal(read(ready[0], &worker, sizeof(worker)), sizeof(worker));
	close(ready[1]);
	kill(primary, SIGKILL);
	struct pollfd end = { .fd = ready[0], .events = POLLIN };
	assert_int_equal(poll(&end, 1, 20000), 1);
	assert_int_equal(read(ready[0], &byte, 1), 0); /* its end of the pipe is closed: it is gone */
	assert_int_equal(waitpid(primary, &status, 0), primary);
	assert_int_equal(waitpid(worker, &status, 0), worker);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	close(ready[0]);
	prctl(PR_SET_CHILD_SUBREAPER, 0);
}

/* A process with much memory that faults where the kernel may dump it. */
static int status_of_a_fault(bool confined)
{
	const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
	size_t bytes = confined ? 64u << 20 : PAGE;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		uint8_t *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		signal(SIGSEGV, SIG_DFL);
		if (memory == MAP_FAILED || setrlimit(RLIMIT_CORE, &all) != 0 || (confined && confine_core() != 0))
			_exit(1);
		memset(memory, 1, bytes);
		kill(getpid(), SIGSEGV);
		_exit(2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	return status;
}

/* Else its successor would wait for the dump. */
static void a_fault_leaves_no_core_dump(void **state)
{
	char dir[] = "/tmp/baton-core.XXXXXX", command[64];
	struct rlimit limit;
	int here = open(".", O_RDONLY | O_DIRECTORY);

	(void)state;
	assert_true(here >= 0);
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	if (!WCOREDUMP(status_of_a_fault(false)))
		print_message("this machine dumps nothing: only the limit is looked at\n");
	assert_false(WCOREDUMP(status_of_a_fault(true)));
	assert_int_equal(fchdir(here), 0);
	close(here);
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	assert_int_equal(system(command), 0);
	pid_t pid = fork();
	if (pid == 0)
		_exit(confine_core() == 0 && getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == 1 &&
		      limit.rlim_max == 1 ? 0 : 1);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int build_filter(void **state)
{
	(void)state;
	return confine_filter_build(&filter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(processes_threads_and_other_programs_are_refused),
		cmocka_unit_test(a_worker_cannot_reach_for_the_primary),
		cmocka_unit_test(a_worker_has_no_capabilities),
		cmocka_unit_test(abort_is_still_an_abort),
		cmocka_unit_test(a_write_to_what_is_not_its_own_is_a_crash),
		cmocka_unit_test(neighbours_are_one_range),
		cmocka_unit_test(descriptors_not_kept_are_closed),
		cmocka_unit_test(a_worker_without_a_cpu_of_its_own_is_not_bound_to_its_parents),
		cmocka_unit_test(a_worker_is_not_protected_as_its_primary_is),
		cmocka_unit_test(a_fault_leaves_no_core_dump),
		cmocka_unit_test(signals_are_as_after_exec),
		cmocka_unit_test(a_worker_whose_primary_is_gone_is_told_so),
		cmocka_unit_test(a_worker_dies_with_the_primary_that_adopted_it),
	};

	return cmocka_run_group_tests(tests, build_filter, NULL);
}
