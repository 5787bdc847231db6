#!/bin/bash
# The kill-point sweep, whole: every point, with each of SIGKILL, SIGSEGV and SIGSTOP. The primary is stopped and then
# killed; workers are stopped until they are fenced.
. "$(dirname "$0")/../smoke/_init.sh"
. "$(dirname "$0")/points_claims.sh"
HOWS="kill segv stop"

port_af_packet && batond_start || fatal "no batond"
claim points_stand_in_the_sources points_stand_in_the_sources
claim workers_end_at_every_point_and_nobody_notices workers_end_at_every_point all
claim primary_ends_at_every_point_and_what_was_acknowledged_holds primary_ends_at $(points_when "DEATH RESTART BOOT")
claim books_are_exact_after_the_sweep books_are_exact_after_the_sweep
