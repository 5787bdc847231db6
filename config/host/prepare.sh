#!/bin/bash
# Makes this machine ready for Baton: packages, hugetlbfs, 2 MiB pages. Changes only what is missing, prints and records
# each change; `make restore-host` undoes them. Never prompts, may be repeated at will.
#   BATON_HUGEPAGES   pages that must be free (default 256); 0: leave them alone
#   prepare.sh FILE.. more package lists, beside packages.txt
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/common.sh"
need_root "preparing the host"
runs_sweep

wanted() { sed 's/#.*//' "$here/packages.txt" "$@" | xargs; }
installed() { dpkg-query -W -f '${db:Status-Status} ${binary:Package}\n' | sed -n 's/^installed //p' | sort; }

prepare_packages() {
	local missing=() package before
	for package in $(wanted "$@"); do
		[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	command -v apt-get >/dev/null ||
		die "missing: ${missing[*]}; there is no apt-get here: install them by hand (Debian 12 is what Baton is made for)"
	say "installing by apt: ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	local options=(-y -q --no-install-recommends -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=300)
	log=$(mktemp) # global: the trap runs when this function has returned
	trap 'rm -f "$log"' EXIT
	if ! apt-get install -s "${options[@]}" "${missing[@]}" >"$log" 2>&1; then
		say "refreshing apt's package lists"
		apt-get update -q >"$log" 2>&1 || { tail -5 "$log" >&2; die "apt-get update failed: see above"; }
		apt-get install -s "${options[@]}" "${missing[@]}" >"$log" 2>&1 ||
			{ tail -5 "$log" >&2; die "apt cannot install ${missing[*]}: Debian 12 with its main archive is needed"; }
	fi
	before=$(mktemp)
	installed >"$before"
	# Recorded before apt starts: "Inst NAME (...)" is new, "Inst NAME [old] (...)" an upgrade, which stays.
	sed -n 's/^Inst \([^ ]*\) (.*/\1/p' "$log" | while read -r package; do journal package "$package"; done
	sed -n 's/^Inst \([^ ]*\) \[.*/\1/p' "$log" | xargs -r echo "baton: apt also upgrades (not undone):"
	apt-get install "${options[@]}" "${missing[@]}" >"$log" 2>&1 ||
		{ tail -15 "$log" >&2; rm -f "$before"; die "apt-get install failed: see above"; }
	list "new package" $(installed | comm -13 "$before" -)
	rm -f "$before"
}

prepare_mount() {
	local mounted
	mounted=$(awk -v dir="$HUGE_DIR" '$2 == dir && $3 == "hugetlbfs" { print "yes" }' /proc/mounts)
	[ -n "$mounted" ] && return 0
	grep -qw hugetlbfs /proc/filesystems || die "this kernel has no hugetlbfs: boot one with CONFIG_HUGETLBFS"
	if [ ! -d "$HUGE_DIR" ]; then
		journal directory "$HUGE_DIR"
		mkdir -p "$HUGE_DIR" || die "cannot make $HUGE_DIR"
	fi
	journal mount "$HUGE_DIR"
	mount -t hugetlbfs -o pagesize=2M nodev "$HUGE_DIR" ||
		die "cannot mount hugetlbfs at $HUGE_DIR: in a container start it with --privileged and -v /dev/hugepages:/dev/hugepages"
	say "mounted hugetlbfs at $HUGE_DIR"
}

prepare_pages() {
	local want=$1 free total add available
	free=$(huge_free) total=$(huge_total)
	[ "$free" -lt "$want" ] || return 0
	[ -d "$HUGE_POOL" ] || die "this kernel has no 2 MiB pages (no $HUGE_POOL)"
	add=$((want - free))
	available=$(awk '$1 == "MemAvailable:" { print int($2 / 2048) }' /proc/meminfo)
	[ "$add" -le $((available * 3 / 4)) ] ||
		die "$add more 2 MiB pages are needed and only $available would fit in free memory: stop something, or set BATON_HUGEPAGES lower"
	say "reserving $add more 2 MiB pages ($want must be free, $free are; $total -> $((total + add)) in all)"
	journal hugepages "$add"
	echo $((total + add)) >"$HUGE_POOL/nr_hugepages" 2>/dev/null
	if [ "$(huge_free)" -lt "$want" ]; then # memory is fragmented: let the kernel compact it, then ask again
		echo 1 2>/dev/null >/proc/sys/vm/compact_memory
		echo $((total + add)) >"$HUGE_POOL/nr_hugepages" 2>/dev/null
	fi
	free=$(huge_free)
	[ "$free" -ge "$want" ] && return 0
	printf 'baton: only %s of %s pages of 2 MiB are free. What to do, the simplest first:\n' "$free" "$want" >&2
	printf 'baton:   stop other users of hugepages (grep -l hugepages /proc/*/maps), then again\n' >&2
	printf 'baton:   reboot with hugepages=%s on the kernel command line (memory is fragmented)\n' "$((total + add))" >&2
	printf 'baton:   in a container: reserve them on the host: sysctl vm.nr_hugepages=%s\n' "$((total + add))" >&2
	printf 'baton:   make do with fewer: BATON_HUGEPAGES=%s\n' "$free" >&2
	exit 1
}

prepare_packages "$@"
if [ "${BATON_HUGEPAGES:-256}" -gt 0 ]; then
	prepare_mount
	prepare_pages "${BATON_HUGEPAGES:-256}"
fi
[ ! -s "$BATON_JOURNAL" ] || say "changes to this machine are listed in $BATON_JOURNAL; make restore-host undoes them"
