#!/bin/bash
# What an operator sees of a rollout before and while it runs: explain, the screen, JSON and Prometheus say what status says.
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/scale_claims.sh"
. "$(dirname "$0")/screen_claims.sh"
. "$(dirname "$0")/rollout_claims.sh"

explained() { ctl --json rollout explain "$PLUGIN" | jq -re "$1"; }
top_has() { wait_for "[ \"\$(top_json | jq -c '.rollouts[0] | $1')\" = '$2' ]" || { top_json | jq .rollouts; return 1; }; }
status_exits() { wait_for "ctl status >$WORK/status; [ \$? = $1 ]" 10 || { cat "$WORK/status"; return 1; }; }
prom_has() { ctl stats --prom | grep -qF -- "baton_rollout_$1" || { ctl stats --prom | grep rollout; return 1; }; }

steps_are_explained_in_buckets() {
	equal "buckets at 10 %" "$(explained '.steps[0].buckets')" $(((100 * BUCKETS + 500) / 1000))
	equal "workers" "$(explained '.steps[0] | "\(.candidates) \(.controls)"')" "1 1"
	equal "slots" "$(explained '.slots | "\(.workers) + \(.candidate_and_control) + \(.others) = \(.needed), \(.enough)"')" "2 + 2 + 1 = 5, true"
	equal "resumes" "$(explained .resumes)" 1
	ctl rollout explain "$PLUGIN" >"$WORK/said"
	grep -qE '^ +1 +weight 10% ' "$WORK/said" && grep -qF 'resume' "$WORK/said"
	refused 4 "no group 'nobody'" rollout explain nobody
}
# The next rollout's steps are the file's of now; nothing is restarted for them.
a_reload_is_for_the_next_rollout() {
	local before
	before=$(ctl --json worker list | jq -c '[.workers[].pid]')
	sed -i 's/{weight: 10%}/{weight: 5%}, {weight: 10%}/' "$WORK/baton.yaml"
	ctl config diff >"$WORK/said" || equal "exit status of the diff" $? 1
	grep -qF 'rollouts[0].steps' "$WORK/said"
	ctl config reload --wait
	equal "the first weight" "$(explained '.steps[0].weight')" 50
	equal "pids" "$(ctl --json worker list | jq -c '[.workers[].pid]')" "$before"
	sed -i 's/{weight: 5%}, //' "$WORK/baton.yaml"
	ctl config reload --wait
	equal "the first weight" "$(explained '.steps[0].weight')" 100
}
screen_json_and_prometheus_agree_with_status() {
	top_start 80 24 NO_COLOR=1 --ascii
	keys 7
	shows 'no group has or had a rollout'
	start good
	at_weight 100
	top_has '[.state, .phase, .weight, .step, .steps]' '["paused","pause",100,2,4]'
	top_has .exposed_buckets "$(rollout .exposed_buckets)"
	top_has .candidate_build_id "\"$(rollout .candidate.build_id)\""
	ctl worker list >"$WORK/workers" # who is exposed
	grep -qE "^$PLUGIN[.]2 +candidate +active " "$WORK/workers" && grep -qE "^$PLUGIN[.]3 +control +active " "$WORK/workers" ||
		{ cat "$WORK/workers"; return 1; }
	shows "$PLUGIN  paused: pause, step 2 of 4, until resumed"
	shows 'weight  10.0% [##'
	shows 'GATE'
	shows 'crashes'
	ascii_only
	prom_has "state{baton=\"$INSTANCE\",group=\"$PLUGIN\",state=\"paused\"} 1"
	prom_has "weight_ratio{baton=\"$INSTANCE\",group=\"$PLUGIN\"} 0.1"
	prom_has "gate_failing{baton=\"$INSTANCE\",group=\"$PLUGIN\",gate=\"crashes\"} 0"
}
degraded_is_told_in_words() {
	ctl rollout abort "$PLUGIN"
	until_rollout '.state == "degraded"'
	top_has .state '"degraded"'
	equal verdict "$(top_json | jq -r .verdict)" WARN
	top_json | jq -r '.reasons[]' | grep -qF "rollout of $PLUGIN is degraded, stable serves: "
	shows "rollout of $PLUGIN is degraded"
	status_exits 1
	grep -qF "warn: rollout of $PLUGIN is degraded, stable serves: " "$WORK/status"
	ctl rollout history "$PLUGIN" | grep -q 'rolled back, started by '
	prom_has "state{baton=\"$INSTANCE\",group=\"$PLUGIN\",state=\"degraded\"} 1"
	ctl rollout undo "$PLUGIN"
	status_exits 0
	top_has .state '"healthy"'
	shows "$PLUGIN  healthy"
	top_quits
}

strategy '[{weight: 10%}, {pause: {}}, {weight: 50%}, {weight: 100%}]'
port_tap || fatal "no port"
candidate_file good && batond_start || fatal "no batond"
mux_start || fatal "no terminal"

claim every_step_is_put_into_figures steps_are_explained_in_buckets
claim a_reload_is_for_the_next_rollout a_reload_is_for_the_next_rollout
claim every_view_says_what_status_says screen_json_and_prometheus_agree_with_status
claim a_degraded_rollout_is_told_in_words degraded_is_told_in_words
claim the_ledger_balances stopped_well
