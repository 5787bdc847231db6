#!/bin/bash
# Conversions, restores and snapshots are ended at every named point, with each of SIGKILL, SIGSEGV and SIGSTOP, under bots.
. "$(dirname "$0")/../smoke/_init.sh"
. "$(dirname "$0")/points_claims.sh"
. "$(dirname "$0")/convert_points_claims.sh"
HOWS="kill segv stop"

port_af_packet && batond_start || fatal "no batond"
claim workers_end_at_every_point_of_a_conversion workers_end_while_they_convert $(points_when CONVERT)
claim ghosts_play ghosts_play
claim snapshots_are_cut_off_at_every_point snapshots_are_cut_off $(points_when SNAPSHOT)
claim primary_ends_at_every_point_of_restores_and_conversions \
	primary_ends_while_records_change $(points_when "RESTORE UNDO") $(points_when HOLD) $(points_when HELD)
claim books_are_exact_after_the_sweep books_are_exact_after_the_sweep
