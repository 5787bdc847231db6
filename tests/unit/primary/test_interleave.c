/* docs/operations.md, "Two orders at once", pair by pair: each order that can run against whatever can arrive while it
 * does. One runs, the other waits or is refused with the reason; who runs ends rightly, and the next order is taken. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "interleave_rig.h"

/* What is refused while anything runs. */
static const char *const arriving[] = {
	ORDER("worker.restart", "\"target\":\"a\""),
	ORDER("worker.restart", "\"target\":\"b\""), /* another group makes no difference */
	ORDER("worker.restart", "\"target\":\"a.0\",\"version\":\"2\""),
	ORDER("worker.start", "\"target\":\"a\""),
	ORDER("worker.start", "\"target\":\"b\""),
	ORDER("worker.drain", "\"target\":\"a.0\""),
	ORDER("worker.stop", "\"target\":\"a.0\""),
	ORDER("buckets.move", "\"buckets\":\"0-7\",\"target\":\"a.0\""),
};

/* ---- orders ---- */

static void refuses_every_other_order(void **state)
{
	const struct running *r = *state;
	struct caller first = { 0 }, second = { 0 };

	begin_held(r, &first);
	for (size_t i = 0; i < sizeof(arriving) / sizeof(arriving[0]); i++) {
		call(&second, arriving[i]);
		told_why(&second, "busy", r->words);
		told_why(&second, "busy", ": wait for its end");
	}
	for (int wait = 0; wait < 2; wait++) {
		call(&second, wait ? ORDER("config.reload", "\"wait\":true") : ORDER("config.reload", ""));
		told_why(&second, "busy", r->words);
	}
	call(&second, ORDER("worker.list", "")); /* who only looks is served */
	told_well(&second);
	assert_false(told(&first));
	let_go(r);
	told_well(&first);
	all_is_well(r->workers);
	hang_up_on(&first);
	hang_up_on(&second);
}

/* ---- SIGHUP ---- */

static void is_waited_for_by_a_hangup(void **state)
{
	const struct running *r = *state;
	struct caller first = { 0 };

	begin_held(r, &first);
	file_says(r->settings, "", "7s");
	rig.primary->hangup = 1;
	for (int i = 0; i < 20; i++)
		rig_turn();
	assert_int_equal(rig.primary->hangup, 1);
	assert_int_equal(rig.primary->config.start_timeout_ns, 20000000000ull);
	let_go(r);
	told_well(&first);
	wait_until(!rig.primary->hangup && !reload_busy(rig.primary));
	assert_int_equal(rig.primary->config.start_timeout_ns, 7000000000ull);
	all_is_well(r->workers);
	hang_up_on(&first);
}

/* Somebody asks again every turn: who waited longer is first. */
static void is_followed_by_the_hangup_not_by_who_asks_next(void **state)
{
	const struct running *r = *state;
	struct caller first = { 0 }, second = { 0 };

	begin_held(r, &first);
	dial(&second);
	rig_turn(); /* accepted: from now on an order is read in the turn after it was sent */
	file_says(r->settings, ", settings: {y: 2}", "20s");
	rig.primary->hangup = 1;
	let_go(r);
	while (rig.primary->hangup) {
		demand(&second, ORDER("worker.restart", "\"target\":\"b\""));
		rig_turn();
		if (!told(&second))
			fail_msg("an order was taken before the one that waited");
		told_why(&second, "busy", " is under way");
	}
	told_why(&second, "busy", "a reload of the configuration is under way");
	told_well(&first);
	wait_until(all_quiet());
	assert_int_equal(rig.primary->config.group[1].settings, 1);
	all_is_well(r->workers);
	hang_up_on(&first);
	hang_up_on(&second);
}

/* The one that gave the order under way may have sent the next one behind it. */
static void is_followed_by_the_hangup_not_by_its_givers_next_order(void **state)
{
	const struct running *r = *state;
	struct caller first = { 0 };

	begin_held(r, &first);
	add_order(&first, ORDER("worker.restart", "\"target\":\"b\""));
	file_says(r->settings, ", settings: {y: 2}", "20s");
	rig.primary->hangup = 1;
	let_go(r);
	told_well(&first);
	forget_reply(&first);
	told_why(&first, "busy", "a reload of the configuration is under way");
	wait_until(all_quiet());
	assert_int_equal(rig.primary->config.group[1].settings, 1);
	all_is_well(r->workers);
	hang_up_on(&first);
}

/* ---- deaths ---- */

static uint32_t crashes(void)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < rig.primary->supervisor->workers; i++)
		sum += rig_worker(i)->crashes;
	return sum;
}

static bool is_starting(void)
{
	for (uint32_t i = 0; i < RIG_SLOTS; i++)
		if (rig_slot(i)->state == WORKER_STARTING)
			return true;
	return false;
}

static void kill_in_slot(uint32_t slot)
{
	uint32_t before = crashes();

	assert_int_equal(kill(rig_slot(slot)->pid, SIGKILL), 0);
	wait_until(crashes() == before + 1);
}

static void bears_the_death_of_who_gives(void **state)
{
	const struct running *r = *state;
	struct caller first = { 0 };

	begin_held(r, &first);
	kill_in_slot(r->finds ? rig_worker(0)->slot : held_move()->order.from);
	let_go(r);
	told_well(&first);
	all_is_well(r->workers);
	hang_up_on(&first);
}

static void bears_the_death_of_somebody_else(void **state)
{
	const struct running *r = *state;
	struct caller first = { 0 };

	begin_held(r, &first);
	kill_in_slot(rig_worker(rig.primary->supervisor->workers - 1)->slot);
	let_go(r);
	told_well(&first);
	all_is_well(r->workers);
	hang_up_on(&first);
}

/* The new process of a restart is no worker yet: without it the restart fails, and all stays as it was. One that takes
 * a share is replaced as ever, and the sharing goes on. */
static void ends_when_who_takes_dies(void **state)
{
	const struct running *r = *state;
	struct caller first = { 0 };

	begin_held(r, &first);
	if (r->finds) { /* nobody takes yet */
		let_go(r);
		fake.hold_moves = true;
		wait_until(held_move() != NULL);
	}
	kill_in_slot(held_move()->order.to);
	let_go(r);
	if (r->restarts) {
		told_why(&first, "failed", "the new worker died while the buckets moved to it; they go back to the old one");
		assert_int_equal(rig.primary->config.group[0].settings, 0);
		file_says(COUNT2, "", "20s");
		all_is_well("a.0 a.1 b.0");
	} else {
		told_well(&first);
		all_is_well(r->workers);
	}
	hang_up_on(&first);
}

static void bears_the_death_of_the_zygote(void **state)
{
	const struct running *r = *state;
	struct caller first = { 0 };
	struct zygote_client *zygote = &rig.primary->supervisor->zygote;

	begin_held(r, &first);
	uint32_t before = zygote->deaths;
	pid_t pid = zygote->current.pid;
	assert_int_equal(kill(pid, SIGKILL), 0);
	wait_until(zygote->deaths > before && zygote->current.pid != pid && zygote->spare.ready);
	let_go(r);
	told_well(&first);
	all_is_well(r->workers);
	hang_up_on(&first);
}

/* It is asked for a process and dies before it forks. What needs none is untouched; what fails leaves all as it was. */
static void without_a_new_process_ends_and_leaves_all_as_it_was(void **state)
{
	const struct running *r = *state;
	struct caller first = { 0 };
	pid_t zygote = rig.primary->supervisor->zygote.current.pid;
	uint32_t deaths = rig.primary->supervisor->zygote.deaths;

	file_says(r->settings, "", "20s");
	assert_int_equal(kill(zygote, SIGSTOP), 0);
	call(&first, r->request);
	wait_until(told(&first) || is_starting());
	assert_int_equal(kill(zygote, SIGKILL), 0);
	wait_until(told(&first));
	if (r->restarts || r->starts) {
		told_why(&first, "failed", "it ended before its first word");
		file_says(COUNT2, "", "20s");
		all_is_well("a.0 a.1 b.0");
	} else {
		told_well(&first);
		wait_until(rig.primary->supervisor->zygote.deaths > deaths); /* or the dead one is asked for what follows */
		all_is_well(r->workers);
	}
	assert_int_equal(rig.primary->config.group[0].settings, 0);
	assert_int_equal(rig.primary->config.group[0].count, 2);
	hang_up_on(&first);
}

/* ---- the stop ---- */

/* In the order of main(); whoever waits is told, and teardown finds no child. */
static void is_ended_by_a_stop_with_a_word(void **state)
{
	const struct running *r = *state;
	struct caller first = { 0 };

	begin_held(r, &first);
	supervisor_fini(rig.primary);
	reload_fini(rig.primary);
	wait_until(told(&first));
	told_why(&first, "failed", "the primary is stopping");
	assert_null(rig.primary->supervisor);
	hang_up_on(&first);
}

/* ---- all pairs ---- */

#define PAIR(test) { #test, test }
static const struct { const char *name; CMUnitTestFunction test; } pairs[] = {
	PAIR(refuses_every_other_order),
	PAIR(is_waited_for_by_a_hangup),
	PAIR(is_followed_by_the_hangup_not_by_who_asks_next),
	PAIR(is_followed_by_the_hangup_not_by_its_givers_next_order),
	PAIR(bears_the_death_of_who_gives),
	PAIR(bears_the_death_of_somebody_else),
	PAIR(ends_when_who_takes_dies),
	PAIR(bears_the_death_of_the_zygote),
	PAIR(without_a_new_process_ends_and_leaves_all_as_it_was),
	PAIR(is_ended_by_a_stop_with_a_word),
};
#define PAIRS (sizeof(pairs) / sizeof(pairs[0]))

int main(int argc, char **argv)
{
	static struct CMUnitTest tests[RUNNING * PAIRS];
	static char name[RUNNING * PAIRS][128];

	fake_zygote_main(argc, argv);
	log_init("test_interleave", getenv("BATON_TEST_LOG") ? LEVEL_DEBUG : LEVEL_ERROR);
	for (size_t i = 0; i < RUNNING * PAIRS; i++) {
		const struct running *r = &running_orders[i / PAIRS];
		snprintf(name[i], sizeof(name[i]), "%s_%s", r->name, pairs[i % PAIRS].name);
		tests[i] = (struct CMUnitTest){
			.name = name[i], .test_func = pairs[i % PAIRS].test, .setup_func = world_begin,
			.teardown_func = world_end, .initial_state = (void *)(uintptr_t)r,
		};
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
