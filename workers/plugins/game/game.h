/* What the files of the game plugin share. */
#ifndef GAME_GAME_H
#define GAME_GAME_H

#include "baton.h"
#include "fight.h"
#include "interest.h"
#include "player.h"
#include "wire.h"

/* ctx->user: built by init, never changed afterwards. */
struct game_settings {
	uint64_t idle_ns;  /* player.idle */
	uint32_t regen;    /* regen.per_tick: hit points */
	uint32_t memories; /* attack.memory: hits a bucket remembers at most */
	struct interest_settings interest;
};

/* Handlers of a request that wire_parse() accepted. */
baton_verdict game_move(struct baton_ctx *ctx, uint8_t *data);
baton_verdict game_attack(struct baton_ctx *ctx, uint8_t *data);
baton_verdict game_subscribe(struct baton_ctx *ctx, uint8_t *data);
baton_verdict game_heartbeat(struct baton_ctx *ctx, uint8_t *data);

void game_digest(struct baton_digest *digest, const uint8_t *reply, uint32_t len);

/* A subscriber that has just been heard of: its cells are told. */
static inline void game_show(struct baton_ctx *ctx, struct player *player, uint32_t id)
{
	const struct game_settings *settings = ctx->user;

	if (__builtin_expect(player->flags & PLAYER_SUBSCRIBES, 0))
		interest_tell(ctx, &settings->interest, player, id, player->radius, false);
}

#endif
