#!/bin/bash
# Breaks each rule of tests/sabotage/table in turn and runs the test that must notice. `make sabotage` builds what this
# needs and calls it. A rule counts as noticed if its test, which passes as things are, fails with the rule broken, in the
# claim that the table names and by an assertion of that claim: not by a build error, a crash or a timeout.
#   SABOTAGE  working directory, with `env` (tests/sabotage/rules.mk)
#   JOBS      rules at a time
#   SOUND     no: the tests are not run as things are, somebody else does
#   ONLY      these rules
# run.sh --docs writes the table of docs/reliability.md anew.
set -u
cd "$(dirname "$0")/../.." || exit 1
table=tests/sabotage/table
page=docs/reliability.md
# Broken, they are noticed by what does not happen in 10 s and more: they all begin first, and are none of the JOBS.
SLOW=' oldest_connection_kept log_waits length_believed outlives_primary abort_leaves_the_next failed_image_kept '
SLOW+='lost_worker_awaited failing_gate_ignored unready_standby_chosen look_never_asked '
SLOW+='not_written_again '
LIMIT=120 # seconds a test may take; none takes 20 on an idle machine

# rows: rule|test|claim|also|promise|what is broken, without comments and blanks around the bars
rows() { sed -e '/^#/d' -e '/^[[:space:]]*$/d' -e 's/[[:space:]]*|[[:space:]]*/|/g' "$table"; }

# ---- the page that people read ----------------------------------------------------------------------------------------
page_table() {
	echo '| promise | broken on purpose | rule | noticed by |'
	echo '|---|---|---|---|'
	rows | awk -F'|' '{
		gsub(/_/, " ", $3)
		if ($2 == "fuzz") by = "`tests/run.sh --fuzz`: " $3
		else if ($2 == "later") by = "later: " $3
		else by = "`tests/unit/" $2 ".c`: " $3
		printf "| %s | %s | `%s` | %s |\n", $5, $6, $1, by }'
}
page_with_table() {
	sed -n '1,/<!-- table: /p' "$page"
	page_table
	sed -n '/<!-- end of table -->/,$p' "$page"
}
if [ "${1:-}" = --docs ]; then
	page_with_table >"$page.new" && mv "$page.new" "$page"
	exit
fi

# ---- the table is complete ----------------------------------------------------------------------------------------------
# hooks [RULE]: FILE:RULE of each place where a rule is obeyed
hooks() {
	grep -roE "BATON_SABOTAGE\\(${1:-[a-z0-9_]+}\\)" --include='*.[ch]' shared primary workers monitor config |
		grep -v '^shared/sabotage.h:' | sed -E 's/BATON_SABOTAGE\((.*)\)/\1/' | sort -u
}
complete() {
	local bad=0 rule test
	while read -r rule; do
		rows | grep -q "^$rule|" || { echo "$table has no line for the rule $rule"; bad=1; }
	done < <(hooks | cut -d: -f2 | sort -u)
	while IFS='|' read -r rule test _; do
		if [ "$test" = later ]; then
			[ -z "$(hooks "$rule")" ] || { echo "$table: $rule can be broken by now: name its test"; bad=1; }
		elif [ -z "$(hooks "$rule")" ]; then
			echo "$table: nothing obeys the rule $rule: no BATON_SABOTAGE($rule) in the sources"
			bad=1
		fi
	done < <(rows)
	rows | cut -d'|' -f1 | sort | uniq -d | grep . && { echo "$table: these rules stand there twice"; bad=1; }
	page_with_table | cmp -s - "$page" || { echo "$page is not up to date: tests/sabotage/run.sh --docs"; bad=1; }
	return "$bad"
}

# ---- one rule -----------------------------------------------------------------------------------------------------------
# Seeds are fixed: what is noticed today is noticed tomorrow.
export SEED=1 BATON_TEST_SEED=1
# Many a broken rule is noticed because something never comes: no minute of each.
export BATON_TEST_WAIT_S=15

# run PROGRAM LOG: in a session of its own, of which nothing is left, neither processes nor (for root) files in /dev/shm.
run() {
	local pid rc own=()
	[ "$(id -u)" -ne 0 ] || own=(unshare --mount sh -c 'mount -t tmpfs sabotage /dev/shm && exec "$@"' sh)
	setsid timeout -k 5 "$LIMIT" "${own[@]}" "$1" >"$2" 2>&1 </dev/null &
	pid=$!
	{ wait "$pid"; } 2>/dev/null # bash would tell of each abort
	rc=$?
	kill -9 -- "-$pid" 2>/dev/null
	return "$rc"
}

# compile SOURCE OBJECT DEFINE
compile() {
	local flags=$rooms user name
	for user in $dpdk_users; do
		case $1 in "$user"/*) flags="$rooms $dpdk" ;; esac
	done
	case $1 in
	workers/plugins/*) name=${1#workers/plugins/} name=${name%%/*} flags="$plugin ${plugin_flags[$name]}" ;;
	esac
	mkdir -p "${2%/*}"
	eval "$cc $flags" "'$3'" -c -o "'$2'" "'$1'"
}

# object SOURCE: where the unbroken one is
object() {
	case $1 in
	workers/plugins/*) name=${1#workers/plugins/} && echo "$obj/plugins/${name%%/*}/${1%.c}.o" ;;
	*) echo "$obj/${1%.c}.o" ;;
	esac
}

# build RULE TEST ALSO: compiles what obeys the rule and links it in front of the libraries, which have the rest. The
# program has its own name: some tests look for it.
build() {
	local rule=$1 source=tests/unit/$2.c out=$SABOTAGE/$1 file define plugin_name='' link=() replaced=' ' test_object
	define="-DBATON_SABOTAGE_RULE=\"$rule\""
	local seen
	seen=" $(tr -d '\\\n' <"$obj/${source%.c}.d") " # what the test is made of, sources that it includes among it
	test_object=$(object "$source")
	for file in $(hooks "$rule" | cut -d: -f1) $3; do
		case $seen in
		*" $file"[\ :]*)
			test_object=$out/test.o
			[ -e "$test_object" ] || compile "$source" "$test_object" "$define" || return 1
			;;
		esac
		case $seen in *" $file"[\ :]*) continue ;; esac
		case $file in *.h) continue ;; esac
		compile "$file" "$out/${file%.c}.o" "$define" || return 1
		link+=("$out/${file%.c}.o")
		replaced+="$(object "$file") "
	done
	case $2 in
	*/plugins/*)
		plugin_name=${2#*/plugins/} plugin_name=${plugin_name%%/*}
		for file in ${plugin_objects[$plugin_name]}; do
			case $replaced in *" $file "*) ;; *) link+=("$file") ;; esac
		done
		;;
	esac
	local all=$other_libs curses=
	case $2 in
	primary/*) all=$dpdk_libs ;;
	monitor/*) curses="-lncursesw -lmicrohttpd" ;;
	esac
	eval "$ld" -o "'$out/${2##*/}'" "'$test_object'" "'$SABOTAGE/only.o'" "${link[*]}" -Wl,--start-group "$all" "$curses" "$libs"
}

# What a program that was stopped at its first failure says of it: CLAIM: FILE:LINE: the line
failure() {
	local claim at file line
	read -r claim at < <(awk '/^\[ RUN      \]/ { claim = $4 }
		/^\[   LINE   \]/ { sub(/^\[   LINE   \] --- /, ""); sub(/: error: .*/, ""); print claim, $0; exit }' "$1")
	[ -n "$at" ] || return
	file=${at%:*} line=${at##*:}
	printf '%s: %s: %s\n' "$claim" "${at#tests/unit/}" "$(sed -n "${line}s/^[[:space:]]*//p" "$file")"
}

# break_one RULE TEST CLAIM ALSO: says how it went; status 0: noticed, as the table has it
break_one() {
	local rule=$1 out=$SABOTAGE/$1 began=$EPOCHREALTIME why='' rc said
	rm -rf "$out"
	mkdir -p "$out"
	if ! build "$rule" "$2" "$4" >"$out/build.log" 2>&1; then
		why="does not build: $(grep -m1 -E 'error|undefined' "$out/build.log")"
	else
		SABOTAGE_ONLY=$3 CMOCKA_TEST_ABORT=1 run "$out/${2##*/}" "$out/log"
		rc=$?
		said=$(failure "$out/log")
		if [ "$rc" -ne 0 ] && [ -z "$said" ]; then # a test that catches the log catches that as well
			SABOTAGE_ONLY=$3 run "$out/${2##*/}" "$out/log"
			rc=$?
			said=$(failure "$out/log")
		fi
		if [ "$rc" -eq 124 ] || [ "$rc" -eq 137 ]; then
			why="still runs after $LIMIT s, in $(awk '/^\[ RUN/ { c = $4 } END { print c }' "$out/log")"
		elif [ "$rc" -eq 0 ]; then
			why="NOT NOTICED: $2 passes"
		elif [ -z "$said" ]; then
			why="fails with status $rc, but by no assertion: $(grep -v '^\[' "$out/log" | tail -1)"
		elif [ "${said%%:*}" != "$3" ]; then
			why="noticed elsewhere: $said"
		fi
	fi
	if [ -n "$why" ]; then
		printf 'not ok %s (%s: %s) %s; see %s\n' "$rule" "$2" "$3" "$why" "${out#"$PWD"/}"
		return 1
	fi
	printf 'ok %s (%s: %s) %.1f s\n' "$rule" "$2" "$said" "$(since "$began")"
	rm -rf "$out"
}
since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }'; }

# sound TEST: it passes while nothing is broken
sound() {
	run "$units/$1" "$SABOTAGE/${1//\//.}.log" && return
	printf 'not ok %s fails with nothing broken; see %s\n' "$1" "$SABOTAGE/${1//\//.}.log"
	return 1
}

# ---- all of them --------------------------------------------------------------------------------------------------------
began=$EPOCHREALTIME
. "$SABOTAGE/env"
export LC_ALL=C
noticed=0 failed=0
complete || failed=$((failed + 1))
chosen=$(rows | awk -F'|' -v only="${ONLY:-}" '$2 != "later" && $2 != "fuzz" && (only == "" || index(" " only " ", " " $1 " "))')
[ -n "$chosen" ] || { echo "$table has no rule $ONLY"; exit 1; }
eval "$cc $rooms" -c -o "'$SABOTAGE/only.o'" tests/sabotage/only.c || exit 1
# fork FUNCTION ARGUMENT...: at most JOBS at a time, beside those that only wait; counts those that are over
running=0
declare -A waits=()
over() {
	local ended=
	if wait -n -p ended; then noticed=$((noticed + $1)); else failed=$((failed + 1)); fi
	if [ -n "$ended" ] && [ -n "${waits[$ended]:-}" ]; then unset "waits[$ended]"; else running=$((running - 1)); fi
}
fork() {
	while [ "$running" -ge "${JOBS:-3}" ]; do over "$counts"; done
	"$@" &
	running=$((running + 1))
}
counts=0
if [ "${SOUND:-yes}" = yes ]; then
	while read -r test; do
		fork sound "$test"
	done < <(cut -d'|' -f2 <<<"$chosen" | sort -u)
	while [ "$running" -gt 0 ]; do over 0; done
	printf '# tests pass with nothing broken: %.0f s\n' "$(since "$began")"
fi
counts=1
while IFS='|' read -r rule test claim also _; do
	case $SLOW in
	*" $rule "*)
		break_one "$rule" "$test" "$claim" "${also#-}" &
		waits[$!]=$rule
		;;
	*) fork break_one "$rule" "$test" "$claim" "${also#-}" ;;
	esac
done < <(awk -F'|' -v slow="$SLOW" '{ print index(slow, " " $1 " ") ? 0 : 1, $0 }' <<<"$chosen" | sort -s -n -k1,1 | cut -d' ' -f2-)
while [ $((running + ${#waits[@]})) -gt 0 ]; do over 1; done
printf '# %d rules broken and noticed, %d failures, %.0f s\n' "$noticed" "$failed" "$(since "$began")"
[ "$failed" -eq 0 ]
