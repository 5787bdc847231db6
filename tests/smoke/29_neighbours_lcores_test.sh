#!/bin/bash
# Subscriptions over two I/O lcores: notes of players come by both, what is told of them leaves by the one with the clock.
# Few buckets, so that cells of the world share them. Players stay at their ports, for two flows have no common order.
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/restart_claims.sh"
. "$(dirname "$0")/neighbours_claims.sh"

WORKERS=3
RESTARTS=6
BUCKETS=64
EAL_EXTRA="  io_cores: [0, 1]"

port_af_packet || fatal "no port"
DEVICE=$DEVICE,qpairs=2
batond_start || fatal "no batond"
claim neighbours_are_told_through_hot_restarts neighbours_are_told_through_hot_restarts
claim neighbours_are_told_through_kills neighbours_are_told_through_kills
claim ledger_is_exact_after_neighbours ledger_is_exact_after_neighbours
