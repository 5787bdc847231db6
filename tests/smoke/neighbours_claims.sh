# What the scenarios of subscriptions claim.
GROUP_EXTRA="    tick_period: 50ms
    settings: {player.idle: 10m}"
BOTS_EXTRA="--subscribe 700 --rate 8000"

# After bots_wait: who was near was told of, and nobody of anything else.
neighbours_are_told() {
	local reason
	equal "faults" "$(bots_value interest.faults)" 0 || { cat "$WORK/bots.json" "$WORK/bots.err"; return 1; }
	[ "$(bots_value interest.pairs_checked)" -gt 50 ]
	[ "$(bots_value interest.updates)" -gt 1000 ]
	[ "$(bots_value interest.neighbours_told)" -gt "$(bots_value interest.updates)" ]
	equal "strangers" "$(bots_value interest.strangers)" 0
	equal "passed" "$(bots_value passed)" true
	for reason in no_route no_neighbour no_buffer; do
		equal "$reason" "$(counter $reason)" 0
	done
	equal "messages lost" "$(counter messages_lost)" 0
	echo "note: seed $SEED, $(bots_value interest.updates) updates, $(bots_value interest.neighbours_told) neighbours," \
		"$(bots_value interest.subscribes) subscriptions, $(bots_value interest.pairs_checked) pairs at the end"
}
# started BEFORE: what was started since then has arrived, each once: nobody else is on this port.
all_that_was_started_has_arrived() { equal "packets started" $(($(counter packets_started) - $1)) "$(bots_value interest.updates)"; }

neighbours_are_told_through_hot_restarts() {
	local before
	before=$(counter packets_started)
	hot_restarts_lose_nothing
	neighbours_are_told
	all_that_was_started_has_arrived "$before"
}
# ARGUMENTS...: more of them for the bots
neighbours_are_told_through_kills() {
	local i pid before
	before=$(counter packets_started)
	bots_start --players 120 --seconds 3000 --connect-timeout 30 --seed $((SEED + 1)) $BOTS_EXTRA "$@"
	for ((i = 0; i < 5; i++)); do
		wait_for '[ "$(counter packets_started)" -gt '$(($(counter packets_started) + 500))' ]'
		pid=$(ctl --json worker list | jq -r "[.workers[] | select(.state == \"active\")][$((i % WORKERS))].pid")
		kill -9 "$pid"
		wait_for '[ "$(ctl --json worker list | jq "[.workers[] | select(.state == \"active\" and .pid != '"$pid"')] | length")" = '"$WORKERS"' ]'
	done
	bots_stop
	bots_wait || cat "$WORK/bots.err"
	bots_clean
	neighbours_are_told
	# results of attacks are started packets, too
	[[ " $* " == *attack=* ]] || all_that_was_started_has_arrived "$before"
}
ledger_is_exact_after_neighbours() { batond_stop; ledger_balances; }
