# The library of the benches: the machine's state, batond with a generator port, rounds until five are undisturbed.
#
# A bench is a list of kinds of rounds; each round is probe, measurement, probe, and leaves one line in $RESULTS:
#	KIND before_pingpong_ns=.. before_lost=.. after_pingpong_ns=.. after_lost=.. key=value..
# bench-report makes the last line of it. Method and figures: docs/benchmarks.md.

set -u
TREE=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
. "$TREE/config/host/common.sh"
need_root "a benchmark"

O=${O:-$TREE/build}
BIN=$O/bin
PLUGINS=$O/plugins
BENCH=$(basename "$0" .sh)
INSTANCE=bench-$BENCH-$$
WORK=$(mktemp -d "${TMPDIR:-/tmp}/baton.XXXXXX")
RESULTS=$WORK/results
BATOND=
MOST_ROUNDS=${MOST_ROUNDS:-12} # tries a kind; five undisturbed ones in one state are wanted
IN_FLIGHT=${IN_FLIGHT:-2048}

runs_sweep
run_begin "$INSTANCE"
run_note instance "$INSTANCE"
run_note file "$WORK"
bench_end() {
	local rc=$?
	trap - EXIT INT TERM HUP
	[ -z "${KEEP:-}" ] || { mkdir -p "$KEEP" && cp -r "$WORK" "$KEEP/$INSTANCE" && say "logs kept in $KEEP/$INSTANCE"; }
	run_remove "$RUN_FILE"
	exit "$rc"
}
trap bench_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
: >"$RESULTS"

# Allowed CPUs, one a line.
cpus() { taskset -pc $$ | sed 's/.*: //' | tr , '\n' | while IFS=- read -r a b; do seq "$a" "${b:-$a}"; done; }

# One CPU for the I/O lcore, one for the worker, a third for the rest if there is one.
choose_cpus() {
	local list=($(cpus))
	[ ${#list[@]} -ge 2 ] || die "a benchmark needs two CPUs: this process may use only CPU ${list[*]}"
	IO_CPU=${IO_CPU:-${list[0]}}
	WORKER_CPU=${WORKER_CPU:-${list[1]}}
	MAIN_CPU=${MAIN_CPU:-${list[2]:-$IO_CPU}}
}

# A debug build says so before anything is measured, and is not measured.
check_build() {
	local type
	type=$("$BIN/batond" --version | sed -n 's/^build type: *//p')
	[ "$type" = release ] || die "this is a $type build of batond: figures of it mean nothing; build with TYPE=release"
	"$BIN/batond" --version | sed 's/^/# /'
}

# Nobody else may use the machine. Waits a while for the last build to end. ANYWAY=1: to try a bench out.
check_quiet() {
	local i used
	[ -z "${ANYWAY:-}" ] || { say "ANYWAY is set: figures mean nothing"; return 0; }
	for ((i = 0; i < 20; i++)); do
		used=$("$BIN/bench-pingpong" --quiet 0.5) && return 0
	done
	printf '{"bench":"%s","state":null,"disturbed":true,"reason":"others use this machine: %s of all CPU time"}\n' \
		"$BENCH" "${used#*=}"
	exit 3
}

probe() { "$BIN/bench-pingpong" "$IO_CPU" "$WORKER_CPU" | sed "s/^probe //; s/\([a-z_]*\)=/$1_\1=/g"; }

# bench_config RATE OFFLOAD: as config/bench.yaml, for these CPUs.
bench_config() {
	cat >"$WORK/bench.yaml" <<-END
	version: 1
	name: $INSTANCE
	eal:
	  main_core: $MAIN_CPU
	  io_cores: [$IO_CPU]
	  poll: busy
	ports:
	  - name: players
	    driver: generator
	    addresses: [10.77.0.1/24]
	    checksum_offload: $2
	    in_flight: $IN_FLIGHT
	    rate: $1
	    players: 10000
	    malformed_every: 1000
	services:
	  - {name: game, port: 8080, group: game}
	groups:
	  - name: game
	    plugin: $PLUGINS/game.so
	    count: 1
	    cores: [$WORKER_CPU]
	    records: 16k
	    settings: {player.idle: 10m}
	END
}

batond_start() {
	# Without the players of the round before: the generator counts its sequences from 1, so all its moves would be stale
	# until it has caught up with them, which at 1 Mpps takes minutes.
	# And without its rollout, whose candidate would be barred.
	rm -f "/dev/hugepages/baton.$INSTANCE.state" "/var/lib/baton/$INSTANCE/rollout.json"
	"$BIN/batond" "$WORK/bench.yaml" >"$WORK/batond.log" 2>&1 &
	BATOND=$!
	run_process "$BATOND"
}

# Its exit code says whether every buffer is accounted for.
batond_stop() {
	local rc
	kill -TERM "$BATOND"
	wait "$BATOND"
	rc=$?
	BATOND=
	[ $rc -eq 0 ] || { tail -20 "$WORK/batond.log" | sed 's/^/# batond: /' >&2; die "batond ended with $rc"; }
}

# with_batond COMMAND...: its standard output is the result; it fails the bench if it fails.
with_batond() {
	local rc
	batond_start
	"$@"
	rc=$?
	[ $rc -eq 0 ] || { tail -20 "$WORK/batond.log" | sed 's/^/# batond: /' >&2; die "the measurement failed"; }
	batond_stop
}

# round KIND COMMAND...: one round; what COMMAND leaves in $WORK/result is its line.
round() {
	local kind=$1 before line
	shift
	before=$(probe before) || exit 1
	"$@" >"$WORK/result" || die "$kind failed"
	line="$kind $before $(probe after) $(sed "s/^$kind //" "$WORK/result" | tr '\n' ' ')"
	printf '%s\n' "$line" >>"$RESULTS"
	local told='^(before_pingpong_ns|before_lost|mpps|mlines|(worker|io)_cycles|(rtt_)?p[0-9]+_ns|gap_p[0-9]+_us|moves|lost)='
	printf '# %-10s %-9s %s\n' "$kind" "$("$BIN/bench-report" state <<<"$line")" \
		"$(tr ' ' '\n' <<<"$line" | grep -E "$told" | xargs)"
}

# rounds KIND... : all kinds in turn, until each has enough or had its tries.
rounds() {
	local i kind
	for ((i = 0; i < MOST_ROUNDS; i++)); do
		local missing=
		for kind in "$@"; do
			"$BIN/bench-report" enough "$kind" <"$RESULTS" && continue
			missing=1
			round "$kind" "measure_$kind"
		done
		[ -n "$missing" ] || return 0
	done
}

BATON_HUGEPAGES=${BATON_HUGEPAGES:-96} "$TREE/config/host/prepare.sh" || exit 1
choose_cpus
check_build
check_quiet
