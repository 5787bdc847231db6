/* Who fights: records beside the player's own, in the same table under keys of their own (player.h).
 *
 * An attack is three messages (protocol.md R9): the attacker's bucket posts a HIT to the target's, which applies it
 * once and posts the RESULT back, which is stored, told to the client and answered by a FORGET. Whatever is lost in
 * between with the primary is posted again: the hit when the client repeats its request, the result by a tick. */
#ifndef GAME_FIGHT_H
#define GAME_FIGHT_H

#include "player.h"
#include "sabotage.h"
#include "wire.h"

enum fighter_flag {
	FIGHTER_HAS_ATTACKED = 1,
	FIGHTER_OPEN = 2,        /* the attack has no result yet */
	FIGHTER_TURNED_AWAY = 4, /* and the target's bucket had no room for a hit of it */
};

/* What a target was after a hit; of the wire. */
struct vitals {
	uint32_t hit_points, hits, healed;
};

/* A player who has attacked or was hit. */
struct fighter {
	uint64_t time_ns;  /* when its last attack was accepted */
	uint32_t sequence; /* of that attack */
	uint32_t target;
	union {
		float aim[3];        /* while open: what is posted again */
		struct vitals told;  /* then: the result */
	};
	uint8_t skill;
	uint8_t flags; /* enum fighter_flag */
	union {
		uint16_t posted_s; /* while open: when its last hit was posted, low 16 bits of the seconds */
		struct {
			uint8_t status, damage; /* then */
		};
	};
	struct vitals vitals; /* its own */
	uint32_t posted; /* hits posted for this sequence, but for those that were turned away */
};
static_assert(sizeof(struct fighter) == sizeof(struct player), "one record size");

/* The target's bucket's memory of the newest hit of one attacker. It may go when the attacker's bucket has the result
 * and every hit that it posted has come; or, if the primary died with one of them, MEMORY_KEEP_NS after the former. */
struct memory {
	uint64_t time_ns; /* of the hit; forgotten: of the FORGET; each time the result is posted again */
	uint32_t sequence;
	uint32_t target;
	struct vitals told;
	uint8_t status, damage;
	uint8_t forgotten; /* the attacker's bucket has the result */
	uint8_t stray;     /* hits of an older sequence may still come: this memory is what keeps them out */
	uint32_t came;     /* hits of this sequence */
	uint32_t posted;   /* forgotten: how many hits it posted; 0: it does not know */
};
static_assert(sizeof(struct memory) <= sizeof(struct fighter), "fits the record");
#define MEMORY_KEEP_NS   60000000000ull
#define MEMORY_REPOST_NS 5000000000ull

/* A hit without room for a memory is turned away: it does not land, and nothing is kept of it. The attack ends with
 * the last hit that was posted of it; while one is on its way that one may find room. Nothing is on its way any more,
 * should the primary have died, this many seconds after the last was posted. */
#define FIGHT_QUIET_S 60u

/* Messages. */
struct note {
	uint8_t kind; /* NOTE_HIT, NOTE_RESULT, NOTE_FORGET */
	uint8_t skill;  /* hits; results that turn a hit away: its `status` */
	uint8_t status; /* results; hits: 1 if none of the attack's is on its way but this one */
	uint8_t damage; /* results */
	uint32_t attacker, target;
	uint32_t sequence;
	union {
		float aim[3];       /* hits */
		struct vitals told; /* results */
		uint32_t posted;    /* forgets */
	};
};
static_assert(sizeof(struct note) == 28 && sizeof(struct note) <= BATON_MESSAGE_MOST, "a message");

#define FIGHTERS_HEALED_PER_TICK 64u /* of one bucket; the rest waits for the next tick */

/* New ones are as healthy as can be. NULL: the bucket is full. */
static inline struct fighter *fighter_find(struct baton_ctx *ctx, uint32_t id)
{
	return baton_find(ctx, FIGHTER_KEY(id));
}
struct fighter *fighter_create(struct baton_ctx *ctx, uint32_t id);

/* True if x and y lie within the walls and all three are finite. */
bool fight_in_world(const float at[3]);
/* True if the distance of the two is at most `reach`. */
bool fight_within(const float a[3], const float b[3], float reach);

/* Gives every fighter of the bucket `points`, up to what a new one has. */
void fighter_heal_all(struct baton_ctx *ctx, uint32_t points);

/* hit.c: the target's side. most: memories a bucket keeps. */
void hit_arrived(struct baton_ctx *ctx, const struct note *note, uint32_t most);
void hit_forgotten(struct baton_ctx *ctx, const struct note *note);
void hit_tick(struct baton_ctx *ctx);

/* attack.c: the attacker's side. */
void attack_result(struct baton_ctx *ctx, const struct note *note);

/* Bucket of a player. */
static inline bool note_post(struct baton_ctx *ctx, uint32_t player, const struct note *note)
{
	return baton_post(ctx, baton_bucket(ctx, player), note, sizeof(*note));
}

#endif
