/* Handlers of the control socket's verbs that stand in files of their own; see command.h for what a handler is. */
#ifndef BATON_PRIMARY_VERBS_H
#define BATON_PRIMARY_VERBS_H

#include "command.h"

/* verbs_crash.c */
json_t *verb_crash_list(const struct command_call *call);
json_t *verb_crash_show(const struct command_call *call);

/* verbs_scale.c */
json_t *verb_worker_start(const struct command_call *call);
json_t *verb_worker_stop(const struct command_call *call);
json_t *verb_worker_drain(const struct command_call *call);
json_t *verb_worker_debug(const struct command_call *call);
json_t *verb_buckets_show(const struct command_call *call);
json_t *verb_buckets_find(const struct command_call *call);
json_t *verb_buckets_move(const struct command_call *call);

/* verbs_rollout.c */
json_t *verb_rollout_start(const struct command_call *call);
json_t *verb_rollout_status(const struct command_call *call);
json_t *verb_rollout_pause(const struct command_call *call);
json_t *verb_rollout_resume(const struct command_call *call);
json_t *verb_rollout_promote(const struct command_call *call);
json_t *verb_rollout_abort(const struct command_call *call);
json_t *verb_rollout_retry(const struct command_call *call);
json_t *verb_rollout_undo(const struct command_call *call);
json_t *verb_rollout_history(const struct command_call *call);
json_t *verb_rollout_explain(const struct command_call *call);
/* verbs_shadow.c */
json_t *verb_rollout_diff(const struct command_call *call);
/* verbs_balance.c */
json_t *verb_balance_status(const struct command_call *call);
json_t *verb_balance_on(const struct command_call *call);
json_t *verb_balance_off(const struct command_call *call);
/* verbs_state.c */
json_t *verb_state_snapshot(const struct command_call *call);
json_t *verb_state_restore(const struct command_call *call);

/* verbs_quarantine.c */
json_t *verb_quarantine_list(const struct command_call *call);
json_t *verb_quarantine_show(const struct command_call *call);
json_t *verb_quarantine_replay(const struct command_call *call);

#endif
