#!/bin/bash
# Plugin files that change under running workers, and plugins no one should run: traffic stays with what serves.
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/restart_claims.sh"
GOOD=$PLUGINS/game.so
BAD=$O/test-plugins
PLUGINS=$WORK/plugins
LIVE=$PLUGINS/game.so
GROUP_EXTRA=$'workers:\n  start_timeout: 2s'

more_replies() {
	local before
	before=$(counter replies)
	wait_for "! bots_running || [ \$(counter replies) -gt $((before + 500)) ]"
	bots_running || { echo "the bots gave up:"; cat "$WORK/bots.err" "$WORK/bots.json"; return 1; }
}
# served_as_before PIDS BUILDS: by the same processes, of the same build.
served_as_before() { more_replies; equal "workers" "$(pids)" "$1"; equal "builds" "$(builds)" "$2"; }

file_may_change_under_a_running_worker() {
	local pids builds change
	pids=$(pids) builds=$(builds)
	for change in "dd if=/dev/urandom of=$LIVE bs=4k count=64 conv=notrunc" "truncate -s 5000 $LIVE" "truncate -s 0 $LIVE" "rm $LIVE" \
		"cp $GOOD $LIVE" "rm $LIVE" "mkdir $LIVE" "rmdir $LIVE" "cp $GOOD $LIVE" "patch_build_id $LIVE"; do
		$change
		served_as_before "$pids" "$builds"
	done
}
restart_loads_what_stands_there_now() {
	local before
	before=$(pids)
	must_fail [ "$(builds)" = "$(file_build_id "$LIVE")" ]
	ctl worker restart game
	equal "build id" "$(builds)" "$(file_build_id "$LIVE")"
	equal "pids kept over the restart" "$(jq -n --argjson a "$before" --argjson b "$(pids)" '$a - ($a - $b)' -c)" "[]"
	more_replies
}

# refused FILE WORDS...: exit code 1, one line with the words, and nothing has changed.
refused() {
	local file=$1 words pids builds rc=0
	pids=$(pids) builds=$(builds)
	ctl worker restart game --version "$file" >"$WORK/refused" 2>&1 || rc=$?
	cat "$WORK/refused"
	equal "exit code" "$rc" 1
	equal "lines" "$(wc -l <"$WORK/refused")" 1
	for words in "${@:2}"; do grep -qF -- "$words" "$WORK/refused" || { echo "does not say: $words"; return 1; }; done
	served_as_before "$pids" "$builds"
}
truncated_file_is_refused() {
	head -c 5000 "$GOOD" >"$WORK/half.so"
	head -c 100 "$GOOD" >"$WORK/headers.so"
	: >"$WORK/empty.so"
	refused "$WORK/half.so" "ends too early" "Build it again"
	refused "$WORK/headers.so" "ends too early" "Build it again"
	refused "$WORK/empty.so" "not a shared object" "-shared"
}
# What is no plugin at all: text, a program, an object file's type, a directory, a FIFO that nobody writes.
wrong_type_is_refused() {
	echo "int main;" >"$WORK/text.so"
	cp /bin/true "$WORK/program.so"
	cp "$GOOD" "$WORK/object.so"
	printf '\x01' | dd of="$WORK/object.so" bs=1 seek=16 conv=notrunc status=none # ET_REL
	cp "$GOOD" "$WORK/arm.so"
	printf '\xb7' | dd of="$WORK/arm.so" bs=1 seek=18 conv=notrunc status=none # EM_AARCH64
	mkdir "$WORK/directory.so"
	mkfifo "$WORK/fifo.so"
	refused "$WORK/text.so" "not a shared object" "-shared"
	refused "$WORK/program.so" "plugin $WORK/program.so"
	refused "$WORK/object.so" "not a shared object" "-shared"
	refused "$WORK/arm.so" "another machine" "x86-64"
	refused "$WORK/directory.so" "not a regular file"
	refused "$WORK/fifo.so" "not a regular file"
}
unknown_version_name_is_refused() {
	local rc=0
	ctl worker restart game --version 99 >"$WORK/refused" 2>&1 || rc=$?
	equal "exit code" "$rc" 4
	grep -F "no version '99' of plugin game in or beside $PLUGINS/: found are 1 (game.so)" "$WORK/refused"
	more_replies
}
bots_lost_nothing() { bots_stop; bots_wait || cat "$WORK/bots.err"; bots_clean; echo "note: seed $SEED, $(bots_value received) replies"; }
ledger_at_the_end() { batond_stop; ledger_balances; grep 'pool io.0: full' "$WORK/batond.log"; }

# The same in the configuration. not_started FILE WORDS...: one line of batond, and its end.
not_started() {
	PLUGINS=$(dirname "$1") PLUGIN=$(basename "$1" .so)
	batond_config >"$WORK/bad.yaml"
	: >"$WORK/batond.log"
	batond_launch "$WORK/bad.yaml"
	wait_for '[ -s "$WORK/batond.rc" ]'
	equal "exit code" "$(cat "$WORK/batond.rc")" 1
	cat "$WORK/batond.log"
	equal "lines" "$(wc -l <"$WORK/batond.log")" 1
	local words
	for words in "$1" "${@:2}"; do grep -qF -- "$words" "$WORK/batond.log" || { echo "does not say: $words"; return 1; }; done
}
bad_plugin_is_refused_at_start() {
	not_started "$BAD/abi_mismatch.so" "rebuild it with this version's baton.h"
	not_started "$BAD/no_symbol.so" "BATON_PLUGIN"
	not_started "$BAD/load_crash.so" "died of signal 4"
	not_started "$WORK/half.so" "ends too early"
	not_started "$WORK/text.so" "-shared"
	not_started "$WORK/program.so"
	not_started "$WORK/directory.so" "not a file"
	not_started "$WORK/fifo.so" "not a file"
	not_started "$WORK/nothing_here.so" "is the path right?"
}
# It is sound until it runs: batond goes on trying, says why, and stops in order.
bad_init_is_reported_at_start() {
	local plugin words
	while IFS='|' read -r plugin words; do
		PLUGINS=$BAD PLUGIN=$plugin
		batond_config >"$WORK/bad.yaml"
		: >"$WORK/batond.log"
		rm -f "/dev/hugepages/baton.$INSTANCE.state"
		batond_launch "$WORK/bad.yaml"
		wait_for "grep -qF '$words' $WORK/batond.log"
		wait_for "ctl status >$WORK/status; [ \$? = 2 ] && grep -F '$words' $WORK/status"
		batond_stop
		ledger_balances
	done <<-END
		init_crash|signal 11
		init_refuse|init refused to start
		slow_init|not ready within start_timeout
	END
}

mkdir "$PLUGINS" && cp "$GOOD" "$LIVE"
port_tap && batond_start || fatal "no batond"
bots_start --players 100 --seconds 3000 --connect-timeout 30 --seed "$SEED"
claim file_may_change_under_a_running_worker file_may_change_under_a_running_worker
claim restart_loads_what_stands_there_now restart_loads_what_stands_there_now
claim abi_mismatch_is_refused refused "$BAD/abi_mismatch.so" "built for plugin ABI" "rebuild it with this version's baton.h"
claim missing_file_is_refused refused "$WORK/nothing_here.so" "No such file" "is the path right?"
claim no_symbol_is_refused refused "$BAD/no_symbol.so" "no symbol baton_plugin_descriptor" "BATON_PLUGIN"
claim crash_at_load_is_refused refused "$BAD/load_crash.so" "signal 4" "while its plugin was loaded"
claim crash_in_init_is_refused refused "$BAD/init_crash.so" "signal 11" "while its plugin was loaded"
claim init_that_refuses_is_refused refused "$BAD/init_refuse.so" "init refused to start" "in the log say why"
claim init_that_hangs_is_given_up refused "$BAD/slow_init.so" "not ready within start_timeout (2.000 s)" "does its init block?"
claim other_key_is_refused refused "$BAD/echo_v2.so" "needs key flow" "restart batond"
claim truncated_file_is_refused truncated_file_is_refused
claim wrong_type_is_refused wrong_type_is_refused
claim unknown_version_name_is_refused unknown_version_name_is_refused
claim bots_lost_nothing bots_lost_nothing
claim ledger_at_the_end ledger_at_the_end
claim bad_plugin_is_refused_at_start bad_plugin_is_refused_at_start
claim bad_init_is_reported_at_start bad_init_is_reported_at_start
