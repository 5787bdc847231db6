/* Scaling as phases that each do what can be done now: spawn, ready, share, retire. */
#include "scale.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "process.h"
#include "reply.h"
#include "rollout.h"
#include "supervisor.h"

/* What waits for others is bounded, so that an operation always ends. */
#define SLOT_WAIT_NS   10000000000ull
#define STEADY_WAIT_NS 10000000000ull
#define MOVE_WAIT_NS   10000000000ull
#define RETIRE_WAIT_NS 10000000000ull
#define SCALE_LIMIT_NS 45000000000ull /* of all of it: a group whose workers die again and again is no group to scale */

static const char *const kind_name[] = {
	[SCALE_START] = "worker start", [SCALE_DRAIN] = "worker drain", [SCALE_STOP] = "worker stop",
	[SCALE_MOVE] = "buckets move", [SCALE_DEBUG] = "worker debug",
	[SCALE_WEIGHT] = "rollout weight",
	[SCALE_BALANCE] = "balance",
};

static void enter(struct scale *s, enum scale_phase phase, uint64_t wait_ns)
{
	s->phase = phase;
	s->deadline_ns = process_now_ns() + wait_ns;
}

static bool late(const struct scale *s)
{
	return process_now_ns() >= s->deadline_ns;
}

static uint32_t owned_by(const struct supervisor *sup, uint32_t worker)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < sup->slots; i++)
		if (sup->slot[i].state != WORKER_NONE && sup->slot[i].worker == worker)
			count += datapath_owned(sup->primary->dp, i);
	return count;
}

/* ---- the end of the operation ---- */

static json_t *shares(const struct supervisor *sup, uint32_t group)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < sup->workers; i++) {
		const struct worker *w = &sup->worker[i];
		json_t *o;

		if (w->group != group || w->gone)
			continue;
		o = json_object();
		reply_set_text(o, "name", w->name);
		reply_set_count(o, "buckets", owned_by(sup, i));
		json_object_set_new(o, "drained", json_boolean(w->drained));
		json_array_append_new(list, o);
	}
	return list;
}

/* error NULL: it went well. */
static void finish(struct supervisor *sup, const char *error)
{
	struct scale *s = &sup->scale;
	const struct worker *w = &sup->worker[s->worker];
	const struct worker_slot *slot = w->slot == SLOT_NONE ? NULL : &sup->slot[w->slot];
	json_t *reply = error ? reply_error("failed", error) : reply_ok();

	reply_set_text(reply, "operation", kind_name[s->kind]);
	reply_set_text(reply, "target", s->target);
	reply_set_text(reply, "worker", w->name);
	reply_set_count(reply, "pid", slot && !w->gone ? (uint64_t)slot->pid : 0);
	reply_set_count(reply, "moved", s->report.buckets);
	reply_set_count(reply, "moves", s->moves);
	json_object_set_new(reply, "gap_us", json_real((double)s->report.gap_ns / 1000));
	reply_set_count(reply, "parked", s->report.parked);
	if (s->kind == SCALE_DEBUG && w->debugged)
		debug_report(sup, s->worker, reply);
	json_object_set_new(reply, "shares", shares(sup, w->group));
	if (error && s->kind == SCALE_BALANCE) /* it will look again */
		log_info("balance %s ended early: %s", s->target, error);
	else if (error)
		log_error("%s %s failed: %s", kind_name[s->kind], s->target, error);
	else
		log_info("%s %s done: %u buckets in %u moves, longest gap %.1f us", kind_name[s->kind], s->target,
			 s->report.buckets, s->moves, (double)s->report.gap_ns / 1000);
	s->phase = SCALE_IDLE;
	restart_done_fn done = s->done;
	s->done = NULL;
	if (done)
		done(sup->primary, s->token, reply);
	else
		json_decref(reply);
}

static void stop_processes(struct supervisor *sup, uint32_t worker)
{
	sup->worker[worker].held = true; /* nobody replaces it */
	for (uint32_t i = 0; i < sup->slots; i++)
		if (sup->slot[i].worker == worker && !sup->slot[i].standby && sup->slot[i].state >= WORKER_STARTING &&
		    sup->slot[i].state < WORKER_STOPPING)
			slot_event(sup, i, EVENT_STOP);
}

/* The serving process takes the state that says what the worker is to do. */
static void mark(struct supervisor *sup, uint32_t worker, enum worker_event event)
{
	const struct worker *w = &sup->worker[worker];

	if (w->slot != SLOT_NONE && slot_usable(sup, w->slot))
		slot_event(sup, w->slot, event);
}

/* Buckets stay where they are by now; who was to come or to leave is what it was, as far as that can be. */
static void fail(struct supervisor *sup, const char *why)
{
	struct scale *s = &sup->scale;
	struct worker *w = &sup->worker[s->worker];

	/* A move that has begun goes on to its end; one that has not is not to begin. */
	if (s->receiver != SHARE_NOBODY && sup->worker[s->receiver].transfer.id == 0)
		sup->worker[s->receiver].transfer.open = false;
	s->receiver = SHARE_NOBODY;
	bool empty = owned_by(sup, s->worker) == 0 && !w->transfer.open;
	if (s->kind == SCALE_START && s->added && empty) {
		stop_processes(sup, s->worker);
		w->gone = true;
	} else if (s->kind == SCALE_START && s->was_drained && empty) {
		w->drained = true;
		mark(sup, s->worker, EVENT_DRAINED);
	} else if (s->kind == SCALE_DRAIN || s->kind == SCALE_STOP) {
		w->leaving = false;
		if (!w->drained)
			mark(sup, s->worker, EVENT_MOVE_DONE);
	}
	finish(sup, why);
}

/* ---- start ---- */

static void phase_spawn(struct supervisor *sup)
{
	struct scale *s = &sup->scale;
	struct worker *w = &sup->worker[s->worker];
	char why[256], text[400];
	uint32_t slot;
	int rc = slot_respawn(sup, s->worker, &slot, why, sizeof(why));

	if (rc == 0) {
		w->slot = slot;
		enter(s, SCALE_READY, sup->primary->config.start_timeout_ns + 2 * WORKER_STOP_NS);
	} else if (rc != -EAGAIN || late(s)) {
		snprintf(text, sizeof(text), "%s cannot start: %s", w->name, why);
		fail(sup, text);
	}
}

static void phase_ready(struct supervisor *sup)
{
	struct scale *s = &sup->scale;
	struct worker *w = &sup->worker[s->worker];
	char text[400];

	if (w->slot != SLOT_NONE && slot_usable(sup, w->slot)) {
		w->held = false; /* a worker like the others: replaced when it dies */
		enter(s, SCALE_SHARE, STEADY_WAIT_NS);
	} else if (w->slot == SLOT_NONE || late(s)) {
		snprintf(text, sizeof(text), "%s cannot start: %s", w->name,
			 w->slot == SLOT_NONE ? w->trouble : "it does not get ready");
		fail(sup, text);
	}
}

/* ---- share: step by step, each reckoned from who owns what now ---- */

static bool leaves(const struct scale *s, uint32_t worker)
{
	return (s->kind == SCALE_DRAIN || s->kind == SCALE_STOP) && s->worker == worker;
}

/* A weight does not wait for who is down for good: what it had goes to the others, if there are any. */
static bool others_serve(const struct supervisor *sup, uint32_t lost)
{
	for (uint32_t i = 0; i < sup->workers; i++) {
		const struct worker *w = &sup->worker[i];

		if (w->group == sup->worker[lost].group && w->role == ROLE_STABLE && !w->gone && !w->drained &&
		    !worker_is_lost(sup, i))
			return true;
	}
	return false;
}

/* All that give and take are there, and nobody else's move decides about their buckets. The one that leaves is looked
 * at in begin_step(): it may be down for good. False: `why` says who is not. */
static bool steady(struct supervisor *sup, char *why, size_t bytes)
{
	const struct scale *s = &sup->scale;
	uint32_t group = sup->worker[s->worker].group;

	for (uint32_t i = 0; i < sup->workers; i++) {
		const struct worker *w = &sup->worker[i];

		if (w->group != group || w->gone || w->drained || leaves(s, i) || worker_settled(sup, i))
			continue;
		if (s->kind == SCALE_WEIGHT && w->role != ROLE_STABLE && !rollout_shares(sup, group, w->role))
			continue; /* it gives only: it may be dead */
		if (s->kind == SCALE_WEIGHT && worker_is_lost(sup, i) && others_serve(sup, i))
			continue;
		snprintf(why, bytes, "%s is down%s%s: the other buckets stay where they are; `batonctl worker drain %s` "
			 "gives its own to the others", w->name, w->trouble[0] ? ": " : "", w->trouble, w->name);
		return false;
	}
	return true;
}

enum step { STEP_NONE, STEP_BEGUN, STEP_NOT_YET };

/* Buckets of slot `from` to worker `receiver`, those of scale.map. */
static enum step move_from(struct supervisor *sup, uint32_t service, uint32_t from, uint32_t receiver)
{
	struct scale *s = &sup->scale;
	uint32_t to = sup->worker[receiver].slot;

	if (from != SLOT_NONE && sup->slot[from].state == WORKER_DEAD) {
		if (!sup->slot[from].recovered)
			return STEP_NOT_YET;
		transfer_begin(sup, receiver, from, to); /* orphans go all at once; they are evened out by the next steps */
	} else if (from != SLOT_NONE && !slot_usable(sup, from)) {
		return STEP_NOT_YET;
	} else {
		if (from != SLOT_NONE && leaves(s, sup->slot[from].worker) && sup->slot[from].state == WORKER_ACTIVE)
			slot_event(sup, from, EVENT_MOVE_OUT);
		transfer_begin_part(sup, receiver, service, from, to);
	}
	s->receiver = receiver;
	return STEP_BEGUN;
}

/* The first bucket that is not where it should be, and all that go the same way. */
static enum step begin_step(struct supervisor *sup)
{
	static uint8_t owner[BATON_MAX_BUCKETS], want[BATON_MAX_BUCKETS]; /* main lcore only */
	struct scale *s = &sup->scale;
	const struct primary *primary = sup->primary;

	if (sup->worker[s->worker].transfer.open)
		return STEP_NOT_YET;
	for (uint32_t left = group_services(sup, sup->worker[s->worker].group); left != 0; left &= left - 1) {
		uint32_t service = (uint32_t)__builtin_ctz(left), buckets = primary->config.service[service].buckets, b = 0;

		scale_wanted(sup, service, owner, want);
		while (b < buckets && owner[b] == want[b])
			b++;
		if (b == buckets)
			continue;
		uint32_t from = datapath_owner(primary->dp, service, b), receiver = want[b];
		memset(s->map, 0, sizeof(s->map));
		for (; b < buckets; b++)
			if (want[b] == receiver && owner[b] != receiver && datapath_owner(primary->dp, service, b) == from)
				buckets_add(s->map, b);
		return move_from(sup, service, from, receiver);
	}
	return STEP_NONE;
}

/* Every bucket is where it should be. */
static void shared(struct supervisor *sup)
{
	struct scale *s = &sup->scale;
	struct worker *w = &sup->worker[s->worker];

	if (s->kind == SCALE_DRAIN || s->kind == SCALE_STOP) {
		w->leaving = false;
		w->drained = true;
	}
	if (s->kind == SCALE_STOP) {
		stop_processes(sup, s->worker);
		enter(s, SCALE_RETIRE, RETIRE_WAIT_NS);
		return;
	}
	if (s->kind == SCALE_DRAIN)
		mark(sup, s->worker, EVENT_DRAINED);
	if (s->kind == SCALE_DEBUG)
		debug_enter(sup, s->worker);
	for (uint32_t left = group_services(sup, w->group); s->kind == SCALE_MOVE && left != 0; left &= left - 1)
		balance_placed(sup, (uint32_t)__builtin_ctz(left), s->chosen);
	finish(sup, NULL);
}

/* The transfer of the present step is over. */
static void note_transfer(struct supervisor *sup)
{
	struct scale *s = &sup->scale;
	const struct move_report *report = &sup->worker[s->receiver].transfer.report;

	s->receiver = SHARE_NOBODY;
	if (s->kind == SCALE_BALANCE)
		rollout_balanced(sup, sup->worker[s->worker].group, s->service, s->chosen);
	s->report.buckets += report->buckets;
	s->report.parked += report->parked;
	if (report->gap_ns > s->report.gap_ns)
		s->report.gap_ns = report->gap_ns;
	s->moves += report->buckets > 0;
	enter(s, SCALE_SHARE, STEADY_WAIT_NS);
}

static void phase_share(struct supervisor *sup)
{
	struct scale *s = &sup->scale;
	char why[512] = "its buckets cannot be moved: it is down and not recovered; see `batonctl status`";

	if (s->receiver != SHARE_NOBODY && sup->worker[s->receiver].transfer.open) {
		if (!late(s))
			return;
		if (transfer_break(sup, s->receiver, MOVE_WAIT_NS))
			enter(s, SCALE_SHARE, MOVE_WAIT_NS);
		else
			fail(sup, "a move did not end; see `batonctl status`");
		return;
	}
	if (s->receiver != SHARE_NOBODY && s->kind == SCALE_WEIGHT && sup->worker[s->receiver].transfer.returned) {
		snprintf(why, sizeof(why), "%s: %s", sup->worker[s->receiver].name, sup->worker[s->receiver].trouble);
		fail(sup, why); /* the rollout waits before it tries again */
		return;
	}
	if (s->receiver != SHARE_NOBODY)
		note_transfer(sup);
	enum step step = steady(sup, why, sizeof(why)) ? begin_step(sup) : STEP_NOT_YET;
	if (step == STEP_NONE)
		shared(sup);
	else if (step == STEP_BEGUN)
		enter(s, SCALE_SHARE, MOVE_WAIT_NS);
	else if (late(s) || s->kind == SCALE_BALANCE || /* that waits for nobody: somebody may wait for it */
		 (s->kind == SCALE_WEIGHT && sup->budget[sup->worker[s->worker].group].spent)) /* but for an operator */
		fail(sup, why);
	if (s->phase == SCALE_SHARE && process_now_ns() - s->began_ns >= SCALE_LIMIT_NS)
		fail(sup, "it did not come to an end within 45 s: workers die again and again; see `batonctl status`");
}

/* ---- stop ---- */

/* Its place is given up by workers_sweep(), once its slot is free. */
static void phase_retire(struct supervisor *sup)
{
	struct scale *s = &sup->scale;
	struct worker *w = &sup->worker[s->worker];

	if (!worker_has_no_slot(sup, s->worker) && !late(s))
		return;
	if (!worker_has_no_slot(sup, s->worker))
		log_warn("%s: its process has not ended yet; its slot is free when it has", w->name);
	w->gone = true;
	finish(sup, NULL);
}

void scale_poll(struct supervisor *sup)
{
	static void (*const phase[])(struct supervisor *) = {
		[SCALE_SPAWN] = phase_spawn, [SCALE_READY] = phase_ready, [SCALE_SHARE] = phase_share,
		[SCALE_RETIRE] = phase_retire,
	};

	if (sup->scale.phase != SCALE_IDLE)
		phase[sup->scale.phase](sup);
}

void scale_abandon(struct supervisor *sup)
{
	if (sup->scale.phase != SCALE_IDLE)
		fail(sup, "the primary is stopping");
}

const char *scale_words(const struct supervisor *sup, char *words, size_t bytes)
{
	const struct scale *s = &sup->scale;

	words[0] = '\0';
	if (s->phase != SCALE_IDLE)
		snprintf(words, bytes, "%s %s", kind_name[s->kind], s->target);
	return words;
}

bool scale_busy(const struct supervisor *sup, char *why, size_t bytes)
{
	char words[96];

	if (sup->scale.phase == SCALE_IDLE)
		return state_restoring(sup, why, bytes);
	snprintf(why, bytes, "`%s` is under way: wait for its end", scale_words(sup, words, sizeof(words)));
	return true;
}
