/* Command line of baton-exporter. */
#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "exporter/exporter.h"

void exporter_options_help(FILE *out)
{
	fputs("Usage: baton-exporter [-i INSTANCE] [--listen ADDRESS:PORT]\n"
	      "Serves the counters of a running batond to Prometheus. Needs no root. A batond that stops or restarts is\n"
	      "followed: baton_up says whether there is one.\n"
	      "\n"
	      "  -i, --instance NAME     instance to show (default: the only one there is)\n"
	      "  -l, --listen ADDRESS    where to listen (default " EXPORTER_LISTEN "); [::1]:9808 for IPv6; port 0 takes\n"
	      "                          any that is free\n"
	      "  -h, --help              this text\n"
	      "  -V, --version           version, build id, ABI, build type\n"
	      "\n"
	      "  /metrics                Prometheus text format 0.0.4\n"
	      "  /healthz                200 as long as the exporter serves\n"
	      "\n"
	      "Exit status: 0 stopped by SIGTERM or ^C, 1 failed, 2 usage.\n", out);
}

int exporter_options_parse(struct exporter_options *out, int argc, char **argv, FILE *errors)
{
	static const struct option options[] = {
		{ "instance", required_argument, NULL, 'i' }, { "listen", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },	      { "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	struct exporter_options o = { .listen = EXPORTER_LISTEN };
	int option;

	optind = 0; /* from the start, also the second time */
	while ((option = getopt_long(argc, argv, "i:l:hV", options, NULL)) != -1) {
		switch (option) {
		case 'i':
			if (!optarg[0] || strlen(optarg) >= sizeof(o.instance) || strchr(optarg, '/')) {
				fprintf(errors, "baton-exporter: -i: a name of 1 to %u characters is wanted\n",
					BATON_NAME_BYTES - 1);
				return -EINVAL;
			}
			strcpy(o.instance, optarg);
			break;
		case 'l': o.listen = optarg; break;
		case 'h': o.help = true; break;
		case 'V': o.version = true; break;
		default:
			fputs("baton-exporter: try 'baton-exporter --help'\n", errors);
			return -EINVAL;
		}
	}
	if (optind < argc) {
		fprintf(errors, "baton-exporter: %s: no arguments are expected; the instance is named by -i\n",
			argv[optind]);
		return -EINVAL;
	}
	*out = o;
	return 0;
}
