# The storm over a TAP port: as tests/chaos/storm_claims.sh, with bots. Kernel sockets are slow, so the game must be slower.
# Nothing is sent again while it waits: what is under way fits into a belt, however long the machine stands still.
storm_under_bots() {
	bots_start --players 200 --roam --in-flight 800 --force --seconds 100000 --connect-timeout 30 --lost-after 60000 \
		--repeat-after 30000 --tries 5 --mix move=60,heartbeat=10,attack=30 --seed "$SEED"
	wait_for '[ "$(counter replies)" -gt 1000 ]'
	"$@" --offered 64
	bots_stop
	bots_wait || cat "$WORK/bots.err"
	bots_clean
	equal "attack faults" "$(bots_value attack.faults)" 0
	equal "books" "$(bots_value attack.books)" balanced
	echo "note: $(bots_value received) replies, $(bots_value attack.hits) hits, longest gap $(bots_value longest_gap_ms) ms"
}
tap_books() { batond_stop; ledger_balances; grep 'pool io.0: full' "$WORK/batond.log"; }
claim_storm_over_tap() {
	GROUP_EXTRA=$STORM_GROUP
	port_tap || fatal "no port"
	batond_config | sed "s|plugin: .*|plugin: $STORM_PLUGIN|" >"$WORK/baton.yaml"
	batond_start "$WORK/baton.yaml" || fatal "no batond"
	claim kills_under_bots_lose_double_and_reorder_nothing storm_under_bots "$@" \
		--mix kill=60,segv=10,stop=5,cont=5,two=6,move=6,recovery=5,loop=3
	claim books_are_exact_after_the_storm tap_books
}
