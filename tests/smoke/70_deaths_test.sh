#!/bin/bash
# A worker killed with SIGKILL under traffic is replaced; what it had not settled is handled by the next one. The
# unsettled entries come from the primary's own copies, the half-made changes are undone.
. "$(dirname "$0")/_init.sh"
KILLS=${KILLS:-10}

active() { ctl --json worker list | jq -r '[.workers[] | select(.state == "active")] | "\(length) \(map(.buckets) | add)"'; }
victim() { ctl --json worker list | jq -r "[.workers[] | select(.state == \"active\") | .pid][$1]"; }
# replaced_after SIGNAL PID: it is gone, all buckets have owners again, and players get replies.
replaced_after() {
	local replies
	replies=$(counter replies)
	kill "-$1" "$2"
	wait_for "[ ! -e /proc/$2 ]"
	wait_for "[ \"\$(active)\" = \"2 $BUCKETS\" ] && [ \$(counter replies) -gt $((replies + 500)) ]"
}
killed_workers_are_replaced_and_nothing_is_lost() {
	local i pid
	bots_start --players 100 --seconds 3000 --connect-timeout 30 --seed "$SEED"
	wait_for '[ "$(counter replies)" -gt 1000 ]'
	for ((i = 0; i < KILLS; i++)); do
		pid=$(victim $((i % 2)))
		replaced_after KILL "$pid"
	done
	bots_stop
	bots_wait || cat "$WORK/bots.err"
	bots_clean
	equal "deaths counted" "$(ctl --json worker list | jq '[.workers[].crashes] | add')" "$KILLS"
	echo "note: seed $SEED, $KILLS kills, $(counter redelivered) packets redelivered, $(bots_value received) replies, longest gap $(bots_value longest_gap_ms) ms"
}
# The kernel dumps before a process counts as dead, and all memory that a worker has touched.
faults_are_replaced_without_a_core_dump() {
	local i pid deaths
	deaths=$(ctl --json worker list | jq '[.workers[].crashes] | add')
	bots_start --players 100 --seconds 3000 --connect-timeout 30 --seed "$SEED"
	wait_for "[ \$(counter replies) -gt $(($(counter replies) + 500)) ]"
	for ((i = 0; i < 4; i++)); do
		pid=$(victim $((i % 2)))
		equal "limit of core dumps" "$(awk '/^Max core file size/ {print $5, $6}' "/proc/$pid/limits")" "1 1"
		replaced_after SEGV "$pid"
	done
	bots_stop
	bots_wait || cat "$WORK/bots.err"
	bots_clean
	equal "deaths counted" "$(ctl --json worker list | jq '[.workers[].crashes] | add')" $((deaths + 4))
	equal "faults in the log" "$(grep -c 'died: signal 11 (Segmentation fault)' "$WORK/batond.log")" 4
	must_fail grep 'core dumped' "$WORK/batond.log"
}
nothing_is_wrong_in_the_state_file_after_deaths() {
	ctl state verify
	batond_stop
	"$BIN/batonctl" state verify "/dev/hugepages/baton.$INSTANCE.state" --plugin "$PLUGINS/game.so"
}
ledger_is_exact_after_deaths() { ledger_balances; grep 'pool io.0: full' "$WORK/batond.log"; }

ulimit -c unlimited 2>/dev/null # what batond has; its workers must not
port_tap && batond_start || fatal "no batond"
claim killed_workers_are_replaced_and_nothing_is_lost killed_workers_are_replaced_and_nothing_is_lost
claim faults_are_replaced_without_a_core_dump faults_are_replaced_without_a_core_dump
claim nothing_is_wrong_in_the_state_file_after_deaths nothing_is_wrong_in_the_state_file_after_deaths
claim ledger_is_exact_after_deaths ledger_is_exact_after_deaths
