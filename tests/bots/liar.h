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
	X(LIE_DROP_ATTACK, "drop-attack")     /* no lie, but lost: a reply to an attack */

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
	uint64_t regen_ns; /* a hit point each; 0: none */
	uint64_t random;
	uint64_t friends, foes; /* attacks on players whose id differs by an even, an odd number */
	volatile sig_atomic_t downs; /* 1: somebody was told that a target is down */
	struct liar_hit *hit, *first_hit, *free_hit; /* due first; all others */
	uint64_t last_due_ns, last_time_ns;
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
/* Sends a reply to an attack, unless that is the lie. Returns 0 or -errno. */
int liar_send(struct liar *liar, const void *data, uint32_t len, const struct sockaddr_in *to);

#endif
