/* Two orders at once on the supervisor's rig: the one that runs, held where buckets move, and the one that arrives.
 * Groups a (two workers) and b (one). Include once per program. */
#ifndef TEST_INTERLEAVE_RIG_H
#define TEST_INTERLEAVE_RIG_H

#include "callers.h"
#include "reload_rig.h"

#define ORDER(verb, args) "{\"command\":\"" verb "\",\"args\":{" args "}}"

/* An order that can run. */
struct running {
	const char *name;
	const char *request;
	const char *settings; /* group a's further keys in the file meanwhile */
	const char *words;    /* what others are told that is under way */
	const char *workers;  /* those that are there when it went well; "-": drained */
	bool finds;           /* it is held while it looks for its version, not where buckets move */
	bool restarts;        /* new processes take the place of old ones: the death of one of those fails it */
	bool starts;          /* a worker more */
};

#define COUNT2 ", count: 2"
static const struct running running_orders[] = {
	{ .name = "restart", .request = ORDER("worker.restart", "\"target\":\"a\""), .settings = COUNT2,
	  .words = "a restart of a is under way", .workers = "a.0 a.1 b.0", .restarts = true },
	{ .name = "restart_that_looks_for_its_version",
	  .request = ORDER("worker.restart", "\"target\":\"a\",\"version\":\"2\""), .settings = COUNT2,
	  .words = "a restart of a is under way", .workers = "a.0 a.1 b.0", .finds = true, .restarts = true },
	{ .name = "worker_start", .request = ORDER("worker.start", "\"target\":\"a\""), .settings = COUNT2,
	  .words = "`worker start a` is under way", .workers = "a.0 a.1 a.2 b.0", .starts = true },
	{ .name = "worker_drain", .request = ORDER("worker.drain", "\"target\":\"a.1\""), .settings = COUNT2,
	  .words = "`worker drain a.1` is under way", .workers = "a.0 -a.1 b.0" },
	{ .name = "worker_stop", .request = ORDER("worker.stop", "\"target\":\"a.1\""), .settings = COUNT2,
	  .words = "`worker stop a.1` is under way", .workers = "a.0 b.0" },
	{ .name = "buckets_move", .request = ORDER("buckets.move", "\"buckets\":\"0-31\",\"target\":\"a.1\""),
	  .settings = COUNT2, .words = "`buckets move a.1` is under way", .workers = "a.0 a.1 b.0" },
	{ .name = "reload_that_restarts", .request = ORDER("config.reload", "\"wait\":true"),
	  .settings = COUNT2 ", settings: {x: 1}", .words = "a reload of the configuration is under way",
	  .workers = "a.0 a.1 b.0", .restarts = true },
	{ .name = "reload_that_scales", .request = ORDER("config.reload", "\"wait\":true"), .settings = ", count: 3",
	  .words = "a reload of the configuration is under way", .workers = "a.0 a.1 a.2 b.0", .starts = true },
};
#define RUNNING (sizeof(running_orders) / sizeof(running_orders[0]))

/* ---- the world ---- */

/* "a.0 -a.1 b.0" */
static inline const char *workers_there(void)
{
	static char list[256];
	const struct supervisor *sup = rig.primary->supervisor;

	list[0] = '\0';
	for (uint32_t i = 0; i < sup->workers; i++)
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s%s%s", list[0] ? " " : "",
			 sup->worker[i].gone ? "!" : "", sup->worker[i].drained ? "-" : "", sup->worker[i].name);
	return list;
}

/* Nothing under way, a process for each worker, no other slot used, no worker left to an operation. */
static inline bool all_quiet(void)
{
	const struct supervisor *sup = rig.primary->supervisor;
	uint32_t used = 0;

	if (sup->restart.phase != RESTART_IDLE || sup->scale.phase != SCALE_IDLE || reload_busy(rig.primary))
		return false;
	for (uint32_t i = 0; i < sup->workers; i++) {
		const struct worker *w = &sup->worker[i];
		if (w->gone || w->held || w->leaving || !worker_settled(sup, i) ||
		    sup->slot[w->slot].state != (w->drained ? WORKER_DRAINED : WORKER_ACTIVE))
			return false;
	}
	for (uint32_t i = 0; i < sup->slots; i++)
		used += sup->slot[i].state != WORKER_NONE;
	return used == sup->workers;
}

/* Each service's buckets are all with serving workers of its group; drained ones have none. */
static inline void check_owners(void)
{
	const struct supervisor *sup = rig.primary->supervisor;

	for (uint32_t s = 0; s < FAKE_SERVICES; s++)
		for (uint32_t b = 0; b < FAKE_BUCKETS; b++) {
			uint32_t slot = fake.owner[s][b];
			assert_int_not_equal(slot, SLOT_NONE);
			const struct worker *w = &sup->worker[sup->slot[slot].worker];
			assert_int_equal(w->group, s);
			assert_int_equal(w->slot, slot);
			assert_false(w->drained);
		}
}

static inline void file_says(const char *first, const char *second, const char *timeout)
{
	struct text text = usual;

	text.first = first;
	text.second = second;
	text.timeout = timeout;
	write_file(text);
}

static inline int world_begin(void **state)
{
	(void)state;
	if (rig_prepare())
		return -1;
	rig_path(file, "baton.yaml");
	file_says(COUNT2, "", "20s");
	if (take_file())
		return -1;
	wait_until(all_quiet());
	rig.primary->ready = true;
	return 0;
}

/* As main() does it: workers and what is under way, then the reload; the control socket is closed last. */
static inline int world_end(void **state)
{
	supervisor_fini(rig.primary);
	reload_fini(rig.primary);
	return rig_end(state);
}

/* ---- holding ---- */

static inline struct fake_move *held_move(void)
{
	for (uint32_t i = 0; i < FAKE_SERVICES; i++)
		if (fake.move[i].open)
			return &fake.move[i];
	return NULL;
}

/* It has begun and cannot go on. */
static inline void begin_held(const struct running *r, struct caller *c)
{
	const struct supervisor *sup = rig.primary->supervisor;

	file_says(r->settings, "", "20s");
	if (r->finds)
		rig_plugin("slow.so", "hang");
	fake.hold_moves = true;
	call(c, r->request);
	if (r->finds)
		wait_until(sup->restart.phase == RESTART_FIND && sup->find.ask.process.pid > 0 &&
			   strstr(sup->find.file[sup->find.at].path, "slow.so"));
	else
		wait_until(held_move() != NULL);
}

static inline void let_go(const struct running *r)
{
	fake.hold_moves = false;
	if (r->finds && rig.primary->supervisor->restart.phase == RESTART_FIND)
		kill(rig.primary->supervisor->find.ask.process.pid, SIGKILL); /* a file without description: the next */
}

/* Everybody is there who should be, and the next order is carried out. */
static inline void all_is_well(const char *workers)
{
	static struct caller next;

	wait_until(all_quiet());
	assert_string_equal(workers_there(), workers);
	check_owners();
	call(&next, ORDER("worker.restart", "\"target\":\"b\""));
	told_well(&next);
	call(&next, ORDER("buckets.move", "\"buckets\":\"0-63\",\"target\":\"a.0\""));
	told_well(&next);
	call(&next, ORDER("config.reload", "\"wait\":true"));
	told_well(&next);
	wait_until(all_quiet());
	check_owners();
	hang_up_on(&next);
}

#endif
