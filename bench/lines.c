/* bench-lines: how many cache lines go to another CPU and come back, at best. Two pinned processes and a ring as long as a
 * belt, of lines as a belt's slots: the asker writes each line anew and reads what the answerer has made of it, in bursts,
 * with as many under way as the generator has; nothing else is done with them. What the pipeline could do on this machine
 * if its packets cost nothing but their way. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#include "abi.h"
#include "bench.h"
#include "belt.h"

#define AHEAD   12u /* lines asked for before they are touched */
#define ALARM_S 60u /* an answerer that died must not leave the asker spinning */

/* w: asker before it is offered, answerer until it is done  r: both */
struct line {
	uint64_t word[8];
} baton_aligned(64);

struct ring {
	_Atomic uint64_t offered baton_aligned(64); /* w: asker */
	_Atomic uint64_t quit;
	_Atomic uint64_t done baton_aligned(64);    /* w: answerer */
	struct line line[BELT_SLOTS] baton_aligned(128);
};

static inline struct line *line_at(struct ring *ring, uint64_t position) { return &ring->line[position & BELT_MASK]; }

static void answer(struct ring *ring)
{
	uint64_t done = 0;

	while (atomic_load_explicit(&ring->quit, memory_order_relaxed) == 0) {
		/* acquire: pairs with the asker's release */
		uint64_t ready = atomic_load_explicit(&ring->offered, memory_order_acquire);
		uint64_t end = ready - done > BATON_BURST ? done + BATON_BURST : ready;

		for (uint64_t at = done; at < ready && at < done + AHEAD; at++)
			baton_prefetch_write(line_at(ring, at));
		for (uint64_t at = done; at < end; at++) {
			if (at + AHEAD < ready)
				baton_prefetch_write(line_at(ring, at + AHEAD));
			struct line *line = line_at(ring, at);
			line->word[2] = ~line->word[2];
		}
		if (end != done)
			/* release: pairs with the asker's acquire */
			atomic_store_explicit(&ring->done, done = end, memory_order_release);
	}
}

struct asker {
	struct ring *ring;
	uint64_t window, offered, reaped, wrong;
};

static void offer(struct asker *a)
{
	uint64_t room = a->window - (a->offered - a->reaped);

	if (room > BATON_BURST)
		room = BATON_BURST;
	for (uint64_t end = a->offered + room; a->offered != end; a->offered++) {
		struct line *line = line_at(a->ring, a->offered);
		for (uint32_t i = 0; i < 8; i++)
			line->word[i] = a->offered;
	}
	/* release: pairs with the answerer's acquire */
	atomic_store_explicit(&a->ring->offered, a->offered, memory_order_release);
}

static void reap(struct asker *a)
{
	/* acquire: pairs with the answerer's release */
	uint64_t done = atomic_load_explicit(&a->ring->done, memory_order_acquire);

	for (uint64_t at = a->reaped; at < done && at < a->reaped + AHEAD; at++)
		baton_prefetch_write(line_at(a->ring, at));
	for (uint64_t at = a->reaped; at < done; at++) {
		if (at + AHEAD < done)
			baton_prefetch_write(line_at(a->ring, at + AHEAD));
		a->wrong += line_at(a->ring, at)->word[2] != ~at;
	}
	a->reaped = done;
}

static pid_t start_answerer(struct ring *ring, int cpu)
{
	pid_t pid = bench_fork(cpu);

	if (pid != 0)
		return pid;
	answer(ring);
	_exit(0);
}

static void exchange_for(struct asker *a, double seconds)
{
	uint64_t end = __rdtsc() + (uint64_t)(seconds * (double)bench_tsc_hz());

	while (__rdtsc() < end) {
		offer(a);
		reap(a);
	}
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fputs("usage: bench-lines ASKER_CPU ANSWERER_CPU WINDOW [SECONDS]\n"
		      "Cache lines there and back between pinned processes, at most WINDOW under way, for SECONDS (1).\n",
		      stderr);
		return 2;
	}
	int cpu[2] = {atoi(argv[1]), atoi(argv[2])};
	double seconds = argc > 4 ? atof(argv[4]) : 1.0;
	struct ring *ring = mmap(NULL, sizeof(*ring), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct asker a = {.ring = ring, .window = strtoull(argv[3], NULL, 10)};
	int rc = ring == MAP_FAILED ? -errno : bench_pin(cpu[0]);

	if (rc == 0 && (a.window == 0 || a.window > BELT_SLOTS || cpu[0] == cpu[1]))
		rc = -EINVAL;
	pid_t pid = rc == 0 ? start_answerer(ring, cpu[1]) : -1;
	if (rc == 0 && pid < 0)
		rc = -errno;
	if (rc != 0) {
		fprintf(stderr, "bench-lines: %s\n", strerror(-rc));
		return 1;
	}
	alarm(ALARM_S);
	exchange_for(&a, 0.1);
	uint64_t first = a.reaped, start = __rdtsc();
	exchange_for(&a, seconds);
	double took = (double)(__rdtsc() - start) / (double)bench_tsc_hz();
	printf("lines mlines=%.4f wrong=%llu\n", (double)(a.reaped - first) / took / 1e6, (unsigned long long)a.wrong);
	atomic_store_explicit(&ring->quit, 1, memory_order_relaxed);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return a.wrong != 0;
}
