#!/bin/bash
# 100,000 kills at saturation, by the generator in memory, as fast as workers are replaced; of every kind. Takes hours: ^C
# ends it, the same command goes on.
#   STORM_KILLS     kills in all (100000)         STORM_PROGRESS  where the sums are kept (build/chaos-storm)
#   STORM_SECONDS   end after so long (0: never)
. "$(dirname "$0")/../smoke/_init.sh"
exec 5>&1
. "$(dirname "$0")/storm_claims.sh"
STORM_PROGRESS=${STORM_PROGRESS:-$O/chaos-storm}

in_memory() {
	local rc=0
	storm "${STORM_KILLS:-100000}" --offered 64 --every "${STORM_EVERY:-500}" --progress "$STORM_PROGRESS" \
		--seconds "${STORM_SECONDS:-0}" --mix kill=60,segv=10,stop=3,cont=3,two=10,move=6,recovery=5,loop=3 || rc=$?
	[ $rc -ne 3 ] || { echo "note: not all of them: the same command goes on"; rc=0; }
	return $rc
}
memory_start || fatal "no batond"
echo "# seed $SEED; sums in $STORM_PROGRESS"
claim kills_in_memory_lose_double_and_reorder_nothing in_memory
claim requests_are_all_accounted_for requests_are_all_accounted_for
