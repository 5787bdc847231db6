#!/bin/bash
# baton-exporter serves the counters to Prometheus, as nobody and whatever batond does: not yet started, running, killed,
# started again, stopped. Its clients may be of any kind.
. "$(dirname "$0")/_init.sh"
AS_NOBODY="setpriv --reuid=65534 --regid=65534 --clear-groups"

# http PATH [METHOD]: the whole answer is in $WORK/answer, its body in $WORK/body.
http() {
	printf '%s %s HTTP/1.1\r\nHost: x\r\n\r\n' "${2:-GET}" "$1" | timeout 50 nc -w 40 127.0.0.1 "$PORT" >"$WORK/answer"
	sed '1,/^\r$/d' "$WORK/answer" >"$WORK/body"
}
status_is() { equal "status" "$(head -1 "$WORK/answer" | tr -d '\r')" "HTTP/1.1 $1"; }
scrape() { http /metrics; status_is "200 OK"; }
up_is() { scrape; equal "baton_up" "$(sed -n "s/^baton_up{baton=\"$INSTANCE\"} //p" "$WORK/body")" "$1"; }
# metric NAME: the sum of its series.
metric() { awk -v name="$1" 'index($1, name "{") == 1 { sum += $2; n++ } END { if (!n) exit 1; printf "%.0f\n", sum }' "$WORK/body"; }

it_starts_before_batond() {
	up_is 0
	must_fail grep -q baton_rx_packets_total "$WORK/body"
	grep 'which does not run now: baton_up is 0' "$WORK/exporter.log"
}
it_serves_the_counters() {
	local metric name
	bots --players 20 --seconds 1 --connect-timeout 30 --seed "$SEED"
	bots_clean
	scrape
	grep -q '^Content-Type: text/plain; version=0.0.4; charset=utf-8' "$WORK/answer"
	up_is 1
	# A bot that asks twice until it is connected does not count the second answer to that.
	[ "$(($(metric baton_replies_total) + $(metric baton_error_replies_total)))" -ge "$(bots_value received)" ]
	while read -r metric name; do
		equal "$metric" "$(metric "$metric")" "$(counter "$name")"
	done <<-END
		baton_rx_packets_total rx_packets
		baton_tx_packets_total tx_packets
		baton_offered_packets_total offered
		baton_reaped_packets_total reaped
	END
	# The families that batonctl prints are all there, and no other but the exporter's own.
	ctl stats --prom | sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' | sort >"$WORK/ctl"
	sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' "$WORK/body" | sort >"$WORK/families"
	equal "families" "$(comm -3 "$WORK/ctl" "$WORK/families" | tr -d '\t' | xargs)" \
		"baton_exporter_build_info baton_exporter_scrapes_total baton_up"
	equal "families twice" "$(uniq -d "$WORK/families")" ""
	equal "worker rows" "$(grep -c '^baton_worker_info{' "$WORK/body")" "$WORKERS"
}
it_follows_batond() {
	local first
	scrape
	first=$(metric baton_start_time_seconds)
	kill -KILL "$(batond_pid)"
	wait_for '[ -s "$WORK/batond.rc" ]'
	wait_for 'up_is 0'
	# Who had the counters keeps them; who comes now is told that they went with their batond.
	grep -q baton_rx_packets_total "$WORK/body"
	must_fail "$BIN/baton-top" -i "$INSTANCE" --once >"$WORK/said" 2>&1
	grep "$INSTANCE: its batond was killed, and its counters went with it: start batond" "$WORK/said"
	must_fail "$BIN/batonctl" -i "$INSTANCE" stats >"$WORK/said" 2>&1
	grep "no counters to be had: Connection refused: is batond running?" "$WORK/said"
	batond_start
	wait_for 'up_is 1'
	[ "$(metric baton_start_time_seconds)" -ge "$first" ]
	equal "replies of the new one" "$(metric baton_replies_total)" 0
	batond_stop
	up_is 0
	must_fail grep -q baton_rx_packets_total "$WORK/body"
	batond_start
	wait_for 'up_is 1'
}
it_says_what_is_wrong() {
	local rc=0
	http /nothing; status_is "404 Not Found"
	http /metrics POST; status_is "405 Method Not Allowed"
	grep -q '^Allow: GET, HEAD' "$WORK/answer"
	http /metrics HEAD; status_is "200 OK"
	equal "bytes after HEAD" "$(wc -c <"$WORK/body")" 0
	http /healthz; equal "healthz" "$(cat "$WORK/body")" ok
	timeout 50 "$BIN/baton-exporter" --listen "127.0.0.1:$PORT" >"$WORK/said" 2>&1 || rc=$?
	equal "exit code" "$rc" 1
	grep "cannot listen at 127.0.0.1:$PORT: Address already in use: is another exporter there? Give another --listen" "$WORK/said"
	rc=0
	timeout 50 "$BIN/baton-exporter" --listen 9808 >"$WORK/said" 2>&1 || rc=$?
	equal "exit code" "$rc" 2
}
# What a clean-up job, logind or a mistyped redirection does to /dev/shm, as root: nobody dies, and the counters go on.
counters_outlive_what_is_done_to_them() {
	local door="/dev/shm/baton.$INSTANCE.stats" pid sent fd
	pid=$(batond_pid)
	sent=$(counter tx_packets)
	must_fail truncate -s 0 "$door"
	for fd in /proc/"$pid"/fd/*; do
		[[ $(readlink "$fd") != /memfd:baton.$INSTANCE.stats* ]] || must_fail sh -c ': >"$1"' sh "$fd"
	done
	rm "$door"
	wait_for '[ -S "'"$door"'" ]'
	rm "$door"
	echo gone >"$door"
	wait_for '[ -S "'"$door"'" ]'
	grep -q "door of the counters $door was removed: made again" "$WORK/batond.log"
	up_is 1
	bots --players 20 --seconds 1 --connect-timeout 30 --seed "$SEED"
	bots_clean
	scrape
	[ "$(metric baton_tx_packets_total)" -gt "$sent" ]
	equal "pid of the primary" "$(batond_pid)" "$pid"
	equal "workers that died" "$(metric baton_worker_crashes_total)" 0
}
# 60 connections that say nothing or half of something: a scrape gets through, before Prometheus would give up.
silent_clients_keep_nobody_out() {
	local i fifo=$WORK/silent.in pids=()
	mkfifo "$fifo"
	exec 9<>"$fifo"
	for ((i = 0; i < 60; i++)); do
		nc -w 60 127.0.0.1 "$PORT" <"$fifo" >/dev/null 2>&1 &
		pids+=($!)
	done
	up_is 1
	for i in "${pids[@]}"; do kill "$i" 2>/dev/null || :; done
	exec 9>&-
	equal "descriptors" "$([ "$(ls "/proc/$EXPORTER/fd" | wc -l)" -le 80 ] && echo few)" few
}
it_ends_when_told() {
	local rc=0
	kill -TERM "$EXPORTER"
	wait_for '[ -s "$WORK/exporter.rc" ]'
	equal "exit code" "$(cat "$WORK/exporter.rc")" 0
	batond_stop
	ledger_balances
}

chmod 755 "$WORK"
{
	$AS_NOBODY "$BIN/baton-exporter" -i "$INSTANCE" --listen 127.0.0.1:0 >"$WORK/exporter.log" 2>&1 </dev/null &
	run_process $!
	echo $! >"$WORK/exporter.pid"
	rc=0
	wait $! || rc=$?
	echo $rc >"$WORK/exporter.rc"
} >/dev/null 2>&1 &
wait_for 'grep -q "serving http://" "$WORK/exporter.log"' || fatal "no exporter: $(cat "$WORK/exporter.log")"
PORT=$(sed -n 's|.*http://127.0.0.1:\([0-9]*\)/.*|\1|p' "$WORK/exporter.log")
EXPORTER=$(cat "$WORK/exporter.pid")
claim it_starts_before_batond it_starts_before_batond
port_tap && batond_start || fatal "no batond"
claim it_serves_the_counters it_serves_the_counters
claim it_follows_batond it_follows_batond
claim it_says_what_is_wrong it_says_what_is_wrong
claim counters_outlive_what_is_done_to_them counters_outlive_what_is_done_to_them
claim silent_clients_keep_nobody_out silent_clients_keep_nobody_out
claim it_ends_when_told it_ends_when_told
