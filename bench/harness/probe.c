/* The two probes: how far apart two CPUs are just now, and how much of a CPU a pinned thread really gets. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "bench.h"

#define BLOCKS       200u /* the median over blocks passes over those that a gap hit */
#define BLOCK_TRIPS  500u
#define ECHO_STOP    UINT64_MAX

/* ---- ping-pong ---- */

struct court {
	_Atomic uint64_t ping __attribute__((aligned(128)));
	_Atomic uint64_t pong __attribute__((aligned(128)));
	_Atomic int ready; /* 1: the other side is in place; < 0: -errno */
	int cpu;
};

static void *echo(void *arg)
{
	struct court *c = arg;
	uint64_t last = 0;
	int rc = bench_pin(c->cpu);

	atomic_store_explicit(&c->ready, rc == 0 ? 1 : rc, memory_order_release);
	while (rc == 0 && last != ECHO_STOP) {
		uint64_t ball = atomic_load_explicit(&c->ping, memory_order_acquire);
		if (ball != last) {
			last = ball;
			atomic_store_explicit(&c->pong, ball, memory_order_release);
		}
	}
	return NULL;
}

static double block_ns(struct court *c, uint64_t *ball, uint64_t hz)
{
	uint64_t start = __rdtsc();

	for (uint32_t i = 0; i < BLOCK_TRIPS; i++) {
		++*ball;
		atomic_store_explicit(&c->ping, *ball, memory_order_release);
		while (atomic_load_explicit(&c->pong, memory_order_acquire) != *ball)
			;
	}
	return (double)(__rdtsc() - start) * 1e9 / (double)hz / BLOCK_TRIPS;
}

/* Runs on a thread of its own, so that the caller's affinity stays as it is. */
struct match {
	int cpu_a, cpu_b, rc;
	double ns;
};

static void *play(void *arg)
{
	struct match *m = arg;
	struct court court = { .cpu = m->cpu_b };
	double ns[BLOCKS];
	uint64_t ball = 0, hz = bench_tsc_hz();
	pthread_t other;

	m->rc = bench_pin(m->cpu_a);
	if (m->rc != 0)
		return NULL;
	m->rc = -pthread_create(&other, NULL, echo, &court);
	if (m->rc != 0)
		return NULL;
	int ready;
	while ((ready = atomic_load_explicit(&court.ready, memory_order_acquire)) == 0)
		;
	if (ready > 0)
		for (uint32_t i = 0; i < BLOCKS; i++)
			ns[i] = block_ns(&court, &ball, hz);
	else
		m->rc = ready;
	atomic_store_explicit(&court.ping, ECHO_STOP, memory_order_release);
	pthread_join(other, NULL);
	if (m->rc == 0)
		m->ns = judge_median(ns, BLOCKS);
	return NULL;
}

int probe_pingpong(int cpu_a, int cpu_b, double *ns)
{
	struct match m = { .cpu_a = cpu_a, .cpu_b = cpu_b };
	pthread_t thread;

	if (cpu_a == cpu_b)
		return -EINVAL;
	int rc = -pthread_create(&thread, NULL, play, &m);
	if (rc != 0)
		return rc;
	pthread_join(thread, NULL);
	if (m.rc == 0)
		*ns = m.ns;
	return m.rc;
}

/* ---- gap profile ---- */

struct watch {
	int cpu, rc;
	double seconds;
	pthread_barrier_t *start;
	struct gap_profile *out;
};

static void *watch(void *arg)
{
	struct watch *w = arg;
	uint64_t hz = bench_tsc_hz(), limit = hz / 1000000u * GAP_MIN_NS / 1000u, lost = 0, longest = 0, count = 0;

	w->rc = bench_pin(w->cpu);
	pthread_barrier_wait(w->start);
	uint64_t start = __rdtsc(), last = start, end = start + (uint64_t)(w->seconds * (double)hz);
	while (last < end) {
		uint64_t now = __rdtsc(), gap = now - last;
		if (gap > limit) {
			lost += gap;
			longest = gap > longest ? gap : longest;
			count++;
		}
		last = now;
	}
	*w->out = (struct gap_profile){
		.lost = (double)lost / (double)(last - start), .longest_us = (double)longest * 1e6 / (double)hz,
		.count = count, .seconds = (double)(last - start) / (double)hz,
	};
	return NULL;
}

int probe_gaps(const int cpu[2], double seconds, struct gap_profile out[2])
{
	struct watch w[2];
	pthread_barrier_t start;
	pthread_t thread[2];
	int rc;

	bench_tsc_hz(); /* before there are two threads that would measure it */
	pthread_barrier_init(&start, NULL, 2);
	for (int i = 0; i < 2; i++)
		w[i] = (struct watch){ .cpu = cpu[i], .seconds = seconds, .start = &start, .out = &out[i] };
	rc = -pthread_create(&thread[0], NULL, watch, &w[0]);
	if (rc != 0)
		goto destroy;
	rc = -pthread_create(&thread[1], NULL, watch, &w[1]);
	if (rc != 0) { /* let the first one through the barrier */
		pthread_barrier_wait(&start);
		pthread_join(thread[0], NULL);
		goto destroy;
	}
	for (int i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	rc = w[0].rc != 0 ? w[0].rc : w[1].rc;
destroy:
	pthread_barrier_destroy(&start);
	return rc;
}

/* ---- others ---- */

/* Ticks of all CPUs: all and idle (idle and iowait; stolen time is what the gap profile shows). */
static int cpu_ticks(uint64_t *all, uint64_t *idle)
{
	unsigned long long v[8] = { 0 };
	FILE *f = fopen("/proc/stat", "re");

	if (f == NULL)
		return -errno;
	int n = fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6],
		       &v[7]);
	fclose(f);
	if (n < 5)
		return -EPROTO;
	*all = 0;
	for (int i = 0; i < 8; i++)
		*all += v[i];
	*idle = v[3] + v[4];
	return 0;
}

double probe_others(double seconds)
{
	uint64_t all[2], idle[2];
	struct timespec nap = { .tv_sec = (time_t)seconds, .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9) };

	int rc = cpu_ticks(&all[0], &idle[0]);
	nanosleep(&nap, NULL);
	if (rc == 0)
		rc = cpu_ticks(&all[1], &idle[1]);
	if (rc != 0)
		return rc;
	if (all[1] == all[0])
		return 0;
	return 1.0 - (double)(idle[1] - idle[0]) / (double)(all[1] - all[0]);
}
