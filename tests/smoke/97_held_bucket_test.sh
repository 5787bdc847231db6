#!/bin/bash
# A candidate of another schema is rolled back, and its down-conversion crashes on one player's record, each time. That player's
# bucket is held, and named; all others notice nothing. A version that reads the record brings it back, whole, with what waited.
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/scale_claims.sh"
. "$(dirname "$0")/rollout_claims.sh"
BUCKETS=256
PLUGIN=game
GROUP_EXTRA="    settings: {player.idle: 600s}
    park: {max_age: 60s}"
strategy '[{weight: 50%}, {pause: {}}, {weight: 100%}]' '    cohort: [666]'
BAD=$O/test-plugins/game_badback.so
GOOD=$O/test-plugins/game_schema3.so
OLD=$PLUGINS/game.so

# move SEQUENCE: a PLAYER_MOVE of player 666. ask SEQUENCE FILE: sends it and waits for the answer.
move() { printf '30000000010000009a020000%02x000000%064d' "$1" 0; }
ask() {
	in_client timeout "${3:-20}" bash -c "exec 3<>/dev/udp/$BATON_IP/$UDP_PORT; printf '$(sed 's/../\\x&/g' <<<"$(move "$1")")' >&3
		dd bs=1500 count=1 <&3 2>/dev/null" | od -An -tx1 >"$2"
	[ -s "$2" ]
}
bucket_of_it() { ctl --json buckets find game 666 | jq -r '.. | objects | select(has("bucket")) | .bucket' | head -1; }
held() { ctl --json buckets show game | jq -r '[.services[].held[].bucket] | join(" ")'; }
line() { rm -f "$WORK/$1.snap"; ctl state snapshot "$WORK/$1.snap" --group game >/dev/null && "$BIN/test-snapshot" "$WORK/$1.snap" | awk -v b="$BUCKET" '$1 == b'; }
batonctl_find() { ctl --json buckets find game "$@" | jq -r '.. | objects | select(has("bucket")) | .bucket'; }

a_rollback_costs_one_bucket_only() {
	ask 40 "$WORK/first"
	ask 40 "$WORK/again" # what is sent again is answered as it was, and changes nothing
	BUCKET=$(bucket_of_it)
	echo "$BUCKET" >"$WORK/bucket"
	local seed=$SEED ids
	for (( ; ; seed++)); do
		ids=$("$BIN/baton-bots" --print-players --players 60 --seed $seed "$BATON_IP" | awk '{ print $1 }')
		batonctl_find $ids | grep -qx "$BUCKET" || break
	done
	echo "$seed" >"$WORK/seed" # of players who have other buckets
	line before >"$WORK/line.before"
	ctl --json worker list | jq -r '.workers[0].version' >"$WORK/version"
	bots_start --players 60 --seconds 3000 --connect-timeout 30 --lost-after 60000 --seed $seed
	wait_for '[ "$(counter replies)" -gt 500 ]'
	ctl rollout start game --to "$BAD"
	until_rollout '.state == "paused"'
	ask 40 "$WORK/second" # the candidate has it, and has migrated it
	ctl rollout abort game
	until_rollout '.state == "degraded" and .exposed_buckets == 0'
	wait_for '[ "$(held)" = "$BUCKET" ] && ctl --json buckets show game | jq -e ".services[].held[0].tried_again == false"'
	only_stable_serves
	players_stop
	grep "bucket $BUCKET ends whoever converts its records to schema 2" "$WORK/batond.log"
	echo "note: seed $seed, bucket $BUCKET, $(bots_value received) replies"
}
only_stable_serves() {
	equal "versions" "$(ctl --json worker list | jq -r '[.workers[] | select(.state == "active") | .version] | unique | join(" ")')" "$(cat "$WORK/version")"
	equal "buckets served" "$(ctl --json worker list | jq '[.workers[] | select(.state == "active") | .buckets] | add')" $((BUCKETS - 1))
}
an_operator_is_told() {
	BUCKET=$(cat "$WORK/bucket")
	ctl status >"$WORK/status" || :
	grep "bucket $BUCKET held: .*worker restart game --version.*state restore FILE --buckets $BUCKET" "$WORK/status"
	ctl buckets show game | grep "held: bucket $BUCKET, records of schema 3: 3 processes died converting them to schema 2"
	ctl audit >"$WORK/audit"; grep "bucket.*held" "$WORK/audit" || { tail -30 "$WORK/audit"; return 1; }
	must_fail ask 40 "$WORK/nothing" 1 # it waits, and answers nobody
}
# The version that runs cannot have it after a restart of batond either, orderly or not: it is held as before, the others are
# served.
still_held() {
	BUCKET=$(cat "$WORK/bucket")
	wait_for '[ "$(held)" = "$BUCKET" ]'
	wait_for 'only_stable_serves'
	equal "tries" "$(ctl --json buckets show game | jq '.services[].held[0].deaths')" 3
	equal "tried again" "$(ctl --json buckets show game | jq '.services[].held[0].tried_again')" false
	equal "the slot it has" "$(top_json | jq -r '[.workers[] | select(.state == "dead") | .name] | join(" ")')" game.held
	ctl status >"$WORK/status" || :
	grep "bucket $BUCKET held: .*worker restart game --version.*state restore FILE --buckets $BUCKET" "$WORK/status"
	must_fail ask 40 "$WORK/nothing" 1
	# as many as before: the seed is one of which none of so many has the held bucket
	bots_start --players 60 --seconds 3000 --connect-timeout 30 --lost-after 60000 --seed "$(cat "$WORK/seed")"
	players_stop
	equal "deaths, ever" "$(grep -c "ends whoever converts" "$WORK/batond.log")" 3
}
# batond_again: its configuration is as it was; all buckets but the held one have a worker.
batond_again() {
	wait_for '[ -s "$WORK/batond.rc" ]'
	BUCKETS=$((BUCKETS - 1)) batond_start "$WORK/baton.yaml"
}
held_after_an_orderly_restart() {
	batond_stop
	batond_again
	still_held
}
held_after_a_kill() {
	kill -KILL "$(batond_pid)"
	batond_again
	still_held
	line held >"$WORK/line.held" # it is whole, and of the newer schema
	[ -s "$WORK/line.held" ]
}
a_version_that_reads_it_brings_it_back() {
	BUCKET=$(cat "$WORK/bucket")
	bots_start --players 60 --seconds 3000 --connect-timeout 30 --lost-after 60000 --seed "$(cat "$WORK/seed")"
	ask 40 "$WORK/waited" 60 &
	local waited=$!
	wait_for '[ "$(ctl --json buckets show game | jq "[.services[].held[].packets] | add")" -gt 0 ]'
	ctl worker restart game --version "$GOOD"
	wait_for '[ -z "$(held)" ]'
	wait $waited || return 1 # what was sent meanwhile is answered
	ctl worker restart game --version "$OLD"
	equal "buckets served" "$(ctl --json worker list | jq '[.workers[] | select(.state == "active") | .buckets] | add')" "$BUCKETS"
	ask 40 "$WORK/last"
	cmp -n 122 "$WORK/waited" "$WORK/again" # all but the server's time
	cmp -n 122 "$WORK/last" "$WORK/again"
	players_stop
	line after >"$WORK/line.after"
	diff "$WORK/line.before" "$WORK/line.after" # the record is whole
	ctl state verify >"$WORK/verify" 2>&1 || { cat "$WORK/verify"; return 1; }
	ctl status >"$WORK/status" || :
	must_fail grep held "$WORK/status"
}

# The other way out: it is held once more, and put back from the snapshot of before; stable serves it at once.
a_restore_brings_it_back_as_well() {
	BUCKET=$(cat "$WORK/bucket")
	ctl rollout start game --to "$BAD"
	until_rollout '.state == "paused"'
	ask 40 "$WORK/second"
	ctl rollout abort game
	wait_for '[ "$(held)" = "$BUCKET" ]'
	until_rollout '.state == "degraded" and .exposed_buckets == 0'
	wait_for 'ctl state restore "$WORK/before.snap" --buckets "$BUCKET" --group game'
	wait_for '[ -z "$(held)" ]'
	line restored >"$WORK/line.restored"
	diff "$WORK/line.before" "$WORK/line.restored"
	ask 40 "$WORK/last"
	cmp -n 122 "$WORK/last" "$WORK/again"
	equal "held, by the file for the next start" "$(jq '.buckets | length' "/var/lib/baton/$INSTANCE/held.json")" 0
	rm -rf "/var/lib/baton/$INSTANCE"
}

port_tap && batond_start || fatal "no batond"
claim a_rollback_costs_one_bucket_only a_rollback_costs_one_bucket_only
claim an_operator_is_told an_operator_is_told
claim held_after_an_orderly_restart held_after_an_orderly_restart
claim held_after_a_kill held_after_a_kill
claim a_version_that_reads_it_brings_it_back a_version_that_reads_it_brings_it_back
claim a_restore_brings_it_back_as_well a_restore_brings_it_back_as_well
