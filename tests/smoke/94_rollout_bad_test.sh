#!/bin/bash
# Candidates that must not be promoted: each goes back by itself, by the gate that is named, before it has handled more
# than the stated number of packets; nobody but its own players notices anything, and of those that crash, hang, are slow
# or are caught in shadow nobody at all. Then it is barred.
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/rollout_steps_claims.sh"

SHADOW="{shadow: {sample: 100%, for: 30s, compare: digest}}, {weight: 20%}, {pause: {}}, {weight: 100%}"
WEIGHT="{weight: 20%}, {pause: {}}, {weight: 100%}"

# bad FAULT GATE MOST STEPS WHOM: nobody or its_own players notice. It gets its share first, and then players come: so whose
# they are and what it has handled before is known, however soon it ends.
bad() {
	local fault=$1 gate=$2 most=$3 steps=$4 whom=$5 file=$CANDIDATES/game_v2_$1.so slot before handled phase=weight
	clean_slate
	strategy "$steps"
	start "$file"
	if [ "$steps" = "$SHADOW" ]; then
		phase=shadow
		until_is progressing '.phase == "shadow"'
	else
		until_is paused '.weight == 200' # no traffic, no window: neither a pass nor a fail holds it
		weighs 200
	fi
	slot=$(ctl --json worker list | jq --arg n "$(row '.workers.candidate[0]')" '.workers[] | select(.name == $n) | .slot')
	before=$(handled_by "$slot")
	play
	until_is degraded
	handled=$(($(handled_by "$slot") - before))
	echo "note: $fault: $(row .why); $handled packets and ticks"
	equal "the gate that it failed" "$(row .gate)" "$gate"
	[ "$handled" -le "$most" ] || { echo "it handled $handled entries, $most are the most"; return 1; }
	over degraded
	equal versions "$(versions)" 1
	served_on # as if nothing had been
	play_no_more
	if [ "$whom" = nobody ]; then bots_clean; else victims_are_of "$WORK/candidate"; fi
	refused_order 1 retry start game --to "$file"
}
LOST_AFTER=4000 # what two of them lose is waited for so long
handled_by() { top_json | jq --argjson slot "$1" '[.cores[] | select(.role == "worker" and .index == $slot) | .counters.processed] | add // 0'; }
one_that_crashes() { bad crash crashes 200 "$WEIGHT" nobody; }
one_that_hangs() { bad hang stalls 200 "$WEIGHT" nobody; }
one_that_is_slow() { bad slow cycles_per_packet 100000 "$WEIGHT" nobody; }
one_that_answers_errors() { bad errors error_reply_ratio 50000 "$WEIGHT" its_own; }
one_that_takes_packets_for_malformed() { bad malformed malformed_ratio 50000 "$WEIGHT" its_own; }
one_that_drops() { bad drops drop_ratio 50000 "$WEIGHT" its_own; }
# Their replies are what they should be: but for this nobody would know before other workers have too much to do.
one_that_posts_too_much() { bad posts messages 100000 "$WEIGHT" nobody; }
one_that_sends_too_much() { bad sends sends 100000 "$WEIGHT" nobody; }
# In shadow: its replies are compared and never sent, and no bucket is ever its own.
one_that_is_wrong() {
	ANALYSIS="interval: 1s, warmup: 200ms, min_packets: 50" # a bucket that differs is compared again after a snapshot only
	bad wrong shadow_diff_ratio 100000 "$SHADOW" nobody
	ctl rollout diff game >"$WORK/diff"
	grep -qw x "$WORK/diff" # the field that differs
}
the_ledger_is_exact() {
	batond_stop
	ledger_balances
	grep 'pool io.0: full' "$WORK/batond.log"
}

port_tap || fatal "no port"
strategy "$WEIGHT"
batond_start "$WORK/baton.yaml" || fatal "no batond"
claim a_candidate_that_crashes_goes_back one_that_crashes
claim a_candidate_that_hangs_goes_back one_that_hangs
claim a_candidate_that_is_slow_goes_back one_that_is_slow
claim a_candidate_that_answers_errors_goes_back one_that_answers_errors
claim a_candidate_that_takes_packets_for_malformed_goes_back one_that_takes_packets_for_malformed
claim a_candidate_that_drops_goes_back one_that_drops
claim a_candidate_that_posts_too_much_goes_back one_that_posts_too_much
claim a_candidate_that_sends_too_much_goes_back one_that_sends_too_much
claim a_candidate_that_is_wrong_is_caught_in_shadow one_that_is_wrong
claim the_ledger_is_exact_after_rollbacks the_ledger_is_exact
