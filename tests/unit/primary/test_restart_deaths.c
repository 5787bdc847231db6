/* Hot restart when somebody dies, hangs or does not leave on the way: one of the two serves, and it is known which. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "restart_rig.h"

/* ---- deaths on the way ---- */

static void the_new_one_dies_during_the_move_and_the_old_one_serves_on(void **unused)
{
	pid_t old = rig_pid(0);

	(void)unused;
	fake.hold_moves = true;
	assert_int_equal(rig_begin("game.0", NULL), 0);
	wait_until(rig_worker(0)->transfer.id > 0);
	pid_t fresh = rig_slot(rig.primary->supervisor->restart.fresh)->pid;
	kill(fresh, SIGKILL);
	wait_until(rig.reply != NULL);
	assert_false(rig_ok());
	fake.hold_moves = false;
	wait_until(rig_settled());
	assert_int_equal(rig_pid(0), old);
	assert_true(is_gone(fresh));
	assert_true(rig_shares_are_right());
}

/* It took the buckets and settles nothing: the old one has let go long ago and must not pay for it. */
static void a_new_one_that_hangs_is_killed_and_the_old_one_serves_on(void **unused)
{
	pid_t old = rig_pid(0);

	(void)unused;
	fake.hold_moves = fake.granted = true;
	assert_int_equal(rig_begin("game.0", NULL), 0);
	wait_until(rig_worker(0)->transfer.id > 0);
	pid_t fresh = rig_slot(rig.primary->supervisor->restart.fresh)->pid;
	wait_until(rig.reply != NULL); /* 10 s: what a move may take */
	assert_false(rig_ok());
	fake.hold_moves = fake.granted = false;
	wait_until(rig_settled());
	assert_int_equal(rig_pid(0), old);
	assert_true(is_gone(fresh));
	assert_true(rig_shares_are_right());
}

static void the_old_one_dies_during_the_move_and_the_new_one_serves(void **unused)
{
	pid_t old = rig_pid(0);

	(void)unused;
	fake.hold_moves = true;
	assert_int_equal(rig_begin("game.0", NULL), 0);
	wait_until(rig_worker(0)->transfer.id > 0);
	kill(old, SIGKILL);
	wait_until(rig_worker(0)->crashes == 1);
	fake.hold_moves = false;
	wait_until(rig.reply != NULL);
	assert_true(rig_ok());
	wait_until(rig_settled());
	assert_int_not_equal(rig_pid(0), old);
	assert_int_equal(number(rig_row(0), "pid"), rig_pid(0));
	assert_true(rig_shares_are_right());
}

static void the_old_one_dies_while_the_new_one_starts(void **unused)
{
	pid_t old = rig_pid(0);

	(void)unused;
	assert_int_equal(rig_begin("game.0", "two"), 0);
	wait_until(rig.primary->supervisor->restart.phase == RESTART_START);
	kill(old, SIGKILL);
	wait_until(rig.reply != NULL);
	wait_until(rig_settled());
	assert_true(is_gone(old));
	assert_true(rig_ok());
	assert_string_equal(rig_slot(rig_worker(0)->slot)->ready.version, "2");
	assert_true(rig_shares_are_right());
}

static void both_die_and_a_third_serves(void **unused)
{
	(void)unused;
	fake.hold_moves = true;
	assert_int_equal(rig_begin("game.0", NULL), 0);
	wait_until(rig_worker(0)->transfer.id > 0);
	pid_t old = rig_pid(0), fresh = rig_slot(rig.primary->supervisor->restart.fresh)->pid;
	kill(old, SIGKILL);
	kill(fresh, SIGKILL);
	wait_until(rig.reply != NULL);
	assert_false(rig_ok());
	fake.hold_moves = false;
	wait_until(rig_settled());
	assert_true(is_gone(old) && is_gone(fresh));
	assert_true(rig_shares_are_right());
}

static void a_group_that_cannot_start_is_saved_by_a_restart_with_a_good_version(void **unused)
{
	(void)unused;
	rig_plugin("game.so", "crash");
	kill(rig_pid(0), SIGKILL);
	wait_until(rig_worker(0)->failed_starts >= 2);
	restart("game", "two");
	assert_true(rig_ok());
	wait_until(rig_settled());
	assert_string_equal(rig_slot(rig_worker(0)->slot)->ready.version, "2");
	assert_true(rig_shares_are_right());
}

static void an_old_one_that_does_not_leave_is_killed(void **unused)
{
	(void)unused;
	rig_plugin("game.so", "stubborn");
	restart("game.0", NULL);
	assert_true(rig_ok());
	pid_t old = rig_pid(0);
	rig_plugin("game.so", "ok 1");
	restart("game.0", NULL);
	assert_true(rig_ok());
	assert_true(is_gone(old));
	assert_int_equal(rig_worker(0)->crashes, 0);
}

static void a_restart_under_way_is_answered_when_the_primary_stops(void **unused)
{
	(void)unused;
	fake.hold_moves = true;
	assert_int_equal(rig_begin("game", NULL), 0);
	wait_until(rig_worker(0)->transfer.id > 0);
	supervisor_fini(rig.primary);
	assert_non_null(rig.reply);
	assert_false(rig_ok());
	assert_non_null(strstr(rig_error(), "stopping"));
}

#define claim(test) cmocka_unit_test_setup_teardown(test, rig_start, rig_end)

int main(int argc, char **argv)
{
	fake_zygote_main(argc, argv);
	const struct CMUnitTest tests[] = {
		claim(the_new_one_dies_during_the_move_and_the_old_one_serves_on),
		claim(a_new_one_that_hangs_is_killed_and_the_old_one_serves_on),
		claim(the_old_one_dies_during_the_move_and_the_new_one_serves),
		claim(the_old_one_dies_while_the_new_one_starts),
		claim(both_die_and_a_third_serves),
		claim(a_group_that_cannot_start_is_saved_by_a_restart_with_a_good_version),
		claim(an_old_one_that_does_not_leave_is_killed),
		claim(a_restart_under_way_is_answered_when_the_primary_stops),
	};

	log_init("test", getenv("BATON_TEST_LOG") ? LEVEL_DEBUG : LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
