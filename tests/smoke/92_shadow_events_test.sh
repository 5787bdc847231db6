#!/bin/bash
# What happens beside a shadow makes no difference: new players, production's workers and the noise floor's killed, buckets moved
# by balancing, pauses, batond killed and started again; and shadows that stand still, as long as they like, are nothing to players.
# Two I/O lcores; an equal version under another build id is never found to differ, a wrong one is, at 1 % too.
. "$(dirname "$0")/_init.sh"
SLOTS=7
GROUP_EXTRA='    tick_period: 100ms
    stall_timeout: off
    stall_wall: off'
EAL_EXTRA="  io_cores: [0, 1]"
. "$(dirname "$0")/scale_claims.sh"
. "$(dirname "$0")/rollout_claims.sh"
. "$(dirname "$0")/shadow_claims.sh"

# Compared by both sides so often more than now.
goes_on() {
	local compared noise
	compared=$(diff .counts.compared) noise=$(diff .counts.noise_compared)
	until_diff ".counts.compared > $((compared + $1)) and .counts.noise_compared > $((noise + $1))"
}
member() { rollout ".workers.$1[0]"; }
ended() {
	ctl rollout abort "$PLUGIN"
	until_rollout '.state == "degraded"'
	only_stable
	players_stop
	equal "attack faults" "$(bots_value attack.faults)" 0
}
nothing_makes_a_difference() {
	local pid
	ctl rollout start "$PLUGIN" --to "$WORK/good.so"
	wait_for "diff_is '.counts.in_step == $BUCKETS'"
	# they come while their buckets are in step: records are made on both sides
	players_start --mix move=60,heartbeat=10,attack=30 --long 100 --rate 4000 --seed $((SEED + 1))
	goes_on 500
	kill_worker "$PLUGIN.1"
	goes_on 500
	pid=$(worker_pid "$(member control)")
	kill_worker "$(member control)"
	wait_for "[ \"\$(worker_pid \"\$(member control)\")\" != $pid ]"
	goes_on 500
	ctl rollout pause "$PLUGIN"
	goes_on 300
	ctl rollout resume "$PLUGIN"
	ctl balance on "$PLUGIN"
	goes_on 300
	ctl balance off "$PLUGIN"
	refused 1 "is under way" buckets move 1-40 "$PLUGIN.0"
	goes_on 300
	no_differences
	equal "workers that are left out" "$(diff .counts.left_out)" 0
	equal "exposed buckets" "$(rollout .exposed_buckets)" 0
	echo "note: seed $SEED, $(ctl rollout diff "$PLUGIN" | head -3 | tr '\n' ';')"
	ended
}
# The next primary begins the step anew, with counts of its own.
batond_is_killed() {
	ctl rollout start "$PLUGIN" --to "$WORK/good.so"
	players_start --mix move=60,heartbeat=10,attack=30 --rate 4000 --seed $((SEED + 2))
	goes_on 300
	kill -KILL "$(batond_pid)"
	kill -USR1 "$(cat "$WORK/bots.pid")" # they forgive what its end has taken
	wait_for '[ -s "$WORK/batond.rc" ]'
	batond_launch "$WORK/baton.yaml"
	wait_for '! batond_lives || ip -n "$CLIENT" link show "$CLIENT_DEV"'
	client_address
	until_rollout '.phase == "shadow"'
	goes_on 500
	no_differences
	ended
}
# What production has settled and answered is the same as if there were no shadows: each packet once, in order.
shadows_that_stand_still() {
	local candidate control before
	ctl rollout start "$PLUGIN" --to "$WORK/good.so"
	wait_for "diff_is '.counts.in_step == $BUCKETS'"
	candidate=$(worker_pid "$(member candidate)") control=$(worker_pid "$(member control)")
	before=$(($(counter replies) + $(counter error_replies)))
	kill -STOP "$candidate" "$control"
	players_start --mix move=70,heartbeat=30 --long 100 --rate 6000 --seed $((SEED + 3))
	until_diff '.counts.dropped > 100' # their belts are full
	served_on 3000
	equal "what they have answered" "$(diff .counts.compared)" 0
	bots_stop
	bots_wait || { cat "$WORK/bots.json" "$WORK/bots.err"; return 1; }
	bots_clean
	wait_for "[ \$((\$(counter replies) + \$(counter error_replies) - $before)) -eq \$((\$(bots_value received) + \$(bots_value probes))) ]" 10
	equal "packets that waited for a worker" "$(counter redelivered)" 0
	# what was copied before there was no room is still to be compared, and they find their way back
	kill -CONT "$candidate" "$control"
	players_start --mix move=1,heartbeat=0 --rate 2000 --seed $((SEED + 4))
	goes_on 1000
	no_differences
	ended
}
one_percent_finds_it_too() {
	strategy '[{shadow: {sample: 1%, for: 50m, compare: digest}}, {weight: 100%}]'
	batond_config >"$WORK/baton.yaml"
	ctl config reload --wait
	ctl rollout start "$PLUGIN" --to "$FAULTY/game_v2_wrong.so"
	players_start --mix move=1,heartbeat=0 --rate 6000 --players 1000 --seed $((SEED + 5))
	until_diff '.fields.x.candidate > 5'
	equal "noise" "$(diff .counts.noise_differed)" 0
	[ "$(diff .counts.in_step)" -le $((BUCKETS / 50)) ]
	ended
}

strategy '[{shadow: {sample: 100%, for: 50m, compare: digest}}, {weight: 100%}]'
port_tap || fatal "no port"
candidate_file good && batond_start || fatal "no batond"

claim shadows_that_stand_still_are_nothing_to_players shadows_that_stand_still
claim nothing_that_happens_beside_it_makes_a_difference nothing_makes_a_difference
claim a_killed_batond_begins_the_shadow_anew batond_is_killed
claim one_percent_of_the_buckets_finds_a_wrong_version one_percent_finds_it_too
claim the_ledger_balances eval 'batond_stop && ledger_balances'
