/* The command line of batond. What needs no root (checks, limits, plan, help) is done here and ends the program. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "primary.h"
#include "version.h"

#define EXIT_USAGE 2

static const char usage[] =
	"usage: batond CONFIG\n"
	"       batond --check CONFIG   check the configuration and end; needs no root\n"
	"       batond --plan CONFIG    print how much memory the configuration needs, and why\n"
	"       batond --limits         print the hard limits of this build\n"
	"       batond --version | --help\n"
	"\n"
	"The primary of Baton: owns ports, buffers, belts and steering, and starts the workers. Runs in the foreground,\n"
	"logs to standard error; SIGTERM or SIGINT stops it in order. docs/operations.md tells the rest.\n"
	"\n"
	"exit code: 0 stopped in order with every buffer accounted for, 1 error (one line says why), 2 usage\n";

enum action { ACTION_RUN, ACTION_CHECK, ACTION_PLAN, ACTION_LIMITS, ACTION_VERSION, ACTION_HELP, ACTION_USAGE };

static enum action parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "check", no_argument, NULL, ACTION_CHECK },     { "plan", no_argument, NULL, ACTION_PLAN },
		{ "limits", no_argument, NULL, ACTION_LIMITS },   { "version", no_argument, NULL, ACTION_VERSION },
		{ "help", no_argument, NULL, ACTION_HELP },       { NULL, 0, NULL, 0 },
	};
	enum action action = ACTION_RUN;
	int got;

	while ((got = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (got == 'h')
			return ACTION_HELP;
		if (got == '?')
			return ACTION_USAGE;
		if (action != ACTION_RUN) {
			fprintf(stderr, "batond: one of --check, --plan, --limits, --version at a time\n");
			return ACTION_USAGE;
		}
		action = (enum action)got;
	}
	if (argc - optind != (action <= ACTION_PLAN ? 1 : 0)) {
		fprintf(stderr, "batond: %s\n", action <= ACTION_PLAN ? "exactly one configuration file is needed"
								    : "no argument is needed with that option");
		return ACTION_USAGE;
	}
	return action;
}

/* Errors of the file have been printed when this returns false. */
static bool load(const char *path, struct primary *primary)
{
	if (snprintf(primary->config_path, sizeof(primary->config_path), "%s", path) >=
	    (int)sizeof(primary->config_path)) {
		fprintf(stderr, "batond: path of the configuration is longer than %u bytes\n", BATON_PATH_BYTES - 1);
		return false;
	}
	return config_load(path, &primary->config, stderr) == 0;
}

static int plan(struct primary *primary)
{
	int rc = plan_compute(&primary->config, &primary->plan);

	if (rc != 0)
		return EXIT_FAILURE;
	/* The state file depends on the plugins' records. */
	rc = supervisor_describe_plugins(primary);
	if (rc == 0)
		rc = plan_init(primary);
	plan_print(primary);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int options_parse(int argc, char **argv, struct primary *primary)
{
	enum action action = parse(argc, argv);

	log_init("batond", LEVEL_INFO);
	switch (action) {
	case ACTION_HELP:
		fputs(usage, stdout);
		return EXIT_SUCCESS;
	case ACTION_VERSION:
		version_print("batond");
		return EXIT_SUCCESS;
	case ACTION_LIMITS:
		limits_print();
		return EXIT_SUCCESS;
	case ACTION_USAGE:
		fputs("try: batond --help\n", stderr);
		return EXIT_USAGE;
	case ACTION_CHECK:
		return config_check_file(argv[optind], stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	case ACTION_RUN:
	case ACTION_PLAN:
		break;
	}
	if (!load(argv[optind], primary))
		return EXIT_FAILURE;
	log_init("batond", (enum log_level)primary->config.log_level);
	return action == ACTION_PLAN ? plan(primary) : -1;
}
