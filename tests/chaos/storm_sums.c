/* See storm_sums.h. */
#include "storm_sums.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hist.h"

const char *const storm_kind[KINDS] = { "kill", "segv", "stop", "cont", "two", "move", "recovery", "loop" };

static struct watch_counts last;

static void take_line(struct storm_sums *sum, const char *name, uint64_t value)
{
#define X(field) if (strcmp(name, #field) == 0) sum->field = value;
	SUMS(X)
#undef X
	if (strncmp(name, "gap.", 4) == 0 && strtoul(name + 4, NULL, 10) < STATS_HIST_BUCKETS)
		sum->gap[strtoul(name + 4, NULL, 10)] = value;
	for (uint32_t k = 0; k < KINDS; k++)
		if (strncmp(name, "kind.", 5) == 0 && strcmp(name + 5, storm_kind[k]) == 0)
			sum->by_kind[k] = value;
}

void sums_read(struct storm_sums *sum, const char *path)
{
	FILE *in = path != NULL ? fopen(path, "re") : NULL;
	char name[64];
	uint64_t value;

	while (in != NULL && fscanf(in, "%63s %" SCNu64, name, &value) == 2)
		take_line(sum, name, value);
	if (in != NULL)
		fclose(in);
}

void sums_write(const struct storm_sums *sum, const char *path)
{
	char fresh[4096];

	if (path == NULL)
		return;
	snprintf(fresh, sizeof(fresh), "%s.new", path);
	FILE *out = fopen(fresh, "we");
	if (out == NULL)
		return;
#define X(field) fprintf(out, #field " %" PRIu64 "\n", sum->field);
	SUMS(X)
#undef X
	for (uint32_t k = 0; k < KINDS; k++)
		fprintf(out, "kind.%s %" PRIu64 "\n", storm_kind[k], sum->by_kind[k]);
	for (uint32_t i = 0; i < STATS_HIST_BUCKETS; i++)
		if (sum->gap[i] != 0)
			fprintf(out, "gap.%u %" PRIu64 "\n", i, sum->gap[i]);
	if (fclose(out) == 0)
		rename(fresh, path);
}

void sums_begin(const struct watch *watch)
{
	watch_take(watch, &last);
}

void sums_add(struct storm_sums *sum, const struct watch *watch)
{
	struct watch_counts now;

	watch_take(watch, &now);
	sum->deaths += now.deaths - last.deaths;
	sum->with_unsettled += now.with_unsettled - last.with_unsettled;
	sum->with_undo += now.with_undo - last.with_undo;
	sum->redelivered += now.redelivered - last.redelivered;
	sum->records_undone += now.records_undone - last.records_undone;
	sum->stalls += now.stalls - last.stalls;
	sum->replies += now.replies - last.replies;
	last = now;
}

void sums_add_gap(struct storm_sums *sum, const struct watch *watch, uint64_t from)
{
	struct stats_gap gap[STATS_GAPS];
	uint64_t missed, most = 0;
	uint32_t count = stats_gaps_read(stats_io(&watch->stats, 0), from, gap, &missed);

	for (uint32_t i = 0; i < count; i++)
		most = gap[i].ns > most ? gap[i].ns : most;
	if (most == 0)
		return;
	sum->gap[hist_bucket(most)]++;
	sum->gap_most_ns = most > sum->gap_most_ns ? most : sum->gap_most_ns;
}

void sums_report(const struct storm_sums *sum, const char *word)
{
	printf("%s kills %" PRIu64 " deaths %" PRIu64 " with_unsettled %" PRIu64 " with_undo %" PRIu64, word, sum->kills,
	       sum->deaths, sum->with_unsettled, sum->with_undo);
	printf(" redelivered %" PRIu64 " records_undone %" PRIu64 " stalls %" PRIu64 " replies %" PRIu64, sum->redelivered,
	       sum->records_undone, sum->stalls, sum->replies);
	if (sum->gap_most_ns != 0)
		printf(" gap_p50_us %.0f gap_p99_us %.0f gap_most_us %.0f", (double)hist_quantile(sum->gap, 0.5) / 1000,
		       (double)hist_quantile(sum->gap, 0.99) / 1000, (double)sum->gap_most_ns / 1000);
	printf(" seed %" PRIu64 "\n", sum->seed);
	fflush(stdout);
}
