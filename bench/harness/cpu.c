/* Pinning, children that are pinned, and how fast the TSC ticks. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "bench.h"

int bench_pin(int cpu)
{
	cpu_set_t set;

	if (cpu < 0 || cpu >= CPU_SETSIZE)
		return -EINVAL;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) == 0 ? 0 : -errno;
}

pid_t bench_fork(int cpu)
{
	pid_t parent = getpid(), pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || bench_pin(cpu) != 0)
		_exit(1);
	return 0;
}

static uint64_t raw_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A TSC reading and the clock's, taken so close together that a gap between the two cannot have gone unnoticed. */
static void both_clocks(uint64_t *tsc, uint64_t *ns)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 64; i++) {
		uint64_t before = __rdtsc(), now = raw_ns(), after = __rdtsc();
		if (after - before < best) {
			best = after - before;
			*tsc = before + (after - before) / 2;
			*ns = now;
		}
	}
}

uint64_t bench_tsc_hz(void)
{
	static uint64_t hz;
	uint64_t tsc[2] = { 0 }, ns[2] = { 0 };
	struct timespec nap = { .tv_nsec = 50000000 };

	if (hz != 0)
		return hz;
	both_clocks(&tsc[0], &ns[0]);
	nanosleep(&nap, NULL);
	both_clocks(&tsc[1], &ns[1]);
	hz = (uint64_t)((double)(tsc[1] - tsc[0]) * 1e9 / (double)(ns[1] - ns[0]));
	return hz;
}
