/* Snapshots of a state file: taken while a worker writes, put back bucket by bucket. */
#include <errno.h>
#include <setjmp.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake.h"
#include "snap.h"

#define BUCKETS 8u
#define KEYS    5u /* a bucket */

/* Two records of a bucket always have the same count; so has a bucket that is between two entries. */
struct pair {
	uint64_t count, mark;
};

static struct state state;
static char dir[32], path[64]; /* dir: of this test alone */

static int set_up(void **unused)
{
	struct baton_ctx ctx = {.last = JOURNAL_NONE, .limit = 1 << 20};
	uint8_t *scratch = malloc(1 << 20);
	uint32_t used = 0;

	(void)unused;
	fake_state_create(&state, BUCKETS, sizeof(struct pair), 1, 2, 1);
	state_bind(&state, 0, 0, &ctx);
	ctx.journal = scratch;
	ctx.journal_used = &used;
	ctx.limit = 1 << 20;
	for (uint32_t b = 0; b < BUCKETS; b++)
		for (uint64_t k = 0; k < KEYS; k++) {
			ctx.bucket = b;
			struct pair *pair = baton_insert(&ctx, b * 100 + k);
			pair->mark = b;
			((struct baton_record *)pair - 1)->seq &= ~1u;
		}
	free(scratch);
	snprintf(dir, sizeof(dir), "/dev/shm/baton.snap.XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/it.snap", dir);
	return 0;
}

static int tear_down(void **unused)
{
	(void)unused;
	unlink(path);
	state_close(&state);
	return rmdir(dir); /* nothing else is left */
}

static struct pair *pair_of(uint32_t bucket, uint64_t key)
{
	const struct state_group *g = &state.header->group[0];
	uint8_t *at = state_records(&state, 0) + (uint64_t)bucket * g->bucket_slots * g->stride;

	for (uint32_t i = 0; i < g->bucket_slots; i++, at += g->stride) {
		struct baton_record *record = (void *)at;
		if (record->state == BATON_RECORD_USED && record->key == key)
			return (void *)(record + 1);
	}
	return NULL;
}

static void take(void)
{
	struct snap_report report;
	char why[200] = "";

	if (snap_write(&state, path, NULL, &report, why, sizeof(why)) != 0)
		fail_msg("%s", why);
	assert_int_equal(report.buckets, BUCKETS);
	assert_int_equal(report.records, BUCKETS * KEYS);
}

static void open_it(struct snap *snap)
{
	char why[200] = "";

	if (snap_open(snap, path, why, sizeof(why)) != 0)
		fail_msg("%s", why);
	assert_int_equal(snap_fits(snap, &state, 0, why, sizeof(why)), 0);
}

/* ---- claims ---- */

static void what_is_put_back_is_the_bucket_and_no_other(void **unused)
{
	struct snap snap;

	(void)unused;
	pair_of(3, 301)->count = 7;
	take();
	pair_of(3, 301)->count = 8;
	((struct baton_record *)pair_of(3, 302) - 1)->state = BATON_RECORD_GONE;
	pair_of(2, 201)->count = 9;
	bucket_word_store(&state_words(&state, 0)[3], 2, 0, 0);
	state_words(&state, 0)[3].last_tick = 55;
	open_it(&snap);
	assert_int_equal(snap_restore(&state, 0, snap_find(&snap, 0, 3)), 0);
	assert_int_equal(pair_of(3, 301)->count, 7);
	assert_non_null(pair_of(3, 302));
	assert_int_equal(pair_of(2, 201)->count, 9);
	assert_int_equal(state_schema(&state, 0, 3), 1);
	assert_int_equal(state_words(&state, 0)[3].last_tick, 55); /* ticks go on */
	assert_int_equal(state.header->restore.used, 0);
	snap_close(&snap);
}

static void a_restore_that_is_cut_off_is_undone_by_the_next_start(void **unused)
{
	struct snap snap;
	uint32_t used;

	(void)unused;
	take();
	pair_of(3, 301)->count = 8;
	open_it(&snap);
	/* as it is when all is written and the log still counts: the same undo as at any instruction before */
	assert_int_equal(snap_restore(&state, 0, snap_find(&snap, 0, 3)), 0);
	assert_int_equal(pair_of(3, 301)->count, 0);
	used = (uint32_t)(sizeof(struct bucket_word) + state.header->group[0].stride);
	state.header->restore.used = used;
	assert_true(state_restore_undo(&state));
	assert_int_equal(pair_of(3, 301)->count, 8);
	assert_false(state_restore_undo(&state));
	snap_close(&snap);
}

static void a_damaged_file_is_refused(void **unused)
{
	struct snap snap;
	char why[200];

	(void)unused;
	take();
	FILE *file = fopen(path, "r+");
	assert_int_equal(fseek(file, 700, SEEK_SET), 0);
	int byte = fgetc(file);
	fseek(file, 700, SEEK_SET);
	fputc(byte ^ 1, file);
	fclose(file);
	assert_int_equal(snap_open(&snap, path, why, sizeof(why)), -EBADMSG);
	assert_int_equal(truncate(path, 900), 0);
	assert_int_equal(snap_open(&snap, path, why, sizeof(why)), -EBADMSG);
}

/* It is anybody's file: what has been opened stays as it was. */
static void a_file_that_is_cut_off_while_it_is_open_harms_nobody(void **unused)
{
	struct snap snap;

	(void)unused;
	take();
	open_it(&snap);
	assert_int_equal(truncate(path, 0), 0);
	for (uint32_t b = 0; b < BUCKETS; b++) {
		const struct snap_bucket *from = snap_find(&snap, 0, b);

		assert_non_null(from);
		assert_int_equal(from->bucket, b);
		assert_int_equal(snap_restore(&state, 0, from), 0);
	}
	assert_null(snap_find(&snap, 0, BUCKETS));
	assert_null(snap_find(&snap, 1, 0));
	snap_close(&snap);
}

/* A worker that changes all records of a bucket in each entry, and settles a burst now and then. */
static void write_for_ever(void)
{
	struct control_block *c = state_control(&state, 0);
	struct baton_ctx ctx = {.last = JOURNAL_NONE};
	uint64_t position = 0;

	state_bind(&state, 0, 0, &ctx);
	for (;;) {
		journal_open(&c->journal, &ctx, 0, position);
		for (uint32_t n = 0; n < 4; n++, position++) {
			uint32_t mark = ctx.used;

			ctx.bucket = (uint32_t)position % BUCKETS;
			ctx.limit = JOURNAL_BYTES;
			for (uint64_t k = 0; k < KEYS; k++) {
				struct pair *pair = baton_find(&ctx, ctx.bucket * 100 + k);
				if (pair == NULL || !baton_save(&ctx, pair, sizeof(*pair)))
					_exit(1);
				pair->count++;
				for (uint32_t i = 0; i < 60; i++) /* a long entry */
					__builtin_ia32_pause();
				if (position % 256 == 7 && k == KEYS / 2) /* whoever copies on the same CPU runs in the middle of it */
					sched_yield();
			}
			journal_end_entry(&ctx, mark);
		}
		atomic_store_explicit(&c->commit[0].done, position, memory_order_release);
		journal_clear(&c->journal, &ctx);
		for (uint32_t i = 0; i < 500; i++) /* buckets rest in between, as those of players do */
			__builtin_ia32_pause();
	}
}

static void a_bucket_is_what_it_was_between_two_entries(void **unused)
{
	pid_t pid = fork();

	(void)unused;
	if (pid == 0)
		write_for_ever();
	const _Atomic uint64_t *done = &state_control(&state, 0)->commit[0].done;
	while (atomic_load(done) == 0)
		sched_yield();
	for (int round = 0; round < 50 || atomic_load(done) < 20000; round++) {
		struct snap snap;

		take();
		open_it(&snap);
		for (uint32_t b = 0; b < BUCKETS; b++) {
			const struct snap_bucket *bucket = snap_find(&snap, 0, b);
			const uint8_t *at = (const uint8_t *)(bucket + 1);
			struct pair first;

			memcpy(&first, at + sizeof(struct snap_record), sizeof(first));
			for (uint32_t i = 0; i < bucket->records; i++) {
				struct pair pair;
				memcpy(&pair, at + (size_t)i * state.header->group[0].stride + sizeof(struct snap_record),
				       sizeof(pair));
				if (pair.count != first.count) {
					kill(pid, SIGKILL);
					fail_msg("bucket %u was copied in the middle of an entry", b);
				}
			}
		}
		snap_close(&snap);
		unlink(path);
	}
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* The child has a file open of our directory, whatever that is called. */
static bool writes_one(pid_t pid)
{
	char name[64], to[300];

	for (int fd = 3; fd < 64; fd++) {
		snprintf(name, sizeof(name), "/proc/%d/fd/%d", (int)pid, fd);
		ssize_t n = readlink(name, to, sizeof(to) - 1);
		if (n > 0 && strncmp(to, dir, strlen(dir)) == 0 && to[strlen(dir)] == '/')
			return true;
	}
	return false;
}

/* Its worker has changed a record and settled nothing: what is undone is in no snapshot. */
static void what_is_not_settled_is_not_copied(void **unused)
{
	struct control_block *c = state_control(&state, 1);
	struct journal_report undone;
	int status = 0;

	(void)unused;
	struct baton_ctx ctx = {.last = JOURNAL_NONE};
	state_bind(&state, 1, 0, &ctx);
	c->group = 0;
	journal_open(&c->journal, &ctx, 0, 0);
	ctx.bucket = 3;
	ctx.limit = JOURNAL_BYTES;
	struct pair *pair = baton_find(&ctx, 301);
	assert_true(baton_save(&ctx, pair, sizeof(*pair)));
	pair->count = 99;
	journal_end_entry(&ctx, 0); /* whole, but not settled */
	pid_t pid = fork();
	if (pid == 0) {
		take();
		_exit(0);
	}
	while (!writes_one(pid) && waitpid(pid, &status, WNOHANG) == 0) /* it has begun */
		sched_yield();
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0); /* it waits for the burst to end, one way or the other */
	assert_int_equal(state_roll_back(&state, 1, &undone), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	struct snap snap;
	open_it(&snap);
	assert_int_equal(snap_restore(&state, 0, snap_find(&snap, 0, 3)), 0);
	assert_int_equal(pair_of(3, 301)->count, 0);
	snap_close(&snap);
}

/* A record that is never at rest holds the writer up in the middle. */
static void who_is_killed_while_he_writes_leaves_nothing(void **unused)
{
	struct baton_record *record = (struct baton_record *)(void *)pair_of(BUCKETS - 1, (BUCKETS - 1) * 100) - 1;
	struct snap_report report;
	char why[200] = "";
	int status;

	(void)unused;
	record->seq |= 1u;
	pid_t pid = fork();
	if (pid == 0)
		_exit(snap_write(&state, path, NULL, &report, why, sizeof(why)) != 0);
	while (!writes_one(pid) && waitpid(pid, &status, WNOHANG) == 0)
		sched_yield();
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status)); /* or it came to its end: it gives the bucket up after 5 s */
	record->seq &= ~1u;
	assert_int_equal(rmdir(dir), 0); /* it is empty */
	assert_int_equal(mkdir(dir, 0700), 0);
}

static void what_is_there_is_not_written_over(void **unused)
{
	struct snap_report report;
	char why[200] = "", text[8] = "";
	FILE *f = fopen(path, "w");

	(void)unused;
	assert_non_null(f);
	fputs("mine", f);
	fclose(f);
	assert_int_equal(snap_write(&state, path, NULL, &report, why, sizeof(why)), -EEXIST);
	assert_non_null(strstr(why, "File exists"));
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof(text), f));
	fclose(f);
	assert_string_equal(text, "mine");
	assert_int_equal(snap_write(&state, "/dev/shm/no/such.snap", NULL, &report, why, sizeof(why)), -ENOENT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(what_is_put_back_is_the_bucket_and_no_other),
		TEST(a_restore_that_is_cut_off_is_undone_by_the_next_start),
		TEST(a_damaged_file_is_refused),
		TEST(a_file_that_is_cut_off_while_it_is_open_harms_nobody),
		TEST(a_bucket_is_what_it_was_between_two_entries),
		TEST(what_is_not_settled_is_not_copied),
		TEST(who_is_killed_while_he_writes_leaves_nothing),
		TEST(what_is_there_is_not_written_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
