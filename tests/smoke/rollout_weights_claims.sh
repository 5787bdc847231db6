# Random weights under load with kills, for a sample in the smoke tests and all of it in `make chaos`. After rollout_steps_claims.sh.
#   WEIGHTS  changes of weight at least

# Whether a latency or a number of cycles is too high is not asked here: workers die in the middle of it.
ANALYSIS="interval: 500ms, warmup: 100ms, min_packets: 100, gates: {latency_p50: off, latency_p99: off, cycles_per_packet: off}"

# Three to seven weights that rise, the last of them 1000, each with a pause after it. Sets PLAN.
draw_plan() {
	local count=$((2 + RANDOM % 5)) weight steps=
	PLAN=$(for ((i = 0; i < count; i++)); do echo $((1 + RANDOM % 999)); done | sort -nu | paste -sd' ')
	PLAN="$PLAN 1000"
	for weight in $PLAN; do steps+="{weight: $((weight / 10)).$((weight % 10))%}, {pause: {}}, "; done
	strategy "${steps%, }"
}
# pid_of_role ROLE: of one of them, drawn; empty if there is none.
pid_of_role() {
	local names count
	names=$([ "$1" = stable ] && echo '["game.0","game.1"]' || row ".workers.$1 | tojson")
	ctl --json worker list | jq -r --argjson names "$names" '.workers[] | select(.pid > 0 and (.name as $n | $names | index($n))) | .pid' >"$WORK/pids"
	count=$(wc -l <"$WORK/pids")
	[ "$count" -gt 0 ] && sed -n "$((1 + RANDOM % count))p" "$WORK/pids" || true
}
kill_role() {
	local pid
	pid=$(pid_of_role "$1")
	[ -n "$pid" ] && kill -KILL "$pid"
}
# One rollout along PLAN, to its end or to where fate ends it. Counts in CHANGES and in FATES.
one_rollout() {
	local weight file draw
	file=$CANDIDATES/game_v2.so
	[ "$(versions)" = 1 ] || file=$PLUGINS/game.so
	if [ "$(row .state)" = degraded ] && ! ctl rollout start game --to "$file" >"$WORK/order" 2>&1; then
		ctl rollout retry game >"$WORK/order" 2>&1 || { cat "$WORK/order"; return 1; } # it is barred: its process was killed
	elif [ "$(row .state)" != progressing ] && [ "$(row .state)" != paused ]; then
		start "$file"
	fi
	for weight in $PLAN; do
		until_is paused ".weight == $weight"
		weighs "$weight"
		CHANGES=$((CHANGES + 1))
		draw=$((RANDOM % 10))
		case $draw in
		0)
			kill_role candidate
			fate killed
			over degraded
			return
			;;
		1)
			order abort
			fate aborted
			over degraded
			return
			;;
		2 | 3) kill_role stable ;;
		4) [ "$weight" -gt 500 ] || kill_role control ;; # above half there is none
		esac
		order promote
	done
	fate promoted
	over healthy
}
fate() { CHANGES=$((CHANGES + 1)); echo "$1" >>"$WORK/fates"; }
random_weights_lose_nothing() {
	CHANGES=0
	RANDOM=$((SEED % 32768))
	: >"$WORK/fates"
	while [ "$CHANGES" -lt "$WEIGHTS" ]; do
		draw_plan
		one_rollout || { echo "plan $PLAN, change $CHANGES"; return 1; }
		bots_running || { cat "$WORK/bots.err"; return 1; }
	done
	served_on
	play_no_more
	bots_clean
	equal "attack faults" "$(bots_value attack.faults)" 0
	equal "books" "$(bots_value attack.books)" balanced
	echo "note: seed $SEED, $CHANGES changes of weight in $(wc -l <"$WORK/fates") rollouts ($(sort "$WORK/fates" | uniq -c | xargs)), $(counter deaths) deaths, $(counter redelivered) redelivered, $(bots_value received) replies"
}
weights_leave_the_ledger_exact() {
	batond_stop
	ledger_balances
	grep 'pool io.0: full' "$WORK/batond.log"
}
claim_random_weights() {
	GROUP_EXTRA="    settings: {player.idle: 600s}"
	port_tap || fatal "no port"
	strategy "{weight: 100%}"
	batond_start "$WORK/baton.yaml" || fatal "no batond"
	play --mix move=60,heartbeat=10,attack=30 --roam
	claim random_weights_under_kills_lose_nothing random_weights_lose_nothing
	claim weights_leave_the_ledger_exact weights_leave_the_ledger_exact
}
