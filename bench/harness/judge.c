/* How a figure is judged. */
#include <math.h>
#include <stdlib.h>

#include "bench.h"

enum bench_state judge_state(double before_ns, double after_ns, double lost_before, double lost_after)
{
	bool near = before_ns <= NEAR_MAX_NS;

	if (lost_before > LOST_MAX || lost_after > LOST_MAX || near != (after_ns <= NEAR_MAX_NS))
		return STATE_DISTURBED;
	return near ? STATE_NEAR : STATE_FAR;
}

const char *judge_name(enum bench_state state)
{
	static const char *const name[] = { "near", "far", "disturbed" };
	return name[state];
}

static int ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

double judge_median(double *value, uint32_t count)
{
	qsort(value, count, sizeof(*value), ascending);
	return count % 2 != 0 ? value[count / 2] : (value[count / 2 - 1] + value[count / 2]) / 2;
}

double judge_quantile(double *value, uint32_t count, double q)
{
	qsort(value, count, sizeof(*value), ascending);
	double rank = ceil(q * count);
	uint32_t at = rank < 1 ? 0 : (uint32_t)rank - 1;
	return value[at < count ? at : count - 1];
}
