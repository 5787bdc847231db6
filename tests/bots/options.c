/* The command line of baton-bots. */
#include "bots.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "version.h"
#include "wire.h"

static const char usage[] =
	"usage: baton-bots [options] ADDRESS[:PORT]\n"
	"       baton-bots --print-players --players N --seed N\n"
	"       baton-bots --serve MODE [--service game|echo] ADDRESS[:PORT]\n"
	"Plays against a Baton service over kernel UDP sockets and checks every reply. Only attacks are sent again if\n"
	"they are not answered. Of the hit points of all players that are attacked the bots keep books, hit by hit, and\n"
	"close them at the end of the run with a last look at each of them (not counted by --requests).\n"
	"What they are told of neighbours must be what a MOVE said, within lease, cell and radius; at the end all stand\n"
	"still until everybody was told of everybody near.\n"
	"SIGUSR1 tells that the primary was killed: what is under way then need not be answered; nothing more is sent\n"
	"until a probe is, and then every player looks whether what it had been acknowledged still holds.\n"
	"Exit status: 0 nothing lost, duplicated, reordered or wrong, and the books balance; 1 otherwise, or if nothing\n"
	"was answered; 2 usage.\n"
	"\n"
	"      --service game|echo   protocol (game); PORT is 8080 unless given\n"
	"      --players N           players (100)\n"
	"      --sockets N           sockets they share (as many as players, at most 64)\n"
	"      --roam                players change their source port now and then\n"
	"      --mix move=W,heartbeat=W[,attack=W]   weights of the requests of game (move=80,heartbeat=20,attack=0);\n"
	"                            of the attacks as many as cooldowns allow\n"
	"      --teams               players of odd and of even index: attacks go to the other team only\n"
	"      --print-players       print id and team (0 or 1) of each player that these options make, and end\n"
	"      --subscribe N         of 1000 players: are told of their neighbours; then players roam in crowds (0)\n"
	"      --radius N            of all subscriptions, 1 to 200 (any, and changing)\n"
	"      --lease MS            the server's interest.lease (2000)\n"
	"      --violate N           of 1000 attacks: against the rules, to be refused (200)\n"
	"      --insist N            of 1000 attacks: sent again while they are open (50)\n"
	"      --repeat-after MS     an attack without an answer is sent again then (1000)\n"
	"      --tries N             and is lost after so many requests (10)\n"
	"      --outside N  --stale N  --repeat N   of 1000 moves: out of the world, too old, sent again (20, 20, 20)\n"
	"      --long N              of 1000 requests of game: padded to up to 450 bytes (10)\n"
	"      --bytes MIN[-MAX]     payloads of echo, 16 to 1472 (16-400)\n"
	"      --seconds S           length of the run (10, unless --requests is given)\n"
	"      --requests N          requests to make\n"
	"      --in-flight N         requests under way at most, in all (256; more needs --force)\n"
	"      --window N            the same for one player, 1 to 16 (4)\n"
	"      --rate N              requests a second at most (as fast as they are answered)\n"
	"      --lost-after MS       a reply that did not come by then is lost (10000)\n"
	"      --clock-skew MS       allowed between the server's clock and this one (5000)\n"
	"      --connect-timeout S   first wait so long for an answer to a probe\n"
	"      --seed N              of everything random (printed in the report)\n"
	"      --json                report as one JSON object\n"
	"      --serve MODE          be the server, on a kernel socket, until ^C, to try the bots: honest; or drop,\n"
	"                            double, swap, alter: lies in one reply of 1000; or in one attack of 20 that it\n"
	"                            fits: hit-twice, hit-again, hit-unapplied, hit-points, hit-invented, hit-ordinal,\n"
	"                            no-cooldown, refuse, never-busy, old-way, forget-result, drop-attack;\n"
	"                            of neighbours: near-size, near-unasked, near-time, near-cell, near-twice,\n"
	"                            near-back, near-self, near-double, near-unsent, near-refused, near-position,\n"
	"                            near-stale, near-shown, near-ended, near-old-way, near-far, near-after, near-missing\n"
	"      --help  --version\n"
	"\n"
	"Example: baton-bots --players 1000 --seconds 60 --connect-timeout 10 10.77.0.1\n";

enum { OPT_SERVICE = 1000, OPT_PLAYERS, OPT_SOCKETS, OPT_ROAM, OPT_MIX, OPT_OUTSIDE, OPT_STALE, OPT_REPEAT, OPT_LONG,
       OPT_BYTES, OPT_SECONDS, OPT_REQUESTS, OPT_IN_FLIGHT, OPT_WINDOW, OPT_RATE, OPT_LOST_AFTER, OPT_CLOCK_SKEW,
       OPT_CONNECT, OPT_SEED, OPT_JSON, OPT_FORCE, OPT_SERVE, OPT_VIOLATE, OPT_INSIST,
       OPT_REPEAT_AFTER, OPT_TRIES, OPT_TEAMS, OPT_PRINT_PLAYERS, OPT_SUBSCRIBE, OPT_RADIUS,
       OPT_LEASE, OPT_HELP, OPT_VERSION };

static const struct option long_options[] = {
	{ "service", required_argument, NULL, OPT_SERVICE },
	{ "players", required_argument, NULL, OPT_PLAYERS },
	{ "sockets", required_argument, NULL, OPT_SOCKETS },
	{ "roam", no_argument, NULL, OPT_ROAM },
	{ "mix", required_argument, NULL, OPT_MIX },
	{ "outside", required_argument, NULL, OPT_OUTSIDE },
	{ "stale", required_argument, NULL, OPT_STALE },
	{ "repeat", required_argument, NULL, OPT_REPEAT },
	{ "violate", required_argument, NULL, OPT_VIOLATE },
	{ "insist", required_argument, NULL, OPT_INSIST },
	{ "repeat-after", required_argument, NULL, OPT_REPEAT_AFTER },
	{ "tries", required_argument, NULL, OPT_TRIES },
	{ "subscribe", required_argument, NULL, OPT_SUBSCRIBE },
	{ "radius", required_argument, NULL, OPT_RADIUS },
	{ "lease", required_argument, NULL, OPT_LEASE },
	{ "teams", no_argument, NULL, OPT_TEAMS },
	{ "print-players", no_argument, NULL, OPT_PRINT_PLAYERS },
	{ "long", required_argument, NULL, OPT_LONG },
	{ "bytes", required_argument, NULL, OPT_BYTES },
	{ "seconds", required_argument, NULL, OPT_SECONDS },
	{ "requests", required_argument, NULL, OPT_REQUESTS },
	{ "in-flight", required_argument, NULL, OPT_IN_FLIGHT },
	{ "window", required_argument, NULL, OPT_WINDOW },
	{ "rate", required_argument, NULL, OPT_RATE },
	{ "lost-after", required_argument, NULL, OPT_LOST_AFTER },
	{ "clock-skew", required_argument, NULL, OPT_CLOCK_SKEW },
	{ "connect-timeout", required_argument, NULL, OPT_CONNECT },
	{ "seed", required_argument, NULL, OPT_SEED },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "force", no_argument, NULL, OPT_FORCE },
	{ "serve", required_argument, NULL, OPT_SERVE },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

static int refuse(const char *option, const char *value, const char *wanted)
{
	fprintf(stderr, "baton-bots: %s '%s': give %s\n", option, value, wanted);
	return -EINVAL;
}

static int parse_number(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
	char *end;
	char wanted[80];

	errno = 0;
	unsigned long long value = strtoull(text, &end, 0);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value < min || value > max) {
		snprintf(wanted, sizeof(wanted), "a whole number from %llu to %llu", (unsigned long long)min,
			 (unsigned long long)max);
		return refuse(option, text, wanted);
	}
	*out = value;
	return 0;
}

static int parse_u32(const char *option, const char *text, uint32_t min, uint32_t max, uint32_t *out)
{
	uint64_t value;
	int rc = parse_number(option, text, min, max, &value);

	if (rc == 0)
		*out = (uint32_t)value;
	return rc;
}

static int parse_real(const char *option, const char *text, double min, double max, double *out)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end != '\0' || !isfinite(value) || value < min || value > max)
		return refuse(option, text, "a number that makes sense here (see --help)");
	*out = value;
	return 0;
}

static int parse_mix(struct bots_options *o, const char *text)
{
	unsigned int moves = 0, beats = 0, attacks = 0;
	int plain = 0, all = 0;

	sscanf(text, "move=%u,heartbeat=%u%n,attack=%u%n", &moves, &beats, &plain, &attacks, &all);
	int used = all != 0 ? all : plain;
	if (used == 0 || text[used] != '\0' || moves > 10000 || beats > 10000 || attacks > 10000 || moves + beats == 0)
		return refuse("--mix", text, "weights such as move=80,heartbeat=20 or move=60,heartbeat=10,attack=30");
	if (attacks != 0 && moves == 0)
		return refuse("--mix", text, "a weight to move, too: only who has moved can attack");
	o->move_weight = moves;
	o->heartbeat_weight = beats;
	o->attack_weight = attacks;
	return 0;
}

static int parse_bytes(struct bots_options *o, const char *text)
{
	unsigned int min = 0, max = 0;
	int used = 0;
	int found = sscanf(text, "%u%n-%u%n", &min, &used, &max, &used);

	if (found == 1)
		max = min;
	if (found < 1 || text[used] != '\0' || min < 16 || max < min || max > BOTS_MAX_PAYLOAD)
		return refuse("--bytes", text, "a size or a range within 16-1472, such as 16-400");
	o->min_bytes = min;
	o->max_bytes = max;
	return 0;
}

static int parse_service(struct bots_options *o, const char *text)
{
	if (strcmp(text, "game") != 0 && strcmp(text, "echo") != 0)
		return refuse("--service", text, "game or echo");
	o->service = text[0] == 'g' ? BOTS_GAME : BOTS_ECHO;
	return 0;
}

static int parse_server(struct bots_options *o, const char *text)
{
	char address[INET_ADDRSTRLEN];
	const char *colon = strchr(text, ':');
	size_t length = colon != NULL ? (size_t)(colon - text) : strlen(text);
	uint32_t port = GAME_UDP_PORT;

	if (colon != NULL && parse_u32("port", colon + 1, 1, 65535, &port) != 0)
		return -EINVAL;
	if (length >= sizeof(address))
		return refuse("address", text, "an IPv4 address, such as 10.77.0.1 or 10.77.0.1:8080");
	memcpy(address, text, length);
	address[length] = '\0';
	o->server.sin_family = AF_INET;
	o->server.sin_port = htons((uint16_t)port);
	if (inet_pton(AF_INET, address, &o->server.sin_addr) != 1)
		return refuse("address", text, "an IPv4 address, such as 10.77.0.1 or 10.77.0.1:8080");
	return 0;
}

static int parse_one(struct bots_options *o, int which, const char *value)
{
	switch (which) {
	case OPT_SERVICE: return parse_service(o, value);
	case OPT_PLAYERS: return parse_u32("--players", value, 1, BOTS_MAX_PLAYERS, &o->players);
	case OPT_SOCKETS: return parse_u32("--sockets", value, 1, BOTS_MAX_SOCKETS, &o->sockets);
	case OPT_ROAM: o->roam = true; return 0;
	case OPT_SUBSCRIBE: return parse_u32("--subscribe", value, 0, 1000, &o->subscribe_permille);
	case OPT_RADIUS: return parse_u32("--radius", value, 1, (uint32_t)GAME_RADIUS_MOST, &o->radius);
	case OPT_LEASE: return parse_u32("--lease", value, 1, 3600000, &o->lease_ms);
	case OPT_TEAMS: o->teams = true; return 0;
	case OPT_PRINT_PLAYERS: o->print_players = true; return 0;
	case OPT_MIX: return parse_mix(o, value);
	case OPT_OUTSIDE: return parse_u32("--outside", value, 0, 1000, &o->outside_permille);
	case OPT_STALE: return parse_u32("--stale", value, 0, 1000, &o->stale_permille);
	case OPT_REPEAT: return parse_u32("--repeat", value, 0, 1000, &o->repeat_permille);
	case OPT_VIOLATE: return parse_u32("--violate", value, 0, 1000, &o->violate_permille);
	case OPT_INSIST: return parse_u32("--insist", value, 0, 1000, &o->insist_permille);
	case OPT_REPEAT_AFTER: return parse_u32("--repeat-after", value, 1, 3600000, &o->attack_repeat_ms);
	case OPT_TRIES: return parse_u32("--tries", value, 1, 1000000, &o->attack_tries);
	case OPT_LONG: return parse_u32("--long", value, 0, 1000, &o->long_permille);
	case OPT_BYTES: return parse_bytes(o, value);
	case OPT_SECONDS: return parse_real("--seconds", value, 0.001, 1e7, &o->seconds);
	case OPT_REQUESTS: return parse_number("--requests", value, 1, UINT64_MAX / 2, &o->requests);
	case OPT_IN_FLIGHT: return parse_u32("--in-flight", value, 1, BOTS_MAX_FLIGHT, &o->in_flight);
	case OPT_WINDOW: return parse_u32("--window", value, 1, BOTS_MAX_WINDOW, &o->window);
	case OPT_RATE: return parse_real("--rate", value, 0.001, 1e9, &o->rate);
	case OPT_LOST_AFTER: return parse_u32("--lost-after", value, 1, 3600000, &o->lost_after_ms);
	case OPT_CLOCK_SKEW: return parse_u32("--clock-skew", value, 0, UINT32_MAX, &o->clock_skew_ms);
	case OPT_CONNECT: return parse_real("--connect-timeout", value, 0, 3600, &o->connect_timeout);
	case OPT_SEED: o->seeded = true; return parse_number("--seed", value, 0, UINT64_MAX, &o->seed);
	case OPT_JSON: o->json = true; return 0;
	case OPT_SERVE:
		o->serve = true;
		return liar_mode(value, &o->lie) == 0 ? 0
			: refuse("--serve", value, "a mode that --help lists");
	default: return -EINVAL;
	}
}

static int finish(struct bots_options *o, bool force, int argc, char **argv)
{
	if (o->print_players && !o->seeded) {
		fputs("baton-bots: --print-players: give --seed, too: without it every run has other players\n", stderr);
		return -EINVAL;
	}
	if (o->print_players && optind == argc)
		return 0;
	if (optind != argc - 1) {
		fprintf(stderr, "baton-bots: %s; see baton-bots --help\n",
			optind < argc ? "one address only" : "give the address of the service");
		return -EINVAL;
	}
	if (o->in_flight > BOTS_SAFE_FLIGHT && !force) {
		fprintf(stderr, "baton-bots: --in-flight %u: more than %u can be lost in a buffer of the kernel, and"
			" then a loss is nobody's fault; add --force if that is what you want\n", o->in_flight,
			BOTS_SAFE_FLIGHT);
		return -EINVAL;
	}
	if (o->attack_weight != 0 && o->players < 2) {
		fprintf(stderr, "baton-bots: --players %u: attacks need two at least\n", o->players);
		return -EINVAL;
	}
	uint64_t subscribers = (uint64_t)o->players * o->subscribe_permille / 1000;
	if (o->subscribe_permille != 0 && (subscribers == 0 || subscribers > BOTS_MAX_SUBSCRIBERS)) {
		fprintf(stderr, "baton-bots: --subscribe %u of %u players: makes %llu, should be 1 to %u\n",
			o->subscribe_permille, o->players, (unsigned long long)subscribers, BOTS_MAX_SUBSCRIBERS);
		return -EINVAL;
	}
	if (o->sockets == 0)
		o->sockets = o->players < 64 ? o->players : 64;
	if (o->seconds <= 0 && o->requests == 0)
		o->seconds = 10;
	return parse_server(o, argv[optind]);
}

int bots_options_parse(struct bots_options *o, int argc, char **argv)
{
	bool force = false;
	int which;

	*o = (struct bots_options){
		.players = 100, .in_flight = BOTS_SAFE_FLIGHT, .window = 4, .move_weight = 80, .heartbeat_weight = 20,
		.outside_permille = 20, .stale_permille = 20, .repeat_permille = 20, .long_permille = 10,
		.min_bytes = 16, .max_bytes = 400, .lost_after_ms = 10000, .clock_skew_ms = 5000,
		.violate_permille = 200, .insist_permille = 50, .attack_repeat_ms = 1000, .attack_tries = 10,
		.lease_ms = 2000, .neighbour_wait_ms = 10000,
	};
	if (getrandom(&o->seed, sizeof(o->seed), 0) != sizeof(o->seed))
		return -EIO;
	o->seed >>= 12; /* below 2^52: every reader of JSON keeps it exactly */
	optind = 1;
	while ((which = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (which == OPT_HELP) {
			fputs(usage, stdout);
			return 1;
		}
		if (which == OPT_VERSION) {
			version_print("baton-bots");
			return 1;
		}
		if (which == OPT_FORCE)
			force = true;
		else if (parse_one(o, which, optarg) != 0)
			return -EINVAL;
	}
	return finish(o, force, argc, argv);
}
