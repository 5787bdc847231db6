/* The game's record: where a player is and how to reach it. One cache line with the runtime's header. */
#ifndef GAME_PLAYER_H
#define GAME_PLAYER_H

#include <assert.h>
#include <stdbool.h>

#include "baton.h"

/* What stands in a bucket's table; the kind is in the upper 16 bits of the key, a player's key is its id. */
enum record_kind { RECORD_PLAYER = 0, RECORD_FIGHTER, RECORD_MEMORY, RECORD_PRESENCE };
static inline enum record_kind record_kind(uint64_t key) { return (enum record_kind)(key >> 48); }
#define FIGHTER_KEY(id)         (1ull << 48 | (id))       /* in the player's bucket */
#define MEMORY_KEY(attacker)    (2ull << 48 | (attacker)) /* in the target's bucket */
#define PRESENCE_KEY(cell, id)  (3ull << 48 | (uint64_t)(cell) << 32 | (id)) /* in the cell's bucket */
#define CELL_KEY(cell)          (3ull << 48 | (uint64_t)(cell) << 32) /* names a cell's bucket */

/* Messages; the first byte of each says its kind. */
enum note_kind { NOTE_HIT = 1, NOTE_RESULT, NOTE_FORGET, NOTE_PRESENCE };

enum player_flag {
	PLAYER_HAS_MOVED = 1, /* sequence and position come from a MOVE */
	PLAYER_SUBSCRIBES = 2, /* to its neighbours, within `radius` */
};

/* What a MOVE changes stands first, so that one save covers it. Schema 2: beside players there are fighters and
 * memories (fight.h), and presences (interest.h). */
struct player {
	uint64_t time_ns;  /* of the last MOVE or ATTACK that was taken, or HEARTBEAT */
	uint32_t sequence; /* of the last MOVE that was applied */
	float x, y, z;
	uint8_t flags; /* enum player_flag */
	uint8_t pad;
	uint16_t radius;
	uint32_t seen_ms; /* when its cells were last told where it is; the low 32 bits of that time */
	struct baton_peer peer; /* way back, of its last packet */
};
static_assert(sizeof(struct player) == 48, "with struct baton_record one cache line");

#define PLAYER_MOVE_BYTES offsetof(struct player, flags)

/* Undo bytes of one save; of an insertion, which saves the whole record with the runtime's header. */
#define PLAYER_UNDO(bytes) (sizeof(struct baton_undo) + (((bytes) + 7u) & ~7u))
#define PLAYER_UNDO_INSERT PLAYER_UNDO(sizeof(struct player) + sizeof(struct baton_record))

/* Idle players that one tick of one bucket removes at most: bounds its time and its undo bytes; the rest waits for
 * the next tick. */
#define PLAYER_REMOVED_PER_TICK 16u

static inline struct player *player_find(struct baton_ctx *ctx, uint32_t id)
{
	return baton_find(ctx, id);
}

/* A new player at the origin, reached by the packet's way back. NULL: the bucket is full. */
struct player *player_create(struct baton_ctx *ctx, uint32_t id);

/* True if the way back is still this one: 16 bytes without padding. */
static inline bool player_is_at(const struct player *player, const struct baton_peer *peer)
{
	uint64_t was[2], is[2];

	memcpy(was, &player->peer, sizeof(was));
	memcpy(is, peer, sizeof(is));
	return ((was[0] ^ is[0]) | (was[1] ^ is[1])) == 0;
}
static_assert(sizeof(struct baton_peer) == 16, "compared as two words");

/* Keeps the way back up to date; saves only if it changed. False: undo bytes spent. */
bool player_reach(struct baton_ctx *ctx, struct player *player, const struct baton_peer *peer);

/* Removes players of the tick's bucket that were last heard of more than idle_ns before the tick's time. Returns how
 * many, at most PLAYER_REMOVED_PER_TICK. */
uint32_t player_remove_idle(struct baton_ctx *ctx, uint64_t idle_ns);

#endif
