/* One child process for each question, its two streams read as they come, killed if it takes too long. */
#define _GNU_SOURCE
#include "plugin_ask.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "plugin_info.h"
#include "refuse.h"

extern char **environ;

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int ask_spawn(const char *zygote, const char *file, struct plugin_ask *ask)
{
	char *argv[] = { (char *)(uintptr_t)zygote, (char *)(uintptr_t) "--describe", (char *)(uintptr_t)file, NULL };
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
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, out[1], 1);
	posix_spawn_file_actions_adddup2(&actions, err[1], 2);
	posix_spawn_file_actions_addclosefrom_np(&actions, 3);
	rc = -posix_spawn(&ask->pid, zygote, &actions, &attributes, argv, environ);
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

int plugin_ask_begin(struct plugin_ask *ask, const char *zygote, const char *file, int timeout_ms, char *why,
		     size_t bytes)
{
	*ask = (struct plugin_ask){ .out = -1, .err = -1, .timeout_ms = timeout_ms };
	snprintf(ask->file, sizeof(ask->file), "%s", file);
	int rc = ask_spawn(zygote, file, ask);
	if (rc) {
		ask->pid = 0;
		return refuse(-rc, why, bytes, "cannot run %s: %s", zygote, strerror(-rc));
	}
	ask->deadline_ms = now_ms() + timeout_ms;
	return 0;
}

/* Reads all that is there; closes the stream at its end. What does not fit is read and forgotten. */
static void ask_read(int *fd, char *buffer, size_t size, size_t *len)
{
	char spill[4096];

	while (*fd >= 0) {
		bool full = *len == size - 1;
		ssize_t n = read(*fd, full ? spill : buffer + *len, full ? sizeof(spill) : size - 1 - *len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			close(*fd);
			*fd = -1;
		} else if (!full) {
			*len += (size_t)n;
		}
	}
}

/* What it had to say, as one line. */
static const char *ask_complaint(struct plugin_ask *ask)
{
	char *text = ask->complaint;

	text[ask->complaint_len] = 0;
	text[strcspn(text, "\n")] = 0;
	return text[0] ? text : "it did not say why";
}

static int ask_judge(struct plugin_ask *ask, int status, struct plugin_info *info, char *why, size_t bytes)
{
	char detail[160];

	if (WIFSIGNALED(status))
		return refuse(EINVAL, why, bytes, "plugin %s: loading it died of signal %d (%s)", ask->file,
			      WTERMSIG(status), strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status))
		return refuse(EINVAL, why, bytes, "plugin %s: %s", ask->file, ask_complaint(ask));
	int rc = plugin_info_parse(ask->text, ask->text_len, info, detail, sizeof(detail));
	return rc ? refuse(-rc, why, bytes, "plugin %s: %s", ask->file, detail) : 0;
}

int plugin_ask_poll(struct plugin_ask *ask, struct plugin_info *info, char *why, size_t bytes)
{
	int status = 0;

	ask_read(&ask->out, ask->text, sizeof(ask->text), &ask->text_len);
	ask_read(&ask->err, ask->complaint, sizeof(ask->complaint), &ask->complaint_len);
	if (ask->out < 0 && ask->err < 0) { /* it is about to end, if it has not yet */
		pid_t pid = waitpid(ask->pid, &status, WNOHANG);
		if (pid == ask->pid) {
			ask->pid = 0;
			return ask_judge(ask, status, info, why, bytes);
		}
		if (pid < 0 && errno != EINTR) {
			ask->pid = 0;
			return refuse(errno, why, bytes, "plugin %s: whoever described it is gone", ask->file);
		}
	}
	if (now_ms() < ask->deadline_ms)
		return -EAGAIN;
	plugin_ask_cancel(ask);
	return refuse(ETIMEDOUT, why, bytes, "plugin %s was not described within %d ms: does loading it block?",
		      ask->file, ask->timeout_ms);
}

void plugin_ask_cancel(struct plugin_ask *ask)
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

int plugin_ask(const char *zygote, const char *file, int timeout_ms, struct plugin_info *info, char *why, size_t bytes)
{
	struct plugin_ask ask;
	int rc = plugin_ask_begin(&ask, zygote, file, timeout_ms, why, bytes);

	if (rc)
		return rc;
	while ((rc = plugin_ask_poll(&ask, info, why, bytes)) == -EAGAIN) {
		struct pollfd fds[2] = { { .fd = ask.out, .events = POLLIN }, { .fd = ask.err, .events = POLLIN } };

		poll(fds, 2, ask.out < 0 && ask.err < 0 ? 1 : 10);
	}
	return rc;
}
