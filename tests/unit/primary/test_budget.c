/* Restart budgets: when a group stops restarting, and what it goes back to. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "restart_rig.h"

#define NEVER UINT64_MAX
#define BURST 3u

static struct config_group *group(void) { return &rig.primary->config.group[0]; }
static struct budget *budget(void) { return &rig.primary->supervisor->budget[0]; }

static struct stats_group look(void)
{
	struct stats_group group;

	group_look(rig.primary->supervisor, 0, &group);
	return group;
}

static int budget_start(void **unused)
{
	if (rig_start(unused))
		return -1;
	group()->restart_burst = BURST;
	group()->restart_window_ns = 3600000000000ull;
	group()->good_after_ns = NEVER;
	budget_fini(rig.primary->supervisor); /* what was good at once in the rig */
	return 0;
}

/* The worker dies by its own fault, as often as that; all but the last time it is replaced. */
static void crash(uint32_t worker, uint32_t times)
{
	for (uint32_t i = 0; i < times; i++) {
		uint32_t before = rig_worker(worker)->crashes;

		wait_until(rig_settled() && rig.primary->supervisor->restart.phase == RESTART_IDLE);
		kill(rig_pid(worker), SIGSEGV);
		wait_until(rig_worker(worker)->crashes == before + 1);
	}
}

static bool status_says(const char *verdict, const char *words)
{
	json_t *status = status_build(rig.primary);
	const json_t *sentence;
	bool said = false;
	size_t i;

	json_array_foreach(json_object_get(status, "sentences"), i, sentence)
		said = said || strstr(json_string_value(json_object_get(sentence, "text")), words);
	said = said && strcmp(json_string_value(json_object_get(status, "verdict")), verdict) == 0;
	json_decref(status);
	return said;
}

/* What runs now is good from here on, and what comes is not. */
static void call_it_good(void)
{
	group()->good_after_ns = 0;
	wait_until(budget()->good[0].known);
	group()->good_after_ns = NEVER;
}

static bool all_run(const char *version)
{
	for (uint32_t i = 0; i < RIG_WORKERS; i++)
		if (strcmp(rig_slot(rig_worker(i)->slot)->ready.version, version) != 0)
			return false;
	return true;
}

static void a_spent_budget_parks_the_buckets_until_an_operator_restarts(void **unused)
{
	(void)unused;
	crash(1, BURST);
	assert_true(budget()->spent);
	for (uint32_t i = 0; i < 300; i++) /* far beyond the pause after so few deaths */
		rig_turn();
	rig_worker(1)->next_start_ns = 0;
	for (uint32_t i = 0; i < 100; i++)
		rig_turn();
	assert_int_equal(rig_worker(1)->slot, SLOT_NONE);
	assert_int_equal(look().parked_buckets, FAKE_SERVICES * FAKE_BUCKETS / RIG_WORKERS);
	assert_int_equal(look().state, GROUP_SPENT);
	assert_true(status_says("critical", "group game: restarts spent, 64 buckets parked; `batonctl worker restart game` "
					    "tries again"));
	assert_int_equal(rig_worker(0)->crashes, 0); /* the others go on */
	restart("game", NULL);
	assert_true(rig_ok());
	wait_until(rig_settled());
	assert_true(rig_shares_are_right());
	assert_false(budget()->spent || status_says("critical", "spent"));
	crash(1, BURST - 1); /* all of it is there again */
	wait_until(rig_settled());
}

/* The slot of a dead worker, with orphans. */
static uint32_t dead_slot(void)
{
	for (uint32_t i = 0; i < RIG_SLOTS; i++)
		if (rig_slot(i)->state == WORKER_DEAD)
			return i;
	return SLOT_NONE;
}

static void packets_get_too_old_only_while_nobody_comes(void **unused)
{
	(void)unused;
	group()->park_max_age_ns = 2000000000ull;
	for (uint32_t round = 1; round <= 2; round++) { /* somebody comes */
		kill(rig_pid(0), SIGKILL);
		wait_until(rig_worker(0)->crashes == round && rig_settled());
		rig_worker(0)->backoff_ns = 0;
	}
	restart("game", NULL);
	assert_int_equal(fake.parks, 0);
	crash(1, BURST);
	wait_until(fake.parks == 1);
	assert_int_equal(fake.slot[dead_slot()].max_age_ns, 2000000000ull);
	group()->park_max_age_ns = 3000000000ull; /* a reload */
	wait_until(fake.parks == 2);
	fake.slot[dead_slot()].parked = (struct slot_parked){ .packets = 120, .age_ns = 1300000000ull };
	assert_true(status_says("critical", "group game: restarts spent, 64 buckets parked; `batonctl worker restart game` "
					    "tries again, 120 packets parked, the oldest for 1.3 s"));
	uint32_t slot = dead_slot();
	assert_int_equal(rig_begin("game", NULL), 0); /* somebody is to come */
	wait_until(fake.slot[slot].max_age_ns == 0);
	wait_until(rig.reply != NULL && rig_settled());
	assert_int_equal(fake.parks, 2);
}

static void a_group_that_cannot_be_started_is_down_and_says_why(void **unused)
{
	struct stats_group group;

	(void)unused;
	rig.primary->config.group[0].park_max_age_ns = 2000000000ull;
	assert_int_equal(look().state, GROUP_SERVING);
	assert_int_equal(look().serving, RIG_WORKERS);
	rig_plugin("game.so", "refuse no licence");
	kill(rig_pid(0), SIGKILL);
	wait_until(look().state == GROUP_PART);
	kill(rig_pid(1), SIGKILL);
	wait_until(look().state == GROUP_DOWN && fake.parks == 2); /* for both */
	assert_int_equal(look().serving, 0);
	assert_non_null(strstr(look().why, "no licence"));
	assert_true(status_says("critical", "group game: none of its 2 workers can be started"));
	wait_until(stats_group_read(&rig.primary->stats, 0, &group) == 0 && group.state == GROUP_DOWN); /* for monitors */
	assert_string_equal(group.name, "game");
	rig_plugin("game.so", "ok 1");
	wait_until(rig_settled() && look().state == GROUP_SERVING);
	assert_string_equal(look().why, "");
}

static void deaths_that_others_cause_are_not_counted(void **unused)
{
	(void)unused;
	for (uint32_t round = 1; round <= 3 * BURST; round++) {
		kill(rig_pid(0), SIGKILL);
		wait_until(rig_worker(0)->crashes == round && rig_settled());
		rig_worker(0)->backoff_ns = 0;
	}
	assert_int_equal(budget()->crashes, 0);
}

static void crashes_outside_the_window_are_not_counted(void **unused)
{
	(void)unused;
	group()->restart_window_ns = 1;
	crash(0, 2 * BURST);
	wait_until(rig_settled());
	assert_false(budget()->spent);
}

static void without_a_burst_there_is_no_end(void **unused)
{
	(void)unused;
	group()->restart_burst = 0;
	crash(0, 2 * BURST);
	wait_until(rig_settled());
	assert_false(budget()->spent);
}

static void the_last_good_version_is_run_again_from_its_copy(void **unused)
{
	(void)unused;
	call_it_good();
	restart("game", "two");
	assert_true(rig_ok() && all_run("2"));
	rig_plugin("game.so", "refuse the file has been replaced since");
	crash(1, BURST);
	assert_true(budget()->fell_back && !budget()->spent);
	wait_until(rig.primary->supervisor->restart.phase == RESTART_IDLE && rig_settled());
	assert_true(all_run("1")); /* game.0, too, which had not crashed */
	assert_true(rig_shares_are_right());
	assert_int_equal(look().state, GROUP_FELL_BACK);
	assert_string_equal(look().failed, "2");
	assert_string_equal(look().version, "1");
	assert_true(status_says("warn", "group game: version 2 crashed too often, 1 runs instead"));
	kill(rig_pid(0), SIGKILL);
	wait_until(rig_worker(0)->crashes == 1 && rig_settled());
	assert_true(all_run("1"));
	crash(1, BURST); /* it is no better any more: not to and fro */
	assert_true(budget()->spent);
	restart("game", "two");
	assert_true(rig_ok() && all_run("2"));
	assert_false(budget()->spent || budget()->fell_back);
	wait_until(rig_settled());
}

static void the_version_that_crashes_is_not_fallen_back_to(void **unused)
{
	(void)unused;
	call_it_good();
	crash(0, BURST);
	assert_true(budget()->spent);
	assert_false(budget()->fell_back);
}

static void a_version_that_crashes_is_not_called_good(void **unused)
{
	(void)unused;
	crash(0, 1);
	wait_until(rig_settled());
	budget()->last_ns = process_now_ns();
	group()->good_after_ns = 3600000000000ull;
	rig_slot(rig_worker(1)->slot)->serves_ns -= group()->good_after_ns; /* this one has run for an hour */
	for (uint32_t i = 0; i < 20; i++)
		rig_turn();
	assert_false(budget()->good[0].known);
	budget()->last_ns -= group()->good_after_ns; /* the other one's crash is an hour ago */
	wait_until(budget()->good[0].known);
	assert_string_equal(budget()->good[0].version, "1");
}

#define claim(test) cmocka_unit_test_setup_teardown(test, budget_start, rig_end)

int main(int argc, char **argv)
{
	fake_zygote_main(argc, argv);
	const struct CMUnitTest tests[] = {
		claim(a_spent_budget_parks_the_buckets_until_an_operator_restarts),
		claim(packets_get_too_old_only_while_nobody_comes),
		claim(a_group_that_cannot_be_started_is_down_and_says_why),
		claim(deaths_that_others_cause_are_not_counted),
		claim(crashes_outside_the_window_are_not_counted),
		claim(without_a_burst_there_is_no_end),
		claim(the_last_good_version_is_run_again_from_its_copy),
		claim(the_version_that_crashes_is_not_fallen_back_to),
		claim(a_version_that_crashes_is_not_called_good),
	};

	log_init("test", getenv("BATON_TEST_LOG") ? LEVEL_DEBUG : LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
