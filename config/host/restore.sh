#!/bin/bash
# Undoes what prepare.sh changed on this machine, newest first, and prints it. Leaves alone whatever it did not change.
set -u
. "$(cd "$(dirname "$0")" && pwd)/common.sh"
need_root "restoring the host"
runs_sweep
[ -s "$BATON_JOURNAL" ] || { say "nothing to undo"; exit 0; }

left=$(mktemp)
trap 'rm -f "$left"' EXIT
keep() { printf '%s\n' "$1" >>"$left"; }

restore_pages() { # only pages that are free can go; the others follow when they are freed and this is run again
	local add=$1 total free take
	total=$(huge_total) free=$(huge_free)
	take=$((add < free ? add : free))
	echo $((total - take)) >"$HUGE_POOL/nr_hugepages" || { keep "hugepages $add"; return; }
	say "gave $take pages of 2 MiB back ($total -> $(huge_total))"
	[ "$take" -eq "$add" ] || { say "$((add - take)) more are in use: run this again when they are free"; keep "hugepages $((add - take))"; }
}

packages=()
while read -r kind what; do
	case $kind in
	package) packages+=("$what") ;;
	hugepages) restore_pages "$what" ;;
	mount)
		if ! awk '{ print $2 }' /proc/mounts | grep -qxF "$what" || umount "$what"; then
			say "unmounted $what"
		else
			keep "$kind $what"
		fi ;;
	directory) rmdir "$what" 2>/dev/null && say "removed $what" ;;
	esac
done < <(tac "$BATON_JOURNAL")

if [ ${#packages[@]} -gt 0 ]; then
	# dpkg removes the named packages only, and none that something else needs by now.
	DEBIAN_FRONTEND=noninteractive dpkg --purge "${packages[@]}" >/dev/null 2>&1
	removed=() kept=()
	for package in "${packages[@]}"; do
		if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ]; then
			kept+=("$package")
			keep "package $package"
		else
			removed+=("$package")
		fi
	done
	[ ${#removed[@]} -eq 0 ] || list "removed package" "${removed[@]}"
	[ ${#kept[@]} -eq 0 ] || list "kept, other packages need it by now" "${kept[@]}"
fi

if [ -s "$left" ]; then
	tac "$left" >"$BATON_JOURNAL"
	say "what is left stands in $BATON_JOURNAL"
else
	rm -f "$BATON_JOURNAL"
	rmdir "$(dirname "$BATON_JOURNAL")" "$BATON_RUNS" 2>/dev/null
	say "this machine is as it was"
fi
