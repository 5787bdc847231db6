/* The bots' attacks: who attacks whom when, what the server may say to it, and the books of what it said. */
#ifndef BATON_TESTS_BOTS_ATTACK_H
#define BATON_TESTS_BOTS_ATTACK_H

#include "ledger.h"
#include "model.h"

#define FIGHTER_SETTLED 4u

/* True if it changes or tells of its target's account, should the server take it. */
static inline bool attack_may_land(const struct attack *a)
{
	return a->kind == ATTACK_AIMED || a->kind == ATTACK_LOOK || a->kind == ATTACK_BESIDE ||
	       a->kind == ATTACK_MEANWHILE;
}

/* True if it is within the rules, or was; all others are certain to be refused. */
static inline bool attack_may_be_taken(const struct attack *a)
{
	return attack_may_land(a) || a->kind == ATTACK_UNKNOWN || a->kind == ATTACK_AGAIN;
}

/* What the server has told of an attack; it must tell the same of it for ever. */
struct settled {
	uint32_t sequence;
	uint32_t tries, answers; /* requests sent, replies come: at most one each */
	uint8_t reply[sizeof(struct GameAttack)];
};

/* An attack that is over because it was refused for good; replies to its other requests may still come. */
struct refused {
	uint32_t sequence, missing;
	bool superseded; /* a result, too */
};

/* A player as attacker and as target. A place is where its moves stay within ATTACK_STEP of, so that others can aim at
 * it; while an attack of its own is open a player stays there, so that its range is known. */
struct fighter {
	struct position place;
	uint32_t epoch; /* of the place, from 1 on */
	bool there;     /* a move to it was acknowledged */
	uint32_t neighbour;
	uint32_t sequence; /* newest that was used */
	bool free_again;   /* that one was refused, so it is not consumed */
	bool synced;       /* the server took an attack */
	uint32_t attempts; /* to find a sequence that is new to the server */
	uint64_t ready_ns; /* monotonic: cooled down then, for all that is known here */
	struct {
		bool known;
		uint32_t sequence, cooldown_ms;
		uint64_t server_ns;
	} accepted, previous; /* the newest two, by their results */
	uint64_t deferred_ns; /* server time of a newer attack's COOLDOWN, before the older one's result came */
	uint32_t main, extra; /* open attacks (requests), MODEL_NONE: none */
	uint32_t settleds;    /* so far */
	struct settled settled[FIGHTER_SETTLED];
	uint32_t refuseds; /* so far */
	struct refused refused[FIGHTER_SETTLED];
	struct account account;
};

/* ---- attack.c: once it is made ---- */

int attack_create(struct model *model);
void attack_destroy(struct model *model);

/* A move was acknowledged. */
void attack_moved(struct model *model, const struct request *r);
/* A reply over a player's new way: the server knows it from now on. */
void attack_reached(struct model *model, const struct request *r);
/* The plain request r was answered: attacks before it were overtaken, should they be answered by their own entry. */
void attack_overtaken(struct model *model, const struct request *r);
/* The player is about to change its way while attacks of it may be open. Returns false if it should not. */
bool attack_roams(struct model *model, const struct player *p, uint32_t to);

/* An open attack that the player deliberately sends once more, or NULL. */
struct request *attack_insist(struct model *model, struct player *p);
void attack_sent(struct model *model, struct request *r, uint64_t now_ns);
/* Ends an attack that was answered, or given up. */
void attack_close(struct model *model, struct request *r);

/* ---- attack_choose.c, audit.c: making it ---- */

/* True if these two are no friends, nor the same. */
bool attack_allowed(const struct model *model, uint32_t attacker, uint32_t target);
/* Where the player's next move goes to. */
struct position attack_place(struct model *model, const struct player *p);
/* Fills in an attack that the player can make now, all but what every request has. False: it can make none. */
bool attack_build(struct model *model, struct player *p, struct request *r);
/* While the books are closed: a player that can look at a target that nobody has looked at yet, or NULL; that look. */
struct player *attack_auditor(struct model *model);
void attack_build_audit(struct model *model, struct player *p, struct request *r);

/* ---- attack_judge.c: replies ---- */

/* A reply that says it is for an attack of this player. Returns false if it is for none that it could be for. */
bool attack_reply(struct model *model, struct player *p, uint32_t socket, const uint8_t *data, uint32_t len,
		  uint64_t now_ns, uint64_t wall_ns);
/* A reply to the open attack r, or what is left of one. */
void attack_answer(struct model *model, struct request *r, uint32_t socket, const uint8_t *data, uint32_t len,
		   uint64_t now_ns, uint64_t wall_ns);
/* True for what comes from the target's side. */
bool attack_is_result(const struct GameAttack *g);
/* Counts an attack as answered. */
void attack_count(struct model *model, struct request *r);

/* ---- attack_refusal.c ---- */

void attack_take_refusal(struct model *model, struct player *p, struct request *r, const struct GameAttack *g,
			 uint64_t wall_ns);
void attack_count_refusal(struct bots_tally *tally, uint32_t status);
/* True if a server's time is within the cooldown of an attack that was taken then. */
bool attack_within(uint64_t server_ns, uint64_t accepted_ns, uint32_t cooldown_ms);
/* True if it is too early after one of the player's last two that were taken. */
bool attack_cooling(const struct fighter *f, uint64_t server_ns);

/* ---- attack_result.c ---- */

void attack_take_result(struct model *model, struct player *p, struct request *r, uint32_t socket,
			const struct GameAttack *g, uint64_t wall_ns);
/* The same attack once more, after its result: what comes must be what came. */
void attack_take_again(struct model *model, struct request *r, const uint8_t *data);
struct settled *attack_find_settled(struct fighter *f, uint32_t sequence);

#endif
