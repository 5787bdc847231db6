/* A UDP server that answers like Baton's game or echo, on one kernel socket, and lies now and then: what the bots are
 * tested against. Its game logic is its own, so that bots and plugin are held against a second opinion. */
#ifndef BATON_TESTS_BOTS_LIAR_H
#define BATON_TESTS_BOTS_LIAR_H

#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "wire.h"

enum bots_service { BOTS_GAME, BOTS_ECHO };
/* X(constant, name): the first five tell of replies of any kind, the others of attacks. */
#define LIES(X) \
	X(LIE_HONEST, "honest") \
	X(LIE_DROP, "drop") \
	X(LIE_DOUBLE, "double") \
	X(LIE_SWAP, "swap") \
	X(LIE_ALTER, "alter") \
	X(LIE_HIT_TWICE, "hit-twice")         /* its damage is done twice, told and counted once */ \
	X(LIE_HIT_AGAIN, "hit-again")         /* it lands twice, as two hits; the first is told */ \
	X(LIE_HIT_UNAPPLIED, "hit-unapplied") /* told, but it never lands */ \
	X(LIE_HIT_POINTS, "hit-points")       /* other hit points are told than are left */ \
	X(LIE_HIT_INVENTED, "hit-invented")   /* a miss is told as a hit */ \
	X(LIE_HIT_ORDINAL, "hit-ordinal")     /* it lands, but the target's hits are not counted up */ \
	X(LIE_NO_COOLDOWN, "no-cooldown")     /* taken too early */ \
	X(LIE_REFUSE, "refuse")               /* refused as too early, though it is not */ \
	X(LIE_NEVER_BUSY, "never-busy")       /* one is open, and the answer to a newer one is not BUSY */ \
	X(LIE_OLD_WAY, "old-way")             /* the result goes to the address that the player has left */ \
	X(LIE_FORGET_RESULT, "forget-result") /* repeated, it is told otherwise than before */ \
	X(LIE_TARGET_FULL, "target-full")     /* no lie, but no room: a hit does not land, and is told so */ \
	X(LIE_DROP_ATTACK, "drop-attack")     /* no lie, but lost: a reply to an attack */ \
	X(LIE_NEAR_SIZE, "near-size")         /* from here on of neighbours: a packet of another length than it says */ \
	X(LIE_NEAR_UNASKED, "near-unasked")   /* to a player who has not subscribed */ \
	X(LIE_NEAR_TIME, "near-time")         /* an hour ahead */ \
	X(LIE_NEAR_CELL, "near-cell")         /* under the name of another cell */ \
	X(LIE_NEAR_TWICE, "near-twice")       /* the same packet twice */ \
	X(LIE_NEAR_BACK, "near-back")         /* a tick after a newer one */ \
	X(LIE_NEAR_SELF, "near-self")         /* the subscriber itself among them */ \
	X(LIE_NEAR_DOUBLE, "near-double")     /* one of them two times */ \
	X(LIE_NEAR_UNSENT, "near-unsent")     /* by a MOVE that nobody has sent */ \
	X(LIE_NEAR_REFUSED, "near-refused")   /* by one that was refused */ \
	X(LIE_NEAR_POSITION, "near-position") /* a step beside */ \
	X(LIE_NEAR_STALE, "near-stale")       /* where it was longer than a lease ago */ \
	X(LIE_NEAR_SHOWN, "near-shown")       /* one who has not subscribed */ \
	X(LIE_NEAR_ENDED, "near-ended")       /* one who has ended its subscription longer than a lease ago */ \
	X(LIE_NEAR_WAY, "near-old-way")       /* to an address that the subscriber has left longer than a lease ago */ \
	X(LIE_NEAR_FAR, "near-far")           /* one beyond the radius */ \
	X(LIE_NEAR_AFTER, "near-after")       /* to a player who has ended its subscription longer than a lease ago */ \
	X(LIE_NEAR_MISSING, "near-missing")   /* four are never told of: chance may put one where nobody is near */

enum lie {
#define X(constant, name) constant,
	LIES(X)
#undef X
};

#define LIAR_PLAYERS 65536u /* a power of two; more are refused as the full server that it is */

struct liar_player {
	uint32_t id;
	uint32_t sequence;
	float at[3];
	bool used, moved;
	/* as attacker */
	bool attacked, open; /* took one; it has no result yet */
	uint32_t attack;     /* its sequence */
	uint64_t attack_ns, cooldown_ns;
	struct GameAttack result;
	struct sockaddr_in way;
	/* as target */
	uint32_t hit_points, hits, healed;
	uint32_t lied; /* hits at the last lie: some true ones come after each, else two could not be told from one */
	uint64_t tick;
	uint32_t heard; /* requests of it while it has never subscribed */
	struct liar_near *near; /* NULL: it has never subscribed */
};

#define LIAR_SUBSCRIBERS 4096u
#define LIAR_WAYS        16u
#define LIAR_VICTIMS     64u

/* A subscriber. */
struct liar_near {
	struct liar_player *player;
	uint32_t radius; /* 0: it has ended its subscription, at ended_ns */
	uint64_t seen_ns, ended_ns, hopped_ns; /* monotonic; hopped: so far that nobody walks */
	uint32_t old_sequence;                 /* a place that it left at left_ns, 0: none is remembered */
	float old_at[3];
	uint64_t left_ns;
	uint32_t outside; /* sequence of the last MOVE that was refused; known: there was one */
	bool outside_known;
	struct { /* where it was last reached, and before: left at that time */
		struct sockaddr_in to;
		uint64_t used_ns;
	} way[LIAR_WAYS];
	uint32_t ways; /* ever */
};

/* An attack that was taken; its result is due. */
struct liar_hit {
	struct liar_hit *next;
	struct liar_player *attacker;
	uint64_t due_ns; /* monotonic */
	struct GameAttack request;
	bool put_off, old_way;
	struct sockaddr_in old;
};

struct liar {
	int fd;
	enum lie lie;
	enum bots_service service;
	uint64_t every; /* one lie in so many replies (attacks that it fits), none before the first so many */
	struct liar_player *player;
	uint64_t requests, replies, lies, chances;
	uint32_t victim[LIAR_VICTIMS]; /* players to whom it told the first of its lies about replies of any kind */
	uint64_t regen_ns; /* a hit point each; 0: none */
	uint64_t random;
	uint64_t friends, foes; /* attacks on players whose id differs by an even, an odd number */
	volatile sig_atomic_t downs; /* 1: somebody was told that a target is down */
	struct liar_hit *hit, *first_hit, *free_hit; /* due first; all others */
	uint64_t last_due_ns, last_time_ns;
	uint64_t tick_ns, next_tick_ns, lease_ns; /* of neighbours; may be set before it serves */
	struct liar_near *near[LIAR_SUBSCRIBERS]; /* all who have ever subscribed */
	uint32_t nears;
	struct liar_player *outsider; /* one who never has */
	bool holding;         /* swap: a reply waits for the next one of the same player */
	struct sockaddr_in held_to;
	uint32_t held_len;
	uint8_t held[2048];
};

/* Returns 0 or -EINVAL. */
int liar_mode(const char *name, enum lie *out);

/* Binds to *address (port 0: any; the one found is filled in). Returns 0, or -errno with a line on standard error. */
int liar_open(struct liar *liar, enum lie lie, enum bots_service service, uint64_t every, struct sockaddr_in *address);
/* Serves until *stop. Returns 0 or -errno. */
int liar_serve(struct liar *liar, const volatile sig_atomic_t *stop);
void liar_close(struct liar *liar);

/* Inside. The player; or a free place for it, NULL: none. */
struct liar_player *liar_place(struct liar *liar, uint32_t id);
/* Fills in a place for a player that is not there yet. */
void liar_join(struct liar *liar, struct liar_player *p, uint32_t id, uint64_t now_ns);
/* A request of the player came by this way. */
void liar_reach(struct liar *liar, struct liar_player *p, const struct sockaddr_in *from, uint64_t now_ns);
/* Turns a request into its reply if that comes at once; returns its length, 0: none comes now. */
uint32_t liar_attack(struct liar *liar, struct GameAttack *g, const struct sockaddr_in *from, uint64_t now_ns,
		     uint64_t time_ns);
/* Gives out results that are due. Returns 0 or -errno; *wait_ms: until the next is due, at most as it was. */
int liar_results(struct liar *liar, uint64_t now_ns, int *wait_ms);
/* ---- neighbours ---- */

/* Turns a request into its reply. */
void liar_subscribe(struct liar *liar, struct GameSubscribe *subscribe, const struct sockaddr_in *from,
		    uint64_t now_ns);
/* The player is about to move; and it was heard of by this way. */
void liar_leaves(struct liar *liar, struct liar_player *p, const float to[3], uint64_t now_ns);
void liar_hears(struct liar *liar, struct liar_player *p, const struct sockaddr_in *from, uint64_t now_ns);
/* Tells all subscribers of their neighbours if it is time to. Returns 0 or -errno; *wait_ms as above. */
int liar_tick(struct liar *liar, uint64_t now_ns, uint64_t time_ns, int *wait_ms);
/* Sends a datagram as it is. Returns 0 or -errno. */
int liar_send_raw(struct liar *liar, const void *data, uint32_t len, const struct sockaddr_in *to);
/* True if this is one of the chances at which the server is to lie. */
bool liar_lies_now(struct liar *liar, enum lie lie);

/* Sends a reply to an attack, unless that is the lie. Returns 0 or -errno. */
int liar_send(struct liar *liar, const void *data, uint32_t len, const struct sockaddr_in *to);

#endif
