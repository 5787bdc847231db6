#!/bin/bash
# A plugin's file is removed, then another build lies in its place, and workers are killed: each comes again as what it
# was, standby and all, players notice nothing, and the status says what to do.
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/restart_claims.sh"
STANDBY=1
GOOD=$PLUGINS/game.so
PLUGINS=$WORK/plugins
LIVE=$PLUGINS/game.so
ROUNDS=3

now() { ctl --json status >"$WORK/now.json" || [ $? -le 2 ]; } # 1 and 2: it has something to say
# complete: both workers serve, a standby is ready.
complete() {
	now
	[ "$(jq -r '[.workers[] | "\(.role)/\(.state)"] | sort | join(" ")' "$WORK/now.json")" = \
		"serving/active serving/active standby/standby" ]
}
build_of_all() { jq -r '[.workers[].build_id] | unique | join(" ")' "$WORK/now.json"; }
serving() { jq -r --arg name "$1" '.workers[] | select(.role == "serving" and .name == $name) | .pid' "$WORK/now.json"; }
standby() { jq -r '.workers[] | select(.role == "standby") | .pid' "$WORK/now.json"; }
gone() { local pid; for pid in "$@"; do [ ! -e "/proc/$pid" ] || return 1; done; }
status_says() { now; jq -e --arg words "$1" '[.sentences[] | select(.level == "warn") | .text] | any(contains($words))' "$WORK/now.json"; }
status_is_quiet() { now; [ "$(jq -r .verdict "$WORK/now.json")" = ok ]; }
replies() { counter replies; }

# Every process there is, the standby with them, so that each is followed by one that was not there before.
all_come_again_as_they_were() {
	local i build pids before
	wait_for complete
	build=$(build_of_all)
	for ((i = 0; i < ROUNDS; i++)); do
		pids="$(serving game.0) $(serving game.1) $(standby)" before=$(replies)
		# shellcheck disable=SC2086 # a pid each
		kill -KILL $pids
		wait_for "gone $pids && complete"
		equal "build of all after kill $i" "$(build_of_all)" "$build"
		wait_for "! bots_running || [ \$(replies) -gt $((before + 200)) ]"
		bots_running
	done
}
without_the_file_all_come_again() {
	rm "$LIVE"
	all_come_again_as_they_were
	wait_for 'status_says "its plugin file $LIVE cannot be read (No such file or directory)"'
	status_says "put it back"
	equal "lines in the log" "$(grep -c "its plugin file $LIVE cannot be read" "$WORK/batond.log")" 1
}
an_order_without_the_file_is_refused() {
	local rc=0 before
	wait_for complete
	before="$(serving game.0) $(serving game.1)"
	ctl worker restart game >"$WORK/refused" 2>&1 || rc=$?
	equal "exit code" "$rc" 1
	grep -F "No such file" "$WORK/refused"
	wait_for complete
	equal "processes" "$(serving game.0) $(serving game.1)" "$before"
}
the_file_put_back_ends_the_warning() {
	cp "$GOOD" "$LIVE"
	wait_for status_is_quiet
}
another_build_in_its_place_is_started_by_nobody() {
	cp "$GOOD" "$WORK/new.so" && patch_build_id "$WORK/new.so" && mv "$WORK/new.so" "$LIVE"
	wait_for complete
	must_fail [ "$(build_of_all)" = "$(file_build_id "$LIVE")" ]
	all_come_again_as_they_were
	wait_for 'status_says "$LIVE is not the build that it runs"'
}
a_restart_takes_it() {
	ctl worker restart game
	wait_for "complete && status_is_quiet"
	equal "builds" "$(build_of_all)" "$(file_build_id "$LIVE")"
}
nothing_was_lost() { bots_stop; bots_wait || cat "$WORK/bots.err"; bots_clean; echo "note: seed $SEED, $(bots_value received) replies"; }
ledger_at_the_end() { batond_stop; ledger_balances; grep 'pool io.0: full' "$WORK/batond.log"; }

mkdir "$PLUGINS" && cp "$GOOD" "$LIVE"
port_tap && batond_start || fatal "no batond"
bots_start --players 100 --seconds 3000 --connect-timeout 30 --seed "$SEED"
claim without_the_file_all_come_again without_the_file_all_come_again
claim an_order_without_the_file_is_refused an_order_without_the_file_is_refused
claim the_file_put_back_ends_the_warning the_file_put_back_ends_the_warning
claim another_build_in_its_place_is_started_by_nobody another_build_in_its_place_is_started_by_nobody
claim a_restart_takes_it a_restart_takes_it
claim nothing_was_lost nothing_was_lost
claim ledger_at_the_end ledger_at_the_end
