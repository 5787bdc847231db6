#!/bin/bash
# What operators order of a rollout, at each of its steps, under players: abort, retry, undo, pause, resume, promote. And
# what is to happen by itself whoever waits: gates are armed while it is paused, a killed primary goes on at the weight that
# it had, too little traffic is neither a pass nor a failure.
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/rollout_steps_claims.sh"
GOOD=$CANDIDATES/game_v2.so
STEPS="{weight: 10%}, {pause: {}}, {weight: 50%}, {pause: {}}, {weight: 100%}, {pause: {}}"
FLOWING="{weight: 10%}, {weight: 50%}, {weight: 100%}"

# goes_to PERMILLE: from where it is, by leaving pauses.
goes_to() {
	local weight
	for weight in 100 500 1000; do
		until_is paused ".weight == $weight"
		[ "$weight" != "$1" ] || break
		order promote
	done
	weighs "$1"
}
begins_and_goes_to() { no_rollout; start "$GOOD"; goes_to "$1"; }
status_of() { local rc=0; ctl rollout status game >/dev/null || rc=$?; echo $rc; }

abort_brings_everybody_back_from_each_step() {
	local weight
	for weight in 100 500 1000; do
		begins_and_goes_to "$weight"
		equal "exit status of its status at a pause" "$(status_of)" 7
		order abort
		over degraded
		equal "exit status of its status" "$(status_of)" 6
		equal versions "$(versions)" 1
		served_on
	done
}
retry_begins_again_and_undo_ends_it_without_a_trace() {
	local weight
	order retry
	for weight in 100 500 1000; do
		goes_to "$weight"
		order undo
		over healthy
		equal versions "$(versions)" 1
		equal "exit status of its status" "$(status_of)" 0
		served_on
		[ "$weight" = 1000 ] || start "$GOOD"
	done
}
windows() { row '.windows // 0'; }
pause_holds_it_and_resume_lets_it_go_on() {
	local seen
	no_rollout
	strategy "$FLOWING"
	start "$GOOD"
	order pause # the step that it is at is taken, no other
	until_is paused '.weight == 100'
	seen=$(windows)
	wait_for "[ \"\$(windows)\" -ge $((seen + 3)) ]" # enough for it to have gone on
	equal "weight while it is paused" "$(row .weight)" 100
	order resume
	over healthy
	equal versions "$(versions)" 2
	order undo --to 1
	over healthy
	equal versions "$(versions)" 1
	served_on
}
promote_full_waits_for_nothing() {
	strategy "$STEPS"
	begins_and_goes_to 100
	order promote --full
	over healthy
	equal versions "$(versions)" 2
	order undo --to 1
	over healthy
	equal versions "$(versions)" 1
	served_on
}
a_second_rollout_is_refused_unless_it_replaces() {
	no_rollout
	refused_order 4 "no version '9.9'" start game --to 9.9
	begins_and_goes_to 100
	refused_order 1 replace start game --to "$CANDIDATES/game_v2_clock.so"
	equal "weight" "$(row .weight)" 100
	ctl rollout start game --to "$CANDIDATES/game_v2_clock.so" --replace
	until_is paused '.weight == 100 and .candidate.version == "2-clock"'
	order undo
	over healthy
	equal versions "$(versions)" 1
}
# kill -9 at half: the next primary has it at no more than that, with no other buckets, and it goes on from there.
a_killed_primary_goes_on_at_the_weight_it_had() {
	local highest=0 now
	begins_and_goes_to 500
	cp "$WORK/candidate" "$WORK/before"
	batond_dies_and_another_starts
	until is paused '.weight == 500'; do
		batond_lives
		now=$(row '.weight // 0')
		[ "${now:-0}" -le "$highest" ] || highest=$now
	done
	[ "$highest" -le 500 ] || { echo "it came to $highest permille on its way"; return 1; }
	weighs 500
	cmp "$WORK/before" "$WORK/candidate" # the same players
	served_on
	order promote
	until_is paused '.weight == 1000'
	order promote
	over healthy
	equal versions "$(versions)" 2
	served_on
}
what_was_promoted_is_what_the_next_primary_starts() {
	kill -KILL "$(batond_pid)"
	kill -USR1 "$(cat "$WORK/bots.pid")"
	wait_for '[ -s "$WORK/batond.rc" ]'
	batond_start "$WORK/baton.yaml"
	equal versions "$(versions)" 2
	served_on
	order undo --to 1
	over healthy
	equal versions "$(versions)" 1
}
nobody_noticed_anything() {
	play_no_more
	bots_clean
	echo "note: seed $SEED, $(bots_value received) replies, $(bots_value outages.count) kills of batond"
}
# Nobody plays while it gets to its weight and is paused, by an operator. Then they come, and the gate is not asleep.
a_gate_that_fails_while_it_is_paused_rolls_back() {
	no_rollout
	strategy "$FLOWING"
	start "$CANDIDATES/game_v2_errors.so"
	until_is progressing '.weight == 100'
	order pause
	until_is paused '.weight == 100'
	weighs 100
	play
	over degraded
	equal "the gate that it failed" "$(row .gate)" error_reply_ratio
	play_no_more
	victims_are_of "$WORK/candidate"
}
# So few packets that no window has enough: it stays where it is, with no verdict. Then enough come.
too_little_traffic_is_neither_a_pass_nor_a_failure() {
	local seen
	no_rollout
	play --rate 20
	start "$GOOD"
	until_is progressing '.weight == 100'
	seen=$(windows)
	wait_for "[ \"\$(windows)\" -ge $((seen + 4)) ]"
	equal state "$(row '"\(.state) \(.weight)"')" "progressing 100"
	equal "gates with a verdict" "$(row '[.gates[] | select(.name != "crashes" and .name != "stalls") | select(.verdict != "inconclusive" and .verdict != "off") | .name] | join(" ")')" ""
	play_no_more
	bots_clean
	play
	over healthy
	equal versions "$(versions)" 2
	play_no_more
	bots_clean
}
the_ledger_is_exact() {
	batond_stop
	ledger_balances
	grep 'pool io.0: full' "$WORK/batond.log" | tail -1
}

GROUP_EXTRA="    settings: {player.idle: 600s}"
port_tap || fatal "no port"
strategy "$STEPS"
batond_start "$WORK/baton.yaml" || fatal "no batond"
play
claim abort_brings_everybody_back_from_each_step abort_brings_everybody_back_from_each_step
claim retry_begins_again_and_undo_ends_it_without_a_trace retry_begins_again_and_undo_ends_it_without_a_trace
claim pause_holds_it_and_resume_lets_it_go_on pause_holds_it_and_resume_lets_it_go_on
claim promote_full_waits_for_nothing promote_full_waits_for_nothing
claim a_second_rollout_is_refused_unless_it_replaces a_second_rollout_is_refused_unless_it_replaces
claim a_killed_primary_goes_on_at_the_weight_it_had a_killed_primary_goes_on_at_the_weight_it_had
claim what_was_promoted_is_what_the_next_primary_starts what_was_promoted_is_what_the_next_primary_starts
claim nobody_noticed_the_orders nobody_noticed_anything
claim a_gate_that_fails_while_it_is_paused_rolls_back a_gate_that_fails_while_it_is_paused_rolls_back
claim too_little_traffic_is_neither_a_pass_nor_a_failure too_little_traffic_is_neither_a_pass_nor_a_failure
claim the_ledger_is_exact_after_orders the_ledger_is_exact
