/* Child processes by pidfd; see process.h for why. */
#define _GNU_SOURCE
#include "process.h"

#include <errno.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TASK_EXITING 0x4u /* PF_EXITING of the kernel's linux/sched.h, in field 9 of /proc/PID/stat: proc(5) */

uint64_t process_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

int process_open(pid_t pid)
{
	int fd = pidfd_open(pid, 0); /* always close-on-exec */

	return fd < 0 ? -errno : fd;
}

bool process_ended(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLIN);
}

int process_reap(int pidfd, struct process_end *end)
{
	siginfo_t info = { 0 };

	if (!process_ended(pidfd))
		return -EAGAIN;
	if (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG))
		return -errno;
	if (info.si_pid == 0)
		return -EAGAIN;
	end->known = true;
	end->killed = info.si_code != CLD_EXITED;
	end->dumped = info.si_code == CLD_DUMPED;
	end->code = info.si_status;
	return 0;
}

int process_kill(int pidfd, int signal)
{
	return pidfd_send_signal(pidfd, signal, NULL, 0) ? -errno : 0;
}

const char *process_end_text(const struct process_end *end, char *text, size_t bytes)
{
	if (!end->known)
		snprintf(text, bytes, "unknown end");
	else if (end->killed)
		snprintf(text, bytes, "signal %d (%s%s)", end->code, strsignal(end->code),
			 end->dumped ? ", core dumped" : "");
	else
		snprintf(text, bytes, "exit status %d", end->code);
	return text;
}

pid_t process_any_ended(void)
{
	siginfo_t info = { 0 };

	return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) ? 0 : info.si_pid;
}

void process_reap_pid(pid_t pid)
{
	siginfo_t info;

	waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG);
}

/* Value of a line "<key>:\t<hex>" of /proc/PID/status, 0 without one. */
static uint64_t status_mask(const char *status, const char *key)
{
	const char *at = strstr(status, key);

	return at == NULL ? 0 : strtoull(at + strlen(key), NULL, 16);
}

static bool read_proc(pid_t pid, const char *file, char *text, size_t bytes)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
	FILE *in = fopen(path, "re");
	if (in == NULL)
		return false;
	size_t got = fread(text, 1, bytes - 1, in);
	fclose(in);
	text[got] = 0;
	return got > 0;
}

bool process_is_dying(pid_t pid)
{
	const uint64_t killed = 1ull << (SIGKILL - 1);
	char text[4096], state = 0;
	unsigned int flags = 0;

	if (pid <= 0 || !read_proc(pid, "stat", text, sizeof(text)))
		return false;
	/* The name in parentheses may hold anything; behind the last one: state, five numbers, flags. */
	const char *at = strrchr(text, ')');
	if (at == NULL || sscanf(at + 1, " %c %*d %*d %*d %*d %*d %u", &state, &flags) != 2)
		return false;
	if (state == 'Z' || state == 'X' || (flags & TASK_EXITING) != 0)
		return true;
	/* Told to, but its main thread has not run since. */
	return read_proc(pid, "status", text, sizeof(text)) &&
	       ((status_mask(text, "SigPnd:") | status_mask(text, "ShdPnd:")) & killed) != 0;
}

int process_clock(pid_t pid, uint64_t *cpu_ns, bool *blocked)
{
	char text[1024];
	struct timespec t;
	clockid_t clock;
	int rc = clock_getcpuclockid(pid, &clock);

	if (rc != 0)
		return -rc;
	if (clock_gettime(clock, &t) != 0)
		return -errno;
	*cpu_ns = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
	/* The name in parentheses may hold anything; behind the last one stands the state. */
	const char *at = read_proc(pid, "stat", text, sizeof(text)) ? strrchr(text, ')') : NULL;
	*blocked = at != NULL && at[1] == ' ' && at[2] != 0 && strchr("SDTt", at[2]) != NULL;
	return 0;
}

bool process_is_stopped(pid_t pid)
{
	char text[1024];
	const char *at = read_proc(pid, "stat", text, sizeof(text)) ? strrchr(text, ')') : NULL;

	return at != NULL && at[1] == ' ' && (at[2] == 'T' || at[2] == 't');
}

static uint32_t kill_children_of(const char *path)
{
	FILE *list = fopen(path, "re");
	uint32_t count = 0;
	int pid;

	while (list && fscanf(list, "%d", &pid) == 1) {
		int pidfd = process_open(pid); /* a child that nobody has reaped: the pid is its own */
		if (pidfd < 0)
			continue;
		if (!process_ended(pidfd) && process_kill(pidfd, SIGKILL) == 0)
			count++;
		close(pidfd);
	}
	if (list)
		fclose(list);
	return count;
}

uint32_t process_end_children(uint32_t timeout_ms)
{
	uint64_t end = process_now_ns() + timeout_ms * 1000000ull;
	uint32_t killed = 0;
	glob_t found = { .gl_pathc = 0 };
	siginfo_t info;

	/* Children are listed by the thread that has them; adopted ones go to any. */
	glob("/proc/self/task/*/children", 0, NULL, &found);
	for (size_t i = 0; i < found.gl_pathc; i++)
		killed += kill_children_of(found.gl_pathv[i]);
	globfree(&found);
	for (;;) {
		info.si_pid = 0;
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG))
			break;
		if (info.si_pid == 0) {
			if (process_now_ns() >= end)
				break;
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
		}
	}
	return killed;
}
