#!/bin/bash
# VLANs on a trunk port of every kind: tagged requests are answered with their tag, priority included; what is of another
# VLAN, or has two tags, is counted under its own name. There is no VLAN device anywhere: the client writes and reads tags.
. "$(dirname "$0")/_init.sh"
PLUGIN=echo
GROUP_EXTRA="    tick_period: off"

port_mac() { sed -n 's/.*port .lan.: .* mac \([0-9a-f:]*\), mtu .*/\1/p' "$WORK/batond.log" | tail -1; }
# exchange TAG BATON_IP OUR_IP COUNT [BYTES]
exchange() { in_client "$BIN/test-tagged" "$CLIENT_DEV" "$1" "$(port_mac)" "$2" "$3" "$UDP_PORT" "$4" "$SEED" "${5:-512}" | paste -sd' '; }
all_answered() { equal "$1 from $3 to $2" "$(exchange "$@")" "arp 1 ping 1 sent $4 answered $4 wrong 0"; }
counters() { top_json | jq -S '[(.drops | to_entries[] | {key, value: .value.total}), (.totals | to_entries[] |
	select(.key | IN("replies", "arp_replies", "icmp_replies", "rx_packets")))] | from_entries'; }
# rises WHAT COMMAND...: the counters that the command raises, as {"name":number,...}
rises() {
	local want=$1
	counters >"$WORK/before"
	shift
	"$@"
	wait_for "counters >$WORK/after; [ \$(jq .rx_packets $WORK/after) -ge $(($(jq .rx_packets "$WORK/before") + $(jq '.rx_packets' <<<"$want"))) ]"
	equal "what '$*' raised" "$(jq -cS -n --slurpfile a "$WORK/after" --slurpfile b "$WORK/before" \
		'$a[0] | with_entries(.value -= $b[0][.key]) | with_entries(select(.value != 0))')" "$(jq -cS . <<<"$want")"
}

tagged_requests_are_answered_with_their_tag() {
	rises '{"rx_packets": 1002, "replies": 1000, "arp_replies": 1, "icmp_replies": 1}' all_answered 5.100 10.100.0.1 10.100.0.9 1000
	rises '{"rx_packets": 502, "replies": 500, "arp_replies": 1, "icmp_replies": 1}' all_answered 0.4094 10.200.0.1 10.200.0.9 500
}
longest_packets_pass_with_a_tag() { all_answered 7.100 10.100.0.1 10.100.0.9 500 1472; }
untagged_is_untagged() {
	rises '{"rx_packets": 502, "replies": 500, "arp_replies": 1, "icmp_replies": 1}' all_answered none "$BATON_IP" 10.77.0.9 500
	all_answered 3.0 "$BATON_IP" 10.77.0.9 500 # a priority is no VLAN
}
nothing_crosses_between_vlans() {
	rises '{"rx_packets": 50, "unknown_vlan": 50}' exchange '!0.101' 10.100.0.1 10.100.0.9 50
	rises '{"rx_packets": 50, "unknown_vlan": 50}' exchange '!0.4095' 10.100.0.1 10.100.0.9 50
	rises '{"rx_packets": 50, "not_our_address": 50}' exchange '!0.100' "$BATON_IP" 10.77.0.9 50
	rises '{"rx_packets": 50, "not_our_address": 50}' exchange '!0.100' 10.200.0.1 10.200.0.9 50
	rises '{"rx_packets": 50, "not_our_address": 50}' exchange '!none' 10.100.0.1 10.100.0.9 50
}
stacked_tags_are_dropped() {
	rises '{"rx_packets": 50, "stacked_vlan": 50}' exchange '!0.100+0.100' 10.100.0.1 10.100.0.9 50
	rises '{"rx_packets": 50, "stacked_vlan": 50}' exchange '!0.0+0.100' 10.100.0.1 10.100.0.9 50
	rises '{"rx_packets": 50, "stacked_vlan": 50}' exchange '!s0.100+0.100' 10.100.0.1 10.100.0.9 50
	# The kernel hands net_af_packet such a tag without its type: one of 802.1Q, as far as the driver can say.
	[ "$PORT_KIND" = af_packet ] || rises '{"rx_packets": 50, "stacked_vlan": 50}' exchange '!s0.100' 10.100.0.1 10.100.0.9 50
}
restarts_lose_no_tagged_request() {
	local i before
	ip netns exec "$CLIENT" "$BIN/test-tagged" "$CLIENT_DEV" 2.100 "$(port_mac)" 10.100.0.1 10.100.0.9 "$UDP_PORT" 100000000 \
		"$SEED" >"$WORK/tagged" &
	for i in 1 2 3; do
		before=$(counter replies)
		wait_for "[ \$(counter replies) -gt $((before + 1000)) ]"
		ctl worker restart echo
	done
	kill -TERM $!
	wait $!
	read -r i _ < <(awk '$1 == "sent" {print $2}' "$WORK/tagged")
	[ "$i" -gt 3000 ]
	equal "tagged requests over restarts" "$(paste -sd' ' "$WORK/tagged")" "arp 1 ping 1 sent $i answered $i wrong 0"
}
# The kernel keeps tags beside frames where the interface does; a program of XDP cannot see them there.
tags_that_xdp_would_miss_are_warned_of() {
	grep "warn: port 'lan': bt0 may take VLAN tags off before net_af_xdp sees a frame" "$WORK/batond.log"
	: >"$WORK/batond.log"
	in_server ethtool -K bt0 rxvlan off
	batond_start
	must_fail grep 'may take VLAN tags off' "$WORK/batond.log"
	batond_stop
}
ledger_at_the_end() { batond_stop; ledger_balances; grep 'pool io.0: full' "$WORK/batond.log"; }

# vlans NAME PORT_KIND VLAN_OFFLOAD
vlans() {
	PORT_EXTRA="    vlan_offload: $3
    vlans:
      - {id: 100, addresses: [10.100.0.1/24]}
      - {id: 4094, addresses: [10.200.0.1/24], gateway: 10.200.0.254}"
	"port_$2" && batond_start || fatal "no batond on $1"
	claim "tagged_requests_are_answered_with_their_tag_over_$1" tagged_requests_are_answered_with_their_tag
	claim "longest_packets_pass_with_a_tag_over_$1" longest_packets_pass_with_a_tag
	claim "untagged_is_untagged_over_$1" untagged_is_untagged
	claim "nothing_crosses_between_vlans_over_$1" nothing_crosses_between_vlans
	claim "stacked_tags_are_dropped_over_$1" stacked_tags_are_dropped
	claim "restarts_lose_no_tagged_request_over_$1" restarts_lose_no_tagged_request
	claim "ledger_after_tagged_frames_over_$1" ledger_at_the_end
	[ "$1" != af_xdp ] || claim tags_that_xdp_would_miss_are_warned_of tags_that_xdp_would_miss_are_warned_of
	SERVER=$INSTANCE-s$1 CLIENT=$INSTANCE-c$1
}

vlans tap tap true
vlans af_packet af_packet true
vlans af_packet_by_software af_packet false
vlans af_xdp af_xdp true
