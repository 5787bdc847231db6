/* One child process for each question. */
#define _GNU_SOURCE
#include "ask.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int ask_find(const char *name, const char *variable, char *path, size_t bytes)
{
	const char *given = getenv(variable);
	char own[PATH_MAX];

	if (given && given[0]) {
		if ((size_t)snprintf(path, bytes, "%s", given) >= bytes)
			return -ENAMETOOLONG;
	} else {
		ssize_t n = readlink("/proc/self/exe", own, sizeof(own) - 1);
		if (n <= 0)
			return -ENOENT;
		own[n] = 0;
		*(strrchr(own, '/') + 1) = 0; /* the link is absolute */
		if ((size_t)snprintf(path, bytes, "%s%s", own, name) >= bytes)
			return -ENAMETOOLONG;
	}
	return access(path, X_OK) ? -ENOENT : 0;
}

static int start(struct ask *ask, char *const *argv)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none, all;
	int out[2], err[2], rc;

	if (pipe2(out, O_CLOEXEC))
		return -errno;
	if (pipe2(err, O_CLOEXEC)) {
		rc = -errno;
		close(out[0]);
		close(out[1]);
		return rc;
	}
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawn_file_actions_init(&actions);
	if (ask->in > 0)
		posix_spawn_file_actions_adddup2(&actions, ask->in, 0);
	else
		posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out[1], 1);
	posix_spawn_file_actions_adddup2(&actions, err[1], 2);
	posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	rc = -posix_spawn(&ask->pid, argv[0], &actions, &attributes, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attributes);
	close(out[1]);
	close(err[1]);
	if (rc) {
		close(out[0]);
		close(err[0]);
		return rc;
	}
	/* Only our ends: the other process waits for room as usual. */
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	fcntl(err[0], F_SETFL, O_NONBLOCK);
	ask->out = out[0];
	ask->err = err[0];
	return 0;
}

int ask_begin(struct ask *ask, char *const *argv, int timeout_ms)
{
	ask->in = -1;
	return ask_begin_with(ask, argv, timeout_ms);
}

int ask_begin_with(struct ask *ask, char *const *argv, int timeout_ms)
{
	*ask = (struct ask){ .out = -1, .err = -1, .timeout_ms = timeout_ms, .take = ask->take, .arg = ask->arg,
			     .in = ask->in };
	int rc = start(ask, argv);
	if (rc) {
		ask->pid = 0;
		return rc;
	}
	ask->deadline_ms = now_ms() + timeout_ms;
	return 0;
}

#define READS_MOST 64 /* at a time: one that never stops talking must not hold us up */

/* Reads what is there; closes the stream at its end. What does not fit is read and forgotten. */
static void read_stream(struct ask *ask, int *fd, char *buffer, size_t size, size_t *len)
{
	char spill[4096];

	for (int reads = 0; *fd >= 0 && reads < READS_MOST; reads++) {
		bool take = fd == &ask->out && ask->take, full = take || *len == size - 1;
		ssize_t n = read(*fd, full ? spill : buffer + *len, full ? sizeof(spill) : size - 1 - *len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			close(*fd);
			*fd = -1;
			return;
		}
		if (take)
			ask->take(ask->arg, spill, (size_t)n);
		else if (!full)
			*len += (size_t)n;
		if (fd == &ask->err)
			ask->complaint_total += (uint64_t)n;
	}
}

int ask_poll(struct ask *ask, int *status)
{
	read_stream(ask, &ask->out, ask->text, sizeof(ask->text), &ask->text_len);
	read_stream(ask, &ask->err, ask->complaint, sizeof(ask->complaint), &ask->complaint_len);
	if (ask->out < 0 && ask->err < 0) { /* it is about to end, if it has not yet */
		pid_t pid = waitpid(ask->pid, status, WNOHANG);
		if (pid == ask->pid) {
			ask->pid = 0;
			return 0;
		}
		if (pid < 0 && errno != EINTR) {
			ask->pid = 0;
			return -ECHILD;
		}
	}
	if (now_ms() < ask->deadline_ms)
		return -EAGAIN;
	ask_cancel(ask);
	return -ETIMEDOUT;
}

int ask_wait(struct ask *ask, int *status)
{
	int rc;

	while ((rc = ask_poll(ask, status)) == -EAGAIN) {
		struct pollfd fds[2] = { { .fd = ask->out, .events = POLLIN }, { .fd = ask->err, .events = POLLIN } };

		poll(fds, 2, ask->out < 0 && ask->err < 0 ? 1 : 10);
	}
	return rc;
}

void ask_cancel(struct ask *ask)
{
	if (ask->pid <= 0)
		return;
	kill(ask->pid, SIGKILL);
	while (waitpid(ask->pid, NULL, 0) < 0 && errno == EINTR)
		;
	ask->pid = 0;
	if (ask->out >= 0)
		close(ask->out);
	if (ask->err >= 0)
		close(ask->err);
	ask->out = ask->err = -1;
}
