#!/bin/bash
# Proves the package list: HEAD in a fresh Debian 12 with nothing but git and make, `make test` there, then
# `make restore-host`, which must leave exactly the packages that were there before. Everything happens in a mount and
# pid namespace of its own and in one temporary directory: nothing of it is left, however it ends.
#   FRESH_COMMAND  what to run instead of `make test`
set -u
TREE=$(cd "$(dirname "$0")/../.." && pwd)
. "$TREE/config/host/common.sh"
need_root "test-fresh"

# The archive this machine is set up with; nothing of it is written down in the tree.
archive() {
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 2>/dev/null | sort -u |
		awk '$2 ~ /^bookworm/ && $3 == "main" { print "deb " $1 " " $2 " main" }'
}

# ---- inside: pid 1 of the namespaces; $1 is the directory ------------------------------------------------------------
inside() {
	local root=$1 mirror
	set -eE
	trap 'echo "baton: test-fresh failed at: $BASH_COMMAND" >&2' ERR
	mirror=$(archive | awk '$3 == "bookworm" { print $2; exit }')
	say "fresh Debian 12 in $root"
	debootstrap --variant=minbase bookworm "$root" "$mirror" >"$root.log" 2>&1 || { tail -5 "$root.log" >&2; false; }
	archive >"$root/etc/apt/sources.list"
	apt-config dump | grep -E '^Acquire::(http|https|ftp)::' >"$root/etc/apt/apt.conf.d/90host" || :
	cp /etc/resolv.conf "$root/etc/resolv.conf"
	git clone -q --no-hardlinks "$TREE" "$root/root/baton"

	mount --bind "$root" "$root" # ip netns wants / to be a mount point
	cd "$root"
	mount -t proc proc "$root/proc"
	mount -t sysfs sysfs "$root/sys"
	mount --rbind /dev "$root/dev"
	mount -t tmpfs tmpfs "$root/dev/shm"
	mount -t tmpfs tmpfs "$root/run"
	umount "$root/dev/hugepages" 2>/dev/null || : # prepare.sh must find none, and mounts an instance of its own
	in_root() { chroot "$root" env -i HOME=/root TERM=dumb LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} "$@"; }
	in_root sh -ec 'apt-get update -q; DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends git make' \
		>"$root.log" 2>&1 || { tail -5 "$root.log" >&2; false; }
	packages() { in_root dpkg-query -W -f '${db:Status-Status} ${binary:Package}\n' | sed -n 's/^installed //p' | sort; }
	packages >"$root.before"
	local rc=0
	in_root sh -c "cd /root/baton && ${FRESH_COMMAND:-make test}" || rc=$?
	in_root sh -c 'cd /root/baton && make restore-host' || rc=1
	packages | diff "$root.before" - || { say "restore-host left other packages than there were"; rc=1; }
	exit $rc
}
if [ "${1:-}" = --inside ]; then inside "$2"; fi

# ---- outside ----------------------------------------------------------------------------------------------------------
"$TREE/config/host/prepare.sh" "$TREE/tests/fresh/packages.txt" || exit 1
[ -n "$(archive)" ] || die "test-fresh: apt on this machine knows no Debian 12 (bookworm) archive"
[ -z "$(git -C "$TREE" status --porcelain 2>/dev/null)" ] || say "test-fresh tests HEAD: changes that are not committed are left out"
root=$(mktemp -d "${TMPDIR:-/var/tmp}/baton-fresh.XXXXXX")
run_begin fresh
run_note file "$root"
chmod 755 "$root" # it becomes /, and not all that is tested runs as root
run_note file "$root.log"
run_note file "$root.before"
pages=$(huge_total)
child=
finish() {
	local rc=$?
	trap - EXIT INT TERM HUP
	[ -z "$child" ] || { kill -KILL "$child" 2>/dev/null; wait "$child" 2>/dev/null; }
	# Pages the fresh machine reserved and could not give back because it was killed.
	[ "$(huge_total)" -le "$pages" ] || echo "$pages" >"$HUGE_POOL/nr_hugepages"
	run_remove "$RUN_FILE"
	exit $rc
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
unshare --mount --pid --fork --kill-child "$0" --inside "$root" &
child=$!
run_process $child
wait $child
rc=$?
child=
exit $rc
