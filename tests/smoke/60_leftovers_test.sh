#!/bin/bash
# kill -9 of batond under traffic and while it starts: its processes leave by themselves, the next start removes what is
# left and serves on with the acknowledged positions, and nothing piles up.
. "$(dirname "$0")/_init.sh"
KILLS=${KILLS:-5}
HUGE=$WORK/huge # a mount of our own: its free pages are nobody else's
EAL_EXTRA="  huge_dir: $HUGE"

pages_free() { stat -f -c %f "$HUGE"; }
# What one boot leaves and the next must not find: all but the state file, which is kept.
files() { ls -d /run/baton/"$INSTANCE"/* /run/baton/dpdk/baton-"$INSTANCE"-* "$HUGE"/baton-"$INSTANCE"-* /dev/shm/baton."$INSTANCE".stats 2>/dev/null || :; }
boots() { files | sed -n "s/.*baton-$INSTANCE-\([0-9a-f]\{16\}\).*/\1/p" | sort -u; }
# Every process of the instance: batond, zygote, spare, workers, each with its start time.
processes() {
	local pid
	for pid in $(batond_pid) $(ctl --json status | jq '.zygote.pid, .zygote.spare_pid') $(ctl --json worker list | jq '.workers[].pid'); do
		echo "$pid $(proc_start "$pid")"
	done
}
none_lives() {
	local pid start
	while read -r pid start; do
		[ "$(proc_start "$pid")" != "$start" ] || return 1
		[ "$(ls "/proc/$pid/task" 2>/dev/null | wc -l)" -le 1 ] || return 1 # a zombie whose threads are not through
	done <"$WORK/processes"
}
kill_batond() {
	processes >"$WORK/processes"
	equal "processes" "$(wc -l <"$WORK/processes")" $((3 + WORKERS))
	kill -KILL "$(batond_pid)"
	wait_for none_lives
	wait_for '[ -s "$WORK/batond.rc" ]'
}
# The first start, for the state file and a place to count from.
orderly_stop_leaves_the_state_file_only() {
	batond_start
	batond_stop
	ledger_balances
	equal "files" "$(files)" ""
	equal "in $HUGE" "$(ls "$HUGE")" "baton.$INSTANCE.state"
	pages_free >"$WORK/pages"
}
killed_batonds_are_followed_without_a_trace() {
	local i boot replies
	batond_start
	bots_start --players 50 --seconds 3000 --connect-timeout 30 --lost-after 1500 --stale 300 --repeat 100 --seed "$SEED"
	for ((i = 0; i < KILLS; i++)); do
		wait_for '! bots_running || [ "$(counter replies)" -gt 1000 ]'
		bots_running || { cat "$WORK/bots.err"; return 1; }
		boot=$(boots)
		kill_batond
		[ -S "/run/baton/$INSTANCE/control.sock" ] # else what follows would prove nothing
		[ -e "/dev/shm/baton.$INSTANCE.stats" ]
		[ "$(files | grep -c "$boot")" -gt 10 ]
		: >"$WORK/batond.log"
		batond_start
		grep 'removed .* EAL directories and .* huge pages of earlier runs that were killed' "$WORK/batond.log"
		grep "removed .*control.sock of an earlier run" "$WORK/batond.log"
		grep "baton.$INSTANCE.state: taken over from the last run" "$WORK/batond.log"
		equal "files of the dead" "$(files | grep "$boot")" ""
		wait_for 'ctl status'
	done
	wait_for '[ "$(counter replies)" -gt 1000 ]'
	bots_stop
	bots_wait || :
	echo "note: seed $SEED, $KILLS kills, $(bots_value received) replies, $(bots_value lost) lost, $(bots_value stale_replies) old moves answered"
}
# Old moves are answered with the position that holds: the bots know what had been acknowledged before each kill. What
# was under way at a kill is lost, for nobody sends it again.
acknowledged_positions_outlive_the_primary() {
	local what
	for what in duplicated reordered wrong; do equal $what "$(bots_value $what)" 0 || { cat "$WORK/bots.json" "$WORK/bots.err"; return 1; }; done
	[ "$(bots_value stale_replies)" -gt 1000 ]
	[ "$(bots_value lost)" -le $((KILLS * 256)) ]
}
# Nobody waits for the end of the one before: the kernel is still taking it apart, lock and pages in hand.
started_in_the_moment_of_a_kill() {
	local i pid=
	batond_stop
	for ((i = 0; i < KILLS; i++)); do
		[ -z "$pid" ] || kill -KILL $pid
		: >"$WORK/again.log" # here, not in the child: until that runs, the one before would seem to be ready
		ip netns exec "$SERVER" "$BIN/batond" "$WORK/baton.yaml" >>"$WORK/again.log" 2>&1 </dev/null &
		pid=$!
		run_process $pid
		wait_for "grep -q 'ready: instance' $WORK/again.log || [ -z \"\$(proc_start $pid)\" ]"
		grep 'ready: instance' "$WORK/again.log" || { cat "$WORK/again.log"; return 1; }
	done
	kill -TERM $pid
	wait $pid
}
killed_while_it_starts() {
	local state
	for state in 'memory: ' 'state file .*: taken over' 'DPDK 22' "port 'lan'" 'EAL memory' 'zygote: pid' 'pid [0-9]* ready in slot' 'ready: instance'; do
		: >"$WORK/batond.log"
		batond_launch "$WORK/baton.yaml"
		wait_for "grep -q \"$state\" $WORK/batond.log"
		kill -KILL "$(batond_pid)"
		wait_for '[ -s "$WORK/batond.rc" ]'
	done
	batond_start
	equal "boots that left files" "$(boots | wc -l)" 1
	# not the players of the bots before: they are in the state file, with sequences that these would meet again
	bots --players 20 --requests 3000 --connect-timeout 30 --seed $((SEED + 1))
	bots_clean
}
nothing_has_piled_up() {
	batond_stop
	ledger_balances
	equal "files" "$(files)" ""
	equal "in $HUGE" "$(ls "$HUGE")" "baton.$INSTANCE.state"
	wait_for '[ "$(pages_free)" = "$(cat "$WORK/pages")" ]' 10 || { echo "pages free: $(pages_free), before: $(cat "$WORK/pages")"; return 1; }
	equal "processes in the namespace" "$(ip netns pids "$SERVER")" ""
}

run_note mount "$HUGE"
mkdir "$HUGE" && mount -t hugetlbfs -o pagesize=2M,size=400M none "$HUGE" || fatal "cannot mount hugetlbfs"
port_af_packet || fatal "no veth"
claim orderly_stop_leaves_the_state_file_only orderly_stop_leaves_the_state_file_only
claim killed_batonds_are_followed_without_a_trace killed_batonds_are_followed_without_a_trace
claim acknowledged_positions_outlive_the_primary acknowledged_positions_outlive_the_primary
claim started_in_the_moment_of_a_kill started_in_the_moment_of_a_kill
claim killed_while_it_starts killed_while_it_starts
claim nothing_has_piled_up nothing_has_piled_up
