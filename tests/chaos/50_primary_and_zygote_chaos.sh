#!/bin/bash
# The full set of kills of batond (60 at full load, and of each other kind as many as go with them) and of zygotes (50 at
# random, 50 while workers start and buckets move). KILLS=N, ROUNDS=N, SEED=N.
cd "$(dirname "$0")/../.." || exit 1
KILLS=${KILLS:-60} ROUNDS=${ROUNDS:-50} ONLY=77_zygote,78_primary SCENARIO_SECONDS=${SCENARIO_SECONDS:-3600} tests/run.sh --smoke
