/* Subscriptions of the bots: who is where, so that others are near; and whether what the server tells of them to each
 * other could be true. The rules are those of docs/wire.md, reckoned in the server's own times, so that they hold to
 * the nanosecond (and SLACK_NS, for the receive times of two ports). */
#ifndef BATON_TESTS_BOTS_INTEREST_H
#define BATON_TESTS_BOTS_INTEREST_H

#include "model.h"

#define SUBSCRIBER_SPANS 64u
#define SUBSCRIBER_CELLS 32u /* cells remembered: four at a place, and those it has left a lease ago at most */
#define STEPS_MOST       16384u
#define SLACK_NS         50000000ull
#define FOR_EVER         UINT64_MAX

/* A place the player moved to. */
struct step {
	struct position at;
	bool refused;       /* never held */
	uint64_t made_ns;   /* monotonic */
	uint64_t from_ns;   /* server time of its acknowledgement, 0: none yet */
	uint64_t until_ns;  /* of that of the first newer one, FOR_EVER: none yet */
};

/* What held for a while: a radius, a way (socket). */
struct span {
	uint32_t value;
	uint64_t made_ns, from_ns, until_ns; /* as in struct step */
};
struct spans {
	struct span span[SUBSCRIBER_SPANS]; /* by number % SUBSCRIBER_SPANS */
	uint32_t count;                     /* ever */
};

/* What came of a cell. */
struct cell_told {
	bool used;
	uint32_t cell, socket;
	uint32_t tick;    /* newest */
	uint64_t earlier; /* bit n: tick - n came */
	uint64_t time_ns; /* of the newest */
	uint64_t seen_ns; /* monotonic */
};

struct subscriber {
	uint32_t player;
	struct step *step; /* a ring of `size`, a power of two; sequences go up by 2 */
	uint32_t size, head, steps, first_sequence;
	struct spans radius, way;
	struct cell_told cell[SUBSCRIBER_CELLS];
	bool asking;    /* a SUBSCRIBE is under way */
	uint32_t holds; /* radius by the last answer */
	uint32_t crowd;
	struct position goal;
	uint64_t walk_ns, beat_ns;
	bool left; /* asked for its last radius, 0 */
};

enum interest_phase { INTEREST_PLAY, INTEREST_STAND, INTEREST_LEAVE, INTEREST_OVER };

struct interest {
	struct subscriber *subscriber;
	uint32_t count;
	struct position *crowd; /* centres of squares in which players roam */
	uint32_t crowds;
	uint64_t lease_ns, keep_ns; /* keep: what is as old as that nobody can be told of any more */
	enum interest_phase phase;
	uint64_t since_ns;    /* monotonic start of the phase */
	uint64_t *owed;       /* pairs: bit [who is told][of whom] */
	uint32_t owed_words;  /* of a row */
	uint64_t owed_count;
};

/* The player's part, NULL: it never subscribes. */
struct subscriber *interest_of(const struct model *model, uint32_t player);

/* ---- interest.c: what the players do ---- */

int interest_create(struct model *model);
void interest_destroy(struct model *model);

/* Somewhere in a crowd; the player's next place on its way through one. */
struct position interest_place(struct model *model, uint32_t player);
struct position interest_walk(struct model *model, uint32_t player);
/* False: it has moved so often that an old step would be forgotten too soon. */
bool interest_may_move(struct model *model, uint32_t player);
/* A new sequence was used up by a MOVE; refused: for a place outside the world. */
void interest_stepped(struct model *model, const struct request *r, bool refused);
/* The player changes its way. False: it should not yet. */
bool interest_roams(struct model *model, uint32_t player, uint32_t to);

/* True if the player is to subscribe (or to change its radius) now; its request. */
bool interest_asks(struct model *model, const struct player *p);
void interest_build(struct model *model, struct player *p, struct request *r);
void interest_closed(struct model *model, const struct request *r);

/* ---- interest_trail.c: what is known of where they were ---- */

void span_push(struct spans *spans, uint32_t value, uint64_t now_ns);
/* The newest is known to hold since then. */
void span_confirm(struct spans *spans, uint64_t server_ns);
/* True if one more may be noted: none is forgotten too soon for it. */
bool span_room(const struct spans *spans, uint64_t now_ns, uint64_t keep_ns);
/* True if a span of this value (least: or more) and the time from..until overlap; the part it has of it. */
bool span_meets(const struct span *span, uint64_t *from_ns, uint64_t *until_ns);

/* Returns 0 or -ENOMEM. */
int trail_push(struct subscriber *s, uint32_t sequence, const struct step *step, uint64_t keep_ns);
/* Step number i, the oldest is 0. */
struct step *trail_step(const struct subscriber *s, uint32_t i);
struct step *trail_find(const struct subscriber *s, uint32_t sequence);
/* The step was acknowledged: all older ones ended then at the latest. */
void trail_confirm(struct subscriber *s, uint32_t sequence, uint64_t server_ns);

/* ---- interest_judge.c ---- */

/* A good reply: what it says of place, radius and way from its time on. */
void interest_answered(struct model *model, const struct request *r, const uint8_t *data);
const char *interest_judge_reply(struct model *model, const struct request *r, const uint8_t *data);
/* A NEIGHBOURS packet, or what calls itself one. */
void interest_arrived(struct model *model, uint32_t socket, const uint8_t *data, uint32_t len, uint64_t wall_ns);

/* ---- interest_close.c: the end of the run: all stand still, and everybody near must be told of ---- */

/* Nothing is under way. Returns false when all is over. */
bool interest_finish(struct model *model);
/* Who sends next in these phases, NULL: nobody. */
struct player *interest_next(struct model *model);
/* Subscriber s was told of the last place of `other`. */
void interest_was_told(struct model *model, const struct subscriber *s, const struct subscriber *other);

#endif
