# The hot-restart claims, shared by one scenario per kind of port: RESTARTS times every worker is replaced under bots.
RESTARTS=${RESTARTS:-25} # of a group of two workers: each is two hot restarts

pids() { ctl --json worker list | jq -c '[.workers[] | select(.state == "active") | .pid] | sort'; }
builds() { ctl --json worker list | jq -r '.workers[] | select(.state == "active") | .build_id' | sort -u; }

hot_restarts_lose_nothing() {
	local i before after want
	# Two versions that differ in their build id only, in turn: each restart is proven by pid and build id.
	cp "$PLUGINS/game.so" "$WORK/a.so"
	objcopy --remove-section .comment "$PLUGINS/game.so" "$WORK/b.so"
	patch_build_id "$WORK/b.so"
	bots_start --players 100 --seconds 3000 --connect-timeout 30 --in-flight "${IN_FLIGHT:-256}" --seed "$SEED" ${BOTS_EXTRA:-}
	wait_for '[ "$(counter replies)" -gt 1000 ]'
	before=$(pids)
	for ((i = 0; i < RESTARTS; i++)); do
		[ $((i % 2)) -eq 0 ] && want=b || want=a
		ctl --json worker restart game --version "$WORK/$want.so" >"$WORK/restart.json" || { cat "$WORK/restart.json"; return 1; }
		after=$(pids)
		equal "pids kept over a restart" "$(jq -n --argjson a "$before" --argjson b "$after" '$a - ($a - $b)' -c)" "[]"
		equal "build id after the restart" "$(builds)" "$(file_build_id "$WORK/$want.so")"
		bots_running || { echo "the bots gave up:"; cat "$WORK/bots.err"; return 1; }
		before=$after
	done
	bots_stop
	bots_wait || cat "$WORK/bots.err"
	bots_clean
	echo "note: seed $SEED, $((RESTARTS * WORKERS)) hot restarts, $(bots_value received) replies"
}
file_build_id() { readelf -n "$1" | awk '/Build ID/ {print $3}'; }
# Changes the last byte of the build id note: another file as far as anyone can tell.
patch_build_id() {
	local at size
	read -r at size < <(readelf -SW "$1" | awk '/\.note\.gnu\.build-id/ { for (i = 1; i <= NF; i++) if ($i == "NOTE") print $(i + 2), $(i + 3) }')
	printf '\x5a' | dd of="$1" bs=1 seek=$((0x$at + 0x$size - 1)) conv=notrunc status=none
}
restarts_leave_the_ledger_exact() {
	batond_stop
	ledger_balances
	grep 'pool io.0: full' "$WORK/batond.log"
	must_fail grep -q 'died: signal' "$WORK/batond.log"
}
