#!/bin/bash
# The configuration is read again under traffic: all of what changed takes effect, or nothing does, and no client feels it.
. "$(dirname "$0")/_init.sh"
FILE=$WORK/baton.yaml
GROUP_EXTRA=$'    settings:\n      player.idle: 600s\nlog:\n  level: info'

pids() { ctl --json worker list | jq -c '[.workers[] | select(.state == "active") | .pid] | sort'; }
more_replies() {
	local before
	before=$(counter replies)
	wait_for "! bots_running || [ \$(counter replies) -gt $((before + 500)) ]"
	bots_running || { echo "the bots gave up:"; cat "$WORK/bots.err" "$WORK/bots.json"; return 1; }
}
# reload CODE [WORDS...]: with that exit code, and those words.
reload() {
	local rc=0 words
	ctl config reload --wait >"$WORK/said" 2>&1 || rc=$?
	cat "$WORK/said"
	equal "exit code" "$rc" "$1"
	for words in "${@:2}"; do grep -qF -- "$words" "$WORK/said" || { echo "does not say: $words"; return 1; }; done
}
# edited SED: the file that is in force, changed. Each claim leaves it as what is in force then.
edited() { cp "$FILE" "$WORK/good.yaml" && sed -i "$1" "$FILE"; }
line_of() { grep -n "$1" "$FILE" | cut -d: -f1; }
in_force() { ctl --json config show --effective | jq -r --arg path "$1" '.values[] | select(.path == $path) | .value'; }
# refused SED WORDS...: nothing is in force that was not before, traffic goes on with the same processes.
refused() {
	local before values
	before=$(pids) values=$(ctl --json config show --effective)
	edited "$1"
	reload 1 "${@:2}"
	equal "pids" "$(pids)" "$before"
	equal "configuration in force" "$(ctl --json config show --effective)" "$values"
	more_replies
	cp "$WORK/good.yaml" "$FILE"
	ctl config diff
}

hot_key_is_taken_at_once() {
	local before
	before=$(pids)
	edited 's/level: info/level: debug/'
	must_fail ctl config diff
	reload 0 "$FILE:$(line_of level:):10: log.level: info -> debug (hot)"
	equal "log.level" "$(in_force log.level)" debug
	equal "pids" "$(pids)" "$before"
	edited 's/level: debug/level: info/'
	reload 0 "applied"
	ctl config diff
	more_replies
}
settings_restart_the_workers() {
	local before
	before=$(pids)
	edited 's/player.idle: 600s/player.idle: 500s/'
	reload 0 "groups[0].settings: {player.idle: 600s} -> {player.idle: 500s} (worker)" "applied"
	equal "workers restarted" "$(grep -c ': pid .* -> ' "$WORK/said")" "$WORKERS"
	equal "pids kept" "$(jq -n --argjson a "$before" --argjson b "$(pids)" '$a - ($a - $b)' -c)" "[]"
	grep "500000 ms\|500 s" "$WORK/batond.log" # the plugin says what it was given
	more_replies
}
# And back: the two that were there serve on.
workers_are_as_many_as_the_file_says() {
	local before
	before=$(pids)
	edited 's/count: 2/count: 4/'
	reload 0 "groups[0].count: 2 -> 4 (scale)" "applied"
	equal "active workers" "$(pids | jq length)" 4
	more_replies
	edited 's/count: 4/count: 2/'
	reload 0 "applied"
	equal "pids" "$(pids)" "$before"
	more_replies
}
# The plugin refuses to start with it: what was restarted by then is taken back.
settings_that_no_worker_takes_are_taken_back() {
	edited 's/player.idle: 500s/player.idle: soon/; s/level: info/level: warn/'
	reload 1 "init refused to start" "could not be restarted with it"
	equal "settings" "$(in_force 'groups[0].settings')" "{player.idle: 500s}"
	equal "log.level" "$(in_force log.level)" info
	equal "active workers" "$(pids | jq length)" "$WORKERS"
	cp "$WORK/good.yaml" "$FILE"
	ctl config diff
	more_replies
}
hangup_is_answered_in_the_log() {
	local before
	before=$(pids)
	edited 's/player.idle: 500s/player.idle: 400s/'
	kill -HUP "$(batond_pid)"
	wait_for "[ \"\$(in_force 'groups[0].settings')\" = '{player.idle: 400s}' ]"
	grep "reload of $FILE applied: 1 changes, $WORKERS workers restarted" "$WORK/batond.log"
	equal "pids kept" "$(jq -n --argjson a "$before" --argjson b "$(pids)" '$a - ($a - $b)' -c)" "[]"
	edited 's/player.idle: 400s/player.idel: [/'
	kill -HUP "$(batond_pid)"
	wait_for "grep -q 'reload refused: $FILE: errors' $WORK/batond.log"
	cp "$WORK/good.yaml" "$FILE"
	more_replies
}
bots_lost_nothing() { bots_stop; bots_wait || cat "$WORK/bots.err"; bots_clean; echo "note: seed $SEED, $(bots_value received) replies"; }
ledger_at_the_end() { batond_stop; ledger_balances; grep 'pool io.0: full' "$WORK/batond.log"; }
# Without root, for a file that would work.
plan_and_schema_need_no_daemon() {
	local nobody="setpriv --reuid=65534 --regid=65534 --clear-groups"
	chmod 755 "$WORK"
	$nobody "$BIN/batond" --plan "$FILE" | grep "huge pages of 2 MiB in all"
	$nobody "$BIN/batond" --dump-schema | jq -e '.properties.groups.items.properties.settings["x-baton-reload"] == "worker"'
	sed 's/pending: .*/&\n  buffers: 1024/' "$FILE" >"$WORK/small.yaml"
	must_fail $nobody "$BIN/batond" --plan "$WORK/small.yaml"
	"$BIN/batonctl" config explain 'groups[0].settings' | grep "worker: by a reload"
}

port_tap && batond_start || fatal "no batond"
bots_start --players 100 --seconds 3000 --connect-timeout 30 --seed "$SEED"
claim hot_key_is_taken_at_once hot_key_is_taken_at_once
claim settings_restart_the_workers settings_restart_the_workers
claim bad_file_is_refused refused 's/worker_slots:/worker_slot:/; s/level: info/level: debgu/' "unknown key 'worker_slot' in memory; did you mean 'worker_slots'?" "did you mean 'debug'?"
claim key_of_class_restart_is_refused_by_name refused 's/worker_slots: .*/worker_slots: 7/; s/level: info/level: debug/' "$FILE:$(line_of worker_slots:):17: error: memory.worker_slots: needs a restart of batond (running: 6, in the file: 7)"
claim workers_are_as_many_as_the_file_says workers_are_as_many_as_the_file_says
claim settings_that_no_worker_takes_are_taken_back settings_that_no_worker_takes_are_taken_back
claim hangup_is_answered_in_the_log hangup_is_answered_in_the_log
claim bots_lost_nothing bots_lost_nothing
claim ledger_at_the_end ledger_at_the_end
claim plan_and_schema_need_no_daemon plan_and_schema_need_no_daemon
