#!/bin/bash
# All players' buckets with one of three workers, under traffic: what an operator placed there stays, until balancing is
# switched on; then the load gets even, with orders in between and workers killed, and players notice nothing.
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/scale_claims.sh"
WORKERS=3
SLOTS=8
PLAYERS=60
KILLS=${KILLS:-2} # make chaos: 60
GROUP_EXTRA="    balance: {measure: packets, interval: 400ms, patience: 2, least_busy: off, rest: 500ms}
control:
  audit_log: $WORK/audit"
RANDOM=$((SEED % 32768))

balance() { ctl --json balance status game | jq -r ".groups[0]$1"; }
# Buckets of all players, "17,30,300", and how many players each worker has, "18 20 22".
find_players() {
	"$BIN/baton-bots" --print-players --players $PLAYERS --seed "$SEED" | cut -d' ' -f1 >"$WORK/players"
	ctl --json buckets find game $(cat "$WORK/players") >"$WORK/found.json"
}
player_buckets() { find_players && jq -r '[.keys[].bucket] | unique | join(",")' "$WORK/found.json"; }
players_by_worker() { find_players && jq -r '[.keys | group_by(.worker)[] | length] | sort | join(" ")' "$WORK/found.json"; }
# 20 each would be even; the threshold is 25 %.
players_are_even() {
	local list
	list=$(players_by_worker)
	[ "$(wc -w <<<"$list")" -eq "${1:-3}" ] && [ "${list##* }" -le $((PLAYERS * 5 / 4 / ${1:-3})) ]
}
# So many decisions later.
decided() { local looks; looks=$(balance .looks); wait_for "[ \$(balance .looks) -ge $((looks + $1)) ]"; }
all_to_game_0() { ctl buckets move "$(player_buckets)" game.0; }

nothing_is_measured_or_moved_while_it_is_off() {
	bots_start --players $PLAYERS --seconds 3000 --connect-timeout 30 --rate 3000 --seed "$SEED"
	served_on
	all_to_game_0
	served_on 3000
	equal "looks and moves" "$(balance '| "\(.on) \(.looks) \(.moves)"')" "false 0 0"
	equal "players of each" "$(players_by_worker)" $PLAYERS
}
what_an_operator_placed_stays() {
	sed -i 's/balance: {/balance: {enabled: true, /' "$WORK/baton.yaml"
	ctl config reload --wait
	decided 6
	equal "how many" "$(balance .placed_buckets)" "$(player_buckets | tr , '\n' | wc -l)"
	equal "moves" "$(balance .moves)" 0
	equal "players of each" "$(players_by_worker)" $PLAYERS
}
the_load_gets_even() {
	local busiest
	busiest=$(balance '.roles[0].workers | max_by(.load) | .name')
	equal "the busiest" "$busiest" game.0
	ctl balance on game
	wait_for players_are_even
	wait_for '[ "$(balance ".roles[0].verdict")" = even ]'
	ctl balance status game | grep 'game: balancing is on, as ordered; .* buckets moved in .* moves'
	ctl balance off game # from here on nothing changes any more
	[ "$(balance .moved)" -ge $((PLAYERS / 3)) ]
	equal "moves in the counters" "$(counter balance_moves)" "$(balance .moves)"
	equal "buckets in the counters" "$(counter balance_buckets)" "$(balance .moved)"
	echo "note: seed $SEED, $(balance .moved) buckets in $(balance .moves) moves, players $(players_by_worker)"
}
each_decision_is_in_the_audit_log() {
	local lines
	lines=$(jq -c 'select(.verb == "balance.move" and .event == "end" and .result == "ok")' "$WORK/audit" | wc -l)
	equal "lines of moves" "$lines" "$(balance .moves)"
	lines=$(jq -c 'select(.verb == "balance.move" and .event == "begin") | .args | select(.from == "game.0" and
		.imbalance > 1 and (.buckets | length > 0) and (.reason | test("above the mean")))' "$WORK/audit" | wc -l)
	[ "$lines" -ge 1 ]
}
off_is_off() {
	local before
	before=$(balance '| "\(.looks) \(.moves)"')
	all_to_game_0
	served_on 3000
	equal "looks and moves" "$(balance '| "\(.looks) \(.moves)"')" "$before"
	equal "players of each" "$(players_by_worker)" $PLAYERS
}
# None is refused: one that comes while buckets move waits.
orders_in_the_middle_are_carried_out() {
	local i moves order
	for ((i = 0; i < 3; i++)); do
		case $((i % 3)) in
		0) order="worker drain game.2" ;;
		1) order="worker start game.2" ;;
		2) order="worker restart game.1" ;;
		esac
		all_to_game_0
		moves=$(balance .moves)
		ctl balance on
		wait_for "[ \$(balance .moves) -gt $moves ]"
		ctl $order
	done
	wait_for players_are_even
}
kills_in_between_lose_nothing() {
	local i moves
	for ((i = 0; i < KILLS; i++)); do
		all_to_game_0
		moves=$(balance .moves)
		ctl balance on
		[ $((i % 2)) -eq 0 ] || wait_for "[ \$(balance .moves) -gt $moves ]"
		kill_worker game.$((RANDOM % 3))
		wait_for "steady game && players_are_even"
	done
}
cost_is_measured_too() {
	sed -i 's/measure: packets/measure: cost/' "$WORK/baton.yaml"
	ctl config reload --wait
	decided 3
	wait_for '[ "$(balance "| [.roles[0].workers[] | select(.busy > 0 and .busy <= 1 and .load == .busy)] | length")" = 3 ]'
	wait_for "ctl balance status | grep 'game.0 .*busy .* hottest: bucket'"
}
the_bots_found_nothing_wrong() {
	bots_stop
	bots_wait || cat "$WORK/bots.err"
	bots_clean
	counters_explain $(($(bots_value received) + $(bots_value probes)))
}
# Records of players who have gone are put back while balancing moves the buckets of others: exactly, and nobody notices.
# Packets are measured again: where costs are even, players need not be (a worker's own work is in its cost).
buckets_put_back_while_others_move_are_exact() {
	local gone here mine moves
	ctl balance off
	sed -i 's/measure: cost/measure: packets/' "$WORK/baton.yaml"
	ctl config reload --wait
	ctl state snapshot "$WORK/a.snap" --group game >"$WORK/said"
	bots_start --players $PLAYERS --seconds 3000 --connect-timeout 30 --seed $((SEED + 7))
	served_on 1000
	bots_stop
	bots_wait
	gone=$(SEED=$((SEED + 7)) player_buckets)
	bots_start --players $PLAYERS --seconds 3000 --connect-timeout 30 --rate 3000 --seed $((SEED + 9))
	served_on
	here=$(SEED=$((SEED + 9)) player_buckets)
	mine=$(comm -23 <(tr , '\n' <<<"$gone" | sort) <(tr , '\n' <<<"$here" | sort) | sort -n | paste -sd,)
	ctl buckets move "$here" game.0 >"$WORK/said"
	moves=$(balance .moves)
	ctl balance on >"$WORK/said"
	wait_for "[ \$(balance .moves) -gt $moves ]"
	must_fail equal "records of who has gone" "$(records_of "$mine")" "$(records_in "$WORK/a.snap" "$mine")"
	ctl state restore "$WORK/a.snap" --buckets "$mine" --group game
	equal "records of who has gone" "$(records_of "$mine")" "$(records_in "$WORK/a.snap" "$mine")"
	SEED=$((SEED + 9)) wait_for players_are_even
	bots_stop
	bots_wait || cat "$WORK/bots.err"
	bots_clean
}
records_in() { "$BIN/test-snapshot" "$1" | grep -wE "^($(tr , '|' <<<"$2"))"; }
records_of() { rm -f "$WORK/now.snap"; ctl state snapshot "$WORK/now.snap" --group game >"$WORK/said" && records_in "$WORK/now.snap" "$1"; }
ledger_is_exact_after_balancing() { batond_stop; ledger_balances; grep 'pool io.0: full' "$WORK/batond.log"; }

port_tap && batond_start || fatal "no batond"
for name in nothing_is_measured_or_moved_while_it_is_off what_an_operator_placed_stays the_load_gets_even \
	each_decision_is_in_the_audit_log off_is_off orders_in_the_middle_are_carried_out kills_in_between_lose_nothing \
	cost_is_measured_too the_bots_found_nothing_wrong buckets_put_back_while_others_move_are_exact \
	ledger_is_exact_after_balancing; do
	claim "$name" "$name"
done
