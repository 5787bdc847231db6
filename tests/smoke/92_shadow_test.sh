#!/bin/bash
# Shadows under bots that move, attack and are ticked: what production settles is handled once more by a candidate and by a
# fresh stable worker, and compared. An equal version never differs; one with wrong positions is shown with the field; one
# that differs from itself shows as noise; one that dies takes nobody along. No player is ever exposed, or notices.
. "$(dirname "$0")/_init.sh"
SLOTS=6
GROUP_EXTRA='    tick_period: 100ms'
. "$(dirname "$0")/scale_claims.sh"
. "$(dirname "$0")/rollout_claims.sh"
. "$(dirname "$0")/shadow_claims.sh"

equal_version() {
	shadow_of "$WORK/good.so" 1
	until_diff '.counts.compared > 3000 and .counts.noise_compared > 3000'
	no_differences
	equal "buckets of the candidate" "$(role_buckets candidate)" 0
	equal "exposed buckets" "$(rollout .exposed_buckets)" 0
	[ "$(counter messages_settled)" -gt 1000 ]
	echo "note: seed $SEED, $(ctl rollout diff "$PLUGIN" | head -2 | tr '\n' ';')"
	ctl rollout abort "$PLUGIN"
	nobody_noticed
}
wrong_positions() {
	local x='.sample[0].fields[] | select(.name == "x")'
	shadow_of "$FAULTY/game_v2_wrong.so" 2
	until_diff '.fields.x.candidate > 20'
	equal "noise in x" "$(diff .fields.x.noise)" 0
	equal "noise" "$(diff .counts.noise_differed)" 0
	equal "fields that differ" "$(diff '.fields | keys | join(" ")')" x
	equal "what is shown of it" "$(diff "($x | .shadow) - ($x | .production) - 1 | fabs < 0.01")" true
	equal "request and replies" "$(diff '.sample[0] | (.request | length >= 96) and .production.verdict == "reply" and .production.reply != .shadow.reply')" true
	equal "exposed buckets" "$(rollout .exposed_buckets)" 0
	ctl rollout diff "$PLUGIN" | grep -q '^  x: .*, candidate '
	ctl rollout abort "$PLUGIN"
	nobody_noticed
}
crashes_in_shadow() {
	shadow_of "$FAULTY/game_v2_crash.so" 3
	until_rollout '.state == "degraded"'
	equal "whose doing" "$(rollout .gate)" crashes
	nobody_noticed
}
hangs_in_shadow() {
	shadow_of "$FAULTY/game_v2_hang.so" 4
	until_rollout '.state == "degraded"'
	equal "whose doing" "$(rollout .gate)" stalls
	nobody_noticed
}
# Its file says so: nothing is started to find out.
not_declared() {
	local processes barred
	barred=$(rollout '.barred | length')
	processes=$(ctl --json worker list | jq -c '[.workers[] | [.name, .pid]]')
	refused 1 'does not declare that it may run as a shadow' rollout start "$PLUGIN" --to "$FAULTY/game_slow.so"
	equal "processes" "$(ctl --json worker list | jq -c '[.workers[] | [.name, .pid]]')" "$processes"
	equal "builds that are barred" "$(rollout '.barred | length')" "$barred"
}

# A version whose replies differ from itself, by bytes: as much as its candidate's do.
noise_floor() {
	ctl worker restart "$PLUGIN" --version "$FAULTY/game_v2_clock.so"
	candidate_file clock "$FAULTY/game_v2_clock.so"
	strategy '[{shadow: {sample: 100%, for: 50m, compare: bytes}}, {weight: 100%}]'
	batond_config >"$WORK/baton.yaml"
	ctl config reload --wait
	shadow_of "$WORK/clock.so" 6 move=1,heartbeat=0 --outside 0 # of the entry's time are all replies but those
	until_diff '.counts.differed > 20 and .counts.noise_differed > 20'
	ctl rollout abort "$PLUGIN"
	nobody_noticed
}

strategy '[{shadow: {sample: 100%, for: 50m, compare: digest}}, {weight: 100%}]'
port_tap || fatal "no port"
candidate_file good && batond_start || fatal "no batond"

claim an_equal_version_never_differs equal_version
claim wrong_positions_are_shown_and_no_player_is_exposed wrong_positions
claim one_that_crashes_takes_nobody_along crashes_in_shadow
claim one_that_hangs_holds_nobody_up hangs_in_shadow
claim a_plugin_that_does_not_declare_it_is_refused not_declared
claim a_version_that_differs_from_itself_is_noise noise_floor
claim the_ledger_balances eval 'batond_stop && ledger_balances'
