/* bench-pingpong: the state of the machine before and after a measurement, as one line of results. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define OTHERS_MAX 0.05 /* share of all CPUs in use by others at which a bench does not start */

static int usage(void)
{
	fputs("usage: bench-pingpong CPU_A CPU_B [SECONDS]   probe both: round trip of a cache line, time lost to gaps\n"
	      "       bench-pingpong --quiet [SECONDS]       exit 0 if nobody else uses this machine\n", stderr);
	return 2;
}

static int quiet(double seconds)
{
	double share = probe_others(seconds);

	if (share < 0) {
		fprintf(stderr, "bench-pingpong: /proc/stat: %s\n", strerror((int)-share));
		return 1;
	}
	printf("others used=%.3f\n", share);
	return share > OTHERS_MAX ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc >= 2 && strcmp(argv[1], "--quiet") == 0)
		return quiet(argc > 2 ? atof(argv[2]) : 0.5);
	if (argc < 3)
		return usage();
	int cpu[2] = { atoi(argv[1]), atoi(argv[2]) };
	double seconds = argc > 3 ? atof(argv[3]) : 0.2, ns;
	struct gap_profile gap[2];

	int rc = probe_pingpong(cpu[0], cpu[1], &ns);
	if (rc == 0)
		rc = probe_gaps(cpu, seconds, gap);
	if (rc != 0) {
		fprintf(stderr, "bench-pingpong: CPUs %d and %d: %s: name two different CPUs that this process may use\n",
			cpu[0], cpu[1], strerror(-rc));
		return 1;
	}
	printf("probe pingpong_ns=%.1f lost=%.4f longest_us=%.1f lost_a=%.4f gaps_a=%llu longest_a_us=%.1f lost_b=%.4f"
	       " gaps_b=%llu longest_b_us=%.1f\n",
	       ns, gap[0].lost > gap[1].lost ? gap[0].lost : gap[1].lost,
	       gap[0].longest_us > gap[1].longest_us ? gap[0].longest_us : gap[1].longest_us, gap[0].lost,
	       (unsigned long long)gap[0].count, gap[0].longest_us, gap[1].lost, (unsigned long long)gap[1].count,
	       gap[1].longest_us);
	return 0;
}
