#!/bin/bash
# The main job: players on ordinary kernel sockets talk through a TAP port to game logic that is hot-restarted, killed, and
# taken to other versions, while they play. A timeline, and at the end a report. Exit 0 only if nothing was lost, duplicated,
# reordered or wrong, the good candidate was promoted, the bad one rolled back by itself, and the ledger balances.
#
#	start | hot restarts | hot restarts and kills | a good rollout | a bad one | report
#
#   RUN_SECONDS    length (60): each part has its share; the rollouts take what they take
#   RUN_PLAYERS    players (200)            RUN_RESTART   seconds between hot restarts (5)
#   RUN_SEED       of the kills             RUN_KILL      seconds between kills on average (2), 0: none
#   RUN_KEEP=1     keep the logs          RUN_ROLLOUTS=0  no rollouts
SCENARIO=demo
INSTANCE_PREFIX=demo
RUN_SECONDS=${RUN_SECONDS:-60}
RUN_RESTART=${RUN_RESTART:-5}
RUN_PLAYERS=${RUN_PLAYERS:-200}
RUN_KILL=${RUN_KILL:-2}
RUN_ROLLOUTS=${RUN_ROLLOUTS:-1}
RUN_SEED=${RUN_SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
[[ $RUN_SECONDS =~ ^[1-9][0-9]*$ ]] || { echo "baton: RUN_SECONDS=$RUN_SECONDS: give whole seconds, 1 or more" >&2; exit 2; }
[[ $RUN_RESTART =~ ^[1-9][0-9]*$ ]] || { echo "baton: RUN_RESTART=$RUN_RESTART: give whole seconds, 1 or more" >&2; exit 2; }
[[ $RUN_KILL =~ ^[0-9]+$ ]] || { echo "baton: RUN_KILL=$RUN_KILL: give whole seconds, or 0 for no kills" >&2; exit 2; }
[[ $RUN_ROLLOUTS =~ ^[01]$ ]] || { echo "baton: RUN_ROLLOUTS=$RUN_ROLLOUTS: give 1, or 0 for none" >&2; exit 2; }
[[ $RUN_SEED =~ ^[0-9]+$ ]] || { echo "baton: RUN_SEED=$RUN_SEED: give a whole number" >&2; exit 2; }
[ -z "${RUN_KEEP:-}" ] || { KEEP=${TMPDIR:-/tmp}; }
. "$(dirname "${BASH_SOURCE[0]}")/../../tests/smoke/_init.sh"
GOOD=$O/test-plugins/game_v2.so
BAD=$O/test-plugins/game_v2_crash.so

give_up() {
	printf 'baton: %s\n' "$*" >&2
	[ ! -s "$WORK/batond.log" ] || tail -20 "$WORK/batond.log" | sed 's/^/  batond: /' >&2
	exit 1
}
for program in batond baton-zygote batonctl baton-top baton-bots; do
	[ -x "$BIN/$program" ] || give_up "$BIN/$program is not there: run 'make' first"
done

# ---- what happens is told with the second it happens in ---------------------------------------------------------------
clock=$SECONDS
now() { echo $((SECONDS - clock)); }
tell() { printf '%5d s  %s\n' "$(now)" "$*"; }
part() { printf '\n%5d s  == %s\n' "$(now)" "$*"; }
frame() { "$BIN/baton-top" -i "$INSTANCE" --once || give_up "baton-top failed"; }
# The second in which a part is over that has the first $1 % of the run behind it.
share() { echo $((RUN_SECONDS * $1 / 100)); }
alive() {
	batond_lives || give_up "batond ended"
	bots_running || give_up "the bots ended: $(tail -1 "$WORK/bots.err")"
}

# ---- start ------------------------------------------------------------------------------------------------------------
CLIENT=$SERVER
CLIENT_DEV=baton0
PORT_KIND=tap
WORKERS=2
BUCKETS=4096
netns_make "$SERVER" || give_up "cannot make a network namespace: root with CAP_SYS_ADMIN is needed (container: --privileged)"
sed -e "s|^name: .*|name: $INSTANCE|" -e "s|plugin: .*/plugins/|plugin: $PLUGINS/|" "$TREE/config/demo.yaml" >"$WORK/demo.yaml"
began=$EPOCHREALTIME
batond_start "$WORK/demo.yaml" >"$WORK/start.log" 2>&1 || give_up "batond did not start: $(cat "$WORK/start.log")"
say "batond $(batond_pid) with $WORKERS workers is up after $(seconds_since "$began") s: instance $INSTANCE, in namespace $SERVER"
say "port: TAP device $CLIENT_DEV; Baton is $BATON_IP:$UDP_PORT, the players $CLIENT_IP on the kernel's side"
in_client ping -c 1 -W 5 "$BATON_IP" >"$WORK/ping.log" 2>&1 || give_up "no answer to a ping of $BATON_IP"
say "ping: $(sed -n 's/.*icmp_seq=\(.*\)/seq \1/p' "$WORK/ping.log")"
say "$RUN_PLAYERS players for about $RUN_SECONDS s; ^C ends it"
bots_start --players "$RUN_PLAYERS" --seconds $((RUN_SECONDS + 3600)) --connect-timeout 10
clock=$SECONDS

# ---- hot restarts and kills -------------------------------------------------------------------------------------------
# Any worker that there is, also one that starts, or gives its buckets away.
killer() {
	local until=$1 wait_ms victim
	RANDOM=$((RUN_SEED % 32768))
	while bots_running && [ "$(now)" -lt "$until" ]; do
		wait_ms=$((RANDOM % (RUN_KILL * 2000)))
		read -rt "$((wait_ms / 1000)).$(printf %03d $((wait_ms % 1000)))" <> <(:) || :
		victim=$(ctl --json worker list 2>/dev/null | jq -r '.workers[] | select(.pid > 0) | "\(.pid) \(.name)"' | sed -n "$((1 + RANDOM % WORKERS))p")
		[ -n "$victim" ] && bots_running && kill -KILL "${victim% *}" 2>/dev/null || continue
		echo "$victim" >>"$WORK/kills"
		tell "SIGKILL to ${victim#* }, pid ${victim% *}"
	done
}
# What a restart may fail for when somebody kills its new worker: nothing has changed then, and it is tried again.
KILLED='the new worker died|cannot start|did not become steady|no free worker slot'

restarts=0 refused=0 interrupted=0
next_restart=$RUN_RESTART
restart() {
	local line
	if ctl worker restart game >"$WORK/restart.log" 2>&1; then
		restarts=$((restarts + 1))
		while read -r line; do tell "$line"; done <"$WORK/restart.log"
	elif [ -s "$WORK/kills" ] && grep -qE "$KILLED" "$WORK/restart.log"; then
		interrupted=$((interrupted + 1))
		tell "a kill has ended a hot restart, all stays as it was; it is tried again"
		return
	else
		refused=$((refused + 1))
		tell "hot restart failed: $(cat "$WORK/restart.log")" >&2
	fi
	next_restart=$(($(now) + RUN_RESTART))
}
# restarts_until SECOND: at least one.
restarts_until() {
	local before=$restarts
	while [ "$(now)" -lt "$1" ] || { [ "$restarts" -eq "$before" ] && [ "$(now)" -lt $(($1 + 60)) ]; }; do
		alive
		[ "$(now)" -lt "$next_restart" ] && [ "$(now)" -lt "$1" ] || restart
		sleep 0.2
	done
}

# ---- rollouts ---------------------------------------------------------------------------------------------------------
# What the operator would see with `batonctl rollout status game --watch`, a line for each change.
rollout_row() { ctl --json rollout status game 2>/dev/null | jq -r ".rollouts[0] | $1"; }
rollout() { # FILE WANTED STATE
	local file=$1 wanted=$2 line last= until=$(($(now) + 120))
	tell "batonctl rollout start game --to ${file##*/}"
	ctl rollout start game --to "$file" >"$WORK/rollout.log" 2>&1 || give_up "the rollout did not start: $(cat "$WORK/rollout.log")"
	while :; do
		alive
		line=$(rollout_row '"\(.state): \(.phase), weight \(.weight / 10) %\(if .why != "" and .why != null then "; " + (.why | sub(": [0-9]+ of .*"; "")) else "" end)"')
		[ -z "$line" ] || [ "$line" = "$last" ] || tell "$line"
		last=${line:-$last}
		case $line in healthy:* | degraded:*) [ "$(rollout_row .phase)" = rollback ] || break ;; esac
		[ "$(now)" -lt "$until" ] || give_up "the rollout does not end"
		sleep 0.1
	done
	ended="${last%%:*}"
	[ "$ended" = "$wanted" ]
}

# ---- run --------------------------------------------------------------------------------------------------------------
: >"$WORK/kills"
part "hot restarts: all workers are replaced every $RUN_RESTART s"
restarts_until "$(share 20)"
if [ "$RUN_KILL" -gt 0 ]; then
	part "hot restarts, and every $RUN_KILL s or so a SIGKILL to some worker, whatever it does; seed $RUN_SEED"
	killer "$(share 45)" &
	killing=$!
	run_process $killing
fi
restarts_until "$(share 45)"
[ "$RUN_KILL" -eq 0 ] || wait "$killing"
frame
good='' bad=''
if [ "$RUN_ROLLOUTS" = 1 ]; then
	part "a rollout of a good version: 10 %, 50 %, 100 % of the players, each step watched by the gates"
	rollout "$GOOD" healthy && good=1
	frame
	part "a rollout of a version that crashes: it goes back by itself"
	rollout "$BAD" degraded && bad=1
	frame
fi
part "they play on"
while [ "$(now)" -lt "$RUN_SECONDS" ]; do
	alive
	sleep 0.2
done
bots_stop
bots_wait
ctl --json status >"$WORK/status.json" 2>/dev/null || :
ctl --json worker list >"$WORK/workers.json" 2>/dev/null || :
batond_stop
stopped=$?

# ---- report -----------------------------------------------------------------------------------------------------------
number() { jq -r "$1 // 0" "$WORK/bots.json" 2>/dev/null || echo 0; }
verdict=0
failed() { verdict=1; echo "  FAILED      $1"; }

echo
echo "Report of $INSTANCE"
if [ ! -s "$WORK/bots.json" ]; then
	failed "the bots left no report: $(tail -1 "$WORK/bots.err")"
else
	printf '  packets     %s sent, %s answered (%s a second), round trip p50 %s us, p99 %s us\n' "$(number .sent)" \
		"$(number .received)" "$(number .per_second)" "$(number .rtt_p50_us)" "$(number .rtt_p99_us)"
	for what in lost duplicated reordered wrong; do
		printf '  %-11s %s\n' $what "$(number .$what)"
		[ "$(number .$what)" = 0 ] || failed "$(number .$what) $what"
	done
	printf '  longest gap %s ms between two replies\n' "$(number .longest_gap_ms)"
	[ "$(number .received)" -gt 0 ] || failed "nothing was answered"
fi
printf '  restarts    %d hot restarts of %d workers%s\n' "$restarts" "$WORKERS" \
	"$([ "$refused" -eq 0 ] || echo ", $refused failed")"
[ "$interrupted" -eq 0 ] || printf '  %-11s %d hot restarts were ended by a kill and tried again\n' '' "$interrupted"
[ "$refused" -eq 0 ] || failed "$refused hot restarts failed"
[ "$restarts" -gt 0 ] || failed "no hot restart took place"
kills=$(wc -l <"$WORK/kills")
if [ "$RUN_KILL" -gt 0 ]; then
	printf '  kills       %d SIGKILLs of workers, seed %s; %s\n' "$kills" "$RUN_SEED" "$(jq -r '.recovery |
		"with_unsettled \(.with_unsettled), redelivered \(.redelivered), records undone \(.records_undone)"' "$WORK/status.json")"
	[ "$kills" -gt 0 ] || [ "$RUN_SECONDS" -le $((RUN_KILL * 20)) ] || failed "no worker was killed"
fi
if [ "$RUN_ROLLOUTS" = 1 ]; then
	printf '  rollouts    %s %s; %s %s\n' "${GOOD##*/}" "$([ -n "$good" ] && echo 'was promoted' || echo 'was NOT promoted')" \
		"${BAD##*/}" "$([ -n "$bad" ] && echo 'crashed and was rolled back by itself' || echo 'was NOT rolled back')"
	[ -n "$good" ] || failed "the good version was not promoted"
	[ -n "$bad" ] || failed "the bad version was not rolled back"
	versions=$(jq -r '[.workers[].version] | unique | join(", ")' "$WORK/workers.json")
	[ "$versions" = 2 ] || failed "at the end workers ran version $versions, should be 2, the good one"
fi
grep -o 'dropped [0-9n].*' "$WORK/batond.log" | sed 's/^/  drops       /'
grep -o 'ledger io\..*' "$WORK/batond.log" | sed 's/^/  /'
ledger_balances >/dev/null || failed "the ledger does not balance"
[ "$stopped" -eq 0 ] || failed "batond ended with status $stopped: $(tail -1 "$WORK/batond.log")"
[ "$verdict" -ne 0 ] || printf '  PASSED      every request was answered once, in order and rightly, across %d restarts, %d kills%s\n' "$restarts" "$kills" \
	"$([ "$RUN_ROLLOUTS" = 0 ] || echo ' and two rollouts')"
cat <<END

What to try next
  RUN_SECONDS=600 RUN_PLAYERS=2000 make run       longer, with more players
  RUN_KILL=1 RUN_SEED=7 make run                  more kills, in an order that you can have again
  RUN_KEEP=1 make run                             keep the logs: what batond said of restarts, kills and rollouts
  edit workers/plugins/game/move.c, make          and restart a worker of a running batond: batonctl -i NAME worker restart game
  build/bin/batond --check config/demo.yaml       check a configuration without root
  docs/sdk.md                                     write a plugin in 10 minutes, starting from workers/plugins/echo
  make test                                       all claims, over TAP, af_packet and af_xdp
END
exit $verdict
