#!/bin/bash
# A short sample of what `make chaos` does for minutes: orders to rollouts of two groups, drawn, by several operators at once,
# with kills of workers and of batond.
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/rollout_steps_claims.sh"
. "$(dirname "$0")/rollout_storm_claims.sh"
KILLS=${KILLS:-4}
claim_rollout_storm
