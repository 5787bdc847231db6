#!/bin/bash
# baton-top's screen in a real terminal: what it shows of a running batond, what keys do, and that it always leaves the
# terminal as it was.
. "$(dirname "$0")/_init.sh"

. "$(dirname "$0")/screen_claims.sh"

screen_shows_workers_and_traffic() {
	top_start 80 24
	shows '[1 Cores]'
	shows 'nothing is wrong'
	wait_for "pane | grep -E 'io\.0 .*[1-9][0-9.]*k? ' | grep -qv ' 0      0'"
	shows 'RESIDENCE  p50'
	pane | sed 's/^/note: | /'
}
keys_turn_views_filter_and_pause() {
	keys 3
	shows '[3 Workers]'
	shows 'game.1'
	keys / 'game.0' Enter
	shows '/game.0: 1'
	[ -z "$(pane | grep 'game\.1')" ]
	keys Escape
	shows 'game.1'
	keys Z
	shows 'PAUSED at'
	keys Z Tab
	shows '[4 Health]'
	shows 'zygote             ok       pid '
	shows 'port lan           ok       up, '
	keys F1
	shows 'stop the picture'
	keys Escape 1 R
	shows 'totals count from now'
	keys 5
	shows 'SPREAD'
}
restart_is_seen_as_an_event() {
	keys 6
	ctl worker restart game.0
	shows 'game.0: new incarnation'
	shows 'completed'
}
resized_screens_are_drawn_anew() {
	resize 60 20
	shows '[6 Events]'
	keys 1
	shows '[1 Cores]'
	resize 120 40
	shows 'CYC/PKT'
	resize 40 10
	shows 'workers 2 active of'
	resize 80 24
	shows '[1 Cores]'
}
new_instance_is_attached_to() {
	bots_stop
	bots_wait
	bots_clean
	batond_stop
	shows 'primary has stopped'
	batond_start
	keys 6
	shows 'started anew'
	keys 1
	shows 'nothing is wrong'
}
quitting_leaves_the_terminal_sane() { top_quits; }
ascii_and_no_color_say_the_same() {
	top_start 80 24 "NO_COLOR=1 LC_ALL=C"
	shows '[1 Cores]'
	shows '+ OK'
	ascii_only
	top_quits
}
dumb_terminals_and_pipes_get_text() {
	top_start 100 40 TERM=dumb
	shows 'TOTALS'
	top_ended_with 0
	[ "$("$BIN/baton-top" -i "$INSTANCE" -d 50ms </dev/null | grep -c '^OK')" = 1 ]
}
stop_and_continue_come_back() {
	top_start 80 24
	shows '[1 Cores]'
	keys C-z
	shows Stopped
	terminal_is_sane
	keys 'fg' Enter
	shows '[1 Cores]'
	kill -STOP "$(top_pid)"
	wait_for "pane | grep -q Stopped || grep -q '^State:.T' /proc/$(top_pid)/status"
	keys 'fg' Enter
	shows '[1 Cores]'
	wait_for "pane | grep -q 'nothing is wrong'"
	top_quits
}
signals_leave_the_terminal_sane() {
	local signal
	for signal in TERM INT SEGV; do
		top_start 80 24
		shows '[1 Cores]'
		kill "-$signal" "$(top_pid)"
		top_ended_with $((128 + $(kill -l $signal)))
		terminal_is_sane
	done
}
# In a session of its own nobody sends it SIGHUP.
it_ends_with_its_terminal() {
	local pid
	mux new-window -n far "exec 3<&0; setsid '$BIN/baton-top' -i $INSTANCE -d 200ms <&3 & echo \$! >'$WORK/far'; wait"
	wait_for "mux capture-pane -p -t far | grep -qF '[1 Cores]'"
	pid=$(cat "$WORK/far")
	run_process "$pid"
	grep -q . "/proc/$pid/cmdline"
	mux kill-window -t far
	wait_for "[ ! -e /proc/$pid ]"
}
prom_text_has_the_workers() {
	ctl stats --prom >"$WORK/prom"
	grep -q '^baton_worker_state{.*worker="game.0",state="active"} 1$' "$WORK/prom"
	grep -q '^baton_rx_packets_total{' "$WORK/prom"
}

port_tap && batond_start || fatal "no batond"
mux_start || fatal "no tmux"
bots_start --players 20 --seconds 3000 --connect-timeout 30 --seed "$SEED"
for name in screen_shows_workers_and_traffic keys_turn_views_filter_and_pause restart_is_seen_as_an_event \
	resized_screens_are_drawn_anew new_instance_is_attached_to quitting_leaves_the_terminal_sane \
	ascii_and_no_color_say_the_same dumb_terminals_and_pipes_get_text stop_and_continue_come_back \
	signals_leave_the_terminal_sane it_ends_with_its_terminal prom_text_has_the_workers; do
	claim "$name" "$name"
done
