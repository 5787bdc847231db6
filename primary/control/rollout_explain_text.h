/* The words of rollout_explain.h. */
#ifndef BATON_PRIMARY_ROLLOUT_EXPLAIN_TEXT_H
#define BATON_PRIMARY_ROLLOUT_EXPLAIN_TEXT_H

#include "rollout_explain.h"

#define ROLLOUT_STEP_WORD 32

/* "weight 10%", "pause until resumed", "snapshot, 3 kept" */
const char *rollout_step_text(const struct config_step *step, char out[ROLLOUT_STEP_WORD]);

struct rollout_past;
struct rollout_bar;

/* One line more: how the group's last rollout ended; a build that a start would refuse. */
void rollout_explain_last(json_t *lines, const struct rollout_past *past);
void rollout_explain_bar(json_t *lines, const char *group, const struct rollout_bar *bar);
/* The one that is under way: which gate its step waits for. */
void rollout_explain_awaited(json_t *lines, const char *group, uint32_t step, const char *what);
/* An array of lines, at most 120 columns each. */
json_t *rollout_explain_text(const struct config_rollout *rollout, const struct rollout_facts *facts,
			     const struct rollout_sums *sums);

#endif
