#!/bin/bash
# The walk: a datagram from an ordinary kernel socket is answered by a worker; no static entries are needed.
. "$(dirname "$0")/_init.sh"

ping_is_answered() { in_client ping -n -c 5 -i 0.2 -W 10 "$BATON_IP" >"$WORK/ping"; grep -q " 0% packet loss" "$WORK/ping"; }
arp_tells_the_ports_mac() {
	in_client ip neigh flush dev "$CLIENT_DEV"
	in_client ping -n -c 1 -W 10 "$BATON_IP"
	local mac
	mac=$(in_client ip neigh show "$BATON_IP" dev "$CLIENT_DEV" | awk '{print $3}')
	grep -q "mac $mac" "$WORK/batond.log"
}
every_reply_is_right() {
	bots --players 50 --requests 20000 --connect-timeout 30 --seed "$SEED"
	bots_clean
	equal received "$(bots_value received)" "$(bots_value sent)"
}
counters_add_up() {
	equal "packets without an answer or a reason" \
		"$(($(counter rx_packets) - $(counter replies) - $(counter error_replies) - $(counter no_reply) \
		- $(counter arp_replies) - $(counter icmp_replies) - $(top_json | jq '[.drops[].total] | add')))" 0
}
monitor_needs_no_root() {
	setpriv --reuid=65534 --regid=65534 --clear-groups "$BIN/baton-top" -i "$INSTANCE" --once -d 100ms >"$WORK/frame"
	grep -q 'game.0' "$WORK/frame"
	setpriv --reuid=65534 --regid=65534 --clear-groups "$BIN/baton-top" -i "$INSTANCE" --json -d 100ms | jq -e '.workers | length >= 2'
}
status_is_ok() { ctl status; }
stop_leaves_nothing() {
	batond_stop
	ledger_balances
	grep 'pool io.0: full' "$WORK/batond.log"
	[ ! -e "/dev/shm/baton.$INSTANCE.stats" ] && [ ! -e "/run/baton/$INSTANCE/control.sock" ]
	[ -z "$(ls /run/baton/dpdk 2>/dev/null | grep "^baton-$INSTANCE-")" ]
	[ -z "$(ls /dev/hugepages | grep "^baton-$INSTANCE-")" ]
}

port_tap && batond_start || fatal "no batond"
claim ping_is_answered ping_is_answered
claim arp_tells_the_ports_mac arp_tells_the_ports_mac
claim every_reply_is_right every_reply_is_right
claim counters_add_up counters_add_up
claim monitor_needs_no_root monitor_needs_no_root
claim status_is_ok status_is_ok
claim stop_leaves_nothing stop_leaves_nothing
