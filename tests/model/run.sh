#!/bin/bash
# Searches the models of tests/model/table with spin. A model must pass, searched to the end; a mutant of it must fail by
# an assertion. Last line: N passed, N failed, N skipped.
#   FULL=1   the larger bounds too (minutes, up to 12 GiB)     ONLY=TEXT  lines that have it     JOBS  searches at a time
#   LIMIT, MEGABYTES  seconds and memory of one search with FULL=1 (default 1500, 6144)
#   MODEL    working directory (default build/model)
# run.sh --docs writes the table of docs/models.md anew.
set -u
cd "$(dirname "$0")/../.." || exit 1
export here=$PWD/tests/model
table=$here/table
page=docs/models.md
work=${MODEL:-$PWD/build/model}
export FULL=${FULL:-}
if [ "$FULL" = 1 ]; then
	export MEGABYTES=${MEGABYTES:-6144} LIMIT=${LIMIT:-1500} COMPRESS=-DCOLLAPSE
else
	export MEGABYTES=2048 LIMIT=240 COMPRESS=
fi
export DEPTH=100000

# rows: model|mutant|bounds|when|rule|words
rows() { sed -e '/^#/d' -e '/^[[:space:]]*$/d' -e 's/[[:space:]]*|[[:space:]]*/|/g' "$table"; }

page_with_table() {
	sed -n '1,/<!-- table: /p' "$page"
	echo '| model | rule | what holds | bounds | searched |'
	echo '|---|---|---|---|---|'
	rows | awk -F'|' '$2 == "-" { printf "| `%s` | %s | %s | %s | %s |\n", $1, $5, $6, $3 == "-" ? "as in the model" : "`" $3 "`",
		$4 == "full" ? "`FULL=1`" : "always" }'
	printf '\n| rule | broken on purpose: the model fails | mutant |\n|---|---|---|\n'
	rows | awk -F'|' '$2 != "-" { printf "| %s | %s | `%s`, `-D%s` |\n", $5, $6, $1, $2 }'
	sed -n '/<!-- end of table -->/,$p' "$page"
}
if [ "${1:-}" = --docs ]; then
	page_with_table >"$page.new" && mv "$page.new" "$page"
	exit
fi

# Each step of a model names the place that it models, FILE:FUNCTION: that must be there, and so must what it modelled.
references() {
	local bad=0 file function mutant model
	while IFS=: read -r file function; do
		if [ ! -f "$file" ]; then
			echo "no file $file, which a model names"
			bad=1
		elif ! grep -qw "$function" "$file"; then
			echo "$file has no $function, which a model names"
			bad=1
		fi
	done < <(grep -hoE '[a-z_/]+/[a-z_]+\.[ch]:[a-z_0-9]+' "$here"/*.pml | sort -u)
	while IFS=: read -r model mutant; do
		model=${model##*/}
		rows | grep -q "^${model%.pml}|$mutant|" || { echo "$table has no line for ${model%.pml} $mutant"; bad=1; }
	done < <(grep -oE '\bM_[A-Z_]+' "$here"/*.pml | sort -u)
	while IFS='|' read -r model mutant _; do
		[ "$mutant" = - ] || grep -qw "$mutant" "$here/$model.pml" || { echo "$model.pml has no mutant $mutant"; bad=1; }
	done < <(rows)
	page_with_table | cmp -s - "$page" || { echo "$page is not up to date: tests/model/run.sh --docs"; bad=1; }
	return "$bad"
}

# search NUMBER ROW: in a directory of its own; the verdict goes to NUMBER.out, its first word is ok or not
search() {
	local model mutant bounds when rule words out states error began=$EPOCHREALTIME seconds
	IFS='|' read -r model mutant bounds when rule words <<<"$2"
	out=$work/$1
	rm -rf "$out" && mkdir -p "$out" && cd "$out" || return
	local flags=()
	[ "$bounds" = - ] || read -ra flags <<<"$bounds"
	[ "$mutant" = - ] || flags+=("-D$mutant")
	local name="$model${flags[*]:+ ${flags[*]}}"
	if ! { spin -a "${flags[@]}" "$here/$model.pml" &&
		gcc -O"$([ "$mutant" = - ] && echo 2 || echo 0)" -w -DSAFETY $COMPRESS -DMEMLIM="$MEGABYTES" -o pan pan.c; } >build.log 2>&1 || [ ! -x pan ]; then
		echo "not ok $name: does not build: $(tail -1 build.log); see $out/build.log" >"$work/$1.out"
		return
	fi
	timeout "$LIMIT" ./pan -E -n -m"$DEPTH" >log 2>&1
	local rc=$?
	states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' log | head -1)
	error=$(sed -n 's/^pan:1: \(.*\) (at depth .*/\1/p' log | head -1)
	seconds=$(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
	if [ "$mutant" = - ]; then
		if [ "$rc" -eq 0 ] && [ -z "$error" ] && grep -q 'errors: 0' log && ! grep -qE 'too small|not completed|reached -DMEMLIM' log; then
			echo "ok $name: $states states, exhaustive, $seconds s"
		else
			echo "not ok $name: ${error:-not searched to the end (status $rc)}, $states states, $seconds s; see $out"
		fi
	else
		case $error in
		'assertion violated'*) echo "ok $name: fails as it must, after $states states, $seconds s" ;;
		*) echo "not ok $name: NOT NOTICED: ${error:-passes, $states states (status $rc)}; see $out" ;;
		esac
	fi >"$work/$1.out"
	grep -q '^ok' "$work/$1.out" && rm -rf "$out"
}
export -f search
export work

command -v spin >/dev/null || { echo "baton: no spin here: run 'make deps' as root"; echo "0 passed, 1 failed, 0 skipped"; exit 1; }
began=$SECONDS
passed=0 failed=0
rm -rf "$work" && mkdir -p "$work" || exit 1
if [ -z "${ONLY:-}" ]; then
	if references >"$work/references" 2>&1; then
		echo "ok every place that a model names is there"
		passed=1
	else
		echo "not ok the models and the sources"
		sed 's/^/#   /' "$work/references"
		failed=1
	fi
fi
number=0
while IFS= read -r row; do
	printf '%d\0%s\0' $((++number)) "$row"
done < <(rows | awk -F'|' -v full="$FULL" -v only="${ONLY:-}" '($4 == "ci" || full == 1) && (only == "" || index($1 " " $2 " " $3 " " $5, only))') |
	xargs -0 -r -n 2 -P "${JOBS:-2}" bash -c 'search "$1" "$2"' _
for out in $(ls "$work" | grep '^[0-9]*\.out$' | sort -n); do
	cat "$work/$out"
	if grep -q '^ok' "$work/$out"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
done
if [ $((passed + failed)) -eq 0 ]; then
	echo "not ok no line of $table has '$ONLY'"
	failed=1
fi
printf '# models: %d s\n%d passed, %d failed, 0 skipped\n' $((SECONDS - began)) "$passed" "$failed"
[ "$failed" -eq 0 ]
