# What the scenarios about rollouts share: candidates, states to wait for, claims.

STEPS=
# strategy STEPS [LINES]: rollouts[] of the configuration; without gates that need traffic of their own, but for LINES.
strategy() { STEPS=$1 ROLLOUT_EXTRA=${2:-}; }

batond_config_plain() { :; }
eval "batond_config_plain() $(declare -f batond_config | tail -n +2)"
batond_config() {
	batond_config_plain
	cat <<-END
	rollouts:
	  - group: $PLUGIN
	    steps: $STEPS
	    analysis: {gates: {drop_ratio: off, malformed_ratio: off, error_reply_ratio: off, latency_p50: off, latency_p99: off, cycles_per_packet: off, messages: off, sends: off, shadow_diff_ratio: off}}
	$ROLLOUT_EXTRA
	END
}

# candidate_file NAME [SOURCE]: the plugin as another build: $WORK/NAME.so, told apart by its build id.
candidate_file() {
	local id
	id=$(od -An -N20 -tx1 /dev/urandom | tr -d ' \n')
	objcopy --dump-section .note.gnu.build-id="$WORK/note" "${2:-$PLUGINS/$PLUGIN.so}" "$WORK/$1.so" &&
		{ head -c 16 "$WORK/note"; printf "$(sed 's/../\\x&/g' <<<"$id")"; } >"$WORK/note.new" &&
		objcopy --update-section .note.gnu.build-id="$WORK/note.new" "$WORK/$1.so"
}

rollout() { ctl --json rollout status "$PLUGIN" | jq -re ".rollouts[0] | $1"; }
# rollout_is FILTER: true by that jq filter of the status row.
rollout_is() { [ "$(ctl --json rollout status "$PLUGIN" | jq ".rollouts[0] | $1")" = true ]; }
until_rollout() { wait_for "rollout_is '$1'" || { ctl rollout status "$PLUGIN"; return 1; }; }
build_of() { ctl --json worker list | jq -r --arg n "$1" '.workers[] | select(.name == $n and .role == "serving") | .build_id'; }
# Buckets of the candidate's and control's workers.
role_buckets() {
	ctl --json worker list | jq --argjson names "$(rollout ".workers.$1")" \
		'[.workers[] | select(.name as $n | $names | index($n)) | .buckets] | add // 0'
}
# weight PERMILLE: paused there, with exactly so many buckets.
at_weight() {
	local wanted=$(((${1} * BUCKETS + 500) / 1000))
	until_rollout ".state == \"paused\" and .weight == $1" || return 1
	equal "buckets of the candidate" "$(role_buckets candidate)" "$wanted"
	equal "buckets that are exposed" "$(rollout .exposed_buckets)" "$wanted"
	equal "buckets of control" "$(role_buckets control)" "${2:-$wanted}"
}
only_stable() {
	equal "workers of the group" "$(ctl --json worker list | jq -r '[.workers[].name] | sort | join(" ")')" "$PLUGIN.0 $PLUGIN.1"
	even "$PLUGIN"
}
start() { ctl rollout start "$PLUGIN" --to "$WORK/$1.so"; }

players_start() { bots_start --players 100 --seconds 3000 --connect-timeout 30 --seed "$SEED" "$@"; served_on; }
# They have noticed nothing.
players_stop() { served_on; bots_stop; bots_wait; bots_clean; }

promoted_step_by_step() {
	local before first
	before=$(build_of "$PLUGIN.0")
	players_start
	start good
	at_weight 100
	refused 1 "is under way" worker restart "$PLUGIN"
	refused 1 "is under way" worker start "$PLUGIN"
	refused 1 "is under way" worker drain "$PLUGIN.1"
	refused 1 "is under way" rollout start "$PLUGIN" --to "$WORK/good.so"
	first=$(rollout .workers.candidate[0])
	served_on
	ctl rollout resume "$PLUGIN"
	at_weight 500
	equal "the first candidate" "$(rollout .workers.candidate[0])" "$first"
	served_on
	ctl rollout promote "$PLUGIN"
	until_rollout '.state == "healthy"'
	only_stable
	must_fail equal build "$(build_of "$PLUGIN.0")" "$before"
	equal "build of the other" "$(build_of "$PLUGIN.1")" "$(build_of "$PLUGIN.0")"
	equal "what is in the history" "$(ctl --json rollout history "$PLUGIN" | jq -r '.history[0].result')" promoted
	players_stop
}
undone_at_once() {
	local before
	before=$(build_of "$PLUGIN.0")
	players_start
	ctl rollout undo "$PLUGIN"
	until_rollout '.state == "healthy"'
	only_stable
	must_fail equal build "$(build_of "$PLUGIN.0")" "$before"
	equal file "$(ctl --json worker list | jq -r '.workers[0].path')" "$PLUGINS/$PLUGIN.so"
	players_stop
}
# kill -9 is as good as any crash: it is gone, not replaced, and the version is barred.
killed_candidate_is_gone() {
	local name
	players_start
	start good
	at_weight 100
	name=$(rollout .workers.candidate[0])
	kill_worker "$name"
	until_rollout '.state == "degraded"'
	equal "whose doing" "$(rollout .gate)" crashes
	equal "exit status of the status" "$(ctl rollout status "$PLUGIN" >"$WORK/status"; echo $?)" 6
	grep -q "$name died" "$WORK/status"
	grep -qE '^  crashes +FAIL +1 ' "$WORK/status" || { cat "$WORK/status"; return 1; }
	ctl rollout history "$PLUGIN" | head -2 | grep -qF "gate crashes FAIL: 1, limit 0" || { ctl rollout history "$PLUGIN"; return 1; }
	ctl rollout explain "$PLUGIN" >"$WORK/said"
	grep -q "the last one, .* was rolled back: gate crashes at 1, limit 0: $name died" "$WORK/said" || { cat "$WORK/said"; return 1; }
	only_stable
	equal "deaths of stable workers" "$(ctl --json worker list | jq '[.workers[].crashes] | add')" 0
	players_stop
}
barred_until_retry() {
	refused 1 "was rolled back" rollout start "$PLUGIN" --to "$WORK/good.so"
	equal state "$(rollout .state)" degraded
	players_start
	ctl rollout retry "$PLUGIN"
	at_weight 100
	ctl rollout abort "$PLUGIN"
	until_rollout '.state == "degraded"'
	only_stable
	players_stop
}
# In the middle of the moves, too.
aborted_at_once() {
	players_start
	start good
	ctl rollout abort "$PLUGIN"
	until_rollout '.state == "degraded"'
	only_stable
	start good
	at_weight 100
	ctl rollout resume "$PLUGIN"
	until_rollout '.want == 500 and .phase == "weight" or .weight == 500'
	ctl rollout abort "$PLUGIN"
	until_rollout '.state == "degraded"'
	only_stable
	ctl rollout undo "$PLUGIN"
	equal "after the undo" "$(rollout .state)" healthy
	players_stop
}
# It starts by itself, once: that the file still names it starts nothing again.
named_by_the_file() {
	candidate_file next
	players_start
	sed -i "s|^  - group: $PLUGIN\$|&\n    candidate: $WORK/next.so|" "$WORK/baton.yaml"
	ctl config reload --wait
	at_weight 100
	equal "who" "$(rollout .started_by)" configuration
	ctl rollout abort "$PLUGIN"
	until_rollout '.state == "degraded"'
	ctl config reload --wait
	equal "state after the same file" "$(rollout .state)" degraded
	only_stable
	equal "lines of it in the audit log" "$(grep -c '"event":"rollout".*"what":"start".*"by":"configuration"' "/var/log/baton/$INSTANCE.audit")" 1
	players_stop
}
SNAPSHOTS=/var/lib/baton/$INSTANCE/snapshots
# Named wherever an operator looks for it; of those before it one is left.
snapshot_comes_first() {
	local file
	start good
	at_weight 100
	file=$(rollout .snapshot)
	[ -s "$file" ] || { echo "no snapshot: $file"; return 1; }
	equal "snapshots that are kept" "$(ls "$SNAPSHOTS" | wc -l)" 2
	ctl rollout status "$PLUGIN" >"$WORK/status" || true # it is paused, which is no 0
	grep -qF "$file" "$WORK/status" || { cat "$WORK/status"; return 1; }
	grep '"event":"rollout".*"what":"snapshot"' "/var/log/baton/$INSTANCE.audit" | tail -1 | grep -qF "$file"
}
records_of() {
	rm -f "$WORK/now.snap"
	ctl state snapshot "$WORK/now.snap" --group "$PLUGIN" >"$WORK/said" || { cat "$WORK/said"; return 1; }
	"$BIN/test-snapshot" "$WORK/now.snap" | grep -v '^#'
}
put_back() { ctl state restore "$1" --buckets "0-$((BUCKETS - 1))" --group "$PLUGIN"; }
# Paused at a weight, and again while the weight changes: either it is refused, or all is what it was.
restored_at_a_weight() {
	local file before rc=0
	file=$(rollout .snapshot)
	before=$("$BIN/test-snapshot" "$file" | grep -v '^#')
	players_start
	players_stop
	must_fail equal records "$(records_of)" "$before"
	put_back "$file"
	equal records "$(records_of | cksum)" "$(cksum <<<"$before")"
	equal weight "$(rollout .weight)" 100
	players_start
	players_stop
	ctl rollout resume "$PLUGIN"
	put_back "$file" >"$WORK/refused" 2>&1 || rc=$?
	[ "$rc" = 0 ] || grep -q "under way" "$WORK/refused" || { cat "$WORK/refused"; return 1; }
	at_weight 500
	put_back "$file"
	equal records "$(records_of | cksum)" "$(cksum <<<"$before")"
	ctl rollout abort "$PLUGIN"
	until_rollout '.state == "degraded"'
	only_stable
	equal records "$(records_of | cksum)" "$(cksum <<<"$before")"
}
nobody_without_snapshot() {
	mv "$SNAPSHOTS" "$WORK/snapshots" && touch "$SNAPSHOTS" # no directory: nothing can be written there
	start good
	until_rollout '.state == "degraded"'
	rollout .why | grep -q "no snapshot, so no player gets the candidate" || { rollout .why; return 1; }
	equal "buckets that are exposed" "$(rollout .exposed_buckets)" 0
	equal "barred builds" "$(rollout '.barred | length')" 0
	only_stable
	rm "$SNAPSHOTS"
	ctl rollout undo "$PLUGIN"
}
# What stands in the file, not what was going to be.
resumed_at_its_step() {
	local pid
	start good
	at_weight 100
	ctl rollout resume "$PLUGIN"
	at_weight 500
	pid=$(batond_pid)
	kill -KILL "$pid"
	wait_for '[ -s "$WORK/batond.rc" ]'
	batond_start "$WORK/baton.yaml" || return 1
	at_weight 500
	equal "step" "$(rollout .step)" 5
	players_start
	kill_worker "$(rollout .workers.candidate[0])"
	until_rollout '.state == "degraded"'
	only_stable
	players_stop
	# and what was rolled back stays so
	kill -KILL "$(batond_pid)"
	wait_for '[ -s "$WORK/batond.rc" ]'
	batond_start "$WORK/baton.yaml" || return 1
	equal "state" "$(rollout .state)" degraded
	refused 1 "was rolled back" rollout start "$PLUGIN" --to "$WORK/good.so"
	only_stable
}
stopped_well() { batond_stop && ledger_balances && rm -rf "/var/lib/baton/$INSTANCE"; }
