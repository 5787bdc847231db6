#!/bin/bash
# Ports without clients: net_null at full speed, net_pcap from a file; device limits and totals hold.
. "$(dirname "$0")/_init.sh"

null_runs_and_balances() {
	wait_for '[ "$(counter rx_packets)" -gt 100000 ]'
	batond_stop
	ledger_balances
	grep 'pool io.0: full' "$WORK/batond.log"
}
# One MOVE a line of an editor would never write: a pcap with a valid request, read by the device and answered into a file.
pcap_file() {
	printf '\xd4\xc3\xb2\xa1\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x01\x00\x00\x00' # header
	printf '\x01\x00\x00\x00\x00\x00\x00\x00\x5a\x00\x00\x00\x5a\x00\x00\x00'                                 # 90 bytes
	printf '\x02\x70\x63\x61\x70\x00\x02\x00\x00\x00\x00\x02\x08\x00' # to the MAC that net_pcap0 has
	printf '\x45\x00\x00\x4c\x00\x00\x00\x00\x40\x11\x66\x05\x0a\x4d\x00\x02\x0a\x4d\x00\x01'
	printf '\x9c\x40\x1f\x90\x00\x38\x00\x00' # no UDP checksum: allowed
	printf '\x30\x00\x00\x00\x01\x00\x00\x00\x07\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00'
	printf '\x00\x00\x00\x00\x00\x00\x80\x3f\x00\x00\x00\x40\x00\x00\x40\x40\x00\x00\x00\x00\x00\x00\x00\x00'
}
pcap_request_is_answered_into_the_file() {
	wait_for '[ "$(counter replies)" -ge 1 ]'
	equal "packets without a worker" "$(counter no_worker)" 0
	batond_stop
	ledger_balances
	# the answer: from .1 to .2, position as asked; the gratuitous ARP stands before it
	od -An -v -tx1 "$WORK/out.pcap" | tr -d ' \n' | grep -q '0a4d00010a4d00021f909c40'
	od -An -v -tx1 "$WORK/out.pcap" | tr -d ' \n' | grep -q '0000803f0000004000004040'
}

port_null && batond_start && claim null_runs_and_balances null_runs_and_balances
pcap_file >"$WORK/in.pcap"
DEVICE="net_pcap0,rx_pcap=$WORK/in.pcap,tx_pcap=$WORK/out.pcap,infinite_rx=0"
# A packet that is there before the first worker waits in the device until its bucket has an owner.
batond_start && claim pcap_request_is_answered_into_the_file pcap_request_is_answered_into_the_file
