#!/bin/bash
# A packet that kills only because of what its player's record says: kept with the bucket's records as they were before it, it
# kills again when it is replayed on them, and not on empty ones, nor in the version that is mended. Bots lose nothing.
. "$(dirname "$0")/_init.sh"
TEST_PLUGINS=${PLUGINS%/*}/test-plugins
BUCKETS=256
GROUP_EXTRA="    restart_burst: 10
    good_after: 1h
    versions:
      - {name: tame, plugin: $PLUGINS/game.so}
      - {name: poison, plugin: $TEST_PLUGINS/game_poison.so}
    settings: {poison.how: record, poison.sequence: 41, player.idle: 600s}
quarantine: {attempts: 2, directory: $WORK/quarantine}"
# move SEQUENCE: a valid PLAYER_MOVE of player 666.
move() { printf '30000000010000009a020000%02x000000%064d' "$1" 0; }
send() { in_client bash -c "printf '$(sed 's/../\\x&/g' <<<"$1")' >/dev/udp/$BATON_IP/$UDP_PORT"; }
faults() { grep -c 'died: signal 11' "$WORK/batond.log"; }
file() { ctl --json quarantine list | jq -r '.files[0].name'; }
replay() { ctl --json quarantine replay "$(file)" "$@" >"$WORK/replay.json" || :; jq -r '[.outcome, .signal // .verdict, .records, .version] | join(" ")' "$WORK/replay.json"; }
refused() { jq -r .error "$WORK/replay.json"; }

the_third_packet_dies_of_the_second() {
	ctl worker restart game --version poison >"$WORK/restart" || { cat "$WORK/restart"; return 1; }
	bots_start --players 50 --seconds 3000 --connect-timeout 30 --lost-after 60000 --seed "$SEED"
	wait_for '[ "$(counter replies)" -gt 500 ]'
	send "$(move 40)"
	send "$(move 41)"
	send "$(move 42)"
	wait_for '[ "$(counter quarantined)" = 1 ]'
	wait_for '[ -n "$(file)" ] && [ "$(file)" != null ]'
	equal "faults" "$(faults)" 2
	send "$(move 1)" # too old: answered, and nothing dies of a record that says 41 unless it is met
	bots_stop
	bots_wait || cat "$WORK/bots.err"
	bots_clean
}
its_records_are_kept() {
	ctl --json quarantine show "$(file)" >"$WORK/show.json"
	equal payload "$(jq -r .entry.payload "$WORK/show.json")" "$(move 42)"
	jq -r .entry.records "$WORK/show.json" | grep -E '^[1-9][0-9]* of schema 2$'
	tshark -r "$WORK/quarantine/$(file)" -T fields -e frame.comment 2>"$WORK/tshark.err" | grep 'of schema 2' # others pass it over
}
it_kills_again_on_its_records_alone() {
	equal "on the records" "$(replay)" "signal 11 kept poison"
	must_fail ctl quarantine replay "$(file)" | grep 'on kept records: died of signal 11'
	equal "on empty ones" "$(replay --without-records)" "handled reply empty poison"
	equal "mended" "$(replay --version tame)" "handled reply kept 1"
	ctl quarantine replay "$(file)" --version tame | grep 'on kept records: handled: reply, 48 bytes'
}
# The game of schema 3 has another layout: it answers with what it has migrated.
another_schema_migrates_them_first_or_says_that_it_cannot() {
	local undo
	replay --version tame >"$WORK/other"
	undo=$(jq .undo_bytes "$WORK/replay.json") # a player that is there; of a new one it is more
	equal "migrated" "$(replay --version "$TEST_PLUGINS/game_schema3.so")" "handled reply kept 3"
	equal "undo bytes" "$(jq .undo_bytes "$WORK/replay.json")" "$undo"
	replay --version "$TEST_PLUGINS/game_schema3.so" --without-records >"$WORK/other"
	[ "$(jq .undo_bytes "$WORK/replay.json")" -gt "$undo" ]
	replay --version "$TEST_PLUGINS/bad_static.so" >"$WORK/other"
	refused | grep 'the records kept are of schema 2; version .* does not migrate from it: --without-records'
	replay --version "$TEST_PLUGINS/bad_static.so" --without-records | grep '^handled'
}
damaged_records_are_not_run() {
	local path=$WORK/quarantine/$(file)
	printf '\377' | dd of="$path" bs=1 seek=$(($(stat -c %s "$path") - 20)) conv=notrunc status=none
	replay >"$WORK/other"
	equal "outcome" "$(jq -r .outcome "$WORK/replay.json")" exited
	equal "on empty ones" "$(replay --without-records)" "handled reply empty poison"
}
ledger_is_exact_after_all() { batond_stop; ledger_balances; grep 'pool io.0: full' "$WORK/batond.log"; }

port_tap && batond_start || fatal "no batond"
claim the_third_packet_dies_of_the_second the_third_packet_dies_of_the_second
claim its_records_are_kept its_records_are_kept
claim it_kills_again_on_its_records_alone it_kills_again_on_its_records_alone
claim another_schema_migrates_them_first_or_says_that_it_cannot another_schema_migrates_them_first_or_says_that_it_cannot
claim damaged_records_are_not_run damaged_records_are_not_run
claim ledger_is_exact_after_all ledger_is_exact_after_all
