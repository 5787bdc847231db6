/* The snapshot step of a rollout: a copy of the group's records as they are before the candidate owns anything, so that
 * what it may write wrongly can be put back. state_op.c takes it, under traffic, by a process of its own; here are its
 * file's name, what follows of its failure, and how many are kept. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "process.h"
#include "rollout_inner.h"
#include "whole_file.h"

#define RETRY_NS 200000000ull /* another snapshot is being taken, or put back */

/* Of a name behind that of the group; d: a digit. In the order of time it is the order of names as well. */
static const char shape[] = "-ddddddddTdddddd.dddZ.snap";

/* ---- files ---- */

/* Beside rollout.json. */
static void directory(const struct primary *primary, char *dir, size_t bytes)
{
	const char *path = primary->rollouts->path, *end = strrchr(path, '/');

	snprintf(dir, bytes, "%.*s/snapshots", end ? (int)(end - path) : 1, end ? path : ".");
}

static bool is_ours(const char *name, const char *group)
{
	size_t len = strlen(group);

	if (strncmp(name, group, len) != 0 || strlen(name + len) != sizeof(shape) - 1)
		return false;
	for (size_t i = 0; i < sizeof(shape) - 1; i++)
		if (shape[i] == 'd' ? !isdigit((unsigned char)name[len + i]) : name[len + i] != shape[i])
			return false;
	return true;
}

/* How many snapshots of the group there are; *oldest: the name of the oldest one. */
static uint32_t look(const char *dir, const char *group, char oldest[NAME_MAX + 1])
{
	DIR *d = opendir(dir);
	const struct dirent *entry;
	uint32_t count = 0;

	while (d && (entry = readdir(d))) {
		if (!is_ours(entry->d_name, group))
			continue;
		if (count++ == 0 || strcmp(entry->d_name, oldest) < 0)
			snprintf(oldest, NAME_MAX + 1, "%s", entry->d_name);
	}
	if (d)
		closedir(d);
	return count;
}

static void prune(const struct primary *primary, const char *group, uint32_t keep)
{
	char dir[BATON_PATH_BYTES], oldest[NAME_MAX + 1], path[BATON_PATH_BYTES + NAME_MAX + 2];

	directory(primary, dir, sizeof(dir));
	while (look(dir, group, oldest) > keep && !BATON_SABOTAGE(snapshots_pile_up)) {
		snprintf(path, sizeof(path), "%s/%s", dir, oldest);
		if (unlink(path) != 0) {
			log_warn("rollout of %s: %s is one snapshot too many and cannot be removed: %s", group, path,
				 strerror(errno));
			return;
		}
		log_info("rollout of %s: %s is removed: the latest %u snapshots are kept", group, path, keep);
	}
}

static int name_file(const struct primary *primary, const char *group, char path[BATON_PATH_BYTES])
{
	char dir[BATON_PATH_BYTES], when[32];
	uint64_t now = rollout_wall_ns();
	time_t seconds = (time_t)(now / 1000000000u);
	struct tm tm;

	directory(primary, dir, sizeof(dir));
	gmtime_r(&seconds, &tm);
	strftime(when, sizeof(when), "%Y%m%dT%H%M%S", &tm);
	int n = snprintf(path, BATON_PATH_BYTES, "%s/%s-%s.%03uZ.snap", dir, group, when,
			 (unsigned)(now / 1000000u % 1000u));
	return n < (int)BATON_PATH_BYTES ? 0 : -ENAMETOOLONG;
}

/* ---- taken ---- */

static void none(struct supervisor *sup, struct rollout *r, const char *why)
{
	char text[ROLLOUT_WHY];

	snprintf(text, sizeof(text), "there is no snapshot, so no player gets the candidate: %.130s", why);
	rollout_event(sup, r, EV_NO_START, text);
}

static void whole(struct supervisor *sup, struct rollout *r)
{
	const struct config_step *step = &r->plan.step[r->step];

	r->snapped = true;
	r->why[0] = '\0';
	memcpy(r->snapshot, r->snapping, sizeof(r->snapshot));
	rollout_audit(sup->primary, r, "snapshot", "");
	rollout_save(sup->primary, false);
	prune(sup->primary, r->plan.name, step->keep);
}

/* token: group and serial number: of a rollout that has been ended meanwhile it is not wanted any more. */
static void on_snapshot(struct primary *primary, uint64_t token, json_t *reply)
{
	struct rollout *r = rollout_of(primary, (uint32_t)token);
	const char *error = json_string_value(json_object_get(reply, "error"));
	const char *file = json_string_value(json_object_get(reply, "file"));
	bool good = json_is_true(json_object_get(reply, "ok"));

	if (!r || primary->supervisor->stopping) {
		if (r && r->at == AT_SNAPSHOT && r->snap_serial == token >> 32)
			unlink(r->snapping); /* the next primary takes the step anew */
		json_decref(reply);
		return;
	}
	if (r->at != AT_SNAPSHOT || r->snap_serial != token >> 32) {
		if (good && file)
			unlink(file);
	} else if (good || BATON_SABOTAGE(rollout_without_snapshot)) {
		whole(primary->supervisor, r);
	} else {
		unlink(r->snapping); /* what a writer left that died */
		none(primary->supervisor, r, error ? error : "?");
	}
	json_decref(reply);
}

void rollout_snapshot_begin(struct rollout *r)
{
	r->snap_serial++;
	r->snapped = false;
	r->snapping[0] = r->snapshot[0] = '\0';
	r->retry_ns = 0;
	rollout_gates_disarm(r); /* of a shadow before it */
}

bool rollout_snapshot_call_off(struct supervisor *sup, const struct rollout *r)
{
	return r->snapping[0] && !r->snapped && !BATON_SABOTAGE(snapshot_goes_on) &&
	       state_snapshot_call_off(sup, r->snapping);
}

static void ask(struct supervisor *sup, struct rollout *r)
{
	struct primary *primary = sup->primary;
	const char *group = primary->config.group[r->group].name;
	char why[600] = "";
	int rc = name_file(primary, group, r->snapping);

	if (rc == 0) {
		whole_file_directory(r->snapping);
		rc = state_snapshot_begin(sup, r->snapping, group, on_snapshot, (uint64_t)r->snap_serial << 32 | r->group, why,
					  sizeof(why));
	} else {
		snprintf(why, sizeof(why), "its path is longer than %u characters", BATON_PATH_BYTES - 1);
	}
	if (rc == 0)
		return;
	r->snapping[0] = '\0';
	if (rc != -EBUSY) {
		none(sup, r, why);
		return;
	}
	snprintf(r->why, sizeof(r->why), "the snapshot waits: %.150s", why);
	r->retry_ns = process_now_ns() + RETRY_NS;
}

void rollout_snapshot_poll(struct supervisor *sup, struct rollout *r)
{
	const struct state *state = &sup->primary->state;

	if (rollout_shadowed(sup, r)) { /* those of the step before */
		rollout_retire(sup, r, ROLE_CANDIDATE);
		rollout_retire(sup, r, ROLE_CONTROL);
	}
	if (!r->snapped && (state->base == NULL || state->header->group[r->group].record_size == 0)) {
		log_info("rollout of %s: its plugin keeps no records: there is nothing to take a snapshot of", r->plan.name);
		r->snapped = true;
	}
	if (r->snapped && !r->paused)
		rollout_advance(sup, r);
	else if (!r->snapped && r->snapping[0] == '\0' && process_now_ns() >= r->retry_ns)
		ask(sup, r);
}
