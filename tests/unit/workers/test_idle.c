/* What a worker does with its CPU when no entry waits. */
#define _GNU_SOURCE
#include "loop_rig.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <sched.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void a_primed_worker_yields_until_the_time_is_over(void **state)
{
	struct belt_prime prime = {.for_us = 1000000000};

	(void)state;
	offer(0, BELT_PRIME, 0, &prime, sizeof(prime));
	run();
	for (uint32_t i = 0; i < 2000; i++)
		idle_wait(&loop);
	assert_int_equal(stats->sleeps, 0);
	prime.for_us = 0;
	offer(0, BELT_PRIME, 0, &prime, sizeof(prime));
	run();
	idle_wait(&loop);
	assert_int_equal(loop.primed_until, 0);
	assert_int_equal(stats->sleeps, 1); /* it owns nothing: its CPU is given away at once */
}

static void a_worker_that_owns_something_spins_and_yields_before_it_sleeps(void **state)
{
	uint32_t turns = 0;

	(void)state;
	offer_buckets(0, BELT_GRANT, 1);
	run();
	while (stats->sleeps == 0) {
		idle_wait(&loop);
		assert_true(++turns < 10000);
	}
	assert_true(turns > 200);
	start_worker(true); /* busy polling */
	offer_buckets(0, BELT_GRANT, 1);
	run();
	for (uint32_t i = 0; i < 10000; i++)
		idle_wait(&loop);
	assert_int_equal(stats->sleeps, 1);
}

static void a_worker_does_not_sleep_over_an_entry_that_waits(void **state)
{
	(void)state;
	for (uint32_t belt = 0; belt < BELTS; belt++) {
		offer_request(belt, 1, COUNT);
		assert_false(idle_sleep(&loop, 30000000000ull));
		assert_int_equal(atomic_load(&primary[belt].belt->sleeping), 0);
		run();
	}
	assert_int_equal(stats->sleeps, 0);
}

/* As an I/O lcore does it; see idle.c of the data path. */
static void ring(struct belt *belt)
{
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&belt->sleeping, memory_order_relaxed) == 0)
		return;
	atomic_fetch_add_explicit(&belt->doorbell, 1, memory_order_release);
	syscall(SYS_futex, &belt->doorbell, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* A worker in a process of its own that sleeps whenever it can, and for so long that a ring it missed shows. */
static pid_t start_sleeper(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		while (!loop.stop)
			if (loop_turn(&loop) == 0)
				idle_sleep(&loop, 20000000000ull);
		_exit(0);
	}
	assert_true(pid > 0);
	return pid;
}

static void a_ring_is_never_missed(void **state)
{
	pid_t pid = start_sleeper();
	double start = seconds();
	int status;

	(void)state;
	for (uint32_t i = 0; i < 20000 && seconds() - start < 5; i++) {
		uint32_t belt = i % 3 % BELTS;

		offer_request(belt, i % 50, COUNT);
		ring(primary[belt].belt);
		/* the same moment in which it falls asleep, and long after */
		for (uint32_t spins = i % 2000; spins > 0; spins--)
			__builtin_ia32_pause();
		double asked = seconds();
		while (fake_reap(&primary[belt], note, NULL) == 0) {
			assert_true(seconds() - asked < 15);
			sched_yield();
		}
		reaped.count = 0;
	}
	offer(1, BELT_STOP, 0, NULL, 0);
	ring(primary[1].belt);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(stats->sleeps > 10);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_primed_worker_yields_until_the_time_is_over),
		TEST(a_worker_that_owns_something_spins_and_yields_before_it_sleeps),
		TEST(a_worker_does_not_sleep_over_an_entry_that_waits), TEST(a_ring_is_never_missed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
