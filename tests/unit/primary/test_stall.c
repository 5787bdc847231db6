/* When a worker has stalled and when it has not: by the rules alone, then with real processes. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "restart_rig.h"

#define MS 1000000ull

static const struct stall_limits limits = { .timeout_ns = 20 * MS, .wall_ns = 1000 * MS };

/* A worker on paper: what every look sees. */
static struct paper {
	struct stall_watch watch;
	struct stall_look look;
	struct stall_clock clock;
} paper;

static int paper_start(void **unused)
{
	(void)unused;
	paper = (struct paper){ .look = { .settled = 100, .waiting = 3, .tsc = 1000 }, .clock = { .now_ns = 5000 * MS } };
	stall_suspect(&paper.watch, &paper.look); /* it has settled 100 since its start */
	return 0;
}

/* A look, after all I/O lcores have turned. */
static bool look(void)
{
	paper.look.lcores_tsc = ++paper.look.tsc;
	paper.look.tsc++;
	return stall_suspect(&paper.watch, &paper.look);
}

static enum stall after(uint64_t wall_ns, uint64_t cpu_ns, bool blocked)
{
	paper.clock.now_ns += wall_ns;
	paper.clock.cpu_ns += cpu_ns;
	paper.clock.blocked = blocked;
	assert_true(look());
	return stall_count(&paper.watch, &limits, &paper.clock);
}

/* Until the clocks run. */
static void stand_still(void)
{
	while (!look())
		;
	assert_int_equal(stall_count(&paper.watch, &limits, &paper.clock), STALL_NONE);
}

static void a_worker_that_settles_is_never_suspect(void **unused)
{
	(void)unused;
	for (uint32_t i = 0; i < 1000; i++) {
		paper.look.settled++;
		assert_false(look());
		assert_false(stall_is_near(&paper.watch));
	}
}

static void a_worker_without_entries_may_sleep_for_ever(void **unused)
{
	(void)unused;
	paper.look.waiting = 0;
	for (uint32_t i = 0; i < 1000; i++)
		assert_false(look());
}

static void nobody_is_suspect_before_every_lcore_has_turned_twice(void **unused)
{
	(void)unused;
	paper.look.tsc = 2000;
	assert_false(stall_suspect(&paper.watch, &paper.look));
	for (uint32_t i = 0; i < 1000; i++) { /* the doorbell may not have been rung, or cells not taken */
		paper.look.tsc++;
		paper.look.lcores_tsc = 2000;
		assert_false(stall_suspect(&paper.watch, &paper.look));
	}
	paper.look.lcores_tsc = 2001;
	assert_false(stall_suspect(&paper.watch, &paper.look));
	assert_false(stall_suspect(&paper.watch, &paper.look)); /* the same turn is not another one */
	paper.look.lcores_tsc = paper.look.tsc + 1;
	assert_true(stall_suspect(&paper.watch, &paper.look));
}

static void its_own_cpu_time_counts(void **unused)
{
	(void)unused;
	stand_still();
	for (uint32_t ms = 1; ms < 20; ms++)
		assert_int_equal(after(MS, MS, false), STALL_NONE);
	assert_int_equal(after(MS, MS, false), STALL_CPU);
}

static void a_worker_that_gets_no_cpu_is_not_stalled(void **unused)
{
	(void)unused;
	stand_still();
	for (uint32_t ms = 1; ms < 1000; ms++) /* runnable, and others run: 19 ms of a second are its own */
		assert_int_equal(after(MS, MS / 1000 * 19, false), STALL_NONE);
}

static void a_stopped_worker_is_stalled_by_the_wall_clock(void **unused)
{
	(void)unused;
	stand_still();
	assert_int_equal(after(MS, 0, true), STALL_NONE); /* since when is not known */
	for (uint32_t ms = 1; ms < 20; ms++)
		assert_int_equal(after(MS, 0, true), STALL_NONE);
	assert_int_equal(after(MS, 0, true), STALL_BLOCKED);
}

static void waking_up_in_between_is_not_being_blocked(void **unused)
{
	(void)unused;
	stand_still();
	for (uint32_t ms = 1; ms < 1000; ms++)
		assert_int_equal(after(MS, 1000, ms % 2), STALL_NONE);
}

static void a_main_lcore_that_stood_still_blames_nobody(void **unused)
{
	(void)unused;
	stand_still();
	assert_int_equal(after(MS, 0, true), STALL_NONE);
	assert_int_equal(after(60000 * MS, 0, true), STALL_NONE);
	assert_int_equal(after(60000 * MS, 0, true), STALL_BLOCKED);
	paper_start(NULL);
	stand_still();
	for (uint32_t i = 1; i < 10; i++)
		assert_int_equal(after(60000 * MS, 0, false), STALL_NONE);
	assert_int_equal(after(60000 * MS, 0, false), STALL_WALL);
}

static void a_second_is_too_long_in_any_case(void **unused)
{
	(void)unused;
	stand_still();
	for (uint32_t ms = 10; ms < 1000; ms += 10)
		assert_int_equal(after(10 * MS, 0, false), STALL_NONE);
	assert_int_equal(after(10 * MS, 0, false), STALL_WALL);
}

static void one_settled_entry_begins_anew(void **unused)
{
	(void)unused;
	for (uint32_t i = 0; i < 10; i++) {
		stand_still();
		assert_int_equal(after(19 * MS, 19 * MS, false), STALL_NONE);
		paper.look.settled++;
		assert_false(look());
	}
}

static void limits_of_zero_are_off(void **unused)
{
	const struct stall_limits no_wall = { .timeout_ns = 20 * MS }, no_timeout = { .wall_ns = 1000 * MS };

	(void)unused;
	stand_still();
	for (uint32_t i = 0; i < 9; i++) {
		paper.clock.now_ns += 100 * MS;
		paper.clock.cpu_ns += 100 * MS;
		assert_int_equal(stall_count(&paper.watch, &no_timeout, &paper.clock), STALL_NONE);
	}
	paper.clock.now_ns += 100 * MS;
	assert_int_equal(stall_count(&paper.watch, &no_timeout, &paper.clock), STALL_WALL);
	paper_start(NULL);
	stand_still();
	for (uint32_t i = 0; i < 1000; i++) {
		paper.clock.now_ns += 1000 * MS;
		assert_int_equal(stall_count(&paper.watch, &no_wall, &paper.clock), STALL_NONE);
	}
}

static void who_is_debugged_may_stand_still(void **unused)
{
	(void)unused;
	paper.watch.off = true;
	for (uint32_t i = 0; i < 1000; i++)
		assert_false(look());
	assert_true(paper.watch.off);
}

/* ---- with processes ---- */

static int stall_start(void **unused)
{
	if (rig_start(unused))
		return -1;
	rig.primary->config.group[0].stall_timeout_ns = limits.timeout_ns;
	return 0;
}

/* Entries wait for the worker, and it settles none. */
static uint32_t keep_waiting(uint32_t worker)
{
	uint32_t slot = rig_worker(worker)->slot;

	fake.progress[slot] = (struct slot_progress){ .settled = 7, .waiting = 41 };
	return slot;
}

static bool status_says(const json_t *status, const char *words)
{
	const json_t *sentence;
	size_t i;

	json_array_foreach(json_object_get(status, "sentences"), i, sentence)
		if (strstr(json_string_value(json_object_get(sentence, "text")), words))
			return true;
	return false;
}

static void is_killed_as_stalled(uint32_t worker, pid_t pid, const char *words)
{
	const struct worker *w = rig_worker(worker);
	struct stats_worker entry;

	wait_until(w->crashes == 1);
	memset(fake.progress, 0, sizeof(fake.progress));
	assert_int_equal(w->stalls, 1);
	assert_non_null(strstr(w->trouble, words));
	assert_non_null(strstr(w->trouble, "41 waiting"));
	json_t *status = status_build(rig.primary);
	assert_int_equal(json_integer_value(json_object_get(status, "stalls")), 1);
	assert_true(status_says(status, words));
	json_decref(status);
	rig_plugin("game.so", "ok 1");
	wait_until(rig_settled());
	assert_true(is_gone(pid));
	assert_true(rig_shares_are_right());
	assert_int_equal(stats_main(&rig.primary->stats)->stalls, 1);
	assert_int_equal(stats_worker_read(&rig.primary->stats, w->slot, &entry), 0);
	assert_int_equal(entry.stalls, 1);
	assert_int_equal(rig_worker(!worker)->crashes, 0);
}

static void a_stopped_worker_is_killed_and_replaced(void **unused)
{
	pid_t pid = rig_pid(1);

	(void)unused;
	keep_waiting(1);
	kill(pid, SIGSTOP);
	is_killed_as_stalled(1, pid, "died: stalled: no entry settled for ");
}

static void an_endless_loop_is_ended_by_its_cpu_time(void **unused)
{
	(void)unused;
	rig_plugin("game.so", "spin");
	assert_int_equal(rig_begin("game.1", NULL), 0);
	wait_until(rig.reply != NULL);
	assert_true(rig_ok());
	pid_t pid = rig_pid(1);
	keep_waiting(1);
	is_killed_as_stalled(1, pid, " ms of CPU time");
}

static void a_stopped_worker_without_entries_is_left_alone(void **unused)
{
	pid_t pid = rig_pid(0);
	uint64_t end;

	(void)unused;
	kill(pid, SIGSTOP);
	end = process_now_ns() + 300 * MS;
	while (process_now_ns() < end)
		rig_turn();
	assert_int_equal(rig_worker(0)->crashes, 0);
	kill(pid, SIGCONT);
}

static void a_worker_under_debug_is_left_alone(void **unused)
{
	pid_t pid = rig_pid(0);
	uint64_t end;

	(void)unused;
	rig_slot(keep_waiting(0))->stall.off = true;
	kill(pid, SIGSTOP);
	end = process_now_ns() + 300 * MS;
	while (process_now_ns() < end)
		rig_turn();
	assert_int_equal(rig_worker(0)->crashes, 0);
	kill(pid, SIGCONT);
}

/* A process that would run and may not: of the idle class, on a CPU where another one spins. */
static pid_t spinner(int cpu, int policy)
{
	struct sched_param none = { 0 };
	cpu_set_t one;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
	sched_setscheduler(0, policy, &none);
	for (volatile int i = 0;; i++)
		;
}

static void the_clock_of_a_process_is_its_own(void **unused)
{
	int cpu = sched_getcpu();
	pid_t busy = spinner(cpu, SCHED_OTHER), kept = spinner(cpu, SCHED_IDLE);
	uint64_t cpu_ns, began = process_now_ns(), now;
	bool blocked;

	(void)unused;
	do {
		assert_int_equal(process_clock(busy, &cpu_ns, &blocked), 0);
	} while (cpu_ns < 50 * MS); /* before it spins it may sleep for a moment: fork, page faults */
	assert_false(blocked);
	assert_true(cpu_ns <= process_now_ns() - began);
	do {
		now = process_now_ns();
		assert_int_equal(process_clock(kept, &cpu_ns, &blocked), 0);
	} while (blocked && now - began < RIG_WAIT_NS);
	assert_false(blocked);             /* it wants to run from here on */
	assert_true(cpu_ns < now - began); /* and did not all the time */
	kill(kept, SIGSTOP);
	assert_int_equal(waitpid(kept, NULL, WUNTRACED), kept);
	assert_int_equal(process_clock(kept, &cpu_ns, &blocked), 0);
	assert_true(blocked);
	kill(kept, SIGKILL);
	kill(busy, SIGKILL);
	assert_int_equal(waitpid(kept, NULL, 0), kept);
	assert_int_equal(waitpid(busy, NULL, 0), busy);
	assert_true(process_clock(busy, &cpu_ns, &blocked) < 0);
}

#define rule(test) cmocka_unit_test_setup(test, paper_start)
#define claim(test) cmocka_unit_test_setup_teardown(test, stall_start, rig_end)

int main(int argc, char **argv)
{
	fake_zygote_main(argc, argv);
	const struct CMUnitTest tests[] = {
		rule(a_worker_that_settles_is_never_suspect),
		rule(a_worker_without_entries_may_sleep_for_ever),
		rule(nobody_is_suspect_before_every_lcore_has_turned_twice),
		rule(its_own_cpu_time_counts),
		rule(a_worker_that_gets_no_cpu_is_not_stalled),
		rule(a_stopped_worker_is_stalled_by_the_wall_clock),
		rule(waking_up_in_between_is_not_being_blocked),
		rule(a_main_lcore_that_stood_still_blames_nobody),
		rule(a_second_is_too_long_in_any_case),
		rule(one_settled_entry_begins_anew),
		rule(limits_of_zero_are_off),
		rule(who_is_debugged_may_stand_still),
		cmocka_unit_test(the_clock_of_a_process_is_its_own),
		claim(a_stopped_worker_is_killed_and_replaced),
		claim(an_endless_loop_is_ended_by_its_cpu_time),
		claim(a_stopped_worker_without_entries_is_left_alone),
		claim(a_worker_under_debug_is_left_alone),
	};

	log_init("test", getenv("BATON_TEST_LOG") ? LEVEL_DEBUG : LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
