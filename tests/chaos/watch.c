/* See watch.h. */
#define _GNU_SOURCE
#include "watch.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* Each of them is a request without an answer. What clients send wrong is not among them. */
static const enum core_drop loss[] = {
	DROP_no_worker, DROP_belt_full, DROP_message_room, DROP_pending_full, DROP_worker_died, DROP_refused,
	DROP_bad_verdict, DROP_no_buffer, DROP_tx_full, DROP_device_missed, DROP_device_nombuf, DROP_device_tx_errors,
};

uint64_t watch_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

void watch_nap_us(uint32_t us)
{
	struct timespec t = { .tv_sec = us / 1000000u, .tv_nsec = (long)(us % 1000000u) * 1000 };

	while (nanosleep(&t, &t) != 0 && errno == EINTR)
		;
}

/* splitmix64 (Steele, Lea, Flood 2014) */
uint64_t watch_random(struct watch *watch, uint64_t below)
{
	uint64_t z = (watch->seed += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return below == 0 ? 0 : (z ^ (z >> 31)) % below;
}

int watch_attach(struct watch *watch, const char *instance, uint32_t workers, uint32_t buckets)
{
	uint64_t end = watch_now_ms() + WATCH_WAIT_S * 1000u;
	int rc;

	watch->instance = instance;
	watch->workers = workers;
	watch->buckets = buckets;
	while ((rc = stats_attach(&watch->stats, instance)) != 0 && watch_now_ms() < end)
		watch_nap_us(20000);
	return rc;
}

void watch_take(const struct watch *watch, struct watch_counts *out)
{
	const struct stats *stats = &watch->stats;
	const struct CoreStats *main_page = stats_main(stats);

	*out = (struct watch_counts){
		.deaths = main_page->deaths, .with_unsettled = main_page->deaths_with_unsettled,
		.with_undo = main_page->deaths_with_undo, .records_undone = main_page->records_undone,
		.stalls = main_page->stalls, .gaps = stats_io(stats, 0)->gen_gaps,
	};
	for (size_t i = 0; i < sizeof(loss) / sizeof(loss[0]); i++)
		out->dropped += main_page->drop[loss[i]];
	for (uint32_t l = 0; l < stats->header->io_lcores; l++) {
		const volatile struct CoreStats *io = stats_io(stats, l);

		out->replies += io->replies + io->error_replies;
		out->redelivered += io->redelivered;
		out->drift += io->ledger_drift;
		out->sent += io->gen_sent;
		out->ok += io->gen_ok;
		out->lost += io->gen_lost;
		out->duplicated += io->gen_duplicated;
		out->reordered += io->gen_reordered;
		out->wrong += io->gen_wrong;
		for (size_t i = 0; i < sizeof(loss) / sizeof(loss[0]); i++)
			out->dropped += io->drop[loss[i]];
	}
}

const char *watch_fault(const struct watch_counts *now)
{
	static char text[256];

	if (now->lost + now->duplicated + now->reordered + now->wrong + now->dropped + now->drift == 0)
		return NULL;
	snprintf(text, sizeof(text), "lost %llu, duplicated %llu, reordered %llu, wrong %llu, dropped %llu, looks at a "
		 "ledger out of balance %llu", (unsigned long long)now->lost, (unsigned long long)now->duplicated,
		 (unsigned long long)now->reordered, (unsigned long long)now->wrong, (unsigned long long)now->dropped,
		 (unsigned long long)now->drift);
	return text;
}

uint32_t watch_list(const struct watch *watch, uint32_t from, uint32_t to, struct watch_process *out)
{
	uint32_t count = 0;

	for (uint32_t slot = 0; slot < watch->stats.header->slots; slot++) {
		struct stats_worker w;

		if (stats_worker_read(&watch->stats, slot, &w) != 0 || w.state < from || w.state > to)
			continue;
		out[count++] = (struct watch_process){
			.slot = slot, .state = w.state, .incarnation = w.incarnation, .buckets = w.buckets, .pid = (pid_t)w.pid,
		};
	}
	return count;
}

bool watch_serves(const struct watch *watch)
{
	struct watch_process p[BATON_MAX_WORKERS];
	uint32_t count = watch_list(watch, WORKER_ACTIVE, WORKER_ACTIVE, p), owning = 0, buckets = 0;

	for (uint32_t i = 0; i < count; i++) {
		owning += p[i].buckets != 0;
		buckets += p[i].buckets;
	}
	return owning >= watch->workers && buckets == watch->buckets;
}

bool watch_await_service(struct watch *watch, const struct watch_counts *since, uint64_t replies)
{
	uint64_t end = watch_now_ms() + WATCH_WAIT_S * 1000u;
	struct watch_counts now;

	for (;;) {
		bool serves = watch_serves(watch);

		watch_take(watch, &now);
		if (serves && now.replies - since->replies >= replies)
			return true;
		if (watch_now_ms() >= end)
			return false;
		watch_nap_us(200);
	}
}

bool watch_kill(const struct watch *watch, const struct watch_process *process, int signal)
{
	struct stats_worker w;
	bool sent = false;

	if (process->pid <= 0)
		return false;
	/* A number may be given to another process; a descriptor that was opened while batond still knew it may not. */
	int fd = (int)syscall(SYS_pidfd_open, process->pid, 0);
	if (fd < 0)
		return false;
	if (stats_worker_read(&watch->stats, process->slot, &w) == 0 && (pid_t)w.pid == process->pid &&
	    w.incarnation == process->incarnation && w.state != WORKER_DEAD && w.state != WORKER_NONE)
		sent = syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0) == 0;
	close(fd);
	return sent;
}

pid_t watch_restart(const struct watch *watch, const char *group)
{
	static char path[4096];
	char *argv[] = { path, "-i", (char *)(uintptr_t)watch->instance, "worker", "restart", (char *)(uintptr_t)group,
			 NULL };
	posix_spawn_file_actions_t actions;
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 16);
	char *slash = n > 0 ? strrchr(path, '/') : NULL;
	pid_t pid;

	if (slash == NULL)
		return -1;
	strcpy(slash + 1, "batonctl");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", 1, 0);
	posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", 1, 0);
	if (posix_spawn(&pid, path, &actions, NULL, argv, environ) != 0)
		pid = -1;
	posix_spawn_file_actions_destroy(&actions);
	return pid;
}
