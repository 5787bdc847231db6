#!/bin/bash
# TSC cycles a packet of each stage of the I/O lcore by itself, with and without checksum offload. A few seconds; root is
# needed only for huge pages. Minima over many short runs: a busy machine disturbs them little.
#   RUNS  short runs (default 2000)    IN_FLIGHT  packets under way (default 2048)
set -eu
O=${O:-$(dirname "$0")/../build}
for kind in port software; do
	"$O/bin/bench-stages" "$kind" "${RUNS:-2000}" "${IN_FLIGHT:-2048}"
done
