#!/bin/bash
# Attacker and target always in different workers: two teams that attack each other only, each with all its buckets in one
# worker of three, never in the same, while at random workers are restarted hot and killed and a team moves as a whole to
# the worker that has none. The bots keep books of hit points, hit by hit, and close them at the end.
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/scale_claims.sh"
. "$(dirname "$0")/attack_claims.sh"

PLAYERS=40
EACH=${EACH:-2} # of the seven kinds of step
WORKERS=3
EAL_EXTRA="  io_cores: [0, 1]"
# A claim stops workers on purpose.
GROUP_EXTRA="    stall_timeout: off
    stall_wall: off
    tick_period: 50ms
    settings: {player.idle: 10m, regen.per_tick: 3}"
TEAM=$WORK/team # $TEAM.0, $TEAM.1: a line for each player, its id; $TEAM.N.buckets: theirs, with commas; $TEAM.N.worker

players() { "$BIN/baton-bots" --print-players "$@"; }
find_players() { ctl --json buckets find "$@"; }
ids() { tr '\n' ' ' <"$TEAM.$1"; }
worker_of() { cat "$TEAM.$1.worker"; }
free_worker() { printf 'game.%d\n' 0 1 2 | grep -vxF -e "$(worker_of 0)" -e "$(worker_of 1)"; }

# Of both teams in one answer: workers and processes that have, or are just getting, buckets of the team.
look() {
	find_players $(ids 0) $(ids 1) | jq -c --argjson n "$(wc -l <"$TEAM.0")" 'def all(k): {
		workers: ([k[] | .worker, .moving_to | values] | unique),
		pids: ([k[] | .pid | select(. > 0)] | unique),
		orphans: ([k[] | select(.worker == null)] | length)};
		[all(.keys[:$n]), all(.keys[$n:])]'
}
# At any time: nobody is in, or on the way to, a worker that has anybody of the other team.
apart() {
	local seen
	seen=$(look)
	[ "$(jq 'def both(key): (.[0] | key) - ((.[0] | key) - (.[1] | key));
		both(.workers) == [] and both(.pids) == []' <<<"$seen")" = true ] || { echo "teams meet: $seen"; return 1; }
	echo "$seen" >>"$WORK/looks"
}
# Between steps: each as a whole where it was sent to, and no two players of different teams at one place.
placed() {
	apart || return 1 # under `must_fail` and `||` set -e does nothing
	equal "where the teams are" "$(look | jq -r '.[] | "\(.workers | join("+")) \(.pids | length) \(.orphans)"' | tr '\n' ,)" \
		"$(worker_of 0) 1 0,$(worker_of 1) 1 0,"
}
send_team() { ctl buckets move "$(cat "$TEAM.$1.buckets")" "$2" >"$WORK/order" 2>&1; }

# Stopped, it answers nobody: so it is known who depends on it.
found_worker_is_the_one_that_answers() {
	local seed=$SEED id stopped other pid
	declare -A seed_of=()
	while [ ${#seed_of[@]} -lt $WORKERS ]; do
		seed=$((seed + 1))
		id=$(players --players 1 --seed $seed | cut -d' ' -f1)
		seed_of[$(find_players "$id" | jq -r '.keys[0].worker')]=$seed
	done
	for stopped in game.0 game.1 game.2; do
		id=$(players --players 1 --seed "${seed_of[$stopped]}" | cut -d' ' -f1)
		pid=$(find_players "$id" | jq .keys[0].pid)
		equal "process of $stopped" "$pid" "$(worker_pid $stopped)"
		kill -STOP "$pid"
		for other in "${!seed_of[@]}"; do
			if [ "$other" = $stopped ]; then
				must_fail bots --players 1 --mix move=0,heartbeat=1 --requests 1 --lost-after 300 --seed "${seed_of[$other]}"
				equal "answers from a worker that is stopped" "$(bots_value received)" 0
			else
				bots --players 1 --mix move=0,heartbeat=1 --requests 20 --seed "${seed_of[$other]}"
				bots_clean
			fi
		done
		kill -CONT "$pid"
		bots --players 1 --mix move=0,heartbeat=1 --requests 20 --seed "${seed_of[$stopped]}"
		bots_clean
	done
}

# A seed whose teams share no bucket: which keys do depends on the salt of this state file.
two_teams_without_a_common_bucket() {
	local seed=$SEED team
	while :; do
		seed=$((seed + 1))
		players --teams --players $PLAYERS --seed $seed >"$WORK/players"
		for team in 0 1; do
			awk -v team=$team '$2 == team { print $1 }' "$WORK/players" >"$TEAM.$team"
			find_players $(ids $team) | jq -r '.keys[].bucket' | sort -u >"$TEAM.$team.list"
			paste -sd, "$TEAM.$team.list" >"$TEAM.$team.buckets"
		done
		equal "players" "$(sort -u "$TEAM.0" "$TEAM.1" | wc -l)" $PLAYERS
		[ -n "$(comm -12 "$TEAM.0.list" "$TEAM.1.list")" ] || break
	done
	echo $seed >"$WORK/seed"
	# what apart() and placed() are for: together they are noticed, and scattered they are
	echo game.0 >"$TEAM.0.worker"; echo game.1 >"$TEAM.1.worker"
	must_fail placed
	send_team 0 game.0; send_team 1 game.0
	must_fail apart
	send_team 1 game.1
	placed
}

# step KIND: what is done, and who is killed meanwhile, if anybody; prints it.
step() {
	local team=$((RANDOM % 2)) to= rc=0 victim= order= pid met=0
	case $1 in
	restart_all | restart_all_and_kill) order="worker restart game" ;;
	restart_one | restart_one_and_kill) order="worker restart $(worker_of $team)" ;;
	move | move_and_kill) to=$(free_worker); order="buckets move $(cat "$TEAM.$team.buckets") $to" ;;
	esac
	case $1 in
	*kill) victim=game.$((RANDOM % WORKERS)) ;;
	esac
	echo "$1: team $team, $(worker_of $team)${to:+ to $to}${victim:+, kills $victim}" | tee -a "$WORK/steps"
	if [ -n "$order" ]; then
		ctl $order >"$WORK/order" 2>&1 &
	else
		: &
	fi
	pid=$!
	[ -z "$victim" ] || kill_worker "$victim"
	while kill -0 $pid 2>/dev/null; do apart || met=1; done
	wait $pid || rc=$?
	[ $met -eq 0 ] || return 1
	# An order that a death has ended early is given again: what it has moved by then stays, with nobody of the other team.
	[ $rc -eq 0 ] || [ -n "$victim" ] || { echo "$order ended with $rc"; cat "$WORK/order"; return 1; }
	wait_for 'steady game' || return 1
	[ -z "$to" ] || echo "$to" >"$TEAM.$team.worker"
	[ $rc -eq 0 ] || [ -z "$to" ] || send_team $team "$to" || { cat "$WORK/order"; return 1; }
}
teams_fight_and_never_meet() {
	local i kind before
	RANDOM=$((SEED % 32768))
	bots_start --teams --players $PLAYERS --seed "$(cat "$WORK/seed")" --mix move=50,heartbeat=10,attack=40 --insist 200 \
		--seconds 3000 --connect-timeout 30
	wait_for '[ "$(counter messages_settled)" -gt 500 ]'
	for ((i = 0; i < 7 * EACH; i++)); do
		printf '%d %d\n' $RANDOM $((i % 7))
	done | sort -n | awk '{ split("restart_all restart_one move kill restart_all_and_kill restart_one_and_kill move_and_kill", kind, " ")
		print kind[$2 + 1] }' >"$WORK/plan"
	while read -r kind <&3; do
		placed
		before=$(counter messages_settled)
		step "$kind" || { cat "$WORK/steps"; return 1; }
		placed || { cat "$WORK/steps"; return 1; }
		wait_for "[ \$(counter messages_settled) -gt $((before + 40)) ]"
		bots_running || { echo "the bots gave up:"; cat "$WORK/bots.err"; return 1; }
	done 3<"$WORK/plan"
	equal "steps" "$(wc -l <"$WORK/steps")" $((7 * EACH))
	bots_stop
	bots_wait || cat "$WORK/bots.err"
	bots_clean
	books_balance
	# a hit is a message there and the result one back: no attack stayed with its player
	[ "$(counter messages_settled)" -ge $((2 * $(bots_value attack.hits))) ]
	echo "note: $((7 * EACH)) steps, teams looked for $(wc -l <"$WORK/looks") times, in $(jq -r '.[].workers[]' "$WORK/looks" | sort -u | wc -l) workers," \
		"$(jq -c '.[].pids[]' "$WORK/looks" | sort -u | wc -l) processes; $(counter moves) moves, $(counter redelivered) redelivered"
}

# not over TAP, for the reason in 27_attack
port_af_packet && DEVICE+=,qpairs=2,framecnt=4096 && batond_start || fatal "no batond"
claim found_worker_is_the_one_that_answers found_worker_is_the_one_that_answers
claim two_teams_without_a_common_bucket two_teams_without_a_common_bucket
claim teams_fight_and_never_meet teams_fight_and_never_meet
claim ledger_is_exact_after_the_fight ledger_is_exact_after_attacks
