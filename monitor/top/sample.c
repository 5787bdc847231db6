/* Taking samples from shared memory. */
#include "sample.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "residence.h"
#include "stats_door.h"

int source_open(struct source *source, const char *instance)
{
	char path[BATON_PATH_BYTES];
	struct stat st;

	memset(source, 0, sizeof(*source));
	if (strlen(instance) >= sizeof(source->instance))
		return -EINVAL;
	strcpy(source->instance, instance);
	snprintf(path, sizeof(path), BATON_STATS_PATH_FMT, instance);
	/* Identity first: should the door be replaced between the two, source_take() notices and attaches again. */
	if (stat(path, &st) != 0)
		return -errno;
	int rc = stats_attach(&source->stats, instance);
	if (rc != 0)
		return rc;
	source->device = st.st_dev;
	source->inode = st.st_ino;
	return 0;
}

void source_close(struct source *source)
{
	stats_detach(&source->stats);
}

static void follow(struct source *source)
{
	char path[BATON_PATH_BYTES];
	struct source fresh;
	struct stat st;

	snprintf(path, sizeof(path), BATON_STATS_PATH_FMT, source->instance);
	source->gone = stat(path, &st) != 0;
	if (source->gone || (st.st_dev == source->device && st.st_ino == source->inode))
		return;
	if (source_open(&fresh, source->instance) != 0)
		return;
	source_close(source);
	*source = fresh;
}

/* Word by word: a counter is read once and whole, whatever its neighbours do meanwhile. */
static void copy_page(struct CoreStats *to, const struct CoreStats *from)
{
	const volatile uint64_t *in = (const volatile uint64_t *)(const volatile void *)from;
	uint64_t *out = (uint64_t *)(void *)to;

	for (size_t i = 0; i < sizeof(*to) / sizeof(*out); i++)
		out[i] = in[i];
	to->name[sizeof(to->name) - 1] = 0;
}

/* Its lane may change hands meanwhile: then the version is left out, rather than shown with too little. */
static void take_lane(const struct stats *stats, uint32_t lane, struct sample *out)
{
	struct sample_version *v = &out->version[lane];
	struct stats_version after;

	memset(v, 0, sizeof(*v));
	bool whole = stats_version_read(stats, lane, &v->entry) == 0;
	for (uint32_t i = 0; i < stats->io_lcores; i++)
		residence_add(v->count, out->residence[i], stats, i, lane, v->entry.id);
	if (!whole || stats_version_read(stats, lane, &after) != 0 || after.id != v->entry.id)
		memset(v, 0, sizeof(*v));
}

static void take_directories(const struct stats *stats, struct sample *out)
{
	const struct stats_header *h = stats->header;
	uint32_t ports = h->ports;

	for (uint32_t slot = 0; slot < out->slots; slot++)
		if (stats_worker_read(stats, slot, &out->worker[slot]) != 0)
			memset(&out->worker[slot], 0, sizeof(out->worker[slot]));
	memset(out->residence, 0, sizeof(out->residence));
	for (uint32_t lane = 0; lane < out->lanes; lane++)
		take_lane(stats, lane, out);
	out->ports = ports < BATON_MAX_PORTS ? ports : BATON_MAX_PORTS;
	for (uint32_t i = 0; i < out->ports; i++)
		if (stats_port_read(stats, i, &out->port[i]) != 0)
			memset(&out->port[i], 0, sizeof(out->port[i]));
	for (uint32_t i = 0; i < BATON_MAX_GROUPS; i++)
		if (stats_group_read(stats, i, &out->group[i]) != 0)
			memset(&out->group[i], 0, sizeof(out->group[i]));
	for (uint32_t i = 0; i < BATON_MAX_GROUPS; i++)
		if (stats_rollout_read(stats, i, &out->rollout[i]) != 0)
			memset(&out->rollout[i], 0, sizeof(out->rollout[i]));
	/* relaxed: each says something by itself */
	out->zygote_pid = atomic_load_explicit(&h->zygote_pid, memory_order_relaxed);
	out->zygote_spare_pid = atomic_load_explicit(&h->zygote_spare_pid, memory_order_relaxed);
	out->zygote_deaths = atomic_load_explicit(&h->zygote_deaths, memory_order_relaxed);
}

void source_take(struct source *source, struct sample *out)
{
	struct timespec now;

	follow(source);
	const struct stats_header *h = source->stats.header;
	out->gone = source->gone;
	out->tsc_hz = h->tsc_hz;
	out->boot_id = h->boot_id;
	out->started_ns = h->started_ns;
	out->primary_pid = h->primary_pid;
	/* The counts were checked when it was attached, against the bytes that are mapped: use those. */
	out->io_lcores = source->stats.io_lcores;
	out->lanes = source->stats.lanes;
	out->slots = out->lanes - STATS_LANES_KEPT;
	uint32_t pages = 1 + out->io_lcores + out->slots;
	memcpy(out->instance, h->instance, sizeof(out->instance));
	memcpy(out->build, h->build, sizeof(out->build));
	out->instance[sizeof(out->instance) - 1] = 0;
	gethostname(out->host, sizeof(out->host) - 1);
	out->build[sizeof(out->build) - 1] = 0;
	take_directories(&source->stats, out);
	for (uint32_t i = 0; i < pages; i++)
		copy_page(&out->page[i], &source->stats.page[i]);
	/* relaxed: a time stamp, not a publication */
	out->alive_tsc = atomic_load_explicit(&source->stats.header->alive_tsc, memory_order_relaxed);
	out->tsc = __rdtsc();
	clock_gettime(CLOCK_REALTIME, &now);
	out->wall_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

uint32_t source_list(char (*names)[BATON_NAME_BYTES], uint32_t most)
{
	char text[BATON_PATH_BYTES], path[BATON_PATH_BYTES];
	uint32_t count = 0;

	snprintf(text, sizeof(text), BATON_STATS_PATH_FMT, "*");
	char *slash = strrchr(text, '/'), *star = strchr(slash, '*');
	const char *prefix = slash + 1, *suffix = star + 1;
	*slash = 0;
	*star = 0;
	DIR *dir = opendir(text);
	if (dir == NULL)
		return 0;
	for (struct dirent *e; count < most && (e = readdir(dir)) != NULL; ) {
		size_t len = strlen(e->d_name), before = strlen(prefix), after = strlen(suffix);
		if (len <= before + after || len - before - after >= BATON_NAME_BYTES ||
		    strncmp(e->d_name, prefix, before) != 0 || strcmp(e->d_name + len - after, suffix) != 0)
			continue;
		memcpy(names[count], e->d_name + before, len - before - after);
		names[count][len - before - after] = 0;
		snprintf(path, sizeof(path), BATON_STATS_PATH_FMT, names[count]);
		count += stats_door_look(path) == 0;
	}
	closedir(dir);
	qsort(names, count, sizeof(names[0]), by_name);
	return count;
}

struct sample *sample_create(void)
{
	struct sample *s = aligned_alloc(_Alignof(struct sample), sizeof(*s));

	if (s != NULL)
		memset(s, 0, sizeof(*s));
	return s;
}
