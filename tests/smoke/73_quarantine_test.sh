#!/bin/bash
# One packet that kills whoever handles it, among those of players: it kills as many workers as it may, then it is in a file,
# and players lose nothing. Then one that stalls, a version whose ticks kill, and a directory that cannot be written.
. "$(dirname "$0")/_init.sh"
export HOME=$WORK # no profile of whoever runs tshark
ATTEMPTS=2
# configuration HOW BURST GOOD_AFTER DIRECTORY: `quarantine` stands behind the group's lines.
configuration() {
	GROUP_EXTRA="    restart_burst: $2
    good_after: $3
    stall_wall: 60s
    versions:
      - {name: tame, plugin: $PLUGINS/game.so}
      - {name: poison, plugin: ${PLUGINS%/*}/test-plugins/game_poison.so}
    settings: {poison.how: $1}
quarantine: {attempts: $ATTEMPTS, directory: $4}"
}
reload() { batond_config >"$WORK/baton.yaml"; ctl config reload --wait >/dev/null; }
# A valid PLAYER_MOVE of player 666, from the clients' side; nobody waits for its reply.
MOVE=30000000010000009a02000009000000$(printf '%064d' 0)
send_poison() { in_client bash -c "printf '$(sed 's/../\\x&/g' <<<"$MOVE")' >/dev/udp/$BATON_IP/$UDP_PORT"; }
faults() { grep -c 'died: signal 11' "$WORK/batond.log"; }
answers() { wait_for "[ \$(counter replies) -gt $(($(counter replies) + 500)) ]"; }
files() { ctl --json quarantine list | jq -r '.files[].name'; }
versions() { ctl --json worker list | jq -r '[.workers[] | select(.state == "active") | .version] | sort | join(" ")'; }
play() { bots_start --players 100 --seconds 3000 --connect-timeout 30 --lost-after 60000 --seed "$SEED"; answers; }
bots_found_nothing_wrong() {
	bots_stop
	bots_wait || cat "$WORK/bots.err"
	bots_clean
}

# With a budget of as many crashes: one packet must not spend it.
one_packet_ends_two_workers_and_then_nothing() {
	ctl worker restart game --version poison >/dev/null
	play
	send_poison
	wait_for '[ "$(counter quarantined)" = 1 ]'
	answers
	equal "faults" "$(faults)" $ATTEMPTS
	equal "quarantined" "$(counter quarantined)" 1
	equal "files" "$(files | wc -l)" 1
	must_fail grep 'restarts spent' "$WORK/batond.log"
	ctl --json status >"$WORK/status.json" || true
	jq -r '.sentences[].text' "$WORK/status.json" | grep 'quarantine'
	bots_found_nothing_wrong
	echo "note: seed $SEED, $(counter redelivered) packets redelivered"
}
it_can_be_looked_at() {
	local name file build
	name=$(files)
	file=$WORK/quarantine/$name
	build=$(readelf -n "${PLUGINS%/*}/test-plugins/game_poison.so" | awk '/Build ID/ {print $3}')
	ctl --json quarantine show "$name" >"$WORK/show.json"
	equal entry "$(jq -r '.entry | [.entry, .plugin, .version, .build_id, .signal, .address, .service, .deaths] | join(" ")' "$WORK/show.json")" \
		"packet game poison $build SIGSEGV 0x8 game $ATTEMPTS"
	equal payload "$(jq -r .entry.payload "$WORK/show.json")" "$MOVE"
	equal worker "$(jq -r .entry.worker "$WORK/show.json" | sed 's/[01]$/N/')" game.N
	ctl quarantine show "$name" | grep -A1 'payload   48 bytes' | grep '  0000  30 00 00 00 01 00 00 00 9a 02'
	ctl quarantine list | grep "^$name *packet *game "
	# for whoever has no Baton: tshark, with the project's dissector
	tshark -r "$file" -T fields -e frame.comment -e frame.time_epoch 2>"$WORK/tshark.err" >"$WORK/comment"
	grep 'signal: SIGSEGV' "$WORK/comment"
	grep "build_id: $build" "$WORK/comment"
	equal dissected "$(tshark -X "lua_script:$TREE/docs/baton.lua" -r "$file" -T fields -E separator=, -e ip.src -e udp.dstport \
		-e baton.type -e baton.player -e baton.sequence 2>"$WORK/tshark.err")" "$CLIENT_IP,$UDP_PORT,1,666,9"
	equal mode "$(stat -c %a "$file")" 600
	must_fail ctl quarantine show "../$name" 2>"$WORK/show.err"
	must_fail ctl quarantine show 20260101T000000.000000000Z-game-1.pcapng 2>"$WORK/show.err"
	grep 'no such file in' "$WORK/show.err"
}
it_can_be_run_again_without_traffic() {
	local name before rc=0
	name=$(files)
	before=$(faults)
	ctl --json quarantine replay "$name" >"$WORK/replay.json" || rc=$?
	equal "exit code" $rc 1
	equal replay "$(jq -r '[.outcome, .signal, .address, .version, .stage] | join(" ")' "$WORK/replay.json")" "signal 11 0x8 poison entry"
	ctl --json quarantine replay "$name" --version tame >"$WORK/replay.json"
	equal replay "$(jq -r '[.outcome, .verdict, .reply_bytes, .version] | join(" ")' "$WORK/replay.json")" "handled reply 48 1"
	equal "the reply's head" "$(jq -r '.reply[:32]' "$WORK/replay.json")" "${MOVE:0:32}"
	ctl quarantine replay "$name" --version "$PLUGINS/game.so" | grep 'handled: reply, 48 bytes'
	must_fail ctl quarantine replay "$name" --version nobodys 2>"$WORK/replay.err"
	grep 'no such version' "$WORK/replay.err"
	equal "faults of workers" "$(faults)" "$before"
	equal "orders in the audit log" "$(ctl --json audit | jq '[.orders[] | select(.verb == "quarantine.replay")] | length')" 4
}
# Nobody can say where in its burst a worker stalled: that may take one more.
a_packet_that_stalls_goes_too() {
	local stalls
	configuration stall 10 1h "$WORK/quarantine"
	reload
	play
	send_poison
	wait_for '[ "$(counter quarantined)" = 2 ]'
	answers
	stalls=$(counter stalls)
	[ "$stalls" -ge $ATTEMPTS ] && [ "$stalls" -le $((ATTEMPTS + 1)) ] || { echo "$stalls stalls"; return 1; }
	equal "files" "$(files | wc -l)" 2
	ctl --json quarantine list | jq -r '.files[1].signal' | grep 'stalled'
	bots_found_nothing_wrong
}
a_directory_that_cannot_be_written_stops_nothing() {
	configuration crash 10 1h /proc/nowhere
	reload
	play
	send_poison
	wait_for '[ "$(counter quarantined)" = 3 ]'
	wait_for '[ "$(counter quarantine_unkept)" = 1 ]'
	grep 'quarantine: an entry is in no file: /proc/nowhere: ' "$WORK/batond.log"
	answers
	bots_found_nothing_wrong
}
# Ticks must be run: there is nothing to drop.
a_version_whose_ticks_kill_is_left() {
	local ticks
	configuration tick 10 300ms "$WORK/quarantine"
	reload
	ctl worker restart game --version tame >/dev/null
	wait_for 'grep "group game: version 1 is what it falls back to if a later one crashes" "$WORK/batond.log"'
	configuration tick 10 1h "$WORK/quarantine"
	reload
	ctl worker restart game --version poison >/dev/null
	play
	send_poison # no poison here, but now there is a player 666
	wait_for 'grep "group game: version poison has died of ticks, which must be run, $ATTEMPTS times: it falls back to 1" "$WORK/batond.log"'
	wait_for '[ "$(versions)" = "1 1" ]'
	answers
	equal "quarantined" "$(counter quarantined)" 3
	bots_found_nothing_wrong
}
ledger_is_exact_after_all() { batond_stop; ledger_balances; grep 'pool io.0: full' "$WORK/batond.log"; }

configuration crash $ATTEMPTS 1h "$WORK/quarantine"
port_tap && batond_start || fatal "no batond"
claim one_packet_ends_two_workers_and_then_nothing one_packet_ends_two_workers_and_then_nothing
claim it_can_be_looked_at it_can_be_looked_at
claim it_can_be_run_again_without_traffic it_can_be_run_again_without_traffic
claim a_packet_that_stalls_goes_too a_packet_that_stalls_goes_too
claim a_directory_that_cannot_be_written_stops_nothing a_directory_that_cannot_be_written_stops_nothing
claim a_version_whose_ticks_kill_is_left a_version_whose_ticks_kill_is_left
claim ledger_is_exact_after_all ledger_is_exact_after_all
