/* bench-control: what this machine allows at best. Processes pinned as Baton's are pass one word through shared memory
 * at Baton's rate, and hand the answering over from one process to the other as Baton does, with nothing else to do.
 *
 *   asker (the I/O lcore's CPU)   sends a word each 1/rate s, reads the answer; times round trips and the longest time
 *                                 between two answers around each handover, as the generator does
 *   answerers 0, 1 (worker's CPU) the owner spins and answers; the other sleeps until it is primed, then yields in a
 *                                 loop, takes over when the word says so, while the old one goes to sleep at once */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#include "bench.h"
#include "hist.h"

#define QUIET_NS   1000000u /* between handovers: the machine comes to rest */
#define AFTER_WORDS 16u     /* answers of the new owner that still count as the handover */
#define PRIME_NS   2000000000ull
#define ALARM_S    300u /* an answerer that died must not leave the asker spinning */

struct answerer {
	_Atomic uint32_t bell __attribute__((aligned(64))); /* w: asker; futex */
	_Atomic uint32_t awake;                             /* w: answerer */
};

/* A line per writer. */
struct table {
	_Atomic uint64_t word __attribute__((aligned(64)));   /* w: asker */
	_Atomic uint32_t owner __attribute__((aligned(64)));  /* w: asker */
	_Atomic uint32_t quit;
	_Atomic uint64_t answer __attribute__((aligned(64))); /* w: the owner */
	struct answerer side[2];
};

static void sleep_on(_Atomic uint32_t *bell, uint32_t value)
{
	syscall(SYS_futex, bell, FUTEX_WAIT, value, NULL, NULL, 0);
}

static void ring(struct answerer *side)
{
	/* release: pairs with the acquire of the answerer, who sees what was written before it was rung */
	atomic_fetch_add_explicit(&side->bell, 1, memory_order_release);
	syscall(SYS_futex, &side->bell, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void answer(struct table *t, uint32_t me)
{
	struct answerer *side = &t->side[me];
	uint64_t last = 0;
	uint32_t bell = 0;

	while (atomic_load_explicit(&t->quit, memory_order_relaxed) == 0) {
		if (atomic_load_explicit(&t->owner, memory_order_acquire) == me) {
			uint64_t word = atomic_load_explicit(&t->word, memory_order_acquire);
			if (word != last) {
				last = word;
				atomic_store_explicit(&t->answer, word, memory_order_release);
			}
			bell = atomic_load_explicit(&side->bell, memory_order_acquire);
			atomic_store_explicit(&side->awake, 0, memory_order_relaxed);
		} else if (atomic_load_explicit(&side->bell, memory_order_acquire) == bell) {
			sleep_on(&side->bell, bell);
		} else { /* rung: about to become the owner */
			atomic_store_explicit(&side->awake, 1, memory_order_release);
			sched_yield();
		}
	}
}

/* The asker's view. */
struct asker {
	struct table *table;
	uint64_t hz, period, next_tsc, sent_tsc, last_answer, longest;
	uint64_t word;
	uint64_t rtt[STATS_HIST_BUCKETS];
};

/* One word there and back, at the rate. Waits for the answer without end: a handover ends by answers. */
static void exchange(struct asker *a)
{
	while (__rdtsc() < a->next_tsc)
		;
	uint64_t sent = __rdtsc();
	/* After a pause the rate is not made up for, as in the generator. */
	a->next_tsc = sent > a->next_tsc + a->period ? sent + a->period : a->next_tsc + a->period;
	atomic_store_explicit(&a->table->word, ++a->word, memory_order_release);
	while (atomic_load_explicit(&a->table->answer, memory_order_acquire) != a->word)
		;
	uint64_t now = __rdtsc();
	a->rtt[hist_bucket((uint64_t)((double)(now - sent) * 1e9 / (double)a->hz))]++;
	if (now - a->last_answer > a->longest)
		a->longest = now - a->last_answer;
	a->last_answer = now;
}

static void exchange_for(struct asker *a, uint64_t ns)
{
	uint64_t end = __rdtsc() + ns * (a->hz / 1000000u) / 1000u;

	while (__rdtsc() < end)
		exchange(a);
}

/* Returns the longest time between two answers, in us, or a negative number if the other side never woke. */
static double hand_over(struct asker *a, uint32_t to)
{
	struct answerer *side = &a->table->side[to];
	uint64_t limit = __rdtsc() + PRIME_NS * (a->hz / 1000000u) / 1000u;

	ring(side);
	while (atomic_load_explicit(&side->awake, memory_order_acquire) == 0) {
		exchange(a);
		if (__rdtsc() > limit)
			return -1;
	}
	a->longest = 0;
	atomic_store_explicit(&a->table->owner, to, memory_order_release);
	for (uint32_t i = 0; i < AFTER_WORDS; i++)
		exchange(a);
	return (double)a->longest * 1e6 / (double)a->hz;
}

static pid_t start_answerer(struct table *t, uint32_t me, int cpu)
{
	pid_t pid = bench_fork(cpu);

	if (pid != 0)
		return pid;
	answer(t, me);
	_exit(0);
}

/* SIGKILL, as Baton's workers get it: the asker goes on asking, sees the end by the pidfd, and names the other one, who
 * was woken when the kill was sent. The dead one is replaced after that, off the clock. Returns as hand_over(). */
static double kill_one(struct asker *a, pid_t pid[2], uint32_t from, int cpu)
{
	uint32_t to = 1 - from;
	int fd = (int)syscall(SYS_pidfd_open, pid[from], 0);
	uint64_t limit = __rdtsc() + PRIME_NS * (a->hz / 1000000u) / 1000u;
	struct pollfd ended = { .fd = fd, .events = POLLIN };

	if (fd < 0)
		return -1;
	a->longest = 0;
	kill(pid[from], SIGKILL);
	ring(&a->table->side[to]);
	while (poll(&ended, 1, 0) == 0)
		if (__rdtsc() > limit)
			return -1;
	close(fd);
	atomic_store_explicit(&a->table->owner, to, memory_order_release);
	for (uint32_t i = 0; i < AFTER_WORDS; i++)
		exchange(a);
	double gap = (double)a->longest * 1e6 / (double)a->hz;
	waitpid(pid[from], NULL, 0);
	pid[from] = start_answerer(a->table, from, cpu);
	return pid[from] < 0 ? -1 : gap;
}

static int measure_kills(struct asker *a, pid_t pid[2], uint32_t kills, int cpu)
{
	double *gap = calloc(kills, sizeof(*gap));

	for (uint32_t i = 0; gap != NULL && i < kills; i++) {
		exchange_for(a, QUIET_NS);
		gap[i] = kill_one(a, pid, i % 2, cpu);
		if (gap[i] < 0) {
			fprintf(stderr, "bench-control: the other process did not go on\n");
			free(gap);
			return 1;
		}
	}
	if (gap == NULL)
		return 1;
	printf("control kills=%u gap_p50_us=%.2f gap_p99_us=%.2f gap_max_us=%.2f\n", kills,
	       judge_quantile(gap, kills, 0.5), judge_quantile(gap, kills, 0.99), judge_quantile(gap, kills, 1));
	free(gap);
	return 0;
}

static void stop_answerers(struct table *t, const pid_t pid[2])
{
	atomic_store_explicit(&t->quit, 1, memory_order_relaxed);
	for (uint32_t i = 0; i < 2; i++)
		if (pid[i] > 0) {
			ring(&t->side[i]);
			kill(pid[i], SIGKILL);
			waitpid(pid[i], NULL, 0);
		}
}

static int measure(struct asker *a, uint32_t handovers, double seconds)
{
	double *gap = calloc(handovers, sizeof(*gap));

	if (gap == NULL)
		return 1;
	a->last_answer = a->next_tsc = __rdtsc();
	for (uint32_t i = 0; i < 1000; i++)
		exchange(a);
	memset(a->rtt, 0, sizeof(a->rtt));
	exchange_for(a, (uint64_t)(seconds * 1e9));
	printf("control rtt_p50_ns=%llu rtt_p90_ns=%llu rtt_p99_ns=%llu words=%llu",
	       (unsigned long long)hist_quantile(a->rtt, 0.5), (unsigned long long)hist_quantile(a->rtt, 0.9),
	       (unsigned long long)hist_quantile(a->rtt, 0.99), (unsigned long long)hist_count(a->rtt));
	for (uint32_t i = 0; i < handovers; i++) {
		exchange_for(a, QUIET_NS);
		gap[i] = hand_over(a, (i + 1) % 2);
		if (gap[i] < 0) {
			fprintf(stderr, "\nbench-control: the other process did not wake within %llu ms\n",
				PRIME_NS / 1000000u);
			free(gap);
			return 1;
		}
	}
	if (handovers != 0)
		printf(" handovers=%u gap_p50_us=%.2f gap_p99_us=%.2f gap_max_us=%.2f", handovers,
		       judge_quantile(gap, handovers, 0.5), judge_quantile(gap, handovers, 0.99),
		       judge_quantile(gap, handovers, 1));
	putchar('\n');
	free(gap);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc < 5) {
		fputs("usage: bench-control ASKER_CPU ANSWERER_CPU RATE HANDOVERS [SECONDS [KILLS]]\n"
		      "One word at RATE a second between pinned processes for SECONDS (1), then HANDOVERS handovers,\n"
		      "or KILLS kills.\n",
		      stderr);
		return 2;
	}
	int cpu[2] = { atoi(argv[1]), atoi(argv[2]) };
	uint64_t rate = strtoull(argv[3], NULL, 10);
	uint32_t handovers = (uint32_t)strtoul(argv[4], NULL, 10);
	struct table *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct asker a = { .table = t, .hz = bench_tsc_hz() };
	pid_t pid[2] = { 0, 0 };

	int rc = t == MAP_FAILED ? -errno : rate == 0 || cpu[0] == cpu[1] ? -EINVAL : bench_pin(cpu[0]);
	for (uint32_t i = 0; rc == 0 && i < 2; i++) {
		pid[i] = start_answerer(t, i, cpu[1]);
		rc = pid[i] < 0 ? -errno : 0;
	}
	if (rc != 0) {
		fprintf(stderr, "bench-control: %s\n", strerror(-rc));
		return 1;
	}
	a.period = a.hz / rate;
	alarm(ALARM_S);
	if (argc > 6 && atoi(argv[6]) > 0) {
		a.last_answer = a.next_tsc = __rdtsc();
		exchange_for(&a, (uint64_t)(atof(argv[5]) * 1e9));
		rc = measure_kills(&a, pid, (uint32_t)atoi(argv[6]), cpu[1]);
	} else {
		rc = measure(&a, handovers, argc > 5 ? atof(argv[5]) : 1.0);
	}
	stop_answerers(t, pid);
	return rc;
}
