/* A worker: first acts, plugin, loop, end. */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "crash.h"
#include "host.h"
#include "loop.h"
#include "plugin.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define OWN_RANGES (BATON_MAX_IO_LCORES + 5u)

/* One worker, one process: too large for the stack. */
static struct loop loop;

static void refuse(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
static void refuse(const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	host_say(WORKER_REFUSED, text);
	_exit(1);
}

static void check(const char *what, int rc)
{
	if (rc != 0)
		refuse("cannot %s: %s", what, strerror(-rc));
}

/* ---- what is ours ---- */

static struct confine_range range_of(const void *start, uint64_t bytes, uint64_t page)
{
	uintptr_t at = (uintptr_t)start;

	return (struct confine_range){at, at + ((bytes + page - 1) & ~(page - 1))};
}

/* Belts, control block, words and records of the group (not of a shadow, which has copies), CoreStats page, cycles.
 * Returns their number; the last two are in 4 KiB pages, all others in huge pages. */
static uint32_t own_ranges(const struct worker_host *host, const struct zygote_spawn *spawn, struct confine_range *own)
{
	const struct state_group *group = &host->header.group[spawn->group];
	uint32_t count = 0;

	for (uint32_t i = 0; i < spawn->io_lcores; i++)
		own[count++] = range_of(host->belts[i] + (size_t)spawn->slot * BATON_HUGE_PAGE, BATON_HUGE_PAGE,
					BATON_HUGE_PAGE);
	own[count++] = range_of(state_control(&host->state, spawn->slot), BATON_HUGE_PAGE, BATON_HUGE_PAGE);
	if (spawn->shadow == 0 || BATON_SABOTAGE(shadow_has_the_records)) {
		own[count++] = range_of(state_words(&host->state, spawn->group),
					group->buckets * sizeof(struct bucket_word), BATON_HUGE_PAGE);
		own[count++] = range_of(state_records(&host->state, spawn->group), group->records_bytes, BATON_HUGE_PAGE);
	}
	own[count++] = range_of(stats_worker_page(&host->stats, spawn->slot), sizeof(struct CoreStats), 4096);
	own[count++] = range_of(&host->stats.cycles[spawn->slot], sizeof(struct stats_cycles), 4096);
	return count;
}

/* What the fork left to page faults is mapped now, not under packets. In a tmpfs state file there are 512 times as many
 * pages, and the end of a worker would wait for their unmapping: those come as they are used. */
static void populate(const struct confine_range *own, uint32_t belts, uint32_t count, int state_fd)
{
	struct statfs fs;
	bool huge = fstatfs(state_fd, &fs) == 0 && fs.f_type == HUGETLBFS_MAGIC;

	for (uint32_t i = 0; i < count; i++)
		if (own[i].start < own[i].end && (huge || i < belts))
			madvise((void *)own[i].start, own[i].end - own[i].start, MADV_POPULATE_WRITE); /* a hint */
}

static int check_spawn(const struct worker_host *host, const struct zygote_spawn *spawn)
{
	if (spawn->slot >= host->slots || spawn->io_lcores == 0 || spawn->io_lcores > host->io_lcores ||
	    spawn->group >= host->header.groups || spawn->buckets != host->header.group[spawn->group].buckets ||
	    spawn->slot >= host->header.slots || spawn->io_lcores > host->header.belts || spawn->shadow > SHADOW_SIDES ||
	    host->stats.header->io_lcores + 1 + spawn->slot >= host->stats.header->pages ||
	    memchr(spawn->name, 0, sizeof(spawn->name)) == NULL ||
	    memchr(spawn->plugin, 0, sizeof(spawn->plugin)) == NULL)
		return -EPROTO;
	return 0;
}

/* ---- start ---- */

/* The order is the design's. Nothing of what is shut off may be needed by a later step. */
static void first_acts(struct worker_host *host, const struct zygote_spawn *spawn, int fd[3])
{
	struct confine_range own[OWN_RANGES];
	uint32_t count = own_ranges(host, spawn, own);
	struct confine_range sorted[OWN_RANGES];

	memcpy(sorted, own, sizeof(sorted));
	int rc = confine_descriptors(fd, 3);
	host_init(fd[0], spawn);
	check("close what belongs to the zygote", rc);
	check("unmap what belongs to others", confine_unmap(&host->maps, sorted, count));
	rc = confine_cpu(spawn->cpu);
	if (rc != 0)
		refuse("cannot run on CPU %d: %s; change `cores` of the group to CPUs that are there and allowed",
		       spawn->cpu, strerror(-rc));
	(void)confine_oom_score(); /* only raised, which is always allowed: it fails where there is no /proc, and no harm */
	check("switch core dumps off", confine_core());
	confine_signals();
	check("watch for its own crashes",
	      crash_watch(&state_control(&host->state, spawn->slot)->crash, spawn->incarnation, &loop.txn));
	check("give up its capabilities", confine_capabilities());
	check("restrict system calls (seccomp)", confine_system_calls(&host->filter));
	check("tie its life to the primary's", confine_die_with(host->primary));
	populate(own, spawn->io_lcores, count, fd[1]);
}

static void name_page(struct CoreStats *page, const struct zygote_spawn *spawn)
{
	page->kind = CORE_WORKER;
	page->index = spawn->slot;
	page->cpu = (uint32_t)spawn->cpu; /* UINT32_MAX: any */
	page->incarnation = spawn->incarnation;
	memcpy(page->name, spawn->name, sizeof(page->name));
}

/* Loads and binds; returns when the plugin could run. */
static void load(const struct worker_host *host, const struct zygote_spawn *spawn, int fd, struct plugin *plugin)
{
	struct txn *txn = &loop.txn;
	char why[PLUGIN_WHY_BYTES];

	crash_doing(CRASH_LOADING);
	if (plugin_load(plugin, fd, spawn->plugin, why, sizeof(why)) != 0 ||
	    plugin_fits(plugin->descriptor, spawn->key, state_room(&host->header.group[spawn->group]), why,
			sizeof(why)) != 0)
		refuse("%s", why);
	crash_list_modules(plugin->descriptor);
	crash_doing(CRASH_INIT);
	txn->ctx.worker = spawn->slot;
	check("bind to the slot's journal", txn_bind(txn, &host->state, spawn->slot, spawn->group,
						     plugin->descriptor->max_undo_bytes, spawn->seed_salt));
	if (spawn->shadow != 0)
		shadow_bind(txn, &loop.shadow, spawn->shadow - 1);
	if (plugin->descriptor->init == NULL)
		return;
	int rc = plugin->descriptor->init(&txn->ctx);
	if (rc != 0)
		refuse("plugin %s: init refused to start: %s; its own lines in the log say why", spawn->plugin,
		       strerror(rc < 0 ? -rc : rc));
}

/* While mappings can still be made. Who is no shadow can do without: it will copy nothing. */
static void attach_shadow(const struct worker_host *host, const struct zygote_spawn *spawn)
{
	int rc = shadow_attach(&loop.shadow, ZYGOTE_FD_SHADOW, &host->header, spawn->group, spawn->shadow);

	if (spawn->shadow != 0)
		check("map the records of the shadow", rc);
}

/* Test builds: what is to happen to this worker stands behind its control block. */
static void point_worker(const struct worker_host *host, const struct zygote_spawn *spawn)
{
	(void)host;
	(void)spawn;
#ifdef BATON_POINTS
	if (spawn->slot < host->slots)
		baton_point_use(state_control(&host->state, spawn->slot));
#endif
}

void worker_run(struct worker_host *host, const struct zygote_spawn *spawn, int control, int plugin_fd)
{
	int fd[3] = {control, host->state.fd, plugin_fd};
	struct zygote_message message = {.kind = WORKER_READY};
	struct belt *belt[BATON_MAX_IO_LCORES];
	struct plugin plugin;

	point_worker(host, spawn);
	BATON_POINT(worker_forked);
	host_init(control, spawn);
	check("understand the order to start: batond and baton-zygote differ; install them together",
	      check_spawn(host, spawn));
	struct CoreStats *stats = stats_worker_page(&host->stats, spawn->slot);
	uint64_t tsc_hz = host->stats.header->tsc_hz;
	for (uint32_t i = 0; i < spawn->io_lcores; i++)
		belt[i] = (struct belt *)(void *)(host->belts[i] + (size_t)spawn->slot * BATON_HUGE_PAGE);

	attach_shadow(host, spawn);
	first_acts(host, spawn, fd);
	BATON_POINT(worker_confined);
	name_page(stats, spawn);
	prctl(PR_SET_NAME, spawn->name); /* what ps and top show; cut to 15 characters */
	if (host_say(WORKER_HELLO, "") != 0)
		_exit(1);
	BATON_POINT(worker_introduced);
	load(host, spawn, fd[2], &plugin);
	BATON_POINT(worker_loaded);
	close(fd[2]);
	check("set up its loop",
	      loop_init(&loop, plugin.descriptor, belt, state_control(&host->state, spawn->slot)->commit,
			spawn->io_lcores, spawn->buckets, stats, tsc_hz, spawn->busy_poll != 0));
	loop.cycles = &host->stats.cycles[spawn->slot];
	loop.converting = &state_control(&host->state, spawn->slot)->converting;
#ifdef BATON_DEBUG
	check("set up verify mode", loop_verify_start(&loop));
#endif
	BATON_POINT(worker_attached);
	plugin_ready(&plugin, &message.ready);
	if (host_send(&message) != 0)
		_exit(1);
	BATON_POINT(worker_ready);
	crash_doing(CRASH_RUNNING);
	loop_run(&loop);
	_exit(0);
}
