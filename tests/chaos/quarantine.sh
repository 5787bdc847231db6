# Signals from outside fall on whatever is being handled: no entry is to be blamed for them, and taken out of the traffic.
no_quarantine() {
	! grep -q '"quarantine.attempts"' "$TREE/config/schema.c" || printf 'quarantine:\n  attempts: off\n'
}
