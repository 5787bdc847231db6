#!/bin/bash
# Conversions, restores and snapshots are ended at named points: a sample of `make chaos ONLY=25`.
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/../chaos/points_claims.sh"
. "$(dirname "$0")/../chaos/convert_points_claims.sh"
HOWS=drawn
# some N KIND...: N of the points of each kind.
some() { local kind; for kind in "${@:2}"; do points_when "$kind" | shuf -n "$1" --random-source=<(yes "$SEED"); done; }

port_af_packet && batond_start || fatal "no batond"
claim workers_end_at_points_of_a_conversion workers_end_while_they_convert $(some 1 CONVERT)
claim ghosts_play ghosts_play
claim snapshots_are_cut_off snapshots_are_cut_off $(some 1 SNAPSHOT)
claim primary_ends_at_points_of_restores_and_conversions primary_ends_while_records_change $(some 1 RESTORE UNDO HOLD)
claim books_are_exact_after_the_sweep books_are_exact_after_the_sweep
