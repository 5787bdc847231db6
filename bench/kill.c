/* bench-kill: kills the worker of a running batond at random times and prints what players noticed of each death.
 *
 * The time of a kill is not chosen: after the last one is over, a random while later. What it found is counted: entries
 * that were not settled (offered again), and by the script, from batond's log, undo records. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <x86intrin.h>

#include "sums.h"

#define KILL_WAIT_NS  10000000000l /* until everything is as before */
#define LOOK_NS       1000000l
#define REST_NS       120000000l /* one that lived 100 ms is replaced at once: WORKER_KILLED_NS */
#define REST_RANDOM   60000000u
#define REPLIES       1000u /* that the successor has given before the gap is read */
#define IN_FLIGHT_S   2

/* What runs now. */
struct crew {
	uint32_t pid;     /* of the worker that owns buckets; 0: none */
	uint32_t standby; /* pid of one that is ready; 0: none */
};

static void look(const struct stats *stats, struct crew *crew)
{
	*crew = (struct crew){ 0 };
	for (uint32_t i = 0; i < stats->header->slots; i++) {
		struct stats_worker w;

		if (stats_worker_read(stats, i, &w) != 0)
			continue;
		if (w.state == WORKER_ACTIVE)
			crew->pid = w.pid;
		else if (w.state == WORKER_STANDBY)
			crew->standby = w.pid;
	}
}

/* Waits for another worker than `old`, for a standby if there is to be one, and for replies. Returns 0 or 1. */
static int await(const struct stats *stats, uint32_t old, bool standby, uint64_t replies, struct crew *crew)
{
	struct sums s;

	for (long waited = 0; waited < KILL_WAIT_NS; waited += LOOK_NS, nap(LOOK_NS)) {
		look(stats, crew);
		sums_take(stats, &s);
		if (crew->pid != 0 && crew->pid != old && (crew->standby != 0) == standby &&
		    s.io[COUNTER_gen_ok] >= replies)
			return 0;
	}
	fprintf(stderr, "bench-kill: pid %u has no successor%s within 10 s\n", old,
		standby ? " or no new standby is ready" : "");
	return 1;
}

static int one_kill(const struct stats *stats, const char *kind, bool standby, uint32_t n)
{
	uint64_t from[BATON_MAX_IO_LCORES];
	struct crew before, after;
	struct sums a, b;
	bool unseen = false;

	nap(REST_NS + (long)((uint64_t)rand() % REST_RANDOM));
	if (await(stats, 0, standby, 0, &before) != 0)
		return 1;
	sums_take(stats, &a);
	for (uint32_t i = 0; i < stats->header->io_lcores; i++)
		from[i] = stats_io(stats, i)->gen_gaps;
	uint64_t tsc = __rdtsc();
	if (kill((pid_t)before.pid, SIGKILL) != 0) {
		fprintf(stderr, "bench-kill: pid %u: %s\n", before.pid, strerror(errno));
		return 1;
	}
	if (await(stats, before.pid, standby, a.io[COUNTER_gen_ok] + REPLIES, &after) != 0)
		return 1;
	if (standby && after.pid != before.standby) {
		fprintf(stderr, "bench-kill: kill %u: pid %u took over, not the standby %u\n", n, after.pid,
			before.standby);
		return 1;
	}
	sums_take(stats, &b);
	double us = sums_longest_gap_us(stats, from, tsc, &unseen);
	printf("%s n=%u gap_us=%.2f redelivered=%llu kill_tsc=%llu unseen=%d\n", kind, n, us,
	       (unsigned long long)(b.io[COUNTER_redelivered] - a.io[COUNTER_redelivered]), (unsigned long long)tsc,
	       unseen);
	return 0;
}

static int kills(const struct stats *stats, const char *kind, uint32_t count, unsigned seed)
{
	struct sums a, b;
	int rc = 0;

	srand(seed);
	sums_take(stats, &a);
	for (uint32_t n = 0; n < count && rc == 0; n++)
		rc = one_kill(stats, kind, strcmp(kind, "kill") == 0, n);
	for (int i = 0; i < IN_FLIGHT_S; i++) /* what is lost is known when it has not come for a second */
		nap(1000000000l);
	sums_take(stats, &b);
	printf("faults seed=%u tsc_hz=%llu", seed, (unsigned long long)stats->header->tsc_hz);
	return sums_print_faults(&a, &b) | rc;
}

int main(int argc, char **argv)
{
	struct stats stats = { 0 };
	int rc;

	if (argc != 5 || (strcmp(argv[2], "kill") != 0 && strcmp(argv[2], "cold") != 0)) {
		fputs("usage: bench-kill INSTANCE kill|cold COUNT SEED\n"
		      "kill: a standby must take over; cold: there is none\n", stderr);
		return 2;
	}
	rc = sums_attach(&stats, argv[1]);
	if (rc == 0)
		rc = kills(&stats, argv[2], (uint32_t)strtoul(argv[3], NULL, 10), (unsigned)strtoul(argv[4], NULL, 10));
	stats_detach(&stats);
	return rc;
}
