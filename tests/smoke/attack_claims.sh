# What the scenarios of attacks claim of the bots' books.
# After bots_wait: that there was something to keep books of.
books_balance() {
	equal "attack faults" "$(bots_value attack.faults)" 0
	equal "books" "$(bots_value attack.books)" balanced
	[ "$(bots_value attack.hits)" -gt 500 ]
	equal "messages lost" "$(counter messages_lost)" 0
	wait_for '[ "$(counter messages_posted)" = "$(counter messages_settled)" ]'
	echo "note: seed $SEED, $(bots_value attack.attacks) attacks, $(bots_value attack.hits) hits, $(counter messages_settled) messages"
}
attacks_survive_hot_restarts() {
	hot_restarts_lose_nothing
	books_balance
}
ledger_is_exact_after_attacks() { batond_stop; ledger_balances; }
