# Conversions, snapshots and restores, ended at every named point of theirs: workers, the primary, and whoever writes a
# snapshot. Sourced after points_claims.sh. The configured game is the one of the newer schema: it reads both, so that a
# primary that starts anew may find records of either, and half converted ones. Its way back crashes on one player's
# record, who does not play until `poison`.
OLD=$O/plugins/game.so
mkdir -p "$WORK/plugins"
cp "$O/test-plugins/game_badback.so" "$WORK/plugins/game.so"
NEW=$WORK/plugins/game.so
PLUGINS=$WORK/plugins
BUCKETS=256

back_and_forth() { ctl worker restart game --version "$OLD"; ctl worker restart game --version "$NEW"; }
fired() { "$POINTS" fired "$STATE"; }
all_serve() { [ "$(ctl --json worker list | jq '[.workers[] | select(.state == "active") | .buckets] | add')" = "$BUCKETS" ]; }
replies_more() { local at; at=$(counter replies); wait_for "! bots_running || [ \$(counter replies) -gt $((at + $1)) ]"; bots_running || { cat "$WORK/bots.err"; return 1; }; }
sound() { ctl state verify >"$WORK/verify" 2>&1 || { cat "$WORK/verify"; return 1; }; }

# worker_ends_at POINT HOW: whoever converts, or migrates, passes it at the 1st to 5th time.
worker_ends_at() {
	local before end
	before=$(fired)
	"$POINTS" trap "$STATE" all "$1" "$2" $((1 + RANDOM % 5))
	end=$((SECONDS + 60))
	until [ "$(fired)" -gt "$before" ]; do
		[ $SECONDS -lt $end ] || { echo "$1 was never passed"; return 1; }
		back_and_forth >"$WORK/restart" 2>&1 || : # of a restart that meets a death nothing is asked but that all goes on
	done
	"$POINTS" disarm "$STATE" >"$WORK/disarmed"
	wait_for all_serve
	replies_more 200
	sound
}
workers_end_while_they_convert() {
	RANDOM=$((SEED % 32768))
	bots_start $SWEEP_BOTS --seed "$SEED"
	replies_more 1000
	each_point worker_ends_at "$@"
	bots_stop
	bots_wait || cat "$WORK/bots.err"
	bots_clean
	equal "attack faults" "$(bots_value attack.faults)" 0
	equal "books" "$(bots_value attack.books)" balanced
	echo "note: seed $SEED, $ENDS ends, $(fired) workers, $(bots_value received) replies"
}

# ---- the primary ------------------------------------------------------------------------------------------------------

snapshot() { rm -f "$WORK/$1.snap"; ctl state snapshot "$WORK/$1.snap" --group game >"$WORK/said" || { cat "$WORK/said"; return 1; }; "$BIN/test-snapshot" "$WORK/$1.snap" >"$WORK/$1.txt"; }
differ() { diff "$WORK/$1.txt" "$WORK/$2.txt" | awk '$1 == ">" { print $2 }' | sort -un; }
# Players who have gone: what two snapshots say of them differs, and nothing else changes it.
ghosts_play() {
	wait_for 'ctl worker restart game --version "$NEW"'
	wait_for 'snapshot first && must_fail grep -v " schema 3 " "$WORK/first.txt"' # ticks see to that
	bots_start --players 60 --seconds 3000 --connect-timeout 30 --lost-after 60000 --mix move=90,heartbeat=10 --seed $((SEED + 5))
	replies_more 500
	snapshot first
	replies_more 500
	bots_stop
	bots_wait || cat "$WORK/bots.err"
	bots_clean
	snapshot second
}
# Their buckets, without those of players who play now.
choose_ghosts() {
	[ ! -s "$WORK/ghosts" ] || return 0
	replies_more 3000 # everybody has come
	snapshot third
	comm -23 <(differ first second | sort) <(differ second third | sort) | sort -n >"$WORK/ghosts"
	[ "$(wc -l <"$WORK/ghosts")" -ge 10 ] || { echo "too few: $(cat "$WORK/ghosts")"; return 1; }
}
ghosts() { paste -sd, "$WORK/ghosts"; }
restore() { ctl state restore "$WORK/$1.snap" --buckets "$(ghosts)" --group game; }
line_of() { awk -v b="$2" '$1 == b' "$WORK/$1.txt"; }
# A bucket is what one of the two snapshots says, whole.
ghosts_are_whole() {
	local b is
	snapshot now
	while read -r b; do
		is=$(line_of now "$b")
		[ "$is" = "$(line_of first "$b")" ] || [ "$is" = "$(line_of second "$b")" ] ||
			{ echo "bucket $b is '$is', neither '$(line_of first "$b")' nor '$(line_of second "$b")'"; return 1; }
	done <"$WORK/ghosts"
}
ghosts_are() {
	local b
	restore "$1" >"$WORK/said" || { cat "$WORK/said"; return 1; }
	snapshot now
	while read -r b; do equal "bucket $b" "$(line_of now "$b")" "$(line_of "$1" "$b")"; done <"$WORK/ghosts"
}
# A PLAYER_MOVE of player 666, sequence 40: that record exists.
poison() {
	in_client bash -c "printf '$(printf '30000000010000009a02000028000000%064d' 0 | sed 's/../\\x&/g')' >/dev/udp/$BATON_IP/$UDP_PORT"
}
# In place of points_claims.sh's.
PROVOKED=()
provoke() {
	case $1 in
	HOLD) back_and_forth >/dev/null 2>&1 & ;;
	HELD) { poison; back_and_forth; } >/dev/null 2>&1 & ;;
	RESTORE) { restore first; restore second; } >/dev/null 2>&1 & ;;
	esac
	PROVOKED+=($!)
}
# What was ordered of the one that ended, or of the next: it is over.
orders_end() { [ ${#PROVOKED[@]} -eq 0 ] || wait "${PROVOKED[@]}" || :; PROVOKED=(); }
# The primary's start after a restore that was cut off is cut off itself.
undo_ends_at() {
	local point=$1 how=$2
	ends_in_the_middle restore_written
	"$POINTS" arm "$STATE" "$point" "$how" 1
	batond_launch "$WORK/baton.yaml"
	wait_for "primary_is $how"
	[ -e "$WORK/batond.rc" ] || kill -KILL "$(batond_pid)"
	wait_for '[ -s "$WORK/batond.rc" ]'
	batond_start "$WORK/baton.yaml"
	grep -q 'a restore of a bucket was cut off' "$WORK/batond.log"
	wait_for '! bots_running || [ "$(counter replies)" -gt 500 ]'
	bots_running || { cat "$WORK/bots.err"; return 1; }
}
ends_in_the_middle() {
	"$POINTS" arm "$STATE" "$1" kill $((1 + RANDOM % 5))
	local end=$((SECONDS + 60))
	until [ -e "$WORK/batond.rc" ]; do
		[ $SECONDS -lt $end ] || { echo "$1 was never passed"; return 1; }
		provoke RESTORE
		wait_for '[ -e "$WORK/batond.rc" ]' 3 >/dev/null || :
	done
	kill -USR1 "$(cat "$WORK/bots.pid")"
}
record_change_ends_at() {
	local when
	when=$(when_of "$1")
	if [ "$when" = UNDO ]; then undo_ends_at "$1" "$2"; else ends_at "$1" "$when" "$2"; fi
	orders_end
	wait_for all_serve
	sound
	case $when in HOLD | HELD) return 0 ;; esac # their schema changes, too
	ghosts_are_whole
	ghosts_are first
	ghosts_are second
}
primary_ends_while_records_change() {
	RANDOM=$((SEED % 32768))
	: >"$WORK/primary.done"
	# without attacks, which leave records with whoever is attacked, ghosts among them
	bots_start $SWEEP_BOTS --mix move=90,heartbeat=10 --seed $((SEED + 1))
	choose_ghosts
	each_point record_change_ends_at "$@"
	bots_stop
	bots_wait || cat "$WORK/bots.err"
	bots_clean
	echo "note: seed $SEED, $ENDS primaries ended, $(wc -l <"$WORK/ghosts") buckets put back, $(bots_value received) replies"
}

# ---- whoever writes a snapshot ------------------------------------------------------------------------------------------

# Nothing is left of it; the primary and its workers do not notice.
snapshots_are_cut_off() {
	local point how before pass
	for point; do
		for how in kill segv; do
			before=$("$POINTS" disarm "$STATE")
			rm -f "$WORK/cut.snap"
			pass=1
			[ "$point" != snapshot_copied ] || pass=$((1 + RANDOM % 200))
			"$POINTS" arm "$STATE" "$point" "$how" $pass
			must_fail ctl state snapshot "$WORK/cut.snap" --group game 2>"$WORK/cut.err"
			equal "times at $point" "$("$POINTS" disarm "$STATE")" $((before + 1))
			must_fail test -e "$WORK/cut.snap"
		done
	done
	snapshot whole
}
