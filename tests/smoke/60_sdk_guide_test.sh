#!/bin/bash
# docs/sdk.md taken at its word: its commands, code and configuration are cut out of the page and run.
. "$(dirname "$0")/_init.sh"
PLUGIN=shout UDP_PORT=9000 BUCKETS=4096
GUIDE=$TREE/docs/sdk.md
TOP=$WORK/baton # a tree of our own: the guide writes into it
SHOUT=$TOP/workers/plugins/shout/shout.c

# block STEP N: the Nth code block of the step.
block() {
	awk -v step="## $1. " -v n="$2" '
		/^## / { on = index($0, step) == 1 }
		/^```/ { if (inside) inside = 0; else { inside = 1; if (on) at++ } next }
		on && inside && at == n' "$GUIDE"
}
say() { echo hello | in_client nc -u -w 1 -W 1 "$@" "$BATON_IP" "$UDP_PORT" | od -An -c | tr -d ' '; }
in_tree() { (cd "$TOP" && env -u O -u MAKEFLAGS bash -e); }

template_is_copied_edited_and_built() {
	mkdir "$TOP"
	cp -r "$TREE"/{Makefile,shared,config,workers} "$TOP/"
	block 1 1 | in_tree
	block 2 1 >"$WORK/capitals"
	[ -s "$WORK/capitals" ]
	sed -i '/(void)data;/d' "$SHOUT"
	sed -i "$(grep -n 'return baton_reply(' "$SHOUT" | cut -d: -f1)e cat $WORK/capitals" "$SHOUT"
	block 3 1 | in_tree
	[ -s "$TOP/build/plugins/shout.so" ]
}
one_compiler_call_does_it_too() {
	mkdir "$WORK/outside"
	cp "$SHOUT" "$WORK/outside/"
	block 3 2 | sed "s|/path/to/baton|$TOP|" | (cd "$WORK/outside" && bash -e)
	readelf -n "$WORK/outside/shout.so" | grep -q 'Build ID'
}
it_answers_in_capitals() { equal answer "$(say)" 'HELLO\n'; }
rebuilding_alone_changes_nothing() {
	sed -i "s/return baton_reply(/data[0] = '!';\n\treturn baton_reply(/" "$SHOUT"
	block 6 1 | grep '^make' | in_tree
	equal answer "$(say)" 'HELLO\n'
}
restart_takes_the_rebuilt_file() {
	ctl worker restart shout
	equal answer "$(say)" '!ELLO\n'
}
another_file_by_path() {
	ctl worker restart shout --version "$WORK/outside/shout.so"
	equal answer "$(say)" 'HELLO\n'
}
# Step 7 needs records, and so another state file: a batond that starts afresh.
records_outlive_the_worker() {
	{
		echo '#include "baton.h"'
		block 7 1
		sed -n '/^BATON_PLUGIN/,$p' "$SHOUT" | sed -e '/\.init/d' \
			-e 's/\.record_size = 0/.record_size = sizeof(struct sender)/' -e 's/\.max_undo_bytes = 0/.max_undo_bytes = 128/'
	} >"$WORK/step7.c"
	mv "$WORK/step7.c" "$SHOUT"
	block 6 1 | grep '^make' | in_tree
	must_fail ctl worker restart shout --version "$TOP/build/plugins/shout.so" >"$WORK/refused" 2>&1
	grep -q 'records of 8 bytes, the state file of the group has room for 0' "$WORK/refused"
	batond_stop
	rm -f "/dev/hugepages/baton.$INSTANCE.state"
	batond_start "$TOP/shout.yaml"
	equal "first answer" "$(say -p 5555)" '1ello\n'
	ctl worker restart shout
	equal "second answer" "$(say -p 5555)" '2ello\n'
	batond_stop
	ledger_balances
}

netns_make "$SERVER" && PORT_KIND=tap CLIENT=$SERVER CLIENT_DEV=baton0
claim template_is_copied_edited_and_built template_is_copied_edited_and_built
claim one_compiler_call_does_it_too one_compiler_call_does_it_too
block 4 1 | sed "s/^name: .*/name: $INSTANCE/" >"$TOP/shout.yaml"
batond_start "$TOP/shout.yaml" || fatal "no batond"
claim it_answers_in_capitals it_answers_in_capitals
claim rebuilding_alone_changes_nothing rebuilding_alone_changes_nothing
claim restart_takes_the_rebuilt_file restart_takes_the_rebuilt_file
claim another_file_by_path another_file_by_path
claim records_outlive_the_worker records_outlive_the_worker
