/* Forking: workers and the spare, each by way of a process that leaves at once. */
#define _GNU_SOURCE
#include "zygote_spawn.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <rte_version.h>

int spawn_say(uint32_t kind, const char *text)
{
	static struct zygote_message message;

	message.magic = ZYGOTE_MAGIC;
	message.abi = BATON_ABI;
	message.kind = kind;
	snprintf(message.text, sizeof(message.text), "%s", text);
	return zygote_send(ZYGOTE_FD_CONTROL, &message, -1, -1);
}

/* On the worker's own socket: one that stops or hangs at its first instruction could not be ended by anybody who does
 * not know its pid. */
static void say_born(int control, pid_t pid)
{
	static struct zygote_message message;

	message = (struct zygote_message){.magic = ZYGOTE_MAGIC, .abi = BATON_ABI, .kind = WORKER_BORN, .born = pid};
	(void)zygote_send(control, &message, -1, -1);
}

/* glibc's fork twice: the one between leaves at once, so that the grandchild becomes the primary's. (Raw clone would
 * leave malloc's locks as some EAL thread held them.) born: where its pid is told, -1: nowhere. cpu: where as much as
 * can of it happens, -1: here. Our own CPU may be the one that an I/O lcore polls on, too. Returns true in the
 * grandchild. */
static bool fork_away(int born, int32_t cpu)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (cpu >= 0)
			(void)confine_cpu(cpu); /* the worker will say what is wrong with it */
		pid = fork();
		if (pid == 0)
			return true;
		if (pid > 0 && born >= 0)
			say_born(born, pid);
		_exit(pid < 0);
	}
	/* Nobody is there to be told of a failure: the worker's socket closes, and the primary sees that. */
	while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return false;
}

/* What the spare keeps: its own control socket and the three files, never the socket of EAL's IPC, which the primary
 * would write to for ever. */
static void become_spare(struct worker_host *host, int control)
{
	int fd[4] = {control, ZYGOTE_FD_STATE, ZYGOTE_FD_STATS, ZYGOTE_FD_SHADOW};

	if (confine_descriptors(fd, 4) != 0 || confine_die_with(host->primary) != 0)
		_exit(1);
	spawn_serve(host);
}

/* What a worker has to unmap, for the next one: EAL's thread maps what the primary's heap might have grown by. Not at
 * once: the I/O lcore may wait for this CPU, to go on with the worker that has just been forked. */
#define REFRESH_MS 20
static bool maps_stale;

static void refresh_maps(struct worker_host *host)
{
	if (maps_stale && confine_maps_read(&host->maps) == 0)
		maps_stale = false;
}

static void carry_out(struct worker_host *host, const struct zygote_message *message, int fd[2])
{
	bool spawn = message->kind == ZYGOTE_SPAWN && fd[0] >= 0 && fd[1] >= 0;
	bool spare = message->kind == ZYGOTE_SPARE && fd[0] >= 0;

	refresh_maps(host);
	if ((spawn || spare) && fork_away(spawn ? fd[0] : -1, spawn && message->spawn.alone ? message->spawn.cpu : -1)) {
		if (spare)
			become_spare(host, fd[0]);
		worker_run(host, &message->spawn, fd[0], fd[1]);
	}
	for (int i = 0; i < 2; i++)
		if (fd[i] >= 0)
			close(fd[i]);
	maps_stale = true;
}

void spawn_serve(struct worker_host *host)
{
	static struct zygote_message message;
	int fd[2];

	if (spawn_say(ZYGOTE_READY, rte_version()) != 0)
		_exit(1);
	for (;;) {
		struct pollfd control = {.fd = ZYGOTE_FD_CONTROL, .events = POLLIN};

		int ready = poll(&control, 1, maps_stale ? REFRESH_MS : -1);

		if (ready < 0 && errno != EINTR)
			_exit(1);
		if (ready == 0) {
			refresh_maps(host);
			continue;
		}
		int rc = zygote_receive(ZYGOTE_FD_CONTROL, &message, fd, NULL);
		if (rc == 1)
			carry_out(host, &message, fd);
		else if (rc == -EPROTO)
			spawn_say(ZYGOTE_FAILED, "the zygote got an order of another build: install batond and "
						 "baton-zygote together");
		else if (rc != -EAGAIN)
			_exit(0); /* the primary hung up */
	}
}
