# What the scaling scenarios share: who owns what, and orders that a death meets on their way.

# shares GROUP: buckets of each worker that is not drained, "341 341 342"; fails if a bucket has no owner or a drained
# worker has one.
shares() {
	ctl --json buckets show "$1" | jq -re '.services[0] as $s |
		if ([$s.owners[].buckets] | add) != $s.buckets or any($s.owners[]; .worker == null or (.drained and .buckets > 0))
		then error("not all owned") else [$s.owners[] | select(.drained | not) | .buckets] | sort | join(" ") end'
}
# even GROUP: floor or ceil each.
even() {
	local list
	list=$(shares "$1") || return 1
	[ $((${list##* } - ${list%% *})) -le 1 ] || { echo "$1 is not shared evenly: $list"; return 1; }
}
worker_pid() { ctl --json worker list | jq -r --arg n "$1" '.workers[] | select(.name == $n and (.role == "serving" or .role == "drained")) | .pid // 0'; }
worker_state() { ctl --json worker list | jq -r --arg n "$1" '.workers[] | select(.name == $n) | .state'; }
# Nothing under way: a process for each worker, each active or drained, every bucket with an owner that is active.
steady() {
	[ "$(ctl --json worker list | jq '[.workers[] | select(.state != "active" and .state != "drained")] | length')" = 0 ] || return 1
	local group
	for group in "$@"; do shares "$group" >/dev/null || return 1; done
}
# kill_worker NAME: its process, if it has one by now.
kill_worker() {
	local pid
	pid=$(worker_pid "$1")
	[ "${pid:-0}" -eq 0 ] || kill -KILL "$pid" 2>/dev/null || true
}
# More replies than now, so that traffic went on after what was done before. Each service's bots count for themselves.
served_on() { local now; now=$(counter replies); wait_for "[ \$(counter replies) -gt $((now + ${1:-300})) ]"; }
# refused STATUS TEXT COMMAND...: with that exit status and a line that says so.
refused() {
	local status=$1 text=$2 rc=0
	shift 2
	ctl "$@" >"$WORK/refused" 2>&1 || rc=$?
	equal "exit status of $*" "$rc" "$status"
	grep -qF -- "$text" "$WORK/refused" || { cat "$WORK/refused"; return 1; }
	equal "lines of the refusal" "$(wc -l <"$WORK/refused")" 1
}
# Each packet is answered, and each has one counter: call with the sums that all bots received and probed.
counters_explain() {
	local bots=$1 reaped
	wait_for "[ \$((\$(counter replies) + \$(counter error_replies))) -eq $bots ]" 10 ||
		{ echo "bots got $bots, batond sent $(counter replies) + $(counter error_replies)"; return 1; }
	reaped=$(counter reaped)
	equal "packets reaped" "$reaped" "$bots"
	equal "packets offered" "$(($(counter offered) - $(counter redelivered)))" "$bots"
	equal "packets received" "$(($(counter rx_packets) - $(counter arp_replies)))" "$bots"
	equal "packets dropped" "$(top_json | jq '[.drops[].total] | add')" 0
}
