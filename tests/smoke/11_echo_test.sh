#!/bin/bash
# The echo plugin with flow steering, and `nc -u` as a person would try it.
. "$(dirname "$0")/_init.sh"
PLUGIN=echo

nc_gets_its_line_back() { equal answer "$(echo hello baton | in_client nc -u -w 2 "$BATON_IP" "$UDP_PORT")" "hello baton"; }
all_sizes_come_back() {
	bots --service echo --bytes 16-1472 --players 40 --requests 10000 --connect-timeout 30 --seed "$SEED"
	bots_clean
}
ledger_at_the_end() { batond_stop; ledger_balances; }

port_tap && batond_start || fatal "no batond"
claim nc_gets_its_line_back nc_gets_its_line_back
claim all_sizes_come_back all_sizes_come_back
claim ledger_at_the_end ledger_at_the_end
