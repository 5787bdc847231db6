/* What the files of the game plugin share. */
#ifndef GAME_GAME_H
#define GAME_GAME_H

#include "baton.h"
#include "fight.h"
#include "player.h"
#include "wire.h"

/* ctx->user: built by init, never changed afterwards. */
struct game_settings {
	uint64_t idle_ns;  /* player.idle */
	uint32_t regen;    /* regen.per_tick: hit points */
	uint32_t memories; /* attack.memory: hits a bucket remembers at most */
};

/* Handlers of a request that wire_parse() accepted. */
baton_verdict game_move(struct baton_ctx *ctx, uint8_t *data);
baton_verdict game_attack(struct baton_ctx *ctx, uint8_t *data);
baton_verdict game_heartbeat(struct baton_ctx *ctx, uint8_t *data);

#endif
