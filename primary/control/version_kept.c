/* Versions kept: who holds which, and whether the file still is what runs. See version_kept.h. */
#define _GNU_SOURCE
#include "version_kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log.h"
#include "process.h"
#include "rollout.h"
#include "sabotage.h"
#include "supervisor.h"

#define LOOK_NS 1000000000ull

/* ---- holding ---- */

/* NULL: no memory or no descriptor, which is tried again by whoever polls. */
static struct version_kept *keep(int image, const char *path, const char *version, const char *build_id)
{
	struct version_kept *kept = calloc(1, sizeof(*kept));

	if (!kept)
		return NULL;
	kept->image = fcntl(image, F_DUPFD_CLOEXEC, 3);
	if (kept->image < 0) {
		free(kept);
		return NULL;
	}
	kept->holders = 1;
	snprintf(kept->path, sizeof(kept->path), "%s", path);
	snprintf(kept->version, sizeof(kept->version), "%s", version);
	snprintf(kept->build_id, sizeof(kept->build_id), "%s", build_id);
	return kept;
}

void version_drop(struct version_kept **kept)
{
	if (*kept && --(*kept)->holders == 0) {
		close((*kept)->image);
		free(*kept);
	}
	*kept = NULL;
}

static void hold(struct version_kept **place, struct version_kept *kept)
{
	kept->holders++;
	version_drop(place);
	*place = kept;
}

static bool is_of(const struct version_kept *kept, const struct worker_slot *s)
{
	return kept && strcmp(kept->path, s->path) == 0 && strcmp(kept->build_id, s->ready.build_id) == 0 &&
	       strcmp(kept->version, s->ready.version) == 0;
}

/* Another holder of the same build, so that it is kept once; builds without an id cannot be told apart. */
static struct version_kept *find(const struct supervisor *sup, uint32_t group, const struct worker_slot *s)
{
	if (!s->ready.build_id[0])
		return NULL;
	if (is_of(sup->version[group].kept, s))
		return sup->version[group].kept;
	for (uint32_t i = 0; i < sup->workers; i++)
		if (sup->worker[i].group == group && is_of(sup->worker[i].kept, s))
			return sup->worker[i].kept;
	return NULL;
}

void version_kept_serves(struct supervisor *sup, uint32_t worker, uint32_t slot)
{
	const struct worker_slot *s = &sup->slot[slot];
	struct worker *w = &sup->worker[worker];
	struct version_kept *kept = find(sup, w->group, s);

	if (s->image < 0)
		return;
	if (kept) {
		hold(&w->kept, kept);
		return;
	}
	kept = keep(s->image, s->path, s->ready.version, s->ready.build_id);
	if (!kept)
		return;
	version_drop(&w->kept);
	w->kept = kept;
}

static void group_holds(struct supervisor *sup, uint32_t group, struct version_kept *kept)
{
	struct version_watch *watch = &sup->version[group];

	hold(&watch->kept, kept);
	watch->file = KEPT_FILE_SAME;
	watch->seen = (struct stat){ .st_ino = 0 };
	watch->next_ns = 0;
}

void version_kept_group(struct supervisor *sup, uint32_t group, uint32_t worker)
{
	if (sup->worker[worker].kept)
		group_holds(sup, group, sup->worker[worker].kept);
}

void version_kept_back(struct supervisor *sup, uint32_t group, const struct good_version *good)
{
	struct version_kept *kept = keep(good->image, good->path, good->version, good->build_id);

	if (!kept)
		return; /* as long as it is the good version's turn, budget.h has the image */
	for (uint32_t i = 0; i < sup->workers; i++)
		if (sup->worker[i].group == group && sup->worker[i].role != ROLE_CANDIDATE)
			hold(&sup->worker[i].kept, kept);
	group_holds(sup, group, kept);
	version_drop(&kept);
}

/* ---- what is started from them ---- */

int version_kept_image(const struct supervisor *sup, uint32_t worker, bool standby, const char *path)
{
	const struct worker *w = &sup->worker[worker];
	const struct version_kept *of_group = sup->version[w->group].kept;

	if (w->role == ROLE_CANDIDATE || BATON_SABOTAGE(kept_version_unused))
		return -1;
	if (!standby && w->kept && strcmp(w->kept->path, path) == 0)
		return w->kept->image;
	return of_group && strcmp(of_group->path, path) == 0 ? of_group->image : -1;
}

bool version_kept_is(const struct supervisor *sup, uint32_t worker, uint32_t slot)
{
	const struct version_kept *kept = sup->worker[worker].kept;

	return !kept || is_of(kept, &sup->slot[slot]) || BATON_SABOTAGE(build_not_compared);
}

/* ---- the file ---- */

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       same_time(&a->st_mtim, &b->st_mtim) && same_time(&a->st_ctim, &b->st_ctim);
}

/* Read, not mapped: a file that shrinks meanwhile must not end us. */
static bool same_bytes(int file, int image, off_t size)
{
	char a[16384], b[16384];

	for (off_t at = 0; at < size; at += (off_t)sizeof(a)) {
		ssize_t n = pread(image, a, sizeof(a), at);
		if (n <= 0 || pread(file, b, sizeof(b), at) != n || memcmp(a, b, (size_t)n) != 0)
			return false;
	}
	return true;
}

static enum kept_file look(struct version_watch *watch)
{
	struct stat now, ours;
	/* Non-blocking, or a FIFO in the plugin's place would hold up the primary. */
	int fd = open(watch->kept->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	enum kept_file file = watch->file;

	if (fd < 0 || fstat(fd, &now) || !S_ISREG(now.st_mode)) {
		watch->error = fd < 0 ? errno : EINVAL;
		file = KEPT_FILE_GONE;
		watch->seen = (struct stat){ .st_ino = 0 };
	} else if (!same_file(&now, &watch->seen)) {
		bool same = fstat(watch->kept->image, &ours) == 0 && ours.st_size == now.st_size &&
			    same_bytes(fd, watch->kept->image, now.st_size);
		file = same ? KEPT_FILE_SAME : KEPT_FILE_DIFFERS;
		watch->seen = now;
	}
	if (fd >= 0)
		close(fd);
	return file;
}

bool version_kept_words(const struct supervisor *sup, uint32_t group, char *words, size_t bytes)
{
	const struct version_watch *watch = &sup->version[group];
	const char *name = sup->primary->config.group[group].name;

	if (watch->file == KEPT_FILE_SAME || BATON_SABOTAGE(lost_file_unsaid))
		return false;
	/* It is about to be another's, or both's. */
	if ((sup->restart.phase != RESTART_IDLE && sup->restart.group == group) ||
	    rollout_refuse(sup->primary, group, words, bytes))
		return false;
	if (watch->file == KEPT_FILE_GONE)
		snprintf(words, bytes, "group %s: its plugin file %s cannot be read (%s): workers that die get version %s "
			 "again, of which batond has a copy, but a restart of batond or of the group needs the file: put it back",
			 name, watch->kept->path, strerror(watch->error), watch->kept->version);
	else
		snprintf(words, bytes, "group %s: %s is not the build that it runs: workers that die get that again (version %s), "
			 "a restart of batond takes the file; `batonctl worker restart %s` does so now, or put the old back",
			 name, watch->kept->path, watch->kept->version, name);
	return true;
}

static void look_again(struct supervisor *sup, uint32_t group)
{
	struct version_watch *watch = &sup->version[group];
	enum kept_file was = watch->file;
	uint64_t now = process_now_ns();
	char words[2 * BATON_PATH_BYTES];

	if (!watch->kept || now < watch->next_ns || sup->stopping)
		return;
	watch->next_ns = now + LOOK_NS;
	watch->file = look(watch);
	if (watch->file == was)
		return;
	if (version_kept_words(sup, group, words, sizeof(words)))
		log_warn("%s", words);
	else if (watch->file == KEPT_FILE_SAME)
		log_info("group %s: its plugin file %s is what it runs again", sup->primary->config.group[group].name,
			 watch->kept->path);
}

/* ---- turns ---- */

void versions_kept_poll(struct supervisor *sup)
{
	for (uint32_t i = 0; i < sup->workers; i++) {
		const struct worker *w = &sup->worker[i];
		const struct worker_slot *s = w->slot == SLOT_NONE ? NULL : &sup->slot[w->slot];

		/* Held: a restart says itself what serves. */
		if (!s || w->held || w->role == ROLE_CANDIDATE || s->ready.abi == 0 || strcmp(s->path, w->path) != 0)
			continue;
		if (!is_of(w->kept, s))
			version_kept_serves(sup, i, w->slot);
		const struct version_kept *of_group = sup->version[w->group].kept;
		if (w->role == ROLE_STABLE && (!of_group || strcmp(of_group->path, sup->group_path[w->group]) != 0) &&
		    strcmp(w->path, sup->group_path[w->group]) == 0)
			version_kept_group(sup, w->group, i);
	}
	for (uint32_t g = 0; g < sup->primary->config.groups; g++)
		look_again(sup, g);
}

void versions_kept_fini(struct supervisor *sup)
{
	for (uint32_t i = 0; i < sup->workers; i++)
		version_drop(&sup->worker[i].kept);
	for (uint32_t g = 0; g < BATON_MAX_GROUPS; g++)
		version_drop(&sup->version[g].kept);
}
