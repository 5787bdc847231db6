#!/bin/bash
# Workers and the primary are ended at named points of what they do: a sample of `make chaos ONLY=20`. Every point that
# workers pass, each with one of SIGKILL, SIGSEGV and SIGSTOP until it is fenced; three that the primary passes.
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/../chaos/points_claims.sh"
HOWS=drawn

port_af_packet && batond_start || fatal "no batond"
claim points_stand_in_the_sources points_stand_in_the_sources
claim workers_end_at_every_point_and_nobody_notices workers_end_at_every_point drawn
claim primary_ends_at_points_and_what_was_acknowledged_holds \
	primary_ends_at $(points_when "DEATH RESTART BOOT" | shuf -n 3 --random-source=<(yes "$SEED"))
claim books_are_exact_after_the_sweep books_are_exact_after_the_sweep
