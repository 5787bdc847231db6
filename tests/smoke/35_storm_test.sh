#!/bin/bash
# Orders at random by three operators at once: hot restarts, versions, workers that come, go and are drained, buckets
# moved by hand, the configuration read again with other counts, plugins, settings; by the socket and by SIGHUP. One runs,
# the others wait or are refused with the reason, and players who roam and attack notice none of it.
# Two storms, the second with kills; each ends when STORM_ORDERS (30) have been carried out, or after STORM_SECONDS (12).
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/restart_claims.sh"
. "$(dirname "$0")/attack_claims.sh"
. "$(dirname "$0")/scale_claims.sh"
. "$(dirname "$0")/storm_claims.sh"

WORKERS=3
SLOTS=8
PLUGIN_FILE=$WORK/game-0.so
GROUP_EXTRA="    tick_period: 50ms
    settings: {player.idle: 600s, regen.per_tick: 3}
log:
  level: info
control:
  audit_log: $WORK/audit"
STORM_ORDERS=${STORM_ORDERS:-30}
STORM_SECONDS=${STORM_SECONDS:-12}
BOTS="--players 150 --roam --seconds 3000 --connect-timeout 30 --mix move=50,heartbeat=10,attack=40 --insist 200 --rate 6000"

# Builds that differ in their build id only.
builds_make() {
	local i
	cp "$PLUGINS/game.so" "$WORK/game-0.so"
	for i in 1 2; do
		objcopy --remove-section .comment "$WORK/game-$((i - 1)).so" "$WORK/game-$i.so" || return 1
		patch_build_id "$WORK/game-$i.so" || return 1
	done
}
stormed() {
	storm "$STORM_ORDERS" "$STORM_SECONDS" || return 1
	bots_running || { echo "the bots gave up:"; cat "$WORK/bots.err"; return 1; }
	[ "$(carried_out)" -ge "$STORM_LEAST" ] || { cat "$WORK"/book.*; return 1; }
	echo "note: seed $SEED, $(carried_out) orders carried out, $(refused_orders) refused, $(cat "$WORK"/book.* | grep -c ^hup) SIGHUP"
}
orders_at_once_run_or_are_refused_with_the_reason() {
	bots_start $BOTS --seed "$SEED"
	wait_for '[ "$(counter messages_settled)" -gt 1000 ]'
	stormed
	audit_agrees_with_what_was_said
}
storm_is_over_and_the_next_order_is_taken() {
	local name
	no_process_is_left
	for name in $(there | sed 's/ .*//'); do ctl worker start "$name"; done
	even game
	ctl worker restart game
	storm_config "$WORKERS" info 600s "$PLUGIN_FILE"
	ctl config reload --wait
	ctl config diff
	served_on
}
# Who kills does it now and then, whoever it hits.
killer() {
	local before
	while [ -e "$WORK/storm" ]; do
		before=$(counter replies)
		kill_worker "$(any_worker)"
		echo kill >>"$WORK/kills"
		wait_for "[ ! -e $WORK/storm ] || [ \$(counter replies) -gt $((before + 3000)) ]" || true
	done
}
orders_at_once_bear_deaths() {
	local killed rc=0
	: >"$WORK/storm"
	: >"$WORK/audit"
	killer &
	killed=$!
	STORM_KILLS=1 stormed || rc=1
	rm "$WORK/storm"
	wait $killed
	[ $rc -eq 0 ]
	wait_for quiet
	audit_agrees_with_what_was_said
	no_process_is_left
	ctl worker restart game
	ctl worker start "$(there | sed 's/ .*//' | head -1)"
	even game
	served_on
	echo "note: $(wc -l <"$WORK/kills") kills"
}
bots_found_nothing_wrong() {
	bots_stop
	bots_wait || cat "$WORK/bots.err"
	bots_clean
	[ "$(bots_value roams)" -gt 10 ]
	books_balance
	ctl state verify
}
# A worker that is stopped by the kernel lets go of no buckets: the reload that restarts it is in the middle for sure.
a_stop_in_the_middle_is_orderly() {
	local pid rc=0
	GROUP_EXTRA=$'    stall_timeout: off\n    stall_wall: off\n'$GROUP_EXTRA
	storm_config 3 info 600s "$PLUGIN_FILE"
	ctl config reload --wait
	kill -STOP "$(worker_pid "$(there | awk '$2 == "active" { print $1; exit }')")"
	storm_config 3 info 999s "$PLUGIN_FILE"
	"$BIN/batonctl" -i "$INSTANCE" config reload --wait >"$WORK/said" 2>&1 &
	pid=$!
	wait_for '[ "$(ctl --json buckets show game | jq ".services[0].moving | length")" = 1 ]' 8
	refused 1 "a reload of the configuration is under way: wait for its end" worker restart game
	refused 1 "a reload of the configuration is under way: wait for its end" worker stop game.0
	kill -HUP "$(batond_pid)"
	batond_stop
	wait $pid || rc=$?
	equal "exit code" $rc 1
	grep "batonctl: the primary is stopping" "$WORK/said"
	grep "signal 1 waited for the end of what was under way: .* is not read again" "$WORK/batond.log"
	equal "orders with no end" "$(jq -s 'group_by("\(.boot) \(.request)") | map(select(length != 2)) | length' "$WORK/audit")" 0
	ledger_balances
	grep 'pool io.0: full' "$WORK/batond.log"
}

port_tap && builds_make || fatal "no port"
storm_config "$WORKERS" info 600s "$PLUGIN_FILE"
batond_start "$WORK/baton.yaml" || fatal "no batond"
claim orders_at_once_run_or_are_refused_with_the_reason orders_at_once_run_or_are_refused_with_the_reason
claim workers_are_what_the_orders_left workers_are_what_the_orders_left
claim configuration_is_the_last_that_was_applied configuration_is_the_last_that_was_applied
claim storm_is_over_and_the_next_order_is_taken storm_is_over_and_the_next_order_is_taken
claim orders_at_once_bear_deaths orders_at_once_bear_deaths
claim bots_found_nothing_wrong_in_the_storms bots_found_nothing_wrong
claim a_stop_in_the_middle_is_orderly a_stop_in_the_middle_is_orderly
