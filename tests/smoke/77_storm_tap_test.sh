#!/bin/bash
# A sample of `make chaos ONLY=40`: workers are killed over a TAP port, under bots who roam and attack and keep books.
#   STORM_KILLS  kills (100, fewer if they take more than 20 s, but 25 at least)
. "$(dirname "$0")/_init.sh"
SLOW_NS=100000
. "$(dirname "$0")/../chaos/storm_claims.sh"
. "$(dirname "$0")/../chaos/storm_tap_claims.sh"
claim_storm_over_tap storm_for 20 25 "${STORM_KILLS:-100}"
