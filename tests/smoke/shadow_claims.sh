# What the scenarios about shadows share.

FAULTY=$O/test-plugins
diff() { ctl --json rollout diff "$PLUGIN" | jq -re ".diff | $1"; }
diff_is() { [ "$(ctl --json rollout diff "$PLUGIN" | jq ".diff | $1")" = true ]; }
until_diff() { wait_for "diff_is '$1'" || { ctl rollout diff "$PLUGIN" | head -40; ctl rollout status "$PLUGIN"; return 1; }; }
# shadow_of FILE N [MIX [OPTIONS]]: other players each time, for what is known of the last ones' attacks is in the records.
shadow_of() {
	players_start --mix "${3:-move=60,heartbeat=10,attack=30}" --long 100 --rate 4000 --seed $((SEED + $2)) "${@:4}"
	ctl rollout start "$PLUGIN" --to "$1"
}
# Nobody was exposed, nobody has noticed, and the group is as it was.
nobody_noticed() {
	until_rollout '.state == "degraded"'
	only_stable
	equal "deaths of stable workers" "$(ctl --json worker list | jq '[.workers[].crashes] | add')" 0
	equal "quarantined entries" "$(counter quarantined)" 0
	players_stop
	equal "attack faults" "$(bots_value attack.faults)" 0
}
no_differences() {
	equal "differences" "$(diff .counts.differed)" 0
	equal "noise" "$(diff .counts.noise_differed)" 0
}
