/* Debugging a worker under traffic. The moves are those of scale.c. */
#include "debug.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "reload.h"
#include "reply.h"
#include "supervisor.h"

int debug_refuse(const struct supervisor *sup, uint32_t worker, char *why, size_t bytes)
{
	const struct worker *w = &sup->worker[worker];

	if (!w->debugged)
		return 0;
	snprintf(why, bytes, "%s is being debugged: `batonctl worker debug %s --end` first", w->name, w->name);
	return -EBUSY;
}

/* ---- begin ---- */

static int add_keys(const struct supervisor *sup, uint32_t service, const json_t *keys, uint64_t *map, char *why,
		    size_t bytes)
{
	const json_t *key;
	uint32_t bucket;
	size_t i;

	json_array_foreach(keys, i, key) {
		if (!json_is_string(key)) {
			snprintf(why, bytes, "args.keys: each is a string, as in \"123\" or \"0x7b\"");
			return -EINVAL;
		}
		int rc = scale_key_bucket(sup->primary, service, json_string_value(key), &bucket, why, bytes);
		if (rc)
			return rc;
		buckets_add(map, bucket);
	}
	return 0;
}

static void add_first(const struct supervisor *sup, uint32_t service, uint32_t slot, uint64_t *map)
{
	for (uint32_t b = 0; b < sup->primary->config.service[service].buckets; b++)
		if (datapath_owner(sup->primary->dp, service, b) == slot) {
			buckets_add(map, b);
			return;
		}
}

static int refuse(struct supervisor *sup, uint32_t worker, char *why, size_t bytes)
{
	const struct worker *w = &sup->worker[worker];
	const char *group = sup->primary->config.group[w->group].name;

	if (debug_refuse(sup, worker, why, bytes))
		return -EBUSY;
	if (w->drained || w->slot == SLOT_NONE || !slot_usable(sup, w->slot)) {
		snprintf(why, bytes, w->drained ? "%s is drained: `batonctl worker start %s` takes it back" :
			 "%s is down: see `batonctl status`", w->name, w->name);
		return -EPERM;
	}
	if (group_owners(sup, w->group) < 2) {
		snprintf(why, bytes, "%s is the only worker of group %s that can take buckets, all its players would wait: "
			 "start another first, by `batonctl worker start %s`", w->name, group, group);
		return -EPERM;
	}
	return 0;
}

int debug_begin(struct supervisor *sup, const char *target, const char *buckets, const json_t *keys,
		restart_done_fn done, uint64_t token, char *why, size_t bytes)
{
	static uint64_t map[SHARE_WORDS]; /* main lcore only */
	uint32_t worker = worker_find(sup, target);
	int rc = scale_find_worker(sup, target, why, bytes);

	rc = rc ? rc : refuse(sup, worker, why, bytes);
	if (rc)
		return rc;
	uint32_t services = group_services(sup, sup->worker[worker].group);
	uint32_t service = services ? (uint32_t)__builtin_ctz(services) : 0;
	memset(map, 0, sizeof(map));
	if (buckets && buckets_parse(buckets, sup->primary->config.service[service].buckets, map, why, bytes) < 0)
		return -EINVAL;
	rc = add_keys(sup, service, keys, map, why, bytes);
	if (rc)
		return rc;
	if (!buckets && json_array_size(keys) == 0)
		add_first(sup, service, sup->worker[worker].slot, map);
	return scale_begin_debug(sup, worker, map, done, token, why, bytes);
}

void debug_enter(struct supervisor *sup, uint32_t worker)
{
	struct worker *w = &sup->worker[worker];

	if (w->slot == SLOT_NONE)
		return;
	w->debugged = true;
	w->debug_slot = w->slot;
	w->debug_incarnation = sup->slot[w->slot].incarnation;
	sup->slot[w->slot].stall.off = !BATON_SABOTAGE(debugged_is_stalled);
	log_warn("%s: pid %d in slot %u is being debugged: it may stand still from now on", w->name,
		 (int)sup->slot[w->slot].pid, w->slot);
	slot_publish(sup, w->slot);
}

/* ---- end ---- */

/* The process that was debugged serves still. Incarnations are counted slot by slot. */
static bool is_same(const struct supervisor *sup, const struct worker *w)
{
	return w->slot == w->debug_slot && sup->slot[w->slot].incarnation == w->debug_incarnation;
}

static void leave(struct supervisor *sup, uint32_t worker)
{
	struct worker *w = &sup->worker[worker];

	w->debugged = false;
	if (!is_same(sup, w))
		return;
	sup->slot[w->slot].stall = (struct stall_watch){ .off = false };
	slot_publish(sup, w->slot);
}

int debug_end(struct supervisor *sup, const char *target, restart_done_fn done, uint64_t token, char *why, size_t bytes)
{
	uint32_t worker = worker_find(sup, target);
	int rc = scale_find_worker(sup, target, why, bytes);

	if (rc)
		return rc;
	if (!sup->worker[worker].debugged) {
		snprintf(why, bytes, "%s is not being debugged", sup->worker[worker].name);
		return -EINVAL;
	}
	leave(sup, worker);
	sup->worker[worker].debug_over = true; /* not to be asked for by itself: what is uneven on purpose stays so */
	rc = scale_begin_start(sup, target, done, token, why, bytes);
	sup->worker[worker].debug_over = false;
	return rc;
}

void debug_poll(struct supervisor *sup)
{
	char why[700];

	for (uint32_t i = 0; i < sup->workers; i++) {
		struct worker *w = &sup->worker[i];

		if (w->debugged && !is_same(sup, w)) {
			log_warn("%s: the process that was being debugged has ended: it takes its share again", w->name);
			leave(sup, i);
			w->debug_over = true;
		}
		if (w->debug_over && !sup->stopping && worker_settled(sup, i) && !reload_busy(sup->primary) &&
		    scale_begin_start(sup, w->name, NULL, 0, why, sizeof(why)) == 0)
			w->debug_over = false;
	}
}

/* ---- what to type ---- */

/* Where the plugin is in the process; false: it cannot be told. */
static bool plugin_base(pid_t pid, uint64_t *base)
{
	char path[64], *line = NULL;
	size_t room = 0;
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	FILE *maps = fopen(path, "re");
	while (maps && !found && getline(&line, &room, maps) > 0) {
		char permissions[8];
		uint64_t offset;

		found = sscanf(line, "%" SCNx64 "-%*x %7s %" SCNx64, base, permissions, &offset) == 3 && offset == 0 &&
			permissions[3] == 'p' && strstr(line, "/memfd:");
	}
	free(line);
	if (maps)
		fclose(maps);
	return found;
}

void debug_report(const struct supervisor *sup, uint32_t worker, json_t *reply)
{
	static uint64_t map[SHARE_WORDS]; /* main lcore only */
	const struct worker *w = &sup->worker[worker];
	const struct worker_slot *s = &sup->slot[w->slot];
	uint32_t services = group_services(sup, w->group), service = services ? (uint32_t)__builtin_ctz(services) : 0;
	uint32_t buckets = sup->primary->config.service[service].buckets;
	char gdb[256];
	uint64_t base;
	char *text;

	memset(map, 0, sizeof(map));
	for (uint32_t b = 0; b < buckets; b++)
		if (datapath_owner(sup->primary->dp, service, b) == w->slot)
			buckets_add(map, b);
	text = buckets_format(map, buckets);
	reply_set_text(reply, "kept", text ? text : "");
	free(text);
	/* The copy that it runs, through our own descriptor: the file may be another by now, and /proc/self/fd/N, as the
	 * worker's loader calls it, is the debugger's own. */
	if (plugin_base(s->pid, &base))
		snprintf(gdb, sizeof(gdb), "gdb -p %d -ex 'add-symbol-file /proc/%d/fd/%d -o 0x%" PRIx64 "'", (int)s->pid,
			 (int)getpid(), s->image, base);
	else
		snprintf(gdb, sizeof(gdb), "gdb -p %d", (int)s->pid);
	reply_set_text(reply, "gdb", gdb);
}
