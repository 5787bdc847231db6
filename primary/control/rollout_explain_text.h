/* The words of rollout_explain.h. */
#ifndef BATON_PRIMARY_ROLLOUT_EXPLAIN_TEXT_H
#define BATON_PRIMARY_ROLLOUT_EXPLAIN_TEXT_H

#include "rollout_explain.h"

/* An array of lines, at most 120 columns each. */
json_t *rollout_explain_text(const struct config_rollout *rollout, const struct rollout_facts *facts,
			     const struct rollout_sums *sums);

#endif
