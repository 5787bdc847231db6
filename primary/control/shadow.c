/* The life of a shadow: memory, workers, orders to the I/O lcore, the end. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log.h"
#include "process.h"
#include "refuse.h"
#include "shadow_parts.h"
#include "shadow_region.h"

/* A snapshot is one entry of a worker that has players: so much is copied in well under 100 us. */
#define BUCKET_MOST (256u << 10)
/* Of both sides: pages of memory that nobody else has then. */
#define PAGES_MOST (512ull << 20)
#define PREPARE_BYTES (1u << 20) /* given pages to in one turn */
#define SHADOW_LOOK_NS 1000000000ull

/* ---- the region ---- */

int shadow_region_create(const struct supervisor *sup)
{
	int fd = memfd_create("baton-shadow", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	/* Nobody who has it mapped may lose it under his feet. */
	if (ftruncate(fd, (off_t)shadow_region_bytes(sup->primary->state.header)) != 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	return fd;
}

static uint64_t bucket_bytes(const struct state_group *group)
{
	return group->record_size == 0 ? 0 : (uint64_t)group->bucket_slots * group->stride;
}

/* Now, not under the worker that copies: its page faults are then of pages that are there. */
static int give_pages(const struct supervisor *sup, uint32_t group, uint32_t bucket)
{
	const struct state_header *header = sup->primary->state.header;
	uint64_t bytes = bucket_bytes(&header->group[group]), records_at, all;

	for (uint32_t side = 0; side < SHADOW_SIDES; side++) {
		uint64_t at = shadow_region_at(header, group, side, &records_at, &all);

		if (fallocate(sup->shadow_fd, FALLOC_FL_KEEP_SIZE, (off_t)(at + bucket * sizeof(struct bucket_word)),
			      sizeof(struct bucket_word)) != 0 ||
		    (bytes != 0 && fallocate(sup->shadow_fd, FALLOC_FL_KEEP_SIZE, (off_t)(records_at + bucket * bytes),
					     (off_t)bytes) != 0))
			return -errno;
	}
	return 0;
}

static void take_pages(const struct supervisor *sup, uint32_t group)
{
	for (uint32_t side = 0; side < SHADOW_SIDES; side++) {
		uint64_t records_at, bytes;
		uint64_t at = shadow_region_at(sup->primary->state.header, group, side, &records_at, &bytes);

		if (fallocate(sup->shadow_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at, (off_t)bytes) != 0)
			log_warn("shadow of group %s: its memory stays until batond ends: %s",
				 sup->primary->config.group[group].name, strerror(errno));
	}
}

/* ---- begin ---- */

static uint32_t service_of(const struct supervisor *sup, uint32_t group)
{
	return (uint32_t)__builtin_ctz(group_services(sup, group));
}

static int check_worker(const struct supervisor *sup, uint32_t worker, enum shadow_side side, char *why, size_t bytes)
{
	const struct worker *w = &sup->worker[worker];
	const struct worker_slot *s = w->slot == SLOT_NONE ? NULL : &sup->slot[w->slot];

	if (s == NULL || s->shadow != side || !slot_usable(sup, w->slot))
		return refuse(EAGAIN, why, bytes, "%s does not serve as a shadow yet: wait, or see `batonctl status` why not",
			      w->name);
	if ((s->ready.shadow & READY_SHADOW) == 0)
		return refuse(ENOTSUP, why, bytes,
			      "plugin %s %s does not declare that it may run as a shadow: set .shadow = 1 in its descriptor if "
			      "it has no effect but on its records, replies and messages, or leave the shadow step out",
			      s->ready.plugin_name, s->ready.version);
	return 0;
}

int shadow_fits(const struct supervisor *sup, uint32_t group, uint32_t count, char *why, size_t bytes)
{
	const struct state_group *g = &sup->primary->state.header->group[group];
	uint64_t one = bucket_bytes(g);

	if (__builtin_popcount(group_services(sup, group)) != 1)
		return refuse(ENOTSUP, why, bytes, "a shadow is of one service, group %s has several, or none",
			      sup->primary->config.group[group].name);
	if (count == 0)
		return refuse(EINVAL, why, bytes, "no bucket is to be shadowed: raise the sample");
	if (one > BUCKET_MOST)
		return refuse(E2BIG, why, bytes,
			      "a bucket of group %s has %" PRIu64 " KiB of records; its worker could not copy more than %u KiB "
			      "between two packets: more `buckets` of the service make them smaller",
			      g->name, one >> 10, BUCKET_MOST >> 10);
	if (count * one * SHADOW_SIDES > PAGES_MOST)
		return refuse(E2BIG, why, bytes,
			      "%u buckets of %" PRIu64 " KiB, twice, are more than %llu MiB: lower the sample", count,
			      one >> 10, PAGES_MOST >> 20);
	return 0;
}

static int check(const struct supervisor *sup, uint32_t group, const uint64_t *map, uint32_t candidate, uint32_t control,
		 char *why, size_t bytes)
{
	const struct shadow *shadow = sup->shadow[group];
	uint32_t count = 0;
	int rc;

	for (uint32_t b = 0; b < sup->primary->state.header->group[group].buckets; b++)
		count += map[b / 64] >> (b % 64) & 1u;
	if (shadow != NULL && shadow->phase == SHADOW_ENDING)
		return refuse(EAGAIN, why, bytes, "the shadow before is not over yet: wait");
	if (shadow != NULL && shadow->phase != SHADOW_IDLE)
		return refuse(EBUSY, why, bytes, "group %s has a shadow already", sup->primary->config.group[group].name);
	if ((rc = shadow_fits(sup, group, count, why, bytes)) != 0 ||
	    (rc = check_worker(sup, candidate, SHADOW_CANDIDATE, why, bytes)) != 0)
		return rc;
	return control < sup->workers ? check_worker(sup, control, SHADOW_CONTROL, why, bytes) : 0;
}

int shadow_begin(struct supervisor *sup, uint32_t group, const uint64_t *map, uint32_t candidate_worker,
		 uint32_t control_worker, bool digest, char *why, size_t bytes)
{
	int rc = check(sup, group, map, candidate_worker, control_worker, why, bytes);

	if (rc != 0)
		return rc;
	struct shadow *shadow = sup->shadow[group] != NULL ? sup->shadow[group] : malloc(sizeof(*shadow));
	uint32_t service = service_of(sup, group), buckets = sup->primary->config.service[service].buckets;
	struct mirror *mirror = mirror_create(service, group, buckets, sup->primary->config.io_cores, map, digest);
	if (shadow == NULL || mirror == NULL) {
		if (sup->shadow[group] == NULL)
			free(shadow);
		mirror_destroy(mirror);
		return refuse(ENOMEM, why, bytes, "no memory for a shadow of %u buckets", buckets);
	}
	*shadow = (struct shadow){
		.phase = SHADOW_PREPARING, .service = service, .mirror = mirror, .slot = {SLOT_NONE, SLOT_NONE},
		.compared_ns = process_now_ns(),
	};
	memcpy(shadow->map, map, (buckets + 63) / 64 * sizeof(*map));
	memcpy(shadow->worker[0], sup->worker[candidate_worker].name, BATON_NAME_BYTES);
	if (control_worker < sup->workers)
		memcpy(shadow->worker[1], sup->worker[control_worker].name, BATON_NAME_BYTES);
	sup->shadow[group] = shadow;
	log_info("group %s: shadow of %s begins%s%s", sup->primary->config.group[group].name, shadow->worker[0],
		 shadow->worker[1][0] ? ", control " : "", shadow->worker[1]);
	return 0;
}

/* ---- the end ---- */

/* They have no way to the group's records, and must not be given buckets as they are. */
static void dismiss(struct supervisor *sup, const char *name)
{
	uint32_t worker = name[0] ? worker_find(sup, name) : sup->workers;

	if (worker == sup->workers)
		return;
	struct worker *w = &sup->worker[worker];
	w->shadow = SHADOW_NONE;
	if (w->slot != SLOT_NONE && sup->slot[w->slot].shadow != SHADOW_NONE && slot_usable(sup, w->slot))
		slot_event(sup, w->slot, EVENT_STOP);
}

void shadow_end(struct supervisor *sup, uint32_t group)
{
	struct shadow *shadow = sup->shadow[group];

	if (shadow == NULL || shadow->phase == SHADOW_IDLE || shadow->phase == SHADOW_ENDING)
		return;
	if (shadow->phase == SHADOW_ON)
		datapath_mirror_end(sup->primary->dp, shadow->mirror);
	else
		/* nobody else has it */
		atomic_store_explicit(&shadow->mirror->released, shadow->mirror->lcores, memory_order_relaxed);
	shadow->phase = SHADOW_ENDING;
	for (uint32_t s = 0; s < SHADOW_SIDES; s++)
		dismiss(sup, shadow->worker[s]);
	log_info("group %s: shadow ends", sup->primary->config.group[group].name);
}

bool shadow_active(const struct supervisor *sup, uint32_t group)
{
	return sup->shadow[group] != NULL && sup->shadow[group]->phase != SHADOW_IDLE;
}

static bool any_shadow_slot(const struct supervisor *sup, uint32_t group)
{
	for (uint32_t i = 0; i < sup->slots; i++)
		if (sup->slot[i].state != WORKER_NONE && sup->slot[i].shadow != SHADOW_NONE &&
		    sup->worker[sup->slot[i].worker].group == group)
			return true;
	return false;
}

static void poll_ending(struct supervisor *sup, uint32_t group, struct shadow *shadow)
{
	/* acquire: pairs with the release in mirror_end() */
	if (shadow->mirror != NULL &&
	    (atomic_load_explicit(&shadow->mirror->released, memory_order_acquire) == shadow->mirror->lcores ||
	     BATON_SABOTAGE(mirror_freed_early))) {
		shadow_take_samples(shadow);
		for (uint32_t s = 0; s < SHADOW_SIDES; s++)
			shadow->counts[s] = shadow->mirror->side[s].counts;
		shadow->fed_dropped = mirror_fed_dropped(shadow->mirror);
		shadow->left_out = shadow->mirror->left_out;
		mirror_destroy(shadow->mirror);
		shadow->mirror = NULL;
	}
	if (shadow->mirror != NULL || any_shadow_slot(sup, group))
		return;
	take_pages(sup, group);
	shadow->phase = SHADOW_IDLE;
}

/* ---- turn by turn ---- */

static void poll_preparing(struct supervisor *sup, uint32_t group, struct shadow *shadow)
{
	uint64_t one = bucket_bytes(&sup->primary->state.header->group[group]) + sizeof(struct bucket_word), given = 0;

	for (; shadow->prepared < shadow->mirror->buckets && given < PREPARE_BYTES; shadow->prepared++) {
		if (!shadow->mirror->bucket[shadow->prepared].wanted)
			continue;
		int rc = give_pages(sup, group, shadow->prepared);
		if (rc != 0) {
			log_error("group %s: no memory for the records of its shadow: %s; lower the sample",
				  sup->primary->config.group[group].name, strerror(-rc));
			shadow->failed = rc;
			shadow_end(sup, group);
			return;
		}
		given += one * SHADOW_SIDES;
	}
	if (shadow->prepared < shadow->mirror->buckets)
		return;
	shadow->phase = SHADOW_ON;
	datapath_mirror_begin(sup->primary->dp, shadow->mirror);
}

/* The worker of a side, and whoever replaces it when it has died. */
static void join(struct supervisor *sup, struct shadow *shadow, uint32_t s)
{
	uint32_t worker = shadow->worker[s][0] ? worker_find(sup, shadow->worker[s]) : sup->workers;

	if (worker == sup->workers)
		return;
	uint32_t slot = sup->worker[worker].slot;
	if (slot == SLOT_NONE || !slot_usable(sup, slot) || sup->slot[slot].shadow != s + SHADOW_CANDIDATE ||
	    (slot == shadow->slot[s] && sup->slot[slot].incarnation == shadow->incarnation[s]))
		return;
	shadow->slot[s] = slot;
	shadow->incarnation[s] = sup->slot[slot].incarnation;
	shadow->mirror->side[s].digest = (sup->slot[slot].ready.shadow & READY_DIGEST) != 0;
	datapath_mirror_join(sup->primary->dp, shadow->mirror, s, slot);
}

/* ---- whether it compares ---- */

/* Of its buckets; of the newest of 2^32. */
static uint32_t entries_of(const struct supervisor *sup, const struct shadow *shadow)
{
	static uint32_t load[BATON_MAX_BUCKETS]; /* main lcore only */
	uint32_t sum = 0;

	datapath_load(sup->primary->dp, shadow->service, load);
	for (uint32_t b = 0; b < shadow->mirror->buckets; b++)
		sum += (shadow->map[b / 64] >> (b % 64) & 1u) != 0 ? load[b] : 0;
	return sum;
}

static void look_at_workers(const struct supervisor *sup, uint32_t group, struct shadow *shadow)
{
	uint64_t now = *(const volatile uint64_t *)&shadow->mirror->left_out;

	for (uint64_t left = now & ~shadow->left_out; left != 0; left &= left - 1)
		log_error("group %s: the worker in slot %d numbers its bursts as no honest worker does: its buckets are not "
			  "compared in this shadow; abort the rollout, restart the worker, and start anew",
			  sup->primary->config.group[group].name, __builtin_ctzll(left));
	shadow->left_out = now;
}

static void look(const struct supervisor *sup, uint32_t group, struct shadow *shadow, uint64_t now_ns)
{
	if (now_ns - shadow->looked_ns < SHADOW_LOOK_NS)
		return;
	uint64_t compared = *(const volatile uint64_t *)&shadow->mirror->side[0].counts.compared;
	uint32_t entries = entries_of(sup, shadow);
	bool first = shadow->looked_ns == 0;
	shadow->looked_ns = now_ns;
	look_at_workers(sup, group, shadow);
	if (first || compared != shadow->compared) {
		shadow->compared = compared;
		shadow->entries = entries;
		shadow->compared_ns = now_ns;
		shadow->still = false;
	} else if (entries - shadow->entries < SHADOW_STILL_ENTRIES) {
		shadow->compared_ns = now_ns; /* nobody has asked for anything */
	} else if (now_ns - shadow->compared_ns >= SHADOW_STILL_NS && !shadow->still) {
		shadow->still = true;
		log_warn("group %s: its shadow stands still: players are answered, nothing is compared",
			 sup->primary->config.group[group].name);
	}
}

int shadow_compares(const struct supervisor *sup, uint32_t group, char *why, size_t bytes)
{
	const struct shadow *shadow = sup->shadow[group];

	if (shadow == NULL)
		return 0;
	if (shadow->failed != 0)
		return refuse(-shadow->failed, why, bytes, "no memory for the records of the shadow (%s): lower the sample",
			      strerror(-shadow->failed));
	if (shadow->phase != SHADOW_ON || !shadow->still || BATON_SABOTAGE(still_shadow_passes))
		return 0;
	return refuse(EAGAIN, why, bytes,
		      "nothing has been compared for %llu s, though %u entries of its buckets were answered: see "
		      "`batonctl rollout diff`", (unsigned long long)((process_now_ns() - shadow->compared_ns) / 1000000000u),
		      entries_of(sup, shadow) - shadow->entries);
}

void shadow_poll(struct supervisor *sup)
{
	for (uint32_t g = 0; g < sup->primary->config.groups; g++) {
		struct shadow *shadow = sup->shadow[g];

		if (shadow == NULL || shadow->phase == SHADOW_IDLE)
			continue;
		if (shadow->phase == SHADOW_PREPARING)
			poll_preparing(sup, g, shadow);
		else if (shadow->phase == SHADOW_ENDING)
			poll_ending(sup, g, shadow);
		if (shadow->phase != SHADOW_ON)
			continue;
		for (uint32_t s = 0; s < SHADOW_SIDES; s++)
			join(sup, shadow, s);
		shadow_take_samples(shadow);
		look(sup, g, shadow, process_now_ns());
	}
}

void shadow_fini(struct supervisor *sup)
{
	for (uint32_t g = 0; g < BATON_MAX_GROUPS; g++) {
		/* An I/O lcore that has not let go still works in it: the process is about to end anyway. */
		if (sup->shadow[g] != NULL && !sup->primary->running)
			mirror_destroy(sup->shadow[g]->mirror);
		free(sup->shadow[g]);
	}
	if (sup->shadow_fd >= 0)
		close(sup->shadow_fd);
}
