#!/bin/bash
# The zygote, its spare, or both are killed under traffic, at rest, while a worker starts and while buckets move: running
# workers are not touched, a worker killed right after it is replaced all the same, and players who move and attack notice
# nothing.
#   ROUNDS   of the random ones (8; make chaos: 50)
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/attack_claims.sh"
ROUNDS=${ROUNDS:-8}
RANDOM=$((SEED % 32768))
shopt -s extglob
# A busy machine may keep any process waiting: that is not what is tried here.
GROUP_EXTRA="    tick_period: 50ms
    stall_wall: 60s
    settings: {player.idle: 600s, regen.per_tick: 3}"
BOTS="--players 120 --seconds 3000 --connect-timeout 30 --lost-after 60000 --tries 60 --mix move=60,heartbeat=10,attack=30"

zygote() { ctl --json status | jq ".zygote.$1"; }
workers() { ctl --json worker list | jq -r '.workers[] | select(.state == "active") | .pid' | sort; }
# A zygote with a spare, other than the dead ones, and workers with all buckets, other than the dead one.
whole() {
	local pid known
	known=$(ctl --json status | jq -r '.zygote | "\(.pid) \(.spare_pid)"')
	[[ $known != *null* && " $known " != *" 0 "* ]] || return 1
	for pid in $1; do [[ " $known " != *" $pid "* ]] || return 1; done
	workers_ready "$WORKERS" "$BUCKETS" && [[ -z $2 || $(workers) != *"$2"* ]]
}
none_left_over() {
	wait_for '[ "$(pgrep -c -P "$(batond_pid)")" = $((WORKERS + 2)) ]' || { ps -o pid,ppid,stat,args --ppid "$(batond_pid)"; return 1; }
	[ -z "$(ps -o stat= --ppid "$(batond_pid)" | grep ^Z)" ]
}
# kill_some zygote|spare|both [WORKER]: in this order, as fast as a shell can; then all is whole again, and whoever was not
# killed still serves.
kill_some() {
	local dead=() before worker=${2:-}
	before=$(workers)
	[ "$1" = spare ] || dead+=("$(zygote pid)")
	[ "$1" = zygote ] || dead+=("$(zygote spare_pid)")
	kill -KILL "${dead[@]}" $worker
	wait_for "whole '${dead[*]}' '$worker'"
	equal "workers that were not killed and are gone" "$(comm -23 <(echo "$before" | grep -vx "${worker:-none}") <(workers))" ""
}
some_worker() { workers | sed -n "$((1 + RANDOM % WORKERS))p"; }
bots_found_nothing_wrong() {
	wait_for "[ \$(counter replies) -gt $(($(counter replies) + 1000)) ]"
	bots_stop
	bots_wait || cat "$WORK/bots.err"
	bots_clean
	books_balance
}

the_spare_takes_over_and_a_dead_worker_is_replaced() {
	local spare deaths
	deaths=$(zygote deaths)
	spare=$(zygote spare_pid)
	kill_some zygote
	equal "the zygote now" "$(zygote pid)" "$spare"
	kill_some zygote "$(some_worker)"
	kill_some spare "$(some_worker)"
	equal "deaths" "$(zygote deaths)" $((deaths + 3))
	must_fail grep 'without EAL' "$WORK/batond.log"
}
# What a worker shares with anybody: kind of file and size of each mapping.
shared() {
	local range mode offset device inode file
	while read -r range mode offset device inode file; do
		[[ $mode != *s ]] || echo $((0x${range#*-} - 0x${range%-*})) "${file/map_+([0-9])/map_}"
	done <"/proc/$1/maps" | sort
}
both_die_and_a_new_one_makes_workers_of_the_same_kind() {
	local pid want
	pid=$(some_worker)
	want=$(shared "$pid")
	[ "$(wc -l <<<"$want")" -ge 4 ]
	kill_some both "$pid"
	grep 'a new zygote, pid [0-9]*, is started, without EAL' "$WORK/batond.log"
	for pid in $(workers); do equal "shared memory of pid $pid" "$(shared "$pid")" "$want"; done
	# its spare is of its kind, and so is the spare's
	kill_some zygote "$(some_worker)"
	kill_some both "$(some_worker)"
	for pid in $(workers); do equal "shared memory of pid $pid" "$(shared "$pid")" "$want"; done
}
# A restart fails if the zygote dies before it has forked the new worker, as every other one does for sure that is asked of a
# stopped zygote; else it goes on. Both are well.
kills_while_a_worker_starts_and_buckets_move_lose_nothing() {
	local i pid failed=0 what rc
	for ((i = 0; i < ROUNDS; i++)); do
		what=$(zygote pid)
		[ $((i % 2)) = 0 ] || kill -STOP "$what"
		ctl worker restart game >"$WORK/order" 2>&1 &
		pid=$!
		if [ $((i % 2)) = 0 ]; then
			read -rt "0.0$((RANDOM % 4))$((RANDOM % 10))" <> <(:) || : # wherever it is by then
		else
			wait_for 'top_json | jq -e "[.workers[].state] | index(\"starting\")"'
		fi
		kill -KILL "$what"
		rc=0
		wait $pid || rc=$?
		[ $rc -eq 0 ] || { failed=$((failed + 1)); grep -E 'cannot start|the zygote' "$WORK/order" || { cat "$WORK/order"; return 1; }; }
		wait_for "whole '$what' ''"
	done
	none_left_over
	[ "$failed" -ge $((ROUNDS / 2)) ]
	echo "note: $ROUNDS restarts, $failed of them failed for want of a zygote"
}
kills_at_random_lose_nothing() {
	local i kinds=(zygote zygote spare both both) kind worker again=0
	for ((i = 0; i < ROUNDS; i++)); do
		kind=${kinds[RANDOM % 5]}
		worker=
		[ $((RANDOM % 3)) = 0 ] || worker=$(some_worker)
		kill_some $kind $worker
		[ $kind != both ] || again=$((again + 1))
	done
	none_left_over
	echo "note: seed $SEED, $ROUNDS kills, $again of both, $(zygote deaths) deaths of zygotes and spares in all"
}
ledger_is_exact_after_all_of_it() { batond_stop; ledger_balances; grep 'pool io.0: full' "$WORK/batond.log"; }

port_tap && batond_start || fatal "no batond"
bots_start $BOTS --seed "$SEED"
wait_for '[ "$(counter replies)" -gt 1000 ] && whole "" ""' || fatal "no traffic"
claim the_spare_takes_over_and_a_dead_worker_is_replaced the_spare_takes_over_and_a_dead_worker_is_replaced
claim both_die_and_a_new_one_makes_workers_of_the_same_kind both_die_and_a_new_one_makes_workers_of_the_same_kind
claim kills_while_a_worker_starts_and_buckets_move_lose_nothing kills_while_a_worker_starts_and_buckets_move_lose_nothing
claim kills_at_random_lose_nothing kills_at_random_lose_nothing
claim bots_found_nothing_wrong bots_found_nothing_wrong
claim ledger_is_exact_after_all_of_it ledger_is_exact_after_all_of_it
