/* baton-bots: plays against a service and checks every reply. */
#include <errno.h>
#include <signal.h>

#include "bots.h"

static volatile sig_atomic_t stop, kills;

/* Once: stop sending, wait for what is under way, report. Twice: report at once. */
static void on_signal(int number)
{
	(void)number;
	stop = stop + 1;
}

/* The primary has just been killed. */
static void on_kill(int number)
{
	(void)number;
	kills = kills + 1;
}

static int serve(const struct bots_options *options)
{
	struct sockaddr_in address = options->server;
	struct liar liar;
	int rc = liar_open(&liar, options->lie, options->service, options->lie <= LIE_ALTER ? 1000 : 20, &address);

	if (rc != 0)
		return 1;
	liar.regen_ns = 1000000000; /* as the game's own: one by each tick */
	rc = liar_serve(&liar, &stop);
	printf("%llu requests, %llu replies, %llu lies\n", (unsigned long long)liar.requests,
	       (unsigned long long)liar.replies, (unsigned long long)liar.lies);
	liar_close(&liar);
	return rc == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct bots_options options;
	struct bots_tally tally;
	int rc = bots_options_parse(&options, argc, argv);

	if (rc != 0)
		return rc > 0 ? 0 : 2;
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	options.kills = &kills;
	action.sa_handler = on_kill;
	sigaction(SIGUSR1, &action, NULL);
	if (options.print_players) {
		bots_print_players(&options, stdout);
		return 0;
	}
	if (options.serve)
		return serve(&options);
	rc = bots_run(&options, &tally, &stop);
	bots_report(&options, &tally, stdout);
	return rc == 0 && bots_passed(&tally) ? 0 : 1;
}
