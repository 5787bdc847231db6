/* What a record of the game may be: for `batonctl state verify`, which asks of each one. */
#include <math.h>

#include "fight.h"
#include "interest.h"
#include "wire.h"

static bool in_world(float x, float y, float z)
{
	return fight_in_world((const float[3]){x, y, z});
}

static const char *check_player(struct baton_ctx *ctx, uint64_t key, const struct player *p)
{
	if (key > UINT32_MAX)
		return "a player's key has more than 32 bits";
	if (baton_bucket(ctx, key) != ctx->bucket)
		return "a player of another bucket";
	if (!in_world(p->x, p->y, p->z))
		return "a player outside of the world";
	if ((p->flags & ~(PLAYER_HAS_MOVED | PLAYER_SUBSCRIBES)) != 0)
		return "a player with flags that do not exist";
	return (float)p->radius > GAME_RADIUS_MOST ? "a player who looks farther than anybody may" : NULL;
}

static const char *check_fighter(struct baton_ctx *ctx, uint64_t key, const struct fighter *f)
{
	if (baton_bucket(ctx, (uint32_t)key) != ctx->bucket || (key & 0xffff00000000ull) != 0)
		return "a fighter of another bucket";
	if (f->vitals.hit_points > GAME_HIT_POINTS)
		return "a fighter with more hit points than anybody has";
	if ((f->flags & ~(FIGHTER_HAS_ATTACKED | FIGHTER_OPEN | FIGHTER_TURNED_AWAY)) != 0)
		return "a fighter with flags that do not exist";
	if ((f->flags & FIGHTER_OPEN) && !(f->flags & FIGHTER_HAS_ATTACKED))
		return "an open attack that was never begun";
	return NULL;
}

static const char *check_memory(struct baton_ctx *ctx, uint64_t key, const struct memory *m)
{
	(void)key;
	if (baton_bucket(ctx, m->target) != ctx->bucket)
		return "a hit on a target of another bucket";
	if (m->told.hit_points > GAME_HIT_POINTS)
		return "a hit that left more hit points than anybody has";
	return m->forgotten > 1 || m->stray > 1 ? "a hit that is neither remembered nor forgotten" : NULL;
}

static const char *check_presence(struct baton_ctx *ctx, uint64_t key, const struct presence *p)
{
	uint32_t cell = (uint32_t)(key >> 32) & 0xffffu;

	if (cell >= CELLS * CELLS)
		return "a neighbour in a cell that does not exist";
	if (baton_bucket(ctx, CELL_KEY(cell)) != ctx->bucket)
		return "a neighbour in a cell of another bucket";
	if (!in_world(p->x, p->y, p->z))
		return "a neighbour outside of the world";
	return (float)p->radius > GAME_RADIUS_MOST ? "a neighbour who looks farther than anybody may" : NULL;
}

static const char *game_verify(struct baton_ctx *ctx, uint64_t key, const void *data)
{
	switch (record_kind(key)) {
	case RECORD_PLAYER: return check_player(ctx, key, data);
	case RECORD_FIGHTER: return check_fighter(ctx, key, data);
	case RECORD_MEMORY: return check_memory(ctx, key, data);
	case RECORD_PRESENCE: return check_presence(ctx, key, data);
	default: return "a record of no kind";
	}
}

BATON_VERIFY(game_verify);
