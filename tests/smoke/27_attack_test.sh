#!/bin/bash
# Attacks under hot restarts and kills: attacker and target are mostly in different workers, hits and results travel by
# message over two I/O lcores. The bots keep books of hit points, hit by hit, and close them at the end.
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/restart_claims.sh"
. "$(dirname "$0")/attack_claims.sh"

WORKERS=3
RESTARTS=8
EAL_EXTRA="  io_cores: [0, 1]"
GROUP_EXTRA="    tick_period: 50ms
    settings: {player.idle: 10m, regen.per_tick: 3}"
BOTS_EXTRA="--mix move=50,heartbeat=10,attack=40 --insist 200"

attacks_survive_kills() {
	local i pid
	bots_start --players 200 --seconds 3000 --connect-timeout 30 --seed $((SEED + 1)) $BOTS_EXTRA
	wait_for '[ "$(counter messages_settled)" -gt 1000 ]'
	for ((i = 0; i < 20; i++)); do
		pid=$(ctl --json worker list | jq -r "[.workers[] | select(.state == \"active\")][$((i % WORKERS))].pid")
		kill -9 "$pid"
		wait_for '[ "$(ctl --json worker list | jq "[.workers[] | select(.state == \"active\" and .pid != '"$pid"')] | length")" = 3 ]'
	done
	bots_stop
	bots_wait || cat "$WORK/bots.err"
	bots_clean
	books_balance
}

# not over TAP: the kernel sends a flow's packets by the queue that the last one to it came from, so with several I/O
# lcores a result that another lcore sends moves the flow in the middle of its requests
port_af_packet && DEVICE+=,qpairs=2,framecnt=4096 && batond_start || fatal "no batond"
claim attacks_survive_hot_restarts attacks_survive_hot_restarts
claim attacks_survive_kills attacks_survive_kills
claim ledger_is_exact_after_attacks ledger_is_exact_after_attacks
