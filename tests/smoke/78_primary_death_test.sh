#!/bin/bash
# kill -9 of batond at full load, again and again, with a service manager that starts it at once. Players who move and
# attack keep books: what they had been acknowledged holds after each kill, position, sequence and hit points; what was
# under way has been done once or not at all; at all other times nothing is lost.
#   KILLS   of each kind but the rare ones (8; make chaos: 60)
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/attack_claims.sh"
KILLS=${KILLS:-8}
PLAYERS=120
# A worker that hangs is left alone, so that batond can be killed while a burst is half done.
GROUP_EXTRA="    tick_period: 50ms
    stall_timeout: off
    stall_wall: off
    versions: [{name: wild, plugin: ${PLUGINS%/*}/test-plugins/game_wild.so}]
    settings: {player.idle: 600s, regen.per_tick: 3, wild.after: 300}"
BOTS="--players $PLAYERS --seconds 3000 --connect-timeout 30 --lost-after 60000 --tries 60 --stale 100 --repeat 50 --mix move=60,heartbeat=10,attack=30"
RANDOM=$((SEED % 32768))

# ---- a service manager with Restart=always and no pause ---------------------------------------------------------------
keeper() {
	local rc
	while [ -e "$WORK/keep" ]; do
		ip netns exec "$SERVER" "$BIN/batond" "$WORK/baton.yaml" >>"$WORK/batond.log" 2>&1 </dev/null &
		run_process $!
		echo $! >"$WORK/batond.pid.new" && mv "$WORK/batond.pid.new" "$WORK/batond.pid"
		rc=0
		wait $! || rc=$? # a claim runs under set -e
		echo "ended $rc" >>"$WORK/ends"
	done
}
keep_batond() {
	: >"$WORK/keep"
	: >>"$WORK/batond.log"
	rm -f "$WORK/batond.rc"
	keeper >/dev/null 2>&1 &
	KEEPER=$!
	wait_for "starts $(($(ready_lines) + 1))"
}
# The last one ends in order; what it says of its buffers is judged by ledger_balances.
keep_no_more() {
	rm "$WORK/keep"
	kill -TERM "$(batond_pid)"
	wait_for '! kill -0 $KEEPER'
	equal "its end" "$(tail -1 "$WORK/ends")" "ended 0"
}
log_lines() { grep -c "$1" "$WORK/batond.log" || :; }
ready_lines() { log_lines 'ready: instance'; }
# The device of a TAP port comes and goes with batond, and its address with it.
starts() { { [ "$PORT_KIND" != tap ] || client_address; } >/dev/null 2>&1; [ "$(ready_lines)" -ge "$1" ]; }
# Kills it; the bots hear of it afterwards: what they have sent since is under way. The pid is read before, so that no
# younger one is hit.
kill_primary() {
	kill -KILL "$1"
	kill -USR1 "$(cat "$WORK/bots.pid")"
}
served() { [ "$(counter replies)" -gt "$1" ]; }
bots_alive() { bots_running || { echo "the bots gave up:"; cat "$WORK/bots.err"; return 1; }; }
serves_again() { wait_for "! bots_running || served $1" && bots_alive; }
wait_for_log() { wait_for "[ \$(log_lines '$1') -gt $2 ]"; }

# ---- claims -----------------------------------------------------------------------------------------------------------
# books_hold OUTAGES: so many at least, each with players under way, who then looked.
books_hold() {
	bots_stop
	bots_wait || cat "$WORK/bots.err"
	bots_clean
	equal "attack faults" "$(bots_value attack.faults)" 0
	equal "books" "$(bots_value attack.books)" balanced
	[ "$(bots_value 'outages.ms | length')" -ge "$1" ]
	[ "$(bots_value outages.looks)" -ge $(($1 * PLAYERS / 2)) ] # all whom the one before had answered
	[ "$(bots_value attack.hits)" -gt 50 ]
	[ "$(bots_value outages.unanswered)" -gt 0 ] # else it was idle when it died
	echo "note: seed $SEED, $(bots_value 'outages | "\(.count) kills, \(.ms | length) outages: " + (.ms | sort | "p50 \(.[length / 2 | floor]) ms, longest \(.[-1]) ms")')"
	echo "note: $(bots_value received) answers, $(bots_value attack.hits) hits; $(bots_value outages.unanswered) requests unanswered, $(bots_value outages.looks) looks, $(bots_value outages.applied) met an unanswered move"
}
unsettled() {
	sed -n 's/.*state: \([0-9]*\) unsettled bursts of the last run undone (\([0-9]*\) changes)/\1 \2/p' "$WORK/batond.log" |
		awk '{ bursts += $1; undone += $2 } END { printf "%d starts found %d unsettled bursts and undid %d records", NR, bursts, undone }'
}
what_was_acknowledged_outlives_kills_at_full_load() {
	local i ready
	bots_start $BOTS --seed "$SEED"
	for ((i = 1; i <= KILLS; i++)); do
		serves_again $((500 + RANDOM % 2000))
		ready=$(ready_lines)
		kill_primary "$(batond_pid)"
		wait_for "starts $((ready + 1))"
	done
	serves_again 2000
	books_hold "$KILLS"
	equal "kills" "$(bots_value outages.count)" "$KILLS"
	echo "note: $(unsettled)"
}
# Each is killed when its log says so: it has asked for plugins, has the state file, EAL, its zygote, its workers, has moved
# the first buckets; and twice in a row, the second time before the first one is through with dying.
kills_while_it_starts_lose_nothing_either() {
	local state ready pid
	bots_start $BOTS --seed $((SEED + 1))
	serves_again $(($(counter replies) + 1000))
	kill_primary "$(batond_pid)"
	for state in 'memory: ' 'taken over from the last run' 'EAL memory' 'zygote: pid' 'ready in slot' 'buckets moved to slot'; do
		pid=$(batond_pid)
		wait_for_log "$state" "$(log_lines "$state")"
		pid=$(batond_pid)
		kill_primary "$pid"
		wait_for "[ \"\$(batond_pid)\" != $pid ]"
		kill_primary "$(batond_pid)"
	done
	ready=$(ready_lines)
	wait_for "starts $((ready + 1))"
	serves_again 2000
	books_hold 1
}
# A hot restart is under way, buckets move: they end somewhere, once.
kills_in_a_hot_restart_lose_nothing_either() {
	local i ready moved
	bots_start $BOTS --seed $((SEED + 2))
	for ((i = 0; i < (KILLS + 3) / 4; i++)); do
		serves_again 1000
		ready=$(ready_lines)
		moved=$(log_lines 'restart of game with')
		ctl worker restart game >"$WORK/order" 2>&1 &
		run_process $!
		wait_for_log 'restart of game with' "$moved"
		[ $((i % 2)) = 0 ] || wait_for "[ \$(top_json | jq '[.workers[] | select(.state == \"draining\" or .state == \"drained\" or .state == \"stopping\")] | length') -gt 0 ] || ! kill -0 $!"
		kill_primary "$(batond_pid)"
		wait_for "starts $((ready + 1))"
	done
	serves_again 2000
	books_hold $(((KILLS + 3) / 4))
}
# The only worker loops for ever in the middle of a packet: changed, not settled. So says CPU time without a reply.
cpu_ms() { awk '{ print ($14 + $15) * 10 }' "/proc/$1/stat"; }
hangs() {
	local pid replies
	pid=$(ctl --json worker list | jq '.workers[].pid')
	replies=$(counter replies)
	wait_for "[ \$(cpu_ms $pid) -gt $(($(cpu_ms "$pid") + 200)) ]" && [ "$(counter replies)" = "$replies" ]
}
half_a_burst_is_undone_by_the_next_start() {
	local ready
	bots_start $BOTS --seed $((SEED + 4))
	serves_again 1000
	ctl worker stop game.1
	ctl worker restart game --version wild
	wait_for hangs
	ready=$(ready_lines)
	kill_primary "$(batond_pid)"
	wait_for "starts $((ready + 1))"
	serves_again 2000
	books_hold 1
	equal "unanswered moves that hold" "$(bots_value outages.applied)" 0
	equal "bursts that the last start has undone" "$(sed -n 's/.*state: \([0-9]*\) unsettled bursts of the last run undone ([1-9][0-9]* changes)/\1/p' "$WORK/batond.log" | tail -1)" 1
}
ledger_is_exact_after_kills() { keep_no_more; ledger_balances; grep 'pool io.0: full' "$WORK/batond.log" | tail -1; }

# Every process of the instance but batond, each with its start time.
children() {
	local pid
	for pid in $(ctl --json status | jq '.zygote.pid, .zygote.spare_pid') $(ctl --json worker list | jq '.workers[].pid'); do
		echo "$pid $(proc_start "$pid")"
	done
}
none_lives() {
	local pid start
	while read -r pid start; do
		[ "$(proc_start "$pid")" != "$start" ] || return 1
	done <"$WORK/children"
}
# Nobody starts it again for a while. Workers are busy, one is stopped, one has just been asked for: all leave, and let go
# of the state file, which does not change any more.
workers_leave_at_once_and_touch_nothing() {
	local file sum i
	file=$(sed -n 's/.*state file \(.*\): \(created\|taken over\).*/\1/p' "$WORK/batond.log" | tail -1)
	bots_start $BOTS --seed $((SEED + 3))
	for ((i = 0; i < 3; i++)); do
		batond_start "$WORK/baton.yaml"
		serves_again 1000
		children >"$WORK/children"
		equal "processes" "$(wc -l <"$WORK/children")" $((2 + WORKERS))
		case $i in
		1) kill -STOP "$(awk 'NR == 3 { print $1 }' "$WORK/children")" ;;
		2) kill -KILL "$(awk 'NR == 3 { print $1 }' "$WORK/children")" ;; # its successor is on its way
		esac
		kill_primary "$(batond_pid)"
		wait_for none_lives 10
		flock --timeout 10 "$file" true
		sum=$(sha256sum <"$file")
		wait_for '[ -s "$WORK/batond.rc" ] && [ -z "$(ip netns pids "$SERVER")" ]' 10
		equal "state file" "$(sha256sum <"$file")" "$sum"
	done
	batond_start "$WORK/baton.yaml"
	serves_again 1000
	books_hold 3
	batond_stop
	ledger_balances
}
# With a TAP port the device goes with the process: so do the players' address and route, which come back with the next.
# Their requests fail meanwhile, in their own kernel.
players_of_a_tap_port_come_back() {
	ip -n "$SERVER" link del bt0
	CLIENT=$SERVER CLIENT_DEV=bt0 PORT_KIND=tap DEVICE=net_tap0,iface=bt0
	batond_config >"$WORK/baton.yaml"
	keep_batond
	KILLS=$(((KILLS + 3) / 4))
	what_was_acknowledged_outlives_kills_at_full_load
	keep_no_more
	ledger_balances
	equal "devices" "$(ip -n "$SERVER" -o link | grep -vc ' lo:')" 0
}

port_af_packet || fatal "no veth"
batond_config >"$WORK/baton.yaml"
run_note instance "$INSTANCE"
keep_batond || fatal "no batond"
claim what_was_acknowledged_outlives_kills_at_full_load what_was_acknowledged_outlives_kills_at_full_load
claim kills_while_it_starts_lose_nothing_either kills_while_it_starts_lose_nothing_either
claim kills_in_a_hot_restart_lose_nothing_either kills_in_a_hot_restart_lose_nothing_either
claim half_a_burst_is_undone_by_the_next_start half_a_burst_is_undone_by_the_next_start
claim ledger_is_exact_after_kills ledger_is_exact_after_kills
claim workers_leave_at_once_and_touch_nothing workers_leave_at_once_and_touch_nothing
claim players_of_a_tap_port_come_back players_of_a_tap_port_come_back
