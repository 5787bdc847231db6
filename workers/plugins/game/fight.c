/* Fighters: creation, regeneration, and where things are. */
#include "fight.h"

#include <math.h>

struct fighter *fighter_create(struct baton_ctx *ctx, uint32_t id)
{
	struct fighter *fighter = baton_insert(ctx, FIGHTER_KEY(id));

	if (fighter != NULL)
		fighter->vitals.hit_points = GAME_HIT_POINTS;
	return fighter;
}

void fighter_heal_all(struct baton_ctx *ctx, uint32_t points)
{
	uint32_t iter = 0, healed = 0;
	uint64_t key;
	struct fighter *fighter;

	while (healed < FIGHTERS_HEALED_PER_TICK && (fighter = baton_next(ctx, &iter, &key)) != NULL) {
		struct vitals *vitals = &fighter->vitals;
		uint32_t missing;

		if (record_kind(key) != RECORD_FIGHTER || (missing = GAME_HIT_POINTS - vitals->hit_points) == 0)
			continue;
		if (!baton_save(ctx, vitals, sizeof(*vitals)))
			return;
		vitals->healed += points < missing ? points : missing;
		vitals->hit_points += points < missing ? points : missing;
		healed++;
	}
}

bool fight_in_world(const float at[3])
{
	return fabsf(at[0]) <= GAME_WORLD_XY && fabsf(at[1]) <= GAME_WORLD_XY && isfinite(at[2]);
}

bool fight_within(const float a[3], const float b[3], float reach)
{
	float x = a[0] - b[0], y = a[1] - b[1], z = a[2] - b[2];

	return x * x + y * y + z * z <= reach * reach;
}
