/* bench-stages: TSC cycles a packet of each stage of the I/O lcore, by themselves: one thread runs the loop and,
 * between its turns and off the clock, plays the worker. No line goes to another CPU and none comes from there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stages.h"
#include "worker.h"

#define RUNS_MOST 100000u
#define RUN_TURNS 128u /* of one run: short enough that some runs are not interrupted, on a busy machine too */
#define WARM_RUNS 64u
#define SLACK     (3u * BATON_BURST) /* of what may be in flight, so that every turn receives a full burst */

static struct bench_rig rig;
static double sample[STAGE_COUNT + 1][RUNS_MOST]; /* the last: all of them */

static const char *const stage_name[STAGE_COUNT + 1] = {
#define X(name) #name,
	STAGES(X)
#undef X
	"total",
};

/* The worker owns every bucket and the port receives. Returns 0 or 1. */
static int begin(void)
{
	struct io_lcore *io = rig.dp->io[0];
	struct move_report report;

	worker_init(rig.belt, &state_control(&rig.state, 0)->commit[0]);
	datapath_slot_attach(rig.dp, 0, 0);
	io_turn(io);
	int id = datapath_move(rig.dp, &(struct move_order){.from = SLOT_NONE, .to = 0});
	for (uint32_t i = 0; i < 1000 && id > 0; i++) {
		io_turn(io);
		worker_play(0);
		if (datapath_move_done(rig.dp, id, &report) && io->open)
			return 0;
	}
	fputs("bench-stages: the buckets did not get to the worker\n", stderr);
	return 1;
}

/* One run; *clock and the number of packets. */
static uint64_t run(uint32_t keep, struct stage_clock *clock)
{
	const struct CoreStats *stats = stats_io(&rig.stats, 0);
	uint64_t packets = stats->rx_packets;

	memset(clock, 0, sizeof(*clock));
	for (uint32_t i = 0; i < RUN_TURNS; i++) {
		struct stage_clock turn;

		clock_start();
		io_turn(rig.dp->io[0]);
		clock_stop(&turn);
		for (uint32_t s = 0; s < STAGE_COUNT; s++) {
			clock->cycles[s] += turn.cycles[s];
			clock->entered[s] += turn.entered[s];
		}
		worker_play(keep);
	}
	return stats->rx_packets - packets;
}

static int measure(uint32_t runs, uint32_t keep)
{
	struct stage_clock clock;

	for (uint32_t r = 0; r < WARM_RUNS; r++)
		run(keep, &clock);
	for (uint32_t r = 0; r < runs; r++) {
		uint64_t packets = run(keep, &clock), total = 0;

		if (packets != RUN_TURNS * BATON_BURST) {
			fprintf(stderr, "bench-stages: %llu of %u packets were received in a run\n",
				(unsigned long long)packets, RUN_TURNS * BATON_BURST);
			return 1;
		}
		for (uint32_t s = 0; s < STAGE_COUNT; s++) {
			if (clock.entered[s] == 0 && s != STAGE_rest) {
				fprintf(stderr, "bench-stages: nothing passed %s: see bench/rules.mk\n", stage_name[s]);
				return 1;
			}
			total += clock.cycles[s];
			sample[s][r] = (double)clock.cycles[s] / (double)packets;
		}
		sample[STAGE_COUNT][r] = (double)total / (double)packets;
	}
	return 0;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* What must hold in any bench. */
static int check(void)
{
	const struct CoreStats *s = stats_io(&rig.stats, 0);
	uint64_t refused = s->drop[DROP_bad_ip_version] + s->drop[DROP_bad_ip_length] + s->drop[DROP_bad_udp_length] +
			   s->drop[DROP_unknown_ethertype] + s->drop[DROP_malformed];

	if (s->gen_wrong + s->gen_duplicated + s->gen_reordered + s->gen_lost == 0 && s->gen_ok == s->gen_sent &&
	    refused == s->gen_malformed)
		return 0;
	fprintf(stderr, "bench-stages: of %llu requests %llu were answered, %llu wrong, %llu twice, %llu out of order,"
		" %llu lost; of %llu malformed ones %llu refused\n",
		(unsigned long long)s->gen_sent, (unsigned long long)s->gen_ok,
		(unsigned long long)s->gen_wrong, (unsigned long long)s->gen_duplicated,
		(unsigned long long)s->gen_reordered, (unsigned long long)s->gen_lost,
		(unsigned long long)s->gen_malformed, (unsigned long long)refused);
	return 1;
}

static void print(const char *kind, uint32_t runs, uint32_t in_flight)
{
	printf("{\"bench\":\"stages\",\"checksums\":\"%s\",\"in_flight\":%u,\"runs\":%u", kind, in_flight, runs);
	for (uint32_t s = 0; s <= STAGE_COUNT; s++)
		qsort(sample[s], runs, sizeof(sample[s][0]), compare);
	for (uint32_t which = 0; which < 2; which++) {
		printf(",\"%s\":{", which == 0 ? "min" : "median");
		for (uint32_t s = 0; s <= STAGE_COUNT; s++)
			printf("%s\"%s\":%.2f", s == 0 ? "" : ",", stage_name[s], sample[s][which == 0 ? 0 : runs / 2]);
		printf("}");
	}
	printf("}\n");
}

int main(int argc, char **argv)
{
	bool software = argc > 1 && strcmp(argv[1], "software") == 0;
	uint32_t runs = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 2000;
	uint32_t in_flight = argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 2048;

	if (argc < 2 || argc > 4 || (!software && strcmp(argv[1], "port") != 0) || runs == 0 || runs > RUNS_MOST ||
	    in_flight <= 2 * SLACK || in_flight > BELT_SLOTS - BELT_CONTROL_SLOTS) {
		fprintf(stderr, "usage: bench-stages port|software [RUNS [IN_FLIGHT]]   who makes and checks the checksums;\n"
			"       at most %u runs, %u to %u packets in flight\n", RUNS_MOST, 2 * SLACK + 1,
			BELT_SLOTS - BELT_CONTROL_SLOTS);
		return 2;
	}
	if (rig_create(&rig, !software, in_flight) != 0)
		return 1;
	int rc = begin();
	if (rc == 0)
		rc = measure(runs, in_flight - SLACK);
	/* what is still under way comes home, and the generator sends no more */
	rig.port.queues = 0;
	for (uint32_t i = 0; i < 1000; i++) {
		worker_play(0);
		io_turn(rig.dp->io[0]);
	}
	if (rc == 0)
		rc = check();
	if (rc == 0)
		print(argv[1], runs, in_flight);
	return rig_destroy(&rig) | rc;
}
