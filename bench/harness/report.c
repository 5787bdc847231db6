/* Medians over undisturbed rounds, sums over all, and the object a bench ends with. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

int report_read(struct report *r, FILE *in)
{
	r->count = 0;
	while (r->count < REPORT_LINES && fgets(r->line[r->count], REPORT_LINE_BYTES, in) != NULL)
		if (strchr(r->line[r->count++], '\n') == NULL && !feof(in))
			return -E2BIG;
	return fgetc(in) == EOF ? 0 : -E2BIG;
}

enum bench_state report_state(const char *line)
{
	double before, after, lost_before, lost_after;

	if (!line_value(line, "before_pingpong_ns", &before) || !line_value(line, "after_pingpong_ns", &after) ||
	    !line_value(line, "before_lost", &lost_before) || !line_value(line, "after_lost", &lost_after))
		return STATE_DISTURBED;
	return judge_state(before, after, lost_before, lost_after);
}

uint32_t report_rounds(const struct report *r, const char *kind, enum bench_state state)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < r->count; i++)
		count += line_is(r->line[i], kind) && report_state(r->line[i]) == state;
	return count;
}

bool report_enough(const struct report *r, const char *kind)
{
	return report_rounds(r, kind, STATE_NEAR) >= ROUNDS || report_rounds(r, kind, STATE_FAR) >= ROUNDS;
}

enum bench_state report_majority(const struct report *r, const char *const *kind, uint32_t kinds)
{
	uint32_t near = 0, far = 0;

	for (uint32_t i = 0; i < kinds; i++) {
		near += report_rounds(r, kind[i], STATE_NEAR);
		far += report_rounds(r, kind[i], STATE_FAR);
	}
	return far > near ? STATE_FAR : STATE_NEAR;
}

bool report_median(const struct report *r, const char *kind, enum bench_state state, const char *key, double *value)
{
	double found[REPORT_LINES];
	uint32_t count = 0;

	for (uint32_t i = 0; i < r->count; i++)
		if (line_is(r->line[i], kind) && report_state(r->line[i]) == state &&
		    !line_value(r->line[i], key, &found[count++]))
			return false;
	if (count == 0)
		return false;
	*value = judge_median(found, count);
	return true;
}

double report_sum(const struct report *r, const char *kind, const char *key)
{
	double sum = 0, value;

	for (uint32_t i = 0; i < r->count; i++)
		if (line_is(r->line[i], kind) && line_value(r->line[i], key, &value))
			sum += value;
	return sum;
}

uint32_t report_put_quantiles(FILE *out, const struct report *r, const char *kind, const char *what)
{
	double value[REPORT_LINES];
	uint32_t count = 0;
	char key[32];

	snprintf(key, sizeof(key), "%s_us", what);
	for (uint32_t i = 0; i < r->count; i++)
		count += line_is(r->line[i], kind) && line_value(r->line[i], key, &value[count]);
	if (count != 0)
		fprintf(out, "%s_p50_us=%.2f %s_p99_us=%.2f ", what, judge_quantile(value, count, 0.5), what,
			judge_quantile(value, count, 0.99));
	return count;
}

int report_gaps(const struct report *r, FILE *out)
{
	static const char *const what[] = { "gap", "restart_gap", "told", "move", "restart" };

	for (size_t i = 0; i < sizeof(what) / sizeof(what[0]); i++)
		if (report_put_quantiles(out, r, "handover", what[i]) == 0)
			return -ENODATA;
	fprintf(out, "unseen=%.0f\n", report_sum(r, "handover", "unseen"));
	return 0;
}

static void put_median(FILE *out, const struct report *r, const char *name, const char *kind, enum bench_state state,
		       const char *key, int digits)
{
	double value;

	if (report_median(r, kind, state, key, &value))
		fprintf(out, ",\"%s\":%.*f", name, digits, value);
	else
		fprintf(out, ",\"%s\":null", name);
}

void report_put_medians(FILE *out, const struct report *r, enum bench_state state, const struct report_figure *figure,
			size_t count)
{
	for (size_t i = 0; i < count; i++)
		put_median(out, r, figure[i].name, figure[i].kind, state, figure[i].key, figure[i].digits);
}

void report_put_disturbed(FILE *out, const struct report *r, const char *const *kind, uint32_t kinds,
			  const struct report_figure *figure, size_t count)
{
	uint32_t rounds = 0;

	for (uint32_t i = 0; i < kinds; i++)
		rounds += report_rounds(r, kind[i], STATE_DISTURBED);
	if (rounds == 0)
		return;
	fprintf(out, ",\"disturbed_rounds\":{\"rounds\":%u", rounds);
	put_median(out, r, "pingpong_ns", kind[0], STATE_DISTURBED, "before_pingpong_ns", 1);
	report_put_medians(out, r, STATE_DISTURBED, figure, count);
	fputc('}', out);
}

void report_put_head(FILE *out, const struct report *r, const char *bench, const char *const *kind, uint32_t kinds,
		     enum bench_state state, bool pingpong)
{
	bool disturbed = false, any = false;

	for (uint32_t i = 0; i < kinds; i++) {
		disturbed |= report_rounds(r, kind[i], state) < ROUNDS;
		any |= report_rounds(r, kind[i], state) != 0;
	}
	fprintf(out, any ? "{\"bench\":\"%s\",\"state\":\"%s\"" : "{\"bench\":\"%s\",\"state\":null", bench,
		judge_name(state));
	if (pingpong)
		put_median(out, r, "pingpong_ns", kind[0], state, "before_pingpong_ns", 1);
	fprintf(out, ",\"disturbed\":%s", disturbed ? "true" : "false");
}

static const char *const fault[] = { "lost", "duplicated", "reordered", "wrong", "dropped" };
#define FAULTS (sizeof(fault) / sizeof(fault[0]))

double report_put_faults(FILE *out, const struct report *r, const char *const *kind, uint32_t kinds)
{
	double all = 0;

	for (size_t f = 0; f < FAULTS; f++) {
		double sum = 0;
		for (uint32_t k = 0; k < kinds; k++)
			sum += report_sum(r, kind[k], fault[f]);
		fprintf(out, ",\"%s\":%.0f", fault[f], sum);
		all += sum;
	}
	return all;
}

int report_pipeline(const struct report *r, FILE *out, uint32_t frame_bytes, uint32_t in_flight)
{
	static const char *const kind[] = { "offload", "software", "residence", "control", "lines" };
	static const struct report_figure figure[] = {
		{ "mpps", "offload", "mpps", 2 },
		{ "mpps_sw", "software", "mpps", 2 },
		{ "worker_cycles", "offload", "worker_cycles", 1 },
		{ "io_cycles", "offload", "io_cycles", 1 },
		{ "control_mpps", "lines", "mlines", 2 },
		{ "p50_ns", "residence", "p50_ns", 0 },
		{ "p90_ns", "residence", "p90_ns", 0 },
		{ "p99_ns", "residence", "p99_ns", 0 },
		{ "residence_mpps", "residence", "mpps", 3 },
		{ "control_p50_ns", "control", "rtt_p50_ns", 0 },
		{ "control_p90_ns", "control", "rtt_p90_ns", 0 },
		{ "control_p99_ns", "control", "rtt_p99_ns", 0 },
		{ "worker_burst", "offload", "worker_burst", 1 },
	};
	enum bench_state state = report_majority(r, kind, 5);

	report_put_head(out, r, "pipeline", kind, 5, state, true);
	fprintf(out, ",\"frame_bytes\":%u,\"in_flight\":%u", frame_bytes, in_flight);
	report_put_medians(out, r, state, figure, sizeof(figure) / sizeof(figure[0]));
	double faults = report_put_faults(out, r, kind, 3);
	report_put_disturbed(out, r, kind, 5, figure, sizeof(figure) / sizeof(figure[0]));
	fprintf(out, "}\n");
	return faults != 0;
}

int report_handover(const struct report *r, FILE *out)
{
	static const char *const kind[] = { "handover", "control" };
	static const struct report_figure figure[] = {
		{ "gap_p50_us", "handover", "gap_p50_us", 2 },
		{ "gap_p99_us", "handover", "gap_p99_us", 2 },
		{ "control_p50_us", "control", "gap_p50_us", 2 },
		{ "control_p99_us", "control", "gap_p99_us", 2 },
		{ "told_p50_us", "handover", "told_p50_us", 2 }, /* what the data path itself reports */
		{ "told_p99_us", "handover", "told_p99_us", 2 },
		{ "restart_gap_p50_us", "handover", "restart_gap_p50_us", 2 },
		{ "restart_gap_p99_us", "handover", "restart_gap_p99_us", 2 },
		{ "restart_p50_us", "handover", "restart_p50_us", 0 }, /* all of it, the start of the process included */
	};
	enum bench_state state = report_majority(r, kind, 2);

	report_put_head(out, r, "handover", kind, 2, state, true);
	fprintf(out, ",\"moves\":%.0f", report_sum(r, "handover", "moves"));
	double faults = report_put_faults(out, r, kind, 1);
	report_put_medians(out, r, state, figure, sizeof(figure) / sizeof(figure[0]));
	fprintf(out, ",\"unseen\":%.0f", report_sum(r, "handover", "unseen"));
	report_put_disturbed(out, r, kind, 2, figure, sizeof(figure) / sizeof(figure[0]));
	fprintf(out, "}\n");
	return faults != 0;
}

int report_kills(const struct report *r, FILE *out, const char *kind)
{
	double value[REPORT_LINES], found, redelivered = 0;
	uint32_t count = 0, unsettled = 0;

	for (uint32_t i = 0; i < r->count; i++) {
		if (!line_is(r->line[i], kind) || !line_value(r->line[i], "gap_us", &value[count]))
			continue;
		count++;
		if (!line_value(r->line[i], "redelivered", &found))
			continue;
		redelivered += found;
		unsettled += found > 0;
	}
	if (count == 0)
		return -ENODATA;
	fprintf(out, "kills=%u with_unsettled=%u redelivered=%.0f gap_p50_us=%.2f gap_p99_us=%.2f gap_max_us=%.2f"
		" unseen=%.0f\n",
		count, unsettled, redelivered, judge_quantile(value, count, 0.5), judge_quantile(value, count, 0.99),
		judge_quantile(value, count, 1), report_sum(r, kind, "unseen"));
	return 0;
}

static double of_both(const struct report *r, const char *key)
{
	return report_sum(r, "kill", key) + report_sum(r, "cold", key);
}

/* All kills count, disturbed or not, for what they found and for what must never happen; gaps as any figure. */
int report_kill(const struct report *r, FILE *out)
{
	static const char *const kind[] = { "kill", "cold", "control" };
	static const char *const found[] = { "kills", "with_unsettled", "redelivered", "records_undone" };
	static const char *const never[] = { "lost", "duplicated", "reordered", "drift" };
	static const struct report_figure figure[] = {
		{ "gap_p50_us", "kill", "gap_p50_us", 2 },
		{ "gap_p99_us", "kill", "gap_p99_us", 2 },
		{ "cold_gap_p50_us", "cold", "gap_p50_us", 2 },
		{ "cold_gap_p99_us", "cold", "gap_p99_us", 2 },
		{ "control_p50_us", "control", "gap_p50_us", 2 },
		{ "control_p99_us", "control", "gap_p99_us", 2 },
	};
	enum bench_state state = report_majority(r, kind, 3);
	double wrong = of_both(r, "wrong") + of_both(r, "dropped");

	report_put_head(out, r, "kill", kind, 3, state, false);
	for (size_t i = 0; i < sizeof(found) / sizeof(found[0]); i++)
		fprintf(out, ",\"%s\":%.0f", found[i], of_both(r, found[i]));
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
		double sum = of_both(r, never[i]);
		fprintf(out, ",\"%s\":%.0f", never[i], sum);
		wrong += sum;
	}
	report_put_medians(out, r, state, figure, sizeof(figure) / sizeof(figure[0]));
	report_put_disturbed(out, r, kind, 3, figure, sizeof(figure) / sizeof(figure[0]));
	fprintf(out, "}\n");
	return wrong != 0;
}
