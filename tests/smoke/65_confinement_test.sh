#!/bin/bash
# What a worker can reach: its own pages, its socket and the state file; whoever forked it, the zygote or its spare.
. "$(dirname "$0")/_init.sh"
PAGE=2097152

workers() { ctl --json worker list | jq -r '.workers[] | select(.state == "active") | "\(.pid) \(.slot)"'; }
# Shared mappings, as `file offset bytes`; those of one file that follow each other are one.
# In a chroot the kernel shows what another mount namespace has open from the real root on: names from /dev on.
from_dev() { sed -E 's!(^| )/[^ ]+(/dev/(hugepages|shm|null))!\1\2!'; }
shared_maps() {
	local range mode offset device inode file start bytes
	while read -r range mode offset device inode file; do
		[[ $mode == *s ]] || continue
		start=$((0x${range%-*})) bytes=$((0x${range#*-} - 0x${range%-*})) offset=$((0x$offset))
		echo "${file% (deleted)} $offset $bytes"
	done <"/proc/$1/maps" | from_dev | sort -k1,1 -k2,2n | awk '
		file == $1 && at + bytes == $2 { bytes += $3; next }
		file { print file, at, bytes }
		{ file = $1; at = $2; bytes = $3 }
		END { if (file) print file, at, bytes }'
}
# Belt, control block, words and records, CoreStats page and cycles: each once, and none of them another worker's.
worker_maps_its_own_pages_only() {
	local pid slot state=/dev/hugepages/baton.$INSTANCE.state group=$(((1 + SLOTS) * PAGE)) size
	size=$(stat -c %s "$state")
	: >"$WORK/private"
	while read -r pid slot; do
		shared_maps "$pid" >"$WORK/maps"
		cat "$WORK/maps"
		equal "pages of the state file" "$(grep "^$state " "$WORK/maps")" "$(state_pages "$slot")"
		equal "belts" "$(grep "^/dev/hugepages/baton-$INSTANCE-[0-9a-f]*map_" "$WORK/maps" | cut -d' ' -f2-)" "0 $PAGE"
		# its page, and its histogram of cycles
		equal "stats" "$(grep "^/memfd:baton.$INSTANCE.stats " "$WORK/maps" | cut -d' ' -f3 | sort -n | xargs)" "4096 12288"
		# copies for shadows, of its group as are the records, and without a page while there is none
		grep -v "^$state $group \|^/memfd:baton-shadow " "$WORK/maps" >>"$WORK/private"
		equal "other shared mappings" "$(grep -v "^$state \|/baton-$INSTANCE-[0-9a-f]*map_\|^/memfd:baton.$INSTANCE.stats \|^/memfd:baton-shadow " "$WORK/maps")" ""
	done < <(workers)
	equal "pages that two workers have" "$(sort "$WORK/private" | uniq -d)" ""
	equal "private pages" "$(wc -l <"$WORK/private")" $((WORKERS * 4))
}
# The control block of slot S is page 1 + S; words and records of the only group are all behind the last one. Those of the
# last slot follow each other.
state_pages() {
	if [ "$1" -eq $((SLOTS - 1)) ]; then
		echo "$state $(((1 + $1) * PAGE)) $((size - (1 + $1) * PAGE))"
	else
		printf '%s\n' "$state $(((1 + $1) * PAGE)) $PAGE" "$state $group $((size - group))"
	fi
}
worker_holds_its_socket_and_the_state_file_only() {
	local pid slot
	equal "workers" "$(workers | wc -l)" "$WORKERS"
	while read -r pid slot; do
		equal "descriptors" "$(for fd in /proc/$pid/fd/*; do echo "${fd##*/} $(readlink "$fd")"; done | from_dev | sed 's/\[.*//' | sort -n)" \
			"$(printf '%s\n' "0 /dev/null" "1 /dev/null" "2 /dev/null" "3 socket:" "4 /dev/hugepages/baton.$INSTANCE.state")"
	done < <(workers)
}
worker_is_one_thread_under_a_filter() {
	local pid slot line
	equal "workers" "$(workers | wc -l)" "$WORKERS"
	while read -r pid slot; do
		for line in "Threads: 1" "NoNewPrivs: 1" "Seccomp: 2"; do
			equal "${line%:*}" "$(awk -v key="${line%:*}:" '$1 == key {print $2}' "/proc/$pid/status")" "${line#*: }"
		done
		equal "parent" "$(awk '$1 == "PPid:" {print $2}' "/proc/$pid/status")" "$(batond_pid)"
	done < <(workers)
}
# Short of memory the kernel may take a worker, which is replaced, but not what replaces it. Where batond may protect itself
# (CAP_SYS_RESOURCE) it has -900, and a worker must not inherit that.
workers_go_first_when_memory_is_short() {
	local pid slot
	equal "workers" "$(workers | wc -l)" "$WORKERS"
	while read -r pid slot; do equal "oom_score_adj of a worker" "$(cat "/proc/$pid/oom_score_adj")" 100; done < <(workers)
	for pid in "$(batond_pid)" "$(zygote pid)" "$(zygote spare_pid)"; do
		[ "$(cat "/proc/$pid/oom_score_adj")" -le 0 ] || { echo "pid $pid may be killed as easily as a worker"; return 1; }
	done
}
confined() {
	worker_maps_its_own_pages_only
	worker_holds_its_socket_and_the_state_file_only
	worker_is_one_thread_under_a_filter
	workers_go_first_when_memory_is_short
}
zygote() { ctl --json status | jq ".zygote.$1"; }
workers_of_the_spare_are_confined_too() {
	local spare before
	bots_start --players 20 --rate 5000 --seconds 3000 --connect-timeout 30 --seed "$SEED"
	wait_for '[ "$(counter replies)" -gt 1000 ]'
	before=$(workers) spare=$(zygote spare_pid)
	kill -KILL "$(zygote pid)"
	wait_for "[ \"\$(zygote pid)\" = $spare ] && [ \"\$(zygote spare_pid)\" -gt 0 ]"
	equal "workers after the zygote's death" "$(workers)" "$before"
	ctl worker restart game
	must_fail [ "$(workers)" = "$before" ]
	confined
	bots_stop
	bots_wait || cat "$WORK/bots.err"
	bots_clean
}
ledger_at_the_end() { batond_stop; ledger_balances; grep 'pool io.0: full' "$WORK/batond.log"; }

port_tap && batond_start || fatal "no batond"
claim worker_maps_its_own_pages_only worker_maps_its_own_pages_only
claim worker_holds_its_socket_and_the_state_file_only worker_holds_its_socket_and_the_state_file_only
claim worker_is_one_thread_under_a_filter worker_is_one_thread_under_a_filter
claim workers_go_first_when_memory_is_short workers_go_first_when_memory_is_short
claim workers_of_the_spare_are_confined_too workers_of_the_spare_are_confined_too
claim ledger_at_the_end ledger_at_the_end
