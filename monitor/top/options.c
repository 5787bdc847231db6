/* Command line of baton-top. */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define INTERVAL_MIN_NS 10000000ull
#define INTERVAL_MAX_NS 3600000000000ull

void top_options_help(FILE *out)
{
	fputs("Usage: baton-top [-i INSTANCE] [-d INTERVAL] [-n FRAMES] [--once | --json | --summary] [--demo]\n"
	      "Shows a running batond: read-only, without root, at no cost to the data path. On a terminal a live\n"
	      "screen (? for its keys); one text frame if standard output is none, or if TERM is dumb.\n"
	      "\n"
	      "  -i, --instance NAME   instance to show (default: the only one there is)\n"
	      "  -d, --interval TIME   time over which rates are measured, 10ms to 1h (default 1s; --summary 5s);\n"
	      "                        on the screen + and - change it, 0.1 to 10 s\n"
	      "  -n, --frames N        text frames to print instead of the screen (--json: 1; --summary: no end)\n"
	      "      --once            one text frame: the same as -n 1\n"
	      "      --json            one JSON object a line\n"
	      "      --summary         totals, drop rate, packets per second and cycles per packet by core\n"
	      "      --ascii           no other characters on the screen, whatever the locale says\n"
	      "      --demo            made-up figures: needs no batond\n"
	      "  -h, --help            this text\n"
	      "  -V, --version         version, build id, ABI, build type\n"
	      "\n"
	      "NO_COLOR set: the screen does without colours; nothing is told by colour alone.\n"
	      "\n"
	      "Exit status: 0 ok, 1 failed, 2 usage, 3 no such instance.\n", out);
}

/* A number and a unit. Returns 0 or -EINVAL. */
static int parse_interval(const char *text, uint64_t *ns)
{
	static const struct { const char *name; double ns; } unit[] = {
		{ "ms", 1e6 }, { "s", 1e9 }, { "m", 6e10 }, { "h", 3.6e12 },
	};
	char *end;

	if (text[0] < '0' || text[0] > '9') /* strtod would take blanks, signs, inf and nan */
		return -EINVAL;
	double value = strtod(text, &end);
	for (size_t i = 0; i < sizeof(unit) / sizeof(unit[0]); i++)
		if (strcmp(end, unit[i].name) == 0) {
			value *= unit[i].ns;
			if (!(value >= INTERVAL_MIN_NS && value <= INTERVAL_MAX_NS))
				return -EINVAL;
			*ns = (uint64_t)value;
			return 0;
		}
	return -EINVAL;
}

static int parse_frames(const char *text, uint64_t *frames)
{
	char *end;

	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != 0 || errno != 0 || value == 0)
		return -EINVAL;
	*frames = value;
	return 0;
}

enum { OPT_ONCE = 256, OPT_JSON, OPT_SUMMARY, OPT_DEMO, OPT_ASCII };

static const struct option long_options[] = {
	{ "instance", required_argument, NULL, 'i' },
	{ "interval", required_argument, NULL, 'd' },
	{ "frames", required_argument, NULL, 'n' },
	{ "once", no_argument, NULL, OPT_ONCE },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "summary", no_argument, NULL, OPT_SUMMARY },
	{ "demo", no_argument, NULL, OPT_DEMO },
	{ "ascii", no_argument, NULL, OPT_ASCII },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static int parse_one(struct top_options *out, int option, const char *value, FILE *errors)
{
	switch (option) {
	case 'i':
		if (value[0] == 0 || strlen(value) >= sizeof(out->instance)) {
			fprintf(errors, "baton-top: -i: a name of 1 to %u characters is wanted\n", BATON_NAME_BYTES - 1);
			return -EINVAL;
		}
		strcpy(out->instance, value);
		return 0;
	case 'd':
		if (parse_interval(value, &out->interval_ns) == 0)
			return 0;
		fprintf(errors, "baton-top: -d %s: give a time with its unit, 10ms to 1h, such as 500ms or 2s\n", value);
		return -EINVAL;
	case 'n':
		if (parse_frames(value, &out->frames) == 0)
			return 0;
		fprintf(errors, "baton-top: -n %s: give a number of frames, 1 or more\n", value);
		return -EINVAL;
	case OPT_ONCE: out->frames = 1; return 0;
	case OPT_JSON: out->output = OUTPUT_JSON; return 0;
	case OPT_SUMMARY: out->output = OUTPUT_SUMMARY; return 0;
	case OPT_DEMO: out->demo = true; return 0;
	case OPT_ASCII: out->ascii = true; return 0;
	case 'h': out->help = true; return 0;
	case 'V': out->version = true; return 0;
	default:
		fprintf(errors, "baton-top: try 'baton-top --help'\n");
		return -EINVAL;
	}
}

int top_options_parse(struct top_options *out, int argc, char **argv, FILE *errors)
{
	struct top_options o = { 0 };
	int option;

	optind = 0; /* from the start, also the second time */
	while ((option = getopt_long(argc, argv, "i:d:n:hV", long_options, NULL)) != -1)
		if (parse_one(&o, option, optarg, errors) != 0)
			return -EINVAL;
	if (optind < argc) {
		fprintf(errors, "baton-top: %s: no arguments are expected; the instance is named by -i\n", argv[optind]);
		return -EINVAL;
	}
	if (o.interval_ns == 0)
		o.interval_ns = o.output == OUTPUT_SUMMARY ? 5000000000u : 1000000000u;
	if (o.frames != 0 && o.output == OUTPUT_SCREEN)
		o.output = OUTPUT_TEXT;
	if (o.frames == 0 && o.output == OUTPUT_JSON)
		o.frames = 1;
	*out = o;
	return 0;
}
