/* PLAYER_MOVE: applies a position once, in the order of the player's own sequence numbers; answers with what holds. */
#include "game.h"

/* The bits of a float without its sign: they order like magnitudes, infinity and NaN above all that is finite
 * (IEEE 754 binary32). Cheaper than two comparisons of floats, and right for NaN. */
static inline uint32_t magnitude(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits & 0x7fffffffu;
}

/* z has no wall but must be finite. */
static inline bool inside_world(const struct GameMove *move)
{
	return magnitude(move->x) <= magnitude(GAME_WORLD_XY) && magnitude(move->y) <= magnitude(GAME_WORLD_XY) &&
	       magnitude(move->z) < magnitude(__builtin_inff());
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

/* Takes over the position and acknowledges it; x, y and z of the reply are those of the request. */
static inline baton_verdict apply(struct baton_ctx *ctx, struct GameMove *move, struct player *player)
{
	if (!baton_save(ctx, player, PLAYER_MOVE_BYTES))
		return baton_no_reply(); /* undo bytes spent: the runtime undoes the entry */
	player->time_ns = ctx->time_ns;
	player->sequence = move->header.sequence;
	BATON_POINT(record_half_changed);
	player->x = move->x;
	player->y = move->y;
	player->z = move->z;
	BATON_POINT(record_changed);
	move->header.packet_size = (uint32_t)sizeof(*move);
	move->status = GAME_OK;
	BATON_POINT(reply_half_written);
	move->server_time_ns = ctx->time_ns;
	return baton_reply((uint16_t)sizeof(*move));
}

/* All that is not the next MOVE of a known player who is where it was and has no neighbours to be shown to. */
static __attribute__((noinline)) baton_verdict move_otherwise(struct baton_ctx *ctx, struct GameMove *move,
							      struct player *player)
{
	if (!inside_world(move))
		return baton_reply_error(answer(ctx, move, player, GAME_OUTSIDE_WORLD));
	if (player == NULL) {
		player = player_create(ctx, move->header.player_id);
		if (player == NULL)
			return baton_reply_error(answer(ctx, move, NULL, GAME_FULL));
	} else if (player->flags & PLAYER_HAS_MOVED && !game_serial_newer(move->header.sequence, player->sequence)) {
		/* A repeat of the last MOVE is acknowledged again, an older one is too late; both change nothing. */
		bool repeat = move->header.sequence == player->sequence;
		return baton_reply(answer(ctx, move, player, repeat ? GAME_OK : GAME_STALE));
	}
	if (!(player->flags & PLAYER_HAS_MOVED)) {
		if (!baton_save(ctx, &player->flags, sizeof(player->flags)))
			return baton_no_reply();
		player->flags |= PLAYER_HAS_MOVED;
	}
	if (!player_reach(ctx, player, ctx->peer))
		return baton_no_reply();
	baton_verdict verdict = apply(ctx, move, player);
	game_show(ctx, player, move->header.player_id);
	return verdict;
}

static inline baton_verdict move_player(struct baton_ctx *ctx, struct GameMove *move, struct player *player)
{
	if (__builtin_expect(player != NULL && inside_world(move) && player->flags == PLAYER_HAS_MOVED &&
				 game_serial_newer(move->header.sequence, player->sequence) &&
				 player_is_at(player, ctx->peer), 1))
		return apply(ctx, move, player);
	return move_otherwise(ctx, move, player);
}

static __attribute__((noinline)) baton_verdict search_and_move(struct baton_ctx *ctx, struct GameMove *move)
{
	return move_player(ctx, move, player_find(ctx, move->header.player_id));
}

/* Most records stand where their key belongs; then the way to the acknowledgement has no call in it. */
baton_verdict game_move(struct baton_ctx *ctx, uint8_t *data)
{
	struct GameMove *move = (struct GameMove *)(void *)data;
	struct player *player = baton_find_first(ctx, move->header.player_id);

	if (__builtin_expect(player != NULL, 1))
		return move_player(ctx, move, player);
	return search_and_move(ctx, move);
}
