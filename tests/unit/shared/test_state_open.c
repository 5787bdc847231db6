/* The state file: made once, locked, refused when it is not what is wanted, its positions and salt kept. */
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
	state_group_init(&others[0], "game", 64, 480, 1000, 2);
	REFUSED(3, 2, 2, "bytes per record 48 in the file", "480 wanted");
	state_group_init(&others[0], "game", 64, 48, 1000, 1);
	state_group_init(&others[1], "other", 16, 0, 0, 0);
	REFUSED(3, 2, 2, "'echo' in the file", "'other'");
}

/* Records of another schema that fit: the file stays as it was laid out; which schemas are in it is not asked here. */
static void a_file_of_another_schema_keeps_its_layout(void **context)
{
	struct state_group others[2];
	struct state state;
	bool fresh;

	(void)context;
	assert_int_equal(open_state(&state, &fresh), 0);
	state_close(&state);
	for (uint32_t bytes = 16; bytes <= 48; bytes += 32) {
		memcpy(others, groups, sizeof(groups));
		state_group_init(&others[0], "game", 64, bytes, 1000, 2);
		assert_int_equal(state_open(&state, path, others, 2, 3, 2, 1, 0, &fresh), 0);
		assert_false(fresh);
		assert_int_equal(state.header->group[0].schema, 1);
		assert_int_equal(state_room(&state.header->group[0]), 48);
		assert_int_equal(state_schema(&state, 0, 5), 1);
		state_close(&state);
	}
}

static void a_file_of_the_abi_before_is_upgraded_where_it_is(void **context)
{
	struct state state;
	bool fresh;

	(void)context;
	assert_int_equal(open_state(&state, &fresh), 0);
	state.header->abi = STATE_ABI_UPGRADED;
	state_words(&state, 0)[7] = (struct bucket_word){.last_tick = 3, .schema = 77, .at = 9};
	state_close(&state);
	assert_int_equal(open_state(&state, &fresh), 0);
	assert_false(fresh);
	assert_int_equal(state.header->abi, STATE_ABI);
	assert_int_equal(state_schema(&state, 0, 7), 1);
	assert_int_equal(state_words(&state, 0)[7].at, 0);
	assert_int_equal(state_words(&state, 0)[7].last_tick, 3);
	state_close(&state);
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
		TEST(a_second_primary_is_kept_out_as_long_as_a_worker_lives),
		TEST(a_damaged_or_foreign_file_is_refused_with_the_reason),
		TEST(a_file_for_another_layout_is_refused_with_the_difference),
		TEST(a_file_of_another_schema_keeps_its_layout),
		TEST(a_file_of_the_abi_before_is_upgraded_where_it_is),
		TEST(a_short_or_long_file_is_refused),
		TEST(a_file_whose_making_was_killed_is_made_again),
		TEST(hugetlbfs_is_used_without_a_warning_and_says_how_many_pages_are_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
