/* Hot restart as phases that each do what can be done now: find, spawn, start, move, settle, retire. */
#include "restart.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "process.h"
#include "reply.h"
#include "schema_check.h"
#include "supervisor.h"

/* The phases that wait for others are bounded, so that an operation always ends. */
#define SLOT_WAIT_NS   10000000000ull
#define MOVE_WAIT_NS   10000000000ull
#define SETTLE_WAIT_NS 10000000000ull
#define RETIRE_WAIT_NS 10000000000ull

static struct worker *at_work(struct supervisor *sup)
{
	return &sup->worker[sup->restart.member[sup->restart.at]];
}

static void enter(struct restart *r, enum restart_phase phase, uint64_t wait_ns)
{
	r->phase = phase;
	r->deadline_ns = process_now_ns() + wait_ns;
}

static bool late(const struct restart *r)
{
	return process_now_ns() >= r->deadline_ns;
}

/* ---- the end of the operation ---- */

/* code: of reply_error(); error NULL: it went well. */
static void finish(struct supervisor *sup, const char *code, const char *error)
{
	struct restart *r = &sup->restart;
	json_t *reply = error ? reply_error(code, error) : reply_ok();

	reply_set_text(reply, "target", r->target);
	json_object_set_new(reply, "workers", r->done_workers);
	if (error) {
		bool begun = r->phase != RESTART_FIND; /* else it was asked for in vain */
		sup->restarts_failed += begun;
		log_line(begun ? LEVEL_ERROR : LEVEL_WARN, "restart of %s %s: %s", r->target,
			 begun ? "failed" : "refused", error);
	} else {
		sup->restarts_done++;
		snprintf(sup->group_path[r->group], sizeof(sup->group_path[r->group]), "%s", r->path);
		version_kept_group(sup, r->group, r->member[r->count - 1]);
		convert_adopt(sup, r->group);
	}
	if (r->phase != RESTART_FIND) /* workers may run another file, or the same one read again */
		standbys_renew(sup, r->group);
	json_decref(r->report);
	r->report = r->done_workers = NULL;
	for (uint32_t i = 0; i < r->count; i++)
		sup->worker[r->member[i]].held = false;
	version_find_cancel(&sup->find);
	r->phase = RESTART_IDLE;
	restart_done_fn done = r->done;
	r->done = NULL;
	if (done)
		done(sup->primary, r->token, reply);
	else
		json_decref(reply);
}

static bool old_alive(const struct supervisor *sup)
{
	const struct restart *r = &sup->restart;

	return r->old != SLOT_NONE && sup->slot[r->old].incarnation == r->old_incarnation && slot_usable(sup, r->old);
}

/* Traffic stays with the old one, or comes back to it; a candidate that is still alive goes. */
static void fail(struct supervisor *sup, const char *why)
{
	struct restart *r = &sup->restart;
	struct worker *w = at_work(sup);
	char text[512];

	if (w->slot == SLOT_NONE && old_alive(sup))
		w->slot = r->old;
	if (r->fresh != SLOT_NONE && w->slot != r->fresh && sup->slot[r->fresh].incarnation == r->fresh_incarnation &&
	    sup->slot[r->fresh].state >= WORKER_STARTING && sup->slot[r->fresh].state < WORKER_STOPPING &&
	    datapath_owned(sup->primary->dp, r->fresh) == 0)
		slot_event(sup, r->fresh, EVENT_STOP);
	snprintf(text, sizeof(text), "%s: %s%s", w->name, why,
		 r->at && !r->config ? "; the workers before it run the new version" : "");
	finish(sup, "failed", text);
}

/* ---- phases; each returns having done what can be done now ---- */

static void begin_member(struct supervisor *sup)
{
	struct restart *r = &sup->restart;

	r->old = r->fresh = SLOT_NONE;
	at_work(sup)->held = true;
	enter(r, RESTART_SPAWN, SLOT_WAIT_NS);
}

/* Nothing has been touched yet: a version that is not there is no failure of any worker. */
static void phase_find(struct supervisor *sup)
{
	struct restart *r = &sup->restart;
	char why[700];
	int rc = r->path[0] ? 0 : version_find_poll(&sup->find, r->path, why, sizeof(why));

	if (rc == -EAGAIN)
		return;
	if (rc) {
		finish(sup, rc == -ENOENT ? "not_found" : "usage", why);
		return;
	}
	log_info("restart of %s with %s", r->target, r->path);
	begin_member(sup);
}

static void note_old(struct supervisor *sup)
{
	struct restart *r = &sup->restart;
	const struct worker *w = at_work(sup);
	const struct worker_slot *old = w->slot == SLOT_NONE ? NULL : &sup->slot[w->slot];

	r->old = w->slot;
	r->old_incarnation = old ? old->incarnation : 0;
	json_decref(r->report);
	r->report = json_object();
	reply_set_text(r->report, "name", w->name);
	reply_set_count(r->report, "old_pid", old ? (uint64_t)old->pid : 0);
	reply_set_text(r->report, "old_version", old ? old->ready.version : "");
	reply_set_text(r->report, "old_build_id", old ? old->ready.build_id : "");
}

static void begin_move(struct supervisor *sup);

static void phase_spawn(struct supervisor *sup)
{
	struct restart *r = &sup->restart;
	struct worker *w = at_work(sup);
	char why[256] = "it did not become steady";

	bool waits = w->transfer.open || (w->slot != SLOT_NONE && !slot_usable(sup, w->slot));
	int rc = -EAGAIN;
	if (!waits) {
		note_old(sup);
		rc = slot_spawn(sup, r->member[r->at], r->path, r->config, &r->fresh, why, sizeof(why));
	}
	if (rc == 0) {
		r->fresh_incarnation = sup->slot[r->fresh].incarnation;
		enter(r, RESTART_START, sup->primary->config.start_timeout_ns + 2 * WORKER_STOP_NS);
		if (BATON_SABOTAGE(granted_before_ready))
			begin_move(sup);
	} else if (rc != -EAGAIN || late(r)) {
		r->fresh = SLOT_NONE;
		fail(sup, why);
	}
}

static void begin_move(struct supervisor *sup)
{
	struct restart *r = &sup->restart;
	struct worker *w = at_work(sup);

	if (w->transfer.open) { /* buckets of a dead incarnation on their way to the old one */
		if (late(r))
			fail(sup, "buckets of a dead process do not arrive; see `batonctl status`");
		return;
	}
	if (w->slot == SLOT_NONE) { /* nobody serves: the supervisor gives it all there is */
		w->slot = r->fresh;
		enter(r, RESTART_SETTLE, SETTLE_WAIT_NS);
		return;
	}
	r->old = w->slot;
	transfer_begin(sup, r->member[r->at], w->slot, r->fresh);
	enter(r, RESTART_MOVE, MOVE_WAIT_NS);
}

/* A step that nobody can take back is taken only by who says so. A fall back has no choice. */
static bool one_way(struct supervisor *sup, char *why, size_t bytes)
{
	const struct restart *r = &sup->restart;
	struct plugin_info info;
	char text[300];

	schema_info(&sup->slot[r->fresh].ready, &info);
	if (r->accept_one_way || r->done == NULL ||
	    schema_check_group(sup->primary, r->group, &info, text, sizeof(text)) != SCHEMA_ONE_WAY)
		return false;
	snprintf(why, bytes, "%s; `batonctl worker restart --accept-one-way` does it all the same", text);
	return true;
}

static void phase_start(struct supervisor *sup)
{
	struct restart *r = &sup->restart;
	const struct worker_slot *fresh = &sup->slot[r->fresh];
	bool same = fresh->incarnation == r->fresh_incarnation;
	char why[512];

	if (same && fresh->state == WORKER_STARTING && !late(r))
		return;
	if (same && slot_usable(sup, r->fresh)) {
		if (one_way(sup, why, sizeof(why))) {
			fail(sup, why);
			return;
		}
		if (!r->version[0] || strcmp(fresh->ready.version, r->version) == 0) {
			begin_move(sup);
			return;
		}
		snprintf(why, sizeof(why), "it says version %s by now, not %s: %s was changed while it was started",
			 fresh->ready.version, r->version, r->path);
		fail(sup, why);
		return;
	}
	if (same && fresh->state == WORKER_STANDBY && !late(r)) /* not every lcore has taken note */
		return;
	bool gone = !same || fresh->state == WORKER_NONE || fresh->state == WORKER_DEAD;
	if (!gone && fresh->state == WORKER_STOPPING && !late(r) && !fresh->words[0])
		return;
	snprintf(why, sizeof(why), "the new worker cannot start: %s",
		 same && fresh->words[0] ? fresh->words : "it ended");
	fail(sup, why);
}

static void moved(struct supervisor *sup)
{
	struct restart *r = &sup->restart;
	struct worker *w = at_work(sup);
	const struct transfer *t = &w->transfer;

	reply_set_count(r->report, "buckets", t->report.buckets);
	json_object_set_new(r->report, "gap_us", json_real((double)t->report.gap_ns / 1000));
	reply_set_count(r->report, "parked", t->report.parked);
	if (!slot_usable(sup, r->fresh)) {
		fail(sup, "the new worker died as soon as it served; its buckets go back to the old one");
		return;
	}
	w->slot = r->fresh;
	enter(r, RESTART_SETTLE, SETTLE_WAIT_NS);
}

/* poll_worker() drives the transfer. */
static void phase_move(struct supervisor *sup)
{
	struct restart *r = &sup->restart;
	const struct worker *w = at_work(sup);

	if (w->transfer.open && late(r)) {
		if (!transfer_break(sup, r->member[r->at], MOVE_WAIT_NS)) {
			fail(sup, "the move did not end; see `batonctl status`");
			return;
		}
		enter(r, RESTART_MOVE, MOVE_WAIT_NS);
	}
	if (w->transfer.open)
		return;
	if (w->transfer.failed)
		fail(sup, "the new worker died while the buckets moved to it; they go back to the old one");
	else
		moved(sup);
}

/* The new one serves: it is what a crash is replaced by from now on. */
static void phase_settle(struct supervisor *sup)
{
	struct restart *r = &sup->restart;
	struct worker *w = at_work(sup);
	const struct worker_slot *fresh = &sup->slot[r->fresh];

	if (w->slot != r->fresh) {
		fail(sup, "the new worker died as soon as it served");
		return;
	}
	/* Dead slots of older incarnations may still hold its buckets; the old one does not count, it is alive. */
	bool complete = !w->transfer.open && slot_usable(sup, r->fresh) &&
			(group_services(sup, w->group) & ~w->placed) == 0;
	for (uint32_t i = 0; i < sup->slots && complete; i++)
		complete = sup->slot[i].state != WORKER_DEAD || sup->slot[i].worker != r->member[r->at] ||
			   held_slot(sup, i);
	if (!complete && !late(r))
		return;
	snprintf(w->path, sizeof(w->path), "%s", r->path);
	version_kept_serves(sup, r->member[r->at], r->fresh);
	w->config = r->config;
	w->backoff_ns = 0;
	w->failed_starts = 0;
	w->restarts++;
	reply_set_count(r->report, "pid", (uint64_t)fresh->pid);
	reply_set_text(r->report, "version", fresh->ready.version);
	reply_set_text(r->report, "build_id", fresh->ready.build_id);
	reply_set_text(r->report, "path", fresh->path);
	if (!json_object_get(r->report, "buckets")) { /* nobody served before: there was no gap between two */
		reply_set_count(r->report, "buckets", datapath_owned(sup->primary->dp, r->fresh));
		json_object_set_new(r->report, "gap_us", json_null());
		reply_set_count(r->report, "parked", 0);
	}
	if (old_alive(sup))
		slot_event(sup, r->old, EVENT_STOP);
	enter(r, RESTART_RETIRE, RETIRE_WAIT_NS);
}

static void phase_retire(struct supervisor *sup)
{
	struct restart *r = &sup->restart;
	struct worker *w = at_work(sup);
	bool left = r->old == SLOT_NONE || sup->slot[r->old].incarnation != r->old_incarnation ||
		    sup->slot[r->old].state == WORKER_NONE || held_slot(sup, r->old);

	if (!left && !late(r))
		return;
	if (!left)
		log_warn("%s: its old incarnation in slot %u has not left yet", w->name, r->old);
	slot_publish(sup, r->fresh);
	w->held = false;
	json_array_append_new(r->done_workers, r->report);
	r->report = NULL;
	if (++r->at == r->count)
		finish(sup, NULL, NULL);
	else
		begin_member(sup);
}

void restart_poll(struct supervisor *sup)
{
	static void (*const phase[])(struct supervisor *) = {
		[RESTART_FIND] = phase_find, [RESTART_SPAWN] = phase_spawn,   [RESTART_START] = phase_start,
		[RESTART_MOVE] = phase_move, [RESTART_SETTLE] = phase_settle, [RESTART_RETIRE] = phase_retire,
	};

	if (sup->restart.phase != RESTART_IDLE)
		phase[sup->restart.phase](sup);
}

void restart_abandon(struct supervisor *sup)
{
	if (sup->restart.phase != RESTART_IDLE)
		fail(sup, "the primary is stopping");
}
