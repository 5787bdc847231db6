/* What a restart is asked for: which workers, which file. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rollout.h"
#include "supervisor.h"

static int find_members(struct supervisor *sup, const char *target, struct restart *r, char *why, size_t bytes)
{
	const struct config *config = &sup->primary->config;
	char names[160] = "";

	r->count = 0;
	for (uint32_t i = 0; i < sup->workers; i++) {
		const struct worker *w = &sup->worker[i];
		if (w->gone)
			continue;
		if (w->role != ROLE_STABLE && strcmp(target, w->name) != 0) /* a rollout's, which it ends itself */
			continue;
		if (strcmp(target, w->name) == 0 || strcmp(target, config->group[w->group].name) == 0) {
			if (w->debugged && r->done == NULL) /* a fall back takes the others along */
				continue;
			if (debug_refuse(sup, i, why, bytes))
				return -EBUSY;
			r->member[r->count++] = i;
			r->group = w->group;
		}
	}
	if (r->count)
		return 0;
	for (uint32_t g = 0; g < config->groups; g++)
		snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s", g ? ", " : "",
			 config->group[g].name);
	snprintf(why, bytes, "no worker or group '%.64s': groups are %s", target, names);
	return -ENOENT;
}

static int take_path(struct restart *r, const char *path, char *why, size_t bytes)
{
	if (strlen(path) >= sizeof(r->path)) {
		snprintf(why, bytes, "the plugin's path is longer than %zu characters", sizeof(r->path) - 1);
		return -EINVAL;
	}
	snprintf(r->path, sizeof(r->path), "%s", path);
	return 0;
}

/* Fills in r->path, or begins the search that will. */
static int choose_file(struct supervisor *sup, struct restart *r, const char *version, char *why, size_t bytes)
{
	const struct config_group *g = &sup->primary->config.group[r->group];
	const char *named[2 + CONFIG_VERSIONS] = { g->plugin, sup->group_path[r->group] };

	if (version == NULL)
		return take_path(r, sup->group_path[r->group], why, bytes);
	if (version[0] == '/')
		return take_path(r, version, why, bytes);
	for (uint32_t i = 0; i < g->versions; i++) {
		if (strcmp(version, g->version[i].name) == 0)
			return take_path(r, g->version[i].plugin, why, bytes);
		named[2 + i] = g->version[i].plugin;
	}
	if (version[0] == 0 || strlen(version) >= sizeof(r->version) || strchr(version, '/')) {
		snprintf(why, bytes, "'%.64s' is no version (1 to %zu characters, no '/'): give a version of plugin %s, or "
			 "the absolute path of a file", version, sizeof(r->version) - 1,
			 sup->primary->plugin[r->group].name);
		return -EINVAL;
	}
	snprintf(r->version, sizeof(r->version), "%s", version);
	version_find_begin(&sup->find, sup->zygote.path, sup->primary->plugin[r->group].name, version, named,
			   2 + g->versions);
	return 0;
}

int restart_begin(struct supervisor *sup, const char *target, const char *version, restart_done_fn done, uint64_t token,
		  char *why, size_t bytes)
{
	struct restart *r = &sup->restart;
	struct restart fresh = {
		.phase = RESTART_FIND, .old = SLOT_NONE, .fresh = SLOT_NONE, .done = done, .token = token
	};
	int rc;

	if (sup->stopping) {
		snprintf(why, bytes, "the primary is stopping");
		return -EBUSY;
	}
	if (r->phase != RESTART_IDLE) {
		snprintf(why, bytes, "a restart of %s is under way (%s): wait for its end", r->target,
			 sup->worker[r->member[r->at]].name);
		return -EBUSY;
	}
	if (scale_busy(sup, why, bytes))
		return -EBUSY;
	rc = find_members(sup, target, &fresh, why, bytes);
	/* Not a fall back, which nobody orders. */
	if (rc == 0 && done != NULL && rollout_refuse(sup->primary, fresh.group, why, bytes))
		rc = -EBUSY;
	if (rc == 0)
		rc = choose_file(sup, &fresh, version, why, bytes);
	if (rc)
		return rc;
	if (done != NULL) { /* else it is we who fall back */
		budget_reset(sup, fresh.group);
		held_again(sup, fresh.group);
	}
	snprintf(fresh.target, sizeof(fresh.target), "%s", target);
	fresh.done_workers = json_array();
	*r = fresh;
	return 0;
}
