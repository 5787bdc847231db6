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
	REQUEST_HEARTBEAT,
	REQUEST_ECHO,
};

struct request {
	uint32_t player; /* index */
	uint32_t socket;
	uint32_t type; /* enum game_packet_type; 0 for echo */
	uint32_t sequence;
	uint64_t order; /* of this player's requests */
	enum request_kind kind;
	bool used, sent, overtaken;
	uint16_t len;
	struct position want, hold; /* sent; and held by the server when it comes, if nothing before was lost */
	uint64_t sent_ns;           /* monotonic */
	uint64_t wall_ns;           /* CLOCK_REALTIME at the same time */
	uint32_t next, prev;        /* under way, in order of sending; or next free */
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
	bool want_repeat, want_roam; /* once nothing of this player is under way; until then it sends nothing */
	uint32_t doubts;         /* moves in doubt so far since the last certainty; see model_doubt() */
	uint64_t doubt_order;    /* of the newest */
	struct position doubtful[BOTS_MAX_WINDOW]; /* what they asked for: all that were under way may be */
	struct position held, position;            /* acknowledged; as predicted */
	uint64_t orders;                          /* requests made so far */
	uint64_t last_order, last_server_ns;      /* of the newest reply */
	uint32_t open[BOTS_MAX_WINDOW];           /* requests under way, oldest first */
	uint32_t opens;
	uint32_t answers;
	uint64_t history[MODEL_HISTORY]; /* hashes of its last replies */
};

struct model {
	const struct bots_options *options;
	struct bots_tally *tally;
	struct player *player;
	struct request *request;
	uint32_t *socket_open; /* requests under way per socket */
	uint32_t sockets, socket_limit;
	uint32_t limit; /* requests under way at most, small until the first reply */
	uint32_t open, free, oldest, newest;
	uint32_t cursor; /* next player to ask */
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

/* The next request, under way from now on; NULL if no player may send one. The caller sends it over r->socket and then
 * calls model_sent(). */
struct request *model_next(struct model *model, uint64_t wall_ns);
void model_sent(struct model *model, struct request *r, uint64_t now_ns);

/* One datagram that arrived on a socket: counts it. */
void model_reply(struct model *model, uint32_t socket, const uint8_t *data, uint32_t len, uint64_t now_ns,
		 uint64_t wall_ns);

/* Counts requests whose time is over as lost. Returns when to call it again, 0 if nothing is under way. */
uint64_t model_expire(struct model *model, uint64_t now_ns);

/* The player's own bytes of request `sequence` of the echo service. */
void model_echo_fill(uint8_t *out, uint32_t len, uint32_t id, uint32_t sequence);

uint64_t model_random(struct model *model);
/* Ends a request. */
void model_close(struct model *model, struct request *r);
/* A move that got no good answer: until a newer one is acknowledged nobody knows whether it was applied. */
void model_doubt(struct model *model, const struct request *r);
/* Notes how long nothing came. */
void model_gap(struct model *model, uint64_t now_ns);

/* Judges a reply to r. Returns NULL if it is what it must be (and updates the player), else what is wrong with it. */
const char *judge(struct model *model, struct request *r, const uint8_t *data, uint32_t len, uint64_t wall_ns);

#endif
