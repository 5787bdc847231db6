# What the rollout scenarios share: a strategy with short steps under the thresholds as shipped, states to wait for, and
# whom a fault befell.
CANDIDATES=$O/test-plugins
SLOTS=8 # two workers, at most two of candidate and one of control, and one that a hot restart starts
PLAYERS=600
RATE=${RATE:-8000} # of all players: the machine is not to be at its end, a gate would see that
ANALYSIS="interval: 1s, warmup: 200ms, min_packets: 200" # shipped: 5s, 10s and 1k: as many a second

# strategy STEPS [FURTHER LINES]: batond.yaml anew, as batond_config made it, with this strategy; and a batond that runs
# takes it over.
strategy() {
	batond_config >"$WORK/baton.yaml.new"
	cat >>"$WORK/baton.yaml.new" <<-END
	rollouts:
	  - group: game
	    steps: [$1]
	    analysis: {$ANALYSIS}
	END
	printf '%s\n' "${@:2}" | sed '/^$/d; s/^/    /' >>"$WORK/baton.yaml.new"
	mv "$WORK/baton.yaml.new" "$WORK/baton.yaml"
	[ ! -s "$WORK/batond.pid" ] || [ -e "$WORK/batond.rc" ] || ctl config reload >"$WORK/reload" 2>&1 || { cat "$WORK/reload"; return 1; }
}

# ---- the rollout of the group ------------------------------------------------------------------------------------------
row() { ctl --json rollout status game 2>/dev/null | jq -r ".rollouts[0] | $1"; }
# is STATE [JQ CONDITION]
is() { [ "$(row ".state == \"$1\" and (${2:-true})")" = true ]; }
until_is() { wait_for "is $1 '${2:-true}'" || { ctl rollout status game; return 1; }; }
# Over: no worker of a rollout is left, nothing moves.
over() {
	until_is "$1" '.phase == "idle"'
	wait_for '[ "$(ctl --json worker list | jq -c "[.workers[] | select(.state != \"standby\") | .name] | sort")" = "[\"game.0\",\"game.1\"]" ]'
	wait_for 'workers_ready 2 $BUCKETS'
}
# What a claim that failed has left, so that the next one fails for reasons of its own.
clean_slate() {
	[ ! -s "$WORK/bots.pid" ] || ! bots_running || play_no_more
	no_rollout
}
no_rollout() {
	[ "$(row .phase)" = idle ] || ctl rollout abort game >/dev/null 2>&1 || true # it may just have ended
	wait_for '[ "$(row .phase)" = idle ]'
}
start() { ctl rollout start game --to "$1" >"$WORK/order" 2>&1 || { cat "$WORK/order"; return 1; }; }
order() { ctl rollout "$1" game "${@:2}" >"$WORK/order" 2>&1 || { cat "$WORK/order"; return 1; }; }
# refused_order STATUS WORDS ARGUMENTS...: with that exit status, and one line that has the words.
refused_order() {
	local status=$1 words=$2 rc=0
	ctl rollout "${@:3}" >"$WORK/order" 2>&1 || rc=$?
	equal "exit status of rollout ${*:3}" "$rc" "$status" || { cat "$WORK/order"; return 1; }
	grep -qiF -- "$words" "$WORK/order" || { cat "$WORK/order"; return 1; }
}

# kill -9 of batond, and another one: it has its port, or is gone.
batond_dies_and_another_starts() {
	kill -KILL "$(batond_pid)"
	kill -USR1 "$(cat "$WORK/bots.pid")"
	wait_for '[ -s "$WORK/batond.rc" ]'
	batond_launch "$WORK/baton.yaml"
	wait_for '! batond_lives || ip -n "$CLIENT" link show "$CLIENT_DEV"'
	client_address
}

# ---- who owns what -----------------------------------------------------------------------------------------------------
versions() { ctl --json worker list | jq -r '[.workers[] | select(.state == "active" or .state == "drained") | .version] | unique | join(" ")'; }
# The buckets of the workers of that role, one a line.
buckets_of() {
	local names
	names=$(row ".workers.$1 | tojson")
	ctl --json buckets show game | jq -r --argjson names "$names" '.services[0].owners[] | select(.worker as $w | $names | index($w)) |
		.ranges | select(. != "") | split(",")[] | capture("^(?<a>[0-9]+)(-(?<b>[0-9]+))?(/(?<by>[0-9]+))?$") |
		range(.a | tonumber; (.b // .a | tonumber) + 1; .by // "1" | tonumber)' | sort -n
}
# weighs PERMILLE: the candidate has exactly its share, and up to 50 % control has as many others.
weighs() {
	local wanted=$((($1 * BUCKETS + 500) / 1000))
	buckets_of candidate >"$WORK/candidate"
	equal "buckets of the candidate at $1 permille" "$(wc -l <"$WORK/candidate")" "$wanted"
	[ "$1" -le 500 ] || return 0
	buckets_of control >"$WORK/control"
	equal "buckets of control" "$(wc -l <"$WORK/control")" "$wanted"
	equal "buckets of both" "$(comm -12 <(sort "$WORK/candidate") <(sort "$WORK/control") | wc -l)" 0
}

# ---- players -----------------------------------------------------------------------------------------------------------
# Each time others: whoever comes back with the sequences it had would be told of moves that it has forgotten.
play() {
	echo >>"$WORK/plays"
	bots_start --lost-after "${LOST_AFTER:-10000}" --players "$PLAYERS" --rate "$RATE" --seconds 3000 --connect-timeout 30 \
		--seed $((SEED + $(wc -l <"$WORK/plays"))) "$@"
}
play_no_more() { bots_stop; bots_wait || true; }
served_on() { local now; now=$(counter replies); wait_for "! bots_running || [ \$(counter replies) -gt $((now + ${1:-300})) ]"; bots_running || { cat "$WORK/bots.err"; return 1; }; }
# Whom something befell was a player of a bucket in the file, all of them; and there were some.
victims_are_of() {
	equal "faults of nobody known" "$(jq '.lost + .duplicated + .reordered + .wrong - .victims.faults' "$WORK/bots.json")" 0
	jq -r '.victims.players[]' "$WORK/bots.json" >"$WORK/victims"
	[ -s "$WORK/victims" ] || { echo "nothing befell anybody"; return 1; }
	xargs -n 500 "$BIN/batonctl" -i "$INSTANCE" --json buckets find game <"$WORK/victims" | jq -r '.keys[].bucket' | sort -u >"$WORK/hit"
	equal "buckets of victims that were not the candidate's" "$(comm -23 "$WORK/hit" <(sort -u "$1") | wc -l)" 0
}
