/* Everything random of a run comes from its seed. */
#include <math.h>

#include "hash.h"
#include "model.h"

uint64_t model_random(struct model *model)
{
	model->random += 0x9e3779b97f4a7c15ull;
	return hash_mix64(model->random);
}

bool model_chance(struct model *model, uint32_t permille)
{
	return model_random(model) % 1000 < permille;
}

uint32_t model_first_id(const struct bots_options *options)
{
	struct model model = { .random = hash_mix64(options->seed) };

	return (uint32_t)model_random(&model);
}

float model_coordinate(struct model *model)
{
	uint64_t r = model_random(model);

	switch (r % 64) {
	case 0: return GAME_WORLD_XY;
	case 1: return -GAME_WORLD_XY;
	case 2: return -0.0f;
	case 3: return 1e-42f; /* denormal */
	default: return ((float)(r >> 40) / (float)(1 << 23) - 1.0f) * GAME_WORLD_XY;
	}
}

struct position model_outside(struct model *model)
{
	static const float beyond[] = { 10000.001f, -10000.001f, 3e38f, INFINITY, -INFINITY, NAN };
	struct position p = { model_coordinate(model), model_coordinate(model), model_coordinate(model) };
	uint64_t r = model_random(model);

	if (r % 3 == 0)
		p.x = beyond[(r >> 8) % 6];
	else if (r % 3 == 1)
		p.y = beyond[(r >> 8) % 6];
	else
		p.z = beyond[3 + (r >> 8) % 3]; /* z has no wall */
	return p;
}
