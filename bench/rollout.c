/* bench-rollout: takes the group of a running batond to a candidate again and again, ends the candidate by a fault
 * while it has its first weight, and prints what the players noticed of the way back.
 *
 * Where the candidate is when the fault comes is not chosen: it comes a random while after the weight has been reached,
 * by SIGSEGV, which a worker takes as one of its own (workers/runtime/crash.c). When death was seen and stable was
 * given the buckets is in batond's log, by the same counter as `kill_tsc`: the script reads it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <x86intrin.h>

#include "sums.h"

#define WAIT_NS     60000000000l /* for any state */
#define LOOK_NS     500000l
#define REST_RANDOM 60000000u
#define REPLIES     1000u /* that stable has given before the gap is read */
#define IN_FLIGHT_S 2
#define GROUP       "game"

extern char **environ;

struct orders {
	char *ctl, *instance, *candidate;
};

/* batonctl -i INSTANCE rollout VERB game [--to FILE]. Returns 0 or 1; what it says of a refusal is on standard
 * error. */
static int order(const struct orders *o, char *verb)
{
	char group[] = GROUP;
	char *argv[] = { o->ctl, "-i", o->instance, "rollout", verb, group, "--to", o->candidate, NULL };
	posix_spawn_file_actions_t actions;
	int status = 0;
	pid_t pid;

	if (strcmp(verb, "start") != 0)
		argv[6] = NULL;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	int rc = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (rc == 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	fprintf(stderr, "bench-rollout: batonctl rollout %s failed%s%s\n", verb, rc != 0 ? ": " : "",
		rc != 0 ? strerror(rc) : "");
	return 1;
}

static bool rollout_read(const struct stats *stats, struct stats_rollout *r)
{
	return stats_rollout_read(stats, 0, r) == 0 && strcmp(r->group, GROUP) == 0;
}

/* The worker of that version that owns buckets; 0: none. */
static uint32_t pid_of(const struct stats *stats, const char *version)
{
	for (uint32_t i = 0; i < stats->header->slots; i++) {
		struct stats_worker w;

		if (stats_worker_read(stats, i, &w) == 0 && w.state == WORKER_ACTIVE && w.buckets != 0 &&
		    strncmp(w.version, version, sizeof(w.version)) == 0)
			return w.pid;
	}
	return 0;
}

/* It waits at its first pause, which has no end, and the candidate owns what it is to own. */
static uint32_t await_weight(const struct stats *stats, uint32_t permille)
{
	struct stats_rollout r;
	bool begun = false; /* until then the page may still tell of the one before */

	for (long waited = 0; waited < WAIT_NS; waited += LOOK_NS, nap(LOOK_NS)) {
		if (!rollout_read(stats, &r))
			continue;
		begun = begun || r.state != ROLLOUT_DEGRADED;
		if (begun && r.state == ROLLOUT_DEGRADED) {
			fprintf(stderr, "bench-rollout: it was rolled back before the crash: %s\n", r.why);
			return 0;
		}
		if (r.state == ROLLOUT_PAUSED && r.weight == permille && pid_of(stats, r.candidate) != 0)
			return pid_of(stats, r.candidate);
	}
	fprintf(stderr, "bench-rollout: the candidate has not %u permille within 60 s\n", permille);
	return 0;
}

static int await_rollback(const struct stats *stats, uint64_t replies)
{
	struct stats_rollout r;
	struct sums s;

	for (long waited = 0; waited < WAIT_NS; waited += LOOK_NS, nap(LOOK_NS)) {
		sums_take(stats, &s);
		if (rollout_read(stats, &r) && r.state == ROLLOUT_DEGRADED && r.phase == PHASE_IDLE && r.exposed == 0 &&
		    s.io[COUNTER_gen_ok] >= replies)
			return 0;
	}
	fprintf(stderr, "bench-rollout: it was not rolled back within 60 s of its crash\n");
	return 1;
}

static int one_crash(const struct stats *stats, const struct orders *o, uint32_t permille, uint32_t n)
{
	static char start[] = "start", retry[] = "retry";
	uint64_t from[BATON_MAX_IO_LCORES];
	struct sums a, b;
	bool unseen = false;

	if (order(o, n == 0 ? start : retry) != 0)
		return 1;
	uint32_t pid = await_weight(stats, permille);
	if (pid == 0)
		return 1;
	nap((long)((uint64_t)rand() % REST_RANDOM));
	sums_take(stats, &a);
	for (uint32_t i = 0; i < stats->header->io_lcores; i++)
		from[i] = stats_io(stats, i)->gen_gaps;
	uint64_t tsc = __rdtsc();
	if (kill((pid_t)pid, SIGSEGV) != 0) {
		fprintf(stderr, "bench-rollout: pid %u: %s\n", pid, strerror(errno));
		return 1;
	}
	if (await_rollback(stats, a.io[COUNTER_gen_ok] + REPLIES) != 0)
		return 1;
	sums_take(stats, &b);
	double us = sums_longest_gap_us(stats, from, tsc, &unseen);
	printf("crash n=%u all_gap_us=%.2f redelivered=%llu kill_tsc=%llu unseen=%d\n", n, us,
	       (unsigned long long)(b.io[COUNTER_redelivered] - a.io[COUNTER_redelivered]), (unsigned long long)tsc,
	       unseen);
	return 0;
}

static int crashes(const struct stats *stats, const struct orders *o, uint32_t permille, uint32_t count, unsigned seed)
{
	struct sums a, b;
	int rc = 0;

	srand(seed);
	sums_take(stats, &a);
	for (uint32_t n = 0; n < count && rc == 0; n++)
		rc = one_crash(stats, o, permille, n);
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

	if (argc != 7) {
		fputs("usage: bench-rollout INSTANCE BATONCTL CANDIDATE.so PERMILLE COUNT SEED\n"
		      "PERMILLE: the weight at which the strategy of group " GROUP " waits for an operator\n", stderr);
		return 2;
	}
	rc = sums_attach(&stats, argv[1]);
	if (rc == 0)
		rc = crashes(&stats, &(struct orders){ argv[2], argv[1], argv[3] }, (uint32_t)strtoul(argv[4], NULL, 10),
			     (uint32_t)strtoul(argv[5], NULL, 10), (unsigned)strtoul(argv[6], NULL, 10));
	stats_detach(&stats);
	return rc;
}
