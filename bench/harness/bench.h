/* What the benchmarks share: pinning, the two probes of the machine, and how a figure is judged. */
#ifndef BATON_BENCH_H
#define BATON_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- the machine (cpu.c, probe.c) ---- */

/* Pins the calling thread. Returns 0 or -errno. */
int bench_pin(int cpu);

/* A child on that CPU that ends with its parent. Returns as fork() does; a child that cannot be so ends by itself. */
pid_t bench_fork(int cpu);

/* TSC ticks per second, against CLOCK_MONOTONIC_RAW over 50 ms; measured once. */
uint64_t bench_tsc_hz(void);

/* Median round trip of one cache line between two pinned threads, in ns. Returns 0 or -errno. */
int probe_pingpong(int cpu_a, int cpu_b, double *ns);

/* What a pinned thread that does nothing but read the TSC does not get: times between two readings above GAP_MIN_NS. */
#define GAP_MIN_NS 1000u
struct gap_profile {
	double lost;       /* share of the time, 0 to 1 */
	double longest_us;
	uint64_t count;
	double seconds;
};

/* Profiles both CPUs at the same time. Returns 0 or -errno. */
int probe_gaps(const int cpu[2], double seconds, struct gap_profile out[2]);

/* Share of all CPUs' time that was not idle in the given time, by everybody on this machine: 0 to 1, or -errno. */
double probe_others(double seconds);

/* ---- judging (judge.c): design, section 9 ---- */

#define NEAR_MAX_NS 150.0 /* cache-line round trip: 70 to 100 near, about 300 far */
#define LOST_MAX    0.02  /* share of time lost above which a run says nothing */
#define ROUNDS      5u    /* the figure is the median of so many */

enum bench_state { STATE_NEAR, STATE_FAR, STATE_DISTURBED };

/* From the probes before and after: near, far, or disturbed (the state changed, or a probe lost too much). */
enum bench_state judge_state(double before_ns, double after_ns, double lost_before, double lost_after);
const char *judge_name(enum bench_state state);

/* Orders the values. Median: mean of the middle two if even. Quantile q: the smallest value that is not below a share
 * q of them. count > 0. */
double judge_median(double *value, uint32_t count);
double judge_quantile(double *value, uint32_t count, double q);

/* ---- lines of results (line.c): "kind key=value key=value" ---- */

/* The number after key=; returns false if the line has none. */
bool line_value(const char *line, const char *key, double *value);
bool line_is(const char *line, const char *kind);

#endif
