/* Standbys on the supervisor's rig: who takes over, who never does, and that there is soon another one. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "scale_rig.h"

static uint32_t wanted = 1;

static struct standbys *all(void) { return &rig.primary->supervisor->standbys[0]; }

/* The first one in a state; SLOT_NONE: none. */
static uint32_t standby_in(uint32_t state)
{
	for (uint32_t i = 0; i < RIG_SLOTS; i++)
		if (rig_slot(i)->standby && rig_slot(i)->state == state)
			return i;
	return SLOT_NONE;
}

static uint32_t ready(void) { return standbys_ready(rig.primary->supervisor, 0); }

/* All workers serve, as many standbys as there are to be are ready, and nothing else is there. */
static bool quiet(void)
{
	return rig_worker(0)->slot != SLOT_NONE && rig_worker(1)->slot != SLOT_NONE &&
	       worker_settled(rig.primary->supervisor, 0) && worker_settled(rig.primary->supervisor, 1) &&
	       rig.primary->supervisor->restart.phase == RESTART_IDLE && ready() == wanted &&
	       used_slots() == RIG_WORKERS + wanted;
}

static int begin(void **state)
{
	wanted = *state ? *(uint32_t *)*state : 1;
	if (rig_prepare())
		return -1;
	rig.primary->config.group[0].standby = wanted;
	if (supervisor_init(rig.primary) || command_init(rig.primary))
		return -1;
	wait_until(quiet());
	rig.primary->ready = true;
	return 0;
}

static void one_is_ready_owns_nothing_and_says_so(void **unused)
{
	uint32_t slot = standby_in(WORKER_STANDBY);
	struct stats_worker entry;

	(void)unused;
	assert_int_not_equal(slot, SLOT_NONE);
	assert_int_equal(datapath_owned(NULL, slot), 0);
	assert_int_equal(stats_worker_read(&rig.primary->stats, slot, &entry), 0);
	assert_int_equal(entry.state, WORKER_STANDBY);
	assert_string_equal(entry.name, "game.standby");
	json_t *rows = status_workers(rig.primary), *row = json_array_get(rows, RIG_WORKERS);
	assert_string_equal(text(row, "name"), "game.standby");
	assert_string_equal(text(row, "role"), "standby");
	assert_int_equal(number(row, "pid"), rig_slot(slot)->pid);
	json_decref(rows);
}

static void it_takes_the_place_of_each_worker_that_dies(void **unused)
{
	(void)unused;
	for (uint32_t round = 1; round <= 20; round++) {
		uint32_t worker = round % RIG_WORKERS, slot = standby_in(WORKER_STANDBY);
		pid_t dead = rig_pid(worker), standby = rig_slot(slot)->pid;

		kill(dead, SIGKILL);
		wait_until(rig_worker(worker)->crashes == (round + 1) / 2 && quiet());
		assert_int_equal(rig_pid(worker), standby);
		assert_int_not_equal(rig_slot(standby_in(WORKER_STANDBY))->pid, standby);
		assert_true(rig_shares_are_right());
		assert_int_equal(all()->taken, round);
		struct stats_worker entry;
		assert_int_equal(stats_worker_read(&rig.primary->stats, slot, &entry), 0);
		assert_string_equal(entry.name, rig_worker(worker)->name);
		assert_string_equal(stats_worker_page(&rig.primary->stats, slot)->name, rig_worker(worker)->name);
	}
}

/* The move stands when the data path hears of the death: it wakes up meanwhile. */
static void its_move_is_ordered_before_the_death_is_told(void **unused)
{
	uint32_t dead = rig_worker(0)->slot, slot = standby_in(WORKER_STANDBY);

	(void)unused;
	fake.hold_moves = true;
	kill(rig_slot(dead)->pid, SIGKILL);
	wait_until(rig_slot(dead)->state == WORKER_DEAD);
	assert_int_equal(rig_worker(0)->slot, slot);
	assert_true(fake.move[0].open && fake.move[0].order.from == dead && fake.move[0].order.to == slot);
	assert_false(rig_slot(dead)->recovered);
	fake.hold_moves = false;
	wait_until(quiet());
	assert_true(rig_shares_are_right());
}

static void of_two_deaths_at_once_the_second_starts_anew(void **unused)
{
	pid_t standby = rig_slot(standby_in(WORKER_STANDBY))->pid, before[2] = { rig_pid(0), rig_pid(1) };

	(void)unused;
	kill(before[0], SIGKILL);
	kill(before[1], SIGKILL);
	wait_until(rig_worker(0)->crashes == 1 && rig_worker(1)->crashes == 1 && quiet());
	assert_true((rig_pid(0) == standby) != (rig_pid(1) == standby));
	assert_int_equal(all()->taken, 1);
	assert_true(rig_shares_are_right());
}

static void one_that_is_not_ready_is_not_chosen(void **unused)
{
	pid_t standby;

	(void)unused;
	rig_plugin("game.so", "hang"); /* the next one to start, of whatever kind, is not ready for long */
	kill(rig_slot(standby_in(WORKER_STANDBY))->pid, SIGKILL);
	wait_until(standby_in(WORKER_STARTING) != SLOT_NONE);
	standby = rig_slot(standby_in(WORKER_STARTING))->pid;
	rig_plugin("game.so", "ok 1");
	kill(rig_pid(0), SIGKILL);
	wait_until(rig_worker(0)->crashes == 1 && worker_settled(rig.primary->supervisor, 0));
	assert_int_not_equal(rig_pid(0), standby);
	assert_int_equal(all()->taken, 0);
	assert_true(rig_shares_are_right());
}

/* It has been asked for a sign of life, and long ago. */
static void one_that_does_not_answer_is_not_chosen(void **unused)
{
	uint32_t slot = standby_in(WORKER_STANDBY);

	(void)unused;
	for (uint64_t end = process_now_ns() + 10000000000ull; fake.slot[slot].looks == 0 && process_now_ns() < end;)
		rig_turn(); /* once a second */
	assert_int_not_equal(fake.slot[slot].looks, 0);
	rig_slot(slot)->stall.off = true; /* else the stall ends it first, which is another test's */
	fake.progress[slot] = (struct slot_progress){ .waiting = 1 };
	rig_slot(slot)->looked_ns = process_now_ns() - 400000000ull;
	assert_int_equal(ready(), 0);
	kill(rig_pid(0), SIGKILL);
	wait_until(rig_worker(0)->crashes == 1 && worker_settled(rig.primary->supervisor, 0));
	assert_int_not_equal(rig_worker(0)->slot, slot);
	fake.progress[slot].waiting = 0;
	wait_until(quiet());
}

static void one_that_dies_is_replaced_and_costs_no_budget(void **unused)
{
	(void)unused;
	for (uint32_t round = 0; round < 3; round++) {
		pid_t pid = rig_slot(standby_in(WORKER_STANDBY))->pid;

		kill(pid, round == 2 ? SIGKILL : SIGSEGV);
		wait_until(is_gone(pid));
		wait_until(quiet());
		assert_int_not_equal(rig_slot(standby_in(WORKER_STANDBY))->pid, pid);
		if (round == 1) /* by a fault of its own, twice */
			assert_true(all()->backoff_ns > rig.primary->config.group[0].restart_delay_ns);
	}
	assert_int_equal(rig.primary->supervisor->budget[0].crashes, 0);
	assert_int_equal(rig_worker(0)->crashes + rig_worker(1)->crashes, 0);
}

static void its_place_is_told_to_be_empty(void **unused)
{
	json_t *status;

	(void)unused;
	rig_plugin("game.so", "hang"); /* the next one is on its way for long */
	kill(rig_slot(standby_in(WORKER_STANDBY))->pid, SIGKILL);
	wait_until(standby_in(WORKER_STARTING) != SLOT_NONE && rig_slot(standby_in(WORKER_STARTING))->pid != 0);
	status = status_build(rig.primary);
	assert_string_equal(json_string_value(json_object_get(status, "verdict")), "warn");
	char *dump = json_dumps(status, 0);
	assert_non_null(strstr(dump, "group game: no standby of 1 is ready"));
	free(dump);
	json_decref(status);
	rig_plugin("game.so", "ok 1");
	kill(rig_slot(standby_in(WORKER_STARTING))->pid, SIGKILL);
	wait_until(quiet());
	status = status_build(rig.primary);
	assert_string_equal(json_string_value(json_object_get(status, "verdict")), "ok");
	json_decref(status);
}

static void after_an_upgrade_they_are_of_the_new_version(void **unused)
{
	char path[BATON_PATH_BYTES];
	pid_t old = rig_slot(standby_in(WORKER_STANDBY))->pid;

	(void)unused;
	restart("game", rig_path(path, "two.so"));
	assert_true(rig_ok());
	wait_until(quiet());
	assert_true(is_gone(old));
	uint32_t slot = standby_in(WORKER_STANDBY);
	pid_t standby = rig_slot(slot)->pid;
	assert_string_equal(rig_slot(slot)->ready.version, "2");
	kill(rig_pid(0), SIGKILL);
	wait_until(rig_worker(0)->crashes == 1 && quiet());
	assert_int_equal(rig_pid(0), standby);
	assert_string_equal(rig_slot(rig_worker(0)->slot)->ready.version, "2");
}

/* The old one is still there when a worker of the new version dies. */
static void one_of_the_old_version_is_not_chosen(void **unused)
{
	char path[BATON_PATH_BYTES];
	uint32_t slot = standby_in(WORKER_STANDBY);
	pid_t old = rig_slot(slot)->pid;

	(void)unused;
	kill(old, SIGSTOP); /* it cannot leave */
	restart("game", rig_path(path, "two.so"));
	assert_true(rig_ok());
	kill(rig_pid(0), SIGKILL);
	wait_until(rig_worker(0)->crashes == 1 && worker_settled(rig.primary->supervisor, 0));
	assert_int_not_equal(rig_pid(0), old);
	assert_string_equal(rig_slot(rig_worker(0)->slot)->ready.version, "2");
	kill(old, SIGCONT);
	wait_until(quiet());
}

static void the_same_file_read_again_renews_them(void **unused)
{
	pid_t old = rig_slot(standby_in(WORKER_STANDBY))->pid;

	(void)unused;
	restart("game", NULL);
	assert_true(rig_ok());
	wait_until(quiet());
	assert_true(is_gone(old));
}

static void a_reload_changes_how_many_there_are(void **unused)
{
	(void)unused;
	wanted = rig.primary->config.group[0].standby = 2;
	wait_until(quiet());
	wanted = rig.primary->config.group[0].standby = 0;
	wait_until(quiet());
	pid_t pid = rig_pid(0);
	kill(pid, SIGKILL);
	wait_until(rig_worker(0)->crashes == 1 && quiet());
	assert_int_equal(all()->taken, 0);
}

/* They are counted by a worker of the group, which may be the one that leaves. */
static void they_stay_when_workers_come_and_go(void **unused)
{
	(void)unused;
	assert_int_equal(begin_drain("game.0", true), 0);
	wait_done();
	assert_true(rig_ok());
	wait_until(rig.primary->supervisor->workers == 1 && ready() == 1);
	pid_t standby = rig_slot(standby_in(WORKER_STANDBY))->pid;
	kill(rig_pid(0), SIGKILL);
	wait_until(rig_worker(0)->crashes == 1 && worker_settled(rig.primary->supervisor, 0) && ready() == 1);
	assert_int_equal(rig_pid(0), standby);
	assert_int_equal(begin_start("game"), 0);
	wait_done();
	assert_true(rig_ok());
	wait_until(quiet());
}

static void slots_of_standbys_are_not_for_new_workers(void **unused)
{
	(void)unused;
	while (rig.primary->supervisor->workers < RIG_SLOTS - 2) {
		assert_int_equal(begin_start("game"), 0);
		wait_done();
		assert_true(rig_ok());
	}
	assert_int_equal(begin_start("game"), -ENOSPC);
	assert_non_null(strstr(rig_why, "1 standbys (groups[].standby)"));
	assert_non_null(strstr(rig_why, "raise memory.worker_slots to at least 7"));
}

#define claim(name) cmocka_unit_test_setup_teardown(name, begin, rig_end)

int main(int argc, char **argv)
{
	fake_zygote_main(argc, argv);
	const struct CMUnitTest tests[] = {
		claim(one_is_ready_owns_nothing_and_says_so),
		claim(it_takes_the_place_of_each_worker_that_dies),
		claim(its_move_is_ordered_before_the_death_is_told),
		claim(of_two_deaths_at_once_the_second_starts_anew),
		claim(one_that_is_not_ready_is_not_chosen),
		claim(one_that_does_not_answer_is_not_chosen),
		claim(one_that_dies_is_replaced_and_costs_no_budget),
		claim(its_place_is_told_to_be_empty),
		claim(after_an_upgrade_they_are_of_the_new_version),
		claim(one_of_the_old_version_is_not_chosen),
		claim(the_same_file_read_again_renews_them),
		claim(a_reload_changes_how_many_there_are),
		claim(they_stay_when_workers_come_and_go),
		claim(slots_of_standbys_are_not_for_new_workers),
	};

	log_init("test", getenv("BATON_TEST_LOG") ? LEVEL_DEBUG : LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
