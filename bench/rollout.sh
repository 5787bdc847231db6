#!/bin/bash
# A candidate that crashes at 10 % of 1 Mpps, again and again: when it is seen, how long its buckets take back to stable,
# what its players notice; beside bare processes of which the one that answers is killed and another one, asleep until
# then, goes on. Root.
#   CRASHES  a round (default 40; five rounds count)
#   SEED     of the times between reaching the weight and the crash
. "$(dirname "$0")/_lib.sh"
CRASHES=${CRASHES:-40}
SEED=${SEED:-$((RANDOM * 32768 + RANDOM))}
CANDIDATE=$O/test-plugins/game_v2.so
ROUND=0

# As bench_config, with a strategy that waits at its first weight, and gates that judge nothing but the crash: what is
# measured is the way back, and it must not be taken for another reason meanwhile. Three workers that spin want three
# CPUs beside the I/O lcore's; on fewer they share one and sleep between packets.
rollout_config() {
	local list=($(cpus)) cores=$WORKER_CPU
	bench_config 1M true
	if [ ${#list[@]} -ge 5 ]; then
		cores=$(printf '%s\n' "${list[@]}" | grep -vx -e "$IO_CPU" -e "$MAIN_CPU" | head -3 | paste -sd, | sed 's/,/, /g')
	else
		sed -i 's/^  poll: busy/  poll: adaptive/' "$WORK/bench.yaml"
	fi
	sed -i "s/^    cores: .*/    cores: [$cores]/" "$WORK/bench.yaml"
	cat >>"$WORK/bench.yaml" <<-END
	rollouts:
	  - group: game
	    steps: [{weight: 10%}, {pause: {}}, {weight: 100%}]
	    analysis:
	      interval: 50ms
	      warmup: 10ms
	      gates: {latency_p50: off, latency_p99: off, cycles_per_packet: off}
	END
}

# join FILE OF CRASHES: each with the stamps of batond's own that belong to it, in turn. detect: the fault to its being
# seen; move: from then until stable had the buckets; gap: the fault to the first reply by stable to a player of theirs.
join_stamps() {
	local hz
	hz=$(sed -n 's/.*tsc_hz=\([0-9]*\).*/\1/p' "$1")
	paste -d' ' <(grep '^crash ' "$1") \
		<(sed -n 's/.*since its death was seen (tsc \([0-9]*\)): belts taken over [0-9.]* us, undone [0-9.]* us, granted \([0-9.]*\) us, first reply \([0-9.]*\) us.*/\1 \2 \3/p' "$WORK/batond.log") |
		awk -v hz="$hz" '$1 == "crash" && NF == 9 {
			split($5, kill, "="); seen = ($7 - kill[2]) * 1e6 / hz
			split($3, all, "="); gap = seen + $9; if (all[2] > gap) gap = all[2]
			printf "crash %s detect_us=%.2f move_us=%.2f gap_us=%.2f %s %s\n", $2, seen, $8, gap, $4, $6 }'
}

measure_rollout() {
	ROUND=$((ROUND + 1))
	rollout_config
	with_batond "$BIN/bench-rollout" "$INSTANCE" "$BIN/batonctl" "$CANDIDATE" 100 "$CRASHES" $((SEED + ROUND)) \
		>"$WORK/crashes"
	join_stamps "$WORK/crashes" >"$WORK/joined"
	[ "$(wc -l <"$WORK/joined")" -eq "$CRASHES" ] ||
		die "$(wc -l <"$WORK/joined") of $CRASHES crashes have their stamps in batond's log"
	"$BIN/bench-report" crashes <"$WORK/joined"
	sed -n 's/^faults //p' "$WORK/crashes"
	printf 'drift=%s\n' "$(grep -c 'NOT BALANCED' "$WORK/batond.log")"
}
measure_control() { "$BIN/bench-control" "$IO_CPU" "$WORKER_CPU" 1000000 0 0.5 "$CRASHES"; }

say "seed $SEED"
rounds rollout control
"$BIN/bench-report" rollout <"$RESULTS"
