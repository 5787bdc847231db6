/* The start of an incarnation: a free slot, the plugin's file, what the zygote is told; a standby that becomes one. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "crash_record.h"
#include "gate_collect.h"
#include "hash.h"
#include "plugin_image.h"
#include "process.h"
#include "rollout.h"
#include "supervisor.h"

static void fill_spawn(const struct supervisor *sup, uint32_t slot, const struct config_group *group,
		       struct zygote_spawn *spawn)
{
	const struct primary *primary = sup->primary;
	const struct worker_slot *s = &sup->slot[slot];
	const struct worker *w = &sup->worker[s->worker];
	uint32_t services = group_services(sup, w->group);
	uint32_t service = services ? (uint32_t)__builtin_ctz(services) : 0;

	*spawn = (struct zygote_spawn){
		.slot = slot,
		.incarnation = s->incarnation,
		.group = w->group,
		.service = service,
		.io_lcores = primary->config.io_cores,
		.cpu = s->cpu,
		.busy_poll = primary->config.poll == POLL_BUSY,
		.buckets = primary->config.service[service].buckets,
		.key = primary->setup.key[service].key,
		/* The same for all workers of the state file, so that an entry handled again draws the same numbers;
		 * not the salt of the steering hash itself, which plugins have no business to know. */
		.seed_salt = hash_mix64(primary->state.header->salt ^ 0x6261746f6e726e64ull),
		.shadow = s->shadow,
		.settings = group->settings,
	};
	snprintf(spawn->name, sizeof(spawn->name), "%s", s->name);
	snprintf(spawn->plugin, sizeof(spawn->plugin), "%s", s->path);
	memcpy(spawn->setting, group->setting, sizeof(spawn->setting));
}

static uint32_t free_slot(const struct supervisor *sup)
{
	for (uint32_t i = 0; i < sup->slots; i++)
		if (sup->slot[i].state == WORKER_NONE)
			return i;
	return SLOT_NONE;
}

/* Nobody else runs or starts on that CPU. */
static bool cpu_is_free(const struct supervisor *sup, int32_t cpu)
{
	for (uint32_t i = 0; i < sup->slots; i++)
		if ((sup->slot[i].pid > 0 || sup->slot[i].state == WORKER_STARTING) && sup->slot[i].cpu == cpu)
			return false;
	return cpu >= 0;
}

static int32_t cpu_of(const struct config_group *group, const struct worker *w)
{
	return group->core_count ? (int32_t)group->cores[w->index % group->core_count] : -1;
}

int32_t slot_cpu(const struct supervisor *sup, uint32_t worker)
{
	const struct worker *w = &sup->worker[worker];

	return cpu_of(&sup->primary->config.group[w->group], w);
}

/* The worker has named its page before it was ready; from then on we do: one writer at a time. */
void slot_adopt(struct supervisor *sup, uint32_t slot, uint32_t worker)
{
	struct worker_slot *s = &sup->slot[slot];
	struct CoreStats *page = stats_worker_page(&sup->primary->stats, slot);

	s->standby = false;
	s->worker = worker;
	s->serves_ns = process_now_ns();
	gate_book_adopt(sup, slot);
	memcpy(s->name, sup->worker[worker].name, sizeof(s->name));
	memcpy(page->name, s->name, sizeof(s->name));
	slot_publish(sup, slot);
}

/* The sealed copy that a process is to run: one that is kept; `anew`, or if there is none, of what lies at `path`. */
static int open_image(const struct supervisor *sup, uint32_t worker, bool standby, bool anew, const char *path,
		      int *image, char *why, size_t bytes)
{
	const struct budget *budget = &sup->budget[sup->worker[worker].group];
	const struct good_version *good = &budget->good[budget->back];
	int kept = rollout_image(sup, worker, path);

	if (budget->fell_back && strcmp(path, good->path) == 0 && kept < 0)
		kept = good->image;
	if (kept < 0 && !anew)
		kept = version_kept_image(sup, worker, standby, path);
	if (kept < 0)
		return plugin_image_open(path, image, why, bytes);
	int copy = fcntl(kept, F_DUPFD_CLOEXEC, 3);
	if (copy < 0) {
		int rc = -errno;
		snprintf(why, bytes, "no descriptor: %s; raise the limit of open files", strerror(-rc));
		return rc;
	}
	*image = copy;
	return 0;
}

static int spawn_in(struct supervisor *sup, uint32_t worker, bool standby, bool anew, const char *path,
		    const struct config_group *config, uint32_t *slot, char *why, size_t bytes)
{
	struct worker *w = &sup->worker[worker];
	const struct config_group *group = config ? config : &sup->primary->config.group[w->group];
	struct zygote_spawn spawn;
	uint32_t at = free_slot(sup);
	int image, rc;

	if (at == SLOT_NONE) {
		snprintf(why, bytes, "no free worker slot of %u: wait, or raise worker_slots", sup->slots);
		return -EAGAIN;
	}
	rc = open_image(sup, worker, standby, anew, path, &image, why, bytes);
	if (rc)
		return rc;
	/* the slot is free: its journal is empty, so it names no record of the old group */
	/* What a shadow writes into its control block's journal names no record at all. */
	uint32_t group_or_none = w->shadow && !standby ? BATON_MAX_GROUPS : w->group;
	bool alone = !standby && cpu_is_free(sup, cpu_of(group, w));
	uint32_t incarnation = state_slot_begin(&sup->primary->state, at, group_or_none);
	/* before there is a worker that could write one */
	crash_note_clear(&state_control(&sup->primary->state, at)->crash);
	sup->slot[at] = (struct worker_slot){
		.worker = worker, .incarnation = incarnation, .cpu = cpu_of(group, w), .socket = -1, .pidfd = -1,
		.spawned_ns = process_now_ns(), .serves_ns = process_now_ns(), .standby = standby,
		.zygote_deaths = sup->zygote.deaths, .shadow = standby ? SHADOW_NONE : w->shadow,
	};
	crash_record_born(sup, at);
	gate_book_start(sup, at);
	snprintf(sup->slot[at].path, sizeof(sup->slot[at].path), "%s", path);
	if (standby)
		snprintf(sup->slot[at].name, sizeof(sup->slot[at].name), "%.23s.standby", group->name);
	else
		memcpy(sup->slot[at].name, w->name, sizeof(sup->slot[at].name));
	fill_spawn(sup, at, group, &spawn);
	spawn.alone = alone;
	rc = zygote_client_spawn(&sup->zygote, &spawn, image, &sup->slot[at].socket);
	sup->slot[at].image = image;
	if (rc == 0)
		rc = slot_watch(sup, at, sup->slot[at].socket);
	if (rc) {
		snprintf(why, bytes,
			 rc == -ENOTCONN ? "the zygote and its spare are dead: wait until there is a new one%s"
					 : "cannot ask the zygote: %s",
			 rc == -ENOTCONN ? "" : strerror(-rc));
		slot_close(&sup->slot[at].image);
		slot_close(&sup->slot[at].socket); /* a worker that was asked for after all finds nobody and leaves */
		return rc;
	}
	sup->slot[at].deadline_ns = sup->slot[at].spawned_ns + sup->primary->config.start_timeout_ns;
	slot_event(sup, at, EVENT_SPAWNED);
	*slot = at;
	return 0;
}

int slot_spawn(struct supervisor *sup, uint32_t worker, const char *path, const struct config_group *config,
	       uint32_t *slot, char *why, size_t bytes)
{
	return spawn_in(sup, worker, false, true, path, config, slot, why, bytes);
}

int slot_respawn(struct supervisor *sup, uint32_t worker, uint32_t *slot, char *why, size_t bytes)
{
	const struct worker *w = &sup->worker[worker];

	return spawn_in(sup, worker, false, false, w->path, w->config, slot, why, bytes);
}

int slot_spawn_converter(struct supervisor *sup, uint32_t worker, const char *path, uint32_t *slot, char *why,
			 size_t bytes)
{
	int rc = spawn_in(sup, worker, true, true, path, NULL, slot, why, bytes);

	if (rc == 0) {
		struct worker_slot *s = &sup->slot[*slot];

		s->converter = true;
		s->generation = UINT32_MAX; /* of no standbys */
		snprintf(s->name, sizeof(s->name), "%.20s.converter",
			 sup->primary->config.group[sup->worker[worker].group].name);
		slot_publish(sup, *slot);
	}
	return rc;
}

int slot_spawn_standby(struct supervisor *sup, uint32_t worker, uint32_t *slot, char *why, size_t bytes)
{
	return spawn_in(sup, worker, true, false, sup->group_path[sup->worker[worker].group], NULL, slot, why, bytes);
}
