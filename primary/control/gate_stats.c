/* Bounds, tests and quantiles: pure arithmetic. */
#define _GNU_SOURCE /* lgamma_r */
#include "gate_stats.h"

#include <math.h>

/* ---- the binomial distribution ---- */

static double log_of_term(double k, double n, double p)
{
	int sign;

	return lgamma_r(n + 1, &sign) - lgamma_r(k + 1, &sign) - lgamma_r(n - k + 1, &sign) + k * log(p) +
	       (n - k) * log1p(-p);
}

/* P(X >= k), for p below k / n: terms fall from k on, so about 10 sqrt(k) of them count. */
static double tail_above(double k, double n, double p)
{
	double sum = 1, term = 1, odds = p / (1 - p);

	for (double i = k; i < n && term > sum * 1e-12; i++)
		sum += term *= (n - i) / (i + 1) * odds;
	return sum * exp(log_of_term(k, n, p));
}

/* P(X <= k), for p above k / n. */
static double tail_below(double k, double n, double p)
{
	double sum = 1, term = 1, odds = (1 - p) / p;

	for (double i = k; i > 0 && term > sum * 1e-12; i--)
		sum += term *= i / (n - i + 1) * odds;
	return sum * exp(log_of_term(k, n, p));
}

/* z of a normal distribution with P(Z > z) = alpha, by bisection: its tail falls. */
static double normal_z(double alpha)
{
	double low = 0, high = 40;

	for (int i = 0; i < 60; i++) {
		double z = (low + high) / 2;

		*(erfc(z / sqrt(2)) / 2 > alpha ? &low : &high) = z;
	}
	return high;
}

static double score(double x, double n, double z)
{
	double p = x / n, z2 = z * z;

	return (p + z2 / (2 * n) + z * sqrt(p * (1 - p) / n + z2 / (4 * n * n))) / (1 + z2 / n);
}

double gate_lower(uint64_t events, uint64_t of, double alpha)
{
	double x = (double)(events < of ? events : of), n = (double)of;

	if (x == 0)
		return 0;
	if (fmin(x, n - x) > GATE_EXACT)
		return score(x, n, -normal_z(alpha));
	double low = 0, high = x / n;
	for (int i = 0; i < 40; i++) {
		double p = (low + high) / 2;

		*(tail_above(x, n, p) <= alpha ? &low : &high) = p;
	}
	return low;
}

double gate_upper(uint64_t events, uint64_t of, double alpha)
{
	double x = (double)events, n = (double)of;

	if (events >= of)
		return 1;
	if (fmin(x, n - x) > GATE_EXACT)
		return score(x, n, normal_z(alpha));
	double low = x / n, high = 1;
	for (int i = 0; i < 60; i++) {
		double p = (low + high) / 2;

		*(p < 1 && tail_below(x, n, p) > alpha ? &low : &high) = p;
	}
	return high;
}

/* ---- the Poisson distribution ---- */

static double gamma_median(double shape) { return shape - 1.0 / 3 + 8 / (405 * shape); }

double gate_count_low(uint64_t events) { return events == 0 ? 0 : gamma_median((double)events); }
double gate_count_high(uint64_t events) { return gamma_median((double)events + 1); }

/* ---- the sign test ---- */

uint32_t gate_sign_needed(uint32_t tosses, double alpha)
{
	double tail = 0;
	uint32_t k = tosses + 1;

	while (k > 0) {
		tail += exp(log_of_term(k - 1, tosses, 0.5));
		if (tail > alpha)
			break;
		k--;
	}
	return k;
}

/* ---- quantiles ---- */

static uint32_t bucket_of(const uint64_t *now, const uint64_t *base, uint32_t buckets, uint64_t rank)
{
	uint64_t seen = 0;
	uint32_t at = 0;

	while (at < buckets - 1 && (seen += now[at] - base[at]) < rank)
		at++;
	return at;
}

/* Of n samples below the true quantile there are B(n, q), whose median is q n rounded up or down: the sample of rank
 * floor(q n) is above it in at most half of all cases, that of rank ceil(q n) + 1 below it in at most half. */
struct gate_quantile gate_quantile(const uint64_t *now, const uint64_t *base, uint32_t buckets,
				   uint64_t (*floor_of)(uint32_t bucket), double q)
{
	struct gate_quantile out = {.low = 0, .high = INFINITY};

	for (uint32_t i = 0; i < buckets; i++)
		out.samples += now[i] - base[i];
	uint64_t below = (uint64_t)(q * (double)out.samples), above = (uint64_t)ceil(q * (double)out.samples) + 1;
	if (below > 0)
		out.low = (double)floor_of(bucket_of(now, base, buckets, below));
	if (above <= out.samples) {
		uint32_t at = bucket_of(now, base, buckets, above);

		if (at < buckets - 1)
			out.high = (double)floor_of(at + 1);
	}
	return out;
}
