#!/bin/bash
# All tests, or --unit, --fuzz or --smoke alone. Unit test programs print cmocka's lines, scenarios print TAP's; the last
# line is the sum of all.
#   LEAVE_OUT  a pattern of unit tests that are not run
#   UNIT_DIR   where the unit test programs are (default build/release/tests/unit)
#   JOBS       unit test programs at a time (default: two a processor and one: most of them wait for something)
#   FUZZ_RUNS  inputs of each fuzz run (default: by the program), SEED the first run's seed (default: by the clock)
set -u
cd "$(dirname "$0")/.." || exit 1
export O=${O:-$PWD/build}
# A make that a test runs is not part of the one that runs the tests, and would complain of its jobserver.
MAKEFLAGS=$(sed 's/-j[0-9]*//g; s/--jobserver-[a-z]*=[^ ]*//g' <<<"${MAKEFLAGS:-}")
UNIT_DIR=${UNIT_DIR:-$O/release/tests/unit}
passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", b - a }'; }
# Sum of the numbers in cmocka's summary lines of one kind; a program may run several groups.
summed() { sed -n "s/^\[ *$1 *\] \([0-9]*\) test(s).*/\1/p" "$log" | awk '{ n += $1 } END { print n + 0 }'; }

# counted_line: what a job says last of itself, for sum_jobs(); it starts with a tab, as nothing else does.
counted_line() { printf '\t%d %d %d\n' "$passed" "$failed" "$skipped"; }
# jobs FUNCTION MOST: for each line of its input FUNCTION LINE, MOST at a time, each in a shell and with a log of its own;
# prints what each has said, whole and in the order of the lines, and adds up what they counted.
jobs() {
	local dir line n=0 running=0 ok bad skips most=$2 pids=()
	dir=$(mktemp -d)
	while read -r line; do
		n=$((n + 1))
		[ "$running" -lt "$most" ] || { wait -n; running=$((running - 1)); }
		running=$((running + 1))
		(
			log=$dir/$n.log passed=0 failed=0 skipped=0
			trap - EXIT
			"$1" "$line"
			counted_line
		) >"$dir/$n" 2>&1 </dev/null &
		pids+=($!)
	done
	wait "${pids[@]}" # and for nothing else that runs beside them
	for ((line = 1; line <= n; line++)); do
		read -r ok bad skips < <(sed -n 's/^\t\([0-9]*\) \([0-9]*\) \([0-9]*\)$/\1 \2 \3/p' "$dir/$line")
		[ -n "${skips:-}" ] || { ok=0 bad=1 skips=0; echo "not ok job $line of $1 ended without a word"; }
		passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skips))
		grep -v -P '^\t\d+ \d+ \d+$' "$dir/$line"
	done
	rm -rf "$dir"
}

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

unit_job() {
	local program=$UNIT_DIR/$1
	if [ -x "$program" ]; then
		unit_one "$program" "$1"
	elif [ "${UNIT_DIR#*/asan/}" = "$UNIT_DIR" ]; then
		echo "not ok $1 (not built)"
		failed=$((failed + 1))
	fi
}

# Programs that wait more than they compute, and those that take long, go first: none is left alone at the end.
LONG='bots/test_neighbours primary/test_scale_deaths bots/test_attacks workers/test_kill_points workers/test_migrate_random
bots/test_bots primary/test_restart_deaths primary/test_rollout_odd monitor/test_exporter workers/test_verify
primary/test_supervisor primary/plugins/game/test_every_kill primary/test_interleave primary/test_quarantine'
unit_names() {
	local name
	while read -r name; do
		[[ $name != ${LEAVE_OUT:-} ]] && echo "$name"
	done < <({ tr ' ' '\n' <<<"$LONG"; find tests/unit -name 'test_*.c' | sed 's|^tests/unit/||; s|\.c$||' | sort; } |
		awk '!seen[$0]++')
}

unit() {
	local began=$EPOCHREALTIME before=$((passed + failed))
	echo "# unit tests"
	jobs unit_job "${JOBS:-$((2 * $(nproc) + 1))}" < <(unit_names)
	[ $((passed + failed)) -gt "$before" ] || { echo "not ok unit (no tests)"; failed=$((failed + 1)); }
	echo "# unit tests took $(since "$began")"
}

# fuzz_one CLAIM WANTED PROGRAM ARGUMENTS...: WANTED is well or found. A run ends after three minutes, if the machine is busy.
fuzz_one() {
	local claim=$1 wanted=$2 began=$EPOCHREALTIME got=well dir
	shift 2
	dir=$(mktemp -d /tmp/fuzz.XXXXXX)
	# the shell's own word about it is not wanted
	{ TMPDIR=$dir timeout --foreground -k 5 300 "$@" --seconds 180 >"$log" 2>&1 </dev/null || got=found; } 2>/dev/null
	# A program that did not run finds nothing, and one that hardly ran has shown nothing.
	if [ "$got" = found ]; then grep -q '^fuzz: died at input' "$log" || got=broken; fi
	if [ "$got" = well ]; then [ "$(sed -n 's/^fuzz: \([0-9]*\) inputs.*/\1/p' "$log")" -ge 1000 ] || got=broken; fi
	if [ "$got" = "$wanted" ]; then
		printf 'ok %s (%s)\n# %s\n' "$claim" "$(since "$began")" "$(sed -n 's/^fuzz: \(.* inputs.*\|died at.*\); .*/\1/p; s/^fuzz: \(.*\): all well/\1/p' "$log")"
		passed=$((passed + 1))
		rm -rf "$dir"
	else
		printf 'not ok %s (%s, it should have been %s, %s); what it died of is in %s\n' "$claim" "$got" "$wanted" "$(since "$began")" "$dir"
		tail -60 "$log" | sed 's/^/#   /'
		failed=$((failed + 1))
	fi
}

fuzz_job() { # shellcheck disable=SC2086 # a line is its words
	fuzz_one $1
}
# fuzz_program NAME CLAIM: what it tries bears any input, and each rule that can be broken in it is missed.
fuzz_program() {
	local first=${SEED:-$((${EPOCHREALTIME/./} % 1000000))} program=$O/fuzz/fuzz-$1 rule
	local runs="--runs ${FUZZ_RUNS:-$3} --seed"
	echo "$2_bears_any_input well $program $runs $first"
	echo "$2_bears_any_other_input well $program $runs $((first + 1))"
	for rule in $(sed -n "/^#define SABOTAGE_OF_$1(X)/{n;s/^\tX(\(.*\))\$/\1/;s/) X(/ /g;p}" tests/fuzz/sabotage.h); do
		echo "broken_on_purpose_is_found_$rule found $program $runs $first --break $rule"
	done
}
fuzz() {
	local began=$EPOCHREALTIME
	echo "# fuzz tests"
	jobs fuzz_job $(($(nproc) + 1)) < <(fuzz_program command control_socket 50000; fuzz_program state state_file 30000; fuzz_program belt belt 20000; fuzz_program feed feed 3000;
		fuzz_program worker workers_words 10000; fuzz_program frames packet_path 10000; fuzz_program config configuration 10000
		fuzz_program wire wire 3000)
	echo "# fuzz tests took $(since "$began")"
}

# Unit tests wait more than they compute, and fuzz runs only compute: these run beside those, at a priority at which they
# hardly take anything from them, until those are through.
unit_and_fuzz() {
	local fuzzed group ok bad skips
	fuzzed=$(mktemp)
	set -m # a process group of its own, to end with this shell
	{
		set +m
		renice -n 10 -p "$BASHPID" >/dev/null
		trap - EXIT INT TERM
		fuzz
		counted_line
	} >"$fuzzed" 2>&1 </dev/null &
	group=$!
	set +m
	trap "kill -- -$group 2>/dev/null; rm -f '$fuzzed' '$log'" EXIT
	unit
	renice -n 0 -g "$group" >/dev/null 2>&1
	wait "$group"
	trap "rm -f '$fuzzed' '$log'" EXIT
	grep -v -P '^\t\d+ \d+ \d+$' "$fuzzed"
	read -r ok bad skips < <(sed -n 's/^\t\([0-9]*\) \([0-9]*\) \([0-9]*\)$/\1 \2 \3/p' "$fuzzed")
	[ -n "${skips:-}" ] || { ok=0 bad=1 skips=0; echo "not ok the fuzz tests ended without a word"; }
	passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skips))
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
--fuzz) fuzz ;;
--smoke) smoke ;;
all) unit_and_fuzz; smoke ;;
*) echo "usage: tests/run.sh [--unit|--fuzz|--smoke]" >&2; exit 2 ;;
esac
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
