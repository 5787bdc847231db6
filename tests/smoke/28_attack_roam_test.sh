#!/bin/bash
# Attackers who change their address while an attack is open: the result goes by the newest way back. One I/O lcore: over
# two, requests of a player by two addresses at once are not ordered against each other.
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/restart_claims.sh"
. "$(dirname "$0")/attack_claims.sh"

RESTARTS=5
GROUP_EXTRA="    tick_period: 50ms
    settings: {player.idle: 10m, regen.per_tick: 3}
"
BOTS_EXTRA="--mix move=50,heartbeat=10,attack=40 --roam --insist 200"

port_af_xdp && batond_start || fatal "no batond"
claim roaming_attackers_get_their_results attacks_survive_hot_restarts
claim ledger_is_exact_after_roaming_attacks ledger_is_exact_after_attacks
