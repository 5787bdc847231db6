/* A supervisor with a fake data path, a fake zygote and real processes, turned by hand. Include once per program. */
#ifndef TEST_SUPERVISOR_RIG_H
#define TEST_SUPERVISOR_RIG_H

#include <jansson.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "command.h"
#include "fake_datapath.h"
#include "log.h"
#include "plugin_image.h"
#include "process.h"
#include "supervisor.h"

#define RIG_SLOTS   6u
#define RIG_WORKERS 2u
/* How long a state is waited for: a minute, unless the caller knows better (a rule that is broken is waited for in vain). */
#define RIG_WAIT_S (getenv("BATON_TEST_WAIT_S") ? strtoull(getenv("BATON_TEST_WAIT_S"), NULL, 10) : 60ull)
#define RIG_WAIT_NS (RIG_WAIT_S * 1000000000ull)

static struct rig {
	struct primary *primary;
	char dir[64];
	char plugin[BATON_PATH_BYTES]; /* the group's file */
	json_t *reply;                 /* of the last restart */
	size_t state_bytes;
} rig;

/* ---- the main loop's part ---- */

int primary_watch_events(struct primary *primary, int fd, bool writable, primary_watch_fn fn, void *arg)
{
	struct primary_watch *place = NULL;

	for (uint32_t i = 0; i < PRIMARY_WATCHES; i++) {
		struct primary_watch *w = &primary->watch[i];
		if (w->fd == fd || (w->fd < 0 && !place))
			place = w;
		if (w->fd == fd)
			break;
	}
	if (!place)
		return -ENOSPC;
	*place = (struct primary_watch){
		.fd = fd, .events = (short)(POLLIN | (writable ? POLLOUT : 0)), .fn = fn, .arg = arg
	};
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

static inline void rig_turn(void)
{
	struct pollfd fds[PRIMARY_WATCHES];

	for (uint32_t i = 0; i < PRIMARY_WATCHES; i++)
		fds[i] = (struct pollfd){ .fd = rig.primary->watch[i].fd, .events = rig.primary->watch[i].events };
	if (poll(fds, PRIMARY_WATCHES, 1) > 0)
		for (uint32_t i = 0; i < PRIMARY_WATCHES; i++) {
			struct primary_watch w = rig.primary->watch[i];
			if (fds[i].fd >= 0 && fds[i].revents && w.fd == fds[i].fd)
				w.fn(rig.primary, w.fd, w.arg);
		}
	primary_turn(rig.primary);
}

/* Turns until the condition holds; fails the test if it does not within a minute. */
#define wait_until(condition) \
	do { \
		uint64_t end_ = process_now_ns() + RIG_WAIT_NS; \
		while (!(condition)) { \
			if (process_now_ns() > end_) \
				fail_msg("still not so after %llu s: %s", (unsigned long long)RIG_WAIT_S, #condition); \
			rig_turn(); \
		} \
	} while (0)

/* ---- what tests look at ---- */

static inline struct worker *rig_worker(uint32_t i) { return &rig.primary->supervisor->worker[i]; }
static inline struct worker_slot *rig_slot(uint32_t slot) { return &rig.primary->supervisor->slot[slot]; }
static inline pid_t rig_pid(uint32_t worker)
{
	return rig_worker(worker)->slot == SLOT_NONE ? 0 : rig_slot(rig_worker(worker)->slot)->pid;
}

static inline bool rig_settled(void)
{
	for (uint32_t i = 0; i < RIG_WORKERS; i++)
		if (!worker_settled(rig.primary->supervisor, i))
			return false;
	for (uint32_t i = 0; i < RIG_SLOTS; i++)
		if (rig_slot(i)->state != WORKER_NONE && rig_slot(i)->state != WORKER_ACTIVE)
			return false;
	return true;
}

/* Every bucket of every service is with the worker whose share it is. */
static inline bool rig_shares_are_right(void)
{
	for (uint32_t s = 0; s < FAKE_SERVICES; s++)
		for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
			if (fake.owner[s][b] != rig_worker(b % RIG_WORKERS)->slot)
				return false;
	return true;
}

static inline bool is_gone(pid_t pid) { return kill(pid, 0) == -1 && errno == ESRCH; }

static inline char *rig_path(char *path, const char *name)
{
	snprintf(path, BATON_PATH_BYTES, "%s/%s", rig.dir, name);
	return path;
}

static inline void rig_kept(struct version_kept *kept, const char *path)
{
	char why[256];
	int image;

	if (!kept || strcmp(kept->path, path) != 0)
		return;
	if (plugin_image_open(path, &image, why, sizeof(why)) != 0)
		fail_msg("%s", why);
	dup2(image, kept->image);
	close(image);
}

/* The file's text, and how what is started from it behaves from now on: also the next process of a worker that runs it,
 * which is started from the copy that is kept. */
static inline void rig_plugin(const char *name, const char *text)
{
	struct supervisor *sup = rig.primary->supervisor;
	char path[BATON_PATH_BYTES];

	fake_plugin_write(rig_path(path, name), text);
	for (uint32_t i = 0; sup && i < sup->workers; i++)
		rig_kept(sup->worker[i].kept, path);
	for (uint32_t g = 0; sup && g < rig.primary->config.groups; g++)
		rig_kept(sup->version[g].kept, path);
}

/* Another file in its place, and nothing else. */
static inline void rig_file(const char *name, const char *text)
{
	char path[BATON_PATH_BYTES];

	fake_plugin_write(rig_path(path, name), text);
}

/* ---- start and end ---- */

static inline void rig_config(struct config *config)
{
	snprintf(config->name, sizeof(config->name), "unit");
	config->io_cores = 1;
	config->worker_slots = RIG_SLOTS;
	config->start_timeout_ns = 20000000000ull;
	config->groups = 1;
	snprintf(config->group[0].name, BATON_NAME_BYTES, "game");
	snprintf(config->group[0].plugin, BATON_PATH_BYTES, "%s", rig.plugin);
	config->group[0].count = RIG_WORKERS;
	config->group[0].restart_delay_most_ns = 100 * (config->group[0].restart_delay_ns = 10000000ull);
	config->group[0].versions = 2;
	snprintf(config->group[0].version[0].name, BATON_NAME_BYTES, "two");
	rig_path(config->group[0].version[0].plugin, "two.so");
	snprintf(config->group[0].version[1].name, BATON_NAME_BYTES, "bad");
	rig_path(config->group[0].version[1].plugin, "bad.so");
	config->services = FAKE_SERVICES;
	for (uint32_t i = 0; i < FAKE_SERVICES; i++) {
		config->service[i].buckets = FAKE_BUCKETS;
		config->service[i].group_index = 0;
	}
}

static inline int rig_memory(struct primary *primary)
{
	/* header, control blocks, and a page each for the words and the records of a group: see rig_records() */
	rig.state_bytes = (size_t)(3 + RIG_SLOTS) * BATON_HUGE_PAGE;
	primary->state.fd = memfd_create("state", MFD_CLOEXEC);
	primary->stats_fd = memfd_create("stats", MFD_CLOEXEC);
	if (primary->state.fd < 0 || primary->stats_fd < 0 || ftruncate(primary->state.fd, (off_t)rig.state_bytes))
		return -1;
	/* Its first page is what fake workers look at; the header behind it only has a salt. */
	primary->state.base =
		mmap(NULL, rig.state_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, primary->state.fd, 0);
	if (primary->state.base == MAP_FAILED)
		return -1;
	primary->state.header = (struct state_header *)(void *)(primary->state.base + 4096);
	primary->stats.header = aligned_alloc(4096, STATS_HEADER_BYTES);
	primary->stats.page = aligned_alloc(4096, (2 + RIG_SLOTS) * sizeof(struct CoreStats));
	primary->stats.slot = aligned_alloc(4096, RIG_SLOTS * sizeof(struct stats_slot));
	primary->stats.cycles = aligned_alloc(4096, RIG_SLOTS * sizeof(struct stats_cycles));
	if (!primary->stats.header || !primary->stats.page || !primary->stats.slot || !primary->stats.cycles)
		return -1;
	memset(primary->stats.slot, 0, RIG_SLOTS * sizeof(struct stats_slot));
	memset(primary->stats.cycles, 0, RIG_SLOTS * sizeof(struct stats_cycles));
	memset(primary->stats.header, 0, STATS_HEADER_BYTES);
	memset(primary->stats.page, 0, (2 + RIG_SLOTS) * sizeof(struct CoreStats));
	primary->stats.header->io_lcores = 1;
	primary->stats.header->slots = RIG_SLOTS;
	primary->stats.header->pages = 2 + RIG_SLOTS;
	primary->stats.slots = RIG_SLOTS;
	primary->stats.lanes = RIG_SLOTS + STATS_LANES_KEPT;
	return 0;
}

/* Between rig_prepare() and supervisor_init(): its group has records, all of them empty and of schema FAKE_SCHEMA, and one
 * service. */
static inline void rig_records(void)
{
	struct state_header *header = rig.primary->state.header;

	header->groups = 1;
	header->slots = RIG_SLOTS;
	header->belts = 1;
	header->salt = 77;
	header->group[0] = (struct state_group){
		.name = "game", .buckets = FAKE_BUCKETS, .bucket_slots = 16, .record_size = FAKE_RECORD, .stride = 64,
		.schema = FAKE_SCHEMA, .newest = FAKE_SCHEMA, .words_at = (1 + RIG_SLOTS) * BATON_HUGE_PAGE,
		.records_at = (2 + RIG_SLOTS) * BATON_HUGE_PAGE, .records_bytes = FAKE_BUCKETS * 16 * 64,
	};
	rig.primary->config.services = 1;
}

/* Everything up to, not including, supervisor_init(). */
static inline int rig_prepare(void)
{
	static char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	memset(&rig, 0, sizeof(rig));
	snprintf(rig.dir, sizeof(rig.dir), "/tmp/baton-unit.XXXXXX");
	if (n <= 0 || !mkdtemp(rig.dir))
		return -1;
	setenv("BATON_ZYGOTE", self, 1);
	rig.primary = calloc(1, sizeof(*rig.primary));
	if (!rig.primary || rig_memory(rig.primary))
		return -1;
	rig_path(rig.plugin, "game.so");
	rig_plugin("game.so", "ok 1");
	rig_plugin("two.so", "ok 2");
	rig_config(&rig.primary->config);
	snprintf(rig.primary->run_dir, sizeof(rig.primary->run_dir), "%s", rig.dir);
	snprintf(rig.primary->file_prefix, sizeof(rig.primary->file_prefix), "unit");
	rig.primary->plugin[0] = (struct plugin_info){
		.key = BATON_KEY_FLOW, .record_size = FAKE_RECORD, .schema = FAKE_SCHEMA, .name = "fake", .version = "1"
	};
	rig.primary->running = true;
	for (uint32_t i = 0; i < PRIMARY_WATCHES; i++)
		rig.primary->watch[i].fd = -1;
	fake_datapath_init(rig.primary, (struct fake_shared *)(void *)rig.primary->state.base);
	return 0;
}

static inline int rig_start(void **unused)
{
	(void)unused;
	if (rig_prepare() || supervisor_init(rig.primary) || command_init(rig.primary))
		return -1;
	wait_until(rig_settled());
	rig.primary->ready = true;
	return 0;
}

/* Nothing may be left: no child, no operation counted, no file. */
static inline int rig_end(void **unused)
{
	char command[128];
	siginfo_t info;

	(void)unused;
	supervisor_fini(rig.primary);
	command_fini(rig.primary);
	assert_int_equal(rig.primary->operations, 0);
	assert_int_equal(waitid(P_ALL, 0, &info, WEXITED | WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	munmap(rig.primary->state.base, rig.state_bytes);
	close(rig.primary->state.fd);
	close(rig.primary->stats_fd);
	free(rig.primary->stats.header);
	free(rig.primary->stats.page);
	free(rig.primary->stats.slot);
	free(rig.primary->stats.cycles);
	free(rig.primary);
	json_decref(rig.reply);
	snprintf(command, sizeof(command), "rm -rf '%s'", rig.dir);
	return system(command);
}

#endif
