#!/bin/bash
# What cannot work is refused in one line that says what to do, with the exit code that the help names; nothing hangs, and
# nothing is felt by an instance that serves beside it.
. "$(dirname "$0")/_init.sh"
OTHER=$INSTANCE-x # the instance that must not come up
AS_NOBODY="setpriv --reuid=65534 --regid=65534 --clear-groups"

# exits CODE COMMAND...: with that status, in 50 s at most; its words are in $WORK/said.
exits() {
	local rc=0
	timeout -k 5 50 "${@:2}" >"$WORK/said" 2>&1 </dev/null || rc=$?
	cat "$WORK/said"
	equal "exit code" "$rc" "$1"
}
says() { local words; for words in "$@"; do grep -qF -- "$words" "$WORK/said" || { echo "does not say: $words"; return 1; }; done; }
# other_config [SED...]: a configuration that would work, edited.
other_config() { (INSTANCE=$OTHER DEVICE=net_tap9,iface=bt9; batond_config) | sed "${@:-}" >"$WORK/other.yaml"; }
# refused WORDS...: batond ends with status 1 and one error line, which has the words, and leaves nothing.
refused() {
	exits 1 ip netns exec "$SERVER" "$BIN/batond" "$WORK/other.yaml"
	equal "error lines" "$(grep -c ' error: ' "$WORK/said")" 1
	grep -v ' info: \| error: \| warn: ' "$WORK/said" && return 1
	sed -i '/ error: /!d' "$WORK/said"
	says "$@"
	equal "leftovers" "$(ls -d /run/baton/$OTHER /run/baton/dpdk/*$OTHER* /dev/hugepages/*$OTHER* /dev/shm/*$OTHER* 2>/dev/null)" ""
}
refused_with() { other_config "$1"; refused "${@:2}"; }
without_root() {
	other_config
	exits 1 $AS_NOBODY "$BIN/batond" "$WORK/other.yaml"
	says "batond needs root for huge pages and devices: start it with sudo"
	equal "lines" "$(wc -l <"$WORK/said")" 1
	exits 0 $AS_NOBODY "$BIN/batond" --check "$WORK/other.yaml"
	exits 8 $AS_NOBODY "$BIN/batonctl" -i "$INSTANCE" status
	says "permission denied: run batonctl as root"
}
# A mount in a namespace of its own: gone with the command.
huge_dir_with_too_few_pages() {
	local size words
	mkdir "$WORK/huge"
	while IFS='|' read -r size words; do
		other_config "s|^eal:|&\n  huge_dir: $WORK/huge|"
		exits 1 unshare -m sh -c "mount -t hugetlbfs -o pagesize=2M,size=$size none $WORK/huge && exec ip netns exec $SERVER $BIN/batond $WORK/other.yaml"
		says "$words" "$WORK/huge"
		equal "error lines" "$(grep -c ' error: ' "$WORK/said")" 1
	done <<-END
		4M|free pages of 2 MiB
		60M|more huge pages and
	END
}
configuration_that_cannot_be_read() {
	exits 1 "$BIN/batond" "$WORK/nothing_here.yaml" && says "$WORK/nothing_here.yaml" "No such file"
	exits 1 "$BIN/batond" "$WORK" && says "$WORK" "directory"
	: >"$WORK/empty.yaml"
	exits 1 "$BIN/batond" "$WORK/empty.yaml" && says "$WORK/empty.yaml:1:1: error"
	head -c 5000 "$BIN/batond" >"$WORK/binary.yaml"
	exits 1 "$BIN/batond" "$WORK/binary.yaml" && says "$WORK/binary.yaml:1:" "error"
	other_config && chmod 600 "$WORK/other.yaml"
	exits 1 $AS_NOBODY "$BIN/batond" --check "$WORK/other.yaml" && says "Permission denied"
	rm "$WORK/other.yaml"
	exits 2 "$BIN/batond" && says "exactly one configuration file"
	exits 2 "$BIN/batond" --nonsense "$WORK/other.yaml"
}
# All errors in one run, where they stand; the daemon and --check say the same.
configuration_with_errors() {
	local option
	other_config 's|^version: 1|version: 7|; s|worker_slots:|worker_slot:|; s|pending: .*|pending: many|'
	for option in --check ""; do
		exits 1 "$BIN/batond" $option "$WORK/other.yaml"
		says "other.yaml:1:10: error: version: '7' is out of range; allowed is 1" "did you mean 'worker_slots'?" \
			"$(grep -n 'worker_slot:' "$WORK/other.yaml" | cut -d: -f1):3: error: unknown key 'worker_slot'" \
			"$(grep -n 'pending:' "$WORK/other.yaml" | cut -d: -f1):12: error: memory.pending: expected a count, found 'many'"
		equal "errors" "$(grep -c ': error: ' "$WORK/said")" 3
	done
}
second_primary() {
	exits 1 ip netns exec "$SERVER" "$BIN/batond" "$WORK/baton.yaml"
	says "instance '$INSTANCE' runs already (pid $(batond_pid), lock" "stop that batond, or give this one another 'name:'"
	equal "lines" "$(wc -l <"$WORK/said")" 1
	ctl status
}
# A state file of a real run, made old, cut short, or another file altogether. Off hugetlbfs, to be written to.
state_file_that_does_not_fit() {
	local file=$WORK/players edit="s|^memory:|&\n  state_file: $WORK/players|" size
	other_config "$edit"
	batond_other
	cp "$file" "$WORK/kept"
	size=$(stat -c %s "$file")
	refused_with "$edit; s|records: .*|records: 32k|" "$file" "in the file" "wanted; change it back, or move the file away to start empty"
	refused_with "$edit; s|worker_slots: .*|worker_slots: 5|" "made for $SLOTS worker slots, 5 configured" "change it back"
	other_config "$edit"
	printf '\x63' | dd of="$file" bs=1 seek=8 conv=notrunc status=none # the header's abi
	refused "$file: made by ABI 99, this is ABI" "move the file away to start empty"
	cp "$WORK/kept" "$file" && truncate -s $((size - 2097152)) "$file"
	refused "cut off" "move it away"
	cp "$BIN/batond" "$file" && truncate -s "$size" "$file"
	refused "not a Baton state file; move it away"
	cp "$WORK/kept" "$file"
	batond_other # what was refused was not touched
	grep 'taken over from the last run' "$WORK/other.log"
}
# The other instance, from its start to its orderly end.
batond_other() {
	local pid
	rm -f "$WORK/other.pid"
	ip netns exec "$SERVER" "$BIN/batond" "$WORK/other.yaml" >"$WORK/other.log" 2>&1 </dev/null &
	pid=$!
	run_process $pid
	wait_for "grep -q 'ready: instance $OTHER' $WORK/other.log || [ -z \"\$(proc_start $pid)\" ]"
	kill -TERM $pid && wait $pid || { cat "$WORK/other.log"; return 1; }
}
batonctl_says_what_is_wrong() {
	exits 3 "$BIN/batonctl" -i "$OTHER" status && says "is batond running?"
	exits 3 "$BIN/batonctl" -s "$WORK/nothing_here.sock" ping && says "is batond running?"
	exits 3 "$BIN/baton-top" -i "$OTHER" --once
	exits 4 "$BIN/batonctl" -i "$INSTANCE" worker restart game.7 && says "no worker or group 'game.7': groups are game"
	exits 4 "$BIN/batonctl" -i "$INSTANCE" worker restart game --version 9 && says "no version '9' of plugin game in or beside" "found are 1 (game.so)"
	exits 2 "$BIN/batonctl" -i "$INSTANCE" nonsense
	exits 2 "$BIN/batonctl" -i "$INSTANCE" worker restart
}

# ---- the control socket ----

abuse() { timeout 110 "$BIN/test-abuse" "/run/baton/$INSTANCE/control.sock" "$@" "$SEED"; }
control_counter() { ctl --json status | jq ".control_socket.$1"; }
# The counters rise by exactly what the abuser says it did.
abuse_is_counted() {
	local name n before
	before=$(ctl --json status | jq -c .control_socket)
	abuse "$@" >"$WORK/abuse"
	while read -r name n; do
		wait_for "[ \$(control_counter $name) = $(($(jq ".$name" <<<"$before") + n)) ]"
	done <"$WORK/abuse"
	exits 0 "$BIN/batonctl" -i "$INSTANCE" status
	bots_running
	echo "note: $(tr '\n' ' ' <"$WORK/abuse")by seed $SEED"
}
# Some say nothing, some never read, some stop in the middle: an operator gets through, at once, all the time.
silent_clients_keep_nobody_out() {
	local i fifo=$WORK/mute.in
	mkfifo "$fifo"
	abuse mute 200 <"$fifo" >"$WORK/mute" &
	exec 9>"$fifo"
	wait_for 'grep -q "connected 200" "$WORK/mute"'
	for i in 1 2 3 4 5; do exits 0 "$BIN/batonctl" -i "$INSTANCE" status; done
	ctl worker restart game
	[ "$(control_counter evicted)" -ge 100 ]
	exec 9>&-
	wait $!
}
slow_clients_are_hung_up_on() {
	local stalled half deaf asked=0
	stalled=$(($(control_counter stalled) + $(control_counter flooded)))
	abuse half 8 >"$WORK/half" & half=$!
	abuse deaf 8 >"$WORK/deaf" & deaf=$!
	while [ -n "$(proc_start $half)$(proc_start $deaf)" ]; do
		exits 0 "$BIN/batonctl" -i "$INSTANCE" status
		asked=$((asked + 1))
	done
	wait $half
	wait $deaf
	equal "hung up on" "$(($(control_counter stalled) + $(control_counter flooded) - stalled))" 16
	echo "note: status answered $asked times meanwhile"
}
removed_control_socket_is_made_again() {
	local i dir=/run/baton/$INSTANCE
	for i in 1 2; do
		rm "$dir/control.sock"
		wait_for "[ -S $dir/control.sock ]" 10
		exits 0 "$BIN/batonctl" -i "$INSTANCE" ping
	done
	equal "lines in the log" "$(grep -c "warn: control socket $dir/control.sock was removed: made again" "$WORK/batond.log")" 2
}
bots_felt_nothing() { bots_running; bots_stop; bots_wait || cat "$WORK/bots.err"; bots_clean; echo "note: seed $SEED, $(bots_value received) replies"; }
ledger_at_the_end() { batond_stop; ledger_balances; grep 'pool io.0: full' "$WORK/batond.log"; }

chmod 755 "$WORK"
run_note instance "$OTHER"
port_tap && batond_start || fatal "no batond"
bots_start --players 50 --seconds 3000 --connect-timeout 30 --rate 5000 --seed "$SEED"
claim without_root without_root
claim huge_dir_that_is_no_hugetlbfs refused_with "s|^eal:|&\n  huge_dir: $WORK|" "eal.huge_dir: $WORK is no hugetlbfs mount" "mount -t hugetlbfs"
claim huge_dir_with_too_few_pages huge_dir_with_too_few_pages
claim more_huge_pages_than_there_are refused_with "s|^memory:|&\n  buffers: 8Mi|" "huge pages of 2 MiB are needed and" "are free: sysctl -w vm.nr_hugepages="
claim more_state_than_there_is_memory refused_with "s|records: .*|records: 67108864|" "free pages of 2 MiB" "lower memory.worker_slots, buckets or records"
claim missing_interface_of_af_packet refused_with "s|net_tap9,iface=bt9|net_af_packet0,iface=nothere|" "there is no interface nothere for net_af_packet0: create it first"
claim missing_interface_of_af_xdp refused_with "s|net_tap9,iface=bt9|net_af_xdp0,iface=nothere|" "there is no interface nothere for net_af_xdp0: create it first"
claim missing_pci_device refused_with "s|net_tap9,iface=bt9|0000:ff:1f.7|" "there is no PCI device 0000:ff:1f.7: see dpdk-devbind.py --status"
claim missing_file_of_pcap refused_with "s|net_tap9,iface=bt9|net_pcap0,rx_pcap=/nothing_here.pcap|" "nothing_here.pcap" "correct device:"
claim unknown_driver refused_with "s|net_tap9,iface=bt9|net_nosuch0|" "net_nosuch0" "check eal: and the ports' device:"
claim configuration_that_cannot_be_read configuration_that_cannot_be_read
claim configuration_with_errors configuration_with_errors
claim second_primary second_primary
claim state_file_that_does_not_fit state_file_that_does_not_fit
claim batonctl_says_what_is_wrong batonctl_says_what_is_wrong
claim noise_on_the_control_socket_is_counted abuse_is_counted noise 200
claim impossible_lengths_are_counted abuse_is_counted oversize 100
claim silent_clients_keep_nobody_out silent_clients_keep_nobody_out
claim slow_clients_are_hung_up_on slow_clients_are_hung_up_on
claim removed_control_socket_is_made_again removed_control_socket_is_made_again
claim bots_felt_nothing bots_felt_nothing
claim ledger_at_the_end ledger_at_the_end
