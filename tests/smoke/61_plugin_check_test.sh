#!/bin/bash
# `batonctl plugin check`: what it says of good, careless and hostile plugins, as a user without rights or hugepages; and
# that it survives all of them.
. "$(dirname "$0")/_init.sh"
BAD=$O/test-plugins
SDK=$TREE/workers/sdk
CHECK=("$BIN/batonctl" plugin check)
SANE="-std=gnu11 -g -fPIC -shared -Wl,--build-id=sha1 -I$SDK"

# compile FILE.so FLAGS...: of the source on standard input.
compile() { local out=$1; shift; gcc $SANE -x c -o "$out" - "$@"; }
# A plugin around the body of its handler, which has ctx, packet, data.
plugin_of() {
	cat <<-END
		#include "baton.h"
		#include <stdio.h>
		#include <stdlib.h>
		#include <time.h>
		${2:-}
		static baton_verdict handle(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data)
		{ (void)ctx; (void)packet; (void)data; $1 }
		BATON_PLUGIN(.name = "made", .version = "1", .key = BATON_KEY_FLOW, .schema = 1, ${3:+$3,} .packet = handle);
	END
}
# checked CODE FILE WORDS...: the exit code, and lines that begin with a level and have the words: "LEVEL SUBJECT: WORDS".
checked() {
	local code=$1 file=$2 rc=0 line level words
	shift 2
	"${CHECK[@]}" --timeout 3s "$file" >"$WORK/report" 2>"$WORK/report.err" || rc=$?
	cat "$WORK/report" "$WORK/report.err"
	equal "exit code" "$rc" "$code"
	[ ! -s "$WORK/report.err" ]
	for line in "$@"; do
		level=${line%% *} words=${line#*: } line=${line%%:*}
		grep "^$level  *${line#* } " "$WORK/report" | grep -qF -- "$words" || { echo "no line: $level ${line#* }: $words"; return 1; }
	done
	must_fail grep -qP '[^\x20-\x7e\n]' "$WORK/report"
}
errors() { grep -c '^error' "$WORK/report"; }

sound_plugins_are_ok() {
	checked 0 "$PLUGINS/game.so" "ok build id: $(file_id "$PLUGINS/game.so")" "ok debug info: present" "ok imports: all of them" \
		"ok descriptor: game, version 1, plugin ABI" "ok key: 4 bytes at 8 of the payload" "ok init: starts without settings" \
		"ok entries: ticks, each run, undone and run again"
	grep -q ': 0 errors, 0 warnings$' "$WORK/report"
	checked 0 "$PLUGINS/echo.so" "ok key: flow" "ok log: echo: ready" "ok entries: 512 datagrams (512 answered, 0 dropped)"
}
file_id() { readelf -n "$1" | sed -n 's/^ *Build ID: //p'; }
as_json() {
	"${CHECK[@]}" --json "$PLUGINS/game.so" | jq -e '.schema == 1 and .ok and .exit_code == 0 and .errors == 0 and
		(.checks | length > 5 and all(.level == "ok" and (.what | length > 0) and (.text | length > 0)))'
	local rc=0
	"${CHECK[@]}" --json "$BAD/bad_static.so" >"$WORK/json" || rc=$?
	equal "exit code" "$rc" 1
	jq -e '(.ok | not) and .exit_code == 1 and .errors == 1 and
		([.checks[] | select(.level == "error")][0] | .what == "packet" and (.text | test("bad-static")))' "$WORK/json"
}
# Neither root nor hugepages nor a batond: a user nobody with the programs alone.
needs_no_rights() {
	install -d -m 755 "$WORK/pub"
	cp "$BIN/batonctl" "$BIN/baton-zygote" "$PLUGINS/game.so" "$WORK/pub/"
	chmod 711 "$WORK"
	chmod 755 "$WORK"/pub/*
	setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs --inh-caps=-all \
		"$WORK/pub/batonctl" plugin check "$WORK/pub/game.so" >"$WORK/report"
	grep '^ok  *entries' "$WORK/report"
}
wrong_usage_and_files() {
	local rc=0
	"${CHECK[@]}" >"$WORK/said" 2>&1 || rc=$?
	equal "without a file" "$rc" 2
	rc=0; "${CHECK[@]}" --seed x "$PLUGINS/game.so" >"$WORK/said" 2>&1 || rc=$?
	equal "a bad seed" "$rc" 2
	rc=0; "${CHECK[@]}" "$WORK/nothing.so" >"$WORK/said" 2>&1 || rc=$?
	equal "no such file" "$rc" 4
	mkfifo "$WORK/fifo.so"
	rc=0; "${CHECK[@]}" "$WORK/fifo.so" >"$WORK/said" 2>&1 || rc=$?
	equal "a FIFO" "$rc" 4
	echo "int main;" >"$WORK/text.so"
	head -c 5000 "$PLUGINS/game.so" >"$WORK/half.so"
	checked 1 "$WORK/text.so" "error file: not a shared object"
	checked 1 "$WORK/half.so" "error file: ends too early"
	checked 1 "$BAD/no_symbol.so" "error descriptor: no symbol baton_plugin_descriptor"
	checked 1 "$BAD/abi_mismatch.so" "error descriptor: rebuild it with this version's baton.h"
}
undefined_symbols_are_listed_with_advice() {
	plugin_of "baton_misspelt(); rte_malloc(); my_helper(); return baton_reply(0);" \
		"void baton_misspelt(void), rte_malloc(void), my_helper(void);" | compile "$WORK/undefined.so"
	checked 1 "$WORK/undefined.so" "error import: baton_misspelt: undefined symbol, and no worker has it: this version's workers" \
		"error import: rte_malloc: undefined symbol, and no worker has it: a plugin sees no DPDK" \
		"error import: my_helper: undefined symbol, and no worker has it: define it, or link"
	equal errors "$(errors)" 3
	# what is the worker's, libc's, or libm's if it is linked
	for lm in "" -lm; do
		plugin_of "return baton_insert(ctx, 1) || pow(packet->len, 2) > strtod(\"1\", NULL) ? baton_no_reply() : baton_reply(0);" \
			"double pow(double, double);" | gcc $SANE -fno-builtin -x c -o "$WORK/libm.so" - $lm
		if [ -z "$lm" ]; then checked 1 "$WORK/libm.so" "error import: pow: undefined symbol, and no worker has it: link with -lm"
		else checked 0 "$WORK/libm.so" "ok imports: 3 symbols"; fi
	done
}
forbidden_calls_are_warned_of() {
	plugin_of "return baton_reply(0);" "__attribute__((used)) static void *calls[] = { clock_gettime, rand, fork_, sock_, fopen,
		malloc, exit }; " | sed 's/fork_/(void *)fork/; s/sock_/(void *)socket/; 1i #include <unistd.h>\n#include <sys/socket.h>' |
		compile "$WORK/forbidden.so"
	checked 0 "$WORK/forbidden.so" "warn import: clock_gettime: a handler must not read a clock: ctx->time_ns" \
		"warn import: rand: a handler must not draw its own random numbers: baton_random(ctx)" \
		"warn import: fork: a handler must not start threads or processes" "warn import: socket: a handler must not use sockets" \
		"warn import: fopen: a handler must not do I/O" "warn import: malloc: a handler should not allocate" \
		"warn import: exit: a handler must not end the worker"
	grep -q ': 0 errors, 7 warnings$' "$WORK/report"
}
what_the_build_left_out_is_warned_of() {
	plugin_of "return baton_reply(0);" | gcc -std=gnu11 -fPIC -shared -Wl,--build-id=none -Wl,-z,execstack -I"$SDK" -x c \
		-o "$WORK/bare.so" - -Wl,--no-as-needed -lncursesw
	checked 0 "$WORK/bare.so" "warn build id: -Wl,--build-id=sha1" "warn debug info: build with -g" "warn stack: noexecstack" \
		"warn library: libncursesw.so.6"
	plugin_of "return baton_reply(0);" "" ".record_size = 40" | compile "$WORK/undo.so"
	checked 0 "$WORK/undo.so" "warn undo: .max_undo_bytes is 0"
	plugin_of "return baton_reply(0);" "" ".record_size = 40, .max_undo_bytes = 64" | compile "$WORK/undo.so"
	checked 0 "$WORK/undo.so" "warn undo: .max_undo_bytes is 64, an insertion takes 72"
	plugin_of "return baton_reply(0);" "" ".max_undo_bytes = 64" | compile "$WORK/undo.so"
	checked 0 "$WORK/undo.so" "warn undo: it has no records"
	plugin_of "baton_insert(ctx, baton_random(ctx)); baton_insert(ctx, baton_random(ctx)); return baton_reply(0);" "" \
		".record_size = 40, .max_undo_bytes = 72" | compile "$WORK/undo.so"
	checked 0 "$WORK/undo.so" "warn undo: 512 of them needed more than .max_undo_bytes"
}
descriptors_that_cannot_be_are_refused() {
	plugin_of "return 0;" "" ".record_size = 1 << 30" | compile "$WORK/odd.so"
	checked 1 "$WORK/odd.so" "error descriptor: .record_size is 1073741824"
	plugin_of "return 0;" "" ".max_undo_bytes = 1 << 30" | compile "$WORK/odd.so"
	checked 1 "$WORK/odd.so" "error descriptor: .max_undo_bytes is 1073741824"
	plugin_of "return 0;" | sed 's/BATON_KEY_FLOW/7/' | compile "$WORK/odd.so"
	checked 1 "$WORK/odd.so" "error descriptor: .key is 7"
	plugin_of "return 0;" | sed 's/\.packet = handle/.tick = 0/' | compile "$WORK/odd.so" -Wno-unused-function
	checked 1 "$WORK/odd.so" "error descriptor: .packet is missing"
}
what_a_plugin_must_not_do_is_an_error() {
	checked 1 "$BAD/bad_unsaved.so" "error packet: plugin bad-unsaved version 1: changed without baton_save: bucket " "error packet: key "
	checked 1 "$BAD/bad_insert.so" "error packet: inserted key 0x"
	checked 1 "$BAD/bad_bucket.so" "error packet: which is not the entry's: record 0, offset 0"
	checked 1 "$BAD/bad_static.so" "error packet: changed a global or static variable at FILE.so+0x"
	checked 1 "$BAD/bad_past_end.so" "error packet: wrote to byte 4 of a datagram of 4 bytes"
	checked 1 "$BAD/bad_clock.so" "error packet: run again, the reply differs"
	checked 1 "$BAD/verdicts.so" "error packet: verify: plugin verdicts version 1: "
}
# The offset in the report is where the fault is: addr2line names the line.
crashes_name_the_instruction() {
	local offset
	gcc $SANE -O1 -DWHEN='"packet"' -DWHAT='"crash"' -o "$WORK/crash.so" "$TREE/tests/plugins/hostile.c"
	checked 1 "$WORK/crash.so" "error packet: died of signal 11 (Segmentation fault), address 0x8, at hostile+0x"
	offset=$(grep -o 'FILE.so 0x[0-9a-f]*' "$WORK/report" | cut -d' ' -f2)
	equal line "$(addr2line -e "$WORK/crash.so" "$offset" | cut -d: -f2 | cut -d' ' -f1)" \
		"$(grep -n 'nowhere = 1;' "$TREE/tests/plugins/hostile.c" | cut -d: -f1)"
}
# hostile WHEN WHAT WORDS: in a directory of its own.
hostile() {
	local when=$1 what=$2 words=$3 WORK=$WORK/hostile-$1-$2
	mkdir "$WORK"
	gcc $SANE -O1 -DWHEN="\"$when\"" -DWHAT="\"$what\"" -o "$WORK/hostile.so" "$TREE/tests/plugins/hostile.c"
	echo "== $when $what"
	case $what in
	print | fork) checked 0 "$WORK/hostile.so" "ok entries: datagrams" "$words" ;;
	*) checked 1 "$WORK/hostile.so" "$words" ;;
	esac
}
hostile_plugins_are_survived() {
	local when what words hanging=() pid
	while read -r when what words; do
		if [ "$what" = hang ]; then # each of these takes its three seconds: beside the others
			hostile "$when" "$what" "$words" >"$WORK/$when-hang.log" 2>&1 &
			hanging+=($!)
		else
			hostile "$when" "$what" "$words"
		fi
	done <<-'END'
		load crash error load: died of signal 11 (Segmentation fault) while it was loaded
		load hang error load: not described within 3000 ms
		load exit error load: something else came than its descriptor
		load fork warn import: fork: a handler must not start threads or processes
		init crash error init: died of signal 11
		init hang error init: hangs: init did not return within 3000 ms
		init exit error init: ended the process (exit status 0) in init
		init print warn output: printed
		init fork warn import: fork
		packet crash error packet: died of signal 11
		packet hang error packet: hangs: datagram 0 of 0 bytes did not return
		packet exit error packet: ended the process (exit status 0) in datagram 0 of 0 bytes
		packet print warn output: printed
		packet fork warn import: fork
	END
	for pid in "${hanging[@]}"; do wait "$pid" || { cat "$WORK"/*-hang.log; return 1; }; done
	# what it prints when it is loaded stands where its descriptor should
	gcc $SANE -O1 -DWHEN='"load"' -DWHAT='"print"' -o "$WORK/hostile.so" "$TREE/tests/plugins/hostile.c"
	checked 1 "$WORK/hostile.so" "error load: something else came than its descriptor"
	equal "processes left" "$(pgrep -fc "$WORK/hostile.*so" || :)" 0
}
# The same seed, the same report; another one, other datagrams.
seeds_repeat() {
	"${CHECK[@]}" --seed "$SEED" "$PLUGINS/game.so" >"$WORK/first"
	"${CHECK[@]}" --seed "$SEED" "$PLUGINS/game.so" | cmp - "$WORK/first"
	must_fail cmp -s <("${CHECK[@]}" --seed $((SEED % 1000 + 1)) "$PLUGINS/game.so") "$WORK/first"
}

for c in sound_plugins_are_ok as_json needs_no_rights wrong_usage_and_files undefined_symbols_are_listed_with_advice \
	forbidden_calls_are_warned_of what_the_build_left_out_is_warned_of descriptors_that_cannot_be_are_refused \
	what_a_plugin_must_not_do_is_an_error crashes_name_the_instruction hostile_plugins_are_survived seeds_repeat; do
	claim $c $c
done
