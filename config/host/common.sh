# Shared by the host scripts: messages, root check, the journal of changes, and the register of runs.
#
# The journal names every change made to the host that outlives a run; restore.sh undoes exactly those.
# The register names what a single run made (namespaces, processes, instances, files). A run removes its own at exit;
# what a killed run left is removed by the next sweep, whoever starts it. Runs of living owners are not touched.

BATON_JOURNAL=${BATON_JOURNAL:-/var/lib/baton/host-changes}
BATON_RUNS=${BATON_RUNS:-/run/baton.runs}
HUGE_DIR=${HUGE_DIR:-/dev/hugepages}
HUGE_POOL=/sys/kernel/mm/hugepages/hugepages-2048kB

say() { printf 'baton: %s\n' "$*"; }
die() { printf 'baton: %s\n' "$*" >&2; exit 1; }

# list WHAT WORDS...: in lines of readable length
list() { local what=$1; shift; printf '%s\n' "$*" | fold -s -w 100 | sed "s/^/baton:   $what: /"; }

need_root() { [ "$(id -u)" = 0 ] || die "$1 changes the machine and needs root: run it as root or with sudo"; }

# journal KIND WORDS...: records a change before it is made, so that a kill in between is undone too.
journal() {
	mkdir -p "$(dirname "$BATON_JOURNAL")" && printf '%s\n' "$*" >>"$BATON_JOURNAL"
}

huge_free() { cat "$HUGE_POOL/free_hugepages" 2>/dev/null || echo 0; }
huge_total() { cat "$HUGE_POOL/nr_hugepages" 2>/dev/null || echo 0; }

# Start time of a process in clock ticks after boot: with the pid it names one process for ever. Empty: no such process.
proc_start() {
	local stat
	{ stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 0
	stat=${stat##*) }
	set -- $stat
	[ "$1" = Z ] || printf '%s' "${20}"
}

# run_begin NAME: registers this shell as the owner of what follows. Sets RUN_FILE.
run_begin() {
	mkdir -p "$BATON_RUNS"
	RUN_FILE=$BATON_RUNS/$1.$$
	printf 'owner %s %s\n' "$$" "$(proc_start $$)" >"$RUN_FILE"
}

# run_note netns|process|instance|mount|file WORDS...: what is about to be made.
run_note() { printf '%s\n' "$*" >>"$RUN_FILE"; }

# run_process PID: notes a process together with its start time.
run_process() { run_note process "$1" "$(proc_start "$1")"; }

# Waits until a process is gone or a zombie, at most 10 s.
wait_gone() {
	local i
	for ((i = 0; i < 500; i++)); do
		[ "$(proc_start "$1")" = "$2" ] && [ -n "$2" ] || return 0
		read -rt 0.02 <> <(:) || :
	done
	return 1
}

# instance_paths NAME: what an instance of that name has on this machine, and one whose name is that and a dash and more.
instance_paths() {
	local path
	for path in {/run/baton/,/dev/shm/baton.,/var/log/baton/,/var/lib/baton/}"$1"{,-*,.*} \
		{"$HUGE_DIR",/run/dpdk,/run/baton/dpdk}/*"$1"*; do
		[ ! -e "$path" ] && [ ! -L "$path" ] || echo "$path"
	done
}

# run_leftovers NAME WORK: what a run of that name that has ended should have taken along.
run_leftovers() {
	instance_paths "$1"
	ls -d "$2" "$BATON_RUNS/$1".* 2>/dev/null
	ip netns list 2>/dev/null | awk -v name="$1-" 'index($1, name) == 1 { print "network namespace", $1 }'
}

# run_remove FILE: undoes one run, newest first, and forgets it. Safe to repeat.
run_remove() {
	local kind a b pid
	while read -r kind a b; do
		case $kind in
		process)
			if [ -n "$b" ] && [ "$(proc_start "$a")" = "$b" ]; then
				kill -KILL "$a" 2>/dev/null
				wait_gone "$a" "$b"
			fi ;;
		netns)
			for pid in $(ip netns pids "$a" 2>/dev/null); do
				b=$(proc_start "$pid")
				kill -KILL "$pid" 2>/dev/null
				wait_gone "$pid" "$b"
			done
			ip netns delete "$a" 2>/dev/null ;;
		instance) # names of instances are unique to a run, so the pattern cannot hit another's files
			[ "${#a}" -ge 6 ] || continue
			instance_paths "$a" | while read -r b; do rm -rf "$b"; done
			rmdir /var/log/baton 2>/dev/null || : ;; # only if nobody else has a log there
		mount) umount -l "$a" 2>/dev/null ;;
		file) rm -rf --one-file-system "$a" ;;
		esac
	done < <(tac "$1") 2>/dev/null
	rm -f "$1"
}

# Removes what runs left whose owner is dead; says so.
runs_sweep() {
	local file word pid start
	for file in "$BATON_RUNS"/*; do
		[ -f "$file" ] || continue
		read -r word pid start <"$file" || :
		[ "$word" = owner ] && [ -n "$start" ] && [ "$(proc_start "$pid")" = "$start" ] && continue
		say "removing what the killed run ${file##*/} left"
		run_remove "$file"
	done
}
