#!/bin/bash
# The library and the runner themselves: a failure is never lost, and nothing is left behind.
. "$(dirname "$0")/_init.sh"

# inner NAME: a scenario read from stdin, run by the real runner; its output is in $WORK/out, its status returned.
inner() {
	mkdir -p "$WORK/inner"
	{ echo ". '$TREE/tests/smoke/_init.sh'"; cat; } >"$WORK/inner/$1_test.sh"
	env -u SCENARIO ONLY="$1" SMOKE_DIR="$WORK/inner" INSTANCE_PREFIX=h SKIPS="$WORK/SKIPS" \
		"$TREE/tests/smoke/run.sh" >"$WORK/out" 2>&1
}
last_line_is() { equal "last line" "$(tail -n 1 "$WORK/out")" "$1"; }

passing_and_failing_claims_are_counted() {
	must_fail inner 10_count <<<$'claim a true\nclaim b false\nclaim c true'
	last_line_is "2 passed, 1 failed, 0 skipped"
}
any_failing_command_fails_the_claim() {
	must_fail inner 11_middle <<<$'f() { true; false; true; }\nclaim a f'
	last_line_is "0 passed, 1 failed, 0 skipped"
}
success_of_what_must_fail_fails() {
	must_fail inner 15_must <<<$'f() { must_fail true; true; }\nclaim a f'
	last_line_is "0 passed, 1 failed, 0 skipped"
}
script_that_dies_or_claims_nothing_fails() {
	must_fail inner 12_dies <<<$'claim a true\nexit 3'
	last_line_is "1 passed, 1 failed, 0 skipped"
	must_fail inner 13_nothing <<<true
	last_line_is "0 passed, 1 failed, 0 skipped"
}
skip_without_its_line_fails() {
	must_fail inner 14_skip <<<'skip a "no such device"'
	last_line_is "0 passed, 1 failed, 0 skipped"
	echo "a: no such device" >"$WORK/SKIPS"
	inner 14_skip <<<'skip a "no such device"'
	last_line_is "0 passed, 0 failed, 1 skipped"
}
what_a_scenario_leaves_fails_it() {
	local kind path
	for kind in /var/lib/baton/ /run/baton/ /dev/shm/baton. /dev/hugepages/baton-; do
		must_fail inner 16_leaves <<-END
		smoke_end() { trap - EXIT; exit 0; } # what it makes stays
		run_note file "$kind\$INSTANCE-x"
		mkdir -p "$kind\$INSTANCE-x" && echo "$kind\$INSTANCE-x" >'$WORK/left'
		claim a true
		END
		last_line_is "1 passed, 1 failed, 0 skipped"
		path=$(cat "$WORK/left")
		grep "^not ok 16_leaves_leaves_nothing 0 # left: .*$path " "$WORK/out"
		runs_sweep # its owner is dead
		[ ! -e "$path" ]
	done
	inner 17_clean <<<$'mkdir -p "/var/lib/baton/$INSTANCE/quarantine"\nclaim a true' # nobody has noted it
	last_line_is "1 passed, 0 failed, 0 skipped"
}
wait_ends_in_time() {
	must_fail wait_for false 1
	wait_for true 1
	must_fail wait_for true 61
}

# victim: starts a script that makes a namespace with a process in it and an instance's files; sets $pid and $instance.
victim() {
	rm -f "$WORK/ready"
	cat >"$WORK/90_victim_test.sh" <<-END
	. '$TREE/tests/smoke/_init.sh'
	port_veth || exit 1
	run_note instance "\$INSTANCE"
	mkdir -p "/run/baton/\$INSTANCE"
	touch "/dev/shm/baton.\$INSTANCE.stats"
	in_server tail -f /dev/null &
	run_process \$!
	echo "\$INSTANCE \$! \$WORK" >'$WORK/ready'
	claim waits_for_ever wait_for false 60
	END
	env -u SCENARIO INSTANCE_PREFIX=h90 bash "$WORK/90_victim_test.sh" &
	pid=$!
	wait_for '[ -s "$WORK/ready" ]'
	read -r instance child work <"$WORK/ready"
	ip netns list | grep -q "^$instance-s"
}
nothing_is_left() {
	[ -z "$(ip netns list | grep "^$instance")" ]
	[ ! -e "/dev/shm/baton.$instance.stats" ]
	[ ! -e "/run/baton/$instance" ]
	[ ! -e "$work" ]
	[ -z "$(proc_start "$child")" ]
}
ended_with() {
	local rc=0
	wait "$pid" || rc=$?
	equal status $rc "$1"
}
termination_leaves_nothing() {
	victim
	kill -TERM "$pid"
	ended_with 143
	nothing_is_left
}
next_start_removes_what_a_kill_left() {
	victim
	kill -KILL "$pid"
	ended_with 137
	[ -e "/dev/shm/baton.$instance.stats" ]
	[ -n "$(proc_start "$child")" ]
	runs_sweep
	nothing_is_left
}
sweep_spares_the_living() {
	victim
	runs_sweep
	[ -e "/dev/shm/baton.$instance.stats" ]
	[ -n "$(proc_start "$child")" ]
	kill -TERM "$pid"
	ended_with 143
	nothing_is_left
}

for name in passing_and_failing_claims_are_counted any_failing_command_fails_the_claim \
	success_of_what_must_fail_fails \
	script_that_dies_or_claims_nothing_fails skip_without_its_line_fails what_a_scenario_leaves_fails_it wait_ends_in_time \
	termination_leaves_nothing next_start_removes_what_a_kill_left sweep_spares_the_living; do
	claim "$name" "$name"
done
