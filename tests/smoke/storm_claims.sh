# Storms of orders: several operators at once who know nothing of each other, and a configuration that changes meanwhile.
# What the instance must be afterwards is reckoned from its log alone, order by order, by another program than its own.

# What an order may be refused for in a storm: one line of these, with exit code 1 or 4.
REFUSALS='a restart of [a-z.0-9]+ is under way( \([a-z.0-9]+\))?: wait for its end'
REFUSALS+='|a reload of the configuration is under way: wait for its end'
REFUSALS+='|`(worker (start|stop|drain)|buckets move) [a-z.0-9]+` is under way: wait for its end'
REFUSALS+='|[a-z.0-9]+ is the last worker of group .*, it cannot be (stopped|drained): start another first'
REFUSALS+='|no worker slot is free for [a-z.0-9]+: there are .*'
REFUSALS+='|[a-z.0-9]+ is drained and takes no buckets: .*'
REFUSALS+='|[a-z.0-9]+ was stopped and its process has not ended yet: wait'
REFUSALS+="|no worker '[a-z.0-9]+': workers are .*"
REFUSALS+="|no worker or group '[a-z.0-9]+': groups are .*"
# And, where workers are killed.
DEATHS='the new worker died|the new worker cannot start|cannot start: |is down.*(can take no buckets|stay where they are)'
DEATHS+='|workers could not be restarted with it|it did not become steady|no free worker slot'

STORM_LEAST=6 # orders that a storm carries out

# storm_config COUNT LEVEL IDLE PLUGIN: the file as it would be written with those values; whole or not at all.
storm_config() {
	local next=$WORK/next.$BASHPID
	WORKERS=$1 batond_config | sed "s|level: .*|level: $2|; s|player.idle: [0-9a-z]*|player.idle: $3|
		s|plugin: .*|plugin: $4|" >"$next"
	mv "$next" "$WORK/baton.yaml"
}
any_plugin() { local list=("$WORK"/game-*.so); echo "${list[RANDOM % ${#list[@]}]}"; }
any_worker() { echo "game.$((RANDOM % 5))"; }
any_range() { local a=$((RANDOM % BUCKETS)); echo "$a-$((a + RANDOM % (BUCKETS - a)))/$((1 + RANDOM % 3))"; }
# Sets ORDER, the arguments of batonctl, or "hangup".
any_order() {
	case $((RANDOM % 14)) in
	0 | 1) ORDER="worker restart game" ;;
	2) ORDER="worker restart game --version $(any_plugin)" ;;
	3) ORDER="worker restart $(any_worker)" ;;
	4) ORDER="worker restart $(any_worker) --version $(any_plugin)" ;;
	5) ORDER="worker start game" ;;
	6) ORDER="worker start $(any_worker)" ;;
	7) ORDER="worker drain $(any_worker)" ;;
	8 | 9) ORDER="worker stop $(any_worker)" ;;
	10) ORDER="buckets move $(any_range) $(any_worker)" ;;
	11) ORDER="config reload --wait" ;;
	12) ORDER="config reload" ;;
	13) ORDER="hangup" ;;
	esac
	case $ORDER in
	config* | hangup) storm_config $((2 + RANDOM % 3)) "$([ $((RANDOM % 2)) = 0 ] && echo info || echo debug)" \
		"$((600 + RANDOM % 3))s" "$(any_plugin)" ;;
	esac
}
# On a machine that has much else to do, too, some orders are carried out: it takes a minute longer at most.
storm_goes_on() {
	[ "${EPOCHREALTIME%.*}" -lt "$STORM_UNTIL" ] ||
		{ [ "$(carried_out)" -lt "$STORM_LEAST" ] && [ "${EPOCHREALTIME%.*}" -lt $((STORM_UNTIL + 60)) ]; }
}
# storm_lane NUMBER ORDERS: one operator, one order after the other, until so many have been carried out or the time is
# up. Its book: exit code, pid of batonctl, order.
storm_lane() {
	local rc pid done=0
	RANDOM=$(((SEED + $1 * 7919) % 32768))
	while [ $done -lt "$2" ] && storm_goes_on; do
		any_order
		if [ "$ORDER" = hangup ]; then
			kill -HUP "$(batond_pid)"
			echo "hup 0 $ORDER" >>"$WORK/book.$1"
			continue
		fi
		rc=0
		"$BIN/batonctl" -i "$INSTANCE" $ORDER >"$WORK/said.$1" 2>&1 </dev/null &
		pid=$!
		wait $pid || rc=$?
		echo "$rc $pid $ORDER" >>"$WORK/book.$1"
		if [ $rc -eq 0 ]; then done=$((done + 1)); else refused_rightly "$1" $rc "$ORDER" || return 1; fi
	done
}
# refused_rightly LANE STATUS ORDER: with a documented status, and one line that says why; a reload that cannot be applied
# has its changes and its reasons above it.
refused_rightly() {
	local said=$WORK/said.$1 good=$REFUSALS${STORM_KILLS:+|$DEATHS} lines=1
	[[ $3 != config* ]] || lines=$(wc -l <"$said")
	case $2 in
	1) [ "$(wc -l <"$said")" -eq "$lines" ] && grep -qE "$good" "$said" && return ;;
	4) [ "$(wc -l <"$said")" -eq 1 ] && grep -qE "^batonctl: no worker" "$said" && return ;;
	esac
	echo "$3 ended with $2 and no good reason:"; cat "$said"; return 1
}
# storm ORDERS SECONDS: so many in all, by three at once, or for so long.
storm() {
	local lane rc=0 pids=()
	rm -f "$WORK"/book.*
	STORM_UNTIL=$((${EPOCHREALTIME%.*} + $2))
	for lane in 1 2 3; do
		: >"$WORK/book.$lane"
		storm_lane $lane $((($1 + 2) / 3)) &
		pids+=($!)
	done
	for lane in "${pids[@]}"; do wait "$lane" || rc=1; done
	wait_for quiet || rc=1
	return $rc
}
carried_out() { cat "$WORK"/book.* | grep -c '^0 '; }
refused_orders() { cat "$WORK"/book.* | grep -c '^[14] '; }

# ---- what must be -----------------------------------------------------------------------------------------------------

audit_lines() { cat "$WORK/audit"; }
# Each order that has begun has ended, also those of SIGHUP; one that waits for its turn has not begun.
quiet() {
	[ "$(audit_lines | jq -s '[.[] | select(.event == "begin")] as $b | [.[] | select(.event == "end")] as $e |
		($b | length) == ($e | length)')" = true ] && steady game && [ "$(slots_used)" = "$(ctl --json worker list | jq '.workers | length')" ]
}
slots_used() { top_json | jq '[.workers[] | select(.state != "none")] | length'; }
# Each order of the books has one line of its begin and one of its end, and they say what its giver was told. Orders are
# known by the process that gave them; in a long storm numbers of processes come again. A reload that nobody waited for
# has begun well, whatever comes of it.
audit_agrees_with_what_was_said() {
	local hups
	audit_lines | jq -s '[.[] | select(.process == "batonctl")]' >"$WORK/audit.json"
	cat "$WORK"/book.* | grep -v ^hup | jq -R 'capture("^(?<rc>\\d+) (?<pid>\\d+) (?<order>.*)$") | .rc |= tonumber | .pid |= tonumber' |
		jq -s --slurpfile audit "$WORK/audit.json" '
		($audit[0] | group_by(.pid) | map({key: (.[0].pid | tostring), value: group_by(.request)}) | from_entries) as $lines |
		[group_by(.pid)[] | . as $told | ($lines[$told[0].pid | tostring] // []) as $l |
			($told | map([(.order | split(" ") | .[0:2] | join(".")), .rc == 0, .rc == 4]) | sort) as $want |
			($l | map([.[0].verb, (.[1].result == "ok"), (.[1].code == "not_found")]) | sort) as $got |
			select(any($l[]; length != 2 or .[0].event != "begin" or .[1].event != "end") or
				($want != $got and any($told[]; .order != "config reload"))) | {told: $told, lines: $l}]' >"$WORK/disagree"
	equal "orders of which the audit log says something else" "$(jq length "$WORK/disagree")" 0 || { cat "$WORK/disagree"; return 1; }
	hups=$(audit_lines | jq -s '[.[] | select(.event == "begin" and .signal == "HUP")] | length')
	[ "$hups" -le "$(cat "$WORK"/book.* | grep -c ^hup)" ] || { echo "$hups reloads by SIGHUP"; return 1; }
	equal "orders in all" "$(jq '[.[] | select(.event == "begin")] | length' "$WORK/audit.json")" "$(cat "$WORK"/book.* | grep -vc ^hup)"
}
# The workers there must be, "game.0 active /path", by the log from the start on; COUNT: how many there were then.
# Orders end one after the other, so that their lines tell all of it.
reckoned() {
	awk -v count="$1" -v plugin="$2" '
	function lowest(n) { for (n = 0; n in path; n++); return n }
	function number(name) { sub(/^game\./, "", name); return name + 0 }
	function settle() { # the last restart that began went well
		if (target == "") return
		for (n in path) if (target == "game" || target == "game." n) path[n] = with
		group = with; target = ""
	}
	BEGIN { group = plugin; for (n = 0; n < count; n++) path[n] = plugin }
	{ line = $0; sub(/^[^ ]+ batond (info|error|warn): /, "", line) }
	line ~ /^restart of game(\.[0-9]+)? with / { settle(); split(line, f, " "); target = f[3]; with = f[5] }
	line ~ /^restart of game(\.[0-9]+)? failed/ { target = "" }
	line ~ /^worker (start|stop|drain) game(\.[0-9]+)? done: / {
		settle(); split(line, f, " "); n = f[3] == "game" ? lowest() : number(f[3])
		if (f[2] == "start") { if (!(n in path)) path[n] = group; delete drained[n] }
		if (f[2] == "drain") drained[n] = 1
		if (f[2] == "stop") { delete path[n]; delete drained[n] }
	}
	END { settle(); for (n in path) print "game." n, n in drained ? "drained" : "active", path[n] }' "$WORK/batond.log" | sort
}
there() { ctl --json worker list | jq -r '.workers[] | "\(.name) \(.state) \(.path)"' | sort; }
workers_are_what_the_orders_left() {
	# Whatever chance has left out: a new worker runs what the last restart brought.
	ctl worker restart game --version "$WORK/game-1.so"
	ctl worker start game >"$WORK/order" 2>&1 || grep "no worker slot is free" "$WORK/order"
	equal "workers" "$(there)" "$(reckoned "$WORKERS" "$PLUGIN_FILE")"
	equal "slots used" "$(slots_used)" "$(there | wc -l)"
	shares game
}
# in_force PATH: a value of the configuration; last_applied PATH FIRST: what the log says that the last reload made it.
in_force() { ctl --json config show --effective | jq -r --arg path "$1" '.values[] | select(.path == $path) | .value'; }
last_applied() {
	local last
	last=$(grep -F "reload: $1: " "$WORK/batond.log" | tail -1 | sed 's/.*: \(.*\), was .*/\1/')
	echo "${last:-$2}"
}
configuration_is_the_last_that_was_applied() {
	equal "count" "$(in_force 'groups[0].count')" "$(last_applied 'groups[0].count' "$WORKERS")"
	equal "plugin" "$(in_force 'groups[0].plugin')" "$(last_applied 'groups[0].plugin' "$PLUGIN_FILE")"
	equal "level" "$(in_force 'log.level')" "$(last_applied 'log.level' info)"
}
# No process but batond, its zygote with the spare and a process a worker; none that has ended and is not reaped.
no_process_is_left() {
	wait_for '[ "$(pgrep -c -P "$(batond_pid)")" = "$(($(there | wc -l) + 2))" ]' ||
		{ ps -o pid,ppid,stat,args --ppid "$(batond_pid)"; return 1; }
	[ -z "$(ps -o stat= --ppid "$(batond_pid)" | grep ^Z)" ]
}
