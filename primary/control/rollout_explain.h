/* `batonctl rollout explain`: a strategy put into figures. Pure functions of the strategy and of facts about the group;
 * who measures those is rollout_facts.c. */
#ifndef BATON_PRIMARY_ROLLOUT_EXPLAIN_H
#define BATON_PRIMARY_ROLLOUT_EXPLAIN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "config.h"

struct primary;

struct rollout_facts {
	uint32_t buckets;  /* of the group's service */
	uint32_t workers;  /* of the group, those of a rollout apart */
	uint32_t others;   /* worker slots that other groups, all standbys and one restart need */
	uint32_t slots;    /* that there are */
	uint64_t stall_ns; /* until a worker that settles nothing is killed; 0: never */
	double pps;        /* packets of the service per second; NAN: not known */
	bool records; /* the plugin keeps records, which a candidate may keep in another schema */
	bool players_known, cohort_known;
	uint64_t players;  /* records in use of the whole group */
	uint32_t cohort_buckets; /* that hold the cohort */
	uint64_t cohort_players; /* players in them, the cohort's own included */
};

/* What one step means; for a pause, of the weight that holds. Times in seconds, NAN: not known. */
struct rollout_step_sums {
	uint32_t permille; /* the candidate's; of a shadow 0 */
	uint32_t buckets;  /* it owns; of a shadow: that are mirrored */
	uint32_t candidates, controls; /* workers */
	double share;      /* of the buckets: exact, as far as whole buckets are */
	double pps;        /* of packets that the candidate handles; of a shadow: copies, whose replies nobody gets */
	double players;    /* exposed: whose packets it answers; of a shadow 0 */
	double least_s;    /* the step takes at least so long */
	bool operator_waits; /* and then until somebody resumes */
	bool window_short; /* fewer packets than min_packets are expected in a window: gates neither pass nor fail */
	double bad_packets; /* answered by a candidate that is bad from the first packet on, until its gate has failed */
};

struct rollout_sums {
	struct rollout_step_sums step[CONFIG_STEPS];
	double fastest_s;   /* from start to 100 %, without the time that operators take */
	uint32_t resumes;   /* pauses that wait for one */
	double steady_s;    /* until a gate that fails in every window ends it: warmup + interval * failure_limit */
	double slowest_s;   /* the same if it fails only as often as it must: warmup + interval * of_windows */
	uint32_t most_workers; /* of candidate and control, at once */
	uint32_t slots_needed;
	uint32_t slots_converting; /* the same for a candidate of another schema: one may be started to convert back */
};

void rollout_sums(const struct config_rollout *rollout, const struct rollout_facts *facts, struct rollout_sums *out);

/* The same as the reply to rollout.explain: figures by step, and `text`, an array of lines for people. */
json_t *rollout_explain_json(const struct config_rollout *rollout, const struct rollout_facts *facts);

/* Facts of a running primary, and its answer for the group. Main lcore. */
void rollout_facts(const struct primary *primary, uint32_t group, const struct config_rollout *rollout,
		   struct rollout_facts *out);
json_t *rollout_explain_group(const struct primary *primary, uint32_t group);

#endif
