/* bench-rollout: quantiles over the crashes of a round, and the object it ends with. */
#include <errno.h>

#include "report.h"

/* Of a crash: until it was seen, from then until stable had the buckets, until their first reply. */
int report_crashes(const struct report *r, FILE *out)
{
	static const char *const key[] = { "detect", "move", "gap" };
	double value[REPORT_LINES], redelivered = report_sum(r, "crash", "redelivered");
	uint32_t crashes = 0;

	for (size_t k = 0; k < sizeof(key) / sizeof(key[0]); k++) {
		char name[32];
		uint32_t count = 0;

		snprintf(name, sizeof(name), "%s_us", key[k]);
		for (uint32_t i = 0; i < r->count; i++)
			count += line_is(r->line[i], "crash") && line_value(r->line[i], name, &value[count]);
		if (count == 0 || (k != 0 && count != crashes))
			return -ENODATA;
		crashes = count;
		fprintf(out, "%s_p50_us=%.2f %s_p99_us=%.2f ", key[k], judge_quantile(value, count, 0.5), key[k],
			judge_quantile(value, count, 0.99));
	}
	fprintf(out, "crashes=%u redelivered=%.0f unseen=%.0f\n", crashes, redelivered, report_sum(r, "crash", "unseen"));
	return 0;
}

int report_rollout(const struct report *r, FILE *out)
{
	static const char *const kind[] = { "rollout", "control" };
	enum bench_state state = report_majority(r, kind, 2);

	report_put_head(out, r, "rollout", kind, 2, state);
	fprintf(out, ",\"crashes\":%.0f,\"redelivered\":%.0f", report_sum(r, "rollout", "crashes"),
		report_sum(r, "rollout", "redelivered"));
	report_put_median(out, r, "rollback_detect_us", "rollout", state, "detect_p50_us", 2);
	report_put_median(out, r, "rollback_detect_p99_us", "rollout", state, "detect_p99_us", 2);
	report_put_median(out, r, "rollback_move_us", "rollout", state, "move_p50_us", 2);
	report_put_median(out, r, "rollback_move_p99_us", "rollout", state, "move_p99_us", 2);
	double faults = report_put_faults(out, r, kind, 1), drift = report_sum(r, "rollout", "drift");
	fprintf(out, ",\"drift\":%.0f", drift);
	report_put_median(out, r, "gap_p50_us", "rollout", state, "gap_p50_us", 2);
	report_put_median(out, r, "gap_p99_us", "rollout", state, "gap_p99_us", 2);
	report_put_median(out, r, "control_p99_us", "control", state, "gap_p99_us", 2);
	fprintf(out, "}\n");
	return faults + drift != 0;
}
