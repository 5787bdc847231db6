#!/bin/bash
# Staged rollouts under bots: a good candidate gets everything, step by step; one that dies is gone at once; an order
# takes it back; a primary that is killed in the middle goes on where it was. No player notices any of it.
SLOTS=7
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/scale_claims.sh"
. "$(dirname "$0")/rollout_claims.sh"

GROUP_EXTRA="    settings: {player.idle: 600s}" # nobody is forgotten between two snapshots
strategy '[{snapshot: {keep: 2}}, {weight: 10%}, {pause: {}}, {weight: 50%}, {pause: {}}, {weight: 100%}]'
port_tap || fatal "no port"
candidate_file good && batond_start || fatal "no batond"

claim a_good_candidate_gets_everything promoted_step_by_step
claim an_undo_takes_the_version_before_at_once undone_at_once
claim a_dead_candidate_is_rolled_back_at_once killed_candidate_is_gone
claim a_rolled_back_build_is_barred_until_retry barred_until_retry
claim an_abort_gives_everything_back aborted_at_once
claim a_candidate_in_the_configuration_starts_by_itself named_by_the_file
claim a_snapshot_comes_before_the_first_weight snapshot_comes_first
claim a_snapshot_is_put_back_whoever_has_the_buckets restored_at_a_weight
claim without_a_snapshot_nobody_gets_the_candidate nobody_without_snapshot
claim a_killed_primary_goes_on_at_its_step resumed_at_its_step
claim the_ledger_balances stopped_well
