/* Snapshots put back under the supervisor: what is copied, refused and reported, and what becomes of it when buckets
 * move, owners die or change their version, and the primary stops in the middle. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "state_op_rig.h"

static void chosen_buckets_come_back_and_no_others(void **unused)
{
	(void)unused;
	take();
	fill_all(2);
	record_at(9, 2)->state = BATON_RECORD_USED; /* a player that was not there */
	record_at(9, 4)->state = BATON_RECORD_GONE; /* and one that was */
	restore("3,8-10", 4);
	for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
		assert_true(is_filled(b, b == 3 || (b >= 8 && b <= 10) ? 1 : 2));
	assert_int_equal(rig.primary->state.header->restore.used, 0);
	settled();
	assert_int_equal(sup()->restarts_failed, 0);
	assert_int_equal(owns("game.0", 0), FAKE_BUCKETS / 2); /* with whom they were */
	assert_int_equal(owns("game.1", 0), FAKE_BUCKETS / 2);
}

static void a_second_time_changes_nothing(void **unused)
{
	(void)unused;
	take();
	fill_all(2);
	restore("0-63", FAKE_BUCKETS);
	assert_int_equal(count_filled(1), FAKE_BUCKETS);
	uint32_t seq = record_at(5, 1)->seq;
	restore("0-63", FAKE_BUCKETS);
	assert_int_equal(count_filled(1), FAKE_BUCKETS);
	assert_int_equal(record_at(5, 1)->seq, seq); /* nor does a reader see a change */
}

static void orders_for_a_restore_are_checked(void **unused)
{
	(void)unused;
	take();
	refused_with(begin_restore("64"), -EINVAL, "64");
	refused_with(begin_restore(""), -EINVAL, "");
	refused_with(begin_restore("5-2"), -EINVAL, "");
	rig_forget();
	refused_with(state_restore_begin(sup(), file, "1", "nobody", rig_done, 7, rig_why, sizeof(rig_why)), -ENOENT,
		     "no group 'nobody'");
	refused_with(state_restore_begin(sup(), "/nowhere/one.snap", "1", NULL, rig_done, 7, rig_why, sizeof(rig_why)),
		     -ENOENT, "cannot open /nowhere/one.snap");
	refused_with(state_restore_begin(sup(), rig.dir, "1", NULL, rig_done, 7, rig_why, sizeof(rig_why)), -EBADMSG,
		     "is no snapshot");
	rig.primary->state.header->salt++;
	refused_with(begin_restore("1"), -EINVAL, "of another state file");
	rig.primary->state.header->salt--;
	rig.primary->state.header->group[0].bucket_slots = 32;
	refused_with(begin_restore("1"), -EINVAL, "of 16 slots");
	rig.primary->state.header->group[0].bucket_slots = 16;
	rig.primary->state.header->group[0].name[0] = 'G';
	refused_with(begin_restore("1"), -EINVAL, "no group Game");
	rig.primary->state.header->group[0].name[0] = 'g';
	assert_int_equal(rig.primary->operations, 0);
	assert_int_equal(count_filled(1), FAKE_BUCKETS);
}

/* Each byte of the file with one bit changed: refused, or it makes no difference to what is put back. */
static void a_damaged_file_is_refused_or_harmless(void **unused)
{
	static uint8_t bytes[65536];
	uint32_t harmless = 0;

	(void)unused;
	fill_all(0);
	for (uint32_t b = 4; b < FAKE_BUCKETS; b++) /* else it is a long file */
		for (uint32_t slot = 0; slot < 16; slot++)
			record_at(b, slot)->state = BATON_RECORD_EMPTY;
	take();
	int fd = open(file, O_RDWR | O_CLOEXEC);
	ssize_t count = read(fd, bytes, sizeof(bytes));
	assert_in_range(count, 1000, sizeof(bytes) - 1);
	for (ssize_t at = 0; at < count; at++) {
		uint8_t damaged = bytes[at] ^ (uint8_t)(1u << (at % 8));

		assert_int_equal(pwrite(fd, &damaged, 1, at), 1);
		for (uint32_t b = 0; b < 4; b++)
			fill(b, 2);
		int rc = begin_restore("0-3");
		if (rc == 0) {
			wait_done();
			harmless++;
			for (uint32_t b = 0; b < 4; b++)
				if (!is_filled(b, 0) || state_schema(&rig.primary->state, 0, b) != 1)
					fail_msg("byte %zd: what is put back is not what was there", at);
		} else if (count_filled(2) != 4) {
			fail_msg("byte %zd: refused, and yet something has changed", at);
		}
		assert_int_equal(pwrite(fd, &bytes[at], 1, at), 1);
	}
	/* words of the group's layout that the state file has, too, and that are not asked for */
	assert_in_range(harmless, 1, sizeof(struct state_group));
	for (ssize_t len = 0; len < count; len += 1 + len / 64) {
		assert_int_equal(ftruncate(fd, len), 0);
		assert_int_equal(begin_restore("0-3"), -EBADMSG);
	}
	assert_int_equal(pwrite(fd, bytes, (size_t)count, 0), count);
	assert_int_equal(pwrite(fd, "x", 1, count), 1);
	refused_with(begin_restore("0-3"), -EBADMSG, "goes on behind its end");
	close(fd);
}

static void nothing_else_moves_meanwhile(void **unused)
{
	(void)unused;
	take();
	fill_all(2);
	fake.hold_revokes = true;
	assert_int_equal(begin_restore("0-3"), 0);
	rig_turn();
	refused_with(restart_begin(sup(), "game", NULL, rig_done, 8, rig_why, sizeof(rig_why)), -EBUSY,
		     "`state restore");
	refused_with(scale_begin_start(sup(), "game", rig_done, 8, rig_why, sizeof(rig_why)), -EBUSY, "`state restore");
	refused_with(state_restore_begin(sup(), file, "9", NULL, rig_done, 8, rig_why, sizeof(rig_why)), -EBUSY,
		     "wait for its end");
	assert_int_equal(count_filled(1), 0); /* its owner has them still */
	fake.hold_revokes = false;
	wait_done();
	assert_true(rig_ok());
	assert_int_equal(count_filled(1), 4);
	assert_int_equal(rig_begin("game.0", NULL), 0);
	refused_with(state_restore_begin(sup(), file, "9", NULL, rig_done, 8, rig_why, sizeof(rig_why)), -EBUSY,
		     "a restart of game.0 is under way");
	wait_until(rig.reply != NULL);
	settled();
	assert_int_equal(begin_start("game"), 0);
	refused_with(state_restore_begin(sup(), file, "9", NULL, rig_done, 8, rig_why, sizeof(rig_why)), -EBUSY,
		     "is under way");
	done_well();
}

static void a_bucket_whose_owner_is_dead_waits_for_the_next(void **unused)
{
	pid_t old = rig_pid(0);

	(void)unused;
	take();
	fill_all(2);
	kill(old, SIGKILL);
	wait_until(rig_worker(0)->crashes == 1);
	restore("0-63", FAKE_BUCKETS);
	settled();
	assert_int_equal(count_filled(1), FAKE_BUCKETS);
	assert_int_not_equal(rig_pid(0), old);
	assert_true(rig_worker(0)->slot == fake.owner[0][0]);
}

/* It had let go, or its roll back stands for that: what is written then is its successor's. */
static void the_owner_may_die_while_its_bucket_is_written(void **unused)
{
	pid_t old = rig_pid(0);

	(void)unused;
	take();
	fill_all(2);
	fake.hold_revokes = fake.hold_undo = true;
	assert_int_equal(begin_restore("0,2,4"), 0);
	wait_until(op()->move != 0);
	kill(old, SIGKILL);
	wait_until(rig_worker(0)->crashes == 1);
	for (int i = 0; i < 50; i++)
		rig_turn();
	assert_int_equal(count_filled(1), 0); /* what it did is undone first */
	fake.hold_revokes = fake.hold_undo = false;
	wait_done();
	assert_true(rig_ok());
	assert_int_equal(number(rig.reply, "restored"), 3);
	settled();
	assert_int_equal(count_filled(1), 3);
	assert_int_equal(owns("game.0", 0), FAKE_BUCKETS / 2);
}

static void without_a_worker_it_ends_and_says_what_is_done(void **unused)
{
	(void)unused;
	take();
	fill_all(2);
	rig_plugin("game.so", "refuse out of order");
	kill(rig_pid(0), SIGKILL);
	wait_until(rig_worker(0)->crashes == 1);
	assert_int_equal(begin_restore("0-63"), 0);
	wait_until(count_filled(1) == FAKE_BUCKETS / 2 && op()->move == 0);
	op()->deadline_ns = process_now_ns(); /* 10 s are over */
	failed_with("buckets without a worker");
	for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
		assert_true(is_filled(b, b % 2 ? 1 : 2));
	rig_plugin("game.so", "ok 1");
	settled();
	restore("0-63", FAKE_BUCKETS);
	assert_int_equal(count_filled(1), FAKE_BUCKETS);
}

static void a_snapshot_of_a_schema_that_the_owner_does_not_know_is_refused(void **unused)
{
	(void)unused;
	set_schema(2);
	take();
	set_schema(0);
	fill_all(2);
	refused_with(begin_restore("5"), -ENOTSUP, "records of schema 2; version 1, which has it now, has schema 1");
	assert_int_equal(count_filled(2), FAKE_BUCKETS);
}

/* It knew the schema when the order came. */
static void an_owner_of_another_version_gets_nothing_that_it_cannot_read(void **unused)
{
	(void)unused;
	set_schema(2);
	take();
	set_schema(0);
	fill_all(2);
	rig_plugin("game.so", "ok 1"); /* as when a rollout's candidate dies and stable takes its buckets */
	fake.hold_revokes = fake.hold_undo = true; /* both are dead before the first bucket is written */
	assert_int_equal(begin_restore("0,1"), 0);
	wait_until(op()->move != 0); /* of bucket 0, which the dead one's successor has to convert */
	kill(rig_pid(0), SIGKILL);
	wait_until(rig_worker(0)->crashes == 1);
	kill(rig_pid(1), SIGKILL);
	wait_until(rig_worker(1)->crashes == 1);
	fake.hold_revokes = fake.hold_undo = false;
	wait_done();
	assert_false(rig_ok());
	assert_non_null(strstr(rig_error(), "has schema 1 and does not migrate from it"));
	assert_int_equal(number(rig.reply, "restored"), 1);
	assert_int_equal(state_schema(&rig.primary->state, 0, 1), 1);
	assert_true(is_filled(1, 2));
}

static void a_newer_owner_takes_an_older_snapshot(void **unused)
{
	(void)unused;
	take();
	set_schema(2);
	fill_all(2);
	restore("0-63", FAKE_BUCKETS);
	assert_int_equal(count_filled(1), FAKE_BUCKETS);
	for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
		assert_int_equal(state_schema(&rig.primary->state, 0, b), 1); /* and migrates it before its next entry */
}

static void the_primary_stops_while_it_waits_for_the_owner(void **unused)
{
	(void)unused;
	take();
	fill_all(2);
	fake.hold_revokes = true;
	assert_int_equal(begin_restore("0-3"), 0);
	wait_until(op()->move != 0);
	rig.reply = NULL;
	state_op_abandon(sup());
	assert_non_null(strstr(rig_error(), "the primary is stopping"));
	assert_int_equal(count_filled(2), FAKE_BUCKETS);
	state_op_abandon(sup()); /* of nothing */
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(chosen_buckets_come_back_and_no_others),
		TEST(a_second_time_changes_nothing),
		TEST(orders_for_a_restore_are_checked),
		TEST(a_damaged_file_is_refused_or_harmless),
		TEST(nothing_else_moves_meanwhile),
		TEST(a_bucket_whose_owner_is_dead_waits_for_the_next),
		TEST(the_owner_may_die_while_its_bucket_is_written),
		TEST(without_a_worker_it_ends_and_says_what_is_done),
		TEST(a_snapshot_of_a_schema_that_the_owner_does_not_know_is_refused),
		TEST_NEW(an_owner_of_another_version_gets_nothing_that_it_cannot_read),
		TEST_NEW(a_newer_owner_takes_an_older_snapshot),
		TEST(the_primary_stops_while_it_waits_for_the_owner),
	};

	other_programs(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
