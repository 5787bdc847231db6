/* The outputs of baton-top: each prints one snapshot and knows nothing of where it came from. */
#ifndef BATON_TOP_RENDER_H
#define BATON_TOP_RENDER_H

#include <stdio.h>

#include "snapshot.h"

/* A whole frame: verdict, cores, workers, ports, drops, residence, totals. At most 120 columns. */
void render_text(FILE *out, const struct snapshot *s);

/* Its part on rollouts: nothing if no group has or had one. */
void render_rollouts(FILE *out, const struct snapshot *s);

/* A few lines for a log: totals, drop rate, packets per second and cycles per packet by core. */
void render_summary(FILE *out, const struct snapshot *s);

/* One JSON object on one line. Figures without a baseline are null. Returns 0 or -ENOMEM. */
int render_json(FILE *out, const struct snapshot *s);

/* Numbers for people, right-aligned in columns; "-" if UNKNOWN. size: of text, at least 16.
 * 1234 -> "1.23k"; 0.5 -> "0.5"; 12000000 -> "12.0M". */
const char *render_count(char *text, size_t size, double value);
/* 950 -> "950 ns", 1500 -> "1.50 us". */
const char *render_ns(char *text, size_t size, uint64_t ns);
/* Time of day (UTC) of a sample. */
const char *render_clock(char *text, size_t size, uint64_t wall_ns);

#endif
