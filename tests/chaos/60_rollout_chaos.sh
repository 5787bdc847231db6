#!/bin/bash
# A good candidate is promoted ten times of ten, with interval, warm-up and thresholds as shipped.
#   ROLLOUTS  good ones (10)    SEED  of the players
. "$(dirname "$0")/../smoke/_init.sh"
exec 5>&1
. "$(dirname "$0")/../smoke/rollout_steps_claims.sh"
ROLLOUTS=${ROLLOUTS:-10}
RATE=20000 # 1000 packets in 5 s at the first weight, also on a machine that has much else to do
ANALYSIS="interval: 5s" # which is what is shipped, as are all others
STEPS="{shadow: {sample: 10%, for: 15s, compare: digest}}, {weight: 10%}, {pause: 1s}, {weight: 50%}, {pause: 1s}, {weight: 100%}"

# Long enough for a window of each weight, however slow the machine is: a minute for each of as many steps.
promoted_within() {
	local minutes=$1
	until wait_for 'is healthy || is degraded || ! bots_running' >/dev/null; do
		[ $((--minutes)) -gt 0 ] || break
	done
	bots_running || { cat "$WORK/bots.err"; return 1; }
	is healthy || { ctl rollout status game; return 1; }
}
a_good_candidate_is_promoted_every_time() {
	local i file want
	for ((i = 1; i <= ROLLOUTS; i++)); do
		[ $((i % 2)) -eq 1 ] && file=$CANDIDATES/game_v2.so want=2 || file=$PLUGINS/game.so want=1
		start "$file"
		promoted_within 10
		over healthy
		equal versions "$(versions)" "$want"
		echo "# rollout $i of $ROLLOUTS: promoted" >&5
	done
	play_no_more
	bots_clean
	equal "books" "$(bots_value attack.books)" balanced
	echo "note: seed $SEED, $ROLLOUTS of $ROLLOUTS promoted, $(bots_value received) replies"
}
rollouts_leave_the_ledger_exact() { batond_stop; ledger_balances; }

GROUP_EXTRA="    settings: {player.idle: 600s}"
port_tap || fatal "no port"
strategy "$STEPS"
batond_start "$WORK/baton.yaml" || fatal "no batond"
play --mix move=60,heartbeat=10,attack=30 --roam
claim a_good_candidate_is_promoted_every_time a_good_candidate_is_promoted_every_time
claim rollouts_leave_the_ledger_exact rollouts_leave_the_ledger_exact
