#!/bin/bash
# baton-top's screen in a real terminal: what it shows of a running batond, what keys do, and that it always leaves the
# terminal as it was.
. "$(dirname "$0")/_init.sh"

mux() { env -u TMUX LC_ALL=C.UTF-8 tmux -S "$WORK/tmux" -f /dev/null "$@"; }
pane() { mux capture-pane -p; }
shows() { wait_for "pane | grep -qF -- '$1'" || { pane; return 1; }; }
keys() { mux send-keys "$@"; }
resize() { mux resize-window -x "$1" -y "$2"; }
top_pid() { ps -o pid= --ppid "$(mux display-message -p '#{pane_pid}')" | tr -d ' '; }
# No escape sequences are left over: main screen, cursor, lines with echo. The shell prints what the terminal is.
terminal_is_sane() {
	keys "clear; stty -a | grep -o ' icanon.*' | tr -d '\n'; stty -a | grep -o ' echo ' ; echo 'modes'-\$?" Enter
	shows modes-0
	pane | grep -q '^ icanon'
	equal "alternate screen, cursor" "$(mux display-message -p '#{alternate_on} #{cursor_flag}')" "0 1"
}
# top_start COLUMNS ROWS [ENVIRONMENT [OPTIONS]]
top_start() {
	resize "$1" "$2"
	keys "clear; ${3:-} '$BIN/baton-top' -i $INSTANCE -d 200ms ${4:-}" Enter
}
# Asked for when it is gone: it would take the letters for keys, and a shell ends the line that ^C ended.
top_ended_with() { wait_for '[ -z "$(top_pid)" ]'; keys "echo status-\$?" Enter; shows "status-$1"; }
top_quits() { keys q; top_ended_with 0; terminal_is_sane; }

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
	shows 'unknown  not in the counters'
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
	[ -z "$(mux capture-pane -p -e | grep $'\e\\[3[0-7]m')" ]
	[ -z "$(pane | LC_ALL=C grep '[^ -~]')" ]
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
prom_text_has_the_workers() {
	ctl stats --prom >"$WORK/prom"
	grep -q '^baton_worker_state{.*worker="game.0",state="active"} 1$' "$WORK/prom"
	grep -q '^baton_rx_packets_total{' "$WORK/prom"
}

port_tap && batond_start || fatal "no batond"
mux new-session -d -x 80 -y 24 "cd /; ulimit -c 0; exec bash --norc --noprofile" || fatal "no tmux"
run_process "$(mux display-message -p '#{pid}')"
mux set-option -g status off
mux set-option -g default-terminal screen-256color
bots_start --players 20 --seconds 3000 --connect-timeout 30 --seed "$SEED"
for name in screen_shows_workers_and_traffic keys_turn_views_filter_and_pause restart_is_seen_as_an_event \
	resized_screens_are_drawn_anew new_instance_is_attached_to quitting_leaves_the_terminal_sane \
	ascii_and_no_color_say_the_same dumb_terminals_and_pipes_get_text stop_and_continue_come_back \
	signals_leave_the_terminal_sane prom_text_has_the_workers; do
	claim "$name" "$name"
done
