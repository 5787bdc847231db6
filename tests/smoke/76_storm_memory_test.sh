#!/bin/bash
# A sample of `make chaos ONLY=30`: workers are killed at saturation, in memory, as fast as they are replaced. A storm that
# found too little to undo has shown nothing: it fails.
#   STORM_KILLS  kills (500, fewer if they take more than 25 s, but 50 at least)
. "$(dirname "$0")/_init.sh"
. "$(dirname "$0")/../chaos/storm_claims.sh"
in_memory() {
	storm_for 25 50 "${STORM_KILLS:-500}" --offered 64 --mix kill=60,segv=10,stop=2,cont=2,two=10,move=4,recovery=5,loop=3
}
memory_start || fatal "no batond"
claim kills_in_memory_lose_double_and_reorder_nothing in_memory
claim requests_are_all_accounted_for requests_are_all_accounted_for
