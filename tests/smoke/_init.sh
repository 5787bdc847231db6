# The library of the smoke tests and of the demo: it holds all the difficulty, so that a scenario is 20 to 60 lines of
# claims. A scenario NN_name_test.sh sources it, sets up a port, and makes claims:
#
#	. "$(dirname "$0")/_init.sh"
#	port_tap && batond_start || fatal "no batond"
#	claim restart_loses_nothing restart_loses_nothing    # name of the claim, then a command or function
#
# A claim runs in a subshell with `set -e`: its first failing command fails it. Nothing is printed of a claim that holds.
# Real processes live in network namespaces of their own, named after the script and its pid:
#	$SERVER  batond, and with a TAP port the clients too, on the kernel's side of the device
#	$CLIENT  clients over veth
# All of it is registered before it is made, removed at exit, on ^C and on failure; what a kill -9 left is removed by
# the next script that starts. The tests of claims that need chance print their seed.

set -u
TREE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$TREE/config/host/common.sh"
need_root "a smoke test"

O=${O:-$TREE/build}
BIN=$O/bin
BATOND=${BATOND:-$BIN/batond} # a scenario may start another build of it; the zygote is the one beside it
PLUGINS=$O/plugins
SCENARIO=${SCENARIO:-$(basename "$0" _test.sh)}
SEED=${SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
INSTANCE=${INSTANCE_PREFIX:-t${SCENARIO%%_*}}-$(printf %07d $$)
SERVER=$INSTANCE-s
CLIENT=$INSTANCE-c
BATON_IP=10.77.0.1
CLIENT_IP=10.77.0.2
UDP_PORT=8080
WORK=$(mktemp -d "${TMPDIR:-/tmp}/baton.XXXXXX")
FAILED=0
CLAIM_PID=

# What batond_config writes; a scenario sets what it needs before batond_start.
POLL=adaptive
PLUGIN=game
WORKERS=2
STANDBY=0 # none, so that what a scenario counts is workers; those about standbys say how many
SLOTS=6
BUCKETS=1024
RECORDS=16k
CHECKSUM_OFFLOAD=true
DESCRIPTORS=512
PENDING=4k
DEVICE=
EAL_EXTRA=    # further lines of `eal:`, "  key: value"
PORT_EXTRA=   # further lines of the port, "    key: value"
GROUP_EXTRA=  # further lines of the group

runs_sweep
run_begin "$INSTANCE"
run_note file "$WORK"
run_note instance "$INSTANCE" # whoever is started by that name, and however
[ -z "${SMOKE_MADE:-}" ] || echo "$INSTANCE $WORK" >>"$SMOKE_MADE" # for run.sh, which looks whether anything is left

smoke_end() {
	local rc=$?
	trap - EXIT INT TERM HUP
	[ "$FAILED" -eq 0 ] || { [ "$rc" -ne 0 ] || rc=1; }
	[ -z "${KEEP:-}" ] || { cp -r "$WORK" "$KEEP/$INSTANCE"; echo "# logs kept in $KEEP/$INSTANCE"; }
	[ -z "$CLAIM_PID" ] || kill -KILL "$CLAIM_PID" 2>/dev/null
	run_remove "$RUN_FILE"
	exit "$rc"
}
trap smoke_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ---- claims ---------------------------------------------------------------------------------------------------------

fatal() { printf 'not ok %s 0 # %s\n' "$SCENARIO" "$*"; [ ! -s "$WORK/batond.log" ] || tail -20 "$WORK/batond.log" | sed 's/^/#   batond: /'; exit 1; }

seconds_since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.2f", b - a }'; }

# claim NAME COMMAND...: prints `ok NAME seconds` or `not ok NAME seconds` and what the command said.
claim() {
	local name=$1 began=$EPOCHREALTIME rc
	shift
	( set -eE; trap 'echo "failed: $BASH_COMMAND (${FUNCNAME[0]:-$SCENARIO}, line $LINENO)" >&2' ERR; "$@" ) >"$WORK/claim.log" 2>&1 &
	CLAIM_PID=$!
	wait "$CLAIM_PID" # a signal ends this at once, a command in the foreground would be waited for
	rc=$?
	CLAIM_PID=
	if [ $rc -eq 0 ]; then
		printf 'ok %s %s\n' "$name" "$(seconds_since "$began")"
		sed -n 's/^note: /# /p' "$WORK/claim.log"
	else
		printf 'not ok %s %s\n' "$name" "$(seconds_since "$began")"
		tail -40 "$WORK/claim.log" | sed 's/^/#   /'
		printf '#   seed %s\n' "$SEED"
		[ ! -s "$WORK/batond.log" ] || tail -15 "$WORK/batond.log" | sed 's/^/#   batond: /'
		FAILED=$((FAILED + 1))
	fi
	return 0
}

# skip NAME FACT: only what tests/SKIPS lists, word for word as `NAME: FACT`, may be skipped.
skip() { printf 'skip %s 0 # %s\n' "$1" "$2"; }

# wait_for 'COMMAND' [SECONDS]: until it succeeds; 60 s are the most that any state may take.
wait_for() {
	local limit=${2:-60} end
	[ "$limit" -le 60 ] || { echo "wait_for: at most 60 s"; return 1; }
	end=$((${EPOCHREALTIME/./} + limit * 1000000))
	until eval "$1" >/dev/null 2>&1; do
		if [ ${EPOCHREALTIME/./} -ge $end ]; then
			echo "waited $limit s in vain for: $1"
			return 1
		fi
		sleep 0.05
	done
}

# must_fail COMMAND...: the shell ignores the failure of `! command` even under set -e, so claims use this instead.
must_fail() { if "$@"; then echo "should have failed: $*"; return 1; fi; }

# equal WHAT GOT WANTED
equal() { [ "$2" = "$3" ] || { echo "$1 is '$2', should be '$3'"; return 1; }; }

# ---- namespaces and ports -------------------------------------------------------------------------------------------

in_server() { ip netns exec "$SERVER" "$@"; }
in_client() { ip netns exec "$CLIENT" "$@"; }

netns_make() {
	run_note netns "$1"
	ip netns add "$1" || return 1
	# What the kernel says of itself would be counted beside the frames a test sends: IPv6 neighbours, and the port
	# unreachable it answers when a client's socket is gone before the reply comes (here one an hour and peer; a new peer
	# has a minute's worth of them).
	ip netns exec "$1" sh -c 'for f in default all; do echo 1 >/proc/sys/net/ipv6/conf/$f/disable_ipv6; done
		echo 3600000 >/proc/sys/net/ipv4/icmp_ratelimit' 2>/dev/null
	ip -n "$1" link set lo up
}

# A TAP port: batond makes the device in $SERVER, and the kernel's side of it is the clients' side.
port_tap() {
	netns_make "$SERVER" || return 1
	PORT_KIND=tap
	CLIENT=$SERVER
	CLIENT_DEV=bt0
	DEVICE=net_tap0,iface=bt0
}

# veth: batond's end in $SERVER, without address; the clients' end in $CLIENT.
port_veth() {
	netns_make "$SERVER" && netns_make "$CLIENT" && veth_make
}
# The two ends; again after one of them has been deleted.
veth_make() {
	CLIENT_DEV=bt1
	ip link add name bt0 netns "$SERVER" type veth peer name bt1 netns "$CLIENT" || return 1
	in_server ethtool -K bt0 tx off gro off tso off >/dev/null
	in_client ethtool -K bt1 tx off gro off tso off >/dev/null
	ip -n "$SERVER" link set bt0 up && client_address
}
port_af_packet() { port_veth && PORT_KIND=af_packet DEVICE=net_af_packet0,iface=bt0; }
port_af_xdp() { port_veth && PORT_KIND=af_xdp DEVICE=net_af_xdp0,iface=bt0,start_queue=0,queue_count=1; }
port_null() { netns_make "$SERVER" && PORT_KIND=null DEVICE=net_null0; }

# Gives the clients' device its address.
client_address() {
	ip -n "$CLIENT" addr replace "$CLIENT_IP/24" dev "$CLIENT_DEV" && ip -n "$CLIENT" link set "$CLIENT_DEV" up
}

# ---- batond ---------------------------------------------------------------------------------------------------------

# Prints the configuration made of the variables above.
batond_config() {
	cat <<-END
	version: 1
	name: $INSTANCE
	eal:
	  poll: $POLL
	$EAL_EXTRA
	memory:
	  worker_slots: $SLOTS
	  pending: $PENDING
	ports:
	  - name: lan
	    device: "$DEVICE"
	    addresses: [$BATON_IP/24]
	    rx_descriptors: $DESCRIPTORS
	    tx_descriptors: $DESCRIPTORS
	    checksum_offload: $CHECKSUM_OFFLOAD
	$PORT_EXTRA
	services:
	  - name: $PLUGIN
	    port: $UDP_PORT
	    buckets: $BUCKETS
	    group: $PLUGIN
	groups:
	  - name: $PLUGIN
	    plugin: $PLUGINS/$PLUGIN.so
	    count: $WORKERS
	    standby: $STANDBY
	    records: $RECORDS
	$GROUP_EXTRA
	END
}

# batond_launch CONFIG: starts it and returns at once. Its exit status is written when it ends.
batond_launch() {
	run_note instance "$INSTANCE"
	rm -f "$WORK/batond.rc" "$WORK/batond.pid"
	{
		ip netns exec "$SERVER" "$BATOND" "$1" >>"$WORK/batond.log" 2>&1 </dev/null &
		run_process $!
		echo $! >"$WORK/batond.pid"
		local rc=0
		wait $! || rc=$? # a claim runs under set -e
		echo $rc >"$WORK/batond.rc"
	} >/dev/null 2>&1 & # it must not hold the output of whoever waits for its end
	wait_for '[ -s "$WORK/batond.pid" ]' 10
}
batond_pid() { cat "$WORK/batond.pid" 2>/dev/null; }
batond_lives() { [ -s "$WORK/batond.pid" ] && [ ! -e "$WORK/batond.rc" ]; }
# All buckets of all services have an active owner, and as many workers as were asked for are active.
workers_ready() { # jq 1.6 ends with status 0 on empty input, so its answer is compared
	[ "$(top_json 2>/dev/null | jq --argjson workers "$1" --argjson buckets "$2" \
		'[.workers[] | select(.state == "active")] | length >= $workers and (map(.buckets) | add) == $buckets')" = true ]
}

# batond_start [CONFIG]: until the port is there and $WORKERS workers own all $BUCKETS buckets. Without an argument with a
# configuration of the variables above.
batond_start() {
	local config=${1:-$WORK/baton.yaml}
	[ $# -gt 0 ] || batond_config >"$config"
	batond_launch "$config" || return 1
	if [ "${PORT_KIND:-}" = tap ]; then
		wait_for '! batond_lives || ip -n "$CLIENT" link show "$CLIENT_DEV"' || return 1
		! batond_lives || client_address || return 1
	fi
	wait_for "! batond_lives || workers_ready $WORKERS $BUCKETS" || return 1
	batond_lives || { echo "batond ended with status $(cat "$WORK/batond.rc"):"; tail -5 "$WORK/batond.log"; return 1; }
}

# Asks it to end and returns its exit status; a batond that does not end within 60 s is a failure.
batond_stop() {
	local pid
	pid=$(batond_pid)
	[ -e "$WORK/batond.rc" ] || kill -TERM "$pid"
	wait_for '[ -s "$WORK/batond.rc" ]' || { kill -KILL "$pid"; return 1; }
	return "$(cat "$WORK/batond.rc")"
}

ctl() { "$BIN/batonctl" -i "$INSTANCE" "$@"; }
top_json() { "$BIN/baton-top" -i "$INSTANCE" --json -d 10ms; }

# counter NAME: a counter of CoreStats or a drop reason, summed over the primary's pages.
counter() { top_json | jq --arg name "$1" '.totals[$name] // .drops[$name].total // error("no counter " + $name)'; }

# What batond says when it has stopped; its status is not 0 if a ledger is out of balance or a pool is not full.
ledger_balances() {
	grep 'ledger io\.' "$WORK/batond.log" || { echo "batond printed no ledger"; return 1; }
	[ -z "$(grep 'ledger io\.' "$WORK/batond.log" | grep -v ': balanced')" ]
}

# ---- clients --------------------------------------------------------------------------------------------------------

# bots ARGUMENTS...: the client everyone uses, in the clients' namespace; its verdict is in $WORK/bots.json.
bots() { in_client "$BIN/baton-bots" --json "$@" "$BATON_IP:$UDP_PORT" >"$WORK/bots.json" 2>"$WORK/bots.err"; }
# The same in the background: bots_start ARGUMENTS..., bots_wait.
bots_start() {
	rm -f "$WORK/bots.rc" "$WORK/bots.pid"
	{
		# not in_client: $! would be a shell around it, and a signal would end that one
		ip netns exec "$CLIENT" "$BIN/baton-bots" --json "$@" "$BATON_IP:$UDP_PORT" >"$WORK/bots.json" 2>"$WORK/bots.err" &
		run_process $!
		echo $! >"$WORK/bots.pid"
		local rc=0
		wait $! || rc=$? # a claim runs under set -e
		echo $rc >"$WORK/bots.rc"
	} >/dev/null 2>&1 &
	wait_for '[ -s "$WORK/bots.pid" ]' 10
}
# Ends the run early; what is under way is still waited for and judged.
bots_stop() { kill -TERM "$(cat "$WORK/bots.pid")"; }
bots_running() { [ ! -e "$WORK/bots.rc" ]; }
bots_wait() { wait_for '[ -s "$WORK/bots.rc" ]' && return "$(cat "$WORK/bots.rc")"; }
bots_value() { jq -r ".$1" "$WORK/bots.json"; }
# The four promises, and that there was traffic at all.
bots_clean() {
	local what
	[ "$(bots_value received)" -gt 0 ] || { echo "bots received nothing"; cat "$WORK/bots.json" "$WORK/bots.err"; return 1; }
	for what in lost duplicated reordered wrong; do
		equal "$what" "$(bots_value $what)" 0 || { cat "$WORK/bots.json"; return 1; }
	done
}
