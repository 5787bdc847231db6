#!/bin/bash
# A later game keeps its players' records in another layout: they are migrated under bots, with kills in between, and come
# back by its down-conversion; a version that has none is refused unless it is accepted. A snapshot, taken
# under traffic, puts chosen players back, and only those.
. "$(dirname "$0")/_init.sh"
OLD=$PLUGINS/game.so
NEW=$O/test-plugins/game_schema3.so
ONEWAY=$O/test-plugins/game_oneway.so
KILLS=${KILLS:-2}
GROUP_EXTRA="    restart_delay: 10ms
    restart_delay_most: 60s"

version() { ctl --json worker list | jq -r '[.workers[] | select(.state == "active") | .version] | unique | join(" ")'; }
pid_of() { ctl --json worker list | jq -r ".workers[] | select(.name == \"$1\" and .state == \"active\") | .pid"; }
process_of() { ctl --json worker list | jq -r ".workers[] | select(.name == \"$1\" and .pid > 0 and .state != \"dead\") | .pid" | head -1; }
replies_more() { local at; at=$(counter replies); wait_for "! bots_running || [ \$(counter replies) -gt $((at + $1)) ]"; bots_running || { cat "$WORK/bots.err"; return 1; }; }
all_serve() { [ "$(ctl --json worker list | jq '[.workers[] | select(.state == "active") | .buckets] | add')" = "$BUCKETS" ]; }
kill_some() {
	local i pid
	for ((i = 0; i < KILLS; i++)); do
		wait_for 'all_serve && [ -n "$(pid_of game.'$((i % 2))')" ]'
		pid=$(pid_of game.$((i % 2)))
		kill -KILL "$pid"
		wait_for "[ ! -e /proc/$pid ] && all_serve"
	done
}
play() { bots_start --players 100 --seconds 3000 --connect-timeout 30 --seed "$SEED"; replies_more 500; }
played_well() { bots_stop; bots_wait || cat "$WORK/bots.err"; bots_clean; }
sound() { ctl state verify >"$WORK/verify" 2>&1 || { cat "$WORK/verify"; return 1; }; }

records_migrate_under_traffic_and_kills() {
	play
	ctl worker restart game --version "$NEW" || return 1
	equal "version" "$(version)" 3
	kill_some
	replies_more 500
	[ "$(counter migrated)" -gt 0 ] || { echo "no bucket was migrated"; return 1; }
	sound
}
records_come_back_by_the_down_conversion() {
	ctl worker restart game --version "$OLD" || return 1
	[ "$(version)" != 3 ] || { echo "still version 3"; return 1; }
	kill_some
	replies_more 500
	grep -q 'records converted to schema 2 by slot' "$WORK/batond.log" || { echo "nothing was converted back"; return 1; }
	sound
	played_well
	echo "note: seed $SEED, $((2 * KILLS)) kills, $(bots_value received) replies"
}
# Having crashed twice game.0 waits 60 s for its successor; one of the old version, which an operator starts meanwhile,
# cannot read what the dead one left: a process of the dead one's version is started to convert it.
records_of_the_dead_are_converted_for_the_old_version() {
	local i pid
	play
	ctl worker restart game.0 --version "$NEW" || return 1
	replies_more 300
	sed -i 's/^    restart_delay: .*/    restart_delay: 60s/' "$WORK/baton.yaml" && ctl config reload --wait || return 1
	for ((i = 0; i < 4; i++)); do
		pid=$(process_of game.0)
		[ -n "$pid" ] || pid=$(process_of game.0) # not only between two
		[ -n "$pid" ] || break
		kill -SEGV "$pid" || true # the second death by a fault of its own within 10 s is what is paused after
		wait_for "[ ! -e /proc/$pid ]"
	done
	[ -z "$(process_of game.0)" ] || { echo "game.0 is back at once each time"; return 1; }
	ctl worker restart game.0 --version "$OLD" || return 1
	wait_for all_serve
	grep -q 'converter: pid [0-9]* ready' "$WORK/batond.log" || { echo "nobody was started to convert"; return 1; }
	sed -i 's/^    restart_delay: .*/    restart_delay: 10ms/' "$WORK/baton.yaml" && ctl config reload --wait || return 1
	replies_more 300
	sound
	played_well
}
one_way_is_refused_unless_accepted() {
	local before rc=0
	before=$(version)
	ctl worker restart game --version "$ONEWAY" >"$WORK/refused" 2>&1 || rc=$?
	cat "$WORK/refused"
	equal "exit code" "$rc" 1
	grep -q 'cannot convert back' "$WORK/refused" || return 1
	equal "version" "$(version)" "$before"
}
a_snapshot_puts_back_chosen_players_alone() {
	local a
	play
	ctl state snapshot "$WORK/before.snap" --group game || return 1
	replies_more 500
	played_well
	ctl state snapshot "$WORK/later.snap" --group game || return 1
	dump before; dump later
	a=$(diff "$WORK/before.txt" "$WORK/later.txt" | awk '$1 == ">" { print $2; exit }')
	[ -n "$a" ] || { echo "no bucket has changed between the two snapshots"; return 1; }
	ctl state restore "$WORK/before.snap" --buckets "$a" --group game || return 1
	ctl state snapshot "$WORK/after.snap" --group game || return 1
	dump after
	equal "bucket $a, put back" "$(grep "^$a " "$WORK/after.txt")" "$(grep "^$a " "$WORK/before.txt")"
	equal "the others" "$(grep -v "^$a " "$WORK/after.txt" | cksum)" "$(grep -v "^$a " "$WORK/later.txt" | cksum)"
	must_fail ctl state restore "$WORK/batond.log" --buckets "$a" --group game
	printf '\1' | dd of="$WORK/before.snap" bs=1 seek=5000 conv=notrunc status=none
	must_fail ctl state restore "$WORK/before.snap" --buckets "$a" --group game
	sound
}
dump() { "$BIN/test-snapshot" "$WORK/$1.snap" >"$WORK/$1.txt"; }
ledger_at_the_end() { batond_stop; ledger_balances; grep 'pool io.0: full' "$WORK/batond.log"; }

port_tap && batond_start || fatal "no batond"
claim records_migrate_under_traffic_and_kills records_migrate_under_traffic_and_kills
claim records_come_back_by_the_down_conversion records_come_back_by_the_down_conversion
claim records_of_the_dead_are_converted_for_the_old_version records_of_the_dead_are_converted_for_the_old_version
claim one_way_is_refused_unless_accepted one_way_is_refused_unless_accepted
claim a_snapshot_puts_back_chosen_players_alone a_snapshot_puts_back_chosen_players_alone
claim ledger_at_the_end ledger_at_the_end
