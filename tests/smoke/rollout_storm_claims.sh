# Orders of several operators at once, drawn, to two groups with rollouts, while workers of every role and batond itself are
# killed: for a sample in the smoke tests and all of it in `make chaos`. After rollout_steps_claims.sh.
#   KILLS    of workers; each fourth of batond as well
#   CLERKS   who order at once
SLOTS=14
CLERKS=${CLERKS:-3}
OTHER=64 # buckets of the other group
OFF="drop_ratio: off, malformed_ratio: off, error_reply_ratio: off, latency_p50: off, latency_p99: off, cycles_per_packet: off, messages: off, sends: off, shadow_diff_ratio: off"

storm_config() {
	batond_config | sed "s|^groups:|  - {name: echo, port: 7, key: flow, buckets: $OTHER, group: echo}\n&|"
	cat <<-END
	  - {name: echo, plugin: $PLUGINS/echo.so, standby: 0, count: 1, tick_period: off}
	rollouts:
	  - group: game
	    steps: [{shadow: {sample: 10%, for: 300ms, compare: digest}}, {snapshot: {keep: 2}}, {weight: 10%}, {pause: 200ms}, {weight: 40%}, {pause: {}}, {weight: 100%}, {pause: 200ms}]
	    deadline: 30s
	    analysis: {interval: 300ms, warmup: 100ms, min_packets: 50, gates: {latency_p50: off, latency_p99: off, cycles_per_packet: off}}
	  - group: echo
	    steps: [{weight: 25%}, {pause: 200ms}, {weight: 100%}, {pause: 200ms}]
	    on_failure: pause
	    analysis: {interval: 300ms, warmup: 100ms, gates: {$OFF}}
	log: {level: info}
	END
}
pick() { shift $((RANDOM % $#)); echo "$1"; }
some_candidate() { [ "$1" = echo ] && pick "$CANDIDATES/echo_v2.so" "$PLUGINS/echo.so" || pick "$CANDIDATES/game_v2.so" "$CANDIDATES/game_v2_clock.so" "$PLUGINS/game.so" "$WORK/none.so"; }
some_of() { echo "$1.$((RANDOM % 4))"; }
some_storm_order() {
	local group
	group=$(pick game game echo)
	case $((RANDOM % 24)) in
	[0-3]) echo "rollout start $group --to $(some_candidate "$group") $(pick "" "" --replace)" ;;
	4 | 5) echo "rollout resume $group" ;;
	6 | 7) echo "rollout promote $group $(pick "" "" --full)" ;;
	8) echo "rollout pause $group" ;;
	9) pick "rollout abort $group" "rollout pause $group" "rollout resume $group" ;;
	10 | 11) echo "rollout retry $group" ;;
	12) echo "rollout undo $group $(pick "" "--to 1" "--to 7")" ;;
	13) echo "rollout status $group" ;;
	14) echo "rollout explain $group" ;;
	15) echo "rollout history $group" ;;
	16) echo "worker restart $(pick $group "$(some_of $group)")" ;;
	17) echo "worker start $(pick $group "$(some_of $group)")" ;;
	18) echo "worker $(pick stop drain) $(some_of $group)" ;;
	19) echo "buckets move $((RANDOM % 32))-$((32 + RANDOM % 32)) $(some_of $group)" ;;
	20) echo "balance $(pick on off) $group" ;;
	21) echo "config reload $(pick "" --wait)" ;;
	22) echo "state snapshot $WORK/storm.$RANDOM.snap --group game" ;;
	23) echo "rollout diff game" ;;
	esac
}
# Writes what was ordered, and the exit status; nothing may take longer than the client's own limit.
clerk() {
	local order rc
	RANDOM=$(((SEED + $1 * 7919) % 32768))
	while [ ! -e "$WORK/enough" ]; do
		order=$(some_storm_order)
		[ "$order" != "config reload" ] || [ $((RANDOM % 2)) -eq 0 ] || sed -i "s/level: info/level: warn/; t; s/level: warn/level: info/" "$WORK/baton.yaml"
		rc=0
		timeout 100 "$BIN/batonctl" -i "$INSTANCE" $order >"$WORK/clerk.$1.said" 2>&1 </dev/null || rc=$?
		printf '%s\t%s\t%s\n' "$rc" "$order" "$(tail -1 "$WORK/clerk.$1.said" | cut -c1-200)" >>"$WORK/clerk.$1"
	done
}
orders_made() { cat "$WORK"/clerk.[0-9] 2>/dev/null | grep -vc '^3' || true; } # that batond has had
# No answer but one that is in the table; 3 while batond is away.
answers_are_of_the_table() {
	cut -f1 "$WORK"/clerk.[0-9] | sort -n | uniq -c >"$WORK/codes"
	must_fail grep -vP '^[0134567]\t' <(cat "$WORK"/clerk.[0-9])
}
storm_ready() { [ "$(ctl --json buckets show 2>/dev/null | jq '[.services[].owners[] | select(.worker != null) | .buckets] | add')" = $((BUCKETS + OTHER)) ]; }
kill_of_storm() {
	local name
	name=$(ctl --json worker list 2>/dev/null | jq -r --argjson r $RANDOM '[.workers[] | select(.pid > 0) | .pid] | if length > 0 then .[$r % length] else empty end')
	[ -z "$name" ] || kill -KILL "$name" 2>/dev/null || true
}
batond_again() {
	batond_dies_and_another_starts
	wait_for '! batond_lives || storm_ready'
	batond_lives || { tail -5 "$WORK/batond.log"; return 1; }
}
idle_again() { [ "$(ctl --json rollout status 2>/dev/null | jq '[.rollouts[] | .phase == "idle" and .workers == {candidate: [], control: []} and .exposed_buckets == 0] | all')" = true ]; }

# What the audit log tells of a group: a rollout begins, its weights rise, it ends once; who takes one up has it at no higher
# weight than it had; of what was killed with batond only the end may be missing.
audit_is_of_the_state_machine() {
	jq -rs --arg group "$1" '
		.[-1].boot as $last |
		def bad($l; $m): error("\($m): \($l | tojson)");
		reduce (.[] | select(.event == "rollout" and .group == $group)) as $l ({active: false, weight: 0, boot: "", back: false, n: 0};
			.n += 1
			| if $l.boot != .boot then .boot = $l.boot | .torn = .active else . end
			| if $l.what == "start" then
				if .active and (.torn | not) then bad($l; "begun before the one before it has ended") else . end
				| .active = true | .torn = false | .weight = 0 | .back = false
			elif $l.what == "taken_up" then
				if (.torn | not) then bad($l; "taken up, and there was none") else . end
				| if $l.weight > .weight then bad($l; "taken up at a higher weight than \(.weight)") else . end
				| .torn = false | .back = false | .weight = 0 | .taken = $l.weight
			elif $l.what == "refused" then if .torn then .active = false | .torn = false else . end
			elif $l.what == "undone" and (.active | not) then .
			elif ($l.what == "undone" or $l.what == "finished" or $l.what == "degraded") then
				if .active then .active = false else bad($l; "ended, and there was none") end
			elif .active | not then bad($l; "there is none under way")
			elif $l.what == "weight" then
				if .back then bad($l; "a weight after it went back") elif $l.weight < .weight then bad($l; "a weight that falls") else .weight = $l.weight end
			elif $l.what == "rollback" then .back = true
			else . end)
		| if .active and (.torn | not) and .boot == $last then error("the last one has no end") else "note: \($group): \(.n) lines of the audit log" end' \
		"/var/log/baton/$INSTANCE.audit"
}
orders_and_kills_at_once_lose_nothing() {
	local i state clerks=()
	RANDOM=$((SEED % 32768))
	for ((i = 0; i < CLERKS; i++)); do
		clerk $i &
		clerks+=($!)
		run_process $!
	done
	for ((i = 1; i <= KILLS; i++)); do
		wait_for "[ \$(orders_made) -ge $((i * 12)) ]"
		kill_of_storm
		[ $((i % 4)) -ne 0 ] || batond_again
		bots_running || { cat "$WORK/bots.err"; return 1; }
	done
	touch "$WORK/enough"
	wait "${clerks[@]}"
	wait_for '[ "$(ctl --json rollout status | jq "[.rollouts[].phase != \"check\"] | all")" = true ]'
	ctl rollout abort game >/dev/null || true
	ctl rollout abort echo >/dev/null || true
	wait_for idle_again || { ctl rollout status; ctl worker list; return 1; }
	wait_for storm_ready || { ctl buckets show; return 1; }
	served_on
	play_no_more
	bots_clean
	answers_are_of_the_table
	audit_is_of_the_state_machine game
	audit_is_of_the_state_machine echo
	must_fail grep -E 'assert|sanitizer|BUG' "$WORK/batond.log"
	for state in $(ctl --json rollout status | jq -r '.rollouts[].state'); do
		[ "$state" = degraded ] || [ "$state" = healthy ] || [ "$state" = none ] || { ctl rollout status; return 1; }
	done
	echo "note: seed $SEED, $(orders_made) orders of $CLERKS, exit codes $(awk '{printf "%s:%s ", $2, $1}' "$WORK/codes"), $KILLS kills of workers, $((KILLS / 4)) of batond, $(bots_value received) replies"
}
storm_leaves_the_ledger_exact() {
	batond_stop
	ledger_balances
}
claim_rollout_storm() {
	GROUP_EXTRA="    settings: {player.idle: 600s}"
	port_tap || fatal "no port"
	storm_config >"$WORK/baton.yaml"
	batond_launch "$WORK/baton.yaml" && wait_for '! batond_lives || ip -n "$CLIENT" link show "$CLIENT_DEV"' && client_address &&
		wait_for '! batond_lives || storm_ready' && batond_lives || fatal "no batond"
	play
	claim orders_and_kills_at_once_lose_nothing orders_and_kills_at_once_lose_nothing
	claim storm_leaves_the_ledger_exact storm_leaves_the_ledger_exact
}
