#!/bin/bash
# The echo plugin with flow steering, and `nc -u` as a person would try it.
. "$(dirname "$0")/_init.sh"
PLUGIN=echo

nc_gets_its_line_back() { equal answer "$(echo hello baton | in_client nc -u -w 2 "$BATON_IP" "$UDP_PORT")" "hello baton"; }
all_sizes_come_back() {
	bots --service echo --bytes 16-1472 --players 40 --requests 10000 --connect-timeout 30 --seed "$SEED"
	bots_clean
}
# 256 requests under way, none of which fits a slot of a belt.
a_window_of_long_packets_comes_back() {
	bots --service echo --bytes 1400-1472 --players 256 --requests 20000 --connect-timeout 30 --seed "$SEED"
	bots_clean
}
ledger_at_the_end() { batond_stop; ledger_balances; }

port_tap && batond_start || fatal "no batond"
claim nc_gets_its_line_back nc_gets_its_line_back
claim all_sizes_come_back all_sizes_come_back
claim a_window_of_long_packets_comes_back a_window_of_long_packets_comes_back
claim ledger_at_the_end ledger_at_the_end
