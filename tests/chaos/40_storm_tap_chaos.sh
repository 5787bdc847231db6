#!/bin/bash
# 2,000 kills over a TAP port, 50 to 500 ms apart, under bots who roam and attack and keep books.
#   STORM_KILLS  kills in all (2000)
. "$(dirname "$0")/../smoke/_init.sh"
exec 5>&1
SLOW_NS=100000
. "$(dirname "$0")/storm_claims.sh"
. "$(dirname "$0")/storm_tap_claims.sh"
claim_storm_over_tap storm "${STORM_KILLS:-2000}" --every 50 --pause 50-500
