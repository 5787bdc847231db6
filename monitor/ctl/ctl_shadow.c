/* batonctl rollout diff: what the shadow of a rollout found. */
#include "ctl_reply.h"

static void print_value(FILE *out, const json_t *value)
{
	if (json_is_integer(value))
		fprintf(out, "%lld", (long long)json_integer_value(value));
	else if (json_is_real(value))
		fprintf(out, "%.9g", json_real_value(value));
	else
		fputs(json_is_string(value) ? json_string_value(value) : "absent", out);
}

static void print_counts(FILE *out, const json_t *counts)
{
	fprintf(out, "%lld compared, %lld differed; noise: %lld compared, %lld differed\n", number_of(counts, "compared"),
		number_of(counts, "differed"), number_of(counts, "noise_compared"), number_of(counts, "noise_differed"));
	fprintf(out, "ticks among them: %lld compared, %lld differed\n", number_of(counts, "ticks_compared"),
		number_of(counts, "ticks_differed"));
	fprintf(out, "%lld mirrored, %lld copies dropped, %lld times out of step, %lld buckets in step\n",
		number_of(counts, "mirrored"), number_of(counts, "dropped"), number_of(counts, "out_of_step"),
		number_of(counts, "in_step"));
	if (number_of(counts, "left_out") > 0)
		fprintf(out, "%lld workers number their bursts as none should: their buckets are not compared; see the log\n",
			number_of(counts, "left_out"));
}

static void print_outcome(FILE *out, const char *whose, const json_t *outcome)
{
	fprintf(out, "  %-10s  %s, %lld bytes, %lld posted and sent: %s\n", whose, text_of(outcome, "verdict"),
		number_of(outcome, "bytes"), number_of(outcome, "posted_and_sent"), text_of(outcome, "reply"));
}

static void print_row(FILE *out, const json_t *row)
{
	json_t *field;
	size_t index;

	fprintf(out, "\n%s of bucket %lld, %lld.%09lld\n", text_of(row, "kind"), number_of(row, "bucket"),
		number_of(row, "time_ns") / 1000000000, number_of(row, "time_ns") % 1000000000);
	json_array_foreach(json_object_get(row, "fields"), index, field) {
		fprintf(out, "  %s: ", text_of(field, "name"));
		print_value(out, json_object_get(field, "production"));
		fprintf(out, ", %s ", text_of(row, "side"));
		print_value(out, json_object_get(field, "shadow"));
		fputc('\n', out);
	}
	fprintf(out, "  %-10s  %s\n", "request", text_of(row, "request"));
	print_outcome(out, "production", json_object_get(row, "production"));
	print_outcome(out, text_of(row, "side"), json_object_get(row, "shadow"));
}

static void print_diff(FILE *out, const json_t *reply)
{
	json_t *diff = json_object_get(reply, "diff"), *row;
	const char *name;

	print_counts(out, json_object_get(diff, "counts"));
	json_object_foreach(json_object_get(diff, "fields"), name, row)
		fprintf(out, "%-24s %lld of the candidate's, %lld of the noise\n", name, number_of(row, "candidate"),
			number_of(row, "noise"));
	ctl_print_each(out, diff, "sample", print_row);
}

int ctl_rollout_diff(const struct ctl_options *o, FILE *out, FILE *err)
{
	return ctl_order(o, "rollout.diff", ctl_group_args(o), CTL_ANSWER_MS, print_diff, out, err);
}
