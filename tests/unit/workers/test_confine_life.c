/* What a worker inherits of the process that forked it, and how it leaves: descriptors, CPUs, signals, its end. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "confine_rig.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(descriptors_not_kept_are_closed),
		cmocka_unit_test(a_worker_without_a_cpu_of_its_own_is_not_bound_to_its_parents),
		cmocka_unit_test(a_worker_is_not_protected_as_its_primary_is),
		cmocka_unit_test(a_fault_leaves_no_core_dump),
		cmocka_unit_test(signals_are_as_after_exec),
		cmocka_unit_test(a_worker_whose_primary_is_gone_is_told_so),
		cmocka_unit_test(a_worker_dies_with_the_primary_that_adopted_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
