#!/bin/bash
# worker restart --version V runs the file that says it is V, wherever it lies beside the configured one, under traffic; a
# version that is not there is refused with those that are.
. "$(dirname "$0")/_init.sh"
ONE=$PLUGINS/echo.so
TWO=$O/test-plugins/echo_v2.so
PLUGINS=$WORK/plugins
PLUGIN=echo

versions() { ctl --json worker list | jq -r '[.workers[] | select(.state == "active") | .version] | unique | join(" ")'; }
paths() { ctl --json worker list | jq -r '[.workers[] | select(.state == "active") | .path] | unique | join(" ")'; }
# runs V FILE: after a restart with --version V all workers are of that version and file, and players are served.
runs() {
	local before
	ctl worker restart echo --version "$1"
	equal "version" "$(versions)" "$1"
	equal "path" "$(paths)" "$PLUGINS/$2"
	before=$(counter replies)
	wait_for "! bots_running || [ \$(counter replies) -gt $((before + 200)) ]"
	bots_running || { cat "$WORK/bots.err"; return 1; }
}
# refused V WORDS...: not found, one line, and nothing has changed.
refused() {
	local version=$1 words before rc=0
	before=$(ctl --json worker list | jq -c '[.workers[].pid]')
	ctl worker restart echo --version "$version" >"$WORK/refused" 2>&1 || rc=$?
	cat "$WORK/refused"
	equal "exit code" "$rc" 4
	equal "lines" "$(wc -l <"$WORK/refused")" 1
	for words in "${@:2}"; do grep -qF -- "$words" "$WORK/refused" || { echo "does not say: $words"; return 1; }; done
	equal "workers" "$(ctl --json worker list | jq -c '[.workers[].pid]')" "$before"
}
old_version_of_a_rebuilt_file_is_not_the_new_one() {
	cp "$TWO" "$PLUGINS/new" && mv "$PLUGINS/new" "$PLUGINS/echo.so"
	refused 1 "no version '1' of plugin echo" "found are 2 (echo.so)" "give the path"
	equal "version" "$(versions)" 1
	runs 2 echo.so
}
version_is_found_beside_the_configured_file() {
	cp "$ONE" "$PLUGINS/echo-1.so"
	runs 1 echo-1.so
	mv "$PLUGINS/echo-1.so" "$PLUGINS/rollback.so"
	runs 2 echo.so
	runs 1 rollback.so
}
# A plugin of another name has that version too; one is none, one dies when it is loaded.
neighbours_are_asked_and_do_no_harm() {
	cp "$O/test-plugins/verdicts.so" "$PLUGINS/verdicts-3.so"
	cp "$O/test-plugins/load_crash.so" "$O/test-plugins/no_symbol.so" "$PLUGINS/"
	echo text >"$PLUGINS/text.so"
	refused 3 "found are 2 (echo.so), 1 (rollback.so); 3 files are no plugins or cannot be loaded"
	runs 2 echo.so
}
bots_lost_nothing() { bots_stop; bots_wait || cat "$WORK/bots.err"; bots_clean; echo "note: seed $SEED, $(bots_value received) replies"; }
ledger_at_the_end() { batond_stop; ledger_balances; grep 'pool io.0: full' "$WORK/batond.log"; }

mkdir "$PLUGINS" && cp "$ONE" "$PLUGINS/echo.so"
port_tap && batond_start || fatal "no batond"
bots_start --service echo --players 40 --seconds 3000 --connect-timeout 30 --seed "$SEED"
claim old_version_of_a_rebuilt_file_is_not_the_new_one old_version_of_a_rebuilt_file_is_not_the_new_one
claim version_is_found_beside_the_configured_file version_is_found_beside_the_configured_file
claim neighbours_are_asked_and_do_no_harm neighbours_are_asked_and_do_no_harm
claim bots_lost_nothing bots_lost_nothing
claim ledger_at_the_end ledger_at_the_end
