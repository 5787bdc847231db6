#!/bin/bash
# baton-top tells versions apart by their residence, and ports and the zygote by what happens to them: on real screens of
# 80 columns, in JSON and for Prometheus.
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/screen_claims.sh"
ONE=$PLUGINS/echo.so
TWO=$O/test-plugins/echo_v2.so
PLUGINS=$WORK/plugins
PLUGIN=echo

# matches REGEX: a line of the screen does.
matches() { wait_for "pane | grep -qE -- '$1'" || { pane; return 1; }; }
samples() { top_json | jq --arg v "$1" '[.versions[] | select(.version == $v) | .residence_total.samples] | add // 0'; }
served() {
	local before
	before=$(samples "$1")
	wait_for "! bots_running || [ \$(samples $1) -gt $((before + 200)) ]"
	bots_running || { cat "$WORK/bots.err"; return 1; }
}
time_='[0-9.]+ [num]?s +'

versions_have_percentiles_of_their_own() {
	top_start 80 24
	keys 5
	matches "^GROUP    VERSION      TIME          P50       P90       P99     P99\.9 ENTRY/s$"
	matches "^echo +1 +now +($time_){4}[1-9]"
	served 1
	ctl worker restart echo --version 2
	matches "^echo +2 +now +($time_){4}[1-9]"
	served 2
	matches "^echo +1 +[0-9]+ s +($time_){3}[0-9.]+ [num]?s *$"
	wait_for '[ -z "$(pane | grep -E "^echo +1 +now")" ]' # nobody runs it
	[ -z "$(pane | grep earlier)" ] # all are told apart
	pane | sed 's/^/note: | /'
}
# Nothing of the one becomes the other's, over restarts and slots; all are the lcores'.
every_sample_is_of_one_version() {
	local one=$(samples 1) two
	ctl worker restart echo
	served 2
	equal "samples of 1, which is gone" "$(samples 1)" "$one"
	ctl worker restart echo --version 1
	served 1
	[ "$(samples 1)" -gt "$one" ]
	bots_stop
	bots_wait || cat "$WORK/bots.err"
	bots_clean
	two=$(samples 2)
	equal "versions' and lcores' samples" "$(($(samples 1) + two))" "$(top_json | jq .residence_total.samples)"
	ctl stats --prom >"$WORK/prom"
	equal "Prometheus' count of 2" "$(sed -n 's/^baton_version_residence_seconds_count{.*version="2"} //p' "$WORK/prom")" "$two"
}
port_that_loses_its_link_is_told_of() {
	keys 4
	shows 'port lan           ok       up, '
	ip -n "$CLIENT" link set bt1 down
	shows 'port lan           X crit   no link: set bt0 and its peer up (ip link)'
	shows 'CRIT  port lan has no link'
	equal "state" "$(top_json | jq -r '.ports[0] | .name + " " + .interface + " " + .state + " " + .health')" "lan bt0 no_link CRIT"
	ctl stats --prom | grep '^baton_port_state{.*port="lan",interface="bt0",state="no_link"} 1$'
	ip -n "$CLIENT" link set bt1 up
	shows 'port lan           ok       up, '
	keys 6
	shows 'port lan: no link'
	shows 'port lan: the link is up'
}
packets_of_the_device_are_counted() {
	local before
	client_address
	before=$(top_json | jq '.ports[0].rx_packets')
	bots --service echo --players 20 --seconds 1 --connect-timeout 30 --seed "$SEED"
	wait_for "[ \$(top_json | jq '.ports[0].rx_packets') -ge $((before + $(bots_value sent))) ]"
}
spare_that_dies_is_told_of() {
	local spare
	spare=$(top_json | jq .zygote.spare_pid)
	equal "spare" "$spare" "$(ctl --json status | jq .zygote.spare_pid)"
	kill -KILL "$spare"
	shows 'zygote or its spare died, 1 in all'
	keys 4
	shows '; 1 died so far' # there is another one
	equal "deaths" "$(top_json | jq .zygote.deaths)" 1
}
port_that_is_gone_is_told_of() {
	ip -n "$CLIENT" link del bt1
	shows 'port lan           X crit   bt0 is gone: make it again, restart batond'
	shows 'CRIT  port lan is gone'
	keys 6
	shows 'port lan: its interface is gone'
	pane | sed 's/^/note: | /'
	top_quits
}
ascii_and_no_color_say_the_same() {
	top_start 80 24 "NO_COLOR=1 LC_ALL=C"
	keys 4
	shows 'port lan           X crit   bt0 is gone: make it again, restart batond'
	ascii_only
	keys 5
	shows 'GROUP    VERSION'
	ascii_only
	top_quits
}
ledger_at_the_end() { batond_stop; ledger_balances; }

mkdir "$PLUGINS" && cp "$ONE" "$PLUGINS/echo.so" && cp "$TWO" "$PLUGINS/echo-2.so"
port_af_packet && batond_start || fatal "no batond"
mux_start || fatal "no tmux"
bots_start --service echo --players 20 --seconds 3000 --connect-timeout 30 --seed "$SEED"
for name in versions_have_percentiles_of_their_own every_sample_is_of_one_version port_that_loses_its_link_is_told_of \
	packets_of_the_device_are_counted spare_that_dies_is_told_of port_that_is_gone_is_told_of \
	ascii_and_no_color_say_the_same ledger_at_the_end; do
	claim "$name" "$name"
done
