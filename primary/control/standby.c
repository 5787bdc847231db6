/* Standbys: kept ready in the background, chosen when a worker dies. See standby.h. */
#define _GNU_SOURCE
#include "standby.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "process.h"
#include "sabotage.h"
#include "supervisor.h"

/* Nobody offers a standby anything, so it could be stopped, or hang, and no stall be seen. An entry that asks for
 * nothing but to be settled makes one of it: it is found out about so often, and by stall.c. */
#define LOOK_NS 1000000000ull
/* With such an entry still open it may be chosen for so long: on a crowded machine it may wait for a CPU, as would a new
 * process. One that is stopped has long been found by then, if stalls are looked for. */
#define ANSWER_NS 300000000ull

static bool is_standby(const struct supervisor *sup, uint32_t slot, uint32_t group)
{
	const struct worker_slot *s = &sup->slot[slot];

	return s->standby && !s->converter && s->state != WORKER_NONE && sup->worker[s->worker].group == group;
}

/* ---- choosing ---- */

/* It has answered what it was asked, or was asked just now. */
static bool is_awake(const struct supervisor *sup, uint32_t slot)
{
	struct slot_progress progress;

	datapath_slot_progress(sup->primary->dp, slot, &progress);
	return progress.waiting == 0 || process_now_ns() - sup->slot[slot].looked_ns < ANSWER_NS;
}

/* Not again while it has the last one to answer. */
static void look(struct supervisor *sup, uint32_t slot, uint64_t now)
{
	struct worker_slot *s = &sup->slot[slot];
	struct slot_progress progress;

	if (s->state != WORKER_STANDBY || now - s->looked_ns < LOOK_NS || !slot_usable(sup, slot) ||
	    BATON_SABOTAGE(look_never_asked))
		return;
	datapath_slot_progress(sup->primary->dp, slot, &progress);
	if (progress.waiting != 0)
		return;
	s->looked_ns = now;
	datapath_slot_ping(sup->primary->dp, slot);
}

static bool is_ready(const struct supervisor *sup, uint32_t slot)
{
	const struct worker_slot *s = &sup->slot[slot];

	if (BATON_SABOTAGE(unready_standby_chosen))
		return s->state == WORKER_STARTING || s->state == WORKER_STANDBY;
	return s->state == WORKER_STANDBY && !s->kill_wanted && slot_usable(sup, slot) && is_awake(sup, slot);
}

/* It runs what the worker's next process would. While a restart or a reload is at work on the group nobody can say. */
static bool suits(const struct supervisor *sup, uint32_t slot, const struct worker *w)
{
	const struct worker_slot *s = &sup->slot[slot];

	if (BATON_SABOTAGE(outdated_standby_chosen))
		return true;
	if (sup->restart.phase != RESTART_IDLE && sup->restart.group == w->group)
		return false;
	return s->generation == sup->standbys[w->group].generation && w->config == NULL && strcmp(s->path, w->path) == 0 &&
	       (s->ready.abi == 0 || version_kept_is(sup, (uint32_t)(w - sup->worker), slot)); /* not ready: nobody knows yet */
}

static uint32_t choose(const struct supervisor *sup, const struct worker *w)
{
	if (BATON_SABOTAGE(standby_never_used))
		return SLOT_NONE;
	for (uint32_t i = 0; i < sup->slots; i++)
		if (is_standby(sup, i, w->group) && suits(sup, i, w) && is_ready(sup, i))
			return i;
	return SLOT_NONE;
}

/* It was started anywhere; from here on its place is that of the worker. */
static void place(struct worker_slot *s, int32_t cpu)
{
	cpu_set_t set;

	if (cpu < 0 || cpu == s->cpu)
		return;
	CPU_ZERO(&set);
	CPU_SET((unsigned)cpu, &set);
	if (sched_setaffinity(s->pid, sizeof(set), &set) == 0)
		s->cpu = cpu;
	else
		log_warn("%s: pid %d stays on CPU %d: %s", s->name, (int)s->pid, s->cpu, strerror(errno));
}

static bool wants_successor(const struct supervisor *sup, const struct worker *w)
{
	return w->role != ROLE_CANDIDATE && w->shadow == SHADOW_NONE && !w->held && !w->drained && !w->leaving && !w->gone &&
	       !sup->stopping && !sup->budget[w->group].spent;
}

bool standby_take(struct supervisor *sup, uint32_t worker)
{
	struct worker *w = &sup->worker[worker];
	uint32_t slot = wants_successor(sup, w) ? choose(sup, w) : SLOT_NONE;

	if (slot == SLOT_NONE)
		return false;
	struct worker_slot *s = &sup->slot[slot];
	slot_adopt(sup, slot, worker);
	place(s, slot_cpu(sup, worker));
	w->slot = slot;
	sup->standbys[w->group].taken++;
	return true;
}

void standby_take_over(struct supervisor *sup, uint32_t slot)
{
	const struct worker_slot *dead = &sup->slot[slot];
	struct worker *w = &sup->worker[dead->worker];
	uint32_t worker = dead->worker;

	/* A move under way to it or from it comes to its end first; what is left then is taken by poll_worker(). */
	if (w->slot != slot || w->transfer.open || !standby_take(sup, worker))
		return;
	transfer_begin(sup, worker, slot, w->slot);
	w->transfer.ahead = true;
	transfer_poll(sup, worker);
	w->transfer.ahead = false;
	backoff_note(&sup->primary->config.group[w->group], &sup->standbys[w->group].next_start_ns, &sup->standbys[w->group].backoff_ns,
		     process_now_ns() - dead->serves_ns, dead->fault);
}

/* ---- keeping them ---- */

static uint32_t free_slots(const struct supervisor *sup)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < sup->slots; i++)
		count += sup->slot[i].state == WORKER_NONE;
	return count;
}

/* The worker whose group a standby is counted by; a worker that leaves the table must not be. */
static uint32_t name_giver(const struct supervisor *sup, uint32_t group)
{
	uint32_t i = 0;

	while (i < sup->workers && (sup->worker[i].group != group || sup->worker[i].gone || sup->worker[i].leaving))
		i++;
	return i;
}

/* Workers come first: none is started before one of the group serves, nor while buckets of it move, nor into the last
 * free slot, which is for the successor of a worker. */
static bool may_start(const struct supervisor *sup, uint32_t group)
{
	if (sup->budget[group].spent || process_now_ns() < sup->standbys[group].next_start_ns || free_slots(sup) < 2)
		return false;
	if (sup->restart.phase != RESTART_IDLE && sup->restart.group == group)
		return false;
	for (uint32_t i = 0; i < sup->workers; i++) {
		const struct worker *w = &sup->worker[i];
		if (w->group == group && (w->config != NULL || w->transfer.open))
			return false;
	}
	for (uint32_t i = 0; i < sup->workers; i++) {
		const struct worker *w = &sup->worker[i];
		if (w->group == group && !w->gone && w->slot != SLOT_NONE && sup->slot[w->slot].state == WORKER_ACTIVE)
			return true;
	}
	return false;
}

static void start(struct supervisor *sup, uint32_t group)
{
	struct standbys *all = &sup->standbys[group];
	uint32_t slot, worker = name_giver(sup, group);

	if (worker == sup->workers)
		return;
	if (slot_spawn_standby(sup, worker, &slot, all->trouble, sizeof(all->trouble)) != 0)
		backoff_note(&sup->primary->config.group[group], &all->next_start_ns, &all->backoff_ns, 0, true);
	else
		sup->slot[slot].generation = all->generation;
}

static void poll_group(struct supervisor *sup, uint32_t group)
{
	struct standbys *all = &sup->standbys[group];
	uint32_t wanted = sup->stopping ? 0 : sup->primary->config.group[group].standby, count = 0;
	uint64_t now = process_now_ns();

	for (uint32_t i = 0; i < sup->slots; i++) {
		struct worker_slot *s = &sup->slot[i];

		if (!is_standby(sup, i, group))
			continue;
		if (sup->worker[s->worker].gone || sup->worker[s->worker].leaving)
			s->worker = name_giver(sup, group) < sup->workers ? name_giver(sup, group) : s->worker;
		if (s->state != WORKER_STARTING && s->state != WORKER_STANDBY)
			continue;
		bool outdated = s->generation != all->generation;
		if (count == wanted || outdated)
			slot_event(sup, i, EVENT_STOP);
		else
			count++;
		look(sup, i, now);
		if (s->state == WORKER_STANDBY && now - s->spawned_ns >= WORKER_STEADY_NS)
			all->trouble[0] = '\0';
	}
	if (count < wanted && may_start(sup, group))
		start(sup, group);
}

void standbys_poll(struct supervisor *sup)
{
	for (uint32_t g = 0; g < sup->primary->config.groups; g++)
		poll_group(sup, g);
}

void standbys_renew(struct supervisor *sup, uint32_t group)
{
	struct standbys *all = &sup->standbys[group];

	if (BATON_SABOTAGE(outdated_standby_chosen))
		return;
	all->generation++;
	all->next_start_ns = all->backoff_ns = 0;
	all->trouble[0] = '\0';
}

void standby_lost(struct supervisor *sup, uint32_t slot)
{
	const struct worker_slot *s = &sup->slot[slot];
	struct standbys *all = &sup->standbys[sup->worker[s->worker].group];
	bool never_ready = s->ready.abi == 0;

	if (s->generation != all->generation)
		return;
	if (all->trouble[0] == '\0' || never_ready)
		log_warn("%s: pid %d %s: %s", s->name, (int)s->pid, never_ready ? "cannot start" : "died while it waited",
			 s->words);
	memcpy(all->trouble, s->words, sizeof(all->trouble));
	backoff_note(&sup->primary->config.group[sup->worker[s->worker].group], &all->next_start_ns, &all->backoff_ns, process_now_ns() - s->spawned_ns, s->fault || never_ready);
}

/* ---- what is known of them ---- */

uint32_t standbys_ready(const struct supervisor *sup, uint32_t group)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < sup->slots; i++)
		count += is_standby(sup, i, group) && sup->slot[i].state == WORKER_STANDBY &&
			 sup->slot[i].generation == sup->standbys[group].generation && is_ready(sup, i);
	return count;
}

uint32_t standbys_wanted(const struct supervisor *sup)
{
	uint32_t count = 0;

	for (uint32_t g = 0; g < sup->primary->config.groups; g++)
		count += sup->primary->config.group[g].standby;
	return count;
}
