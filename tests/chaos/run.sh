#!/bin/bash
# The full set of kills, part by part: tests/chaos/NN_*_chaos.sh. ONLY=NN,..: those that begin so. SEED=N repeats what was
# drawn. A part says what it found; the last line is the sum. A part that can be interrupted goes on where it was.
set -u
cd "$(dirname "$0")/../.." || exit 1
export O=${O:-$PWD/build}
passed=0 failed=0 count=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

wanted() {
	local prefix
	[ -n "${ONLY:-}" ] || return 0
	for prefix in ${ONLY//,/ }; do [[ $1 == "$prefix"* ]] && return 0; done
	return 1
}
printf '# commit %s%s\n' "$(git rev-parse --short HEAD 2>/dev/null || echo unknown)" "${SEED:+, seed $SEED}"
for script in tests/chaos/[0-9][0-9]_*_chaos.sh; do
	name=$(basename "$script" _chaos.sh)
	wanted "$name" || continue
	count=$((count + 1))
	printf '# %s\n' "$name"
	SCENARIO=$name bash "$script" 2>&1 </dev/null | tee "$log"
	rc=${PIPESTATUS[0]}
	ok=$(grep -c '^ok ' "$log") bad=$(grep -c '^not ok ' "$log")
	if [ "$rc" -ne 0 ] && [ "$bad" -eq 0 ] || [ $((ok + bad)) -eq 0 ]; then
		printf 'not ok %s 0 # the script ended with status %s\n' "$name" "$rc"
		bad=1
	fi
	passed=$((passed + ok)) failed=$((failed + bad))
done
[ "$count" -gt 0 ] || { echo "not ok chaos 0 # no part begins with ${ONLY:-}"; failed=1; }
printf '%d passed, %d failed, 0 skipped\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
