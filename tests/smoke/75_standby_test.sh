#!/bin/bash
# A worker that dies is replaced by a process that was ready before: the one whose pid was known. Players notice nothing,
# there is soon another standby, and after an upgrade it is of the new version.
. "$(dirname "$0")/_init.sh"
KILLS=${KILLS:-10}
STANDBY=1
GROUP_EXTRA="    versions:
      - {name: same, plugin: $PLUGINS/game.so}
      - {name: other, plugin: $WORK/game-other.so}"

# What `quiet` has seen last: the pids before a kill, and after it.
rows() { jq -r ".workers[] | select($1) | .pid" "$WORK/now.json"; }
serving() { rows ".role == \"serving\" and .state == \"active\" and .name == \"$1\""; }
standby() { rows '.role == "standby" and .state == "standby"'; }
# quiet: two workers with all buckets, one standby, nothing else; `batonctl status` finds nothing to say.
quiet() {
	ctl --json status >"$WORK/now.json"
	[ "$(jq -r '.verdict + " " + ([.workers[] | "\(.role)/\(.state)"] | sort | join(" ")) + " \([.workers[].buckets] | add)"' "$WORK/now.json")" = \
		"ok serving/active serving/active standby/standby $BUCKETS" ]
}
play() {
	bots_start --players 100 --seconds 3000 --connect-timeout 30 --seed "$SEED"
	wait_for "[ \$(counter replies) -gt $(($(counter replies) + 500)) ]"
}
played_well() {
	local replies
	replies=$(counter replies)
	wait_for "[ \$(counter replies) -gt $((replies + 200)) ]"
	bots_stop
	bots_wait || cat "$WORK/bots.err"
	bots_clean
}
crashes() { ctl --json worker list | jq '[.workers[].crashes] | add'; }
# gone PID...: the process has ended, and is not a zombie either.
gone() { local pid; for pid in "$@"; do [ ! -e "/proc/$pid" ] || return 1; done; }

each_death_is_taken_over_by_the_standby() {
	local i name pid next
	wait_for quiet
	play
	for ((i = 0; i < KILLS; i++)); do
		name=game.$((i % 2))
		wait_for quiet
		pid=$(serving "$name")
		next=$(standby)
		kill -KILL "$pid"
		wait_for "gone $pid && quiet"
		equal "process of $name after kill $i" "$(serving "$name")" "$next"
		equal "what ps calls it" "$(cat "/proc/$next/comm")" "$name"
		[ "$(standby)" != "$next" ] || { echo "no other standby"; return 1; }
	done
	played_well
	equal "deaths" "$(crashes)" "$KILLS"
	equal "takeovers in the log" "$(grep -c 'died: signal 9 (Killed).*, a standby takes over$' "$WORK/batond.log")" "$KILLS"
	equal "deaths with their stages" "$(grep -c 'since its death was seen .* undone [0-9.]* us, granted' "$WORK/batond.log")" "$KILLS"
	echo "note: seed $SEED, $(counter redelivered) packets redelivered, longest gap $(bots_value longest_gap_ms) ms"
}
of_two_at_once_one_gets_it() {
	local a b next before
	wait_for quiet
	play
	a=$(serving game.0) b=$(serving game.1) next=$(standby) before=$(crashes)
	kill -KILL "$a" "$b"
	wait_for "gone $a $b && quiet"
	equal "workers that the standby became" "$( (serving game.0; serving game.1) | grep -cx "$next")" 1
	played_well
	equal "deaths" "$(crashes)" $((before + 2))
}
# Nobody offers it anything: it is stopped, and found out all the same.
a_stopped_standby_is_replaced() {
	local pid before
	wait_for quiet
	pid=$(standby) before=$(crashes)
	kill -STOP "$pid"
	wait_for "gone $pid && quiet"
	equal "deaths of workers" "$(crashes)" "$before"
	[ "$(grep -c "game.standby: pid $pid in slot [0-9]*: stalled: " "$WORK/batond.log")" = 1 ] || { echo "the log does not say that it stalled"; return 1; }
}
# Stopped and the worker killed at once: it takes over, stalls, and what it got goes on.
a_standby_that_stops_as_it_takes_over_is_replaced() {
	local pid next
	wait_for quiet
	play
	pid=$(serving game.0) next=$(standby)
	kill -STOP "$next"
	kill -KILL "$pid"
	wait_for "gone $pid $next && quiet"
	played_well
}
after_an_upgrade_it_is_of_the_new_version() {
	local old next pid
	cp "$PLUGINS/game.so" "$WORK/game-other.so"
	wait_for quiet
	old=$(standby)
	play
	ctl worker restart game --version other
	wait_for "gone $old && quiet"
	equal "file of the standby" "$(ctl --json worker list | jq -r '.workers[] | select(.role == "standby") | .path')" "$WORK/game-other.so"
	pid=$(serving game.0) next=$(standby)
	kill -KILL "$pid"
	wait_for "gone $pid && quiet"
	equal "process of game.0" "$(serving game.0)" "$next"
	equal "files of all" "$(ctl --json worker list | jq -r '[.workers[].path] | unique | join(" ")')" "$WORK/game-other.so"
	played_well
}
ledger_is_exact_with_standbys() { batond_stop; ledger_balances; grep 'pool io.0: full' "$WORK/batond.log"; }

port_tap && batond_start || fatal "no batond"
claim each_death_is_taken_over_by_the_standby each_death_is_taken_over_by_the_standby
claim of_two_at_once_one_gets_it of_two_at_once_one_gets_it
claim a_stopped_standby_is_replaced a_stopped_standby_is_replaced
claim a_standby_that_stops_as_it_takes_over_is_replaced a_standby_that_stops_as_it_takes_over_is_replaced
claim after_an_upgrade_it_is_of_the_new_version after_an_upgrade_it_is_of_the_new_version
claim ledger_is_exact_with_standbys ledger_is_exact_with_standbys
