/* A reload: parse, compare, refuse or apply; forward group by group, and back again if a group cannot follow. */
#include "reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "command.h"
#include "config_report.h"
#include "items.h"
#include "log.h"
#include "reply.h"
#include "rollout.h"
#include "supervisor.h"

/* ---- carrying values over ---- */

struct taking {
	struct config *to;
	const struct config *from;
	enum schema_reload class;
};

static void take_item(const struct config_item *item, void *arg)
{
	const struct taking *t = arg;

	if (item->row->reload == t->class)
		config_item_copy(t->to, t->from, item);
}

static void take(struct primary *primary, const struct config *from, enum schema_reload class)
{
	struct taking t = { .to = &primary->config, .from = from, .class = class };

	config_diff(&primary->config, from, take_item, &t);
	if (class != RELOAD_HOT)
		return;
	/* A name that is written as before may be another account's by now. */
	primary->config.operators = from->operators;
	primary->config.viewers = from->viewers;
	command_permit(primary);
	log_set_level((enum log_level)primary->config.log_level);
}

static void note_group(const struct config_item *item, void *arg)
{
	struct reload *r = arg;

	if (item->row->reload == RELOAD_WORKER)
		r->groups |= 1u << item->index; /* rows of these classes stand in groups[] only: tests/unit/config */
	if (item->row->reload == RELOAD_SCALE)
		r->scale |= 1u << item->index;
}

/* ---- saying how it went ---- */

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* Logs and returns it. */
static json_t *refused(json_t *reply)
{
	const json_t *errors = json_object_get(reply, "errors");

	for (size_t i = 0; i < json_array_size(errors); i++)
		log_error("reload: %s", json_string_value(json_array_get(errors, i)));
	log_error("reload refused: %s; the configuration in force stays", text_of(reply, "error"));
	return reply;
}

static json_t *applied(const struct primary *primary, const struct reload *r)
{
	json_t *reply = reply_ok();

	for (size_t i = 0; i < json_array_size(r->changes); i++) {
		const json_t *change = json_array_get(r->changes, i);

		log_info("reload: %s: %s, was %s", text_of(change, "path"), text_of(change, "to"),
			 text_of(change, "from"));
	}
	log_info("reload of %s applied: %zu changes, %zu workers restarted", primary->config_path,
		 json_array_size(r->changes), json_array_size(r->workers));
	json_object_set_new(reply, "applied", json_true());
	reply_set_text(reply, "file", primary->config_path);
	json_object_set(reply, "changes", r->changes);
	json_object_set(reply, "workers", r->workers);
	return reply;
}

static void forget(struct reload *r)
{
	config_origins_free(&r->origins);
	json_decref(r->changes);
	json_decref(r->workers);
	r->changes = r->workers = NULL;
	r->groups = r->scale = r->scaled = 0;
	r->restarting = r->awaited = r->noted = false;
	r->failure[0] = '\0';
	r->phase = RELOADING_NONE;
}

/* Takes the reference. */
static void end(struct primary *primary, json_t *reply)
{
	struct reload *r = primary->reload;
	bool awaited = r->awaited;

	forget(r);
	if (awaited) {
		command_reply(primary, r->token, reply);
		return;
	}
	audit_answered(primary, AUDIT_RELOAD, reply);
	json_decref(reply);
}

/* ---- forward ---- */

/* The name --version knows the group's plugin by is that of the one it runs now. */
static void learn_version(struct primary *primary, uint32_t group)
{
	struct supervisor *sup = primary->supervisor;

	for (uint32_t i = 0; i < sup->workers; i++) {
		const struct worker *w = &sup->worker[i];
		const struct worker_ready *ready = w->slot == SLOT_NONE ? NULL : &sup->slot[w->slot].ready;

		if (w->group != group || !ready || ready->abi == 0)
			continue;
		memcpy(primary->plugin[group].name, ready->plugin_name, sizeof(primary->plugin[group].name));
		memcpy(primary->plugin[group].version, ready->version, sizeof(primary->plugin[group].version));
		memcpy(primary->plugin[group].build_id, ready->build_id, sizeof(primary->plugin[group].build_id));
		return;
	}
}

/* Everything runs as the file says: that is what is in force now. */
static json_t *succeed(struct primary *primary)
{
	struct reload *r = primary->reload;
	struct supervisor *sup = primary->supervisor;

	for (uint32_t g = 0; g < r->next.groups; g++)
		if (strcmp(primary->config.group[g].plugin, r->next.group[g].plugin) != 0)
			learn_version(primary, g);
	take(primary, &r->next, RELOAD_WORKER);
	take(primary, &r->next, RELOAD_SCALE);
	for (uint32_t i = 0; i < sup->workers; i++) {
		if (sup->worker[i].config)
			standbys_renew(sup, sup->worker[i].group);
		sup->worker[i].config = NULL;
	}
	config_origins_free(&primary->origins);
	primary->origins = r->origins;
	r->origins = (struct config_origins){ .count = 0 };
	rollouts_configured(primary, &r->before);
	return applied(primary, r);
}

static void on_restart(struct primary *primary, uint64_t token, json_t *reply)
{
	struct reload *r = primary->reload;
	bool ok = json_is_true(json_object_get(reply, "ok"));
	size_t used = strlen(r->failure);

	(void)token;
	r->restarting = false;
	if (r->phase == RELOADING_FORWARD)
		json_array_extend(r->workers, json_object_get(reply, "workers"));
	if (!ok)
		snprintf(r->failure + used, sizeof(r->failure) - used, "%s%s", used ? "; not taken back: " : "",
			 text_of(reply, "error"));
	json_decref(reply);
}

static void note_paths(struct primary *primary)
{
	struct reload *r = primary->reload;

	for (uint32_t i = 0; i < primary->supervisor->workers; i++)
		memcpy(r->worker_path[i], primary->supervisor->worker[i].path, sizeof(r->worker_path[i]));
	r->noted = true;
}

static void begin_group(struct primary *primary)
{
	struct reload *r = primary->reload;
	struct supervisor *sup = primary->supervisor;
	uint32_t g = (uint32_t)__builtin_ctz(r->groups);
	bool same = strcmp(primary->config.group[g].plugin, r->next.group[g].plugin) == 0;

	if (!r->noted)
		note_paths(primary);
	r->groups &= r->groups - 1;
	/* A version that an operator has put there by hand stays, unless the file names another plugin than before. */
	int rc = restart_begin(sup, r->next.group[g].name, same ? sup->group_path[g] : r->next.group[g].plugin,
			       on_restart, 0, r->failure, sizeof(r->failure));
	if (rc == 0) {
		r->failure[0] = '\0';
		r->restarting = true;
		sup->restart.config = &r->next.group[g];
	} else if (r->failure[0] == '\0') {
		snprintf(r->failure, sizeof(r->failure), "%s", strerror(-rc));
	}
}

/* ---- back ---- */

/* One that runs as the file says: it is restarted alone, with what it ran before. */
static bool begin_back(struct primary *primary)
{
	struct reload *r = primary->reload;
	struct supervisor *sup = primary->supervisor;
	char why[600] = "";

	for (uint32_t i = 0; i < sup->workers; i++) {
		struct worker *w = &sup->worker[i];
		size_t used = strlen(r->failure);

		if (!w->config)
			continue;
		/* Also if its restart fails: whoever replaces it is not to run what is not in force. */
		w->config = NULL;
		memcpy(w->path, r->worker_path[i], sizeof(w->path));
		if (restart_begin(sup, w->name, w->path, on_restart, 0, why, sizeof(why)) == 0) {
			r->restarting = true;
			return true;
		}
		snprintf(r->failure + used, sizeof(r->failure) - used, "; %s not taken back: %s", w->name, why);
	}
	return false;
}

static json_t *fail(struct primary *primary)
{
	struct reload *r = primary->reload;
	struct supervisor *sup = primary->supervisor;
	json_t *errors = json_array();

	if (!BATON_SABOTAGE(reload_keeps_half))
		take(primary, &r->before, RELOAD_HOT);
	if (sup)
		memcpy(sup->group_path, r->group_path, sizeof(sup->group_path));
	json_array_append_new(errors, reply_text(r->failure));
	return refused(report_refusal("failed", errors, "workers could not be restarted with it"));
}

/* ---- turns ---- */

static void carry_on(struct primary *primary)
{
	struct reload *r = primary->reload;

	if (r->restarting || !primary->supervisor)
		return;
	if (r->phase == RELOADING_FORWARD && !r->failure[0] && reload_scale(primary, true))
		return;
	if (r->phase == RELOADING_FORWARD && r->failure[0]) {
		r->phase = RELOADING_BACK;
		r->scale = r->scaled;
	}
	if (r->phase == RELOADING_FORWARD && r->groups) {
		begin_group(primary);
	} else if (r->phase == RELOADING_FORWARD) {
		end(primary, succeed(primary));
	} else if (!begin_back(primary)) {
		r->noted = false;
		if (!reload_scale(primary, false))
			end(primary, fail(primary));
	}
}

void reload_poll(struct primary *primary)
{
	struct reload *r = primary->reload;
	struct supervisor *sup = primary->supervisor;

	if (!r || !sup)
		return;
	if (r->phase != RELOADING_NONE)
		carry_on(primary);
	/* In the turn in which the other reload has ended: no order comes between. */
	if (r->phase == RELOADING_NONE && primary->hangup && sup->restart.phase == RESTART_IDLE &&
	    sup->scale.phase == SCALE_IDLE && sup->state_op.kind != STATE_OP_RESTORE) {
		primary->hangup = 0;
		reload_hang_up(primary);
	}
}

bool reload_busy(const struct primary *primary)
{
	return primary->reload && primary->reload->phase != RELOADING_NONE;
}

bool reload_knows_workers(const struct primary *primary)
{
	return reload_busy(primary) && primary->reload->noted;
}

/* ---- the beginning ---- */

static json_t *busy(const struct primary *primary)
{
	const struct supervisor *sup = primary->supervisor;
	char why[160];

	if (!sup || sup->stopping || !primary->reload)
		return reply_error("failed", "the primary is stopping");
	if (reload_busy(primary))
		return reply_error("busy", "a reload of the configuration is under way: wait for its end");
	if (scale_busy(sup, why, sizeof(why)))
		return reply_error("busy", why);
	if (sup->restart.phase == RESTART_IDLE)
		return NULL;
	snprintf(why, sizeof(why), "a restart of %s is under way: wait for its end", sup->restart.target);
	return reply_error("busy", why);
}

/* Only what may change has changed. */
static json_t *apply(struct primary *primary, bool wait, uint64_t token)
{
	struct reload *r = primary->reload;
	struct supervisor *sup = primary->supervisor;
	json_t *reply;

	r->before = primary->config;
	r->workers = json_array();
	reload_note_counts(primary);
	memcpy(r->group_path, sup->group_path, sizeof(r->group_path));
	config_diff(&primary->config, &r->next, note_group, r);
	/* First, so that new workers get the time to start that the file gives them; taken back if they fail. */
	take(primary, &r->next, RELOAD_HOT);
	if (r->groups == 0 && r->scale == 0) {
		reply = succeed(primary);
		forget(r);
		return reply;
	}
	r->phase = RELOADING_FORWARD;
	r->awaited = wait;
	r->token = token;
	if (wait)
		return NULL;
	reply = reply_ok();
	json_object_set_new(reply, "applied", json_false());
	reply_set_text(reply, "file", primary->config_path);
	json_object_set(reply, "changes", r->changes);
	json_object_set_new(reply, "workers", json_array());
	return reply;
}

json_t *reload_begin(struct primary *primary, bool wait, uint64_t token)
{
	struct reload *r = primary->reload;
	json_t *reply = busy(primary), *fixed;

	if (reply)
		return refused(reply);
	reply = report_load(primary->config_path, &r->next, &r->origins);
	if (reply)
		return refused(reply);
	r->changes = report_changes(&primary->config, &r->next, &r->origins);
	fixed = report_fixed(r->changes);
	if (json_array_size(fixed) == 0 || BATON_SABOTAGE(reload_takes_what_it_can)) {
		json_decref(fixed);
		reply = reload_in_rollout(primary);
		if (!reply)
			return apply(primary, wait, token);
		forget(r);
		return refused(reply);
	}
	forget(r);
	return refused(report_refusal("refused", fixed, "what changed needs a restart of batond"));
}

int reload_init(struct primary *primary)
{
	primary->reload = calloc(1, sizeof(*primary->reload));
	return primary->reload ? 0 : -ENOMEM;
}

void reload_fini(struct primary *primary)
{
	struct reload *r = primary->reload;

	if (!r)
		return;
	if (r->phase != RELOADING_NONE)
		end(primary, refused(reply_error("failed", "the primary is stopping")));
	if (primary->hangup)
		log_warn("signal %d waited for the end of what was under way: %s is not read again, the primary is stopping",
			 SIGHUP, primary->config_path);
	free(r);
	primary->reload = NULL;
	config_origins_free(&primary->origins);
}
