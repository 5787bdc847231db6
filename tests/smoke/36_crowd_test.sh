#!/bin/bash
# A plugin that no one should run, beside a service of the same I/O lcore: it posts messages that never end, posts all to
# one worker that has stopped, sends to addresses that nobody has, logs every packet. The other service answers every packet
# all the time; the greedy one is restarted, moved and killed like any other; nothing is lost uncounted.
. "$(dirname "$0")/_init.sh"
ECHO_BUCKETS=64
GROUP_EXTRA="    stall_timeout: off
    stall_wall: off"

# Two services: crowd on $UDP_PORT with two workers, echo on 7 with one. A worker that is stopped stays so.
crowd_config() {
	(PLUGIN=crowd; batond_config) | sed -e "s|plugin: .*|plugin: $O/test-plugins/crowd.so|; /records:/d" \
		-e "s|^    group: crowd|&\n  - {name: echo, port: 7, buckets: $ECHO_BUCKETS, group: echo}|"
	echo "  - {name: echo, plugin: $PLUGINS/echo.so, count: 1}"
}
# crowd WHAT COUNT [N]: that many datagrams of the kind, each with a key of its own, N (16) at a time; those that are
# answered are waited for, 20 ms at most, so that the device's queue has room for the other service.
crowd() {
	in_client bash -c 'exec 3<>"/dev/udp/$1/$2"
		for ((i = 1; i <= $4; i++)); do
			printf "%06d%02d%s" $RANDOM $((i % 100)) $3 >&3
			for ((k = 0; k < $5 && i % $5 == 0; k++)); do read -r -N 1 -t 0.02 -u 3 || break; done
		done' - "$BATON_IP" "$UDP_PORT" "$1" "$2" "${3:-16}" || true
}
crowd_pid() { ctl --json worker list | jq --arg name "$1" '.workers[] | select(.name == $name and .role == "serving") | .pid'; }
echo_bots() { WORK=$WORK/echo UDP_PORT=7 "$@"; }
# The other service has answered some hundred packets more.
echo_goes_on() {
	local before
	before=$(echo_handled)
	wait_for "[ \$(echo_handled) -gt $((before + 500)) ]"
	echo_bots bots_running
}
echo_handled() { top_json | jq '[.cores[] | select(.role == "worker" and (.name | startswith("echo."))) | .counters.processed] | add'; }
# Both counters of one snapshot: between two, so many messages are settled that the difference says nothing.
messages_under_way() { top_json | jq '.totals.messages_posted - .totals.messages_settled'; }
crowd_settled() { wait_for "workers_ready 3 $((BUCKETS + ECHO_BUCKETS))"; }

unreachable_addresses() {
	crowd s 200
	[ "$(counter no_neighbour)" -gt 0 ]
	echo_goes_on
}
lines_without_end() {
	crowd g 2000
	[ "$(grep -c 'a datagram of' "$WORK/batond.log")" -le 1000 ]
	wait_for "crowd g 20; grep -q 'lines of it are left out here' '$WORK/batond.log'"
}
# Bucket 0, where all are posted to, is in the one that has stopped.
a_stopped_worker_holds_up_its_own_service_only() {
	local pid
	kill -STOP "$(crowd_pid crowd.0)"
	wait_for '[ "$(counter message_room)" -gt 0 ] || { crowd h 500 50; false; }'
	echo_goes_on
	pid=$(crowd_pid crowd.0)
	kill -KILL "$pid"
	wait_for "[ \"\$(crowd_pid crowd.0)\" != '$pid' ]" && crowd_settled
	wait_for '[ "$(counter messages_settled)" = "$(counter messages_posted)" ]'
	equal "messages lost" "$(counter messages_lost)" 0
}
messages_without_end_do_not_keep_a_move_from_ending() {
	local pid
	wait_for '[ "$(messages_under_way)" -gt 9000 ] || { crowd l 500 50; false; }'
	echo_goes_on
	ctl worker restart crowd
	ctl worker drain crowd.1
	ctl worker start crowd.1
	pid=$(crowd_pid crowd.1)
	kill -KILL "$pid"
	wait_for "[ \"\$(crowd_pid crowd.1)\" != '$pid' ]" && crowd_settled
	echo_goes_on
	equal "messages lost" "$(counter messages_lost)" 0
	equal "healthy workers killed" "$(grep -c 'has not taken what waited' "$WORK/batond.log")" 0
}
the_other_service_felt_nothing() {
	echo_bots bots_running
	echo_bots bots_stop
	echo_bots bots_wait || cat "$WORK/echo/bots.err"
	echo_bots bots_clean
}
everything_is_accounted_for() { batond_stop; ledger_balances; grep 'pool io.0: full' "$WORK/batond.log"; }

BUCKETS=64
port_tap && crowd_config >"$WORK/baton.yaml" || fatal "no port"
WORKERS=3 BUCKETS=$((BUCKETS + ECHO_BUCKETS)) batond_start "$WORK/baton.yaml" || fatal "no batond"
mkdir "$WORK/echo"
echo_bots bots_start --service echo --players 20 --rate 2000 --seconds 3000 --connect-timeout 30 --seed "$SEED"
claim unreachable_addresses unreachable_addresses
claim lines_without_end lines_without_end
claim a_stopped_worker_holds_up_its_own_service_only a_stopped_worker_holds_up_its_own_service_only
claim messages_without_end_do_not_keep_a_move_from_ending messages_without_end_do_not_keep_a_move_from_ending
claim the_other_service_felt_nothing the_other_service_felt_nothing
claim everything_is_accounted_for everything_is_accounted_for
