#!/bin/bash
# A good candidate goes through all its steps under players who move, attack and keep books: shadow, 10 %, 50 %, 100 %.
# Its share is exact at each weight and grows by others only; nobody notices anything; names of workers stay.
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/rollout_steps_claims.sh"
BOOKS="--mix move=60,heartbeat=10,attack=30 --roam"
BY_HAND="{shadow: {sample: 100%, for: 1s, compare: digest}}, {weight: 10%}, {pause: {}}, {weight: 50%}, {pause: {}}, {weight: 100%}, {pause: {}}"
BY_ITSELF="{shadow: {sample: 100%, for: 1s, compare: digest}}, {weight: 10%}, {pause: 1s}, {weight: 50%}, {weight: 100%}, {pause: 1s}"
BYTES="{shadow: {sample: 100%, for: 1s, compare: bytes}}, {weight: 50%}, {weight: 100%}"

a_good_candidate_goes_through_all_steps() {
	local weight before=/dev/null
	start "$CANDIDATES/game_v2.so"
	until_is progressing '.phase == "shadow"'
	equal "buckets of a candidate in shadow" "$(row .exposed_buckets)" 0
	for weight in 100 500 1000; do
		until_is paused ".weight == $weight"
		weighs "$weight"
		[ -z "$(comm -23 <(sort "$before") <(sort "$WORK/candidate"))" ] || { echo "$weight permille: buckets went back on the way up"; return 1; }
		cp "$WORK/candidate" "$WORK/before" && before=$WORK/before
		equal "versions" "$(versions)" "1 2" # stable stays warm to the end
		served_on
		wait_for '[ "$(row "[.gates[] | select(.verdict == \"pass\")] | length > 0")" = true ]' # a window was judged
		order promote # resume would wait for every gate: what goes on by itself below does
	done
	over healthy
	equal versions "$(versions)" 2
	equal "exit status of its status" "$(ctl rollout status game >/dev/null; echo $?)" 0
	ctl rollout history game | grep -qw promoted
	ctl rollout status game >"$WORK/status"
	grep '^  serves  *2, build' "$WORK/status" && grep '^  before  *1, build' "$WORK/status"
	must_fail grep -E '^  (stable|candidate|exposed)' "$WORK/status"
	served_on
	books_hold
}
books_hold() {
	play_no_more
	bots_clean
	equal "attack faults" "$(bots_value attack.faults)" 0
	equal "books" "$(bots_value attack.books)" balanced
	echo "note: seed $SEED, $(bots_value received) replies, $(bots_value attack.hits) hits, $(counter moves) moves"
}
# Its times are of a clock of its own, in a field that digest() leaves out. Players who do not attack: a stored result is
# to be told again with the time that it had.
one_that_differs_in_time_alone_goes_through_by_digest() {
	play
	strategy "$BY_ITSELF"
	start "$CANDIDATES/game_v2_clock.so"
	over healthy
	equal versions "$(versions)" 2-clock
	served_on
}
# Byte by byte it differs from stable as often as stable from itself: that is noise.
what_differs_no_more_than_stable_itself_goes_through() {
	cp "$CANDIDATES/game_v2_clock.so" "$WORK/clock.so"
	objcopy --set-section-flags .comment=noload "$WORK/clock.so" 2>/dev/null || true
	patch_build_id "$WORK/clock.so"
	ANALYSIS="interval: 1s, warmup: 200ms, min_packets: 50" # a bucket that differs is compared again after a snapshot only
	strategy "$BYTES"
	start "$WORK/clock.so"
	until_is progressing '.phase == "shadow"'
	over healthy
	equal "build" "$(builds)" "$(file_build_id "$WORK/clock.so")"
	served_on
}
nobody_noticed_anything() {
	play_no_more
	bots_clean
}
the_ledger_is_exact() {
	batond_stop
	ledger_balances
	grep 'pool io.0: full' "$WORK/batond.log"
	must_fail grep -q 'died: signal' "$WORK/batond.log"
}

. "$(dirname "$0")/restart_claims.sh"
GROUP_EXTRA="    settings: {player.idle: 600s}"
port_tap || fatal "no port"
strategy "$BY_HAND"
batond_start "$WORK/baton.yaml" || fatal "no batond"
play $BOOKS
claim a_good_candidate_goes_through_all_steps a_good_candidate_goes_through_all_steps
claim one_that_differs_in_time_alone_goes_through_by_digest one_that_differs_in_time_alone_goes_through_by_digest
claim what_differs_no_more_than_stable_itself_goes_through what_differs_no_more_than_stable_itself_goes_through
claim nobody_noticed_times_of_another_clock nobody_noticed_anything
claim ledger_is_exact_after_rollouts the_ledger_is_exact
