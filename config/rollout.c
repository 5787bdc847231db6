/* Strategies of rollouts: what stands for one that the file does not give, and how many workers one takes. */
#include <math.h>
#include <string.h>

#include "config.h"
#include "schema.h"
#include "value.h"

#define PERMILLE 1000u

/* What a key of rollouts[] is if it is not written: the table's own word on it. */
static void fill_in(struct config_rollout *out)
{
	static const char under[] = "rollouts[].";
	struct problem problem;

	for (size_t i = 0; i < schema_rows; i++)
		if (strncmp(schema[i].path, under, sizeof(under) - 1) == 0 && schema[i].fallback && schema[i].width &&
		    schema[i].count_offset == 0)
			value_parse(&schema[i], schema[i].fallback, strlen(schema[i].fallback), true, "/",
				    (uint8_t *)out + schema[i].offset, &problem);
}

void config_rollout_default(const struct config *config, uint32_t group, struct config_rollout *out)
{
	static const uint32_t weights[] = { 10, 100, 500, PERMILLE };

	memset(out, 0, sizeof(*out));
	memcpy(out->name, config->group[group].name, sizeof(out->name));
	out->group_index = group;
	for (size_t i = 0; i < sizeof(weights) / sizeof(weights[0]); i++) {
		out->step[out->steps++] = (struct config_step){ .kind = STEP_WEIGHT, .permille = weights[i] };
		if (weights[i] != PERMILLE)
			out->step[out->steps++] = (struct config_step){ .kind = STEP_PAUSE };
	}
	fill_in(out);
}

void config_rollout_of(const struct config *config, uint32_t group, struct config_rollout *out)
{
	for (uint32_t i = 0; i < config->rollouts; i++) {
		/* By name: a reload carries values over one by one. */
		if (strcmp(config->rollout[i].name, config->group[group].name) != 0)
			continue;
		*out = config->rollout[i];
		out->group_index = group;
		return;
	}
	config_rollout_default(config, group, out);
}

uint32_t config_rollout_candidates(uint32_t count, uint32_t permille)
{
	uint32_t k = (uint32_t)(((uint64_t)count * permille + PERMILLE - 1) / PERMILLE);

	return k > 0 ? k : 1;
}

uint32_t config_rollout_extra(const struct config_rollout *rollout, uint32_t count, uint32_t *permille)
{
	uint32_t most = 0;

	*permille = 0;
	for (uint32_t i = 0; i < rollout->steps; i++) {
		const struct config_step *step = &rollout->step[i];
		uint32_t k = config_rollout_candidates(count, step->kind == STEP_WEIGHT ? step->permille : 0);
		uint32_t extra = step->kind == STEP_WEIGHT && step->permille > CONFIG_CONTROL_MOST ? k : 2 * k;

		if ((step->kind == STEP_SHADOW || step->kind == STEP_WEIGHT) && extra > most) {
			most = extra;
			*permille = step->kind == STEP_WEIGHT ? step->permille : 0;
		}
	}
	return most;
}
