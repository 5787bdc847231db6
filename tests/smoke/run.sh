#!/bin/bash
# Runs the scenarios NN_*_test.sh one after the other; ONLY=NN,.. those that begin so. Last line: passed, failed, skipped.
set -u
cd "$(dirname "$0")/../.." || exit 1
export O=${O:-$PWD/build}
SKIPS=${SKIPS:-tests/SKIPS}
. config/host/common.sh
passed=0 failed=0 skipped=0
log=$(mktemp)
export SMOKE_MADE
SMOKE_MADE=$(mktemp) # names and directories of the runs of a scenario: a line each, written by _init.sh
trap 'rm -f "$log" "$SMOKE_MADE"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

wanted() {
	local prefix
	[ -n "${ONLY:-}" ] || return 0
	for prefix in ${ONLY//,/ }; do [[ $1 == "$prefix"* ]] && return 0; done
	return 1
}

count=0
for script in "${SMOKE_DIR:-tests/smoke}"/[0-9][0-9]_*_test.sh; do
	name=$(basename "$script" _test.sh)
	[ -e "$script" ] && wanted "$name" || continue
	count=$((count + 1))
	printf '# %s\n' "$name"
	: >"$SMOKE_MADE"
	timeout --foreground -k 20 "${SCENARIO_SECONDS:-600}" bash "$script" 2>&1 </dev/null | tee "$log"
	rc=${PIPESTATUS[0]}
	ok=$(grep -c '^ok ' "$log")
	bad=$(grep -c '^not ok ' "$log")
	while read -r _ claim _ _ fact; do
		if grep -qxF "$claim: $fact" "$SKIPS" 2>/dev/null; then
			skipped=$((skipped + 1))
		else
			printf 'not ok %s 0 # skipped, but %s has no line "%s: %s"\n' "$claim" "$SKIPS" "$claim" "$fact"
			bad=$((bad + 1))
		fi
	done < <(grep '^skip ' "$log")
	if [ "$rc" -ne 0 ] && [ "$bad" -eq 0 ]; then
		printf 'not ok %s 0 # the script ended with status %s%s\n' "$name" "$rc" "$([ "$rc" -ne 124 ] || echo ' (took too long)')"
		bad=1
	elif [ $((ok + bad)) -eq 0 ] && ! grep -q '^skip ' "$log"; then
		printf 'not ok %s 0 # claimed nothing\n' "$name"
		bad=1
	fi
	left=$(while read -r instance work; do run_leftovers "$instance" "$work"; done <"$SMOKE_MADE")
	if [ -n "$left" ]; then
		printf 'not ok %s_leaves_nothing 0 # left: %s\n' "$name" "$(tr '\n' ' ' <<<"$left")"
		bad=$((bad + 1))
	fi
	passed=$((passed + ok)) failed=$((failed + bad))
done
if [ "$count" -eq 0 ]; then
	printf 'not ok smoke 0 # no scenario %s\n' "${ONLY:+begins with $ONLY}"
	failed=1
fi
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
