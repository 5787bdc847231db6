/* The statistics of gates: exact bounds of a ratio, the sign test, quantiles of histograms with what they do not
 * know. */
#ifndef BATON_PRIMARY_GATE_STATS_H
#define BATON_PRIMARY_GATE_STATS_H

#include <stdbool.h>
#include <stdint.h>

/* One-sided bounds of the true ratio when `events` of `of` were seen, each missed with probability `alpha` at most:
 * exact (C. J. Clopper, E. S. Pearson, Biometrika 26, 1934) up to GATE_EXACT events (or as few that are none), beyond
 * that the score bound (E. B. Wilson, JASA 22, 1927), which there differs by less than a thousandth of the ratio and
 * takes no longer for any number. 0 and 1 if nothing was seen. */
#define GATE_EXACT 10000u
double gate_lower(uint64_t events, uint64_t of, double alpha);
double gate_upper(uint64_t events, uint64_t of, double alpha);

/* Bounds of the mean of a Poisson distribution of which `events` were seen, each missed in half of all cases at most:
 * medians of the gamma distribution of shape events and events + 1 (F. Garwood, Biometrika 28, 1936), by their series
 * (K. P. Choi, Proc. AMS 121, 1994), which is within a hundredth of an event. */
double gate_count_low(uint64_t events);
double gate_count_high(uint64_t events);

/* Sign test: the least k such that of `tosses` (at most 64) fair ones k or more are heads with probability `alpha` at
 * most; tosses + 1 if there is none. */
uint32_t gate_sign_needed(uint32_t tosses, double alpha);

/* A quantile as the samples of a slice tell it, from below and from above: `low` is above the true quantile in at
 * most half of all slices, `high` below it in at most half; both by the edges of the bucket. */
struct gate_quantile {
	double low, high;
	uint64_t samples;
};

/* Of what a histogram got since `base`. floor: smallest value of a bucket; the last bucket has no upper edge. */
struct gate_quantile gate_quantile(const uint64_t *now, const uint64_t *base, uint32_t buckets,
				   uint64_t (*floor)(uint32_t bucket), double q);

#endif
