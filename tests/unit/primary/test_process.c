/* Which processes are on their way out, and which only look still. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process.h"

/* A child that does nothing, in the state that `signal` puts it in (0: as it is). */
static pid_t child(int signal, int wait_for)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	assert_true(pid > 0);
	if (signal != 0) {
		kill(pid, signal);
		assert_int_equal(waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, wait_for | WNOWAIT), 0);
	}
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void a_killed_process_is_dying_until_it_is_reaped(void **state)
{
	pid_t pid = child(SIGKILL, WEXITED);

	(void)state;
	assert_true(process_is_dying(pid));
	end(pid);
	assert_false(process_is_dying(pid));
}

static void who_lives_sleeps_or_is_stopped_is_not_dying(void **state)
{
	pid_t idle = child(0, 0), stopped = child(SIGSTOP, WSTOPPED);

	(void)state;
	assert_false(process_is_dying(getpid()));
	assert_false(process_is_dying(idle));
	assert_false(process_is_dying(stopped));
	assert_false(process_is_dying(0));
	assert_false(process_is_dying(-1));
	end(idle);
	end(stopped);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_killed_process_is_dying_until_it_is_reaped),
		cmocka_unit_test(who_lives_sleeps_or_is_stopped_is_not_dying),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
