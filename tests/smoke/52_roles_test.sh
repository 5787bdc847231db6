#!/bin/bash
# Viewers look, operators give orders, strangers stay outside: real processes of real users. Every order is in the audit
# log, whoever gave it and however it ended; and no client, however it behaves, keeps another from being served.
. "$(dirname "$0")/_init.sh"
FILE=$WORK/baton.yaml
LOG=$WORK/audit
SOCKET=/run/baton/$INSTANCE/control.sock
# Numbers that no account of the machine has.
VIEWER=$((50000 + RANDOM % 1000)) OPERATOR=$((52000 + RANDOM % 1000)) STRANGER=$((54000 + RANDOM % 1000))
TEAM=$((56000 + RANDOM % 1000))
# A claim stops a worker on purpose, so that an order does not end.
GROUP_EXTRA="    stall_timeout: off
    stall_wall: off
control:
  viewers: {users: [$VIEWER], groups: [$TEAM]}
  operators: {users: [$OPERATOR]}
  audit_log: $LOG"

# as UID GROUPS COMMAND...: as that user and no other; GROUPS: supplementary ones, - for none.
as() {
	local uid=$1 groups=--clear-groups
	[ "$2" = - ] || groups=--groups=$2
	setpriv --reuid="$uid" --regid="$uid" $groups "${@:3}"
}
# exits CODE COMMAND...: with that status; its words are in $WORK/said.
exits() {
	local rc=0
	"${@:2}" >"$WORK/said" 2>&1 </dev/null || rc=$?
	cat "$WORK/said"
	equal "exit code" "$rc" "$1"
}
says() { local words; for words in "$@"; do grep -qF -- "$words" "$WORK/said" || { echo "does not say: $words"; return 1; }; done; }
baton() { as "$1" "$2" "$BIN/batonctl" -i "$INSTANCE" "${@:3}"; }
# audited JQ: an expression over all lines of the log, which must be true. Every line must be an object.
audited() {
	[ "$(jq -s "$@" "$LOG")" = true ] || { echo "not so: $*"; tail -5 "$LOG"; return 1; }
}
counted() { ctl --json status | jq ".control_socket.$1"; }
edited() { sed -i "$1" "$FILE"; }

a_viewer_may_look() {
	local words
	for words in ping status "worker list" "config diff" "config show" audit; do exits 0 baton "$VIEWER" - $words; done
	exits 0 baton "$VIEWER" - ping && says "you are a viewer"
	exits 0 baton "$STRANGER" "$TEAM" ping && says "you are a viewer" # by his second group
}
a_viewer_may_not_give_orders() {
	local before
	before=$(ctl --json worker list | jq -c '[.workers[].pid]')
	exits 8 baton "$VIEWER" - worker restart game
	says "worker.restart needs an operator, and uid $VIEWER is a viewer: root gives the role by control.operators in $FILE"
	exits 8 baton "$STRANGER" "$TEAM" config reload --wait
	exits 8 baton "$VIEWER" - --json worker restart game
	jq -e '.code == "denied" and .ok == false' "$WORK/said"
	equal "workers" "$(ctl --json worker list | jq -c '[.workers[].pid]')" "$before"
	audited --argjson uid "$VIEWER" '[.[] | select(.event == "refused" and .uid == $uid and .verb == "worker.restart"
		and .args.target == "game" and .process == "batonctl" and .role == "viewer")] | length == 2'
}
a_stranger_stays_outside() {
	exits 8 baton "$STRANGER" - status
	says "permission denied: run batonctl as root, or have root give you a role"
	equal "lines" "$(wc -l <"$WORK/said")" 1
	exits 8 baton "$STRANGER" "$((TEAM + 1))" ping
	# And where the file's rights would let him in, his credentials do not.
	chmod 666 "$SOCKET"
	exits 8 baton "$STRANGER" - status
	says "uid $STRANGER has no role here: root gives one by control.viewers or control.operators in $FILE"
	equal "strangers" "$(counted strangers)" 1
	exits 0 baton "$VIEWER" - ping
}
an_operator_gives_orders() {
	exits 0 baton "$OPERATOR" - ping && says "you are an operator"
	exits 0 baton "$OPERATOR" - worker restart game
	exits 1 baton "$OPERATOR" - worker restart game --version /nothing/here.so
	audited --argjson uid "$OPERATOR" '
		[.[] | select(.uid == $uid and .verb == "worker.restart")] as $lines |
		($lines | map(.event) == ["begin", "end", "begin", "end"]) and $lines[1].result == "ok" and
		$lines[1].request == $lines[0].request and $lines[1].duration_ms > 0 and $lines[1].args.target == "game" and
		$lines[3].result == "failed" and ($lines[3].reason | contains("/nothing/here.so"))'
}
# A reload that is refused by the file, one that nobody waits for, and one that nobody asked for over the socket.
reloads_are_recorded() {
	local before
	before=$(wc -l <"$LOG")
	edited 's/^  viewers:/  viewrs:/'
	exits 1 baton "$OPERATOR" - config reload --wait
	edited 's/^  viewrs:/  viewers:/'
	edited "s|^    records: .*|&\n    settings: {player.idle: 500s}|"
	exits 0 baton "$OPERATOR" - config reload
	wait_for "[ \"\$(jq -s '[.[] | select(.event == \"end\" and .verb == \"config.reload\")] | length' $LOG)\" = 2 ]"
	edited 's/player.idle: 500s/player.idle: 400s/'
	kill -HUP "$(batond_pid)"
	wait_for "[ \"\$(jq -s '[.[] | select(.event == \"end\" and .verb == \"config.reload\")] | length' $LOG)\" = 3 ]"
	[ "$(ctl --json config show | jq -r '.values[] | select(.path == "groups[0].settings") | .value')" = '{player.idle: 400s}' ]
	# The shell that ran kill is who did it.
	audited --argjson pid $BASHPID --argjson before "$before" '
		.[$before:] | map(select(.verb == "config.reload")) |
		(map(.event) == ["begin", "end", "begin", "end", "begin", "end"]) and .[1].code == "invalid" and
		.[3].result == "ok" and .[3].duration_ms > 1 and .[5].result == "ok" and .[5].signal == "HUP" and
		.[5].uid == 0 and .[5].pid == $pid and .[5].user == "root"'
}
a_reload_moves_the_roles() {
	local fifo=$WORK/stays.in
	edited "s/viewers: .*/viewers: {users: [$STRANGER]}/; s/operators: .*/operators: {groups: [$TEAM]}/"
	ctl config reload --wait
	exits 8 baton "$VIEWER" - ping
	exits 8 baton "$OPERATOR" - ping
	exits 0 baton "$STRANGER" - ping && says "you are a viewer"
	exits 0 baton "$OPERATOR" "$TEAM" worker restart game.0
	edited "s/viewers: .*/viewers: {users: [nobody-of-that-name]}/"
	exits 1 ctl config reload --wait && says "control.viewers.users[0]: this machine has no user 'nobody-of-that-name'" "useradd"
	exits 1 "$BIN/batond" --check "$FILE" && says "this machine has no user"
	edited "s/viewers: .*/viewers: {users: [$VIEWER], groups: [$TEAM]}/; s/operators: .*/operators: {users: [$OPERATOR]}/"
	ctl config reload --wait
	exits 0 baton "$OPERATOR" - ping
}
nothing_forges_a_line() {
	local target=$'x\n{"event":"end","verb":"forged"}\e[2J"'
	exits 4 baton "$OPERATOR" - worker restart "$target"
	audited '[.[] | select(.verb == "forged")] == []'
	audited --arg target "$target" '[.[] | select(.args.target == $target)] | map(.event) == ["begin", "end"]'
	must_fail grep -q $'\e' "$LOG"
}
batonctl_audit_shows_it() {
	exits 0 baton "$VIEWER" - audit --last 100
	says "uid $OPERATOR by batonctl[" "worker.restart {\"target\":\"game\"}  ok after " "SIGHUP  config.reload  ok after" \
		"uid $VIEWER by batonctl[" "refused: worker.restart needs an operator" "batond.start {\"config\":\"$FILE\""
	must_fail grep -q "forged\"}$" "$WORK/said"
	equal "orders" "$(baton "$VIEWER" - audit --last 3 | wc -l)" 3
	baton "$VIEWER" - --json audit --last 1 | jq -e '.ok and (.orders | length) == 1 and .lost == 0'
	exits 8 baton "$STRANGER" - audit
	exits 8 as "$STRANGER" - "$BIN/batonctl" audit --file "$LOG" # which is not for everybody either
}
rotation_loses_no_line() {
	mv "$LOG" "$LOG.1"
	ctl worker restart game.0
	equal "lines" "$(wc -l <"$LOG")" 2
	equal "mode" "$(stat -c %a "$LOG")" 640
	cat "$LOG.1" "$LOG" >"$LOG.new" && mv "$LOG.new" "$LOG"
	ctl worker restart game.0
	audited '[.[] | select(.verb == "worker.restart" and .args.target == "game.0" and .event == "end" and .uid == 0)] | length == 2'
}
# A disk that is full: the order is carried out, the loss is counted and said once, then the log goes on.
a_full_disk_stops_nothing() {
	edited "s|audit_log: .*|audit_log: $WORK/small/audit|"
	ctl config reload --wait
	head -c 4096 /dev/zero | tr '\0' '\n' >"$WORK/small/audit"
	exits 0 ctl worker restart game
	exits 0 ctl worker restart game
	ctl --json status | jq -e '.audit_log.lost >= 4 and .audit_log.writable == false'
	equal "warnings" "$(grep -c "warn: audit log $WORK/small/audit: No space left on device" "$WORK/batond.log")" 1
	: >"$WORK/small/audit"
	exits 0 ctl worker restart game.0
	jq -s -e '.[0].lines_lost_before >= 4 and .[1].result == "ok"' "$WORK/small/audit"
	grep "audit log $WORK/small/audit: written again; lines lost" "$WORK/batond.log"
	edited "s|audit_log: .*|audit_log: $WORK/not/there/audit|"
	ctl config reload --wait
	exits 0 ctl worker restart game.0
	ctl --json status | jq -e '.audit_log.writable == false'
	exits 1 ctl status
	says "warn: the latest line of the audit log could not be written to $WORK/not/there/audit: "
	edited "s|audit_log: .*|audit_log: $LOG|"
	ctl config reload --wait
	exits 0 ctl worker restart game.0 # the first line that is written there
	exits 0 ctl status
}
# Viewers that flood, stop in mid-frame, never read, come by the hundred: an operator is answered all the time, and the
# primary neither grows nor runs out of descriptors.
# timeout is outside: a program of another user cannot start one below /root, setpriv, which has been root, can.
abuse() { timeout 110 setpriv --reuid="$VIEWER" --regid="$VIEWER" --clear-groups "$BIN/test-abuse" "$SOCKET" "$@" "$SEED"; }
rss_kb() { awk '$1 == "VmRSS:" { print $2 }' "/proc/$(batond_pid)/status"; }
descriptors() { ls "/proc/$(batond_pid)/fd" | wc -l; }
# borne KIND N, KIND N..: together, while an operator asks and gives orders.
borne() {
	local kind pids=() pid asked=0 most=0 fds alive=yes
	pipelined=0
	fds=$(descriptors)
	for kind; do
		abuse $kind >"$WORK/abuse.${kind% *}" 2>&1 &
		pids+=($!)
	done
	while [ -n "$alive" ]; do
		exits 0 baton "$OPERATOR" - status
		asked=$((asked + 1))
		[ "$asked" -ne 2 ] || exits 0 baton "$OPERATOR" - worker restart game
		[ "$(descriptors)" -le "$most" ] || most=$(descriptors)
		alive=
		for pid in "${pids[@]}"; do alive+=$(proc_start "$pid"); done
	done
	for pid in "${pids[@]}"; do wait "$pid" || { cat "$WORK"/abuse.*; return 1; }; done
	[ "$asked" -ge 1 ]
	pipelined=$(sed -n 's/^pipeline //p' "$WORK"/abuse.*)
	[ "$most" -le $((fds + 40)) ] || { echo "descriptors: $most, $fds before"; return 1; }
	echo "note: $*: an operator was answered $asked times; $(cat "$WORK"/abuse.* | tr '\n' ' ')"
	rm -f "$WORK"/abuse.*
}
abusive_viewers_are_borne() {
	local rss fds
	rss=$(rss_kb) fds=$(descriptors)
	borne "flood 30"
	borne "pipeline 8"
	equal "replies to 8 who asked 20,000 times without waiting" "$pipelined" 160000
	borne "deaf 10" "half 10" "flood 10" "pipeline 4" # those who are hung up on take seconds: once, beside the others
	wait_for "[ \$(descriptors) -le $((fds + 1)) ]"
	[ "$(rss_kb)" -le $((rss + 131072)) ] || { echo "VmRSS: $(rss_kb) kB, $rss before"; return 1; }
	exits 0 baton "$OPERATOR" - status
	bots_running
	echo "note: VmRSS $rss -> $(rss_kb) kB"
}
refusals_do_not_fill_the_disk() {
	local before suppressed
	before=$(wc -l <"$LOG")
	abuse refused 2000 >"$WORK/refused"
	suppressed=$(ctl --json status | jq .audit_log.refusals_not_written)
	[ "$suppressed" -ge 1000 ]
	equal "lines and those not written" $(($(wc -l <"$LOG") - before + suppressed)) 2000
}
bots_felt_nothing() { bots_running; bots_stop; bots_wait || cat "$WORK/bots.err"; bots_clean; echo "note: seed $SEED, $(bots_value received) replies"; }
# A batond that is killed in the middle of an order: the order is there, and was not ended.
an_order_that_a_kill_ended_is_there() {
	local pid
	pid=$(batond_pid)
	kill -STOP "$(ctl --json worker list | jq '[.workers[] | select(.name == "game.0")][0].pid')"
	ctl worker restart game.0 --timeout 50s >"$WORK/killed" 2>&1 &
	wait_for '[ "$(jq -s "last | .event == \"begin\"" "$LOG")" = true ]'
	kill -KILL "$pid"
	wait_for '[ -s "$WORK/batond.rc" ]'
	wait $! || :
	exits 3 ctl audit
	says "batonctl audit --file"
	exits 0 "$BIN/batonctl" audit --file "$LOG" --last 1
	says "worker.restart {\"target\":\"game.0\"}  not ended: it is under way, or batond died meanwhile"
	batond_start "$FILE"
	exits 0 ctl audit --last 2
	says "not ended" "batond.start"
}
a_stop_is_recorded() {
	batond_stop
	ledger_balances
	audited --argjson pid $BASHPID '.[-1] | .verb == "batond.stop" and .event == "end" and .result == "ok" and
		.signal == "TERM" and .uid == 0 and .pid == $pid'
}

chmod 755 "$WORK"
mkdir "$WORK/small" # before batond has a mount namespace of its own
run_note mount "$WORK/small"
mount -t tmpfs -o size=4k none "$WORK/small" || fatal "cannot mount a tmpfs"
port_tap && batond_start || fatal "no batond"
bots_start --players 50 --seconds 3000 --connect-timeout 30 --rate 5000 --seed "$SEED"
claim a_viewer_may_look a_viewer_may_look
claim a_viewer_may_not_give_orders a_viewer_may_not_give_orders
claim a_stranger_stays_outside a_stranger_stays_outside
claim an_operator_gives_orders an_operator_gives_orders
claim reloads_are_recorded reloads_are_recorded
claim a_reload_moves_the_roles a_reload_moves_the_roles
claim nothing_forges_a_line nothing_forges_a_line
claim batonctl_audit_shows_it batonctl_audit_shows_it
claim rotation_loses_no_line rotation_loses_no_line
claim a_full_disk_stops_nothing a_full_disk_stops_nothing
claim abusive_viewers_are_borne abusive_viewers_are_borne
claim refusals_do_not_fill_the_disk refusals_do_not_fill_the_disk
claim bots_felt_nothing bots_felt_nothing
claim an_order_that_a_kill_ended_is_there an_order_that_a_kill_ended_is_there
claim a_stop_is_recorded a_stop_is_recorded
