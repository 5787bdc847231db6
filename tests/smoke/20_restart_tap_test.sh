#!/bin/bash
# Hot restarts under traffic over tap: nothing lost, doubled or reordered.
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/restart_claims.sh"

port_tap && batond_start || fatal "no batond"
claim hot_restarts_over_tap_lose_nothing hot_restarts_lose_nothing
claim ledger_is_exact_after_restarts_over_tap restarts_leave_the_ledger_exact
