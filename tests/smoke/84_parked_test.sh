#!/bin/bash
# A group of which no worker can be started: baton-top, status and Prometheus say so and why, its packets wait for no
# longer than park.max_age, and each that is given up is counted. When it can be started again the others are answered.
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/screen_claims.sh"
FILE=$O/test-plugins/game_unwell.so
PLUGINS=$WORK/plugins
GROUP_EXTRA="    settings: {unwell.file: $WORK/unwell}
    restart_delay: 10ms
    restart_delay_most: 50ms
    park: {max_age: 400ms}"

prom() { ctl stats --prom | sed -n "s/^baton_group_$1{.*group=\"game\"${2-}} //p"; }
group() { top_json | jq -r ".groups[0].$1"; }
kill_all() { kill -KILL $(ctl --json worker list | jq -r '.workers[] | select(.state == "active") | .pid'); }

a_group_that_serves_says_so() {
	equal "state" "$(group state) $(group health) $(group serving) $(group restart_burst)" "serving OK 2 10"
	equal "state for Prometheus" "$(prom state ',state="serving"') $(prom state ',state="down"') $(prom workers_serving)" "1 0 2"
	keys 4
	shows 'group game         ok       2 of 2 workers serve, 0 of 10 restarts spent'
}
# What its plugin needs at its start is not there. (A file that is gone or broken would do nothing: see 42_plugin_lost.)
a_group_that_cannot_be_started_is_critical_and_says_why() {
	bots_start --players 100 --repeat 0 --seconds 3000 --connect-timeout 30 --lost-after 5000 --seed "$SEED"
	wait_for '[ "$(counter replies)" -gt 1000 ]'
	touch "$WORK/unwell"
	kill_all
	wait_for '[ "$(group state)" = down ]'
	shows 'group game         X crit   no worker can be started: game.'
	shows 'CRIT  group game no worker can be started'
	pane | sed 's/^/note: | /'
	equal "verdict" "$(top_json | jq -r .verdict) $(prom state ',state="down"') $(prom workers_serving)" "CRIT 1 0"
	top_json | jq -r .reasons[0] | grep "group game no worker can be started: game.[01]: plugin $PLUGINS/game.so"
	[ "$(prom failed_starts)" -ge 2 ]
	ctl status >"$WORK/status" || equal "exit status" $? 2
	grep "group game: none of its 2 workers can be started" "$WORK/status"
	grep "worker game.0 is down, its packets wait and then drop: plugin $PLUGINS/game.so" "$WORK/status"
}
# The bots give up what is lost after a while, and ask anew.
parked_packets_are_given_up_and_counted() {
	wait_for '[ "$(counter park_expired)" -gt 0 ]'
	wait_for 'ctl status | grep "packets parked, the oldest for [0-9]*[.][0-9] s"'
	wait_for '[ "$(prom parked_packets)" -gt 0 ]'
	equal "buckets without a worker" "$(group parked_buckets)" "$BUCKETS"
	equal "for lack of room" "$(counter pending_full)" 0
}
what_is_answered_is_right_and_what_is_not_is_explained() {
	local replies
	replies=$(counter replies)
	rm "$WORK/unwell"
	wait_for '[ "$(group state)" = serving ]'
	shows 'group game         ok       2 of 2 workers serve'
	wait_for "[ \$(counter replies) -gt $((replies + 1000)) ]"
	bots_stop
	bots_wait || true # it lost some
	equal "lost" "$(bots_value lost)" "$(counter park_expired)"
	for what in duplicated reordered wrong; do equal "$what" "$(bots_value $what)" 0; done
	equal "packets dropped" "$(top_json | jq '[.drops[].total] | add')" "$(counter park_expired)"
	echo "note: seed $SEED, $(counter park_expired) packets given up, $(counter replies) replies"
}
# A hot restart takes as long as it takes: nobody's packet is too old for it.
a_move_gives_up_nothing() {
	local before
	before=$(counter park_expired)
	bots_start --players 100 --seconds 3000 --connect-timeout 30 --seed "$SEED"
	ctl worker restart game
	wait_for "[ \$(counter replies) -gt $(($(counter replies) + 500)) ]"
	bots_stop
	bots_wait || cat "$WORK/bots.err"
	bots_clean
	equal "packets given up" "$(counter park_expired)" "$before"
}
ledger_is_exact_after_parking() { top_quits; batond_stop; ledger_balances; grep 'pool io.0: full' "$WORK/batond.log"; }

mkdir "$PLUGINS" && cp "$FILE" "$PLUGINS/game.so"
port_tap && batond_start || fatal "no batond"
mux_start || fatal "no tmux"
top_start 80 24 || fatal "no baton-top"
for name in a_group_that_serves_says_so a_group_that_cannot_be_started_is_critical_and_says_why \
	parked_packets_are_given_up_and_counted what_is_answered_is_right_and_what_is_not_is_explained \
	a_move_gives_up_nothing ledger_is_exact_after_parking; do
	claim "$name" "$name"
done
