#define _GNU_SOURCE
#include "process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

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
		snprintf(text, bytes, "signal %d (%s)", end->code, strsignal(end->code));
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
