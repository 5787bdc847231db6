#!/bin/bash
# Orders to rollouts of two groups, drawn, by several operators at once, with kills of workers and of batond.
#   KILLS  of workers (60), each fourth of batond as well    CLERKS  who order at once (3)    SEED  of players and orders
. "$(dirname "$0")/../smoke/_init.sh"
. "$(dirname "$0")/../smoke/rollout_steps_claims.sh"
. "$(dirname "$0")/../smoke/rollout_storm_claims.sh"
KILLS=${KILLS:-60}
claim_rollout_storm
