/* From the lines of all rounds to the one JSON object a bench ends with. */
#ifndef BATON_BENCH_REPORT_H
#define BATON_BENCH_REPORT_H

#include <stdio.h>

#include "bench.h"

#define REPORT_LINES 1024u
#define REPORT_LINE_BYTES 2048u

struct report {
	uint32_t count;
	char line[REPORT_LINES][REPORT_LINE_BYTES];
};

/* Reads all lines; those beyond the limits are an error. Returns 0 or -E2BIG. */
int report_read(struct report *r, FILE *in);

/* State of a round's line, from its before_ and after_ probes; a line without them is disturbed. */
enum bench_state report_state(const char *line);

/* Undisturbed rounds of a kind in a state. */
uint32_t report_rounds(const struct report *r, const char *kind, enum bench_state state);

/* True if a kind has ROUNDS undisturbed rounds in one state. */
bool report_enough(const struct report *r, const char *kind);

/* The state in which there are the most undisturbed rounds of these kinds (near if equally many). */
enum bench_state report_majority(const struct report *r, const char *const *kind, uint32_t kinds);

/* Median over the undisturbed rounds of the kind in the state. Returns false if there is none, or one lacks the key. */
bool report_median(const struct report *r, const char *kind, enum bench_state state, const char *key, double *value);

/* Sum over all rounds of the kind, disturbed or not: for what must never happen. */
double report_sum(const struct report *r, const char *kind, const char *key);

/* Prints WHAT_p50_us=… WHAT_p99_us=… and a blank: over the WHAT_us of all lines of the kind. Returns how many have one. */
uint32_t report_put_quantiles(FILE *out, const struct report *r, const char *kind, const char *what);

/* Quantiles over the lines of single handovers of a round. Prints key=value pairs. Returns 0 or -ENODATA. */
int report_gaps(const struct report *r, FILE *out);

/* The same over the lines of single kills of a kind, and what they found. */
int report_kills(const struct report *r, FILE *out, const char *kind);

/* The same over the lines of single crashes of a candidate. */
int report_crashes(const struct report *r, FILE *out);

/* A figure of the object a bench ends with: its name there, and what it is the median of. */
struct report_figure {
	const char *name, *kind, *key;
	int digits; /* behind the point */
};

/* Parts of that object: name, state, the probe's median if asked for, whether enough rounds were undisturbed;
 * "name":value, of medians, null if there is none; sums over all rounds of the kinds of what must never happen,
 * returned as one sum. */
void report_put_head(FILE *out, const struct report *r, const char *bench, const char *const *kind, uint32_t kinds,
		     enum bench_state state, bool pingpong);
void report_put_medians(FILE *out, const struct report *r, enum bench_state state, const struct report_figure *figure,
			size_t count);
/* "disturbed_rounds":{...}: the same over the rounds that say little by themselves, for a machine that is never quiet:
 * Baton and control took turns, so they can be held against each other. Nothing, if there is none. */
void report_put_disturbed(FILE *out, const struct report *r, const char *const *kind, uint32_t kinds,
			  const struct report_figure *figure, size_t count);
double report_put_faults(FILE *out, const struct report *r, const char *const *kind, uint32_t kinds);

/* The last line of a bench. Returns 0, or 1 if something happened that never may (lost, duplicated, ...). */
int report_pipeline(const struct report *r, FILE *out, uint32_t frame_bytes, uint32_t in_flight);
int report_handover(const struct report *r, FILE *out);
int report_kill(const struct report *r, FILE *out);
int report_rollout(const struct report *r, FILE *out);

#endif
