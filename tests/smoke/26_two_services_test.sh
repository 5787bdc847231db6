#!/bin/bash
# Two services of config/two-services.yaml at once, game on 8080 and echo on 7, each with bots of its own, those of game
# roaming, while either group is scaled out, in, drained, its buckets moved, its workers restarted and killed at random.
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/scale_claims.sh"
ROUNDS=${ROUNDS:-16}

# The file as it is shipped, but for its name, its device, where the build's plugins are, and that rows are workers.
two_services() {
	sed -e "s|^name: .*|name: $INSTANCE|; s|iface=baton0|iface=bt0|; s|\.\./build/plugins|$PLUGINS|; s|\.\./build/next|$PLUGINS|
		s|^    plugin: .*|&\n    standby: 0|" \
		"$TREE/config/two-services.yaml"
}
# of_echo COMMAND...: a function of the bots' library, for the bots of the echo service.
of_echo() { WORK=$WORK/echo UDP_PORT=7 "$@"; }
group_buckets() { [ "$1" = game ] && echo 4096 || echo 256; }
# The replies of one service alone: the echo workers' entries are its packets, as it has no ticks.
echo_handled() { top_json | jq '[.cores[] | select(.role == "worker" and (.name | startswith("echo."))) | .counters.processed] | add'; }
both_served_on() {
	local replies handled
	replies=$(counter replies) handled=$(echo_handled)
	wait_for "[ \$(counter replies) -gt $((replies + 400)) ] && [ \$(echo_handled) -gt $((handled + 100)) ]"
}
some_worker() { ctl --json worker list | jq -r --arg g "$1" --argjson r $RANDOM '[.workers[] | select(.group == $g and (.role == "serving" or .role == "drained")) | .name] | .[$r % length]'; }
some_range() { local n a; n=$(group_buckets "$1"); a=$((RANDOM % n)); echo "$a-$((a + RANDOM % (n - a)))/$((1 + RANDOM % 3))"; }
# Prints an order for the group.
some_order() {
	case $((RANDOM % 7)) in
	0 | 1) echo "worker start $1" ;;
	2) echo "worker start $(some_worker "$1")" ;;
	3) echo "worker drain $(some_worker "$1")" ;;
	4) echo "worker stop $(some_worker "$1")" ;;
	5) echo "buckets move $(some_range "$1") $(some_worker "$1")" ;;
	6) echo "worker restart $1" ;;
	esac
}
# What is refused in these rounds for a good reason.
good_reason='is the last worker of group|no worker slot is free|is drained and takes no buckets|is down.*can take no buckets'
either_group_changes_and_neither_loses_anything() {
	local i group order victim rc done=0 kills=0
	RANDOM=$((SEED % 32768))
	mkdir -p "$WORK/echo"
	bots_start --players 100 --roam --seconds 3000 --connect-timeout 30 --seed "$SEED"
	of_echo bots_start --service echo --players 60 --in-flight 64 --seconds 3000 --connect-timeout 30 --seed "$SEED"
	both_served_on
	for ((i = 0; i < ROUNDS; i++)); do
		[ $((RANDOM % 2)) -eq 0 ] && group=game || group=echo
		order=$(some_order $group)
		victim=$(some_worker "$([ $((RANDOM % 2)) -eq 0 ] && echo game || echo echo)")
		ctl $order >"$WORK/order" 2>&1 &
		[ $((RANDOM % 2)) -eq 0 ] || { kill_worker "$victim"; kills=$((kills + 1)); }
		rc=0; wait $! || rc=$?
		[ $rc -eq 0 ] || grep -qE "$good_reason" "$WORK/order" || [ "$order" = "worker restart $group" ] ||
			{ echo "$order ended with $rc, killed: $victim"; cat "$WORK/order"; return 1; }
		[ $rc -ne 0 ] || done=$((done + 1))
		wait_for "steady game echo" || { echo "after $order, $victim"; ctl worker list; ctl buckets show; return 1; }
		case $rc,$order in
		0,"buckets move"* | 0,"worker restart"* | [!0]*) ;;
		*) even $group || { echo "after $order, $victim"; return 1; } ;;
		esac
		bots_running && of_echo bots_running || { echo "bots gave up"; cat "$WORK/bots.err" "$WORK/echo/bots.err"; return 1; }
		both_served_on
	done
	[ $done -ge $((ROUNDS / 4)) ]
	echo "note: seed $SEED, $done of $ROUNDS orders carried out, $kills kills"
}
each_group_can_be_shared_evenly_again() {
	local group
	for group in game echo; do
		ctl worker start "$(ctl --json worker list | jq -r --arg g $group '[.workers[] | select(.group == $g) | .name][0]')"
		even $group
	done
	both_served_on
}
both_bots_found_nothing_wrong() {
	local sum
	bots_stop; of_echo bots_stop
	bots_wait || cat "$WORK/bots.err"
	of_echo bots_wait || cat "$WORK/echo/bots.err"
	bots_clean
	of_echo bots_clean
	sum=$(($(bots_value received) + $(bots_value probes) + $(of_echo bots_value received) + $(of_echo bots_value probes)))
	counters_explain $sum
	echo "note: $(bots_value received) game replies, $(of_echo bots_value received) echo replies, $(counter moves) moves, $(counter redelivered) redelivered"
}
ledger_is_exact_after_two_services() { batond_stop; ledger_balances; grep 'pool io.0: full' "$WORK/batond.log"; }

port_tap || fatal "no port"
two_services >"$WORK/baton.yaml"
WORKERS=3 BUCKETS=$((4096 + 256))
batond_start "$WORK/baton.yaml" || fatal "no batond"
claim either_group_changes_and_neither_loses_anything either_group_changes_and_neither_loses_anything
claim each_group_can_be_shared_evenly_again each_group_can_be_shared_evenly_again
claim both_bots_found_nothing_wrong both_bots_found_nothing_wrong
claim ledger_is_exact_after_two_services ledger_is_exact_after_two_services
