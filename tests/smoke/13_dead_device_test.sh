#!/bin/bash
# A port's interface that is deleted under traffic, or loses its link: it is said once, the status says what to do, and
# batond neither dies nor hangs of it.
. "$(dirname "$0")/_init.sh"

# status CODE WORDS: the exit code, and a sentence with the words, which may take until the next look a second later.
status() { wait_for "ctl status >$WORK/status; [ \$? = $1 ] && grep -qF \"$2\" $WORK/status" 10 || { cat "$WORK/status"; return 1; }; }
port_state() { ctl --json status | jq -r '.ports[0] | .name + " " + .interface + " " + .state'; }
players() {
	bots_start --players 50 --seconds 3000 --connect-timeout 30 --lost-after 1000 --seed "$SEED"
	wait_for '! bots_running || [ "$(counter replies)" -gt 1000 ]'
	bots_running || { cat "$WORK/bots.err"; return 1; }
}
players_leave() { bots_stop 2>/dev/null || :; wait_for '! bots_running'; }
# The main lcore looks, and the I/O lcore turns, as often as they like; nothing more is said.
turns() { top_json | jq '[.cores[] | select(.role != "worker") | .counters.loops] | min'; }
deleted_interface_is_reported_once() {
	local before
	players
	equal "port" "$(port_state)" "lan bt0 up"
	"$@"
	status 2 "port 'lan': its interface bt0 is gone"
	status 2 "then restart batond"
	equal "port" "$(port_state)" "lan bt0 gone"
	players_leave
	before=$(turns)
	wait_for "[ \$(turns) -gt $((before + 150)) ]" # of 10 ms: more than the second from one look to the next
	equal "lines in the log" "$(grep -c "error: port 'lan': its interface bt0 is gone" "$WORK/batond.log")" 1
}
workers_are_restarted_all_the_same() {
	ctl worker restart game
	equal "workers" "$(ctl --json worker list | jq -c '[.workers[] | select(.state == "active") | .restarts]')" "[1,1]"
}
# Packets that the device will never take may be under way for ever.
sleeps() { top_json | jq '[.cores[] | select(.name | startswith("io.")) | .counters.sleeps] | min'; }
lcore_sleeps() {
	local before
	before=$(sleeps)
	wait_for "[ \$(sleeps) -gt $((before + 20)) ]"
}
stop_is_clean() {
	batond_stop
	ledger_balances
	grep 'pool io.0: full' "$WORK/batond.log"
	: >"$WORK/batond.log"
}
lost_link_is_reported_and_comes_back() {
	ip -n "$CLIENT" link set bt1 down
	status 2 "port 'lan': no link: see ip link show bt0"
	equal "port" "$(port_state)" "lan bt0 no_link"
	ip -n "$CLIENT" link set bt1 up
	status 0 "port lan: up, interface bt0"
	grep "info: port 'lan': the link is up" "$WORK/batond.log"
}
# KIND COMMAND...: all of it on one kind of port.
dead_device() {
	local kind=$1
	shift
	batond_start || fatal "no batond on $kind"
	[ "$kind" = tap ] || claim "lost_link_of_${kind}_is_reported_and_comes_back" lost_link_is_reported_and_comes_back
	claim "deleted_interface_of_${kind}_is_reported_once" deleted_interface_is_reported_once "$@"
	claim "workers_are_restarted_without_${kind}" workers_are_restarted_all_the_same
	claim "lcore_sleeps_without_${kind}" lcore_sleeps
	claim "stop_without_${kind}_is_clean" stop_is_clean
}

port_af_packet || fatal "no veth"
dead_device af_packet ip -n "$CLIENT" link del bt1
veth_make && PORT_KIND=af_xdp DEVICE=net_af_xdp0,iface=bt0,start_queue=0,queue_count=1
dead_device af_xdp ip -n "$SERVER" link del bt0
PORT_KIND=tap CLIENT=$SERVER CLIENT_DEV=bt0 DEVICE=net_tap0,iface=bt0
dead_device tap ip -n "$SERVER" link del bt0
