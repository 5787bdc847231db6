#!/bin/bash
# A burst of 64 entries, single-stepped: a kill after 2,000 instructions of it, drawn; SEED=N repeats them.
cd "$(dirname "$0")/../.." || exit 1
O=${O:-$PWD/build}
[ -z "${SEED:-}" ] || export BATON_TEST_SEED=$SEED
began=$SECONDS failed=0
# unit NAME PROGRAM: its notes are kept, its claims counted
unit() {
	if "$O/release/tests/unit/$2" >"$log" 2>&1; then
		printf 'ok %s %d\n' "$1" $((SECONDS - began))
		grep -v '^\[' "$log" | sed 's/^/# /'
	else
		printf 'not ok %s %d\n' "$1" $((SECONDS - began))
		tail -60 "$log" | sed 's/^/#   /'
		failed=1
	fi
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
BATON_KILL_BURST=64 unit a_kill_after_any_instruction_of_a_burst_of_64_is_noticed_by_nobody primary/plugins/game/test_every_kill
unit a_kill_after_any_instruction_leaves_settled_entries_and_nothing_else workers/test_kill_points
exit $failed
