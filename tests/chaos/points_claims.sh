# The kill-point sweep: batond, zygote and game of the build that can be ended at named points (shared/point.h), real bots,
# packets through a device. Sourced after tests/smoke/_init.sh.
. "$TREE/tests/chaos/quarantine.sh"
BATOND=$O/points/bin/batond
PLUGINS=$O/points/plugins
POINTS=$BIN/chaos-points
STATE=/dev/hugepages/baton.$INSTANCE.state
WORKERS=2
SLOTS=6
# Nothing that ends the sweep: no budget, no pauses; who is stopped before it is ready is given up after 2 s.
GROUP_EXTRA="    tick_period: 50ms
    restart_burst: off
    restart_delay_most: off
    park: {max_age: off}
    settings: {player.idle: 600s, regen.per_tick: 3}
workers:
  start_timeout: 2s
log:
  level: info
$(no_quarantine)"
SWEEP_BOTS="--players 100 --seconds 30000 --connect-timeout 30 --lost-after 60000 --tries 60 --mix move=60,heartbeat=10,attack=30"

# Every point of shared/point.h stands in the sources, and in no source stands another.
points_stand_in_the_sources() {
	local sources listed
	sources=$(grep -rhoE 'BATON_POINT\([a-z_]+\)' --include='*.[ch]' "$TREE"/{shared,primary,workers} |
		sed -E 's/.*\((.*)\)/\1/' | grep -vx name | sort -u)
	listed=$("$POINTS" list | cut -d' ' -f1 | sort)
	[ "$(wc -l <<<"$listed")" -gt 40 ]
	diff <(cat <<<"$sources") <(cat <<<"$listed")
}
points_when() { "$POINTS" list | awk -v when="$1" 'index(" " when " ", " " $2 " ") { print $1 }'; }
# New players now and then: records are made all the time, not at the beginning only.
newcomers() {
	local n=0
	while [ -e "$WORK/newcomers" ]; do
		n=$((n + 1))
		in_client "$BIN/baton-bots" --json --players 20 --requests 200 --lost-after 60000 --seed $((SEED + 1000 + n)) \
			"$BATON_IP:$UDP_PORT" >"$WORK/newcomers.json" 2>"$WORK/newcomers.err" </dev/null ||
			{ cat "$WORK/newcomers.json" "$WORK/newcomers.err" >>"$WORK/newcomers.bad"; }
	done
}
# workers_end_at_every_point HOW: each point, with the signals that the sweep draws or all of them.
workers_end_at_every_point() {
	local rc=0 pid wanted
	: >"$WORK/newcomers"
	newcomers &
	pid=$!
	bots_start $SWEEP_BOTS --seed "$SEED"
	wait_for '[ "$(counter replies)" -gt 1000 ]'
	"$POINTS" sweep --instance "$INSTANCE" --state "$STATE" --workers $WORKERS --buckets $BUCKETS --seed "$SEED" \
		--how "$1" ${ONLY_POINT:+--only "$ONLY_POINT"} >"$WORK/sweep" || rc=$?
	rm "$WORK/newcomers"
	wait $pid
	bots_stop
	bots_wait || cat "$WORK/bots.err"
	grep '^not ok' "$WORK/sweep" || :
	bots_clean
	equal "status of the sweep" $rc 0
	[ ! -e "$WORK/newcomers.bad" ] || { cat "$WORK/newcomers.bad"; return 1; }
	wanted=$(points_when "RUN START LEAVE" | wc -l)
	[ -n "${ONLY_POINT:-}" ] || equal "points tried" "$(grep -c '^ok point' "$WORK/sweep")" $((wanted * ($(wc -w <<<"$HOWS"))))
	echo "note: $(tail -1 "$WORK/sweep"), $(bots_value received) replies, longest gap $(bots_value longest_gap_ms) ms; $(ctl --json status | jq -c .recovery)"
}
books_are_exact_after_the_sweep() { batond_stop; ledger_balances; grep 'pool io.0: full' "$WORK/batond.log"; }

# ---- point by point ---------------------------------------------------------------------------------------------------

when_of() { "$POINTS" list | awk -v point="$1" '$1 == point { print $2 }'; }
# each_point COMMAND POINT...: COMMAND POINT HOW with each of the signals of $HOWS, or one of them drawn; $ENDS: how often.
# Neither this nor COMMAND may stand in front of || or &&: the shell would pass over all that fails in there.
each_point() {
	local command=$1 point how
	ENDS=0
	for point in "${@:2}"; do
		[ -z "${ONLY_POINT:-}" ] || [ "$ONLY_POINT" = "$point" ] || continue
		for how in $HOWS; do
			[ "$how" != drawn ] || { how=(kill segv stop); how=${how[RANDOM % 3]}; }
			echo "at $point, $how"
			"$command" "$point" "$how"
			ENDS=$((ENDS + 1))
		done
	done
}

# ---- the primary ------------------------------------------------------------------------------------------------------

# What makes the primary pass a point of that kind; again until it has.
provoke() {
	case $1 in
	DEATH) "$POINTS" trap "$STATE" all record_changed kill 1 ;;
	RESTART) ctl worker restart game >/dev/null 2>&1 & ;;
	esac
}
primary_is() { [ -e "$WORK/batond.rc" ] || { [ "$1" = stop ] && grep -q '^State:.T' "/proc/$(batond_pid)/status"; }; }
# ends_at POINT WHEN HOW: the primary does, and the next one goes on from the state file.
ends_at() {
	local point=$1 when=$2 how=$3 pass=1 end pid fired
	fired=$("$POINTS" disarm "$STATE")
	case $point in death_putting_back | move_redelivering | undo_one) pass=$((1 + RANDOM % 3)) ;; esac
	pid=$(batond_pid)
	if [ "$when" = BOOT ]; then
		kill -KILL "$pid"
		wait_for '[ -s "$WORK/batond.rc" ]'
		"$POINTS" arm "$STATE" "$point" "$how" 2
		batond_launch "$WORK/baton.yaml"
	else
		"$POINTS" arm "$STATE" "$point" "$how" "$pass"
	fi
	end=$((SECONDS + 60))
	until primary_is "$how"; do
		[ $SECONDS -lt $end ] || { echo "$point was never passed"; return 1; }
		provoke "$when"
		wait_for "primary_is $how" 3 >/dev/null || :
	done
	# Stopped: its workers settle what they have and wait; who looks after it ends it.
	[ -e "$WORK/batond.rc" ] || kill -KILL "$(batond_pid)"
	wait_for '[ -s "$WORK/batond.rc" ]'
	kill -USR1 "$(cat "$WORK/bots.pid")"
	equal "times that the primary ended at $point" "$("$POINTS" disarm "$STATE")" $((fired + 1))
	batond_start "$WORK/baton.yaml"
	wait_for '! bots_running || [ "$(counter replies)" -gt 500 ]'
	bots_running || { echo "the bots gave up after $point $how:"; cat "$WORK/bots.err"; return 1; }
	echo "$point $how" >>"$WORK/primary.done"
}
primary_ends_once() { ends_at "$1" "$(when_of "$1")" "$2"; }
# primary_ends_at POINTS...: each with the signals of $HOWS, or one of them drawn.
primary_ends_at() {
	RANDOM=$((SEED % 32768))
	: >"$WORK/primary.done"
	bots_start $SWEEP_BOTS --seed $((SEED + 1))
	wait_for '[ "$(counter replies)" -gt 1000 ]'
	each_point primary_ends_once "$@"
	bots_stop
	bots_wait || cat "$WORK/bots.err"
	bots_clean
	equal "attack faults" "$(bots_value attack.faults)" 0
	equal "books" "$(bots_value attack.books)" balanced
	echo "note: seed $SEED, $ENDS primaries ended, $(bots_value received) replies, $(bots_value outages.unanswered) requests unanswered"
	echo "note: $(tr '\n' ',' <"$WORK/primary.done")"
}
