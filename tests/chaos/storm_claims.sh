# Storms: workers of a running batond are killed for as long as it takes (tests/chaos/storm.c). Sourced after
# tests/smoke/_init.sh. By the generator in memory, whose players count what they miss, or by bots over a device.
. "$TREE/tests/chaos/quarantine.sh"
STORM=$BIN/chaos-storm
WORKERS=3
SLOTS=10
BUCKETS=1024
IN_FLIGHT=${IN_FLIGHT:-2048}
# No budget and no pauses: the storm ends when it has done what it is to do. A player waits as long as it must.
# Else a worker would be idle most of the time, waiting for the I/O lcore, and a kill would find nothing of what it did.
STORM_PLUGIN=${PLUGINS%/*}/test-plugins/game_slow.so
STORM_GROUP="    tick_period: 50ms
    restart_burst: off
    restart_delay_most: off
    park: {max_age: off}
    settings: {player.idle: 600s, regen.per_tick: 3, slow.ns: ${SLOW_NS:-3000}}
workers:
  start_timeout: 30s
log:
  level: info
$(no_quarantine)"

memory_config() {
	cat <<-END
	version: 1
	name: $INSTANCE
	eal:
	  poll: adaptive
	${STORM_CORES:+  io_cores: $STORM_CORES}
	memory:
	  worker_slots: $SLOTS
	ports:
	  - name: players
	    driver: generator
	    addresses: [$BATON_IP/24]
	    in_flight: $IN_FLIGHT
	    rate: unlimited
	    players: 10000
	    lost_after: 60s
	services:
	  - {name: game, port: $UDP_PORT, buckets: $BUCKETS, group: game}
	groups:
	  - name: game
	    plugin: $STORM_PLUGIN
	    count: $WORKERS
	    records: 16k
	$STORM_GROUP
	END
}
memory_start() {
	netns_make "$SERVER" && PORT_KIND=generator
	memory_config >"$WORK/baton.yaml"
	batond_start "$WORK/baton.yaml"
}
# storm KILLS [OPTIONS...]: what it says is kept in $WORK/storm; its last lines are notes. Where somebody waits for hours it
# is shown as it comes, too: descriptor 5, a claim has the others.
[ -e /dev/fd/5 ] || exec 5>/dev/null
storm() {
	local rc
	"$STORM" --instance "$INSTANCE" --workers $WORKERS --buckets $BUCKETS --seed "$SEED" --kills "$@" |
		tee "$WORK/storm" >&5
	rc=${PIPESTATUS[0]}
	grep '^not ok' "$WORK/storm" || :
	sed 's/^#* */note: /' "$WORK/storm" | tail -2
	return $rc
}
# The same, but enough when the time is up and so many kills have been made: storm_for SECONDS LEAST KILLS [OPTIONS...]
storm_for() {
	local rc=0 seconds=$1 least=$2
	shift 2
	storm "$@" --seconds "$seconds" --least "$least" || rc=$?
	[ $rc -eq 3 ] || return $rc
}
# What batond says at its end. Every request that has no reply yet was still under way: none is missing.
requests_are_all_accounted_for() {
	local open unanswered under_way
	batond_stop
	ledger_balances
	grep 'pool io.0: full' "$WORK/batond.log"
	open=$(sed -n 's/.*generator io.*: .* + unanswered \([0-9]*\), of which \([0-9]*\) were still under way.*/\1 \2/p' "$WORK/batond.log")
	[ -n "$open" ] || { echo "batond said nothing of its generator"; return 1; }
	while read -r unanswered under_way; do
		equal "requests that are missing" $((unanswered - under_way)) 0
	done <<<"$open"
}
