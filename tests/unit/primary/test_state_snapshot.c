/* Snapshots taken under the supervisor: what is copied, refused and reported, and what becomes of it when whoever
 * writes dies or hangs, and when the primary stops in the middle. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "state_op_rig.h"

static void a_snapshot_is_what_the_records_were(void **unused)
{
	struct snap snap;
	struct stat st;
	char why[300];

	(void)unused;
	take();
	assert_int_equal(number(rig.reply, "buckets"), FAKE_BUCKETS);
	assert_int_equal(number(rig.reply, "records"), FAKE_BUCKETS * RECORDS);
	assert_string_equal(text(rig.reply, "file"), file);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600); /* players' records */
	assert_int_equal(st.st_size, number(rig.reply, "bytes"));
	assert_int_equal(snap_open(&snap, file, why, sizeof(why)), 0);
	for (uint32_t b = 0; b < FAKE_BUCKETS; b++)
		assert_int_equal(snap_find(&snap, 0, b)->bucket, b);
	assert_null(snap_find(&snap, 0, FAKE_BUCKETS));
	assert_null(snap_find(&snap, 1, 0));
	snap_close(&snap);
}

static void a_snapshot_that_cannot_be_written_says_why_and_leaves_nothing(void **unused)
{
	char other[BATON_PATH_BYTES];

	(void)unused;
	assert_int_equal(begin_snapshot("/nowhere/there/is/one.snap", NULL), 0);
	failed_with("cannot make /nowhere/there/is/one.snap: No such file or directory");
	take();
	assert_int_equal(begin_snapshot(file, NULL), 0);
	failed_with("File exists"); /* nothing is written over */
	assert_int_equal(begin_snapshot(rig_path(other, "other.snap"), "nobody"), 0);
	failed_with("no group 'nobody'");
	setenv("SNAPSHOT_HOW", "full", 1);
	assert_int_equal(begin_snapshot(other, NULL), 0);
	failed_with("is its file system full?");
	assert_int_equal(access(other, F_OK), -1);
}

static void whoever_writes_it_may_die_or_hang(void **unused)
{
	(void)unused;
	setenv("SNAPSHOT_HOW", "die", 1);
	assert_int_equal(begin_snapshot(file, NULL), 0);
	failed_with("whoever wrote it died");
	setenv("SNAPSHOT_HOW", "hang", 1);
	assert_int_equal(begin_snapshot(file, NULL), 0);
	pid_t pid = op()->ask.pid;
	refused_with(state_snapshot_begin(sup(), "/tmp/another", NULL, rig_done, 8, rig_why, sizeof(rig_why)), -EBUSY,
		     "wait for its end");
	op()->ask.deadline_ms = 0;
	failed_with("not written within 10 minutes");
	assert_true(is_gone(pid));
	unsetenv("SNAPSHOT_HOW");
	take();
}

static void orders_for_a_snapshot_are_checked(void **unused)
{
	char longest[BATON_PATH_BYTES + 8];

	(void)unused;
	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	refused_with(begin_snapshot("one.snap", NULL), -EINVAL, "absolute path");
	refused_with(begin_snapshot(longest, NULL), -EINVAL, "absolute path");
	sup()->stopping = true;
	refused_with(begin_snapshot(file, NULL), -EBUSY, "stopping");
	sup()->stopping = false;
	assert_int_equal(rig.primary->operations, 0);
}

static void the_primary_stops_while_one_is_written(void **unused)
{
	(void)unused;
	setenv("SNAPSHOT_HOW", "hang", 1);
	assert_int_equal(begin_snapshot(file, NULL), 0);
	rig_turn();
	assert_int_equal(rig.primary->operations, 1); /* rig_end(): none, and no process */
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(a_snapshot_is_what_the_records_were),
		TEST(a_snapshot_that_cannot_be_written_says_why_and_leaves_nothing),
		TEST(whoever_writes_it_may_die_or_hang),
		TEST(orders_for_a_snapshot_are_checked),
		TEST(the_primary_stops_while_one_is_written),
	};

	other_programs(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
