/* What the bots know: every player's state as the server must have it, every request under way, and the judgement of
 * each reply against both. No sockets, no clock: times are arguments, so that tests can drive it. */
#ifndef BATON_TESTS_BOTS_MODEL_H
#define BATON_TESTS_BOTS_MODEL_H

#include "bots.h"
#include "wire.h"

#define MODEL_NONE    UINT32_MAX
#define MODEL_HISTORY 16u  /* replies a player remembers, to know a duplicate from a forgery */
#define MODEL_LOST    1024u /* lost requests remembered, to know a late reply from a duplicate */

struct position {
	float x, y, z;
};

enum request_kind {
	REQUEST_MOVE,      /* newer than all before: applied */
	REQUEST_OUTSIDE,   /* beyond the world or not finite: refused, changes nothing */
	REQUEST_STALE,     /* older than one that was acknowledged: changes nothing */
	REQUEST_REPEAT,    /* the last one's sequence again: acknowledged again, changes nothing */
	REQUEST_LOOK,      /* the same after an outage: says whether an unanswered one was applied, and which */
	REQUEST_HEARTBEAT,
	REQUEST_ECHO,
	REQUEST_ATTACK,
	REQUEST_SUBSCRIBE,
};

enum attack_kind {
	ATTACK_AIMED,       /* by all rules, but too early at times */
	ATTACK_LOOK,        /* the same, beside a target whose account is opened or closed by it */
	ATTACK_BESIDE,      /* misses */
	ATTACK_UNKNOWN,     /* of a target that does not exist */
	ATTACK_NO_SKILL, ATTACK_OUTSIDE, ATTACK_SELF, ATTACK_FAR, /* refused for that */
	ATTACK_EARLY_LIFE,  /* by a player that has never sent anything */
	ATTACK_STALE,       /* with an old sequence */
	ATTACK_AGAIN,       /* the last one once more, after its result */
	ATTACK_MEANWHILE,   /* a newer one while one is open */
};

/* The part of a request that only attacks have. */
struct attack {
	enum attack_kind kind;
	uint32_t target; /* index; MODEL_NONE: none of ours */
	uint32_t skill;
	uint32_t epoch;  /* of the target's place when it was aimed at */
	bool certain;    /* the target was there */
	bool waits;      /* in the list of those that wait for an answer; else it is queued to be sent */
	bool over;       /* answered while it was queued once more */
	bool lost;       /* counted as that */
	bool told;       /* refused, or its result is known */
	bool alone;      /* no other attack was open when the player changed its way */
	bool passed;     /* the result of a newer attack came first */
	uint32_t tries, answers;
	uint32_t insists, timeouts; /* times it was sent again before its answer was overdue; times that it was */
	uint32_t socket[2], ways; /* the player's, since it is open */
	uint64_t known_ns, known_round; /* a reply came by the second way; 0: not yet */
	uint64_t newer_ns, newer_round; /* a newer attack got another answer than BUSY; 0: none did */
};

struct request {
	uint32_t player; /* index */
	uint32_t socket;
	uint32_t type; /* enum game_packet_type; 0 for echo */
	uint32_t sequence;
	uint64_t order; /* of this player's requests */
	uint32_t epoch; /* of the player's place, a move's */
	enum request_kind kind;
	bool used, sent, overtaken;
	bool excused; /* it was under way at a kill of the primary: no answer is no loss */
	uint16_t len;
	struct position want, hold; /* sent; and held by the server when it comes, if nothing before was lost */
	uint64_t sent_ns;           /* monotonic */
	uint64_t wall_ns;           /* CLOCK_REALTIME at the same time */
	uint32_t next, prev;        /* under way, in order of making, attacks of last sending; or next free */
	struct attack attack;
	struct request *queue_next; /* waiting to be sent */
	uint8_t bytes[BOTS_MAX_PAYLOAD];
};

struct player {
	uint32_t id;
	uint32_t socket;
	uint32_t first_sequence; /* moves count in steps of 2: the numbers between are for stale requests */
	uint32_t sequence;       /* of the last move sent */
	uint32_t acknowledged;   /* of the last move acknowledged */
	uint32_t stale_used;     /* last number between that was spent */
	uint32_t beat;           /* sequence of the last heartbeat or echo */
	uint32_t attempts;       /* to find a sequence that is new to the server */
	bool synced;             /* a move was acknowledged: the server's state is known */
	bool victim;             /* something was lost, doubled, reordered or wrong for it */
	bool want_repeat, want_roam, want_look; /* once nothing of it is under way; until then it sends nothing */
	uint32_t doubts;         /* moves in doubt so far since the last certainty; see model_doubt() */
	uint64_t doubt_order;    /* of the newest */
	struct position doubtful[BOTS_MAX_WINDOW]; /* what they asked for: all that were under way may be */
	uint32_t doubtful_sequence[BOTS_MAX_WINDOW];
	struct position held, position;            /* acknowledged; as predicted */
	uint64_t orders;                          /* requests made so far */
	uint64_t last_order, last_server_ns;      /* of the newest reply */
	uint32_t open[BOTS_MAX_WINDOW];           /* requests under way, oldest first */
	uint32_t opens;
	uint32_t answers;
	uint64_t history[MODEL_HISTORY]; /* hashes of its last replies */
};

/* Requests in a row, linked by next and prev. */
struct requests {
	uint32_t oldest, newest;
};

struct model {
	const struct bots_options *options;
	struct bots_tally *tally;
	struct player *player;
	struct request *request;
	uint32_t *socket_open; /* requests under way per socket */
	uint32_t sockets, socket_limit;
	uint32_t limit; /* requests under way at most, small until the first reply */
	uint32_t open, free;
	struct requests plain, attacks; /* attacks: sent, without an answer */
	uint32_t cursor; /* next player to ask */
	struct fighter *fighter; /* of the players; NULL: nobody attacks */
	struct interest *interest; /* NULL: nobody subscribes */
	bool closing;            /* attacks that are lost are given up, not sent again */
	bool auditing;           /* nothing but last looks at the targets */
	uint32_t audit_cursor, audit_target;
	uint64_t audit_ns;       /* monotonic time of the last progress */
	uint32_t off_accounts;
	bool outage;             /* the primary was killed and the next one has not answered yet: nothing is made */
	uint64_t resumed_ns;     /* monotonic: it answered */
	bool looking;            /* the end: nothing but looks, of those whose last one is still due */
	uint64_t now_ns, round;  /* monotonic time of the last event; times that every socket was read to its end */
	uint64_t random;
	uint64_t gap_from_ns;
	struct {
		uint32_t player, type, sequence;
	} lost[MODEL_LOST];
	uint32_t losts;
};

/* Returns 0 or -ENOMEM. socket_limit: requests under way at most per socket. */
int model_create(struct model *model, const struct bots_options *options, struct bots_tally *tally,
		 uint32_t socket_limit);
void model_destroy(struct model *model);
/* Of the player of index 0; the others' follow. */
uint32_t model_first_id(const struct bots_options *options);

/* The next request, under way from now on; NULL if no player may send one. The caller sends it over r->socket and then
 * calls model_sent(). */
struct request *model_next(struct model *model, uint64_t wall_ns);
void model_sent(struct model *model, struct request *r, uint64_t now_ns);

/* One datagram that arrived on a socket: counts it. */
void model_reply(struct model *model, uint32_t socket, const uint8_t *data, uint32_t len, uint64_t now_ns,
		 uint64_t wall_ns);

/* An attack whose answer is overdue, to be sent again like one of model_next(); NULL if there is none. */
struct request *model_repeat(struct model *model, uint64_t now_ns);

/* The primary was killed; and the next one answers. Until then nothing is made or sent again. After it every player
 * first looks whether what it had been acknowledged holds; see outage.c. */
void model_outage(struct model *model);
void model_resume(struct model *model, uint64_t now_ns);

/* The end of the run: model_closing() when no new requests are made any more; then, once nothing is under way,
 * model_audit() begins the last looks at the targets, which model_next() makes. Returns false when there is (or may be)
 * none left, the books being closed then. */
void model_closing(struct model *model);
bool model_audit(struct model *model);
/* The same for all that is done at the end, one after the other. */
bool model_finish(struct model *model);
/* Players make requests of their own accord at the end, as many as model_next() says. */
bool model_finishing(const struct model *model);

/* Counts requests whose time is over as lost. Returns when to call it again, 0 if nothing is under way. */
uint64_t model_expire(struct model *model, uint64_t now_ns);

/* The player's own bytes of request `sequence` of the echo service. */
void model_echo_fill(uint8_t *out, uint32_t len, uint32_t id, uint32_t sequence);

/* Every socket was read to its end. */
void model_round(struct model *model);

/* One of lost, duplicated, reordered, wrong has befallen the player of this index. */
void model_blame(struct model *model, uint32_t player);

uint64_t model_random(struct model *model);
bool model_chance(struct model *model, uint32_t permille);
float model_coordinate(struct model *model);
struct position model_outside(struct model *model);
void requests_append(struct model *model, struct requests *list, struct request *r);
void requests_remove(struct model *model, struct requests *list, struct request *r);
/* Takes a request back that no list holds any more. */
void model_release(struct model *model, struct request *r);
/* Ends a request. */
void model_close(struct model *model, struct request *r);
/* A move that got no good answer: until a newer one is acknowledged nobody knows whether it was applied. */
void model_doubt(struct model *model, const struct request *r);

/* ---- outage.c ---- */

/* When an excused request is given up. */
uint64_t outage_due(const struct model *model);
/* At the end of the run: who looks next, NULL: nobody; true if there may be one. */
struct player *outage_next_look(struct model *model);
bool outage_finish(struct model *model);
/* The answer to a look. NULL, or what is wrong. */
const char *outage_judge_look(struct model *model, struct player *p, uint32_t status, const struct position *shown);

/* Notes how long nothing came. */
void model_gap(struct model *model, uint64_t now_ns);

/* Counts a wrong reply and describes the first few; r may be NULL. */
void model_tell(struct model *model, const struct request *r, const char *what);
/* The time from a request to its reply. */
void model_rtt(struct model *model, uint64_t rtt_ns);
/* Notes a reply in the player's history; true if one like it stands there. */
void model_remember(struct player *p, const uint8_t *data, uint32_t len);
bool model_remembers(const struct player *p, const uint8_t *data, uint32_t len);

/* True if a server's time, given to r, lies between sending and receiving, give or take the allowed skew. */
bool judge_window(const struct model *model, const struct request *r, uint64_t server_ns, uint64_t wall_ns);
/* The same, and never back for one player. NULL or what is wrong. */
const char *judge_time(const struct model *model, struct player *p, const struct request *r, uint64_t server_ns,
		       uint64_t wall_ns);

/* Judges a reply to r. Returns NULL if it is what it must be (and updates the player), else what is wrong with it. */
const char *judge(struct model *model, struct request *r, const uint8_t *data, uint32_t len, uint64_t wall_ns);

#endif
