#!/bin/bash
# What the kernel drops before an af_packet port, because the I/O lcore does not run and the ring is full, is counted to
# the packet.
. "$(dirname "$0")/_init.sh"

PACKETS=3000 # the ring has room for 512
kernel_received() { ip -n "$SERVER" -s -j link show bt0 | jq '.[0].stats64.rx.packets'; }
port_counts() { top_json | jq -c '.ports[0] | [.rx_packets, .missed]'; }
counted() { port_counts | jq add; }
# After the look that sees the last of them.
all_counted() { [ "$(counted)" = "$(kernel_received)" ]; }
send() { # in the clients' namespace, by one open socket
	in_client bash -c "exec 3>/dev/udp/$BATON_IP/$UDP_PORT; for ((i = 0; i < $PACKETS; i++)); do printf x >&3; done"
}
stopped() { [ "$(sed 's/.*) //; s/ .*//' "/proc/$(batond_pid)/task/$1/stat")" = T ]; }
all_stopped() { local task; for task in /proc/"$(batond_pid)"/task/*; do stopped "${task##*/}" || return 1; done; }
drops_before_a_stopped_lcore_are_counted() {
	local before sent missed
	wait_for all_counted
	before=$(kernel_received)
	missed=$(port_counts | jq '.[1]')
	kill -STOP "$(batond_pid)"
	wait_for all_stopped
	send
	sent=$(($(kernel_received) - before))
	kill -CONT "$(batond_pid)"
	[ "$sent" -ge "$PACKETS" ]
	wait_for all_counted
	missed=$(($(port_counts | jq '.[1]') - missed))
	echo "# $sent sent, $missed dropped by the kernel"
	[ "$missed" -ge $((sent - 512)) ]
	equal "drops of the device" "$(counter device_missed)" "$(port_counts | jq '.[1]')"
}
drops_are_said_in_every_view() {
	local missed
	missed=$(port_counts | jq '.[1]')
	ctl stats | grep device_missed
	ctl stats --prom | grep -E "baton_port_.*missed.* $missed\$"
}
ledger_stays_exact() {
	batond_stop
	ledger_balances
}

port_af_packet || fatal "no veth"
for d in "$SERVER bt0" "$CLIENT bt1"; do
	ip netns exec "${d% *}" sysctl -qw "net.ipv6.conf.${d#* }.disable_ipv6=1"
done
batond_start || fatal "no batond"
in_client ping -c 1 -W 10 "$BATON_IP" >/dev/null || fatal "no answer to a ping"
claim drops_before_a_stopped_lcore_are_counted drops_before_a_stopped_lcore_are_counted
claim drops_are_said_in_every_view drops_are_said_in_every_view
claim ledger_stays_exact_over_kernel_drops ledger_stays_exact
