/* The file of rollouts: written whole at each step, before the step has any effect that a restart must know of. The
 * next primary goes on at the step that stands there, so it is never one that is further than the last one was. */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "process.h"
#include "reply.h"
#include "rollout_inner.h"
#include "whole_file.h"

#define STORE_SCHEMA 1
#define AGAIN_NS     1000000000ull /* a file that could not be written is tried again */

/* ---- to JSON ---- */

/* NAN is null. */
static void fired_to(json_t *o, const struct rollout_fired *fired)
{
	reply_set_text(o, "gate", fired->gate);
	json_object_set_new(o, "gate_value", isfinite(fired->value) ? json_real(fired->value) : json_null());
	json_object_set_new(o, "gate_control", isfinite(fired->control) ? json_real(fired->control) : json_null());
	json_object_set_new(o, "gate_limit", isfinite(fired->limit) ? json_real(fired->limit) : json_null());
}

static json_t *past_json(const struct rollout_past *past)
{
	json_t *o = json_object();

	json_object_set_new(o, "from", rollout_version_json(&past->from));
	json_object_set_new(o, "to", rollout_version_json(&past->to));
	json_object_set_new(o, "promoted", json_boolean(past->promoted));
	json_object_set_new(o, "time_ns", json_integer((json_int_t)past->time_ns));
	reply_set_text(o, "by", past->actor);
	reply_set_text(o, "why", past->why);
	reply_set_text(o, "snapshot", past->snapshot);
	fired_to(o, &past->fired);
	return o;
}

static json_t *group_json(const struct rollout *r)
{
	json_t *o = json_object(), *barred = json_array(), *past = json_array();
	char salt[24];

	snprintf(salt, sizeof(salt), "%016llx", (unsigned long long)r->salt);
	reply_set_text(o, "at", rollout_at_name(r->at == AT_CHECK && !r->wish.resumed ? r->before : r->at));
	json_object_set_new(o, "step", json_integer(r->step));
	json_object_set_new(o, "weight", json_integer(r->weight));
	rollout_plan_to(o, &r->plan);
	json_object_set_new(o, "paused", json_boolean(r->paused));
	json_object_set_new(o, "full", json_boolean(r->full));
	json_object_set_new(o, "at_once", json_boolean(r->at_once));
	json_object_set_new(o, "undone", json_boolean(r->undone));
	json_object_set_new(o, "one_way", json_boolean(r->one_way));
	json_object_set_new(o, "ever", json_boolean(r->ever));
	reply_set_text(o, "salt", salt);
	json_object_set_new(o, "began_ns", json_integer((json_int_t)r->began_ns));
	json_object_set_new(o, "stable", rollout_version_json(&r->stable));
	json_object_set_new(o, "candidate", rollout_version_json(&r->candidate));
	json_object_set_new(o, "promoted", rollout_version_json(&r->promoted));
	reply_set_text(o, "configured", r->configured);
	reply_set_text(o, "by", r->actor);
	reply_set_text(o, "why", r->why);
	reply_set_text(o, "snapshot", r->snapshot);
	fired_to(o, &r->fired);
	for (uint32_t i = 0; i < r->bars; i++) {
		json_t *bar = json_object();

		json_object_set_new(bar, "version", rollout_version_json(&r->barred[i].version));
		json_object_set_new(bar, "time_ns", json_integer((json_int_t)r->barred[i].time_ns));
		reply_set_text(bar, "why", r->barred[i].why);
		json_array_append_new(barred, bar);
	}
	json_object_set_new(o, "barred", barred);
	for (uint32_t i = 0; i < r->pasts; i++)
		json_array_append_new(past, past_json(&r->past[i]));
	json_object_set_new(o, "history", past);
	return o;
}

/* ---- writing ---- */

/* Of a rollout that has gone back the file says that it is under way. */
static bool says_too_much(const struct rollout *r)
{
	return (rollout_at_risk(r->saved) || r->saved == AT_CHECK) &&
	       (r->at == AT_ROLLBACK || r->at == AT_DEGRADED ||
		(r->at == AT_IDLE && r->pasts > 0 && !r->past[r->pasts - 1].promoted));
}

static void written(const struct primary *primary, bool well)
{
	const struct rollouts *all = primary->rollouts;
	bool too_much = false;

	for (uint32_t g = 0; g < primary->config.groups; g++) {
		struct rollout *r = all->of[g];

		if (r && well)
			r->saved = r->at == AT_CHECK && !r->wish.resumed ? r->before : r->at;
		too_much = too_much || (r && says_too_much(r));
	}
	if (well)
		rollout_file_drop_aside(all->path);
	else if (too_much) /* a full disk has room for another name */
		rollout_file_put_aside(all->path);
}

/* A kill of the primary loses nothing that rename() has seen. Waiting for the disk is for when nothing is under way:
 * the main lcore sees deaths. */
void rollout_save(struct primary *primary, bool durable)
{
	struct rollouts *all = primary->rollouts;
	json_t *o = json_object(), *groups = json_object();
	int rc = -ENOMEM;

	json_object_set_new(o, "schema", json_integer(STORE_SCHEMA));
	for (uint32_t g = 0; g < primary->config.groups; g++)
		if (all->of[g] && (all->of[g]->ever || all->of[g]->bars || all->of[g]->pasts))
			json_object_set_new(groups, primary->config.group[g].name, group_json(all->of[g]));
	json_object_set_new(o, "groups", groups);
	char *text = json_dumps(o, JSON_INDENT(1) | JSON_ENSURE_ASCII);
	if (text && !BATON_SABOTAGE(rollout_not_kept))
		rc = whole_file_write(all->path, text, durable);
	free(text);
	json_decref(o);
	written(primary, rc == 0);
	if (rc != 0 && !all->complained)
		log_warn("rollouts: %s: %s: a restart of batond would not know what is under way until that is mended",
			 all->path, strerror(-rc));
	else if (rc == 0 && all->complained)
		log_info("rollouts: %s: written again", all->path);
	all->complained = rc != 0;
	all->again_ns = process_now_ns() + AGAIN_NS;
}

/* ---- reading ---- */

static void text_to(const json_t *o, const char *key, char *to, size_t bytes)
{
	const char *text = json_string_value(json_object_get(o, key));

	snprintf(to, bytes, "%s", text ? text : "");
}

static uint64_t number_of(const json_t *o, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(o, key));

	return n > 0 ? (uint64_t)n : 0;
}

static bool truth_of(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

static void version_from(const json_t *o, const char *key, struct rollout_version *v)
{
	const json_t *from = json_object_get(o, key);

	text_to(from, "version", v->version, sizeof(v->version));
	text_to(from, "build_id", v->build_id, sizeof(v->build_id));
	text_to(from, "path", v->path, sizeof(v->path));
}

static double real_of(const json_t *o, const char *key)
{
	const json_t *value = json_object_get(o, key);

	return json_is_number(value) ? json_number_value(value) : NAN;
}

static void fired_from(const json_t *o, struct rollout_fired *fired)
{
	text_to(o, "gate", fired->gate, sizeof(fired->gate));
	fired->value = real_of(o, "gate_value");
	fired->control = real_of(o, "gate_control");
	fired->limit = real_of(o, "gate_limit");
}

static void lists_from(const json_t *o, struct rollout *r)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(o, "barred"), i, item) {
		if (r->bars == ROLLOUT_BARRED)
			break;
		struct rollout_bar *bar = &r->barred[r->bars++];
		version_from(item, "version", &bar->version);
		bar->time_ns = number_of(item, "time_ns");
		text_to(item, "why", bar->why, sizeof(bar->why));
	}
	json_array_foreach(json_object_get(o, "history"), i, item) {
		if (r->pasts == ROLLOUT_HISTORY)
			break;
		struct rollout_past *past = &r->past[r->pasts++];
		version_from(item, "from", &past->from);
		version_from(item, "to", &past->to);
		past->promoted = truth_of(item, "promoted");
		past->time_ns = number_of(item, "time_ns");
		text_to(item, "by", past->actor, sizeof(past->actor));
		text_to(item, "why", past->why, sizeof(past->why));
		text_to(item, "snapshot", past->snapshot, sizeof(past->snapshot));
		fired_from(item, &past->fired);
	}
}

static enum rollout_at at_from(const json_t *o)
{
	const char *name = json_string_value(json_object_get(o, "at"));
	enum rollout_at at = AT_IDLE;

	while (name && at < AT_COUNT && strcmp(rollout_at_name(at), name) != 0)
		at++;
	return at < AT_COUNT ? at : AT_IDLE;
}

/* What it was at says what there is to do now: stable owns everything again. */
static void take_up(struct rollout *r, enum rollout_at at, bool sound, bool stale)
{
	const struct rollout_version candidate = r->candidate;

	if (at == AT_IDLE || at == AT_DEGRADED) {
		r->at = at;
		r->weight = 0;
		return;
	}
	if (at == AT_SETTLE || (at == AT_ROLLBACK && r->undone)) { /* all that was left to do is done */
		r->at = AT_IDLE;
		r->weight = 0;
		return;
	}
	if (at == AT_ROLLBACK || !sound || stale) {
		r->at = AT_DEGRADED;
		if (at != AT_ROLLBACK)
			snprintf(r->why, sizeof(r->why), "%s", stale ? "batond could not write down how it went on, and was ended: "
				 "it may have been rolled back" : "batond was restarted, and what its file says of the steps makes no "
				 "sense");
		if (at != AT_ROLLBACK && stale)
			rollout_bar(r, r->why);
		rollout_note_past(r, false); /* as it would have been at the roll back's end */
		r->weight = 0;
		r->paused = r->held = r->full = false;
		return;
	}
	if (r->step >= r->plan.steps) /* it was through: the last step once more */
		r->step = r->plan.steps - 1;
	if (BATON_SABOTAGE(resumed_a_step_further) && r->step + 1 < r->plan.steps)
		r->step++;
	if (BATON_SABOTAGE(resumed_at_the_weight_to_come))
		for (uint32_t i = r->plan.steps; i-- > r->step;)
			r->weight = r->plan.step[i].kind == STEP_WEIGHT ? r->plan.step[i].permille : r->weight;
	r->at = AT_CHECK;
	r->wish = (struct rollout_wish){ .resumed = true, .answered = true, .at_once = r->at_once, .retry = true };
	memcpy(r->wish.to, candidate.path, sizeof(r->wish.to));
	memcpy(r->wish.build_id, candidate.build_id, sizeof(r->wish.build_id));
	memcpy(r->wish.version, candidate.version, sizeof(r->wish.version));
	memcpy(r->wish.actor, r->actor, sizeof(r->wish.actor));
}

static void group_from(const json_t *o, struct rollout *r, bool stale)
{
	char salt[24];
	enum rollout_at at = r->saved = at_from(o);
	bool sound = rollout_plan_from(o, &r->plan);

	r->step = (uint32_t)number_of(o, "step");
	r->weight = (uint32_t)number_of(o, "weight");
	sound = sound && r->weight <= 1000;
	r->ever = truth_of(o, "ever");
	r->paused = truth_of(o, "paused");
	r->full = truth_of(o, "full");
	r->at_once = truth_of(o, "at_once");
	r->undone = truth_of(o, "undone");
	r->one_way = truth_of(o, "one_way");
	text_to(o, "salt", salt, sizeof(salt));
	r->salt = strtoull(salt, NULL, 16);
	r->began_ns = number_of(o, "began_ns");
	version_from(o, "stable", &r->stable);
	version_from(o, "candidate", &r->candidate);
	version_from(o, "promoted", &r->promoted);
	text_to(o, "configured", r->configured, sizeof(r->configured));
	text_to(o, "by", r->actor, sizeof(r->actor));
	text_to(o, "why", r->why, sizeof(r->why));
	text_to(o, "snapshot", r->snapshot, sizeof(r->snapshot));
	fired_from(o, &r->fired);
	r->held = r->paused && r->fired.gate[0];
	lists_from(o, r);
	take_up(r, at, sound, stale);
}

void rollout_load(struct primary *primary)
{
	struct rollouts *all = primary->rollouts;
	char path[BATON_PATH_BYTES + 8];
	bool stale = false;
	json_error_t error;
	json_t *o;

	if (!rollout_file_find(all->path, path, &stale))
		return;
	all->complained = stale && !BATON_SABOTAGE(not_written_again); /* what is made of it is yet to be written */
	o = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_object(o) || number_of(o, "schema") != STORE_SCHEMA) {
		log_error("rollouts: %s cannot be read (%s): no rollout goes on, no build is barred; the groups start with "
			  "what the configuration names", path, o ? "not of this version" : error.text);
		json_decref(o);
		return;
	}
	for (uint32_t g = 0; g < primary->config.groups; g++) {
		const json_t *group = json_object_get(json_object_get(o, "groups"), primary->config.group[g].name);

		if (!json_is_object(group))
			continue;
		group_from(group, all->of[g], stale);
		if (all->of[g]->at == AT_CHECK)
			log_info("rollout of %s to %s: goes on at step %u of %u, %u permille", primary->config.group[g].name,
				 all->of[g]->candidate.version, all->of[g]->step + 1, all->of[g]->plan.steps, all->of[g]->weight);
	}
	json_decref(o);
}
