#!/bin/bash
# Hot restarts at 1 Mpps: what the players notice, beside bare processes that hand over answering a word. Root.
#   MOVES  hot restarts a round (default 200; five rounds count)
. "$(dirname "$0")/_lib.sh"
MOVES=${MOVES:-200}

measure_handover() {
	bench_config 1M true
	with_batond "$BIN/bench-measure" handover "$INSTANCE" "$MOVES" \
		"$BIN/batonctl" --json -i "$INSTANCE" worker restart game >"$WORK/handovers"
	grep ^handover "$WORK/handovers" | "$BIN/bench-report" gaps
	sed -n 's/^faults //p' "$WORK/handovers"
}
measure_control() { "$BIN/bench-control" "$IO_CPU" "$WORKER_CPU" 1000000 "$MOVES" 0.5; }

rounds handover control
"$BIN/bench-report" handover <"$RESULTS"
