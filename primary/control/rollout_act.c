/* What the actions of a rollout's table do; see rollout_state.h. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "command.h"
#include "log.h"
#include "process.h"
#include "reply.h"
#include "rollout_inner.h"

uint64_t rollout_wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Answers who ordered it, if he waits. Takes the reference. */
static void answer(struct supervisor *sup, struct rollout *r, json_t *reply)
{
	if (r->wish.answered) {
		json_decref(reply);
		return;
	}
	r->wish.answered = true;
	command_reply(sup->primary, r->wish.token, reply);
}

void rollout_note_past(struct rollout *r, bool promoted)
{
	if (r->pasts == ROLLOUT_HISTORY) {
		memmove(&r->past[0], &r->past[1], (ROLLOUT_HISTORY - 1) * sizeof(r->past[0]));
		r->pasts--;
	}
	struct rollout_past *past = &r->past[r->pasts++];
	*past = (struct rollout_past){ .from = r->stable, .to = r->candidate, .promoted = promoted,
				       .time_ns = rollout_wall_ns() };
	memcpy(past->actor, r->actor, sizeof(past->actor));
	memcpy(past->why, r->why, sizeof(past->why));
	memcpy(past->snapshot, r->snapshot, sizeof(past->snapshot));
	past->fired = r->fired;
}

/* ---- steps ---- */

static const struct config_step *step_of(const struct rollout *r)
{
	return r->step < r->plan.steps ? &r->plan.step[r->step] : NULL;
}

void rollout_take_step(struct supervisor *sup, struct rollout *r)
{
	const struct config_step *step = step_of(r);

	rollout_event(sup, r, !step ? EV_TO_END : step->kind == STEP_PAUSE ? EV_TO_PAUSE :
		      step->kind == STEP_SNAPSHOT ? EV_TO_SNAPSHOT : EV_TO_WORKERS, "");
}

void rollout_advance(struct supervisor *sup, struct rollout *r)
{
	r->step++;
	r->skip = false;
	r->until_ns = 0;
	rollout_take_step(sup, r);
}

static void act_step(struct supervisor *sup, struct rollout *r, const char *why)
{
	const struct config_step *step = step_of(r);
	uint64_t now = process_now_ns();

	(void)why;
	rollout_unmirror(sup, r);
	if (!r->held)
		r->why[0] = '\0';
	r->step_ns = rollout_wall_ns();
	r->until_ns = 0;
	if (r->at == AT_PAUSE)
		r->until_ns = step && step->ns ? now + step->ns : 0;
	else
		r->start_ns = now + sup->primary->config.start_timeout_ns + 2 * WORKER_STOP_NS + 10000000000ull;
	if (r->at == AT_SNAPSHOT)
		rollout_snapshot_begin(r);
	rollout_audit(sup->primary, r, r->at == AT_PAUSE ? "pause" : "step", "");
}

static void act_shadow(struct supervisor *sup, struct rollout *r, const char *why)
{
	(void)sup;
	(void)why;
	r->step_ns = rollout_wall_ns();
	r->until_ns = 0; /* from the beginning of the mirror on: rollout_poll.c */
}

static void act_move(struct supervisor *sup, struct rollout *r, const char *why)
{
	struct rollout_need need = rollout_need(sup, r);
	const struct config_step *step = step_of(r);

	(void)why;
	r->want = step && step->kind == STEP_WEIGHT ? step->permille : r->weight;
	r->control = need.controls > 0;
	r->moving = true;
	r->in_place = false;
	r->retry_ns = 0;
	rollout_gates_disarm(r);
}

static void act_arm(struct supervisor *sup, struct rollout *r, const char *why)
{
	(void)why;
	r->weight = r->want;
	r->in_place = true;
	rollout_gates_arm(sup, r);
	rollout_audit(sup->primary, r, "weight", "");
}

/* ---- orders ---- */

static void act_pause(struct supervisor *sup, struct rollout *r, const char *why)
{
	r->paused = true;
	if (!r->held) /* what holds it is the better reason */
		snprintf(r->why, sizeof(r->why), "%s", why);
	rollout_audit(sup->primary, r, "paused", why);
}

static void act_resume(struct supervisor *sup, struct rollout *r, const char *why)
{
	const struct config_step *step = step_of(r);

	(void)why;
	if (r->paused && r->fired.gate[0]) /* it was the gate's doing: it gets another chance */
		rollout_gates_arm(sup, r);
	else if (r->at == AT_PAUSE && step && step->ns == 0)
		r->until_ns = process_now_ns(); /* the pause is over; what gates have not judged yet is waited for */
	if (BATON_SABOTAGE(resume_passes_gates) && r->until_ns != 0)
		r->skip = true;
	r->paused = r->held = false;
	r->fired.gate[0] = r->why[0] = '\0';
	rollout_audit(sup->primary, r, "resumed", "");
}

static void act_skip(struct supervisor *sup, struct rollout *r, const char *why)
{
	(void)why;
	r->skip = true;
	r->paused = r->held = false;
	r->fired.gate[0] = r->why[0] = '\0';
	rollout_audit(sup->primary, r, "promoted_step", "");
}

static void act_full(struct supervisor *sup, struct rollout *r, const char *why)
{
	r->full = true;
	act_skip(sup, r, why);
}

static void act_hold(struct supervisor *sup, struct rollout *r, const char *why)
{
	if (r->held || (BATON_SABOTAGE(operators_pause_hides_the_gate) && r->paused))
		return; /* he knows */
	r->paused = r->held = true;
	snprintf(r->why, sizeof(r->why), "%s", why);
	log_error("rollout of %s holds: %s", r->plan.name, r->why);
	rollout_audit(sup->primary, r, "gate", why);
}

/* ---- back ---- */

static void act_back(struct supervisor *sup, struct rollout *r, const char *why)
{
	rollout_unmirror(sup, r);
	rollout_gates_disarm(r);
	bool off = rollout_snapshot_call_off(sup, r);
	snprintf(r->why, sizeof(r->why), "%.*s%s", off ? 140 : (int)sizeof(r->why) - 1, why,
		 off ? "; the snapshot that was being written is removed" : "");
	r->paused = r->held = r->full = r->skip = r->retiring = r->hindered = false;
	r->until_ns = r->retry_ns = 0;
	r->want = 0;
	r->control = false;
	r->moving = true;
	log_error("rollout of %s to %s is rolled back: %s", r->plan.name, r->candidate.version, r->why);
	rollout_audit(sup->primary, r, "rollback", why);
}

static void act_bar(struct supervisor *sup, struct rollout *r, const char *why)
{
	if (!BATON_SABOTAGE(rolled_back_not_barred))
		rollout_bar(r, why);
	act_back(sup, r, why);
}

static void act_retire(struct supervisor *sup, struct rollout *r, const char *why)
{
	(void)sup;
	(void)why;
	r->retiring = true;
}

/* Nothing of it is left. */
static void clear(struct rollout *r)
{
	r->held = false;
	rollout_gates_disarm(r);
	rollout_drop_images(r);
	r->weight = r->want = 0;
	r->moving = r->restarting = r->retiring = r->paused = r->control = r->undone = false;
	r->deadline_ns = r->until_ns = 0;
	r->candidate_deaths = 0;
}

static void act_degrade(struct supervisor *sup, struct rollout *r, const char *why)
{
	(void)why;
	rollout_note_past(r, false);
	clear(r);
	rollout_audit(sup->primary, r, "degraded", r->why);
}

/* ---- the end ---- */

static void act_complete(struct supervisor *sup, struct rollout *r, const char *why)
{
	(void)why;
	r->restarting = true;
	r->retry_ns = 0;
	r->step_ns = rollout_wall_ns();
	rollout_audit(sup->primary, r, "complete", "");
}

static void act_promoted(struct supervisor *sup, struct rollout *r, const char *why)
{
	(void)why;
	rollout_gates_disarm(r);
	r->why[0] = '\0';
	r->promoted = r->candidate;
	memcpy(r->configured, sup->primary->config.group[r->group].plugin, sizeof(r->configured));
	rollout_note_past(r, true);
	r->want = 0;
	r->control = false;
	r->moving = true;
	log_info("rollout of %s: %s is promoted: it is what the group runs", r->plan.name, r->candidate.version);
	rollout_audit(sup->primary, r, "promoted", "");
}

/* Promoted, or undone. */
static void act_finish(struct supervisor *sup, struct rollout *r, const char *why)
{
	bool undone = r->undone;

	(void)why;
	if (undone)
		rollout_note_past(r, false);
	clear(r);
	if (undone)
		r->why[0] = '\0';
	rollout_audit(sup->primary, r, undone ? "undone" : "finished", "");
}

static void act_clear(struct supervisor *sup, struct rollout *r, const char *why)
{
	(void)why;
	r->why[0] = r->fired.gate[0] = '\0';
	rollout_audit(sup->primary, r, "undone", "");
}

/* ---- the beginning ---- */

static void act_check(struct supervisor *sup, struct rollout *r, const char *why)
{
	(void)why;
	rollout_check_begin(sup, r);
}

static void act_refuse(struct supervisor *sup, struct rollout *r, const char *why)
{
	log_warn("rollout of %s refused: %s", r->plan.name, why);
	if (r->at == AT_DEGRADED && (r->wish.resumed || r->wish.answered))
		snprintf(r->why, sizeof(r->why), "%s", why);
	if (r->wish.resumed && !BATON_SABOTAGE(not_taken_up_is_forgotten)) { /* it had begun, and this is its end */
		rollout_note_past(r, false);
		clear(r);
		r->full = false;
	}
	rollout_audit(sup->primary, r, "refused", why);
	r->by[0] = '\0';
	answer(sup, r, reply_error(r->wish.unknown ? "not_found" : "failed", why));
}

static void act_begin(struct supervisor *sup, struct rollout *r, const char *why)
{
	json_t *reply = reply_ok();

	(void)why;
	r->ever = true;
	r->paused = r->paused && r->wish.resumed;
	r->held = r->held && r->paused; /* it is still for an operator to say whether it goes on */
	r->full = r->full && r->wish.resumed;
	r->skip = r->undone = r->retiring = r->homed = false;
	r->candidate_deaths = 0;
	r->moving = r->restarting = r->control = r->forward = false;
	if (!r->held)
		r->why[0] = r->fired.gate[0] = '\0';
	r->want = 0;
	if (!r->wish.resumed) {
		r->weight = r->step = 0;
		r->snapshot[0] = '\0';
	}
	rollout_gates_free(r); /* what the last one's said is in the history */
	memcpy(r->actor, r->wish.actor, sizeof(r->actor));
	r->stable_fell_back = sup->budget[r->group].fell_back;
	r->looked_ns = process_now_ns();
	r->deadline_ns = r->plan.deadline_ns && !r->at_once ? r->looked_ns + r->plan.deadline_ns : 0;
	rollout_audit(sup->primary, r, r->wish.resumed ? "taken_up" : "start", "");
	r->by[0] = '\0'; /* what follows it does by itself */
	act_step(sup, r, "");
	log_info("rollout of %s: %s to %s, build %s%s", r->plan.name, r->stable.version, r->candidate.version,
		 r->candidate.build_id[0] ? r->candidate.build_id : "without id",
		 r->wish.resumed ? ", goes on where it was" : "");
	json_object_set_new(reply, "rollout", rollout_row(sup, r));
	answer(sup, r, reply);
}

static void act_none(struct supervisor *sup, struct rollout *r, const char *why)
{
	(void)sup;
	(void)r;
	(void)why;
}

static void (*const action[ACT_COUNT])(struct supervisor *, struct rollout *, const char *) = {
	[ACT_NONE] = act_none,	 [ACT_CHECK] = act_check,   [ACT_BEGIN] = act_begin,	   [ACT_REFUSE] = act_refuse,
	[ACT_SHADOW] = act_shadow, [ACT_MOVE] = act_move,   [ACT_ARM] = act_arm,	   [ACT_STEP] = act_step,
	[ACT_PAUSE] = act_pause, [ACT_RESUME] = act_resume, [ACT_SKIP] = act_skip,	   [ACT_LEAVE] = act_skip,
	[ACT_FULL] = act_full,	 [ACT_HOLD] = act_hold,	    [ACT_BACK] = act_back,	   [ACT_BAR] = act_bar,
	[ACT_COMPLETE] = act_complete, [ACT_PROMOTED] = act_promoted, [ACT_RETIRE] = act_retire,
	[ACT_FINISH] = act_finish, [ACT_DEGRADE] = act_degrade, [ACT_CLEAR] = act_clear,
};

bool rollout_event(struct supervisor *sup, struct rollout *r, enum rollout_event event, const char *why)
{
	struct rollout_transition t = rollout_state_step(r->at, event);
	enum rollout_at was = r->at;

	if (!t.allowed) {
		log_debug("rollout of %s: %s means nothing in state %s", r->plan.name, rollout_event_name(event),
			  rollout_at_name(r->at));
		return false;
	}
	r->at = t.next;
	log_debug("rollout of %s: %s, %s -> %s, %s", r->plan.name, rollout_event_name(event), rollout_at_name(was),
		  rollout_at_name(t.next), rollout_action_name(t.action));
	action[t.action](sup, r, why);
	rollout_save(sup->primary, !rollout_at_work(r->at) && r->at != AT_CHECK);
	rollout_publish(sup, r);
	return true;
}
