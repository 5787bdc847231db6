/* SUBSCRIBE: from now on the positions of others near come by themselves, and others see this player's. */
#include "game.h"
#include "sabotage.h"

baton_verdict game_subscribe(struct baton_ctx *ctx, uint8_t *data)
{
	const struct game_settings *settings = ctx->user;
	struct GameSubscribe *subscribe = (struct GameSubscribe *)(void *)data;
	struct player *player = player_find(ctx, subscribe->header.player_id);
	float radius = subscribe->radius;

	subscribe->header.packet_size = (uint32_t)sizeof(*subscribe);
	subscribe->status = GAME_OK;
	subscribe->reserved = 0;
	subscribe->server_time_ns = ctx->time_ns;
	if (!(radius >= 0 && radius <= GAME_RADIUS_MOST)) { /* nor NaN */
		subscribe->status = GAME_NO_RADIUS;
		subscribe->radius = player != NULL ? player->radius : 0;
		return baton_reply_error((uint16_t)sizeof(*subscribe));
	}
	if (player == NULL && (player = player_create(ctx, subscribe->header.player_id)) == NULL) {
		subscribe->status = GAME_FULL;
		subscribe->radius = 0;
		return baton_reply_error((uint16_t)sizeof(*subscribe));
	}
	if (!player_reach(ctx, player, ctx->peer) || !baton_save(ctx, player, sizeof(*player)))
		return baton_no_reply();
	uint16_t was = player->radius;
	player->time_ns = ctx->time_ns;
	player->radius = (uint16_t)__builtin_ceilf(radius);
	player->flags = (uint8_t)(player->radius != 0 ? player->flags | PLAYER_SUBSCRIBES :
				  player->flags & ~PLAYER_SUBSCRIBES);
	subscribe->radius = player->radius;
	if (player->radius == 0 && was != 0) {
		player->radius = was; /* the cells that know it */
		interest_tell(ctx, &settings->interest, player, subscribe->header.player_id, 0, true);
		player->radius = 0;
	} else if (player->radius != 0) {
		/* Said again it is no more than a heartbeat: it would make four messages of each packet of a flood. */
		interest_tell(ctx, &settings->interest, player, subscribe->header.player_id, player->radius,
			      player->radius != was || BATON_SABOTAGE(subscribe_always_told));
	}
	return baton_reply((uint16_t)sizeof(*subscribe));
}
