#!/bin/bash
# A worker is debugged under traffic: while it stands still, stopped or at a breakpoint of gdb, only players of the buckets
# that it keeps wait; nothing kills it. At the end all is answered.
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/scale_claims.sh"
GROUP_EXTRA="    stall_timeout: 20ms"
PLAYERS=60
WINDOW=4

fields() { ctl --json worker list | jq -r --arg n game.1 '.workers[] | select(.name == $n) | .'"$1"; }
play() {
	bots_start --players $PLAYERS --window $WINDOW --repeat 0 --seconds 3000 --connect-timeout 30 --lost-after 60000 --seed "$SEED"
	served_on 500
}
in_belts() { top_json | jq '[.cores[] | select(.role == "io") | .belt_depth] | add'; }
# Those of the bots whose bucket game.1 keeps.
waiting_players() {
	"$BIN/baton-bots" --print-players --players $PLAYERS --seed "$SEED" | cut -d' ' -f1 >"$WORK/players"
	ctl --json buckets find game $(cat "$WORK/players") | jq '[.keys[] | select(.worker == "game.1")] | length'
}
debug_first_player() {
	local player
	player=$("$BIN/baton-bots" --print-players --players $PLAYERS --seed "$SEED" | head -1 | cut -d' ' -f1)
	ctl --json worker debug game.1 --key "$player" >"$WORK/debug.json"
}
# The bots ask no more: what is still open is what game.1 has, a window for each of its players.
only_its_players_wait() {
	local waiting pid
	waiting=$(waiting_players)
	pid=$(fields pid)
	[ "$waiting" -ge 1 ]
	wait_for "[ \$(in_belts) -ge $((waiting * WINDOW)) ]"
	served_on 3000
	bots_stop
	wait_for "[ \$(in_belts) -eq $((waiting * WINDOW)) ]"
	bots_running # it waits for them
	equal "process" "$(fields pid)" "$pid"
	equal "stalls" "$(ctl --json status | jq .stalls)" 0
	echo "note: seed $SEED, $waiting of $PLAYERS players waited, $(counter replies) replies"
}
all_is_answered() { bots_wait || cat "$WORK/bots.err"; bots_clean; }

stopped_worker_keeps_only_its_own_players_waiting() {
	local pid
	play
	debug_first_player
	equal "its buckets" "$(jq -r '.kept | split(",") | length' "$WORK/debug.json")" 1
	equal "state" "$(fields state) $(fields buckets)" "debug 1"
	pid=$(fields pid)
	kill -STOP "$pid"
	only_its_players_wait
	equal "state for monitors" "$(top_json | jq -r '.workers[] | select(.name == "game.1") | .state')" debug
	ctl status | grep "worker game.1, pid $pid, is being debugged and keeps 1 bucket; .batonctl worker debug game.1 --end. ends that" ||
		{ ctl status; return 1; }
	kill -CONT "$pid"
	all_is_answered
}
debugged_worker_is_left_alone() {
	local end='game.1 is being debugged: `batonctl worker debug game.1 --end` first' kept
	refused 1 "$end" worker restart game.1
	refused 1 "$end" worker restart game
	refused 1 "$end" worker drain game.1
	refused 1 "$end" worker stop game.1
	refused 1 "$end" worker start game.1
	refused 1 "$end" worker debug game.1
	refused 1 "$end" buckets move 0-9 game.1
	kept=$(jq -r .kept "$WORK/debug.json")
	refused 1 "$end" buckets move "$kept" game.0
	refused 1 "game.0 is the only worker of group game that can take buckets" worker debug game.0
	ctl worker start game
	equal "shares with a third" "$(shares game)" "1 511 512"
	ctl worker restart game.0
	ctl worker stop game.2
	equal "shares without it" "$(shares game)" "1 1023"
}
at_the_end_it_takes_its_share() {
	play
	ctl worker debug game.1 --end
	even game
	equal "state" "$(worker_state game.1)" active
	served_on
	bots_stop
	all_is_answered
	refused 2 "game.1 is not being debugged" worker debug game.1 --end
}
# The line that is printed, and what one does there.
in_gdb_a_breakpoint_keeps_only_its_own_players_waiting() {
	local pid
	mkfifo "$WORK/go"
	play
	debug_first_player
	pid=$(fields pid)
	(
		eval "$(jq -r .gdb "$WORK/debug.json") -nx -q -batch -ex 'break game_packet' -ex continue -ex bt \
			-ex 'shell echo here >$WORK/there' -ex 'shell cat $WORK/go' -ex delete -ex detach" >"$WORK/gdb.log" 2>&1 &
		run_process $!
	)
	wait_for '[ -s "$WORK/there" ]' || { cat "$WORK/gdb.log"; return 1; }
	grep -E 'in game_packet|, game_packet|game_packet \(' "$WORK/gdb.log"
	only_its_players_wait
	echo go >"$WORK/go"
	all_is_answered
	equal "process" "$(fields pid)" "$pid"
}
# Whoever debugs it may kill it: then it is a worker like any other.
debug_ends_with_the_process() {
	local pid
	pid=$(fields pid)
	play
	kill -KILL "$pid"
	wait_for 'steady game && even game'
	wait_for "[ \$(fields state) = active ]"
	served_on
	bots_stop
	all_is_answered
}
ledger_is_exact_after_debugging() { batond_stop; ledger_balances; grep 'pool io.0: full' "$WORK/batond.log"; }

port_tap && batond_start || fatal "no batond"
for name in stopped_worker_keeps_only_its_own_players_waiting debugged_worker_is_left_alone at_the_end_it_takes_its_share \
	in_gdb_a_breakpoint_keeps_only_its_own_players_waiting; do
	claim "$name" "$name"
done
claim debug_ends_with_the_process debug_ends_with_the_process
claim ledger_is_exact_after_debugging ledger_is_exact_after_debugging
