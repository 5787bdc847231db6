/* One incarnation of a worker: the actions of its life table, its entry in the stats directory. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "crash_record.h"
#include "gate_collect.h"
#include "log.h"
#include "process.h"
#include "residence.h"
#include "rollout.h"
#include "supervisor.h"

static const char *name_of(const struct supervisor *sup, uint32_t slot)
{
	const struct worker_slot *s = &sup->slot[slot];

	return s->name[0] ? s->name : sup->worker[s->worker].name;
}

/* epoll names the slot and which of its two descriptors. */
int slot_watch(struct supervisor *sup, uint32_t slot, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data = { .u32 = slot } };

	return epoll_ctl(sup->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

void slot_close(int *fd)
{
	if (*fd >= 0)
		close(*fd); /* leaves the epoll set by itself: nobody else has a copy */
	*fd = -1;
}

bool slot_usable(const struct supervisor *sup, uint32_t slot)
{
	const struct worker_slot *s = &sup->slot[slot];

	return s->state >= WORKER_STANDBY && s->state <= WORKER_DRAINED &&
	       datapath_slot_attached(sup->primary->dp, slot);
}

/* ---- directory ---- */

void slot_publish(const struct supervisor *sup, uint32_t slot)
{
	const struct worker_slot *s = &sup->slot[slot];
	const struct worker *w = &sup->worker[s->worker];
	struct stats_worker entry = { .state = s->state, .incarnation = s->incarnation };

	if (s->state != WORKER_NONE) {
		entry.pid = (uint32_t)s->pid;
		entry.cpu = s->cpu < 0 ? UINT32_MAX : (uint32_t)s->cpu;
		entry.buckets = datapath_owned(sup->primary->dp, slot);
		if (!s->standby) {
			entry.restarts = w->restarts;
			entry.crashes = w->crashes;
			entry.stalls = w->stalls;
			entry.debug = w->debugged && w->slot == slot;
		}
		memcpy(entry.name, s->name, sizeof(entry.name));
		memcpy(entry.group, sup->primary->config.group[w->group].name, sizeof(entry.group));
		memcpy(entry.version, s->ready.version, sizeof(entry.version));
		memcpy(entry.build_id, s->ready.build_id, sizeof(entry.build_id));
	}
	stats_worker_write(&sup->primary->stats, slot, &entry);
}

/* ---- actions: what a step of the table does ---- */

static void act_none(struct supervisor *sup, uint32_t slot)
{
	(void)sup;
	(void)slot;
}

static void send_kill(struct supervisor *sup, uint32_t slot)
{
	struct worker_slot *s = &sup->slot[slot];
	int rc = process_kill(s->pidfd, SIGKILL);

	if (rc && rc != -ESRCH)
		log_error("%s: cannot kill pid %d: %s", name_of(sup, slot), (int)s->pid, strerror(-rc));
}

static void act_note_pid(struct supervisor *sup, uint32_t slot)
{
	struct worker_slot *s = &sup->slot[slot];

	if (s->pidfd >= 0 || s->pid <= 0)
		return;
	s->pidfd = process_open(s->pid); /* nobody has reaped it: see slots_reap_strays() */
	if (s->pidfd < 0 || slot_watch(sup, slot, s->pidfd)) {
		snprintf(s->words, sizeof(s->words), "no pidfd for pid %d: raise the limit of open files", (int)s->pid);
		slot_close(&s->pidfd);
		s->pid = 0;
	} else if (s->kill_wanted) {
		send_kill(sup, slot);
	}
}

static void act_attach(struct supervisor *sup, uint32_t slot)
{
	struct worker_slot *s = &sup->slot[slot];

	s->deadline_ns = 0;
	if (!s->standby)
		sup->worker[s->worker].failed_starts = 0;
	residence_take(&sup->primary->stats, slot, sup->primary->config.group[sup->worker[s->worker].group].name,
		       s->ready.version);
	datapath_slot_shadow(sup->primary->dp, slot, s->shadow != SHADOW_NONE);
	datapath_slot_attach(sup->primary->dp, slot, sup->worker[s->worker].group);
	log_info("%s: pid %d ready in slot %u: %s %s, build %s, %.1f ms after it was asked for", name_of(sup, slot),
		 (int)s->pid, slot, s->ready.plugin_name, s->ready.version,
		 s->ready.build_id[0] ? s->ready.build_id : "without id",
		 (double)(process_now_ns() - s->spawned_ns) / 1e6);
}

static void act_order_stop(struct supervisor *sup, uint32_t slot)
{
	if (sup->primary->running)
		datapath_slot_stop(sup->primary->dp, slot);
	sup->slot[slot].deadline_ns = process_now_ns() + WORKER_STOP_NS;
}

static void act_await_end(struct supervisor *sup, uint32_t slot)
{
	sup->slot[slot].deadline_ns = process_now_ns() + WORKER_STOP_NS;
}

static void act_kill(struct supervisor *sup, uint32_t slot)
{
	struct worker_slot *s = &sup->slot[slot];

	s->kill_wanted = true;
	s->deadline_ns = process_now_ns() + WORKER_STOP_NS;
	if (s->pidfd >= 0) {
		send_kill(sup, slot);
		if (BATON_SABOTAGE(fence_not_awaited))
			datapath_slot_dead(sup->primary->dp, slot);
	} else if (!sup->stopping && s->zygote_deaths == sup->zygote.deaths) {
		/* Nobody has heard of the worker, so the zygote has not even forked it. */
		log_error("%s: the zygote, pid %d, does not answer: killed", name_of(sup, slot),
			  (int)sup->zygote.current.pid);
		zygote_client_kill(&sup->zygote);
	}
}

static void act_log(struct supervisor *sup, uint32_t slot)
{
	log_info("%s: %s", name_of(sup, slot), sup->slot[slot].words);
	sup->slot[slot].words[0] = 0;
}

static void bury(struct supervisor *sup, uint32_t slot)
{
	struct worker_slot *s = &sup->slot[slot];

	slot_close(&s->socket);
	slot_close(&s->pidfd);
	slot_close(&s->image);
	s->deadline_ns = 0;
	s->recovered = false;
	s->orphans = 0;
	s->max_age_ns = 0;
	/* Also for one that never got ready: its control block may have been scribbled on. */
	datapath_slot_dead(sup->primary->dp, slot);
}

static void lost(struct supervisor *sup, uint32_t slot)
{
	if (sup->slot[slot].converter)
		return; /* whose transfer it was sees that it is gone */
	if (sup->slot[slot].standby)
		standby_lost(sup, slot);
	else
		worker_lost(sup, sup->slot[slot].worker, slot);
}

static void act_bury_failed(struct supervisor *sup, uint32_t slot)
{
	bury(sup, slot);
	lost(sup, slot);
}

static void log_death(const struct supervisor *sup, uint32_t slot)
{
	const struct worker_slot *s = &sup->slot[slot];
	const struct worker *w = &sup->worker[s->worker];

	log_error("%s: pid %d in slot %u (%s %s) died: %s, %.3f s after its start, %u buckets%s", w->name, (int)s->pid,
		  slot, s->ready.plugin_name, s->ready.version, s->words,
		  (double)(process_now_ns() - s->spawned_ns) / 1e9, datapath_owned(sup->primary->dp, slot),
		  w->slot != slot && w->slot != SLOT_NONE ? ", a standby takes over" : "");
}

static void act_bury_crash(struct supervisor *sup, uint32_t slot)
{
	struct worker_slot *s = &sup->slot[slot];
	struct worker *w = &sup->worker[s->worker];

	if (s->standby) {
		convert_death(sup, slot);
		quarantine_death(sup, slot);
		bury(sup, slot);
		lost(sup, slot);
		return;
	}
	convert_death(sup, slot);
	/* What players wait for comes first: who takes over, which the budget may forbid, and the fence. Then the words;
	 * but those of a crash stand before what the budget says to it. */
	w->crashes++;
	gate_book_death(sup, s->worker, false);
	quarantine_death(sup, slot);
	if (s->fault)
		log_death(sup, slot);
	if (s->fault && !s->judging && s->shadow == SHADOW_NONE) /* a shadow's concerns its rollout alone */
		budget_crash(sup, slot);
	if (w->role == ROLE_CANDIDATE)
		rollout_death(sup, slot);
	else
		standby_take_over(sup, slot);
	bury(sup, slot);
	if (!s->fault)
		log_death(sup, slot);
	worker_lost(sup, s->worker, slot);
}

static void act_bury(struct supervisor *sup, uint32_t slot)
{
	log_debug("%s: pid %d in slot %u has left: %s", name_of(sup, slot), (int)sup->slot[slot].pid, slot,
		  sup->slot[slot].words);
	quarantine_death(sup, slot);
	bury(sup, slot);
	/* A standby that left because it was told to is no loss. */
	if (!sup->slot[slot].standby || sup->slot[slot].ready.abi == 0)
		lost(sup, slot);
}

static void act_free_slot(struct supervisor *sup, uint32_t slot)
{
	struct worker_slot *s = &sup->slot[slot];
	struct worker_slot empty = {
		.worker = s->worker, .incarnation = s->incarnation, .socket = -1, .pidfd = -1, .image = -1,
	};

	memcpy(empty.words, s->words, sizeof(empty.words)); /* a restart may still ask why it could not start */
	*s = empty;
}

static void (*const action[ACTION_COUNT])(struct supervisor *, uint32_t) = {
	[ACTION_NONE] = act_none,
	[ACTION_NOTE_PID] = act_note_pid,
	[ACTION_ATTACH] = act_attach,
	[ACTION_ORDER_STOP] = act_order_stop,
	[ACTION_AWAIT_END] = act_await_end,
	[ACTION_KILL] = act_kill,
	[ACTION_LOG] = act_log,
	[ACTION_BURY_FAILED] = act_bury_failed,
	[ACTION_BURY_CRASH] = act_bury_crash,
	[ACTION_BURY] = act_bury,
	[ACTION_FREE_SLOT] = act_free_slot,
};

void slot_event(struct supervisor *sup, uint32_t slot, enum worker_event event)
{
	struct worker_slot *s = &sup->slot[slot];
	struct worker_step step = worker_life_step(s->state, event);

	if (!step.allowed) {
		log_warn("%s: event %s means nothing in state %s of slot %u; ignored", name_of(sup, slot),
			 worker_event_name(event), worker_state_name(s->state), slot);
		return;
	}
	log_debug("%s: slot %u: %s, %s -> %s, %s", name_of(sup, slot), slot, worker_event_name(event),
		  worker_state_name(s->state), worker_state_name(step.next), worker_action_name(step.action));
	s->state = step.next;
	action[step.action](sup, slot);
	slot_publish(sup, slot);
}
