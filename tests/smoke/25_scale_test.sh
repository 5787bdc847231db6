#!/bin/bash
# Scale out and in under traffic, with two I/O lcores: workers added, drained, killed, taken back,
# stopped, buckets sent by hand. Nothing is lost, doubled or reordered, and shares are even.
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/scale_claims.sh"
KILLS=${KILLS:-8}
EAL_EXTRA="  io_cores: [0, 1]"

workers_come_and_go_and_nothing_is_lost() {
	local pid before moved
	bots_start --players 100 --seconds 3000 --connect-timeout 30 --seed "$SEED"
	wait_for '[ "$(counter replies)" -gt 1000 ]'
	before=$(worker_pid game.0)
	moved=$(ctl --json worker start game | jq .moved)
	equal "buckets that moved to the third" "$moved" $((BUCKETS / 3))
	even game; equal shares "$(shares game)" "341 341 342"
	ctl worker start game; even game; equal shares "$(shares game)" "256 256 256 256"
	served_on
	ctl worker drain game.1
	equal "state of the drained one" "$(worker_state game.1)" drained
	equal "its state for monitors" "$(top_json | jq -r '.workers[] | select(.name == "game.1") | "\(.state) \(.buckets)"')" "drained 0"
	even game; served_on
	drained_stays_asleep
	pid=$(worker_pid game.1)
	kill -KILL "$pid"
	wait_for "steady game && [ \"\$(worker_pid game.1)\" != $pid ]"
	equal "state of its successor" "$(worker_state game.1)" drained
	ctl worker restart game
	equal "state after a hot restart" "$(worker_state game.1)" drained
	[ "$(worker_pid game.0)" != "$before" ]
	even game; served_on
	ctl buckets move 0-99,1000-1022/2 game.3
	equal "owner of buckets 0-99" "$(ctl --json buckets show game | jq -r '.services[0].owners[] | select(.worker == "game.3") | .ranges' | cut -c1-4)" "0-99"
	served_on
	ctl worker start game.1; even game; equal "workers that share" "$(shares game | wc -w)" 4
	pid=$(worker_pid game.0)
	ctl worker stop game.0
	[ ! -e "/proc/$pid" ]
	even game; served_on
	ctl worker stop game.3; ctl worker stop game.2; equal shares "$(shares game)" "$BUCKETS"
	served_on
	ctl worker start game; equal "lowest free number" "$(ctl --json worker list | jq -r '[.workers[].name] | join(" ")')" "game.0 game.1"
	even game
}
# What it was told to do it has done; it takes part in nothing: no entry is handled while the others handle thousands.
drained_stays_asleep() {
	local slot handled='.cores[] | select(.role == "worker" and .index == $slot) | .counters.processed' before
	slot=$(ctl --json worker list | jq '.workers[] | select(.name == "game.1") | .slot')
	before=$(top_json | jq --argjson slot "$slot" "$handled")
	served_on 2000
	equal "entries of the drained one" "$(top_json | jq --argjson slot "$slot" "$handled")" "$before"
}
deaths_on_the_way_lose_nothing() {
	local i order victim rc
	RANDOM=$((SEED % 32768))
	for ((i = 0; i < KILLS; i++)); do
		case $((i % 4)) in
		0) order="worker start game" ;;
		1) order="worker drain game.1" ;;
		2) order="worker start game.1" ;;
		3) order="worker stop game.2" ;;
		esac
		victim=game.$((RANDOM % 3))
		ctl $order >"$WORK/order" 2>&1 &
		kill_worker "$victim"
		rc=0; wait $! || rc=$?
		[ $rc -eq 0 ] || { echo "$order, $victim killed:"; cat "$WORK/order"; return 1; }
		wait_for "steady game"
		even game || { echo "$order, $victim killed"; return 1; }
		served_on
	done
}
what_cannot_be_is_refused_with_the_reason() {
	local i last
	for ((i = 0; i <= SLOTS; i++)); do
		ctl worker start game >"$WORK/order" 2>&1 || break
	done
	refused 1 "no worker slot is free" worker start game.9 || { cat "$WORK/order"; ctl worker list; return 1; }
	refused 4 "workers are game.0" worker drain game.77
	refused 4 "groups are game" worker start gmae
	refused 4 "groups are game" buckets show gmae
	refused 2 "valid are 0-$((BUCKETS - 1))" buckets move "0-$BUCKETS" game.0
	ctl worker drain game.0
	refused 1 "game.0 is drained" buckets move 17 game.0
	while [ "$(shares game | wc -w)" -gt 1 ]; do
		ctl worker stop "$(ctl --json buckets show game | jq -r '[.services[0].owners[] | select(.buckets > 0) | .worker] | last')"
	done
	last=$(ctl --json buckets show game | jq -r '.services[0].owners[] | select(.buckets > 0) | .worker')
	refused 1 "$last is the last worker" worker drain "$last"
	refused 1 "$last is the last worker" worker stop "$last"
	served_on
}
the_bots_found_nothing_wrong() {
	bots_stop
	bots_wait || cat "$WORK/bots.err"
	bots_clean
	counters_explain $(($(bots_value received) + $(bots_value probes)))
	echo "note: seed $SEED, $(bots_value received) replies, $(counter moves) moves, $(counter redelivered) redelivered"
}
ledgers_are_exact_after_scaling() { batond_stop; ledger_balances; grep 'pool io.0: full' "$WORK/batond.log"; grep 'pool io.1: full' "$WORK/batond.log"; }

port_tap && batond_start || fatal "no batond"
claim workers_come_and_go_and_nothing_is_lost workers_come_and_go_and_nothing_is_lost
claim deaths_on_the_way_lose_nothing deaths_on_the_way_lose_nothing
claim what_cannot_be_is_refused_with_the_reason what_cannot_be_is_refused_with_the_reason
claim the_bots_found_nothing_wrong_while_workers_came_and_went the_bots_found_nothing_wrong
claim ledgers_are_exact_after_scaling ledgers_are_exact_after_scaling
