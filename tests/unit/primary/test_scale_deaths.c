/* Scaling when workers die, hang or cannot come back on the way: it ends, every bucket has an owner, and it is said how
 * it went. The storm at the end is random: its seed is printed, SEED=n repeats it. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <time.h>

#include "scale_rig.h"

#define STORM 60u

static uint64_t seed, random_state;

static uint32_t roll(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 33) % below;
}

/* Until a move of the operation is under way; it is held. */
static void begin_held(int rc)
{
	assert_int_equal(rc, 0);
	wait_until(rig.primary->supervisor->scale.receiver != SHARE_NOBODY &&
		   rig_worker(rig.primary->supervisor->scale.receiver)->transfer.id > 0);
}

/* ---- out ---- */

static void the_new_one_dies_while_buckets_come_to_it(void **unused)
{
	(void)unused;
	fake.hold_moves = true;
	begin_held(begin_start("game"));
	pid_t pid = rig_pid(named("game.2"));
	kill(pid, SIGKILL);
	wait_until(rig_worker(named("game.2"))->crashes == 1);
	fake.hold_moves = false;
	done_well(); /* it is replaced like any other, and the sharing goes on */
	assert_int_not_equal(rig_pid(named("game.2")), pid);
	check_owners(true);
}

static void an_old_one_dies_while_it_gives_buckets(void **unused)
{
	(void)unused;
	fake.hold_moves = true;
	begin_held(begin_start("game"));
	pid_t pid = rig_pid(0);
	kill(pid, SIGKILL);
	wait_until(rig_worker(0)->crashes == 1);
	fake.hold_moves = false;
	done_well();
	assert_int_not_equal(rig_pid(0), pid);
	check_owners(true);
}

static void all_die_at_once_while_buckets_move(void **unused)
{
	(void)unused;
	fake.hold_moves = true;
	begin_held(begin_start("game"));
	for (uint32_t i = 0; i < 3; i++)
		kill(rig_pid(i), SIGKILL);
	wait_until(rig_worker(0)->crashes == 1 && rig_worker(1)->crashes == 1 && rig_worker(2)->crashes == 1);
	fake.hold_moves = false;
	done_well();
	check_owners(true);
}

/* ---- in ---- */

static void who_is_drained_dies_on_the_way_and_comes_back_drained(void **unused)
{
	(void)unused;
	start_worker_of("game");
	fake.hold_moves = true;
	begin_held(begin_drain("game.1", false));
	pid_t pid = rig_pid(1);
	kill(pid, SIGKILL);
	wait_until(rig_worker(1)->crashes == 1);
	fake.hold_moves = false;
	done_well();
	assert_int_not_equal(rig_pid(1), pid);
	assert_true(rig_worker(1)->drained);
	check_owners(true);
}

static void who_is_stopped_dies_on_the_way_and_is_gone(void **unused)
{
	(void)unused;
	start_worker_of("game");
	fake.hold_moves = true;
	begin_held(begin_drain("game.1", true));
	kill(rig_pid(1), SIGKILL);
	wait_until(rig_worker(1)->crashes == 1);
	fake.hold_moves = false;
	done_well();
	assert_false(exists("game.1"));
	assert_int_equal(used_slots(), 2);
	check_owners(true);
}

static void who_takes_the_buckets_of_a_drained_one_dies(void **unused)
{
	(void)unused;
	fake.hold_moves = true;
	begin_held(begin_drain("game.1", false));
	kill(rig_pid(0), SIGKILL);
	wait_until(rig_worker(0)->crashes == 1);
	fake.hold_moves = false;
	done_well();
	assert_true(rig_worker(1)->drained);
	check_owners(true);
}

static void a_worker_that_does_not_leave_is_killed(void **unused)
{
	rig_plugin("game.so", "stubborn");
	(void)unused;
	start_worker_of("game");
	pid_t pid = rig_pid(named("game.2"));
	drain_worker("game.2", true);
	assert_true(is_gone(pid));
	assert_int_equal(used_slots(), 2);
	check_owners(true);
}

/* Crash after crash: its buckets wait. Whoever drains or stops it gives them to workers that live. */
static void a_worker_that_is_down_for_good_gives_its_buckets_away(void **unused)
{
	(void)unused;
	for (uint32_t stop = 0; stop < 2; stop++) {
		start_worker_of("game.1");
		rig_plugin("game.so", "crash");
		kill(rig_pid(1), SIGKILL);
		wait_until(rig_worker(1)->failed_starts >= 2);
		assert_int_equal(begin_drain("game.1", stop == 1), 0);
		wait_done();
		if (!rig_ok())
			fail_msg("%s", rig_error());
		rig_plugin("game.so", "ok 1");
		wait_until(scale_settled());
		check_owners(true);
		assert_int_equal(datapath_owned(NULL, rig_worker(0)->slot), FAKE_SERVICES * FAKE_BUCKETS);
	}
	assert_false(exists("game.1"));
}

static void buckets_are_not_shared_with_one_that_is_down_and_that_is_said(void **unused)
{
	(void)unused;
	rig_plugin("two.so", "only game.2");
	snprintf(rig.primary->supervisor->group_path[0], BATON_PATH_BYTES, "%s/two.so", rig.dir);
	rig_plugin("game.so", "crash"); /* game.1's successors */
	kill(rig_pid(1), SIGKILL);
	wait_until(rig_worker(1)->failed_starts >= 2);
	assert_int_equal(begin_start("game"), 0); /* game.2 runs; it has to wait for game.1 in vain, 10 s */
	wait_done();
	assert_false(rig_ok());
	assert_non_null(strstr(rig_error(), "game.1 is down"));
	assert_non_null(strstr(rig_error(), "worker drain game.1"));
	wait_until(!exists("game.2")); /* it has got nothing */
	assert_int_equal(begin_buckets("1", "game.1"), -EPERM);
	assert_non_null(strstr(rig_why, "game.1 is down"));
	rig_plugin("game.so", "ok 1");
	wait_until(scale_settled());
	assert_true(rig_shares_are_right());
}

/* 10 s are what a move may take; then the one that keeps it from ending is killed, and the operation goes on. */
static void a_giver_that_does_not_let_go_is_killed(void **unused)
{
	(void)unused;
	fake.hold_moves = true;
	begin_held(begin_start("game"));
	uint32_t giver = rig_slot(fake.move[0].order.from)->worker;
	pid_t pid = rig_pid(giver);
	wait_until(rig_worker(giver)->crashes == 1);
	fake.hold_moves = false;
	done_well();
	assert_true(is_gone(pid));
	check_owners(true);
}

static void an_operation_under_way_is_answered_when_the_primary_stops(void **unused)
{
	(void)unused;
	fake.hold_moves = true;
	begin_held(begin_start("game"));
	supervisor_fini(rig.primary);
	assert_non_null(rig.reply);
	assert_false(rig_ok());
	assert_non_null(strstr(rig_error(), "stopping"));
}

/* ---- everything at once ---- */

/* The rig's group has two services, a configuration's has one (config/check.c). So a worker here can leave two dead slots,
 * each with the buckets of one service, and needs a third: with one worker less than slots allow there always is one. */
static bool room_for_one_more(void)
{
	return rig.primary->supervisor->workers + 2 < RIG_SLOTS;
}

static void random_order(void)
{
	const struct supervisor *sup = rig.primary->supervisor;
	char name[BATON_NAME_BYTES], range[32], why[700];
	uint32_t first = roll(FAKE_BUCKETS);

	snprintf(name, sizeof(name), "%s", rig_worker(roll(sup->workers))->name);
	snprintf(range, sizeof(range), "%u-%u", first, first + roll(FAKE_BUCKETS - first));
	rig_forget();
	switch (roll(6)) {
	case 0: begin_start(room_for_one_more() ? "game" : name); break;
	case 1: begin_start(name); break;
	case 2: begin_drain(name, false); break;
	case 3: begin_drain(name, true); break;
	case 4: begin_buckets(range, name); break;
	default: restart_begin(rig.primary->supervisor, roll(2) ? "game" : name, NULL, rig_done, 7, why, sizeof(why));
	}
}

static void a_storm_of_orders_and_deaths_leaves_every_bucket_with_an_owner(void **unused)
{
	uint32_t kills = 0, orders = 0;

	(void)unused;
	for (uint32_t round = 0; round < STORM; round++) {
		random_order();
		orders += rig.primary->supervisor->scale.phase != SCALE_IDLE;
		for (uint32_t deaths = roll(3); deaths > 0; deaths--) {
			uint32_t slot = roll(RIG_SLOTS);
			for (uint32_t turns = roll(20); turns > 0; turns--)
				rig_turn();
			if (rig_slot(slot)->pidfd >= 0 && rig_slot(slot)->state != WORKER_DEAD) {
				process_kill(rig_slot(slot)->pidfd, SIGKILL);
				kills++;
			}
		}
		for (uint32_t i = 0; i < rig.primary->supervisor->workers; i++)
			rig_worker(i)->backoff_ns = 0; /* this test is not about patience */
		wait_until(scale_settled());
		check_owners(false);
		assert_int_equal(used_slots(), rig.primary->supervisor->workers);
	}
	start_worker_of(rig_worker(0)->name);
	check_owners(true);
	printf("storm: %u operations begun, %u kills\n", orders, kills);
	assert_true(orders > STORM / 4 && kills > 0);
}

#define claim(test) cmocka_unit_test_setup_teardown(test, rig_start, rig_end)

int main(int argc, char **argv)
{
	fake_zygote_main(argc, argv);
	const struct CMUnitTest tests[] = {
		claim(the_new_one_dies_while_buckets_come_to_it),
		claim(an_old_one_dies_while_it_gives_buckets),
		claim(all_die_at_once_while_buckets_move),
		claim(who_is_drained_dies_on_the_way_and_comes_back_drained),
		claim(who_is_stopped_dies_on_the_way_and_is_gone),
		claim(who_takes_the_buckets_of_a_drained_one_dies),
		claim(a_worker_that_does_not_leave_is_killed),
		claim(a_worker_that_is_down_for_good_gives_its_buckets_away),
		claim(buckets_are_not_shared_with_one_that_is_down_and_that_is_said),
		claim(a_giver_that_does_not_let_go_is_killed),
		claim(an_operation_under_way_is_answered_when_the_primary_stops),
		claim(a_storm_of_orders_and_deaths_leaves_every_bucket_with_an_owner),
	};

	log_init("test", getenv("BATON_TEST_LOG") ? LEVEL_DEBUG : LEVEL_ERROR);
	seed = getenv("SEED") ? strtoull(getenv("SEED"), NULL, 0) : (uint64_t)time(NULL);
	random_state = seed * 0x9e3779b97f4a7c15ull + 1;
	printf("test_scale_deaths: seed %llu\n", (unsigned long long)seed);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
