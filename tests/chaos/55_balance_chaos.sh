#!/bin/bash
# Balancing with a worker killed in each of many rounds. KILLS=N, SEED=N.
cd "$(dirname "$0")/../.." || exit 1
KILLS=${KILLS:-60} ONLY=86_balance SCENARIO_SECONDS=${SCENARIO_SECONDS:-3600} tests/run.sh --smoke
