/* Stalls: which worker keeps entries waiting, and for how much of its own time. */
#include "stall.h"

#include <stdio.h>
#include <x86intrin.h>

#include "gate_collect.h"
#include "log.h"
#include "process.h"
#include "sabotage.h"
#include "supervisor.h"

#define ROUNDS 3u

bool stall_suspect(struct stall_watch *watch, const struct stall_look *look)
{
	if (watch->off || look->waiting == 0 || look->settled != watch->settled) {
		*watch = (struct stall_watch){ .off = watch->off, .settled = look->settled };
		return false;
	}
	if (watch->rounds < ROUNDS) {
		if (watch->rounds > 0 && look->lcores_tsc <= watch->mark_tsc && !BATON_SABOTAGE(stalled_before_it_is_rung))
			return false;
		watch->mark_tsc = look->tsc;
		watch->rounds++;
	}
	return watch->rounds == ROUNDS;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

enum stall stall_count(struct stall_watch *watch, const struct stall_limits *limits, const struct stall_clock *clock)
{
	struct stall_clock last = watch->last;

	watch->last = *clock;
	if (last.now_ns == 0)
		return STALL_NONE;
	uint64_t wall = clock->now_ns - last.now_ns;
	uint64_t cpu = clock->cpu_ns > last.cpu_ns ? clock->cpu_ns - last.cpu_ns : 0;
	watch->cpu_ns += BATON_SABOTAGE(preempted_is_stalled) ? wall : cpu;
	/* Only if it was so at both ends: a process that waits for a CPU in between is runnable at one of them. */
	if (clock->blocked && last.blocked && wall > cpu)
		watch->blocked_ns += least(wall - cpu, limits->timeout_ns / 2);
	watch->wall_ns += least(wall, limits->wall_ns / 10);
	if (BATON_SABOTAGE(stall_never_seen))
		return STALL_NONE;
	if (limits->timeout_ns != 0 && watch->cpu_ns >= limits->timeout_ns)
		return STALL_CPU;
	if (limits->timeout_ns != 0 && watch->blocked_ns >= limits->timeout_ns)
		return STALL_BLOCKED;
	return limits->wall_ns != 0 && watch->wall_ns >= limits->wall_ns ? STALL_WALL : STALL_NONE;
}

/* ---- workers ---- */

static void describe(struct worker_slot *s, enum stall stall, uint32_t waiting)
{
	const struct stall_watch *watch = &s->stall;

	if (stall == STALL_CPU)
		snprintf(s->cause, sizeof(s->cause), "stalled: no entry settled for %.0f ms of CPU time, %u waiting",
			 (double)watch->cpu_ns / 1e6, waiting);
	else if (stall == STALL_BLOCKED)
		snprintf(s->cause, sizeof(s->cause),
			 "stalled: no entry settled for %.0f ms in which it was stopped or blocked, %u waiting",
			 (double)watch->blocked_ns / 1e6, waiting);
	else
		snprintf(s->cause, sizeof(s->cause), "stalled: no entry settled for %.3f s, %u waiting",
			 (double)watch->wall_ns / 1e9, waiting);
}

/* Whether what it was at is to blame: it used its time up, or it sleeps. A worker that got no CPU, or that somebody has
 * stopped, may be at anything. */
static bool is_its_own_doing(const struct worker_slot *s, enum stall stall, const struct stall_limits *limits)
{
	if (stall == STALL_BLOCKED)
		return !process_is_stopped(s->pid);
	return stall == STALL_CPU || limits->timeout_ns == 0;
}

static void fence(struct supervisor *sup, uint32_t slot, enum stall stall, const struct stall_limits *limits,
		  uint32_t waiting)
{
	struct worker_slot *s = &sup->slot[slot];
	struct worker *w = &sup->worker[s->worker];

	describe(s, stall, waiting);
	s->stalled = is_its_own_doing(s, stall, limits);
	w->stalls += !s->standby;
	if (!s->standby)
		gate_book_death(sup, s->worker, true);
	sup->stalls++;
	stats_add(&stats_main(&sup->primary->stats)->stalls, 1);
	log_error("%s: pid %d in slot %u: %s: killed", s->name, (int)s->pid, slot, s->cause);
	slot_event(sup, slot, EVENT_FENCE);
}

static void look_at(struct supervisor *sup, uint32_t slot)
{
	struct worker_slot *s = &sup->slot[slot];
	const struct config_group *group = &sup->primary->config.group[sup->worker[s->worker].group];
	struct stall_limits limits = { .timeout_ns = group->stall_timeout_ns, .wall_ns = group->stall_wall_ns };
	struct slot_progress progress;
	struct stall_clock clock = { .now_ns = 0 };

	datapath_slot_progress(sup->primary->dp, slot, &progress);
	struct stall_look look = { .settled = progress.settled, .waiting = progress.waiting, .tsc = __rdtsc(),
				   .lcores_tsc = progress.lcores_tsc };
	if (!stall_suspect(&s->stall, &look))
		return;
	if (process_clock(s->pid, &clock.cpu_ns, &clock.blocked) != 0)
		return; /* it has ended: the next turn hears of it */
	clock.now_ns = process_now_ns();
	enum stall stall = stall_count(&s->stall, &limits, &clock);
	if (stall != STALL_NONE)
		fence(sup, slot, stall, &limits, progress.waiting);
}

void stalls_poll(struct supervisor *sup)
{
	for (uint32_t i = 0; i < sup->slots; i++) {
		const struct worker_slot *s = &sup->slot[i];

		if (s->state < WORKER_STANDBY || s->state > WORKER_STOPPING || s->kill_wanted || s->pid <= 0)
			continue;
		if (datapath_slot_attached(sup->primary->dp, i))
			look_at(sup, i);
	}
}
