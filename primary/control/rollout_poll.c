/* What each state of a rollout does every turn. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "process.h"
#include "rollout_inner.h"
#include "shadow.h"

#define RETRY_NS 200000000ull /* an operation that could not be begun, or failed, is tried again */
#define SAY_NS   50000000ull  /* so often monitors are told */
#define LOST_NS  5000000000ull /* and so late if it is an operator who is waited for */

static const struct config_step *step_of(const struct rollout *r)
{
	return r->step < r->plan.steps ? &r->plan.step[r->step] : NULL;
}

/* ---- operations that it orders ---- */

static bool succeeded(const json_t *reply)
{
	return json_is_true(json_object_get(reply, "ok"));
}

/* It waits for something that may pass: said, not acted on. */
static void waits(struct rollout *r, const char *what, const char *why)
{
	char text[ROLLOUT_WHY];

	snprintf(text, sizeof(text), "%.60s: %.130s", what, why);
	if (r->at != AT_ROLLBACK && strcmp(r->why, text) != 0) {
		log_warn("rollout of %s: %s", r->plan.name, text);
		memcpy(r->why, text, sizeof(r->why));
	}
	r->retry_ns = process_now_ns() + RETRY_NS;
}

/* Restarts are spent, or records cannot be converted: trying again at once would only be another death. */
static bool takes_an_operator(const struct primary *primary, uint32_t group)
{
	const struct supervisor *sup = primary->supervisor;
	bool does = sup->budget[group].spent;

	for (uint32_t i = 0; i < sup->workers; i++)
		does = does || (sup->worker[i].group == group && process_now_ns() < sup->worker[i].convert_again_ns);
	return does;
}

static void on_moved(struct primary *primary, uint64_t token, json_t *reply)
{
	struct rollout *r = rollout_of(primary, (uint32_t)token);
	const char *error = json_string_value(json_object_get(reply, "error"));

	r->ordered = false;
	r->moving = !succeeded(reply);
	if (r->moving)
		waits(r, "buckets cannot be moved, which is tried again", error ? error : "?");
	r->hindered = r->moving && r->at == AT_ROLLBACK;
	if (r->moving && takes_an_operator(primary, r->group))
		r->retry_ns = process_now_ns() + LOST_NS;
	json_decref(reply);
}

static void on_restarted(struct primary *primary, uint64_t token, json_t *reply)
{
	struct rollout *r = rollout_of(primary, (uint32_t)token);
	const char *error = json_string_value(json_object_get(reply, "error"));

	r->ordered = false;
	r->restarting = !succeeded(reply);
	if (r->restarting)
		waits(r, "the group's workers cannot be restarted, which is tried again", error ? error : "?");
	json_decref(reply);
}

/* Begins what is still to be done, if nothing else is under way. A move that is under way follows r->want by itself. */
static void order(struct supervisor *sup, struct rollout *r)
{
	const char *name = sup->primary->config.group[r->group].name;
	char why[600];
	int rc;

	if (r->ordered || process_now_ns() < r->retry_ns || !rollout_table_is_free(sup))
		return;
	rollout_home_note(sup, r);
	sup->primary->rollouts->ordering = true;
	if (r->moving)
		rc = scale_begin_weight(sup, r->group, on_moved, r->group, why, sizeof(why));
	else
		rc = restart_begin(sup, name, r->at == AT_ROLLBACK ? sup->group_path[r->group] : r->candidate.path,
				   on_restarted, r->group, why, sizeof(why));
	sup->primary->rollouts->ordering = false;
	r->ordered = rc == 0;
	r->forward = r->forward || (rc == 0 && !r->moving && r->at == AT_COMPLETE);
	if (rc)
		waits(r, r->moving ? "buckets cannot be moved yet" : "the group's workers cannot be restarted yet", why);
}

/* ---- states ---- */

/* Control has nothing to do any more: what it owns goes back first. True: it is gone. */
static bool without_control(struct supervisor *sup, struct rollout *r)
{
	if (rollout_count(sup, r->group, ROLE_CONTROL) == 0)
		return true;
	if (r->control) {
		rollout_gates_disarm(r);
		r->control = false;
		r->moving = true;
	}
	if (r->moving)
		order(sup, r);
	else
		rollout_retire(sup, r, ROLE_CONTROL);
	return false;
}

static void poll_start(struct supervisor *sup, struct rollout *r)
{
	const struct config_step *step = step_of(r);
	struct rollout_need need = rollout_need(sup, r);
	char why[ROLLOUT_WHY] = "";
	int rc = -EAGAIN;

	if (step && step->kind == STEP_SNAPSHOT) { /* the first step, or taken up again: needs nobody */
		rollout_take_step(sup, r);
		return;
	}
	if (step && step->kind != STEP_SHADOW && rollout_shadowed(sup, r)) {
		rollout_retire(sup, r, ROLE_CANDIDATE);
		rollout_retire(sup, r, ROLE_CONTROL);
	}
	if (need.controls == 0 && !without_control(sup, r))
		snprintf(why, sizeof(why), "control has not given its buckets back");
	else if (rollout_someone_leaves(sup, r))
		snprintf(why, sizeof(why), "a worker of the step before has not ended");
	else
		rc = rollout_bring(sup, r, ROLE_CANDIDATE, need.candidates, need.shadow, why, sizeof(why));
	if (rc == 0)
		rc = rollout_bring(sup, r, ROLE_CONTROL, need.controls, need.shadow, why, sizeof(why));
	if (rc == 0)
		rollout_event(sup, r, need.shadow ? EV_READY_SHADOW : EV_READY_WEIGHT, "");
	else if (rc != -EAGAIN || process_now_ns() >= r->start_ns)
		rollout_event(sup, r, EV_NO_START, why);
}

static void poll_shadow(struct supervisor *sup, struct rollout *r)
{
	const struct config_step *step = step_of(r);
	char why[ROLLOUT_WHY] = "";
	int rc = r->mirroring ? 0 : rollout_mirror(sup, r, why, sizeof(why));

	if (rc != 0) {
		if (rc != -EAGAIN || process_now_ns() >= r->start_ns)
			rollout_event(sup, r, EV_NO_START, why);
		return;
	}
	if (!r->mirroring) {
		r->mirroring = true;
		r->until_ns = process_now_ns() + step->ns;
		rollout_gates_arm(sup, r);
		rollout_audit(sup->primary, r, "shadow", "");
	}
	rc = shadow_compares(sup, r->group, why, sizeof(why));
	if (rc != 0 && rc != -EAGAIN && !BATON_SABOTAGE(failed_shadow_goes_on)) {
		rollout_event(sup, r, EV_NO_START, why);
		return;
	}
	if (!r->paused && (r->full || r->skip || process_now_ns() >= r->until_ns)) {
		if (rc != 0 && !r->full && !r->skip) /* whatever the gates say of what was compared before */
			waits(r, "the shadow goes on", why);
		else if (rollout_gates_passed(r))
			rollout_advance(sup, r);
		else
			rollout_gates_hold(r, "the shadow goes on");
	}
}

/* Buckets are where they are wanted; is that long enough? */
static void poll_weight(struct supervisor *sup, struct rollout *r)
{
	const struct config_step *step = step_of(r);

	if (r->moving) {
		order(sup, r);
		return;
	}
	if (!r->in_place) {
		if (!r->held)
			r->why[0] = '\0';
		rollout_event(sup, r, EV_MOVED, "");
		return;
	}
	if (step && step->kind == STEP_PAUSE) { /* taken up again: the weight is there, the pause goes on */
		rollout_take_step(sup, r);
		return;
	}
	if (r->paused)
		return;
	/* A pause that follows is the better place to wait. */
	if (rollout_gates_passed(r) || (r->step + 1 < r->plan.steps && r->plan.step[r->step + 1].kind == STEP_PAUSE))
		rollout_advance(sup, r);
	else if (rollout_gates_windows(r) > 0)
		rollout_gates_hold(r, "the weight stays");
}

static void poll_pause(struct supervisor *sup, struct rollout *r)
{
	if (r->paused)
		return;
	if (!r->full && !r->skip && (r->until_ns == 0 || process_now_ns() < r->until_ns))
		return;
	if (rollout_gates_passed(r))
		rollout_advance(sup, r);
	else
		rollout_gates_hold(r, "the pause is over, but the weight stays");
}

static void poll_complete(struct supervisor *sup, struct rollout *r)
{
	if (r->restarting)
		order(sup, r);
	else
		rollout_event(sup, r, EV_RESTARTED, "");
}

/* Buckets back to the group's own workers, then everybody else leaves. */
static void poll_settle(struct supervisor *sup, struct rollout *r)
{
	if (r->moving) {
		order(sup, r);
		return;
	}
	if (!r->retiring)
		rollout_event(sup, r, EV_MOVED, "");
	rollout_retire(sup, r, ROLE_CANDIDATE);
	rollout_retire(sup, r, ROLE_CONTROL);
	if (rollout_alone(sup, r))
		rollout_event(sup, r, EV_EMPTY, "");
}

/* A restart that was giving the group the candidate's file when the roll back began went on to its end: that file is not
 * the group's for it. */
static void take_back_the_file(struct supervisor *sup, struct rollout *r)
{
	if (!r->forward || r->ordered)
		return;
	r->forward = false;
	if (strcmp(sup->group_path[r->group], r->candidate.path) == 0 && !BATON_SABOTAGE(refused_file_stays_the_groups))
		memcpy(sup->group_path[r->group], r->stable.path, sizeof(r->stable.path));
}

static void poll_rollback(struct supervisor *sup, struct rollout *r)
{
	take_back_the_file(sup, r);
	if (r->moving || r->ordered) {
		order(sup, r);
		return;
	}
	r->weight = 0;
	/* The stable version, if the group has not fallen back or an operator restarted it with another meanwhile. */
	if (!r->retiring && !rollout_stable_runs(sup, r, sup->group_path[r->group])) {
		r->restarting = true;
		order(sup, r);
		return;
	}
	r->restarting = false;
	if (!r->retiring)
		rollout_event(sup, r, EV_RESTARTED, "");
	rollout_retire(sup, r, ROLE_CANDIDATE);
	rollout_retire(sup, r, ROLE_CONTROL);
	if (rollout_alone(sup, r))
		rollout_event(sup, r, r->undone ? EV_EMPTY_UNDONE : EV_EMPTY, "");
}

/* ---- what ends it ---- */

static void look_at_deaths(struct supervisor *sup, struct rollout *r)
{
	uint32_t count = r->candidate_deaths;
	char why[ROLLOUT_WHY];

	if (count == 0)
		return;
	r->candidate_deaths = 0;
	if (!rollout_at_risk(r->at))
		return;
	memcpy(why, r->death, sizeof(why));
	rollout_gates_death(r, count);
	rollout_event(sup, r, EV_DEATH, why);
}

/* An operator's time is not counted. */
static void look_at_deadline(struct supervisor *sup, struct rollout *r)
{
	uint64_t now = process_now_ns(), passed = now - r->looked_ns;
	bool waits_for_operator = r->paused || (r->at == AT_PAUSE && r->until_ns == 0);
	char why[ROLLOUT_WHY];

	r->looked_ns = now;
	if (r->deadline_ns == 0 || !rollout_at_risk(r->at))
		return;
	if (waits_for_operator)
		r->deadline_ns += passed;
	if (now < r->deadline_ns)
		return;
	snprintf(why, sizeof(why), "its deadline of %.0f s has passed%s%.150s", (double)r->plan.deadline_ns / 1e9,
		 r->why[0] ? "; at the end: " : "", r->why);
	if (r->plan.pause_on_failure)
		r->deadline_ns = 0; /* said once: it is the operator's from here on */
	rollout_event(sup, r, r->plan.pause_on_failure ? EV_GATE_PAUSE : EV_DEADLINE, why);
}

/* The version that all is compared with, and would be gone back to, has failed itself. */
static void look_at_stable(struct supervisor *sup, struct rollout *r)
{
	const struct budget *budget = &sup->budget[r->group];

	if (!(rollout_at_risk(r->at) || r->at == AT_ROLLBACK) || r->at == AT_COMPLETE ||
	    budget->fell_back == r->stable_fell_back)
		return;
	r->stable_fell_back = budget->fell_back;
	if (!budget->fell_back)
		return;
	const struct good_version *good = &budget->good[budget->back];
	memcpy(r->stable.path, good->path, sizeof(r->stable.path));
	memcpy(r->stable.version, good->version, sizeof(r->stable.version));
	memcpy(r->stable.build_id, good->build_id, sizeof(r->stable.build_id));
	if (r->stable_image >= 0 && !BATON_SABOTAGE(failed_image_kept)) {
		close(r->stable_image); /* of what has failed: the next is kept of the first that runs the good one */
		r->stable_image = -1;
	}
	rollout_event(sup, r, EV_DEADLINE, "the stable version has crashed so often that the group falls back itself");
}

void rollout_poll_one(struct supervisor *sup, struct rollout *r)
{
	static void (*const state[AT_COUNT])(struct supervisor *, struct rollout *) = {
		[AT_CHECK] = rollout_check_poll, [AT_START] = poll_start,	[AT_SHADOW] = poll_shadow,
		[AT_SNAPSHOT] = rollout_snapshot_poll,
		[AT_WEIGHT] = poll_weight,	 [AT_PAUSE] = poll_pause,	[AT_COMPLETE] = poll_complete,
		[AT_SETTLE] = poll_settle,	 [AT_ROLLBACK] = poll_rollback,
	};

	if (rollout_at_work(r->at)) {
		look_at_deaths(sup, r);
		look_at_stable(sup, r);
		look_at_deadline(sup, r);
		rollout_keep_images(sup, r);
	}
	if (rollout_at_risk(r->at))
		rollout_gates_poll(sup, r);
	if (state[r->at])
		state[r->at](sup, r);
	/* The one it was to replace has ended. */
	if (r->wish.queued && (r->at == AT_IDLE || r->at == AT_DEGRADED)) {
		r->wish.queued = false;
		if (!BATON_SABOTAGE(refused_successor_heals))
			r->before = r->at;
		memcpy(r->by, r->wish.actor, sizeof(r->by)); /* whoever has ordered other things since */
		rollout_event(sup, r, EV_ORDER, "");
	}
	if (process_now_ns() - r->told_ns < SAY_NS)
		return;
	rollout_publish(sup, r);
	if (!rollout_at_work(r->at)) /* a roll back takes it away */
		rollout_warn_barred(sup, r);
}
