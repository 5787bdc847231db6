# For scenarios that look at baton-top's screen: a real terminal of tmux, of this scenario's own.

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
# ascii_only: what is on the screen needs neither UTF-8 nor colours.
ascii_only() {
	[ -z "$(mux capture-pane -p -e | grep $'\e\\[3[0-7]m')" ]
	[ -z "$(pane | LC_ALL=C grep '[^ -~]')" ]
}
mux_start() {
	mux new-session -d -x 80 -y 24 "cd /; ulimit -c 0; exec bash --norc --noprofile" || return 1
	run_process "$(mux display-message -p '#{pid}')"
	mux set-option -g status off
	mux set-option -g default-terminal screen-256color
}
