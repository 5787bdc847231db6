/* Sets of buckets as operators write and read them: numbers, ranges, ranges with a step as in cron. See share.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sabotage.h"
#include "share.h"

/* So often a list may name each bucket, on average: a megabyte of ranges kept the main lcore for 20 s. */
#define NAMED_MOST 2

/* ---- read ---- */

/* Digits only: no sign, no space. False: there are none, or too many. */
static bool number(const char **at, uint32_t *out)
{
	const char *start = *at;
	uint32_t value = 0;

	for (; **at >= '0' && **at <= '9'; (*at)++) {
		if (*at - start > 8)
			return false;
		value = value * 10 + (uint32_t)(**at - '0');
	}
	*out = value;
	return *at != start;
}

/* One item of the list. False: it is none. */
static bool item(const char **at, uint32_t *first, uint32_t *last, uint32_t *step)
{
	*step = 1;
	if (!number(at, first))
		return false;
	*last = *first;
	if (**at == '-') {
		(*at)++;
		if (!number(at, last))
			return false;
		if (**at == '/') {
			(*at)++;
			if (!number(at, step))
				return false;
		}
	}
	return (**at == ',' && (*at)[1] != '\0') || **at == '\0';
}

int64_t buckets_parse(const char *text, uint32_t buckets, uint64_t *map, char *why, size_t bytes)
{
	uint32_t first, last, step, count = 0;
	uint64_t named = 0;

	memset(map, 0, (buckets + 63) / 64 * sizeof(*map));
	for (const char *at = text, *start = at; *at != '\0' || at == text; start = at) {
		bool sound = item(&at, &first, &last, &step);
		int len = (int)strcspn(start, ",");

		if (!sound || step == 0 || first > last || last >= buckets) {
			snprintf(why, bytes, "buckets '%.*s': %s; valid are 0-%u, as in 17 or 0-%u or 0-%u/2, with commas "
				 "between", len < 40 ? len : 40, start, !sound ? "no number and no range" :
				 step == 0 ? "a step of 0 leads nowhere" : first > last ? "the range ends before it begins" :
				 "there is no such bucket", buckets - 1, buckets / 2 - 1, buckets - 2);
			return -EINVAL;
		}
		named += (last - first) / step + 1;
		if (named > (uint64_t)NAMED_MOST * buckets && !BATON_SABOTAGE(named_over_and_over)) {
			snprintf(why, bytes, "buckets: the list names them over and over; valid are 0-%u, each once",
				 buckets - 1);
			return -EINVAL;
		}
		for (uint32_t b = first; b <= last; b += step) {
			count += !buckets_has(map, b);
			buckets_add(map, b);
		}
		at += *at == ',';
	}
	return count;
}

/* ---- write ---- */

static uint32_t next(const uint64_t *map, uint32_t buckets, uint32_t from)
{
	while (from < buckets && !buckets_has(map, from))
		from++;
	return from;
}

/* The longest run of equal steps that begins at `first`: its step and its last bucket. */
static void run_from(const uint64_t *map, uint32_t buckets, uint32_t first, uint32_t *step, uint32_t *last)
{
	uint32_t second = next(map, buckets, first + 1), count = 2;

	*step = second - first;
	*last = second;
	if (second == buckets) {
		*last = first;
		return;
	}
	for (uint32_t b; (b = next(map, buckets, *last + 1)) < buckets && b - *last == *step; count++)
		*last = b;
	if (*step > 1 && count < 3)
		*last = first; /* two that stand apart are shorter alone */
}

char *buckets_format(const uint64_t *map, uint32_t buckets)
{
	size_t bytes = 0;
	char *text = NULL;
	FILE *out = open_memstream(&text, &bytes);
	uint32_t step, last;

	if (out == NULL)
		return NULL;
	for (uint32_t first = next(map, buckets, 0); first < buckets; first = next(map, buckets, last + 1)) {
		run_from(map, buckets, first, &step, &last);
		fprintf(out, "%s%u", ftell(out) > 0 ? "," : "", first);
		if (last > first)
			fprintf(out, step > 1 ? "-%u/%u" : "-%u", last, step);
	}
	return fclose(out) == 0 ? text : NULL;
}
