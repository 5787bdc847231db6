/* What a worker does with its CPU when no entry waits: the only system calls of its loop. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "loop.h"

#define SPIN_TURNS  256u /* some microseconds; then yield */
#define YIELD_TURNS 64u  /* more of them; then sleep */
#define YIELD_LONG_HZ 20000u /* 1 / 50 us: more than a yield to nobody takes */
#define SLEEP_NS    100000000ull /* the doorbell ends it; the time is for a ring that a dying primary never gave */

static bool entry_waits(const struct loop *loop)
{
	for (uint32_t i = 0; i < loop->belts; i++)
		if (belt_take(&loop->belt[i], 1) != 0)
			return true;
	return false;
}

static void set_sleeping(struct loop *loop, uint32_t value)
{
	for (uint32_t i = 0; i < loop->belts; i++)
		atomic_store_explicit(&loop->belt[i].belt->sleeping, value, memory_order_relaxed);
}

/* Waits on all doorbells at once; a bell that has rung since its value was read ends it at once. */
static void wait_for_bells(const struct loop *loop, const uint32_t *value, uint64_t most_ns)
{
	struct futex_waitv wait[BATON_MAX_IO_LCORES];
	struct timespec until;

	for (uint32_t i = 0; i < loop->belts; i++)
		wait[i] = (struct futex_waitv){
			.val = value[i], .uaddr = (uintptr_t)&loop->belt[i].belt->doorbell, .flags = FUTEX_32,
		};
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)most_ns;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	if (syscall(SYS_futex_waitv, wait, loop->belts, 0, &until, CLOCK_MONOTONIC) < 0 && errno == ENOSYS)
		sched_yield(); /* before Linux 5.16: no sleep, the CPU is given away instead */
}

bool idle_sleep(struct loop *loop, uint64_t most_ns)
{
	uint32_t value[BATON_MAX_IO_LCORES];

	for (uint32_t i = 0; i < loop->belts; i++)
		value[i] = atomic_load_explicit(&loop->belt[i].belt->doorbell, memory_order_acquire);
	set_sleeping(loop, 1);
	/* Full fence between `sleeping` and the last look at `offered`; the I/O lcore has one between its offer and its
	 * look at `sleeping`: one of the two sees the other. */
	atomic_thread_fence(memory_order_seq_cst);
	bool sleep = !entry_waits(loop);
	if (sleep) {
		stats_add(&loop->stats->sleeps, 1);
		wait_for_bells(loop, value, most_ns);
	}
	set_sleeping(loop, 0);
	return sleep;
}

void idle_wait(struct loop *loop)
{
	uint32_t turns = loop->idle_turns++;

	if (baton_unlikely(loop->primed_until != 0)) {
		/* A move to us is coming: awake, but not in the way of the worker that still owns the buckets. */
		if (__rdtsc() < loop->primed_until) {
			sched_yield();
			return;
		}
		loop->primed_until = 0;
	}
	if (baton_unlikely(loop->owned_buckets == 0)) {
		idle_sleep(loop, SLEEP_NS); /* every control entry rings the bell, also of an I/O lcore that polls busily */
		return;
	}
	if (loop->busy_poll || turns < SPIN_TURNS) {
		_mm_pause();
		return;
	}
	if (turns < SPIN_TURNS + YIELD_TURNS) {
		uint64_t before = __rdtsc();

		sched_yield();
		/* Others want this CPU. A yield costs a time slice then, a wake-up does not: sleep at once. */
		if (__rdtsc() - before > loop->tsc_hz / YIELD_LONG_HZ)
			loop->idle_turns = SPIN_TURNS + YIELD_TURNS;
		return;
	}
	idle_sleep(loop, SLEEP_NS);
}
