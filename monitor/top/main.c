/* baton-top: looks at a running instance. Options, the loop of printed frames, nothing else. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "options.h"
#include "render.h"
#include "tui.h"
#include "version.h"

#define LIST_MOST 64u

/* Instances there are, for the message that says why none was shown. */
static void print_instances(char (*names)[BATON_NAME_BYTES], uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		fprintf(stderr, "%s%s", i == 0 ? "" : ", ", names[i]);
	fputc('\n', stderr);
}

static int open_instance(struct source *source, struct top_options *o)
{
	char names[LIST_MOST][BATON_NAME_BYTES];
	uint32_t count = source_list(names, LIST_MOST);

	if (o->instance[0] == 0 && count > 1) {
		fprintf(stderr, "baton-top: several instances: choose one by -i: ");
		print_instances(names, count);
		return TOP_USAGE;
	}
	if (o->instance[0] == 0 && count == 1)
		strcpy(o->instance, names[0]);
	int rc = o->instance[0] != 0 ? source_open(source, o->instance) : -ENOENT;
	if (rc == 0)
		return TOP_OK;
	if (rc == -EPROTO)
		fprintf(stderr, "baton-top: %s: its counters are of another version: use the baton-top of that batond\n",
			o->instance);
	else if (count == 0)
		fprintf(stderr, "baton-top: no instance is running (no " BATON_STATS_PATH_FMT
			"): start batond, or try --demo\n", "*");
	else if (rc == -ENOENT || rc == -EINVAL) {
		fprintf(stderr, "baton-top: no instance '%s': there is ", o->instance);
		print_instances(names, count);
	} else if (rc == -EPERM)
		fprintf(stderr, "baton-top: %s: who made " BATON_STATS_PATH_FMT
			" is neither root nor you: no batond did\n", o->instance, o->instance);
	else if (rc == -ECONNREFUSED)
		fprintf(stderr, "baton-top: %s: its batond was killed, and its counters went with it: start batond\n",
			o->instance);
	else
		fprintf(stderr, "baton-top: %s: %s\n", o->instance, strerror(-rc));
	return rc == -EPROTO ? TOP_FAILED : TOP_NO_INSTANCE;
}

static void take(const struct top_options *o, struct source *source, struct sample *out, uint64_t n)
{
	if (o->demo)
		sample_demo(out, n, o->interval_ns);
	else
		source_take(source, out);
}

static int render(const struct top_options *o, const struct snapshot *s, bool first)
{
	int rc = 0;

	switch (o->output) {
	case OUTPUT_JSON: rc = render_json(stdout, s); break;
	case OUTPUT_SUMMARY: render_summary(stdout, s); break;
	case OUTPUT_SCREEN:
	case OUTPUT_TEXT:
		if (!first)
			fputc('\n', stdout);
		render_text(stdout, s);
		break;
	}
	/* A closed pipe is the reader's way to say that it has seen enough. */
	return fflush(stdout) != 0 || ferror(stdout) || rc != 0 ? TOP_FAILED : TOP_OK;
}

/* Frames at a fixed rate, whatever drawing takes. */
static int run(const struct top_options *o, struct source *source)
{
	struct sample *base = sample_create(), *now = sample_create();
	struct snapshot *s = malloc(sizeof(*s));
	int rc = base != NULL && now != NULL && s != NULL ? TOP_OK : TOP_FAILED;
	struct timespec next;

	clock_gettime(CLOCK_MONOTONIC, &next);
	if (rc == TOP_OK)
		take(o, source, base, 0);
	for (uint64_t n = 1; rc == TOP_OK && (o->frames == 0 || n <= o->frames); n++) {
		uint64_t at = (uint64_t)next.tv_nsec + o->interval_ns;
		next.tv_sec += (time_t)(at / 1000000000u);
		next.tv_nsec = (long)(at % 1000000000u);
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL) == EINTR)
			;
		take(o, source, now, n);
		snapshot_derive(s, base, now);
		rc = render(o, s, n == 1);
		struct sample *old = base;
		base = now;
		now = old;
	}
	free(base);
	free(now);
	free(s);
	return rc;
}

int main(int argc, char **argv)
{
	struct source source = { 0 };
	struct top_options o;

	if (top_options_parse(&o, argc, argv, stderr) != 0)
		return TOP_USAGE;
	if (o.help) {
		top_options_help(stdout);
		return TOP_OK;
	}
	if (o.version) {
		version_print("baton-top");
		return TOP_OK;
	}
	int rc = o.demo ? TOP_OK : open_instance(&source, &o);
	if (rc != TOP_OK)
		return rc;
	if (o.output == OUTPUT_SCREEN && tui_possible())
		rc = tui_run(&o, o.demo ? NULL : &source);
	else {
		if (o.output == OUTPUT_SCREEN)
			o.frames = 1;
		rc = run(&o, &source);
	}
	source_close(&source);
	return rc;
}
