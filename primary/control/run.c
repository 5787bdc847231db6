/* The main loop: waits for descriptors, lets every part of the control plane have its turn, ends on a signal. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "audit.h"
#include "log.h"
#include "pool.h"
#include "primary.h"
#include "supervisor.h"

/* datapath_poll() wants a turn every 10 ms, and every ms while an order is under way. */
#define TURN_IDLE_MS 10
#define TURN_BUSY_MS 1
#define DEVICE_LOOK_NS 1000000000ull

static struct primary *signalled; /* whom the handler tells */
static int wake_fd = -1;          /* eventfd: ends the wait; written by the handler and by I/O lcores */

static void on_signal(int number, siginfo_t *info, void *context)
{
	struct signal_sender *by = number == SIGHUP ? &signalled->hangup_by : &signalled->quit_by;
	int saved = errno;
	uint64_t one = 1;

	(void)context;
	if (number == SIGHUP || signalled->quit == 0) {
		by->uid = info->si_code <= 0 ? (sig_atomic_t)info->si_uid : 0; /* sent by a process, not by the kernel */
		by->pid = info->si_code <= 0 ? info->si_pid : 0;
	}

	/* Again changes nothing: sudo and timeout send a signal twice. SIGKILL is the way out of a stop that hangs. */
	if (number == SIGHUP)
		signalled->hangup = 1;
	else
		signalled->quit = number;
	if (write(wake_fd, &one, sizeof(one)) < 0) {
		/* the next turn comes within 10 ms anyway */
	}
	errno = saved;
}

static void on_wake(struct primary *primary, int fd, void *arg)
{
	uint64_t count;

	(void)primary;
	(void)arg;
	if (read(fd, &count, sizeof(count)) < 0)
		log_debug("main loop: %s", strerror(errno));
}

int run_init(struct primary *primary)
{
	static const int heard[] = { SIGTERM, SIGINT, SIGHUP };
	struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };

	for (uint32_t i = 0; i < PRIMARY_WATCHES; i++)
		primary->watch[i].fd = -1;
	wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake_fd < 0) {
		int rc = -errno;
		log_error("no eventfd: %s", strerror(errno));
		return rc;
	}
	signalled = primary;
	primary->setup.wake_fd = wake_fd;
	sigemptyset(&action.sa_mask);
	for (uint32_t i = 0; i < sizeof(heard) / sizeof(heard[0]); i++)
		sigaction(heard[i], &action, NULL);
	action = (struct sigaction){ .sa_handler = SIG_IGN };
	sigaction(SIGPIPE, &action, NULL);
	sigaction(SIGXFSZ, &action, NULL); /* a log that has grown too long is no reason to die */
	return primary_watch(primary, wake_fd, on_wake, NULL);
}

int primary_watch_events(struct primary *primary, int fd, bool writable, primary_watch_fn fn, void *arg)
{
	struct primary_watch *free_one = NULL;

	for (uint32_t i = 0; i < PRIMARY_WATCHES; i++) {
		struct primary_watch *watch = &primary->watch[i];

		if (watch->fd == fd) {
			free_one = watch;
			break;
		}
		if (watch->fd < 0 && free_one == NULL)
			free_one = watch;
	}
	if (free_one == NULL)
		return -ENOSPC;
	*free_one = (struct primary_watch){ .fd = fd, .events = POLLIN, .fn = fn, .arg = arg };
	if (writable)
		free_one->events |= POLLOUT;
	return 0;
}

int primary_watch(struct primary *primary, int fd, primary_watch_fn fn, void *arg)
{
	return primary_watch_events(primary, fd, false, fn, arg);
}

void primary_unwatch(struct primary *primary, int fd)
{
	for (uint32_t i = 0; i < PRIMARY_WATCHES; i++)
		if (primary->watch[i].fd == fd)
			primary->watch[i].fd = -1;
}

/* Waits at most timeout_ms and calls whom it concerns. A function may take away watches, its own and others', and add
 * new ones: what was polled is called only if the place still holds the same watch. */
static void wait_and_serve(struct primary *primary, int timeout_ms)
{
	struct pollfd polled[PRIMARY_WATCHES];
	struct primary_watch before[PRIMARY_WATCHES];

	for (uint32_t i = 0; i < PRIMARY_WATCHES; i++) {
		before[i] = primary->watch[i];
		polled[i] = (struct pollfd){ .fd = before[i].fd, .events = before[i].events };
	}
	if (poll(polled, PRIMARY_WATCHES, timeout_ms) <= 0)
		return;
	for (uint32_t i = 0; i < PRIMARY_WATCHES; i++) {
		const struct primary_watch *now = &primary->watch[i];

		if (before[i].fd < 0 || polled[i].revents == 0)
			continue;
		if (now->fd == before[i].fd && now->fn == before[i].fn && now->arg == before[i].arg)
			now->fn(primary, now->fd, now->arg);
	}
}

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/* Every group has its workers active and every bucket an owner. */
static bool all_active(const struct primary *primary)
{
	const struct config *config = &primary->config;

	for (uint32_t g = 0; g < config->groups; g++) {
		uint32_t active = 0;

		for (uint32_t slot = 0; slot < config->worker_slots; slot++) {
			const struct stats_worker *worker = &primary->stats.header->worker[slot];

			if (worker->state == WORKER_ACTIVE && strcmp(worker->group, config->group[g].name) == 0)
				active++;
		}
		if (primary->supervisor == NULL || active < group_owners(primary->supervisor, g))
			return false;
	}
	for (uint32_t s = 0; s < config->services; s++)
		for (uint32_t b = 0; b < config->service[s].buckets; b++)
			if (datapath_owner(primary->dp, s, b) == SLOT_NONE)
				return false;
	return true;
}

static void report_ready(struct primary *primary)
{
	const struct config *config = &primary->config;
	uint32_t workers = 0;

	if (primary->ready || !all_active(primary))
		return;
	primary->ready = true;
	audit_started(primary);
	for (uint32_t g = 0; g < config->groups; g++)
		workers += group_owners(primary->supervisor, g);
	log_info("ready: instance %s, ports %u, I/O lcores %u, workers %u, control socket %s/" BATON_CONTROL_SOCKET,
		 config->name, config->ports, config->io_cores, workers, primary->run_dir);
}

static void publish_zygote(struct stats_header *header, const struct zygote_client *zygote)
{
	uint32_t pid = zygote->current.fd >= 0 ? (uint32_t)zygote->current.pid : 0;
	uint32_t spare = zygote->spare.fd >= 0 && zygote->spare.ready ? (uint32_t)zygote->spare.pid : 0;

	/* relaxed: each says something by itself */
	atomic_store_explicit(&header->zygote_pid, pid, memory_order_relaxed);
	atomic_store_explicit(&header->zygote_spare_pid, spare, memory_order_relaxed);
	atomic_store_explicit(&header->zygote_deaths, zygote->deaths, memory_order_relaxed);
}

/* The main lcore's page: the monitors see by it that the control plane lives. */
static void publish(struct primary *primary)
{
	struct CoreStats *page = stats_main(&primary->stats);
	uint64_t tsc = rte_rdtsc();

	if (primary->supervisor != NULL)
		publish_zygote(primary->stats.header, &primary->supervisor->zygote);
	stats_add(&page->loops, 1);
	*(volatile uint64_t *)&page->heartbeat = tsc;
	/* relaxed: a sign of life, orders nothing */
	atomic_store_explicit(&primary->stats.header->alive_tsc, tsc, memory_order_relaxed);
}

void primary_run(struct primary *primary)
{
	uint64_t now;

	while (primary->quit == 0) {
		wait_and_serve(primary, primary->operations > 0 ? TURN_BUSY_MS : TURN_IDLE_MS);
		datapath_poll(primary->dp);
		primary_turn(primary);
		now = monotonic_ns();
		if (now >= primary->device_look_at_ns) {
			primary->device_look_at_ns = now + DEVICE_LOOK_NS;
			port_poll_device_stats(primary);
			port_link_poll(primary);
			port_link_publish(primary);
			stats_look(primary);
		}
		publish(primary);
		report_ready(primary);
	}
	audit_stopping(primary);
	if (primary->quit > 0)
		log_info("signal %d: stopping", (int)primary->quit);
}
