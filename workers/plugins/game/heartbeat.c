/* HEARTBEAT: keeps a player, creates it if need be, and answers with both clocks. Its sequence is only echoed. */
#include "game.h"

baton_verdict game_heartbeat(struct baton_ctx *ctx, uint8_t *data)
{
	struct GameHeartbeat *beat = (struct GameHeartbeat *)(void *)data;
	struct player *player = player_find(ctx, beat->header.player_id);

	beat->header.packet_size = (uint32_t)sizeof(*beat);
	beat->status = GAME_OK;
	beat->reserved = 0;
	beat->server_time_ns = ctx->time_ns;
	if (__builtin_expect(player == NULL, 0)) {
		player = player_create(ctx, beat->header.player_id);
		if (player == NULL) {
			beat->status = GAME_FULL;
			return baton_reply_error((uint16_t)sizeof(*beat));
		}
	}
	if (!baton_save(ctx, &player->time_ns, sizeof(player->time_ns)))
		return baton_no_reply();
	player->time_ns = ctx->time_ns;
	if (!player_reach(ctx, player, ctx->peer))
		return baton_no_reply();
	game_show(ctx, player, beat->header.player_id);
	return baton_reply((uint16_t)sizeof(*beat));
}
