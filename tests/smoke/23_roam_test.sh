#!/bin/bash
# Payload steering: players that change their source port stay with their worker and lose nothing, restarts or not.
. "$(dirname "$0")/_init.sh"

roaming_players_lose_nothing() {
	bots_start --players 100 --roam --seconds 3000 --connect-timeout 30 --seed "$SEED"
	for i in 1 2 3 4 5; do
		local before
		before=$(counter replies)
		ctl worker restart game
		wait_for "[ \$(counter replies) -gt $((before + 500)) ]"
	done
	bots_stop
	bots_wait
	bots_clean
	[ "$(bots_value roams)" -gt 10 ]
	echo "note: $(bots_value roams) changes of the source port"
}
one_player_has_one_worker_from_whatever_port() {
	local a
	a=$(owners_that_worked_for_one_player)
	equal "workers that answered one player" "$a" 1
}
# Ticks are off here, so a worker's `processed` moves by packets, grants and revokes only.
owners_that_worked_for_one_player() {
	top_json | jq '[.cores[] | select(.role == "worker") | {index, processed: .counters.processed}]' >"$WORK/before"
	in_client "$BIN/baton-bots" --json --players 1 --sockets 8 --roam --requests 5000 --seed "$SEED" "$BATON_IP:$UDP_PORT" >"$WORK/one.json"
	[ "$(jq .roams "$WORK/one.json")" -gt 2 ] || { cat "$WORK/one.json"; return 1; } >&2
	top_json | jq --slurpfile before "$WORK/before" '[.cores[] | select(.role == "worker") | .index as $n | .counters.processed as $p |
		select($p - ($before[0][] | select(.index == $n) | .processed) > 500)] | length'
}

GROUP_EXTRA="    tick_period: off"
port_tap && batond_start || fatal "no batond"
claim roaming_players_lose_nothing roaming_players_lose_nothing
claim one_player_has_one_worker_from_whatever_port one_player_has_one_worker_from_whatever_port
