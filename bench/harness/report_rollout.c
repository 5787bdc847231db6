/* bench-rollout: quantiles over the crashes of a round, and the object it ends with. */
#include <errno.h>

#include "report.h"

/* Of a crash: until it was seen, from then until stable had the buckets, until their first reply. */
int report_crashes(const struct report *r, FILE *out)
{
	static const char *const what[] = { "detect", "move", "gap" };
	uint32_t crashes = 0;

	for (size_t i = 0; i < sizeof(what) / sizeof(what[0]); i++) {
		uint32_t count = report_put_quantiles(out, r, "crash", what[i]);

		if (count == 0 || (i != 0 && count != crashes))
			return -ENODATA;
		crashes = count;
	}
	fprintf(out, "crashes=%u redelivered=%.0f unseen=%.0f\n", crashes, report_sum(r, "crash", "redelivered"),
		report_sum(r, "crash", "unseen"));
	return 0;
}

int report_rollout(const struct report *r, FILE *out)
{
	static const char *const kind[] = { "rollout", "control" };
	static const struct report_figure rollback[] = {
		{ "rollback_detect_us", "rollout", "detect_p50_us", 2 },
		{ "rollback_detect_p99_us", "rollout", "detect_p99_us", 2 },
		{ "rollback_move_us", "rollout", "move_p50_us", 2 },
		{ "rollback_move_p99_us", "rollout", "move_p99_us", 2 },
	}, gap[] = {
		{ "gap_p50_us", "rollout", "gap_p50_us", 2 },
		{ "gap_p99_us", "rollout", "gap_p99_us", 2 },
		{ "control_p50_us", "control", "gap_p50_us", 2 },
		{ "control_p99_us", "control", "gap_p99_us", 2 },
	};
	enum bench_state state = report_majority(r, kind, 2);

	report_put_head(out, r, "rollout", kind, 2, state, true);
	fprintf(out, ",\"crashes\":%.0f,\"redelivered\":%.0f", report_sum(r, "rollout", "crashes"),
		report_sum(r, "rollout", "redelivered"));
	report_put_medians(out, r, state, rollback, sizeof(rollback) / sizeof(rollback[0]));
	double faults = report_put_faults(out, r, kind, 1), drift = report_sum(r, "rollout", "drift");
	fprintf(out, ",\"drift\":%.0f", drift);
	report_put_medians(out, r, state, gap, sizeof(gap) / sizeof(gap[0]));
	report_put_disturbed(out, r, kind, 2, gap, sizeof(gap) / sizeof(gap[0]));
	fprintf(out, "}\n");
	return faults + drift != 0;
}
