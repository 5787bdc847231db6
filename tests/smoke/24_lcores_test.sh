#!/bin/bash
# Several I/O lcores, several workers: a port with a queue per lcore; moves wait for the revokes of all lcores.
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/restart_claims.sh"
RESTARTS=5
WORKERS=3
EAL_EXTRA="  io_cores: [0, 1]"

both_lcores_received() {
	[ "$(top_json | jq '[.cores[] | select(.role == "io" and .counters.replies > 100)] | length')" = 2 ]
}

port_tap && batond_start || fatal "no batond"
claim hot_restarts_with_two_lcores_lose_nothing hot_restarts_lose_nothing
claim both_lcores_received both_lcores_received
claim ledgers_are_exact_with_two_lcores restarts_leave_the_ledger_exact
