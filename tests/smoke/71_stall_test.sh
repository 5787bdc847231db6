#!/bin/bash
# A worker that settles nothing though entries wait is killed and replaced: stopped for good, or in an endless loop. One
# that others keep from its CPU is not. Players notice neither.
. "$(dirname "$0")/_init.sh"
WILD=${PLUGINS%/*}/test-plugins/game_wild.so
# How long the machine may keep a worker waiting is not what is tried here, so stall_wall is far off.
GROUP_EXTRA="    stall_wall: 60s
    versions:
      - {name: tame, plugin: $PLUGINS/game.so}
      - {name: wild, plugin: $WILD}
    restart_burst: off
    settings: {wild.after: 3000}"

active() { ctl --json worker list | jq -r '[.workers[] | select(.state == "active")] | "\(length) \(map(.buckets) | add)"'; }
worker() { ctl --json worker list | jq -r "[.workers[] | select(.state == \"active\") | .pid][$1]"; }
stalls() { ctl --json status | jq .stalls; }
serving() { [ "$(active)" = "2 $BUCKETS" ] && [ "$(counter replies)" -gt "$1" ]; }
bots_found_nothing_wrong() {
	bots_stop
	bots_wait || cat "$WORK/bots.err"
	bots_clean
}
a_worker_stopped_for_good_is_replaced() {
	local i pid replies
	bots_start --players 100 --seconds 3000 --connect-timeout 30 --seed "$SEED"
	wait_for 'serving 1000'
	for ((i = 0; i < 6; i++)); do
		pid=$(worker $((i % 2)))
		replies=$(counter replies)
		kill -STOP "$pid"
		wait_for "[ ! -e /proc/$pid ]"
		wait_for "serving $((replies + 500))"
	done
	bots_found_nothing_wrong
	equal "stalls" "$(stalls)" 6
	equal "stalls of the workers" "$(ctl --json worker list | jq '[.workers[].stalls] | add')" 6
	equal "stalls in CoreStats" "$(counter stalls)" 6
	equal "deaths" "$(ctl --json worker list | jq '[.workers[].crashes] | add')" 6
	equal "lines of the log" "$(grep -c 'died: stalled: no entry settled for [0-9]* ms in which it was stopped or blocked, [0-9]* waiting' "$WORK/batond.log")" 6
	echo "note: seed $SEED, $(counter redelivered) packets redelivered, longest gap $(bots_value longest_gap_ms) ms"
}
# Of the idle class on a CPU where others want to run: it is runnable and does not run.
waited_ms() { echo $(($(cut -d' ' -f2 "/proc/$1/schedstat") / 1000000)); }
a_worker_without_a_cpu_is_left_alone() {
	local pid before replies cpu
	cpu=$(taskset -cp $$ | sed 's/.*[-, ]//')
	before=$(stalls)
	bots_start --players 100 --seconds 3000 --connect-timeout 30 --lost-after 60000 --seed "$SEED"
	wait_for "serving $(($(counter replies) + 500))"
	pid=$(worker 0)
	taskset -c "$cpu" sh -c 'while :; do :; done' &
	run_process $!
	taskset -cp "$cpu" "$pid"
	chrt --idle -p 0 "$pid"
	wait_for "[ \$(waited_ms $pid) -gt $(($(waited_ms "$pid") + 200)) ]"
	kill -KILL $!
	chrt --other -p 0 "$pid"
	replies=$(counter replies)
	wait_for "serving $((replies + 500))"
	equal "worker" "$(worker 0)" "$pid"
	equal "stalls" "$(stalls)" "$before"
	bots_found_nothing_wrong
}
an_endless_loop_is_ended_and_loses_nothing() {
	local before
	before=$(stalls)
	bots_start --players 100 --seconds 3000 --connect-timeout 30 --seed "$SEED"
	wait_for "serving $(($(counter replies) + 500))"
	ctl worker restart game --version wild
	wait_for "[ \$(stalls) -ge $((before + 6)) ]"
	ctl worker restart game --version tame
	wait_for "serving $(($(counter replies) + 5000))"
	before=$(stalls)
	bots_found_nothing_wrong
	equal "stalls of the tame version" "$(stalls)" "$before"
	grep 'died: stalled: no entry settled for [0-9]* ms of CPU time, [0-9]* waiting' "$WORK/batond.log"
	must_fail grep 'journal is damaged' "$WORK/batond.log"
	echo "note: $(stalls) stalls in all"
}
ledger_is_exact_after_stalls() { batond_stop; ledger_balances; grep 'pool io.0: full' "$WORK/batond.log"; }

port_tap && batond_start || fatal "no batond"
claim a_worker_stopped_for_good_is_replaced a_worker_stopped_for_good_is_replaced
claim a_worker_without_a_cpu_is_left_alone a_worker_without_a_cpu_is_left_alone
claim an_endless_loop_is_ended_and_loses_nothing an_endless_loop_is_ended_and_loses_nothing
claim ledger_is_exact_after_stalls ledger_is_exact_after_stalls
