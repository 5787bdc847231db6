/* baton-bots: options, what a run counts, and the run itself. */
#ifndef BATON_TESTS_BOTS_H
#define BATON_TESTS_BOTS_H

#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core_stats.h"
#include "ledger.h"
#include "liar.h"
#include "wire.h"

#define BOTS_MAX_PAYLOAD   1472u
#define BOTS_MAX_WINDOW    16u
#define BOTS_SAFE_FLIGHT   256u /* more could be lost in a buffer of the kernel during a pause of the machine */
#define BOTS_MAX_FLIGHT    65536u
#define BOTS_MAX_SOCKETS   4096u
#define BOTS_MAX_PLAYERS   1000000u
#define BOTS_MAX_SUBSCRIBERS 4096u
#define BOTS_OUTAGES_KEPT  256u
#define BOTS_VICTIMS_KEPT  4096u

struct bots_options {
	struct sockaddr_in server;
	enum bots_service service;
	uint32_t players;
	uint32_t sockets; /* 0: as many as players, at most 64 */
	uint32_t in_flight;
	uint32_t window; /* requests of one player under way at most */
	uint32_t move_weight, heartbeat_weight, attack_weight;
	uint32_t violate_permille; /* of the attacks: against the rules, to see them refused */
	uint32_t insist_permille;  /* of the attacks: sent again while they are open */
	uint32_t subscribe_permille; /* of the players: are told of their neighbours; 0: nobody is */
	uint32_t radius;             /* of all subscriptions, 0: any */
	uint32_t lease_ms;           /* interest.lease of the server */
	uint32_t neighbour_wait_ms;  /* for the last of the neighbours to be told of at the end */
	uint32_t attack_repeat_ms; /* an attack without an answer is sent again then */
	uint32_t attack_tries;     /* and counts as lost after so many */
	uint32_t outside_permille, stale_permille, repeat_permille; /* of the moves */
	uint32_t long_permille;                                     /* requests padded beyond an inline slot */
	uint32_t min_bytes, max_bytes;                              /* payloads of the echo service */
	uint64_t requests;                                          /* 0: until the time is over */
	double seconds;                                             /* 0: until the requests are made */
	double rate;                                                /* requests a second, 0: as fast as answered */
	double connect_timeout;                                     /* seconds to wait for a first answer, 0: none */
	uint32_t lost_after_ms;
	uint32_t clock_skew_ms; /* allowed between the server's clock and ours */
	uint64_t seed;
	bool seeded; /* by --seed */
	bool roam;
	bool teams;         /* players of odd and of even index: attacks go to the other team only */
	bool print_players; /* say who would play, do not play */
	bool json;
	bool serve; /* be a server instead */
	enum lie lie;
	/* Goes up by one when the primary has been killed: what is under way then may be unanswered for ever. NULL: it is
	 * never killed. */
	const volatile sig_atomic_t *kills;
};

#define BOTS_STATUSES (GAME_NO_PLAYER + 1u)

enum bots_books { BOOKS_NONE, BOOKS_BALANCED, BOOKS_OFF };

/* What came of the attacks. One attack is one in `sent` and `received`, however often it was sent. */
struct bots_attacks {
	uint64_t attacks, hits, missed, down, no_target, target_full;
	uint64_t refused[BOTS_STATUSES]; /* by status; NO_TARGET: attacks on oneself */
	uint64_t repeats;                /* requests sent again with the same sequence */
	uint64_t echoes;                 /* replies to them that said the same again */
	uint64_t superseded; /* never answered, for a newer attack was sent meanwhile and was taken */
	uint64_t uncertain;  /* the target was on its way elsewhere: hit or missed, both right */
	uint64_t roams;      /* changes of a player's port while an attack of it was open */
	uint64_t audits;     /* attacks beside the target, to close its account */
	uint64_t damage;
	struct attack_faults faults;
	enum bots_books books;
};

/* X(constant, field, text): what can be wrong with NEIGHBOURS packets. One of the first six ends the judgement of the
 * packet. */
#define INTEREST_FAULTS(X) \
	X(MALFORMED, malformed, "a packet whose size, count, token or cell cannot be") \
	X(UNASKED, unasked, "a packet to a player who has not subscribed") \
	X(TIME, time, "a packet whose time cannot be") \
	X(CELL, cell, "neighbours outside the cell") \
	X(REPEATED, repeated, "a tick of a cell for the second time") \
	X(BACK, back, "a tick of a cell after a newer one, by the same way") \
	X(SELF, self, "a player told of itself") \
	X(DOUBLED, doubled, "a neighbour twice in one packet") \
	X(UNSENT, unsent, "a neighbour at a MOVE that was never sent, or was refused") \
	X(POSITION, position, "a neighbour elsewhere than its MOVE said") \
	X(STALE, stale, "a neighbour where it was longer than a lease ago") \
	X(SHOWN, shown, "a neighbour who has not subscribed") \
	X(WAY, way, "a packet by a way that the player has left longer than a lease ago") \
	X(FAR, far, "neighbours beyond the radius") \
	X(MISSING, missing, "a neighbour who was not told of at the end")

enum interest_fault {
#define X(constant, field, text) INTEREST_##constant,
	INTEREST_FAULTS(X)
#undef X
	INTEREST_FINE /* none, so also their number */
};

/* What came of the subscriptions. */
struct bots_interest {
	uint32_t subscribers; /* players who may */
	uint64_t subscribes;  /* requests */
	uint64_t updates;     /* packets that the server started */
	uint64_t neighbours_told, strangers; /* in them; strangers: players of somebody else */
	uint64_t pairs_checked; /* within the radius at the end */
	uint64_t fault[INTEREST_FINE];
	uint32_t told; /* described on standard error so far */
	bool closed;   /* the end was reached */
};

/* Times without a primary, from the word of its kill to the first answer to a probe. */
struct bots_outages {
	uint64_t count, over;
	uint64_t ns[BOTS_OUTAGES_KEPT]; /* of the first ones */
	uint64_t unanswered; /* requests that were under way at a kill and have had no answer: done or not, nobody knows */
	uint64_t looks;      /* players whose position and sequence were compared with what had been acknowledged */
	uint64_t applied;    /* of them with the effect of an unanswered move */
};

/* What came of the requests. At the end sent = received + lost + unanswered: `received` counts requests that were
 * answered, rightly or wrongly; duplicates, late replies and replies to nothing are not in it. */
struct bots_tally {
	uint64_t sent, received;
	uint64_t lost, duplicated, reordered, wrong;
	uint64_t error_replies; /* outside the world, or server full: as expected, so not wrong */
	uint64_t stale_replies, full, late, probes, roams, refused, socket_drops;
	uint64_t rtt[STATS_HIST_BUCKETS];
	uint64_t rtt_max_ns;
	uint64_t longest_gap_ns; /* without any reply while a request was under way */
	uint64_t elapsed_ns;
	uint32_t wrong_told; /* described on standard error so far */
	uint64_t blamed;     /* of lost, duplicated, reordered and wrong: what is known to have befallen which player */
	uint32_t victims;    /* players whom it befell */
	uint32_t victim[BOTS_VICTIMS_KEPT]; /* ids of the first ones */
	struct bots_attacks attack;
	struct bots_interest interest;
	struct bots_outages outage;
};

/* Reads the command line. Returns 0; 1 if --help or --version were answered; -EINVAL after an error was printed. */
int bots_options_parse(struct bots_options *options, int argc, char **argv);

/* Plays until time, requests or *stop end it, then waits for what is under way. Returns 0, or -errno with a line on
 * standard error if it could not run; -ETIMEDOUT: no answer within connect_timeout. */
int bots_run(const struct bots_options *options, struct bots_tally *tally, const volatile sig_atomic_t *stop);

/* One line for each player: its id and its team (0 or 1). */
void bots_print_players(const struct bots_options *options, FILE *out);

void bots_report(const struct bots_options *options, const struct bots_tally *tally, FILE *out);

/* All that is wrong with the attacks in one number. */
uint64_t bots_attack_faults(const struct bots_attacks *attacks);

uint64_t bots_interest_faults(const struct bots_interest *interest);

/* True if something was answered and nothing was lost, duplicated, reordered or wrong, the books balance, and whoever
 * is near was told of. */
bool bots_passed(const struct bots_tally *tally);

#endif
