/* Staged rollouts: a group goes from its stable version to a candidate in steps, and back at once if that is worse.
 * Each
 * is made of the operations there are: workers added and stopped, buckets moved by weight (scale.h), a restart at the
 * end. One a group; it survives the primary. docs/rollouts.md is for operators. Main lcore only.
 *
 * Files: rollout_state.c (the table), rollout_act.c (what its actions do), rollout_poll.c (what each state does every
 * turn), rollout_workers.c (candidate and control), rollout_check.c (which file, and may it run), rollout_order.c (what
 * operators order), rollout_configured.c
 * (what the configuration does), rollout_plan.c (the strategy in the file), rollout_gates.c, rollout_snapshot.c, rollout_home.c (whose
 * buckets are whose again), rollout_store.c (the file), rollout_show.c (JSON, monitors). */
#ifndef BATON_PRIMARY_ROLLOUT_H
#define BATON_PRIMARY_ROLLOUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"

struct peer;
struct primary;
struct supervisor;

/* ---- what the primary and the supervisor call; all of it does nothing without rollouts_init() ---- */

/* Reads what the last primary left. Returns 0, also if the file cannot be read: then there are no rollouts to go on
 * with, which is logged. Or -ENOMEM. */
int rollouts_init(struct primary *primary);
void rollouts_fini(struct primary *primary);
/* Every turn. */
void rollouts_poll(struct supervisor *sup);
/* Anything that needs a turn every ms. */
bool rollouts_busy(const struct primary *primary);

/* The file that a group starts with: what its last rollout promoted, as long as the configuration names the file that
 * it named then; else what that names. */
const char *rollout_plugin(const struct primary *primary, uint32_t group);
/* The process of a candidate in `slot` is dead, and the data path has not been told: its buckets are on their way to a
 * stable worker when this returns, and the rollout is rolled back. */
void rollout_death(struct supervisor *sup, uint32_t slot);
/* The image that a process of the worker is to run, our descriptor; -1: `path` is to be read. While a rollout is under
 * way each version is what it was at its beginning, whatever becomes of the files. */
int rollout_image(const struct supervisor *sup, uint32_t worker, const char *path);
/* Another operation on the group is refused while a rollout is under way: true, and a line in `why`. */
bool rollout_refuse(const struct primary *primary, uint32_t group, char *why, size_t bytes);
/* Worker slots that the rollouts under way will take at steps to come beside the workers that they have; `but`: of all
 * groups but that one, BATON_MAX_GROUPS: of all. */
uint32_t rollouts_reserved(const struct primary *primary, uint32_t but);
/* role[b]: which role (enum worker_role) is to own bucket b by the weight that is wanted now. */
void rollout_roles(const struct supervisor *sup, uint32_t group, uint32_t service, uint8_t *role);
/* home[b]: index of the group's own worker that bucket b goes back to when it is stable's again, SHARE_NOBODY: any.
 * False: nothing is known. */
bool rollout_homes(const struct supervisor *sup, uint32_t group, uint32_t service, uint8_t *home);
/* Balancing has moved these buckets: they are at home where they are now. */
void rollout_balanced(const struct supervisor *sup, uint32_t group, uint32_t service, const uint64_t *map);
/* Workers of that role are to own anything now. */
bool rollout_shares(const struct supervisor *sup, uint32_t group, uint32_t role);
/* The group's own workers run a build that was rolled back, and no rollout is under way: true, and a line in `why`. */
bool rollout_barred_runs(const struct primary *primary, uint32_t group, char *why, size_t bytes);
/* A reload would name another candidate for a group whose rollout is under way: true, and a line in `why`. */
bool rollout_refuse_candidate(const struct primary *primary, const struct config *next, char *why, size_t bytes);
/* A reload has put another configuration in force: a candidate that is new in it is rolled out. */
void rollouts_configured(struct primary *primary, const struct config *before);

/* ---- orders; each returns the reply, or NULL if it comes by command_reply() ---- */

/* One order, for the group of that name. */
struct rollout_order {
	const char *group;
	const char *to;      /* version or path; NULL: as the configuration says */
	bool replace, accept_one_way;
	bool full;           /* of promote */
	const struct peer *peer;
	uint64_t token;
};

json_t *rollout_start(struct primary *primary, const struct rollout_order *order);
json_t *rollout_retry(struct primary *primary, const struct rollout_order *order);
json_t *rollout_undo(struct primary *primary, const struct rollout_order *order);
json_t *rollout_pause(struct primary *primary, const struct rollout_order *order);
json_t *rollout_resume(struct primary *primary, const struct rollout_order *order);
json_t *rollout_promote(struct primary *primary, const struct rollout_order *order);
json_t *rollout_abort(struct primary *primary, const struct rollout_order *order);
/* group NULL: of all groups. */
json_t *rollout_status(struct primary *primary, const char *group);
json_t *rollout_history(struct primary *primary, const char *group);

#endif
