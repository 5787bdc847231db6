#!/bin/bash
# Rollouts on a disk that is really full: at their start, at each weight, when they go back, when they are promoted. Players
# notice nothing, errors are told, nothing that went back is taken up, and when there is room again the file is true again.
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/rollout_steps_claims.sh"
ANALYSIS="interval: 300ms, warmup: 50ms, min_packets: 20, gates: {latency_p50: off, latency_p99: off, cycles_per_packet: off}"
STEPS="{weight: 10%}, {pause: {}}, {weight: 50%}, {pause: {}}, {weight: 100%}, {pause: {}}"
GOOD=$CANDIDATES/game_v2.so
KEPT=/var/lib/baton/$INSTANCE
FILE=$KEPT/rollout.json

fill() { cat /dev/zero >"$KEPT/filler" 2>/dev/null || true; }
room() { rm -f "$KEPT/filler"; }
file_says() { [ "$(jq -r ".groups.game | $1" "$FILE" 2>/dev/null)" = true ]; }
again() {
	kill -KILL "$(batond_pid)"
	kill -USR1 "$(cat "$WORK/bots.pid")"
	wait_for '[ -s "$WORK/batond.rc" ]'
	batond_start "$WORK/baton.yaml"
}
said() { grep -qF "$1" "$WORK/batond.log" || { tail -20 "$WORK/batond.log"; return 1; }; }

begun_on_a_full_disk_and_gone_back_it_stays_barred() {
	fill
	start "$GOOD"
	until_is paused '.weight == 100'
	weighs 100
	said "a restart of batond would not know what is under way"
	kill -KILL "$(ctl --json worker list | jq -r --arg n "$(row .workers.candidate[0])" '.workers[] | select(.name == $n) | .pid')"
	over degraded
	room
	wait_for 'file_says ".at == \"degraded\" and (.barred | length) == 1"'
	said "written again"
	again
	is degraded
	refused_order 1 "was rolled back" start game --to "$GOOD"
	served_on
}
# What the last file says is that the candidate has its share.
gone_back_on_a_full_disk_it_is_not_taken_up() {
	local weight
	for weight in 100 500 1000; do
		order retry
		until_is paused '.weight == 100'
		fill
		if [ $weight -gt 100 ]; then order promote; until_is paused '.weight == 500'; fi
		if [ $weight -gt 500 ]; then order promote; fi
		until_is paused ".weight == $weight"
		weighs $weight
		order abort
		over degraded
		again # and it is full yet
		is degraded
		equal versions "$(versions)" 1
		equal "buckets exposed" "$(row .exposed_buckets)" 0
		served_on
		room
		wait_for 'file_says ".at == \"degraded\""'
	done
}
promoted_on_a_full_disk_it_is_what_the_next_primary_starts() {
	order retry
	until_is paused '.weight == 100'
	fill
	order promote --full
	over healthy
	equal versions "$(versions)" 2
	room
	wait_for 'file_says ".at == \"idle\" and .promoted.version == \"2\""'
	again
	equal versions "$(versions)" 2
	is healthy
	order undo --to 1
	over healthy
	equal versions "$(versions)" 1
	served_on
}
without_room_for_the_snapshot_nobody_gets_the_candidate() {
	strategy "{snapshot: {keep: 1}}, $STEPS"
	fill
	start "$GOOD"
	over degraded
	row .why | grep -q "no snapshot, so no player gets the candidate" || { row .why; return 1; }
	room
	order retry
	until_is paused '.weight == 100'
	[ -s "$(row .snapshot)" ]
	order undo
	over healthy
}
nobody_noticed_a_full_disk() {
	play_no_more
	bots_clean
	batond_stop
	ledger_balances
	echo "note: seed $SEED, $(bots_value received) replies"
}

GROUP_EXTRA="    settings: {player.idle: 600s}"
run_note instance "$INSTANCE"
run_note mount "$KEPT"
mkdir -p "$KEPT" && mount -t tmpfs -o size=16m none "$KEPT" || fatal "cannot mount a tmpfs"
port_tap || fatal "no port"
strategy "$STEPS"
batond_start "$WORK/baton.yaml" || fatal "no batond"
play
claim begun_on_a_full_disk_and_gone_back_it_stays_barred begun_on_a_full_disk_and_gone_back_it_stays_barred
claim gone_back_on_a_full_disk_it_is_not_taken_up gone_back_on_a_full_disk_it_is_not_taken_up
claim promoted_on_a_full_disk_it_is_what_the_next_primary_starts promoted_on_a_full_disk_it_is_what_the_next_primary_starts
claim without_room_for_the_snapshot_nobody_gets_the_candidate without_room_for_the_snapshot_nobody_gets_the_candidate
claim nobody_noticed_a_full_disk nobody_noticed_a_full_disk
