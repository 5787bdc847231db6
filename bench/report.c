/* bench-report: judges the lines of results on standard input. */
#include <stdlib.h>
#include <string.h>

#include "report.h"

#define FRAME_BYTES 90u /* smallest valid MOVE: Ethernet 14, IPv4 20, UDP 8, payload 48 */

static int usage(void)
{
	fputs("usage: bench-report state          of the last line: near, far or disturbed\n"
	      "       bench-report enough KIND    exit 0 if the kind has enough undisturbed rounds in one state\n"
	      "       bench-report gaps           quantiles over single handovers\n"
	      "       bench-report kills KIND     the same over single kills\n"
	      "       bench-report crashes        the same over single crashes of a candidate\n"
	      "       bench-report pipeline IN_FLIGHT | handover | kill | rollout     the JSON object\n", stderr);
	return 2;
}

int main(int argc, char **argv)
{
	static struct report r;

	if (argc < 2)
		return usage();
	if (report_read(&r, stdin) != 0) {
		fprintf(stderr, "bench-report: more than %u lines, or one longer than %u bytes\n", REPORT_LINES,
			REPORT_LINE_BYTES - 2);
		return 1;
	}
	if (strcmp(argv[1], "state") == 0) {
		puts(judge_name(r.count != 0 ? report_state(r.line[r.count - 1]) : STATE_DISTURBED));
		return 0;
	}
	if (strcmp(argv[1], "enough") == 0 && argc == 3)
		return report_enough(&r, argv[2]) ? 0 : 1;
	if (strcmp(argv[1], "gaps") == 0)
		return report_gaps(&r, stdout) != 0;
	if (strcmp(argv[1], "kills") == 0 && argc == 3)
		return report_kills(&r, stdout, argv[2]) != 0;
	if (strcmp(argv[1], "crashes") == 0)
		return report_crashes(&r, stdout) != 0;
	if (strcmp(argv[1], "pipeline") == 0 && argc == 3)
		return report_pipeline(&r, stdout, FRAME_BYTES, (uint32_t)atoi(argv[2]));
	if (strcmp(argv[1], "handover") == 0)
		return report_handover(&r, stdout);
	if (strcmp(argv[1], "kill") == 0)
		return report_kill(&r, stdout);
	if (strcmp(argv[1], "rollout") == 0)
		return report_rollout(&r, stdout);
	return usage();
}
