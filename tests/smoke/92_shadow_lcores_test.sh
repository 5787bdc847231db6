#!/bin/bash
# Shadows of a group that two I/O lcores serve: a bucket's packets, messages and ticks come over both, and the shadow handles
# them in the order in which production's worker has. An equal version never differs, whoever dies meanwhile; wrong positions
# are found; so is what ticks send.
. "$(dirname "$0")/_init.sh"
SLOTS=7
GROUP_EXTRA='    tick_period: 100ms'
EAL_EXTRA="  io_cores: [0, 1]"
. "$(dirname "$0")/scale_claims.sh"
. "$(dirname "$0")/rollout_claims.sh"
. "$(dirname "$0")/shadow_claims.sh"

both_lcores_served() {
	[ "$(top_json | jq '[.cores[] | select(.role == "io" and .counters.replies > 100)] | length')" = 2 ]
}
equal_version() {
	shadow_of "$WORK/good.so" 1
	until_diff '.counts.compared > 2000 and .counts.noise_compared > 2000'
	no_differences
	wait_for both_lcores_served
	ctl rollout abort "$PLUGIN"
	nobody_noticed
}
# Its buckets go to the other worker and back: they are asked for anew, and nothing else happens.
stable_dies() {
	local compared
	shadow_of "$WORK/good.so" 2
	until_diff '.counts.compared > 500 and .counts.noise_compared > 500'
	kill_worker "$PLUGIN.0"
	compared=$(diff .counts.compared)
	until_diff ".counts.compared > $((compared + 1000))"
	no_differences
	ctl rollout abort "$PLUGIN"
	until_rollout '.state == "degraded"'
	players_stop
	equal "attack faults" "$(bots_value attack.faults)" 0
}
wrong_positions() {
	shadow_of "$FAULTY/game_v2_wrong.so" 3
	until_diff '.fields.x.candidate > 20'
	equal "noise" "$(diff .counts.noise_differed)" 0
	equal "fields that differ" "$(diff '.fields | keys | join(" ")')" x
	equal "exposed buckets" "$(rollout .exposed_buckets)" 0
	ctl rollout abort "$PLUGIN"
	until_rollout '.state == "degraded"'
	players_stop
}
wrong_ticks() {
	shadow_of "$FAULTY/game_v2_ticks.so" 4
	until_diff '.counts.ticks_differed > 10'
	equal "what differs but ticks" "$(diff '.counts.differed - .counts.ticks_differed')" 0
	equal "noise" "$(diff .counts.noise_differed)" 0
	equal "fields that differ" "$(diff '.fields | keys | all(startswith("tick: "))')" true
	equal "which ticks" "$(diff '.sample | all(.kind == "tick" and .tick % 8 == 0)')" true
	ctl rollout abort "$PLUGIN"
	until_rollout '.state == "degraded"'
	players_stop
}

strategy '[{shadow: {sample: 100%, for: 50m, compare: digest}}, {weight: 100%}]'
port_tap || fatal "no port"
candidate_file good && batond_start || fatal "no batond"

claim an_equal_version_never_differs_with_two_lcores equal_version
claim a_death_of_production_makes_no_difference stable_dies
claim wrong_positions_are_found_with_two_lcores wrong_positions
claim wrong_ticks_are_found wrong_ticks
claim the_ledger_balances eval 'batond_stop && ledger_balances'
