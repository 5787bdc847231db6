/* The state file: made once, locked, refused when it is not what is wanted, its positions and salt kept. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake.h"
#include "log.h"

static char path[64];
static char log_path[64];
static struct state_group groups[2];
static int saved_stderr;

static int start(void **context)
{
	(void)context;
	snprintf(path, sizeof(path), "/dev/shm/baton.test.state.%d", (int)getpid());
	snprintf(log_path, sizeof(log_path), "/dev/shm/baton.test.log.%d", (int)getpid());
	unlink(path);
	saved_stderr = dup(STDERR_FILENO);
	int fd = open(log_path, O_CREAT | O_TRUNC | O_RDWR | O_APPEND, 0600);
	assert_true(fd >= 0 && dup2(fd, STDERR_FILENO) == STDERR_FILENO);
	close(fd);
	log_init("test", LEVEL_INFO);
	assert_int_equal(state_group_init(&groups[0], "game", 64, 48, 1000, 1), 0);
	assert_int_equal(state_group_init(&groups[1], "echo", 16, 0, 0, 0), 0);
	return 0;
}

static int stop(void **context)
{
	(void)context;
	dup2(saved_stderr, STDERR_FILENO);
	close(saved_stderr);
	unlink(path);
	unlink(log_path);
	return 0;
}

/* True if the log has a line with both words. */
static bool logged(const char *one, const char *two)
{
	char text[8192] = "";
	int fd = open(log_path, O_RDONLY);
	ssize_t bytes = read(fd, text, sizeof(text) - 1);

	close(fd);
	assert_true(bytes >= 0);
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
		if (strstr(line, one) != NULL && strstr(line, two) != NULL)
			return true;
	return false;
}

static int open_state(struct state *state, bool *fresh)
{
	return state_open(state, path, groups, 2, 3, 2, 0xfeed, 0, fresh);
}

static void a_file_is_made_once_and_found_again_with_its_salt_positions_and_records(void **context)
{
	struct state state;
	bool fresh;

	(void)context;
	assert_int_equal(open_state(&state, &fresh), 0);
	assert_true(fresh);
	assert_true(logged("hugetlbfs", "12-28 ms")); /* tmpfs: says what it costs */
	assert_int_equal(state.header->salt, 0xfeed);
	struct control_block *control = state_control(&state, 2);
	assert_int_equal(control->slot, 2);
	atomic_store(&control->commit[1].done, 777);
	state_words(&state, 0)[63].last_tick = 5;
	state_records(&state, 0)[groups[0].records_bytes - 1] = 0xab;
	state_close(&state);
	assert_int_equal(state_open(&state, path, groups, 2, 3, 2, 0xbeef, 0, &fresh), 0);
	assert_false(fresh);
	assert_int_equal(state.header->salt, 0xfeed);
	assert_int_equal(atomic_load(&state_control(&state, 2)->commit[1].done), 777);
	assert_int_equal(state_words(&state, 0)[63].last_tick, 5);
	assert_int_equal(state_records(&state, 0)[groups[0].records_bytes - 1], 0xab);
	state_close(&state);
}

static void regions_start_on_huge_pages_and_do_not_overlap(void **context)
{
	uint64_t bytes = state_layout(groups, 2, 3), at = 4ull * BATON_HUGE_PAGE;

	(void)context;
	for (uint32_t i = 0; i < 2; i++) {
		assert_true(groups[i].words_at >= at && groups[i].words_at % BATON_HUGE_PAGE == 0);
		at = groups[i].words_at + groups[i].buckets * sizeof(struct bucket_word);
		assert_true(groups[i].records_at >= at && groups[i].records_at % BATON_HUGE_PAGE == 0);
		at = groups[i].records_at + groups[i].records_bytes;
	}
	assert_true(bytes >= at && bytes % BATON_HUGE_PAGE == 0);
}

static void geometry_follows_its_rules(void **context)
{
	struct state_group group;
	static const struct { uint32_t buckets, size; uint64_t records; int rc; uint32_t slots, stride; } rows[] = {
		{4096, 48, 10000, 0, 16, 64}, {4096, 49, 100000, 0, 128, 128}, {1, 1, 5, 0, 32, 64}, {1, 8, 4, 0, 16, 64},
		{65536, 240, 1u << 20, 0, 64, 256}, {4096, 0, 5000, 0, 1, 64}, {4096, 65520, 0, 0, 16, 65536},
		{0, 8, 8, -EINVAL, 0, 0}, {3, 8, 8, -EINVAL, 0, 0}, {131072, 8, 8, -EINVAL, 0, 0},
		{8, 65521, 8, -ERANGE, 0, 0}, {1, 8, 1u << 30, -ERANGE, 0, 0}, {1, 8, UINT64_MAX, -ERANGE, 0, 0},
	};

	(void)context;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(state_group_init(&group, "g", rows[i].buckets, rows[i].size, rows[i].records, 1), rows[i].rc);
		if (rows[i].rc != 0)
			continue;
		assert_int_equal(group.bucket_slots, rows[i].slots);
		assert_int_equal(group.stride, rows[i].stride);
		assert_int_equal(group.records_bytes, rows[i].size == 0 ? 0 : (uint64_t)rows[i].buckets * rows[i].slots * rows[i].stride);
	}
	assert_int_equal(state_group_init(&group, "", 8, 8, 8, 1), -EINVAL);
	assert_int_equal(state_group_init(&group, "a-name-of-thirty-two-characters-", 8, 8, 8, 1), -EINVAL);
}

static void a_second_primary_is_kept_out_as_long_as_a_worker_lives(void **context)
{
	struct state state, second;
	bool fresh;
	int go[2];

	(void)context;
	assert_int_equal(pipe(go), 0);
	assert_int_equal(open_state(&state, &fresh), 0);
	assert_int_equal(open_state(&second, &fresh), -EWOULDBLOCK);
	assert_true(logged("another batond", path));
	pid_t worker = fork();
	if (worker == 0) { /* inherits the lock; leaves when told */
		char byte;
		close(go[1]);
		_exit(read(go[0], &byte, 1) == 0 ? 0 : 1);
	}
	close(go[0]);
	state_close(&state); /* the primary is gone, the worker is not */
	assert_int_equal(open_state(&second, &fresh), -EWOULDBLOCK);
	assert_int_equal(state_open(&second, path, groups, 2, 3, 2, 1, 20, &fresh), -EWOULDBLOCK);
	pid_t next = fork();
	if (next == 0) { /* waits for it */
		close(go[1]);
		_exit(state_open(&second, path, groups, 2, 3, 2, 1, 60000, &fresh) == 0 && !fresh ? 0 : 1);
	}
	int status;
	close(go[1]);
	assert_int_equal(waitpid(worker, &status, 0), worker);
	assert_int_equal(waitpid(next, &status, 0), next);
	assert_int_equal(status, 0);
	assert_int_equal(open_state(&second, &fresh), 0);
	state_close(&second);
}

/* Changes `bytes` of the file at `at`, expects rc and a log line with both words, puts the bytes back. */
static void spoil(uint64_t at, const void *bytes, size_t len, int rc, const char *one, const char *two)
{
	struct state state = {.fd = -7};
	uint8_t kept[64];
	bool fresh;
	int fd = open(path, O_RDWR);

	assert_true(fd >= 0 && truncate(log_path, 0) == 0);
	assert_int_equal(pread(fd, kept, len, (off_t)at), len);
	assert_int_equal(pwrite(fd, bytes, len, (off_t)at), len);
	assert_int_equal(open_state(&state, &fresh), rc);
	assert_int_equal(state.fd, -7); /* untouched on failure */
	assert_true(logged(one, two));
	assert_true(logged(path, "away"));
	assert_int_equal(pwrite(fd, kept, len, (off_t)at), len);
	close(fd);
	assert_int_equal(open_state(&state, &fresh), 0);
	assert_false(fresh);
	state_close(&state);
}

static void a_damaged_or_foreign_file_is_refused_with_the_reason(void **context)
{
	const uint32_t odd = 0x99999;
	const uint64_t word = 0x1234567812345678;
	struct state state;
	bool fresh;

	(void)context;
	assert_int_equal(open_state(&state, &fresh), 0);
	state_close(&state);
#define HEADER(field) offsetof(struct state_header, field)
	spoil(HEADER(magic), &word, 8, -EPROTO, "not a Baton state file", path);
	spoil(HEADER(abi), &odd, 4, -ESTALE, "ABI", "629145");
	spoil(HEADER(slots), &odd, 4, -EPROTO, "damaged", path);
	spoil(HEADER(layout_hash), &word, 8, -EPROTO, "layout hash", path);
	spoil(HEADER(bytes), &word, 8, -EPROTO, "size", path);
	spoil(HEADER(group[0].buckets), &odd, 4, -EPROTO, "layout hash", path);
	spoil(HEADER(group[1].words_at), &word, 8, -EPROTO, "offsets", path);
	spoil(3ull * BATON_HUGE_PAGE + offsetof(struct control_block, magic), &word, 8, -EPROTO, "control block", path);
	spoil(2ull * BATON_HUGE_PAGE + offsetof(struct control_block, slot), &odd, 4, -EPROTO, "control block", path);
}

static void a_file_for_another_layout_is_refused_with_the_difference(void **context)
{
	struct state_group others[2];
	struct state state;
	bool fresh;

	(void)context;
	assert_int_equal(open_state(&state, &fresh), 0);
	state_close(&state);
#define REFUSED(slots, belts, count, one, two) do { \
		assert_int_equal(state_open(&state, path, others, count, slots, belts, 1, 0, &fresh), -ESTALE); \
		assert_true(logged(one, two)); \
		memcpy(others, groups, sizeof(groups)); \
	} while (0)
	memcpy(others, groups, sizeof(groups));
	REFUSED(4, 2, 2, "made for 3 worker slots", "4 configured");
	REFUSED(3, 1, 2, "made for 2 I/O lcores", "1 configured");
	REFUSED(3, 2, 1, "made for 2 groups", "1 configured");
	state_group_init(&others[0], "game", 128, 48, 1000, 1);
	REFUSED(3, 2, 2, "buckets 64 in the file", "128 wanted");
	state_group_init(&others[0], "game", 64, 40, 1000, 1);
	REFUSED(3, 2, 2, "bytes per record 48 in the file", "40 wanted");
	state_group_init(&others[0], "game", 64, 48, 9000, 1);
	REFUSED(3, 2, 2, "slots per bucket", "1024 wanted");
	state_group_init(&others[0], "game", 64, 48, 1000, 2);
	REFUSED(3, 2, 2, "schema 1 in the file", "2 wanted");
	state_group_init(&others[1], "other", 16, 0, 0, 0);
	REFUSED(3, 2, 2, "'echo' in the file", "'other'");
}

static void a_short_or_long_file_is_refused(void **context)
{
	struct state state;
	struct stat file;
	bool fresh;
	int fd = open(path, O_RDWR | O_CREAT, 0600);

	(void)context;
	assert_int_equal(write(fd, "hello", 5), 5);
	assert_int_equal(open_state(&state, &fresh), -EPROTO);
	assert_true(logged("shorter than a header", path));
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(open_state(&state, &fresh), 0);
	assert_true(fresh);
	state_close(&state);
	assert_int_equal(fstat(fd, &file), 0);
	assert_int_equal(ftruncate(fd, file.st_size - 1), 0);
	assert_int_equal(open_state(&state, &fresh), -EPROTO);
	assert_int_equal(ftruncate(fd, file.st_size + BATON_HUGE_PAGE), 0);
	assert_int_equal(open_state(&state, &fresh), -EPROTO);
	assert_true(logged("cut off or grown", path));
	close(fd);
}

static void a_file_whose_making_was_killed_is_made_again(void **context)
{
	struct state state;
	bool fresh;
	int fd = open(path, O_RDWR | O_CREAT, 0600);

	(void)context;
	assert_int_equal(ftruncate(fd, 3 * BATON_HUGE_PAGE), 0); /* killed before the first word */
	assert_int_equal(open_state(&state, &fresh), 0);
	assert_true(fresh);
	/* killed in the middle of the header: what write_header() stores first */
	state.header->magic = 0x3130656b614d7453ull;
	state.header->slots = 99;
	state_close(&state);
	assert_int_equal(open_state(&state, &fresh), 0);
	assert_true(fresh);
	assert_int_equal(state.header->slots, 3);
	state_close(&state);
	close(fd);
}

static void attaching_checks_what_it_maps(void **context)
{
	struct state state, reader;
	bool fresh;

	(void)context;
	assert_int_equal(open_state(&state, &fresh), 0);
	assert_int_equal(state_attach(&reader, dup(state.fd), false), 0);
	assert_int_equal(reader.header->salt, 0xfeed);
	state_close(&reader);
	int fd = open(log_path, O_RDONLY);
	assert_int_equal(state_attach(&reader, fd, false), -EPROTO);
	close(fd);
	fd = open("/dev/shm", O_TMPFILE | O_RDWR, 0600);
	assert_int_equal(ftruncate(fd, BATON_HUGE_PAGE), 0);
	assert_int_equal(state_attach(&reader, fd, true), -EPROTO);
	close(fd);
	state_close(&state);
}

static void every_slot_is_rolled_back_with_the_records_of_its_own_group(void **context)
{
	struct journal_report report;
	struct baton_ctx ctx = {0};
	struct state state;
	bool fresh;

	(void)context;
	assert_int_equal(open_state(&state, &fresh), 0);
	for (uint32_t slot = 0; slot < 3; slot++) {
		struct journal *journal = &state_control(&state, slot)->journal;

		state_control(&state, slot)->group = 0;
		state_bind(&state, slot, 0, &ctx);
		journal_open(journal, &ctx, 1, 0);
		ctx.limit = JOURNAL_BYTES;
		ctx.bucket = slot;
		uint8_t *byte = ctx.records + slot * ctx.bucket_bytes + 20;
		assert_true(baton_save(&ctx, byte, 1));
		*byte = 1;
	}
	state_control(&state, 1)->group = 1; /* a group without records: the journal cannot be its */
	state_control(&state, 2)->group = 77;
	assert_int_equal(state_roll_back(&state, 0, &report), 0);
	assert_int_equal(report.undone, 1);
	assert_int_equal(state_roll_back(&state, 1, &report), -EBADMSG);
	assert_int_equal(state_roll_back(&state, 2, &report), -EBADMSG);
	for (uint32_t slot = 0; slot < 3; slot++) {
		assert_int_equal(ctx.records[slot * ctx.bucket_bytes + 20], slot == 0 ? 0 : 1);
		assert_int_equal(state_control(&state, slot)->journal.used, 0);
	}
	state_close(&state);
}

static void a_group_without_records_finds_and_keeps_nothing(void **context)
{
	struct baton_ctx ctx = {0};
	struct state state;
	bool fresh;
	uint8_t out[8];
	uint32_t iter = 0;

	(void)context;
	assert_int_equal(open_state(&state, &fresh), 0);
	state_bind(&state, 0, 1, &ctx);
	ctx.limit = JOURNAL_BYTES;
	ctx.bucket = 15;
	assert_null(baton_find(&ctx, 1));
	assert_null(baton_next(&ctx, &iter, NULL));
	assert_null(baton_insert(&ctx, 1));
	assert_true(ctx.overflow);
	assert_int_equal(state_read_record(&state, 1, 3, 1, out, 8), -ENOENT);
	state_close(&state);
}

static void a_reader_finds_whole_records_only(void **context)
{
	struct baton_ctx ctx = {0};
	struct state state;
	bool fresh;
	uint8_t out[64] = {0};

	(void)context;
	assert_int_equal(open_state(&state, &fresh), 0);
	state_bind(&state, 0, 0, &ctx);
	ctx.limit = JOURNAL_BYTES;
	ctx.bucket = 9;
	uint8_t *data = baton_insert(&ctx, 42);
	assert_non_null(data);
	memset(data, 0x17, 48);
	assert_int_equal(state_read_record(&state, 0, 9, 42, out, 48), -EAGAIN); /* in a transaction */
	journal_end_entry(&ctx, 0);
	assert_int_equal(state_read_record(&state, 0, 9, 42, out, 200), 0);
	for (uint32_t i = 0; i < 64; i++)
		assert_int_equal(out[i], i < 48 ? 0x17 : 0); /* never more than a record */
	assert_int_equal(state_read_record(&state, 0, 9, 43, out, 48), -ENOENT);
	assert_int_equal(state_read_record(&state, 0, 8, 42, out, 48), -ENOENT);
	assert_int_equal(state_read_record(&state, 0, 64, 42, out, 48), -ENOENT);
	state_close(&state);
}

static void hugetlbfs_is_used_without_a_warning_and_says_how_many_pages_are_missing(void **context)
{
	struct state_group huge[1];
	struct state state;
	bool fresh;

	(void)context;
	snprintf(path, sizeof(path), "/dev/hugepages/baton.test.state.%d", (int)getpid());
	assert_int_equal(open_state(&state, &fresh), 0);
	assert_false(logged("hugetlbfs", "12-28"));
	state_words(&state, 0)[0].last_tick = 3;
	state_close(&state);
	assert_int_equal(open_state(&state, &fresh), 0);
	assert_false(fresh);
	assert_int_equal(state_words(&state, 0)[0].last_tick, 3);
	state_close(&state);
	unlink(path);
	assert_int_equal(state_group_init(&huge[0], "game", 65536, 1000, 16u << 20, 1), 0);
	assert_int_equal(state_open(&state, path, huge, 1, 3, 2, 1, 0, &fresh), -ENOSPC);
	assert_true(logged("free pages of 2 MiB", "vm.nr_hugepages"));
	assert_int_equal(access(path, F_OK), -1); /* nothing is left behind */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(a_file_is_made_once_and_found_again_with_its_salt_positions_and_records),
		TEST(regions_start_on_huge_pages_and_do_not_overlap),
		TEST(geometry_follows_its_rules),
		TEST(a_second_primary_is_kept_out_as_long_as_a_worker_lives),
		TEST(a_damaged_or_foreign_file_is_refused_with_the_reason),
		TEST(a_file_for_another_layout_is_refused_with_the_difference),
		TEST(a_short_or_long_file_is_refused),
		TEST(a_file_whose_making_was_killed_is_made_again),
		TEST(attaching_checks_what_it_maps),
		TEST(every_slot_is_rolled_back_with_the_records_of_its_own_group),
		TEST(a_group_without_records_finds_and_keeps_nothing),
		TEST(a_reader_finds_whole_records_only),
		TEST(hugetlbfs_is_used_without_a_warning_and_says_how_many_pages_are_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
