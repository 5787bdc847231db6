#!/bin/bash
# Players who subscribe are told where their neighbours are, under moves, hot restarts and kills, by packets that workers
# start of their own accord. The bots judge every one of them against what they have sent and had acknowledged, and at the
# end whether everybody has been told of everybody within the radius. One I/O lcore: a TAP device with more queues takes a
# packet that another queue sends as a sign that its flow has moved there, and what is still in the first is overtaken.
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/restart_claims.sh"
. "$(dirname "$0")/neighbours_claims.sh"

WORKERS=3
RESTARTS=10

fighters_are_told_through_kills() {
	neighbours_are_told_through_kills --roam --mix move=60,heartbeat=10,attack=30
	equal "books" "$(bots_value attack.books)" balanced
	[ "$(bots_value attack.hits)" -gt 100 ]
}

port_tap && batond_start || fatal "no batond"
claim neighbours_are_told_through_hot_restarts neighbours_are_told_through_hot_restarts
claim fighters_are_told_through_kills fighters_are_told_through_kills
claim ledger_is_exact_after_neighbours ledger_is_exact_after_neighbours
