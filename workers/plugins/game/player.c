/* Players: creation, way back, removal of the idle. */
#include "fight.h"

struct player *player_create(struct baton_ctx *ctx, uint32_t id)
{
	struct player *player = baton_insert(ctx, id);

	if (player != NULL)
		player->peer = *ctx->peer;
	return player;
}

bool player_reach(struct baton_ctx *ctx, struct player *player, const struct baton_peer *peer)
{
	if (player_is_at(player, peer))
		return true;
	if (!baton_save(ctx, &player->peer, sizeof(player->peer)))
		return false;
	player->peer = *peer;
	return true;
}

/* Hit points and all. An attack that is open is forgotten with it: its result will find nobody. */
static bool remove_player(struct baton_ctx *ctx, struct player *player, uint32_t id)
{
	struct fighter *fighter = fighter_find(ctx, id);

	return (fighter == NULL || baton_remove(ctx, fighter)) && baton_remove(ctx, player);
}

uint32_t player_remove_idle(struct baton_ctx *ctx, uint64_t idle_ns)
{
	uint32_t removed = 0;
	uint32_t iter = 0;
	uint64_t key;
	struct player *player;

	while (removed < PLAYER_REMOVED_PER_TICK && (player = baton_next(ctx, &iter, &key)) != NULL) {
		if (record_kind(key) != RECORD_PLAYER)
			continue;
		/* A player may be newer than the tick: ticks that were missed are caught up with their own times. */
		if (player->time_ns >= ctx->time_ns || ctx->time_ns - player->time_ns <= idle_ns)
			continue;
		if (!remove_player(ctx, player, (uint32_t)key))
			break;
		removed++;
	}
	return removed;
}
