#!/bin/bash
# A short sample of what `make chaos` does a thousand times: random weights under load, with kills of stable workers, of
# control and of the candidate, and aborts. SEED repeats what is drawn.
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/rollout_steps_claims.sh"
. "$(dirname "$0")/rollout_weights_claims.sh"
WEIGHTS=${WEIGHTS:-12}
claim_random_weights
