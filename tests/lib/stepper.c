/* Single steps by ptrace. */
#define _GNU_SOURCE
#include "stepper.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static void fail(const char *what)
{
	perror(what);
	abort();
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) != pid)
		if (errno != EINTR)
			fail("stepper: waitpid");
	return status;
}

pid_t stepper_start(void (*fn)(void *arg), void *arg)
{
	cpu_set_t one;
	int cpu = sched_getcpu();

	CPU_ZERO(&one);
	CPU_SET(cpu < 0 ? 0 : cpu, &one);
	(void)sched_setaffinity(0, sizeof(one), &one); /* only speed depends on it */
	pid_t pid = fork();
	if (pid < 0)
		fail("stepper: fork");
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
			_exit(1);
		raise(SIGSTOP);
		fn(arg);
		_exit(0);
	}
	if (!WIFSTOPPED(wait_for(pid)))
		fail("stepper: ptrace is refused on this machine");
	return pid;
}

bool stepper_step(pid_t pid)
{
	if (ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0)
		fail("stepper: ptrace");
	int status = wait_for(pid);
	if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP)
		return true;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return false;
	fprintf(stderr, "stepper: the child ended or stopped with status %#x\n", (unsigned int)status);
	abort();
}

uint64_t stepper_at(pid_t pid)
{
	errno = 0;
	long at = ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, regs.rip), NULL);
	if (errno != 0)
		fail("stepper: ptrace");
	return (uint64_t)at;
}

static void debug_register(pid_t pid, uint32_t number, uint64_t value)
{
	if (ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg) + number * sizeof(long), value) != 0)
		fail("stepper: no breakpoints of the CPU on this machine");
}

void stepper_run_to(pid_t pid, uint64_t address, uint32_t nth)
{
	debug_register(pid, 0, address);
	debug_register(pid, 7, 1); /* register 0, one byte, executed */
	while (nth-- != 0) {
		if (ptrace(PTRACE_CONT, pid, NULL, NULL) != 0)
			fail("stepper: ptrace");
		int status = wait_for(pid);
		if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP || stepper_at(pid) != address) {
			fprintf(stderr, "stepper: status %#x where a breakpoint was to come\n", (unsigned int)status);
			abort();
		}
	}
	debug_register(pid, 7, 0);
}

void stepper_end(pid_t pid, int signal)
{
	int status;

	if (signal == SIGKILL)
		return stepper_kill(pid);
	if (ptrace(signal == SIGSTOP ? PTRACE_DETACH : PTRACE_CONT, pid, NULL, (long)signal) != 0)
		fail("stepper: ptrace");
	while (waitpid(pid, &status, WUNTRACED) != pid)
		if (errno != EINTR)
			fail("stepper: waitpid");
	if (signal == SIGSTOP && WIFSTOPPED(status))
		return stepper_kill(pid);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != signal) {
		fprintf(stderr, "stepper: status %#x after signal %d\n", (unsigned int)status, signal);
		abort();
	}
}

void stepper_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	wait_for(pid);
}
