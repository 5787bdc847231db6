#!/bin/bash
# Smallest valid MOVE to acknowledgement, one I/O lcore and one worker: throughput with and without checksum offload,
# and the time a packet stays at 1 Mpps, beside what bare processes do: lines there and back as fast as they can, a word
# at 1 Mpps. Root. About three minutes.
#   SECONDS_EACH  time of one measurement (default 2)
. "$(dirname "$0")/_lib.sh"
SECONDS_EACH=${SECONDS_EACH:-2}

throughput() { with_batond "$BIN/bench-measure" throughput "$INSTANCE" "$SECONDS_EACH"; }
measure_offload() { bench_config unlimited true; throughput; }
measure_software() { bench_config unlimited false; throughput; }
measure_residence() { bench_config 1M true; throughput; }
measure_control() { "$BIN/bench-control" "$IO_CPU" "$WORKER_CPU" 1000000 0 "$SECONDS_EACH"; }
measure_lines() { "$BIN/bench-lines" "$IO_CPU" "$WORKER_CPU" "$IN_FLIGHT" "$SECONDS_EACH"; }

rounds offload lines software residence control
"$BIN/bench-report" pipeline "$IN_FLIGHT" <"$RESULTS"
