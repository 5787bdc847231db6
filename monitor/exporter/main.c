/* baton-exporter: starts, says where it listens, serves until it is told to stop. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "exporter/exporter.h"
#include "log.h"
#include "version.h"

#define TURN_MS 200

static volatile sig_atomic_t quit;

static void on_signal(int number)
{
	quit = number;
}

static int serve(const struct exporter_options *o)
{
	struct page page;
	char bound[64], why[400];
	int rc = EXPORTER_FAILED, fd = http_listen(o->listen, bound, why, sizeof(why));
	struct http *http = NULL;

	if (fd < 0) {
		fprintf(stderr, "baton-exporter: %s\n", why);
		return fd == -EINVAL ? EXPORTER_USAGE : EXPORTER_FAILED;
	}
	if (page_init(&page, o->instance) == 0)
		http = http_start(fd, &page);
	if (http) {
		bool up = page_look(&page);
		log_info("serving http://%s/metrics: instance %s%s", bound,
			 page.attached ? page.snapshot->instance : o->instance[0] ? o->instance : "(the only one)",
			 up ? "" : ", which does not run now: baton_up is 0");
		while (!quit)
			http_turn(http, TURN_MS);
		log_info("signal %d: stopping", (int)quit);
		rc = EXPORTER_OK;
	} else {
		fprintf(stderr, "baton-exporter: cannot serve: out of memory or descriptors\n");
	}
	http_stop(http);
	page_fini(&page);
	return rc;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct exporter_options o;

	if (exporter_options_parse(&o, argc, argv, stderr) != 0)
		return EXPORTER_USAGE;
	if (o.help) {
		exporter_options_help(stdout);
		return EXPORTER_OK;
	}
	if (o.version) {
		version_print("baton-exporter");
		return EXPORTER_OK;
	}
	log_init("baton-exporter", LEVEL_INFO);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	action.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &action, NULL);
	return serve(&o);
}
