/* PLAYER_MOVE: applies a position once, in the order of the player's own sequence numbers; answers with what holds. */
#include "game.h"

/* False for NaN too, which compares with nothing. z has no wall but must be finite. */
static bool inside_world(const struct GameMove *move)
{
	return move->x >= -GAME_WORLD_XY && move->x <= GAME_WORLD_XY && move->y >= -GAME_WORLD_XY &&
	       move->y <= GAME_WORLD_XY && __builtin_isfinite(move->z);
}

/* Turns the request into its reply: the position that holds, the origin for a player that does not exist. */
static uint16_t answer(const struct baton_ctx *ctx, struct GameMove *move, const struct player *player, uint32_t status)
{
	move->header.packet_size = (uint32_t)sizeof(*move);
	move->status = status;
	move->x = player != NULL ? player->x : 0;
	move->y = player != NULL ? player->y : 0;
	move->z = player != NULL ? player->z : 0;
	move->server_time_ns = ctx->time_ns;
	return (uint16_t)sizeof(*move);
}

/* Takes over the position of a MOVE newer than the last. False: undo bytes spent, nothing must be answered. */
static bool apply(struct baton_ctx *ctx, const struct baton_packet *packet, const struct GameMove *move,
		  struct player *player)
{
	if (!baton_save(ctx, player, PLAYER_MOVE_BYTES))
		return false;
	player->time_ns = ctx->time_ns;
	player->sequence = move->header.sequence;
	player->x = move->x;
	player->y = move->y;
	player->z = move->z;
	if (__builtin_expect(!(player->flags & PLAYER_HAS_MOVED), 0)) {
		if (!baton_save(ctx, &player->flags, sizeof(player->flags)))
			return false;
		player->flags |= PLAYER_HAS_MOVED;
	}
	return player_reach(ctx, player, &packet->peer);
}

baton_verdict game_move(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data)
{
	struct GameMove *move = (struct GameMove *)(void *)data;
	struct player *player = player_find(ctx, move->header.player_id);

	if (__builtin_expect(!inside_world(move), 0))
		return baton_reply_error(answer(ctx, move, player, GAME_OUTSIDE_WORLD));
	if (__builtin_expect(player == NULL, 0)) {
		player = player_create(ctx, packet, move->header.player_id);
		if (player == NULL)
			return baton_reply_error(answer(ctx, move, NULL, GAME_FULL));
	} else if (player->flags & PLAYER_HAS_MOVED && !game_serial_newer(move->header.sequence, player->sequence)) {
		/* A repeat of the last MOVE is acknowledged again, an older one is too late; both change nothing. */
		bool repeat = move->header.sequence == player->sequence;
		return baton_reply(answer(ctx, move, player, repeat ? GAME_OK : GAME_STALE));
	}
	if (!apply(ctx, packet, move, player))
		return baton_no_reply();
	return baton_reply(answer(ctx, move, player, GAME_OK));
}
