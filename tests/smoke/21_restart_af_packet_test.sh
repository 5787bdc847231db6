#!/bin/bash
# Hot restarts under traffic over af_packet: nothing lost, doubled or reordered.
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/restart_claims.sh"

port_af_packet && batond_start || fatal "no batond"
claim hot_restarts_over_af_packet_lose_nothing hot_restarts_lose_nothing
claim ledger_is_exact_after_restarts_over_af_packet restarts_leave_the_ledger_exact
