/* baton-bots against a server on loopback that lies in one reply of 1000: each lie must be reported, as what it is, and
 * nothing else. Bounded by requests, not by time; only a dropped reply takes the time after which it counts as lost. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bots_rig.h"

/* The last lie is told 500 replies before the end, so that no swapped reply waits for a successor in vain. */
#define REQUESTS  10500u
#define LIES_TOLD 10u

static const struct bots_options basic = {
	.players = 40, .sockets = 8, .in_flight = 256, .window = 4, .requests = REQUESTS, .move_weight = 80,
	.heartbeat_weight = 20, .outside_permille = 20, .stale_permille = 20, .repeat_permille = 20,
	.long_permille = 10,
	.min_bytes = 16, .max_bytes = 400, .lost_after_ms = 10000, .clock_skew_ms = 5000,
};

struct counts {
	uint64_t lost, duplicated, reordered, wrong;
};

static bool among(uint32_t id, const uint32_t *list, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		if (list[i] == id)
			return true;
	return false;
}

/* All of them, each once, and nobody else. */
static void victims_are_those_who_were_lied_to(const struct liar *liar, const struct bots_tally *tally)
{
	assert_true(liar->lies <= LIAR_VICTIMS);
	for (uint32_t i = 0; i < tally->victims; i++) {
		assert_true(among(tally->victim[i], liar->victim, liar->lies));
		assert_false(among(tally->victim[i], tally->victim, i));
	}
	for (uint64_t i = 0; i < liar->lies; i++)
		assert_true(among(liar->victim[i], tally->victim, tally->victims));
}

static void play(enum lie lie, enum bots_service service, struct bots_options options, struct counts want)
{
	static const volatile sig_atomic_t go_on;
	struct server server;
	struct bots_tally tally;

	options.service = service;
	options.seed = 1 + (uint64_t)lie;
	server_start(&server, lie, service, 1000, 0, &options.server);
	assert_int_equal(bots_run(&options, &tally, &go_on), 0);
	server_stop(&server);
	assert_int_equal(server.liar.requests, options.requests);
	assert_int_equal(server.liar.lies, want.lost + want.duplicated + want.reordered + want.wrong);
	assert_int_equal(tally.sent, options.requests);
	assert_int_equal(tally.received, options.requests - want.lost);
	assert_int_equal(tally.lost, want.lost);
	assert_int_equal(tally.duplicated, want.duplicated);
	assert_int_equal(tally.reordered, want.reordered);
	assert_int_equal(tally.wrong, want.wrong);
	assert_int_equal(tally.late + tally.full + tally.refused + tally.socket_drops, 0);
	assert_int_equal(bots_passed(&tally), lie == LIE_HONEST);
	assert_int_equal(tally.blamed, server.liar.lies);
	victims_are_those_who_were_lied_to(&server.liar, &tally);
	if (service == BOTS_GAME)
		assert_true(tally.error_replies > 0 && tally.stale_replies > 0);
	if (options.roam)
		assert_true(tally.roams > 0);
}

static void an_honest_server_passes(void **state)
{
	struct bots_options options = basic;

	(void)state;
	options.roam = true;
	play(LIE_HONEST, BOTS_GAME, options, (struct counts){ 0 });
	play(LIE_HONEST, BOTS_ECHO, options, (struct counts){ 0 });
	options.roam = false; /* one player over one socket */
	options.players = options.sockets = 1;
	options.window = 16;
	play(LIE_HONEST, BOTS_GAME, options, (struct counts){ 0 });
}

static void long_payloads_come_back_whole(void **state)
{
	struct bots_options options = basic;

	(void)state;
	options.min_bytes = 1400;
	options.max_bytes = BOTS_MAX_PAYLOAD;
	options.in_flight = 64; /* fits a receive buffer that root has not enlarged */
	play(LIE_HONEST, BOTS_ECHO, options, (struct counts){ 0 });
}

static void a_dropped_reply_is_lost(void **state)
{
	struct bots_options options = basic;

	(void)state;
	play(LIE_DROP, BOTS_GAME, options, (struct counts){ .lost = LIES_TOLD });
}

static void a_doubled_reply_is_duplicated(void **state)
{
	(void)state;
	play(LIE_DOUBLE, BOTS_GAME, basic, (struct counts){ .duplicated = LIES_TOLD });
	play(LIE_DOUBLE, BOTS_ECHO, basic, (struct counts){ .duplicated = LIES_TOLD });
}

static void a_swapped_reply_is_reordered(void **state)
{
	struct bots_options options = basic;

	(void)state;
	options.repeat_permille = 0; /* before one a player waits for its last reply: held back, it would be lost */
	play(LIE_SWAP, BOTS_GAME, options, (struct counts){ .reordered = LIES_TOLD });
	play(LIE_SWAP, BOTS_ECHO, options, (struct counts){ .reordered = LIES_TOLD });
}

static void an_altered_reply_is_wrong(void **state)
{
	(void)state;
	play(LIE_ALTER, BOTS_GAME, basic, (struct counts){ .wrong = LIES_TOLD });
	play(LIE_ALTER, BOTS_ECHO, basic, (struct counts){ .wrong = LIES_TOLD });
}

static void a_first_answer_is_waited_for(void **state)
{
	static const volatile sig_atomic_t go_on;
	struct bots_options options = basic;
	struct bots_tally tally;
	struct server server;

	(void)state;
	server_start(&server, LIE_HONEST, BOTS_GAME, 1000, 0, &options.server);
	options.requests = 100;
	options.connect_timeout = 60;
	assert_int_equal(bots_run(&options, &tally, &go_on), 0);
	server_stop(&server);
	assert_true(tally.probes >= 1);
	assert_int_equal(tally.sent, 100);
	assert_true(bots_passed(&tally));
}

static void silence_is_no_success(void **state)
{
	static const volatile sig_atomic_t go_on;
	struct bots_options options = basic;
	struct sockaddr_in *address = &options.server;
	socklen_t length = sizeof(*address);
	struct bots_tally tally;
	int mute = socket(AF_INET, SOCK_DGRAM, 0); /* takes everything, answers nothing */

	(void)state;
	*address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(bind(mute, (struct sockaddr *)address, length), 0);
	assert_int_equal(getsockname(mute, (struct sockaddr *)address, &length), 0);
	options.connect_timeout = 0.2;
	assert_int_equal(bots_run(&options, &tally, &go_on), -ETIMEDOUT);
	assert_int_equal(tally.sent, 0);
	assert_false(bots_passed(&tally));

	options.connect_timeout = 0;
	options.requests = 5;
	options.lost_after_ms = 200;
	assert_int_equal(bots_run(&options, &tally, &go_on), 0);
	assert_int_equal(tally.lost, 5);
	assert_false(bots_passed(&tally));
	close(mute);
}

static void a_stop_ends_the_run_early_and_clean(void **state)
{
	static const volatile sig_atomic_t stopped = 1;
	struct bots_options options = basic;
	struct bots_tally tally;
	struct server server;

	(void)state;
	server_start(&server, LIE_HONEST, BOTS_GAME, 1000, 0, &options.server);
	assert_int_equal(bots_run(&options, &tally, &stopped), 0);
	server_stop(&server);
	assert_int_equal(tally.sent, 0);
	assert_false(bots_passed(&tally));
}

/* Parses a command line given as words separated by blanks. */
static int parse(struct bots_options *options, const char *line)
{
	char copy[256], *argv[32] = { "baton-bots" };
	int argc = 1;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *rest = copy, *word; argc < 31 && (word = strtok_r(rest, " ", &rest)) != NULL;)
		argv[argc++] = word;
	return bots_options_parse(options, argc, argv);
}

static void options_mean_what_help_says(void **state)
{
	struct bots_options o;

	(void)state;
	assert_int_equal(parse(&o, "10.0.0.1"), 0);
	assert_int_equal(ntohs(o.server.sin_port), 8080);
	assert_int_equal(o.players, 100);
	assert_int_equal(o.sockets, 64);
	assert_int_equal(o.in_flight, 256);
	assert_int_equal(o.lost_after_ms, 10000);
	assert_true(o.seconds > 9.9 && o.seconds < 10.1 && o.requests == 0);
	assert_int_equal(parse(&o, "--service echo --bytes 64 --requests 7 --players 3 --seed 12 --json --roam "
				   "10.0.0.1:99"), 0);
	assert_int_equal(o.service, BOTS_ECHO);
	assert_int_equal(ntohs(o.server.sin_port), 99);
	assert_true(o.requests == 7 && o.seconds == 0 && o.sockets == 3 && o.seed == 12 && o.json && o.roam);
	assert_true(o.min_bytes == 64 && o.max_bytes == 64);
	assert_int_equal(parse(&o, "--mix move=1,heartbeat=0 --force --in-flight 300 10.0.0.1"), 0);
	assert_true(o.move_weight == 1 && o.heartbeat_weight == 0 && o.attack_weight == 0 && o.in_flight == 300);
	assert_true(o.violate_permille == 200 && o.insist_permille == 50 && o.attack_repeat_ms == 1000);
	assert_int_equal(o.attack_tries, 10);
	assert_int_equal(parse(&o, "--mix move=1,heartbeat=2,attack=3 --violate 4 --insist 5 --repeat-after 6 "
				   "--tries 7 10.0.0.1"), 0);
	assert_true(o.move_weight == 1 && o.heartbeat_weight == 2 && o.attack_weight == 3 && o.violate_permille == 4);
	assert_true(o.insist_permille == 5 && o.attack_repeat_ms == 6 && o.attack_tries == 7);
}

static void nonsense_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "localhost", "10.0.0.1 10.0.0.2", "10.0.0.1:0", "10.0.0.1:65536", "10.0.0.1:http", "10.0.0.256",
		"--players 0 10.0.0.1", "--players x 10.0.0.1", "--players 1000001 10.0.0.1",
		"--in-flight 257 10.0.0.1", "--in-flight 0 10.0.0.1", "--window 17 10.0.0.1",
		"--mix move=0,heartbeat=0 10.0.0.1", "--mix move=1 10.0.0.1", "--mix move=1,heartbeat=1x 10.0.0.1",
		"--mix move=1,heartbeat=1,attack= 10.0.0.1", "--mix move=1,heartbeat=1,attack=1x 10.0.0.1",
		"--mix move=0,heartbeat=1,attack=1 10.0.0.1", "--mix move=1,heartbeat=1,attack=10001 10.0.0.1",
		"--players 1 --mix move=1,heartbeat=1,attack=1 10.0.0.1", "--violate 1001 10.0.0.1",
		"--insist 1001 10.0.0.1", "--repeat-after 0 10.0.0.1", "--tries 0 10.0.0.1", "--serve hit 10.0.0.1",
		"--bytes 8 10.0.0.1", "--bytes 16-15 10.0.0.1", "--bytes 16-1473 10.0.0.1",
		"--bytes 16-20-24 10.0.0.1", "--seconds 0 10.0.0.1", "--seconds nan 10.0.0.1",
		"--service chat 10.0.0.1",
		"--rate -1 10.0.0.1", "--seed -1 10.0.0.1", "--outside 1001 10.0.0.1", "--serve truth 10.0.0.1",
		"--no-such-option 10.0.0.1", "--players",
	};
	struct bots_options o;

	(void)state;
	for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse(&o, bad[i]) != -EINVAL)
			fail_msg("'%s' was accepted", bad[i]);
}

static void unbalanced_books_are_no_success(void **state)
{
	struct bots_tally tally = { .sent = 3, .received = 3, .attack.books = BOOKS_BALANCED };

	(void)state;
	assert_true(bots_passed(&tally));
	tally.attack.books = BOOKS_OFF;
	assert_false(bots_passed(&tally));
	tally.attack.books = BOOKS_BALANCED;
#define X(field, text) \
	tally.attack.faults.field = 1; \
	assert_false(bots_passed(&tally)); \
	tally.attack.faults.field = 0;
	ATTACK_FAULTS(X)
#undef X
	assert_true(bots_passed(&tally));
}

static void the_json_report_has_its_keys(void **state)
{
	static const char *const keys[] = {
		"sent", "received", "lost", "duplicated", "reordered", "wrong", "error_replies", "rtt_p50_us",
		"rtt_p99_us", "rtt_max_us", "longest_gap_ms", "victims", "seed", "seconds",
	};
	struct bots_tally tally = {
		.attack = { .hits = 5, .refused = { [GAME_BUSY] = 6, [GAME_NO_TARGET] = 7 }, .books = BOOKS_OFF,
			    .faults = { .lost_hits = 8, .stored_faults = 9 } },
		.sent = 3, .received = 1, .lost = 2, .rtt_max_ns = 1500, .elapsed_ns = 2000000000,
	};
	struct bots_options options = basic;
	char *text = NULL, quoted[40];
	size_t length;

	(void)state;
	options.json = true;
	options.seed = 77;
	FILE *out = open_memstream(&text, &length);
	assert_non_null(out);
	bots_report(&options, &tally, out);
	fclose(out);
	for (uint32_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		snprintf(quoted, sizeof(quoted), "\"%s\":", keys[i]);
		assert_non_null(strstr(text, quoted));
	}
	assert_non_null(strstr(text, "\"lost\":2,"));
	assert_non_null(strstr(text, "\"seed\":77,\"seconds\":2.000,\"passed\":false}"));
	assert_non_null(strstr(text, "\"hits\":5,"));
	assert_non_null(strstr(text, "\"refused\":{\"busy\":6,\"cooldown\":0,"));
	assert_non_null(strstr(text, "\"self\":7,"));
	assert_non_null(strstr(text, "\"lost_hits\":8,"));
	assert_non_null(strstr(text, "\"faults\":17,\"books\":\"off\"},"));
	assert_ptr_equal(strchr(text, '\n'), text + length - 1);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_honest_server_passes),
		cmocka_unit_test(long_payloads_come_back_whole),
		cmocka_unit_test(a_dropped_reply_is_lost),
		cmocka_unit_test(a_doubled_reply_is_duplicated),
		cmocka_unit_test(a_swapped_reply_is_reordered),
		cmocka_unit_test(an_altered_reply_is_wrong),
		cmocka_unit_test(a_first_answer_is_waited_for),
		cmocka_unit_test(silence_is_no_success),
		cmocka_unit_test(a_stop_ends_the_run_early_and_clean),
		cmocka_unit_test(options_mean_what_help_says),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(unbalanced_books_are_no_success),
		cmocka_unit_test(the_json_report_has_its_keys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
