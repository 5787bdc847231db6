#!/bin/bash
# A version that crashes again and again: without a good one before it the buckets are parked until an operator restarts;
# else the good one comes back. Players lose nothing.
. "$(dirname "$0")/_init.sh"
BURST=4
group_extra() {
	GROUP_EXTRA="    restart_burst: $BURST
    good_after: $1
    stall_wall: 60s
    park: {max_age: off}
    versions:
      - {name: tame, plugin: $PLUGINS/game.so}
      - {name: wild, plugin: ${PLUGINS%/*}/test-plugins/game_wild.so}
    settings: {wild.after: 2000, wild.how: crash}"
}
versions() { ctl --json worker list | jq -r '[.workers[] | select(.state == "active") | .version] | sort | join(" ")'; }
reasons() { top_json | jq -r '.verdict + " " + (.reasons[] | select(startswith("group")))'; }
prom() { ctl stats --prom | sed -n "s/^baton_group_$1{.*group=\"game\"${2-}} //p"; }
sentences() { ctl --json status | jq -r '.sentences[].text'; }
faults() { grep -c 'died: signal 11' "$WORK/batond.log"; }
# The other worker goes on after the last restart is spent, and may crash before anybody looks.
faults_until_spent() { sed '/group game: restarts spent/q' "$WORK/batond.log" | grep -c 'died: signal 11'; }
answers() { wait_for "[ \$(counter replies) -gt $(($(counter replies) + 2000)) ]"; }
bots_found_nothing_wrong() {
	bots_stop
	bots_wait || cat "$WORK/bots.err"
	bots_clean
}
without_a_good_version_buckets_are_parked() {
	local before
	bots_start --players 100 --seconds 3000 --connect-timeout 30 --lost-after 60000 --seed "$SEED"
	answers
	ctl worker restart game --version wild
	wait_for 'sentences | grep "group game: restarts spent, [1-9][0-9]* buckets parked; .batonctl worker restart game. tries again"'
	wait_for 'reasons | grep "^CRIT group game restarts spent: [1-9][0-9]* buckets, [0-9.k]* packets parked"'
	equal "Prometheus' state" "$(prom state ',state="spent"') $(prom state ',state="serving"')" "1 0"
	[ "$(prom restarts_spent)" -ge "$(prom restarts_limit)" ]
	equal "faults until then" "$(faults_until_spent)" $BURST
	ctl worker restart game --version tame
	equal "versions" "$(versions)" "1 1"
	answers
	wait_for '[ -z "$(reasons)" ]'
	must_fail eval 'sentences | grep spent'
	before=$(faults) # one that had not crashed may have until the restart came to it
	answers
	bots_found_nothing_wrong
	equal "faults of the tame version" "$(faults)" "$before"
}
the_last_good_version_comes_back() {
	group_extra 300ms
	batond_config >"$WORK/baton.yaml"
	ctl config reload --wait
	bots_start --players 100 --seconds 3000 --connect-timeout 30 --lost-after 60000 --seed "$SEED"
	wait_for 'grep "group game: version 1 is what it falls back to if a later one crashes" "$WORK/batond.log"'
	group_extra 1h
	batond_config >"$WORK/baton.yaml"
	ctl config reload --wait
	ctl worker restart game --version wild
	wait_for 'grep "group game: $BURST crashes of version wild within 60 s: it falls back to 1" "$WORK/batond.log"'
	wait_for '[ "$(versions)" = "1 1" ]'
	wait_for 'sentences | grep "group game: version wild crashed too often, 1 runs instead"'
	wait_for 'reasons | grep "group game fell back from wild to 1"'
	equal "what it fell back from" "$(prom info '.*,fell_back_from="wild"')" 1
	answers
	equal "versions" "$(versions)" "1 1"
	bots_found_nothing_wrong
	echo "note: seed $SEED, $(faults) faults, $(counter redelivered) packets redelivered"
}
ledger_is_exact_after_crash_loops() { batond_stop; ledger_balances; grep 'pool io.0: full' "$WORK/batond.log"; }

group_extra 1h
port_tap && batond_start || fatal "no batond"
claim without_a_good_version_buckets_are_parked without_a_good_version_buckets_are_parked
claim the_last_good_version_comes_back the_last_good_version_comes_back
claim ledger_is_exact_after_crash_loops ledger_is_exact_after_crash_loops
