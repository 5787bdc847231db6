#!/bin/bash
# A plugin that is an enemy: it writes to all that it can reach, forges every word that the primary reads, talks nonsense on
# its socket and asks the kernel for what it must not have. The primary lives, counts it and kills the worker where that is
# called for; bots of another group on the same I/O lcore see nothing of it, and the ledger is exact.
. "$(dirname "$0")/_init.sh"
HOSTILE=${PLUGINS%/*}/test-plugins/game_hostile.so
HOSTILE_PORT=8081
HOSTILES=6
SLOTS=11
WILD_BUCKETS=64
GAME_BUCKETS=512
BUCKETS=$((GAME_BUCKETS + WILD_BUCKETS)) WORKERS=$((HOSTILES + 2)) # of both groups: batond_start waits for them
batond_config() {
	cat <<-END
	version: 1
	name: $INSTANCE
	memory: {worker_slots: $SLOTS, pending: $PENDING}
	ports:
	  - {name: lan, device: "$DEVICE", addresses: [$BATON_IP/24], rx_descriptors: 512, tx_descriptors: 512}
	services:
	  - {name: game, port: $UDP_PORT, buckets: $GAME_BUCKETS, group: game}
	  - {name: wild, port: $HOSTILE_PORT, buckets: $WILD_BUCKETS, group: wild}
	groups:
	  - {name: game, plugin: $PLUGINS/game.so, count: 2, records: $RECORDS}
	  - name: wild
	    plugin: $HOSTILE
	    count: $HOSTILES
	    records: 2k
	    tick_period: 200ms
	    restart_burst: off
	    settings: {hostile.walk: 1}
	END
}
status() { ctl --json status || :; } # its exit code is a verdict
fenced() { status | jq .fenced; }
fenced_for() { status | jq ".fenced_for.$1"; }
pid_of() { ctl --json worker list | jq -r --arg name "$1" '.workers[] | select(.name == $name and .state == "active") | .pid'; }
crashes() { ctl --json worker list | jq -r --arg name "$1" '.workers[] | select(.name == $name) | .crashes' | head -1; }
settled() { [ "$(ctl --json worker list | jq -r '[.workers[] | select(.state == "active" and .group == "wild") | .buckets] | add')" = $WILD_BUCKETS ]; }
# A datagram: eight bytes that say what it is, the key where the game has the player's id, a name, and room for the answer.
datagram() { printf '%-8s\\x%02x\\0\\0\\0%-40s' "$1" "$2" "$3"; }
say() { in_client bash -c "printf '$(datagram "$1" "$2" "$3")' >/dev/udp/$BATON_IP/$HOSTILE_PORT"; }
# answer WORD KEY TEXT: what comes back; nothing if it does not answer, or a datagram was lost.
answer() {
	in_client bash -c "exec 3<>/dev/udp/$BATON_IP/$HOSTILE_PORT; printf '$(datagram "$1" "$2" "$3")' >&3
		timeout 1 head -c 32 <&3" | tr -d '\0'
}
ask() { answer poke "$1" "" | sed 's/ .*//'; } # what the worker of the key did last
# A key of each hostile worker (printable, as the shell cuts datagrams at newlines), for as long as no buckets move between them.
find_keys() {
	local key worker
	while read -r worker key; do KEY[${worker#wild.}]=$key; done < <(ctl --json buckets find wild $(seq 48 122) |
		jq -r '.keys[] | "\(.worker) \(.key)"' | sort -u -k1,1)
	equal "workers with a key" "${#KEY[@]}" $HOSTILES
}
poke_until() {
	local end=$((${EPOCHREALTIME/./} + 30000000))
	until eval "$2" >/dev/null 2>&1; do
		[ ${EPOCHREALTIME/./} -lt $end ] || { echo "poked 30 s in vain for: $2"; return 1; }
		say poke "$1" ""
	done
}
# strike NAME WANTED: WANTED is the reason of a fence, or died, or ignored; lied: it dies of itself, and may be caught first.
TURN=0
strike() {
	local worker=wild.$((TURN % HOSTILES)) key=${KEY[$((TURN % HOSTILES))]} before crashes pid
	TURN=$((TURN + 1))
	wait_for "pid_of $worker | grep ." # the others have been struck since its last death
	pid=$(pid_of "$worker") crashes=$(crashes "$worker")
	case $2 in died | lied | ignored) before=$(fenced) ;; *) before=$(fenced_for "$2") ;; esac
	wait_for "answer attack $key $1 | grep -q ^attack" # it will, at the next tick
	case $2 in
	ignored)
		wait_for "[ \"\$(ask $key)\" = $1 ]"
		[ "$(ask "$key")" = "$1" ] && [ "$(ask "$key")" = "$1" ]
		equal "$1: pid of $worker" "$(pid_of "$worker")" "$pid"
		equal "$1: fenced" "$(fenced)" "$before"
		;;
	died | lied)
		wait_for "[ \$(crashes $worker) -gt $crashes ]"
		[ "$2" = lied ] || equal "$1: fenced" "$(fenced)" "$before"
		;;
	*)
		poke_until "$key" "[ \$(fenced_for $2) -gt $before ]"
		wait_for "[ ! -e /proc/$pid ] && [ \$(crashes $worker) -gt $crashes ]"
		;;
	esac
	batond_lives
	echo "$1: $2"
}

# ---- what it can reach -----------------------------------------------------------------------------------------------
# Each page that the zygote shares with the primary is the worker's own or a hole in it, and it has tried all holes.
nothing_but_its_own_can_be_written_to() {
	local pid range mode rest at step foreign=0 line tried
	local -a holes=() own=()
	pid=$(pid_of wild.0)
	while read -r range mode rest; do
		case $mode in
		---p) holes+=($((0x${range%-*})) $((0x${range#*-}))) ;;
		*s) own+=($((0x${range%-*})) $((0x${range#*-}))) ;;
		esac
	done <"/proc/$pid/maps"
	within() { # ADDRESS START END...
		local address=$1
		shift
		while [ $# -gt 0 ]; do [ "$address" -lt "$1" ] || [ "$address" -ge "$2" ] || return 0; shift 2; done
		return 1
	}
	while read -r range mode rest; do
		[[ $mode == *s ]] || continue
		at=$((0x${range%-*})) step=$((0x${range#*-} - at >= 2097152 ? 2097152 : 4096))
		for ((; at < 0x${range#*-}; at += step)); do
			if within $at "${own[@]}"; then continue; fi
			within $at "${holes[@]}" || { printf '%x of the zygote is neither a hole nor the own of pid %d\n' $at "$pid"; return 1; }
			foreign=$((foreign + 1))
		done
	done <"/proc/$(status | jq .zygote.pid)/maps"
	[ "$foreign" -gt 20 ]
	line=$(grep -m 1 'wild.0: hostile: .* pages tried' "$WORK/batond.log")
	read -r tried < <(sed 's/.*hostile: \([0-9]*\) pages tried, \1 faults, 0 written;.*/\1/' <<<"$line")
	[ "$tried" -ge "$foreign" ] || { echo "tried $tried of $foreign: $line"; return 1; }
	equal "workers that tried" "$(grep -c 'wild.[0-5]: hostile: \([0-9]*\) pages tried, \1 faults, 0 written;' "$WORK/batond.log")" $HOSTILES
	echo "note: $tried pages tried to be written by each worker, $foreign of them shared by others: as many faults"
}
no_call_that_reaches_others_is_allowed() {
	equal "workers that tried" "$(grep -c 'wild.[0-5]: hostile: 34 calls tried, 0 allowed:$' "$WORK/batond.log")" $HOSTILES ||
		{ grep 'calls tried' "$WORK/batond.log"; return 1; }
}

# ---- what it writes and says -----------------------------------------------------------------------------------------
forged_commit_words_are_fenced() {
	local lie
	for lie in done_ahead done_back done_jumps; do strike $lie done; done
	strike filled filled
	strike filled_ahead filled
}
forged_verdicts_and_lengths_are_fenced() { strike verdict verdict; strike length verdict; }
forged_cells_are_fenced() {
	local lie
	for lie in kind length bucket past future; do strike cell_$lie cell; done
	strike posts cell
	strike sends cell
	strike flood ignored
}
noise_in_its_own_pages_is_forgotten_with_it() {
	local attack
	for attack in belt tags words journal journal_header; do strike $attack died; done
	strike control lied # noise in its commit words as well
	strike stats ignored
	top_json | jq -e .workers >/dev/null
	ctl stats --prom >/dev/null
	equal "damaged journals" "$(grep -c 'its journal is damaged' "$WORK/batond.log")" 2
}
nonsense_on_its_socket_is_fenced() {
	local word
	for word in ready stopped unknown version huge descriptors; do strike say_$word message; done
	strike say_flood ignored
	strike say_nothing ignored
	grep -q 'lines of it are left out here' "$WORK/batond.log" || echo "the flood came to an end within its first lines"
	must_fail grep -q "$(printf '\033')" "$WORK/batond.log"
}
exits_and_closed_descriptors_are_survived() { strike exit died; strike descriptors ignored; }
all_at_once() {
	bots_start --players 30 --rate 3000 --seconds 3000 --connect-timeout 30 --lost-after 60000 --seed "$SEED"
	wait_for '[ "$(counter replies)" -gt 1000 ]'
	forged_commit_words_are_fenced
	forged_verdicts_and_lengths_are_fenced
	forged_cells_are_fenced
	noise_in_its_own_pages_is_forgotten_with_it
	nonsense_on_its_socket_is_fenced
	exits_and_closed_descriptors_are_survived
	wait_for settled
}
verify() { ctl --json state verify "$@" >"$WORK/verify.json"; }
wrong_in() { jq "[.findings[] | select($1)] | length" "$WORK/verify.json"; }
state_verify_finds_nothing_in_a_sound_file() {
	in_client "$BIN/baton-bots" --json --players 40 --seconds 1 --seed "$SEED" "$BATON_IP:$HOSTILE_PORT" >/dev/null
	verify || { cat "$WORK/verify.json"; return 1; }
	[ "$(jq '.groups[0].records' "$WORK/verify.json")" -ge 30 ] && [ "$(jq '.groups[1].records' "$WORK/verify.json")" -ge 40 ]
	equal "plugins that looked" "$(jq -r '[.groups[].looked_at_by] | map(split("/")[-1]) | join(" ")' "$WORK/verify.json")" "game.so game_hostile.so"
	ctl state verify | grep 'live: [0-9]* buckets, [0-9]* records: nothing is wrong'
}
# What nothing keeps a plugin from: records of other buckets of its group.
damage_in_other_buckets_is_found_by_state_verify() {
	strike records ignored
	must_fail verify
	cat "$WORK/verify.json"
	equal "findings in game" "$(wrong_in '.group == "game"')" 0
	[ "$(wrong_in '.group == "wild" and .record != null')" -ge 6 ]
	[ "$(wrong_in '.text | test("sequence word is odd")')" -ge 1 ]
	[ "$(wrong_in '.text | test("its state is 7")')" -eq 1 ]
	[ "$(wrong_in '.text | test("outside of the world")')" -ge 1 ]
	[ "$(wrong_in '.text | test("flags that do not exist")')" -ge 1 ]
	[ "$(wrong_in '.text | test("another bucket|nobody finds it")')" -ge 1 ]
	strike bucket_words died # no tick comes to these buckets any more until the next primary sets them right
	must_fail verify
	# but for the one whose tick it was in: that is undone
	[ "$(wrong_in '.text | test("last tick 18446744073709551615")')" -ge $((WILD_BUCKETS - 1)) ]
}
at_rest_it_is_found_too() {
	must_fail verify "/dev/hugepages/baton.$INSTANCE.state" --plugin "$PLUGINS/game.so"
	equal "live" "$(jq .live "$WORK/verify.json")" false
	equal "findings in game" "$(wrong_in '.group == "game"')" 0
	[ "$(wrong_in '.group == "wild" and .record != null')" -ge 6 ]
}
others_see_nothing() {
	bots_stop
	bots_wait || cat "$WORK/bots.err"
	bots_clean
	equal "crashes of game" "$(ctl --json worker list | jq '[.workers[] | select(.group == "game") | .crashes] | add')" 0
	echo "note: seed $SEED, $(fenced) fenced: $(status | jq -c .fenced_for); $(bots_value received) replies to others"
	equal "fences in CoreStats" "$(counter fences)" "$(fenced)"
}
ledger_is_exact_after_all() { batond_stop; ledger_balances; grep 'pool io.0: full' "$WORK/batond.log"; }

KEY=()
port_tap && batond_start || fatal "no batond"
wait_for settled && find_keys || fatal "the hostile workers do not share their buckets"
claim nothing_but_its_own_can_be_written_to nothing_but_its_own_can_be_written_to
claim no_call_that_reaches_others_is_allowed no_call_that_reaches_others_is_allowed
claim a_hostile_worker_is_fenced_counted_and_replaced all_at_once
claim state_verify_finds_nothing_in_a_sound_file state_verify_finds_nothing_in_a_sound_file
claim damage_in_other_buckets_is_found_by_state_verify damage_in_other_buckets_is_found_by_state_verify
claim others_see_nothing others_see_nothing
claim ledger_is_exact_after_all ledger_is_exact_after_all
claim at_rest_it_is_found_too at_rest_it_is_found_too
