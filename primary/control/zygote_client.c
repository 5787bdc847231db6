/* The zygote and its spare as child processes: start, messages, succession, end. */
#define _GNU_SOURCE
#include "zygote_client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ask.h"
#include "log.h"
#include "process.h"
#include "sabotage.h"

#define SPARE_PAUSE_NS  1000000000ull /* between two that died, so that a bad one is no fork storm */
#define SPARE_ANSWER_NS 5000000000ull /* a spare that is not ready by then is not counted on */
#define STOP_MS         500
#define LAST_THREAD_NS  10000000

int zygote_find(char *path, size_t bytes)
{
	return ask_find("baton-zygote", "BATON_ZYGOTE", path, bytes);
}

/* Our end: non-blocking, and the kernel names the sender of every message. */
static int make_pair(int *ours, int *theirs)
{
	int fd[2], on = 1;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd))
		return -errno;
	if (setsockopt(fd[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) || fcntl(fd[0], F_SETFL, O_NONBLOCK)) {
		int rc = -errno;
		close(fd[0]);
		close(fd[1]);
		return rc;
	}
	*ours = fd[0];
	*theirs = fd[1];
	return 0;
}

static void forget(struct zygote_process *process)
{
	if (process->fd >= 0)
		close(process->fd);
	if (process->pidfd >= 0)
		close(process->pidfd);
	*process = (struct zygote_process){ .pidfd = -1, .fd = -1 };
}

/* Between fork and exec: async-signal-safe calls only, for the primary has threads. */
static void child_exec(const char *path, char *const *argv, const int *fds, int count)
{
	sigset_t none;
	int null = open("/dev/null", O_RDONLY);

	for (int signal = 1; signal < NSIG; signal++)
		if (signal != SIGKILL && signal != SIGSTOP)
			sigaction(signal, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (null < 0 || dup2(null, 0) < 0)
		_exit(127);
	for (int i = 0; i < count; i++)
		if (dup2(fds[i], ZYGOTE_FD_CONTROL + i) < 0)
			_exit(127);
	close_range((unsigned)(ZYGOTE_FD_CONTROL + count), ~0u, 0);
	execv(path, argv);
	_exit(127);
}

/* without_eal: by the list of pages. */
static int start_process(struct zygote_client *client, bool without_eal)
{
	const struct zygote_args *args = &client->args;
	const int kept[5] = { -1, args->state_fd, args->stats_fd, args->shadow_fd, args->pages_fd };
	char io_lcores[16], slots[16], parent[16], cpu[16];
	int ours = -1, theirs = -1, high[5] = { -1, -1, -1, -1, -1 }, count = without_eal ? 5 : 4, rc;
	bool all = true;

	snprintf(io_lcores, sizeof(io_lcores), "%u", args->io_lcores);
	snprintf(slots, sizeof(slots), "%u", args->slots);
	snprintf(parent, sizeof(parent), "%d", (int)getpid());
	snprintf(cpu, sizeof(cpu), "%u", args->cpu);
	const char *argv[] = {
		client->path, "--parent", parent, "--file-prefix", args->file_prefix, "--runtime-dir", args->runtime_dir,
		"--huge-dir", args->huge_dir, "--io-lcores", io_lcores, "--slots", slots, "--cpu", cpu,
		without_eal ? "--pages" : NULL, NULL,
	};

	rc = make_pair(&ours, &theirs);
	if (rc)
		return rc;
	/* Away from 3 to 7, so that no dup2 in the child overwrites what the next one needs. */
	for (int i = 0; i < count && all; i++) {
		high[i] = fcntl(i == 0 ? theirs : kept[i], F_DUPFD_CLOEXEC, 64);
		all = high[i] >= 0;
	}
	pid_t pid = all ? fork() : -1;
	if (pid == 0)
		child_exec(client->path, (char *const *)(uintptr_t)argv, high, count);
	rc = pid < 0 ? -errno : 0;
	close(theirs);
	for (int i = 0; i < count; i++)
		if (high[i] >= 0)
			close(high[i]);
	if (rc) {
		close(ours);
		return rc;
	}
	client->current = (struct zygote_process){
		.pid = pid, .pidfd = process_open(pid), .fd = ours, .asked_ns = process_now_ns()
	};
	return 0;
}

/* ---- messages ---- */

static void note_ready(struct zygote_client *client, struct zygote_process *process, struct zygote_message *message,
		       pid_t pid)
{
	message->text[sizeof(message->text) - 1] = 0;
	snprintf(client->dpdk, sizeof(client->dpdk), "%.*s", (int)sizeof(client->dpdk) - 1, message->text);
	process->ready = true;
	if (process->pidfd >= 0 || pid <= 0)
		return;
	process->pidfd = process_open(pid);
	if (process->pidfd >= 0)
		process->pid = pid;
}

/* Takes what a zygote says. Returns 0 when there is no more, -EPIPE when it hung up, -EPROTO with its complaint in
 * `why` when it failed. */
static int hear(struct zygote_client *client, struct zygote_process *process, char *why, size_t bytes)
{
	struct zygote_message message;
	int32_t pid;
	int fds[2], rc;

	while ((rc = zygote_receive(process->fd, &message, fds, &pid)) == 1) {
		for (int i = 0; i < 2; i++)
			if (fds[i] >= 0)
				close(fds[i]);
		if (message.kind == ZYGOTE_READY) {
			note_ready(client, process, &message, pid);
		} else if (message.kind == ZYGOTE_FAILED) {
			message.text[sizeof(message.text) - 1] = 0;
			snprintf(why, bytes, "%s", message.text);
			return -EPROTO;
		}
	}
	if (rc == -EAGAIN)
		return 0;
	if (rc == -EPROTO)
		snprintf(why, bytes, "%s is of another build: install batond and baton-zygote together", client->path);
	return rc == 0 ? -EPIPE : rc;
}

/* ---- the spare ---- */

static int ask_spare(struct zygote_client *client)
{
	struct zygote_message message = { .magic = ZYGOTE_MAGIC, .abi = BATON_ABI, .kind = ZYGOTE_SPARE };
	int ours = -1, theirs = -1;
	int rc = make_pair(&ours, &theirs);

	if (rc)
		return rc;
	rc = zygote_send(client->current.fd, &message, theirs, -1);
	close(theirs);
	if (rc) {
		close(ours);
		return rc;
	}
	client->spare = (struct zygote_process){ .pidfd = -1, .fd = ours, .asked_ns = process_now_ns() };
	return 0;
}

/* ---- start ---- */

/* Waits for READY of `process`. */
static int await_ready(struct zygote_client *client, struct zygote_process *process, const char *what,
		       uint64_t deadline_ns, char *why, size_t bytes)
{
	while (!process->ready) {
		uint64_t now = process_now_ns();
		struct pollfd p = { .fd = process->fd, .events = POLLIN };

		if (now >= deadline_ns) {
			snprintf(why, bytes, "%s did not attach within %d ms: is a CPU of it overloaded? "
				 "See the lines of baton-zygote above", what, ZYGOTE_START_MS);
			return -ETIMEDOUT;
		}
		poll(&p, 1, (int)((deadline_ns - now) / 1000000) + 1);
		int rc = hear(client, process, why, bytes);
		if (rc == -EPIPE)
			snprintf(why, bytes, "%s ended before it was attached: see the lines of baton-zygote above",
				 what);
		if (rc)
			return rc;
	}
	return 0;
}

int zygote_client_start(struct zygote_client *client, const struct zygote_args *args, char *why, size_t bytes)
{
	uint64_t deadline = process_now_ns() + ZYGOTE_START_MS * 1000000ull;

	*client = (struct zygote_client){
		.current = { .pidfd = -1, .fd = -1 }, .spare = { .pidfd = -1, .fd = -1 }, .args = *args
	};
	int rc = zygote_find(client->path, sizeof(client->path));
	if (rc) {
		snprintf(why, bytes,
			 "no program baton-zygote beside batond: install it there or set BATON_ZYGOTE to its path");
		return rc;
	}
	/* Workers are grandchildren of the zygote's: when the one between leaves, they become ours. */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)) {
		snprintf(why, bytes, "cannot become child subreaper: %s", strerror(errno));
		return -errno;
	}
	rc = start_process(client, false);
	if (rc) {
		snprintf(why, bytes, "cannot start %s: %s", client->path, strerror(-rc));
		return rc;
	}
	rc = await_ready(client, &client->current, "the zygote", deadline, why, bytes);
	if (rc == 0) {
		rc = ask_spare(client);
		if (rc)
			snprintf(why, bytes, "cannot ask the zygote for its spare: %s", strerror(-rc));
	}
	if (rc == 0)
		rc = await_ready(client, &client->spare, "the zygote's spare", deadline, why, bytes);
	if (rc)
		zygote_client_stop(client);
	return rc;
}

/* ---- running ---- */

int zygote_client_spawn(struct zygote_client *client, const struct zygote_spawn *spawn, int image, int *socket)
{
	struct zygote_message message = {
		.magic = ZYGOTE_MAGIC, .abi = BATON_ABI, .kind = ZYGOTE_SPAWN, .spawn = *spawn
	};
	int ours = -1, theirs = -1, rc;

	if (client->current.fd < 0)
		return -ENOTCONN;
	rc = make_pair(&ours, &theirs);
	if (rc)
		return rc;
	rc = zygote_send(client->current.fd, &message, theirs, image);
	close(theirs);
	if (rc) {
		close(ours);
		return rc;
	}
	*socket = ours;
	return 0;
}

/* The zygote has threads of EAL's, and the last of them may still be in its last system call when the pidfd says that
 * all is over: taking its own entries out of /proc. Linux (seen on 6.18) waits for that by spinning in waitid(),
 * beside that very thread on one CPU for as long as the scheduler likes: so it is given time first. */
static void reap(struct zygote_process *process, struct process_end *end)
{
	nanosleep(&(struct timespec){ .tv_nsec = LAST_THREAD_NS }, NULL);
	process_reap(process->pidfd, end);
}

/* Looks after one of the two. Returns true if it is gone; the caller says what that means. */
static bool is_gone(struct zygote_client *client, struct zygote_process *process, const char *what, char *how,
		    size_t bytes)
{
	struct process_end end = { .known = false };
	char why[1024] = "";

	if (process->fd < 0)
		return false;
	int rc = hear(client, process, why, sizeof(why));
	if (why[0])
		log_error("%s: %s", what, why);
	bool ended = process->pidfd >= 0 && process_ended(process->pidfd);
	if ((rc == 0 || rc == -EPROTO) && !ended)
		return false;
	if (process->pidfd >= 0 && !ended) /* hung up or broken: nobody can use it any more */
		process_kill(process->pidfd, SIGKILL);
	if (process->pidfd >= 0)
		reap(process, &end);
	process_end_text(&end, how, bytes);
	return true;
}

/* Both are dead: one that does without EAL, for no second EAL start may happen while there is traffic. Orders that come
 * before it is ready wait in its socket. */
static void start_again(struct zygote_client *client, uint64_t now)
{
	int rc;

	if (client->args.pages_fd < 0 || now < client->again_after_ns || BATON_SABOTAGE(no_zygote_again))
		return;
	client->again_after_ns = now + SPARE_PAUSE_NS;
	rc = start_process(client, true);
	if (rc != 0) {
		log_error("cannot start another zygote: %s; it is tried again", strerror(-rc));
		return;
	}
	client->again = true;
	log_warn("a new zygote, pid %d, is started, without EAL", (int)client->current.pid);
}

static void look_after_current(struct zygote_client *client)
{
	char how[64];

	if (!is_gone(client, &client->current, "the zygote", how, sizeof(how)))
		return;
	client->deaths++;
	if (client->spare.fd >= 0)
		log_warn("the zygote, pid %d, is gone: %s; its spare, pid %d, takes over", (int)client->current.pid, how,
			 (int)client->spare.pid);
	else
		log_error("the zygote, pid %d, is gone: %s; there is no spare: running workers go on, but none can be "
			  "started until there is a new zygote", (int)client->current.pid, how);
	forget(&client->current);
	if (!BATON_SABOTAGE(spare_not_used)) {
		client->current = client->spare;
		client->spare = (struct zygote_process){ .pidfd = -1, .fd = -1 };
	}
	client->spare_after_ns = 0;
}

void zygote_client_poll(struct zygote_client *client)
{
	uint64_t now = process_now_ns();
	char how[64];

	if (is_gone(client, &client->spare, "the zygote's spare", how, sizeof(how))) {
		log_warn("the zygote's spare, pid %d, is gone: %s; a new one is made", (int)client->spare.pid, how);
		forget(&client->spare);
		client->deaths++;
		client->spare_after_ns = now + SPARE_PAUSE_NS;
	}
	look_after_current(client);
	if (client->current.fd < 0)
		start_again(client, now);
	if (client->again && !client->current.ready && client->current.fd >= 0 &&
	    now > client->current.asked_ns + SPARE_ANSWER_NS) {
		log_error("the new zygote, pid %d, is not ready after 5 s: killed", (int)client->current.pid);
		zygote_client_kill(client);
		client->current.asked_ns = now;
	}
	if (client->spare.fd >= 0 && !client->spare.ready && now - client->spare.asked_ns > SPARE_ANSWER_NS) {
		log_warn("the zygote's new spare is not ready after 5 s; another one is asked for");
		forget(&client->spare);
		client->spare_after_ns = now + SPARE_PAUSE_NS;
	}
	if (client->current.ready && client->spare.fd < 0 && now >= client->spare_after_ns && ask_spare(client))
		client->spare_after_ns = now + SPARE_PAUSE_NS;
}

void zygote_client_kill(struct zygote_client *client)
{
	if (client->current.pidfd >= 0)
		process_kill(client->current.pidfd, SIGKILL);
}

static void stop_process(struct zygote_process *process)
{
	struct process_end end;
	struct pollfd p = { .fd = process->pidfd, .events = POLLIN };

	if (process->fd >= 0)
		close(process->fd);
	process->fd = -1;
	if (process->pidfd >= 0) {
		if (poll(&p, 1, STOP_MS) != 1)
			process_kill(process->pidfd, SIGKILL);
		poll(&p, 1, STOP_MS);
		reap(process, &end);
	}
	forget(process);
}

void zygote_client_stop(struct zygote_client *client)
{
	stop_process(&client->spare);
	stop_process(&client->current);
}
