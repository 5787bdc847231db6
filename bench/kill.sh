#!/bin/bash
# SIGKILL at 1 Mpps, with a standby and without: what the players notice, beside bare processes of which the one that
# answers is killed and another one, asleep until then, goes on. Root. About four minutes.
#   KILLS  kills a round with a standby (default 100), COLD without (default 20); five rounds of each count
#   SEED   of the times between kills
. "$(dirname "$0")/_lib.sh"
KILLS=${KILLS:-100}
COLD=${COLD:-20}
SEED=${SEED:-$((RANDOM * 32768 + RANDOM))}
ROUND=0

# Microseconds from the kill to each step, median and p99, from batond's own stamps.
stages() { # FILE OF KILLS
	local hz
	hz=$(sed -n 's/.*tsc_hz=\([0-9]*\).*/\1/p' "$1")
	paste -d' ' <(grep -o 'kill_tsc=[0-9]*' "$1" | tr -dc '0-9\n') \
		<(sed -n 's/.*since its death was seen (tsc \([0-9]*\)): belts taken over \([0-9.]*\) us, undone \([0-9.]*\) us, granted \([0-9.]*\) us, first reply \([0-9.]*\) us.*/\1 \2 \3 \4 \5/p' "$WORK/batond.log") |
		awk -v hz="$hz" 'NF == 6 { seen = ($2 - $1) * 1e6 / hz; print seen, seen + $3, seen + $4, seen + $5, seen + $6 }' >"$WORK/stages"
	local i name at=1 n
	n=$(wc -l <"$WORK/stages")
	[ "$n" -gt 0 ] || return 0
	for name in seen fenced undone granted replied; do
		printf '%s_p50_us=%s %s_p99_us=%s ' "$name" "$(cut -d' ' -f$at "$WORK/stages" | sort -g | sed -n "$(((n + 1) / 2))p")" \
			"$name" "$(cut -d' ' -f$at "$WORK/stages" | sort -g | sed -n "$(((n * 99 + 99) / 100))p")"
		at=$((at + 1))
	done
}

deaths() { # KIND COUNT STANDBYS
	ROUND=$((ROUND + 1))
	bench_config 1M true
	sed -i "s/^    count: 1/&\n    standby: $3/" "$WORK/bench.yaml"
	with_batond "$BIN/bench-kill" "$INSTANCE" "$1" "$2" $((SEED + ROUND)) >"$WORK/kills"
	grep "^$1 " "$WORK/kills" | "$BIN/bench-report" kills "$1"
	sed -n 's/^faults //p' "$WORK/kills"
	awk '/undo records of an unsettled burst rolled back/ { for (i = 1; i < NF; i++) if ($(i + 1) == "undo") { kills++; sum += $i } }
		END { printf "with_undone=%d records_undone=%d ", kills, sum }' "$WORK/batond.log"
	printf 'drift=%s ' "$(grep -c 'NOT BALANCED' "$WORK/batond.log")"
	stages "$WORK/kills"
	echo
}
measure_kill() { deaths kill "$KILLS" 1; }
measure_cold() { deaths cold "$COLD" 0; }
measure_control() { "$BIN/bench-control" "$IO_CPU" "$WORKER_CPU" 1000000 0 0.5 "$KILLS"; }

say "seed $SEED"
rounds kill cold control
"$BIN/bench-report" kill <"$RESULTS"
