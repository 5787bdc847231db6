/* How a group gets from one version to the next: the section rollouts of the configuration. */
#ifndef BATON_CONFIG_ROLLOUT_H
#define BATON_CONFIG_ROLLOUT_H

#include <stdbool.h>
#include <stdint.h>

#include "abi.h"
#include "rollout_names.h"

#define CONFIG_STEPS     32u /* of a rollout */
#define CONFIG_COHORT    64u /* players that go first */
#define CONFIG_KEY_BYTES 64u
#define CONFIG_CONTROL_MOST 500u /* permille: above that there is no control, the candidate has more than it could */

#define CONFIG_SNAPSHOTS 100u /* of a group's rollouts that may be kept */

enum config_step_kind { STEP_SHADOW, STEP_WEIGHT, STEP_PAUSE, STEP_SNAPSHOT };

/* One step of a rollout; which members mean anything depends on its kind. */
struct config_step {
	enum config_step_kind kind;
	uint32_t permille; /* shadow: share of the buckets that is mirrored; weight: share that the candidate owns */
	uint64_t ns;       /* shadow: for so long; pause: so long, 0: until an operator resumes */
	bool digest;       /* shadow: compare by the plugin's digest(), else byte by byte */
	uint32_t keep;     /* snapshot: so many of the group's latest are kept, this one among them */
};

struct config_gate {
	bool on, dry_run; /* dry_run: judged and shown, but nothing follows */
	bool immediate;   /* one window is enough, whatever failure_limit says; crashes and stalls are seen at once */
	double max;                  /* absolute, by rollout_gate_unit(); NAN: none */
	double max_delta, max_ratio; /* above control's, times control's; NAN: none */
};

struct config_analysis {
	uint64_t interval_ns, warmup_ns; /* of a window; after each change of weight nothing is judged for so long */
	uint64_t min_packets;            /* in a window, of candidate and control each: fewer are neither pass nor fail */
	uint32_t failure_limit, of;      /* k failures of a gate in the last n windows end the rollout */
	struct config_gate gate[GATE_COUNT];
};

/* How a group gets from one version to another. */
struct config_rollout {
	char name[BATON_NAME_BYTES]; /* of the group */
	uint32_t group_index;
	char candidate[BATON_PATH_BYTES]; /* name of a version of the group, or path; empty: given with the order */
	struct config_step step[CONFIG_STEPS];
	uint32_t steps;
	char cohort[CONFIG_COHORT][CONFIG_KEY_BYTES]; /* players' keys as scale_key_bucket() reads them */
	uint32_t cohorts;
	struct config_analysis analysis;
	bool pause_on_failure; /* on_failure: pause; else it is rolled back. A crash or stall always is */
	uint64_t deadline_ns;  /* from its start to its end, pauses until resumed apart; 0: none */
	bool accept_one_way;   /* also a candidate that cannot write what stable reads */
	uint32_t line; /* where it stands in the file; 0: the default strategy */
};

struct config;

/* The strategy of a group that has none in the file: 1 %, 10 %, 50 %, 100 %, a pause until resumed after each but the
 * last, the default gates. */
void config_rollout_default(const struct config *config, uint32_t group, struct config_rollout *out);
/* The group's strategy: from the file, or that default. */
void config_rollout_of(const struct config *config, uint32_t group, struct config_rollout *out);
/* Candidate workers of a group of `count` at that weight: max(1, ceil(permille * count / 1000)). Up to
 * CONFIG_CONTROL_MOST there are as many of control. */
uint32_t config_rollout_candidates(uint32_t count, uint32_t permille);
/* Workers of candidate and control together that the strategy needs at most beside the group's own, each in a worker
 * slot. *permille: the weight that needs them, 0: a shadow. */
uint32_t config_rollout_extra(const struct config_rollout *rollout, uint32_t count, uint32_t *permille);

#endif
