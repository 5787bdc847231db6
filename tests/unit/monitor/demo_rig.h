/* Two samples of the demo instance, a second apart, the snapshot of them, and what was drawn of it as text. */
#ifndef BATON_TEST_DEMO_RIG_H
#define BATON_TEST_DEMO_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "monitor/top/snapshot.h"

#define SECOND 1000000000ull

static struct snapshot s;
static struct sample *a, *b;
static const char *text; /* what has() looks in */
static char *written;    /* by demo_written() */
static size_t written_len;

static inline int demo_make(void)
{
	a = sample_create();
	b = sample_create();
	if (a == NULL || b == NULL)
		return -1;
	sample_demo(a, 0, SECOND);
	sample_demo(b, 1, SECOND);
	snapshot_derive(&s, a, b);
	return 0;
}

static inline void demo_free(void)
{
	free(a);
	free(b);
	free(written);
	text = written = NULL;
}

/* Runs what prints the snapshot. */
static inline void demo_written(void (*print)(FILE *out, const struct snapshot *snap))
{
	free(written);
	written = NULL;
	FILE *out = open_memstream(&written, &written_len);
	assert_non_null(out);
	print(out, &s);
	fclose(out);
	text = written;
}

static inline void has(const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("'%s' is not in:\n%s", part, text);
}

static inline void has_not(const char *part)
{
	if (strstr(text, part) != NULL)
		fail_msg("'%s' is in:\n%s", part, text);
}

#endif
