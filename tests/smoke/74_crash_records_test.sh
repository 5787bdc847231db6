#!/bin/bash
# Each death of a worker leaves a record: what it died of, in which function of the plugin, at which entry, its last
# lines. It is the same after a restart of batond; viewers see it without what players sent.
. "$(dirname "$0")/_init.sh"
GROUP_EXTRA="    restart_burst: off
    stall_wall: 60s
    versions:
      - {name: tame, plugin: $PLUGINS/game.so}
      - {name: wild, plugin: ${PLUGINS%/*}/test-plugins/game_wild.so}
    settings: {wild.after: 500, wild.how: any}
control:
  crash_dir: $WORK/crash
  viewers: {users: [41001]}"
list() { ctl --json crash list --last 100; }
# A worker that a busy machine keeps from leaving in time is killed: that is none of what is tried here.
crashes() { list | jq '[.crashes[] | select(.cause != "leave")] | length'; }
# newest REGEX: id of the newest record whose words match
newest() { list | jq -r --arg what "$1" '[.crashes[] | select(.what | test($what)) | .id][0] // 0'; }
# record ID: fetches it; field JQ: of the one fetched last
record() { ctl --json crash show "${1:-last}" | jq .crash >"$WORK/record"; }
field() { jq -r "$1" "$WORK/record"; }
active() { ctl --json worker list | jq -r '[.workers[] | select(.state == "active")] | "\(length) \(map(.buckets) | add)"'; }
victim() { ctl --json worker list | jq -r '[.workers[] | select(.state == "active") | .pid][0]'; }
answers() { wait_for "[ \"\$(active)\" = \"2 $BUCKETS\" ] && [ \$(counter replies) -gt $(($(counter replies) + 300)) ]"; }
# recorded PID: its death has a record, which is fetched.
recorded() { wait_for "record \$(list | jq '[.crashes[] | select(.pid == $1) | .id][0]') && [ \"\$(field .pid)\" = $1 ]"; }

the_function_of_a_fault_is_named() {
	local signal words id
	ctl crash list | grep 'no worker has died'
	ctl worker restart game --version wild # before there are packets to die of
	bots_start --players 100 --seconds 3000 --connect-timeout 30 --lost-after 60000 --seed "$SEED"
	for words in in.wild_crash from.wild_call from.wild_abort in.wild_divide in.wild_deep 'exit status 3$'; do
		wait_for "[ \$(newest '$words') -gt 0 ]" # of six ways to die, each has been taken
	done
	ctl worker restart game --version tame
	answers
	while read -r signal words; do
		wait_for "[ \$(newest '^$words\\+0x[0-9a-f]+\$') -gt 0 ]" || { list; return 1; }
		id=$(newest "^$words\\+0x[0-9a-f]+\$")
		record "$id"
		equal "signal, version, entry by the worker's own word" "$(field '"\(.signal) \(.version) \(.entry.exact)"')" "$signal wild true"
		field '.log[]' | grep 'wild: packet 500 is the last'
		grep "crash record $id: $signal" "$WORK/batond.log"
	done <<-END
		SIGSEGV SIGSEGV at 0x8 in wild_crash
		SIGSEGV SIGSEGV at 0x0 after a jump to 0x0 from wild_call
		SIGABRT SIGABRT in .*, called from wild_abort
		SIGFPE SIGFPE in wild_divide
		SIGSEGV SIGSEGV at 0x[0-9a-f]+ in wild_deep
	END
	[ "$(newest '^it left by itself: exit status 3$')" -gt 0 ]
	echo "note: seed $SEED, $(crashes) records"
}
the_entry_is_decoded_and_source_can_be_found() {
	local id command
	id=$(newest 'in wild_crash')
	record "$id"
	field '"\(.entry.kind) \(.entry.game.type)"' | grep -E '^packet (PLAYER_MOVE|PLAYER_ATTACK|HEARTBEAT|PLAYER_SUBSCRIBE)$'
	equal "its bucket" "$(field .entry.bucket)" "$(ctl --json buckets find "$(field .entry.game.player)" | jq '.keys[0].bucket')"
	field . | jq -e '(.entry.payload | length) == 2 * .entry.length and .entry.game.packet_size == .entry.length and .unsettled > 0'
	equal "build id" "$(field .build_id)" "$(readelf -n "${PLUGINS%/*}/test-plugins/game_wild.so" | awk '/Build ID/ {print $3}')"
	command=$(field '.commands[0]')
	case $command in "addr2line "*) ;; *) echo "no command: $command"; return 1 ;; esac
	$command | grep -E 'wild_crash at .*game_wild\.c:[0-9]+'
	ctl crash show "$id" >"$WORK/shown"
	grep -E '^crash [0-9]+: SIGSEGV at 0x8 in wild_crash' "$WORK/shown"
	grep 'it was the one being handled' "$WORK/shown"
	grep -E '^  game .* of player [0-9]+, sequence' "$WORK/shown"
	grep -E '^  payload    0000  ' "$WORK/shown"
}
# died SIGNAL CAUSE WORDS: a worker that gets the signal is recorded so.
died() {
	local pid
	answers
	pid=$(victim)
	kill "-$1" "$pid"
	recorded "$pid"
	equal "cause" "$(field .cause)" "$2"
	field .what | grep "^$3"
}
a_kill_from_outside_and_a_stall_are_told_apart() {
	local before
	died KILL killed 'SIGKILL from outside'
	equal "address" "$(field .address)" null
	died STOP stall 'stalled: no entry settled for'
	died SEGV fault 'SIGSEGV from outside'
	answers
	before=$(crashes)
	ctl worker restart game # an orderly end is no crash
	equal "records" "$(crashes)" "$before"
}
a_start_that_fails_is_recorded() {
	local before
	before=$(crashes)
	must_fail ctl worker restart game --version "${PLUGINS%/*}/test-plugins/init_crash.so"
	wait_for "[ \"\$(crashes)\" -gt $before ]"
	record "$(newest 'in its init$')"
	equal "cause and version" "$(field '"\(.cause) \(.plugin)"')" "start game"
	field .at.module | grep .
}
viewers_do_not_see_what_players_sent() {
	local id
	id=$(newest 'in wild_crash')
	ctl crash show "$id" | grep '^  log'
	setpriv --reuid 41001 --regid 41001 --clear-groups "$BIN/batonctl" -i "$INSTANCE" --json crash show "$id" >"$WORK/viewer"
	jq -e '.crash.what | contains("in wild_crash")' "$WORK/viewer"
	equal "withheld" "$(jq -c '[.crash.log, .crash.entry.payload, .crash.entry.game]' "$WORK/viewer")" "[null,null,null]"
	equal "said so" "$(jq '.withheld | length' "$WORK/viewer")" 3
	equal "modes" "$(stat -c %a "$WORK/crash" "$WORK/crash/"*.json | sort -u | tr '\n' ' ')" "640 750 "
}
records_outlive_batond_and_an_unwritable_directory_stops_nothing() {
	local before pid
	bots_stop
	bots_wait || cat "$WORK/bots.err"
	bots_clean
	before=$(list | jq -c .crashes)
	batond_stop
	ledger_balances
	batond_start
	equal "records after a restart" "$(list | jq -c .crashes)" "$before"
	wait_for '[ "$(active)" = "2 $BUCKETS" ]'
	rm -rf "$WORK/crash"
	: >"$WORK/crash"
	kill -KILL "$(victim)"
	wait_for "ctl --json status | jq -e '.crash_records.lost >= 1 and .crash_records.writable == false'"
	ctl status >"$WORK/said" || : # a worker may just be starting: that is worse
	grep -qF 'warn: the latest crash record could not be written' "$WORK/said"
	wait_for '[ "$(active)" = "2 $BUCKETS" ]'
	grep 'records are lost until that is mended' "$WORK/batond.log"
	rm "$WORK/crash"
	pid=$(victim)
	kill -KILL "$pid"
	recorded "$pid"
}

port_tap && batond_start || fatal "no batond"
for name in the_function_of_a_fault_is_named the_entry_is_decoded_and_source_can_be_found \
	a_kill_from_outside_and_a_stall_are_told_apart a_start_that_fails_is_recorded \
	viewers_do_not_see_what_players_sent records_outlive_batond_and_an_unwritable_directory_stops_nothing; do
	claim "$name" "$name"
done
