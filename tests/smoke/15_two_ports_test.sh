#!/bin/bash
# Two ports of different kinds, two services on both, tagged and untagged at once, under hot restarts: every request is
# answered by the port and in the network that it came by, and what is lost on one port is not felt on the other.
. "$(dirname "$0")/_init.sh"
WAN=$INSTANCE-w
ECHO_PORT=7
ENDLESS=100000000
WORKERS=4    # of both groups
BUCKETS=1280 # of both services

two_ports_config() {
	cat <<-END
	version: 1
	name: $INSTANCE
	eal: {io_cores: [0, 1]}
	memory: {worker_slots: 8, pending: 16k}
	ports:
	  - name: lan
	    device: "net_tap0,iface=bt0"
	    addresses: [$BATON_IP/24]
	    vlans: [{id: 100, addresses: [10.100.0.1/24]}]
	  - name: wan
	    device: "net_af_packet0,iface=bt2"
	    addresses: [192.0.2.1/24]
	    gateway: 192.0.2.254
	    vlans: [{id: 200, addresses: [10.200.0.1/24]}]
	services:
	  - {name: game, port: $UDP_PORT, group: game, buckets: 1024}
	  - {name: echo, port: $ECHO_PORT, group: echo, buckets: 256}
	groups:
	  - {name: game, plugin: $PLUGINS/game.so, count: 2}
	  - {name: echo, plugin: $PLUGINS/echo.so, count: 2, tick_period: off}
	END
}
two_ports_make() {
	port_tap && netns_make "$WAN" || return 1
	ip link add name bt2 netns "$SERVER" type veth peer name bt3 netns "$WAN" || return 1
	ip netns exec "$SERVER" ethtool -K bt2 tx off gro off tso off >/dev/null
	ip netns exec "$WAN" ethtool -K bt3 tx off gro off tso off >/dev/null
	ip -n "$SERVER" link set bt2 up && ip -n "$WAN" addr add 192.0.2.2/24 dev bt3 && ip -n "$WAN" link set bt3 up
}
mac_of() { sed -n "s/.*port .$1.: .* mac \([0-9a-f:]*\), mtu .*/\1/p" "$WORK/batond.log" | tail -1; }
# on PORT TAG BATON_IP OUR_IP COUNT: a client of the echo service behind the port
on() {
	local port=$1 space=$CLIENT device=$CLIENT_DEV
	[ "$port" = lan ] || { space=$WAN device=bt3; }
	exec ip netns exec "$space" "$BIN/test-tagged" "$device" "$2" "$(mac_of "$port")" "$3" "$4" "$ECHO_PORT" "$5" "$SEED"
}
all_networks_are_served_under_restarts() {
	local name group before sent clients=()
	bots_start --players 50 --seconds 3000 --connect-timeout 30 --seed "$SEED"
	ip netns exec "$WAN" "$BIN/baton-bots" --json --players 20 --seconds 3000 --connect-timeout 30 --seed $((SEED + 1)) \
		"192.0.2.1:$UDP_PORT" >"$WORK/wan-bots.json" 2>"$WORK/wan-bots.err" & clients+=($!)
	(on lan 3.100 10.100.0.1 10.100.0.9 $ENDLESS) >"$WORK/lan-tagged" & clients+=($!)
	(on wan 5.200 10.200.0.1 10.200.0.9 $ENDLESS) >"$WORK/wan-tagged" & clients+=($!)
	(on wan none 192.0.2.1 192.0.2.9 $ENDLESS) >"$WORK/wan-untagged" & clients+=($!)
	for group in game echo game echo; do
		before=$(counter replies)
		wait_for "[ \$(counter replies) -gt $((before + 5000)) ]"
		ctl worker restart "$group"
	done
	kill -TERM "${clients[@]}"
	wait "${clients[@]}"
	bots_stop
	bots_wait
	bots_clean
	for name in lan-tagged wan-tagged wan-untagged; do
		sent=$(awk '$1 == "sent" {print $2}' "$WORK/$name")
		[ "$sent" -gt 100 ]
		equal "$name" "$(paste -sd' ' "$WORK/$name")" "arp 1 ping 1 sent $sent answered $sent wrong 0"
	done
	equal "players on wan" "$(jq -c '[.lost, .duplicated, .reordered, .wrong]' "$WORK/wan-bots.json")" "[0,0,0,0]"
	equal "drops" "$(top_json | jq -c '.drops | with_entries(select(.value.total > 0) | .value |= .total)')" "{}"
	echo "note: seed $SEED, 8 hot restarts, $(bots_value received) replies on lan, $(jq .received "$WORK/wan-bots.json") on wan"
}
# drops REASON COMMAND...: exactly 50 more of the reason
drops() {
	local reason=$1 before
	before=$(counter "$reason")
	shift
	("$@") >/dev/null
	wait_for "[ \$(counter $reason) -ge $((before + 50)) ]"
	equal "$reason after $*" "$(counter "$reason")" $((before + 50))
}
networks_of_one_port_are_not_those_of_the_other() {
	drops unknown_vlan on lan '!0.200' 10.200.0.1 10.200.0.9 50
	drops unknown_vlan on wan '!0.100' 10.100.0.1 10.100.0.9 50
	drops not_our_address on lan '!none' 192.0.2.1 192.0.2.9 50
	drops not_our_address on lan '!0.100' 10.200.0.1 10.200.0.9 50
	drops not_our_address on wan '!0.200' 192.0.2.1 192.0.2.9 50
}
a_dead_port_leaves_the_other_alone() {
	ip -n "$WAN" link del bt3
	wait_for '[ "$(ctl --json status | jq -r ".ports[1].state")" = gone ]' 10
	equal "lan" "$(ctl --json status | jq -r '.ports[0].state')" up
	bots --players 20 --requests 20000 --seed $((SEED + 2))
	bots_clean
	equal "tagged on lan" "$( (on lan 3.100 10.100.0.1 10.100.0.9 5000) | paste -sd' ')" "arp 1 ping 1 sent 5000 answered 5000 wrong 0"
}
ledgers_at_the_end() { batond_stop; ledger_balances; grep 'pool io.0: full' "$WORK/batond.log"; grep 'pool io.1: full' "$WORK/batond.log"; }

two_ports_make || fatal "no ports"
two_ports_config >"$WORK/baton.yaml"
batond_start "$WORK/baton.yaml" || fatal "no batond"
claim all_networks_are_served_under_restarts all_networks_are_served_under_restarts
claim networks_of_one_port_are_not_those_of_the_other networks_of_one_port_are_not_those_of_the_other
claim a_dead_port_leaves_the_other_alone a_dead_port_leaves_the_other_alone
claim ledgers_are_exact_with_two_ports ledgers_at_the_end
