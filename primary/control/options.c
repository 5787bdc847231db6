/* The command line of batond. What needs no root (checks, limits, plan, help) is done here and ends the program. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
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
	"       batond --plan CONFIG    print the cores and memory the configuration needs, line by line; needs no root\n"
	"       batond --dump-schema    print the configuration's JSON Schema, for editors\n"
	"       batond --limits         print the hard limits of this build\n"
	"       batond --version | --help\n"
	"\n"
	"The primary of Baton: owns ports, buffers, belts and steering, and starts the workers. Runs in the foreground,\n"
	"logs to standard error; SIGTERM or SIGINT stops it in order. docs/operations.md tells the rest.\n"
	"\n"
	"exit code: 0 stopped in order with every buffer accounted for, 1 error (one line says why), 2 usage\n";

/* Up to ACTION_PLAN they need a configuration. */
enum action {
	ACTION_RUN, ACTION_CHECK, ACTION_PLAN, ACTION_LIMITS, ACTION_SCHEMA, ACTION_VERSION, ACTION_HELP, ACTION_USAGE
};

static enum action parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "check", no_argument, NULL, ACTION_CHECK },     { "plan", no_argument, NULL, ACTION_PLAN },
		{ "limits", no_argument, NULL, ACTION_LIMITS },   { "version", no_argument, NULL, ACTION_VERSION },
		{ "help", no_argument, NULL, ACTION_HELP },       { "dump-schema", no_argument, NULL, ACTION_SCHEMA },
		{ NULL, 0, NULL, 0 },
	};
	enum action action = ACTION_RUN;
	int got;

	while ((got = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (got == 'h')
			return ACTION_HELP;
		if (got == '?')
			return ACTION_USAGE;
		if (action != ACTION_RUN) {
			fprintf(stderr, "batond: one of --check, --plan, --limits, --dump-schema, --version at a time\n");
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

/* It is read again at a reload, and shown to clients that stand elsewhere: absolute, if that fits. */
static bool keep_path(const char *path, struct primary *primary)
{
	char *to = primary->config_path, here[PATH_MAX];
	size_t size = sizeof(primary->config_path);

	if (strlen(path) >= size) {
		fprintf(stderr, "batond: path of the configuration is longer than %zu bytes\n", size - 1);
		return false;
	}
	if (path[0] == '/' || getcwd(here, sizeof(here)) == NULL ||
	    snprintf(to, size, "%s/%s", strcmp(here, "/") == 0 ? "" : here, path) >= (int)size)
		snprintf(to, size, "%s", path);
	return true;
}

/* Errors of the file have been printed when this returns false. A plan may be made for another machine's CPUs. */
static bool load(const char *path, bool host, struct primary *primary)
{
	config_keep_cpus();
	return keep_path(path, primary) &&
	       config_load_traced(path, host, &primary->config, &primary->origins, stderr) == 0;
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
	plan_print(primary, stdout);
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
	case ACTION_SCHEMA:
		return config_dump_schema(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	case ACTION_USAGE:
		fputs("try: batond --help\n", stderr);
		return EXIT_USAGE;
	case ACTION_CHECK:
		return config_check_file(argv[optind], stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
	case ACTION_RUN:
	case ACTION_PLAN:
		break;
	}
	if (!load(argv[optind], action == ACTION_RUN, primary))
		return EXIT_FAILURE;
	log_init("batond", (enum log_level)primary->config.log_level);
	return action == ACTION_PLAN ? plan(primary) : -1;
}
