#!/bin/bash
# 1000 random changes of weight under load, with kills of stable workers, of control and of the candidate, and aborts.
#   WEIGHTS  changes (1000)    SEED  of the players and of what is drawn
. "$(dirname "$0")/../smoke/_init.sh"
. "$(dirname "$0")/../smoke/rollout_steps_claims.sh"
. "$(dirname "$0")/../smoke/rollout_weights_claims.sh"
WEIGHTS=${WEIGHTS:-1000}
claim_random_weights
