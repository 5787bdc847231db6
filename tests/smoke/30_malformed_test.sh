#!/bin/bash
# Malformed frames of every kind through a real port: the named counter rises by exactly N and no other; traffic goes on.
. "$(dirname "$0")/_init.sh"

all_counters() { top_json | jq -S '[(.drops | to_entries[] | {key, value: .value.total}), {key: "error_replies", value: .totals.error_replies}] | from_entries'; }
settled() { [ "$(counter rx_packets)" = "$(($1 + $2))" ]; }

malformed_frames_raise_their_counters_only() {
	local mac before_rx sent i
	mac=$(in_client ip neigh show "$BATON_IP" dev "$CLIENT_DEV" | awk '{print $3}')
	before_rx=$(counter rx_packets)
	all_counters >"$WORK/before"
	# No more under way than the smallest queue holds, however long batond has to wait for a CPU.
	: >"$WORK/all"
	for ((i = 0; i < 10; i++)); do
		in_client "$BIN/test-inject" "$CLIENT_DEV" "$mac" "$BATON_IP" "$CLIENT_IP" "$UDP_PORT" 5 $((SEED + i)) >"$WORK/batch"
		# net_af_packet joins a fanout group with kernel reassembly: fragments never reach the port.
		[ "$PORT_KIND" != af_packet ] || sed -i '/^fragment /d' "$WORK/batch"
		cat "$WORK/batch" >>"$WORK/all"
		sent=$(awk '{n += $2} END {print n}' "$WORK/all")
		wait_for "[ \$(counter rx_packets) -ge $((before_rx + sent)) ]"
	done
	awk '{n[$1] += $2} END {for (k in n) print k, n[k]}' "$WORK/all" >"$WORK/expected"
	wait_for '[ "$(top_json | jq "[(.cores[].belt_depth)] | add")" = 0 ]'
	all_counters >"$WORK/after"
	jq -n --slurpfile a "$WORK/after" --slurpfile b "$WORK/before" \
		'$a[0] | to_entries | map({key, value: (.value - $b[0][.key])}) | map(select(.value != 0)) | from_entries' -S >"$WORK/got"
	jq -Rn '[inputs | split(" ") | {key: .[0], value: (.[1] | tonumber)}] | from_entries' -S <"$WORK/expected" >"$WORK/want"
	diff "$WORK/want" "$WORK/got"
	echo "note: seed $SEED, $sent malformed frames of $(jq length "$WORK/want") kinds"
}
# Players of its own for each port: the state file outlives batond, and who starts again with the sequence a player has got to
# is acknowledged with the position that stands there.
good_traffic_goes_on() { bots --players 20 --requests 3000 --seed $((SEED + ports)); bots_clean; }
ledger_at_the_end() { batond_stop; ledger_balances; }

ports=0
for kind in tap af_packet af_xdp; do
	ports=$((ports + 1))
	port_$kind && batond_start || fatal "no batond"
	in_client ping -n -c 1 -W 10 "$BATON_IP" >/dev/null
	claim "malformed_frames_raise_their_counters_only_over_$kind" malformed_frames_raise_their_counters_only
	claim "good_traffic_goes_on_over_$kind" good_traffic_goes_on
	claim "ledger_after_malformed_frames_over_$kind" ledger_at_the_end
	SERVER=$SERVER$kind CLIENT=${SERVER}c
done
