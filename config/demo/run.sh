#!/bin/bash
# The main job: players on ordinary kernel sockets talk through a TAP port to game logic that is hot-restarted every few
# seconds, and whose workers are killed with SIGKILL at random moments; at the end a report. Exit 0 only if nothing was lost,
# duplicated, reordered or wrong and the ledger balances.
#   RUN_SECONDS    length (60)              RUN_RESTART   seconds between hot restarts (5)
#   RUN_PLAYERS    players (200)            RUN_KILL      seconds between kills on average (2), 0: none
#   RUN_SEED       of the kills             RUN_KEEP=1    keep the logs
SCENARIO=demo
INSTANCE_PREFIX=demo
RUN_SECONDS=${RUN_SECONDS:-60}
RUN_RESTART=${RUN_RESTART:-5}
RUN_PLAYERS=${RUN_PLAYERS:-200}
RUN_KILL=${RUN_KILL:-2}
RUN_SEED=${RUN_SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
[[ $RUN_SECONDS =~ ^[1-9][0-9]*$ ]] || { echo "baton: RUN_SECONDS=$RUN_SECONDS: give whole seconds, 1 or more" >&2; exit 2; }
[[ $RUN_KILL =~ ^[0-9]+$ ]] || { echo "baton: RUN_KILL=$RUN_KILL: give whole seconds, or 0 for no kills" >&2; exit 2; }
[[ $RUN_SEED =~ ^[0-9]+$ ]] || { echo "baton: RUN_SEED=$RUN_SEED: give a whole number" >&2; exit 2; }
[ -z "${RUN_KEEP:-}" ] || { KEEP=${TMPDIR:-/tmp}; }
. "$(dirname "${BASH_SOURCE[0]}")/../../tests/smoke/_init.sh"

give_up() {
	printf 'baton: %s\n' "$*" >&2
	[ ! -s "$WORK/batond.log" ] || tail -20 "$WORK/batond.log" | sed 's/^/  batond: /' >&2
	exit 1
}
for program in batond baton-zygote batonctl baton-top baton-bots; do
	[ -x "$BIN/$program" ] || give_up "$BIN/$program is not there: run 'make' first"
done

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
say "$RUN_PLAYERS players for $RUN_SECONDS s, a hot restart of all workers every $RUN_RESTART s; ^C ends it"
[ "$RUN_KILL" -eq 0 ] || say "and every $RUN_KILL s or so a SIGKILL to some worker, whatever it does; seed $RUN_SEED"
bots_start --players "$RUN_PLAYERS" --seconds "$RUN_SECONDS" --connect-timeout 10

# ---- kills -----------------------------------------------------------------------------------------------------------
# Any worker that there is, also one that starts, or gives its buckets away.
killer() {
	local wait_ms victim
	RANDOM=$((RUN_SEED % 32768))
	while bots_running && [ $((SECONDS - clock)) -lt "$RUN_SECONDS" ]; do
		wait_ms=$((RANDOM % (RUN_KILL * 2000)))
		read -rt "$((wait_ms / 1000)).$(printf %03d $((wait_ms % 1000)))" <> <(:) || :
		victim=$(ctl --json worker list 2>/dev/null | jq -r '.workers[] | select(.pid > 0) | "\(.pid) \(.name)"' | sed -n "$((1 + RANDOM % WORKERS))p")
		[ -n "$victim" ] && bots_running && kill -KILL "${victim% *}" 2>/dev/null || continue
		echo "$victim" >>"$WORK/kills"
		printf '%5d s  SIGKILL to %s, pid %s\n' $((SECONDS - clock)) "${victim#* }" "${victim% *}"
	done
}
# What a restart may fail for when somebody kills its new worker: nothing has changed then, and it is tried again.
KILLED='the new worker died|cannot start|did not become steady|no free worker slot'

# ---- run --------------------------------------------------------------------------------------------------------------
restarts=0 refused=0 interrupted=0
clock=$SECONDS
: >"$WORK/kills"
if [ "$RUN_KILL" -gt 0 ]; then
	killer &
	run_process $!
fi
next_restart=$RUN_RESTART
[ "$RUN_SECONDS" -gt "$RUN_RESTART" ] || next_restart=0
next_frame=$((RUN_SECONDS > 10 ? 10 : RUN_SECONDS / 2))
while bots_running; do
	batond_lives || give_up "batond ended"
	now=$((SECONDS - clock))
	[ "$now" -le $((RUN_SECONDS + 60)) ] || give_up "the bots do not end"
	if [ "$now" -ge "$next_restart" ] && [ "$now" -lt "$RUN_SECONDS" ]; then
		if ctl worker restart game >"$WORK/restart.log" 2>&1; then
			restarts=$((restarts + 1))
			sed "s/^/  $(printf %3d $((SECONDS - clock))) s  /" "$WORK/restart.log"
		elif [ -s "$WORK/kills" ] && grep -qE "$KILLED" "$WORK/restart.log"; then
			interrupted=$((interrupted + 1))
			printf '%5d s  a kill has ended a hot restart, all stays as it was; it is tried again\n' "$now"
			continue
		else
			refused=$((refused + 1))
			sed 's/^/  hot restart failed: /' "$WORK/restart.log" >&2
		fi
		next_restart=$((now + RUN_RESTART))
	fi
	if [ "$now" -ge "$next_frame" ] && [ "$now" -lt "$RUN_SECONDS" ]; then
		"$BIN/baton-top" -i "$INSTANCE" --once || give_up "baton-top failed"
		next_frame=$((now + 10))
	fi
	sleep 0.2
done
bots_wait
ctl --json status >"$WORK/status.json" 2>/dev/null || :
batond_stop
stopped=$?

# ---- report -----------------------------------------------------------------------------------------------------------
number() { jq -r "$1 // 0" "$WORK/bots.json" 2>/dev/null || echo 0; }
verdict=0
bad() { verdict=1; echo "  FAILED      $1"; }

echo
echo "Report of $INSTANCE"
if [ ! -s "$WORK/bots.json" ]; then
	bad "the bots left no report: $(tail -1 "$WORK/bots.err")"
else
	printf '  packets     %s sent, %s answered (%s a second), round trip p50 %s us, p99 %s us\n' "$(number .sent)" \
		"$(number .received)" "$(number .per_second)" "$(number .rtt_p50_us)" "$(number .rtt_p99_us)"
	for what in lost duplicated reordered wrong; do
		printf '  %-11s %s\n' $what "$(number .$what)"
		[ "$(number .$what)" = 0 ] || bad "$(number .$what) $what"
	done
	printf '  longest gap %s ms between two replies\n' "$(number .longest_gap_ms)"
	[ "$(number .received)" -gt 0 ] || bad "nothing was answered"
fi
printf '  restarts    %d hot restarts of %d workers%s\n' "$restarts" "$WORKERS" \
	"$([ "$refused" -eq 0 ] || echo ", $refused failed")"
[ "$interrupted" -eq 0 ] || printf '  %-11s %d hot restarts were ended by a kill and tried again\n' '' "$interrupted"
[ "$refused" -eq 0 ] || bad "$refused hot restarts failed"
[ "$restarts" -gt 0 ] || [ "$next_restart" -eq 0 ] || bad "no hot restart took place"
kills=$(wc -l <"$WORK/kills")
if [ "$RUN_KILL" -gt 0 ]; then
	printf '  kills       %d SIGKILLs of workers, seed %s; %s\n' "$kills" "$RUN_SEED" "$(jq -r '.recovery |
		"with_unsettled \(.with_unsettled), redelivered \(.redelivered), records undone \(.records_undone)"' "$WORK/status.json")"
	[ "$kills" -gt 0 ] || [ "$RUN_SECONDS" -le $((RUN_KILL * 5)) ] || bad "no worker was killed"
fi
grep -o 'dropped [0-9n].*' "$WORK/batond.log" | sed 's/^/  drops       /'
grep -o 'ledger io\..*' "$WORK/batond.log" | sed 's/^/  /'
ledger_balances >/dev/null || bad "the ledger does not balance"
[ "$stopped" -eq 0 ] || bad "batond ended with status $stopped: $(tail -1 "$WORK/batond.log")"
[ "$verdict" -ne 0 ] || printf '  PASSED      every request was answered once, in order and rightly, across %d restarts and %d kills\n' "$restarts" "$kills"
cat <<END

What to try next
  RUN_SECONDS=600 RUN_PLAYERS=2000 make run       longer, with more players
  RUN_KILL=1 RUN_SEED=7 make run                  more kills, in an order that you can have again
  edit workers/plugins/game/move.c, make          and restart a worker of a running batond: batonctl -i NAME worker restart game
  build/bin/batond --check config/demo.yaml       check a configuration without root
  docs/sdk.md                                     write a plugin in 10 minutes, starting from workers/plugins/echo
  make test                                       all claims, over TAP, af_packet and af_xdp
END
exit $verdict
