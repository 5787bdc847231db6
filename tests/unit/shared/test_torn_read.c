/* A reader in another process never sees half a record, while its writer works and is killed over and over. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>

#include <cmocka.h>

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake.h"
#include "hash.h"
#include "journal.h"

#define READS 10000000u
#define WORDS 6u
#define KEYS  4u
#define BURST 8u

static struct state state;
static uint64_t seed;

/* w: one process each  r: all */
struct shared {
	_Atomic uint64_t written baton_aligned(64); /* transactions, ever */
	_Atomic uint64_t reads baton_aligned(64);   /* whole ones */
	_Atomic uint64_t changes; /* reads that saw another version than the one before */
	_Atomic uint64_t again;   /* -EAGAIN */
	_Atomic uint64_t torn;
	_Atomic uint32_t over baton_aligned(64);
	_Atomic uint32_t kills, undone; /* w: the test itself */
};
static struct shared *shared;

static uint64_t word(uint64_t version, uint32_t i)
{
	return i == 0 ? version : hash_mix64(version + i);
}

/* Gives a record a new version, in two saves. */
static void write_record(struct baton_ctx *ctx, uint64_t version, bool save)
{
	uint64_t *at = baton_find(ctx, version % KEYS);
	uint32_t half = 1 + (uint32_t)(version >> 8) % (WORDS - 1);

	if (at == NULL)
		at = baton_insert(ctx, version % KEYS);
	if (save && !baton_save(ctx, at, half * 8))
		abort();
	for (uint32_t i = 0; i < half; i++)
		((volatile uint64_t *)at)[i] = word(version, i);
	if (save && !baton_save(ctx, at + half, (WORDS - half) * 8))
		abort();
	for (uint32_t i = half; i < WORDS; i++)
		((volatile uint64_t *)at)[i] = word(version, i);
}

/* Works until it is killed. save = false: as if the plugin had forgotten to call baton_save(). */
static void writer(uint64_t random, bool save)
{
	struct control_block *control = state_control(&state, 0);
	struct journal *journal = &control->journal;
	struct baton_ctx ctx = {0};
	uint64_t written = atomic_load(&shared->written);

	state_bind(&state, 0, 0, &ctx);
	ctx.limit = JOURNAL_BYTES;
	for (uint64_t position = atomic_load(&control->commit[0].done);; position += BURST) {
		journal_open(journal, &ctx, 0, position);
		for (uint32_t i = 0; i < BURST; i++) {
			uint32_t mark = ctx.used;

			write_record(&ctx, fake_random(&random), save);
			journal_end_entry(&ctx, mark);
			atomic_store_explicit(&shared->written, ++written, memory_order_relaxed);
		}
		atomic_store_explicit(&control->commit[0].done, position + BURST, memory_order_release);
		journal_clear(journal, &ctx);
	}
}

/* Reads at least `reads` whole records, and until enough has happened meanwhile to make them count. */
static void reader(uint64_t reads)
{
	uint64_t last[KEYS] = {0}, changes = 0, again = 0, whole = 0;

	for (uint64_t n = 0; !atomic_load_explicit(&shared->over, memory_order_relaxed); n++) {
		if (whole >= reads && changes > 1000 && atomic_load_explicit(&shared->kills, memory_order_relaxed) > 8 &&
		    atomic_load_explicit(&shared->undone, memory_order_relaxed) > 4)
			break;
		uint64_t at[WORDS];
		int rc = state_read_record(&state, 0, 0, n % KEYS, at, sizeof(at));

		again += rc == -EAGAIN;
		if (rc != 0)
			continue;
		whole++;
		changes += last[n % KEYS] != at[0];
		last[n % KEYS] = at[0];
		for (uint32_t i = 1; i < WORDS; i++)
			if (at[i] != word(at[0], i) || at[0] % KEYS != n % KEYS) {
				atomic_fetch_add(&shared->torn, 1);
				break;
			}
	}
	atomic_store(&shared->changes, changes);
	atomic_store(&shared->again, again);
	atomic_store(&shared->reads, whole);
	atomic_store(&shared->over, 1);
	_exit(0);
}

static pid_t start_writer(bool save)
{
	uint64_t random = fake_random(&seed) | 1;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		writer(random, save);
	return pid;
}

static void end(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* Until the reader is through: lets the writer work a while, kills it, rolls back. */
static void kill_over_and_over(void)
{
	while (!atomic_load(&shared->over)) {
		uint64_t until = atomic_load(&shared->written) + fake_below(&seed, 20000);
		struct journal_report report;
		pid_t pid = start_writer(true);

		while (atomic_load(&shared->written) < until && !atomic_load(&shared->over))
			sched_yield();
		end(pid);
		assert_int_equal(state_roll_back(&state, 0, &report), 0);
		atomic_fetch_add(&shared->undone, report.valid != 0);
		atomic_fetch_add(&shared->kills, 1);
	}
}

static int start(void **context)
{
	(void)context;
	fake_state_create(&state, 1, WORDS * 8, 4, 1, 1);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(shared != MAP_FAILED);
	return 0;
}

static int stop(void **context)
{
	(void)context;
	munmap(shared, sizeof(*shared));
	state_close(&state);
	return 0;
}

static void ten_million_reads_are_whole_under_a_writer_that_is_killed(void **context)
{
	int status;

	(void)context;
	pid_t pid = fork();
	if (pid == 0)
		reader(READS);
	kill_over_and_over();
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	printf("%llu reads (%llu saw a change, %llu tried again), %llu writes, %u kills, %u bursts undone\n",
	       (unsigned long long)shared->reads, (unsigned long long)shared->changes,
	       (unsigned long long)shared->again, (unsigned long long)shared->written, shared->kills,
	       shared->undone);
	assert_true(shared->reads >= READS);
	assert_int_equal(shared->torn, 0);
}

static void a_writer_that_does_not_save_is_noticed(void **context)
{
	int status;

	(void)context;
	pid_t pid = fork();
	if (pid == 0)
		reader(UINT64_MAX);
	pid_t wild = start_writer(false);
	while (atomic_load(&shared->torn) == 0)
		sched_yield();
	atomic_store(&shared->over, 1);
	end(wild);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ten_million_reads_are_whole_under_a_writer_that_is_killed, start, stop),
		cmocka_unit_test_setup_teardown(a_writer_that_does_not_save_is_noticed, start, stop),
	};

	alarm(120); /* a reader or writer that hangs ends the test */
	seed = fake_seed("test_torn_read");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
