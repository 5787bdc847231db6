#!/bin/bash
# All tests, or --unit or --smoke alone. Unit test programs print cmocka's lines, scenarios print TAP's; the last line
# is the sum of both.
#   UNIT_DIR  where the unit test programs are (default build/release/tests/unit)
set -u
cd "$(dirname "$0")/.." || exit 1
export O=${O:-$PWD/build}
UNIT_DIR=${UNIT_DIR:-$O/release/tests/unit}
passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", b - a }'; }
# Sum of the numbers in cmocka's summary lines of one kind; a program may run several groups.
summed() { sed -n "s/^\[ *$1 *\] \([0-9]*\) test(s).*/\1/p" "$log" | awk '{ n += $1 } END { print n + 0 }'; }

unit_one() {
	local program=$1 name=$2 rc ok bad skips claim began=$EPOCHREALTIME
	timeout --foreground -k 5 "${UNIT_SECONDS:-300}" "$program" >"$log" 2>&1 </dev/null
	rc=$?
	ok=$(summed PASSED) bad=$(summed FAILED) skips=0
	if ! grep -q '^\[  PASSED  \]' "$log"; then # it died on the way: what had passed by then has passed
		ok=$(grep -c '^\[       OK \]' "$log")
		bad=1
		[ "$rc" -eq 124 ] && echo "  $name took longer than ${UNIT_SECONDS:-300} s"
	elif [ $((ok + bad)) -eq 0 ] && ! grep -q '^\[  SKIPPED \]' "$log"; then
		bad=1
	elif [ "$rc" -ne 0 ] && [ "$bad" -eq 0 ]; then # all passed, and then a leak or a sanitizer's finding
		bad=1
	fi
	while read -r claim; do
		if grep -q "^$claim: " tests/SKIPS; then
			skips=$((skips + 1))
		else
			echo "  $claim skipped, but tests/SKIPS has no line \"$claim: FACT\""
			bad=$((bad + 1))
		fi
	done < <(sed -n 's/^\[  SKIPPED \] \([A-Za-z_].*\)/\1/p' "$log" | sort -u)
	if [ "$bad" -gt 0 ]; then
		printf 'not ok %s (%d passed, %d failed, status %d, %s)\n' "$name" "$ok" "$bad" "$rc" "$(since "$began")"
		grep -v -e '^\[ RUN' -e '^\[       OK' "$log" | tail -60 | sed 's/^/#   /'
	else
		printf 'ok %s (%d, %s)\n' "$name" "$ok" "$(since "$began")"
	fi
	passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skips))
}

unit() {
	local began=$EPOCHREALTIME source name program before=$((passed + failed))
	echo "# unit tests"
	while read -r source; do
		name=${source#tests/unit/}
		name=${name%.c}
		program=$UNIT_DIR/$name
		if [ -x "$program" ]; then
			unit_one "$program" "$name"
		elif [ "${UNIT_DIR#*/asan/}" = "$UNIT_DIR" ]; then
			echo "not ok $name (not built)"
			failed=$((failed + 1))
		fi
	done < <(find tests/unit -name 'test_*.c' | sort)
	[ $((passed + failed)) -gt "$before" ] || { echo "not ok unit (no tests)"; failed=$((failed + 1)); }
	echo "# unit tests took $(since "$began")"
}

smoke() {
	local began=$EPOCHREALTIME ok=0 bad=1 skips=0
	echo "# smoke tests"
	tests/smoke/run.sh | tee "$log"
	read -r ok bad skips < <(sed -n '$s/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' "$log")
	passed=$((passed + ${ok:-0})) failed=$((failed + ${bad:-1})) skipped=$((skipped + ${skips:-0}))
	echo "# smoke tests took $(since "$began")"
}

case ${1:-all} in
--unit) unit ;;
--smoke) smoke ;;
all) unit; smoke ;;
*) echo "usage: tests/run.sh [--unit|--smoke]" >&2; exit 2 ;;
esac
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
