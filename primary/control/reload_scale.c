/* The number of a group's workers in a reload: one start or stop after the other, and the same way back. */
#include "reload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "reply.h"
#include "rollout.h"
#include "supervisor.h"
#include "items.h" /* its `schema` is a name of parameters in headers of the above */

/* Its workers, and the one with the highest number. */
static uint32_t count_workers(const struct supervisor *sup, uint32_t group, uint32_t *last)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < sup->workers; i++) {
		if (sup->worker[i].group != group || sup->worker[i].gone)
			continue;
		count++;
		*last = i;
	}
	return count;
}

void reload_note_counts(struct primary *primary)
{
	uint32_t last;

	for (uint32_t g = 0; g < primary->config.groups; g++)
		primary->reload->count[g] = (uint8_t)count_workers(primary->supervisor, g, &last);
}

static void note_failure(struct reload *r, const char *why)
{
	size_t used = strlen(r->failure);

	snprintf(r->failure + used, sizeof(r->failure) - used, "%s%s", used ? "; not taken back: " : "", why);
}

static void on_scaled(struct primary *primary, uint64_t token, json_t *reply)
{
	struct reload *r = primary->reload;
	const char *error = json_string_value(json_object_get(reply, "error"));

	(void)token;
	r->restarting = false;
	if (!json_is_true(json_object_get(reply, "ok"))) {
		note_failure(r, error ? error : "it failed");
		r->scale &= r->scale - 1; /* the lowest is the one at work: on the way back the others still go */
	}
	json_decref(reply);
}

/* Returns false if the group has as many as it is to have, or cannot get there. */
static bool order(struct primary *primary, uint32_t group, uint32_t wanted)
{
	struct supervisor *sup = primary->supervisor;
	char why[700] = "";
	uint32_t last = 0, count = count_workers(sup, group, &last);
	int rc;

	if (count == wanted)
		return false;
	if (count < wanted)
		rc = scale_begin_start(sup, primary->config.group[group].name, on_scaled, 0, why, sizeof(why));
	else
		rc = scale_begin_drain(sup, sup->worker[last].name, true, on_scaled, 0, why, sizeof(why));
	if (rc)
		note_failure(primary->reload, why[0] ? why : strerror(-rc));
	primary->reload->restarting = rc == 0;
	return rc == 0;
}

bool reload_scale(struct primary *primary, bool forward)
{
	struct reload *r = primary->reload;

	while (r->scale) {
		uint32_t group = (uint32_t)__builtin_ctz(r->scale);

		r->scaled |= 1u << group;
		if (order(primary, group, forward ? r->next.group[group].count : r->count[group]))
			return true;
		r->scale &= r->scale - 1;
		if (forward && r->failure[0])
			return false;
	}
	return false;
}

static void note_group(const struct config_item *item, void *arg)
{
	uint32_t *groups = arg;

	if (item->row->reload == RELOAD_WORKER || item->row->reload == RELOAD_SCALE)
		*groups |= 1u << item->index;
}

/* More standbys take slots that a rollout under way counts on; the file alone fits, which the loader has seen to. */
static bool refuse_standbys(const struct primary *primary, char *why, size_t bytes)
{
	const struct supervisor *sup = primary->supervisor;
	uint32_t reserved = rollouts_reserved(primary, BATON_MAX_GROUPS), before = standbys_wanted(sup), after = 0;

	for (uint32_t g = 0; g < primary->reload->next.groups; g++)
		after += primary->reload->next.group[g].standby;
	if (reserved == 0 || after <= before || sup->workers + reserved + after + 1 <= sup->slots)
		return false;
	snprintf(why, bytes, "groups[].standby: %u workers, %u standbys, 1 slot for a restart and %u for steps to come of a "
		 "rollout are more than memory.worker_slots, %u: wait for its end (`batonctl rollout status`)", sup->workers,
		 after, reserved, sup->slots);
	return true;
}

json_t *reload_in_rollout(struct primary *primary)
{
	uint32_t groups = 0;
	char why[600];

	if (refuse_standbys(primary, why, sizeof(why)) ||
	    rollout_refuse_candidate(primary, &primary->reload->next, why, sizeof(why)))
		return reply_error("busy", why);

	config_diff(&primary->config, &primary->reload->next, note_group, &groups);
	for (; groups != 0; groups &= groups - 1)
		if (rollout_refuse(primary, (uint32_t)__builtin_ctz(groups), why, sizeof(why)))
			return reply_error("busy", why);
	return NULL;
}
