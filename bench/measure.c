/* bench-measure: reads figures of a running batond from its CoreStats, as any monitor would, and drives handovers.
 * Prints lines of results for bench-report. */
#include <errno.h>
#include <jansson.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "bench.h"
#include "core_stats.h"
#include "hist.h"
#include "residence.h"
#include "sums.h"

#define BETWEEN_NS  2000000l   /* from one handover to the next */
#define IN_FLIGHT_S 2          /* the last replies have come long before */

extern char **environ;

static double per(uint64_t what, uint64_t of) { return of != 0 ? (double)what / (double)of : 0; }

static int throughput(const struct stats *stats, double seconds)
{
	struct sums a, b;

	sums_take(stats, &a);
	nap((long)(seconds * 1e9));
	sums_take(stats, &b);
#define GREW(page, counter) (b.page[COUNTER_##counter] - a.page[COUNTER_##counter])
	double measured = (double)(b.tsc - a.tsc) / (double)stats->header->tsc_hz;
	uint64_t residence[STATS_HIST_BUCKETS] = { 0 };
	hist_add(residence, b.residence, a.residence);
	printf("mpps=%.4f worker_cycles=%.2f io_cycles=%.2f worker_burst=%.1f io_burst=%.1f p50_ns=%llu p90_ns=%llu"
	       " p99_ns=%llu",
	       (double)GREW(io, gen_ok) / measured / 1e6, per(GREW(worker, processed_cycles), GREW(worker, processed)),
	       per(GREW(io, busy_cycles), GREW(io, rx_packets)), per(GREW(worker, burst_packets), GREW(worker, bursts)),
	       per(GREW(io, burst_packets), GREW(io, bursts)), (unsigned long long)hist_quantile(residence, 0.5),
	       (unsigned long long)hist_quantile(residence, 0.9), (unsigned long long)hist_quantile(residence, 0.99));
#undef GREW
	return sums_print_faults(&a, &b);
}

/* ---- handovers ---- */

/* Runs the command and reads its JSON. Returns NULL if it failed; its own words are on standard error then. */
static json_t *run_command(char **argv)
{
	posix_spawn_file_actions_t actions;
	json_error_t error;
	int out[2], status;
	pid_t pid;

	if (pipe(out) != 0)
		return NULL;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
	posix_spawn_file_actions_addclose(&actions, out[0]);
	int rc = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(out[1]);
	FILE *in = fdopen(out[0], "r");
	json_t *reply = rc == 0 && in != NULL ? json_loadf(in, JSON_DISABLE_EOF_CHECK, &error) : NULL;
	if (in != NULL)
		fclose(in);
	if (rc != 0) {
		fprintf(stderr, "bench-measure: %s: %s\n", argv[0], strerror(rc));
		return NULL;
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0 || reply == NULL) {
		fprintf(stderr, "bench-measure: %s failed or printed no JSON\n", argv[0]);
		json_decref(reply);
		return NULL;
	}
	return reply;
}

/* Longest times without a reply: around the move itself, and in all of the restart. */
struct handover {
	double gap_us, restart_gap_us, move_us;
	bool unseen; /* some gaps of the restart were overwritten before they were read: restart_gap_us may be too small */
};

static void read_gaps(const struct CoreStats *page, uint64_t from, double tsc_per_us, struct handover *h)
{
	struct stats_gap gap[STATS_GAPS];
	uint64_t missed;
	uint32_t count = stats_gaps_read(page, from, gap, &missed);
	double us = (double)page->move_gap_ns / 1e3, move_us = (double)(page->move_ended - page->move_began) / tsc_per_us;

	if (us > h->gap_us)
		h->gap_us = us;
	if (move_us > h->move_us)
		h->move_us = move_us;
	h->unseen |= missed != 0;
	for (uint32_t i = 0; i < count; i++)
		if ((double)gap[i].ns / 1e3 > h->restart_gap_us)
			h->restart_gap_us = (double)gap[i].ns / 1e3;
	if (h->gap_us > h->restart_gap_us)
		h->restart_gap_us = h->gap_us;
}

/* Every lcore has begun and ended a move since `start`. */
static bool moved(const struct stats *stats, uint64_t start)
{
	for (uint32_t i = 0; i < stats->header->io_lcores; i++) {
		const struct CoreStats *page = stats_io(stats, i);
		if (page->move_began < start || page->move_ended < page->move_began)
			return false;
	}
	return true;
}

static int one_handover(const struct stats *stats, char **argv, uint32_t n)
{
	uint64_t from[BATON_MAX_IO_LCORES], lcores = stats->header->io_lcores, start = __rdtsc();
	/* Shorter gaps than the generator notes count as its threshold: never too good. */
	struct handover h = { .gap_us = STATS_GAP_NS / 1e3, .restart_gap_us = STATS_GAP_NS / 1e3 };
	double told = -1, took;
	int pid = 0;

	for (uint32_t i = 0; i < lcores; i++)
		from[i] = stats_io(stats, i)->gen_gaps;
	json_t *reply = run_command(argv);
	if (reply == NULL)
		return 1;
	took = (double)(__rdtsc() - start) * 1e6 / (double)stats->header->tsc_hz;
	json_t *worker = json_array_get(json_object_get(reply, "workers"), 0);
	told = json_number_value(json_object_get(worker, "gap_us"));
	pid = (int)json_integer_value(json_object_get(worker, "pid"));
	bool other = moved(stats, start) && pid != 0 && pid != (int)json_integer_value(json_object_get(worker, "old_pid"));
	json_decref(reply);
	if (!other) {
		fprintf(stderr, "bench-measure: handover %u: the worker has the pid it had, or nothing moved\n", n);
		return 1;
	}
	nap(BETWEEN_NS);
	for (uint32_t i = 0; i < lcores; i++)
		read_gaps(stats_io(stats, i), from[i], (double)stats->header->tsc_hz / 1e6, &h);
	printf("handover n=%u gap_us=%.2f move_us=%.2f told_us=%.2f restart_gap_us=%.2f restart_us=%.0f unseen=%d\n", n,
	       h.gap_us, h.move_us, told, h.restart_gap_us, took, h.unseen);
	return 0;
}

static int handovers(const struct stats *stats, uint32_t count, char **argv)
{
	struct sums a, b;
	int rc = 0;

	sums_take(stats, &a);
	for (uint32_t n = 0; n < count && rc == 0; n++)
		rc = one_handover(stats, argv, n);
	for (int i = 0; i < IN_FLIGHT_S; i++) /* what is lost is known when it has not come for a second */
		nap(1000000000l);
	sums_take(stats, &b);
	printf("faults moves=%llu", (unsigned long long)(b.io[COUNTER_moves] - a.io[COUNTER_moves]));
	return sums_print_faults(&a, &b) | rc;
}

int main(int argc, char **argv)
{
	struct stats stats = { 0 };
	int rc = 2;

	if (argc == 4 && strcmp(argv[1], "throughput") == 0) {
		rc = sums_attach(&stats, argv[2]);
		if (rc == 0)
			rc = throughput(&stats, atof(argv[3]));
	} else if (argc > 4 && strcmp(argv[1], "handover") == 0) {
		rc = sums_attach(&stats, argv[2]);
		if (rc == 0)
			rc = handovers(&stats, (uint32_t)strtoul(argv[3], NULL, 10), argv + 4);
	} else {
		fputs("usage: bench-measure throughput INSTANCE SECONDS\n"
		      "       bench-measure handover INSTANCE COUNT COMMAND...   COMMAND restarts and prints JSON\n", stderr);
	}
	stats_detach(&stats);
	return rc;
}
