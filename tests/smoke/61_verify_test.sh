#!/bin/bash
# Verify mode in a worker of `make debug`: a sound game goes on as ever; a plugin that does what it must not do is named in
# the log with the entry and the place, and its worker aborts.
. "$(dirname "$0")/_init.sh"
BAD=$O/debug/test-plugins
# By the names that `make debug` uses, or what either has built would be out of date to the other and yet not be built again.
debug_build() { local o=${O#"$TREE"/}; env -u MAKEFLAGS -u MAKELEVEL make -C "$TREE" -j2 O="$o" TYPE=debug "$o"/debug/bin/batond "$o"/debug/bin/baton-zygote "$o"/debug/plugins/game.so \
	"$o"/debug/test-plugins/bad_{unsaved,bucket,static,past_end}.so >"$WORK/make.log" 2>&1 || { tail -20 "$WORK/make.log"; return 1; }; }

sound_game_is_served() {
	bots --players 20 --seconds 2 --seed "$SEED" || { cat "$WORK/bots.err"; return 1; }
	bots_clean
	must_fail grep -F "verify: " "$WORK/batond.log"
}
# named PLUGIN WORDS: a datagram that begins with the key abcd; the second finds the first's record.
named() {
	local plugin=$1 words=$2 line
	: >"$WORK/batond.log"
	PLUGIN=$plugin
	batond_start
	printf abcd- | in_client nc -u -w 1 -W 1 "$BATON_IP" "$UDP_PORT" >/dev/null || :
	printf abcd- | in_client nc -u -w 1 -W 1 "$BATON_IP" "$UDP_PORT" >/dev/null || :
	wait_for "grep -qF 'verify: plugin ${plugin//_/-} version 1: ' $WORK/batond.log"
	line=$(grep -m 1 -F "verify: plugin" "$WORK/batond.log")
	echo "$line"
	grep -qE "$words" <<<"$line"
	grep -qE "entry: packet at position [0-9]+, bucket [0-9]+, key 61 62 63 64, 5 bytes: 61 62 63 64 2d" <<<"$line"
	wait_for "grep -qE 'died: signal 6 .Aborted' $WORK/batond.log"
	batond_stop
	ledger_balances
	rm -f "/dev/hugepages/baton.$INSTANCE.state"
}

claim debug_build debug_build
PLUGINS=$O/debug/plugins
mkdir "$WORK/bin" # batond and its zygote of the debug build, tools of the other
ln -s "$O"/bin/* "$WORK/bin/"
ln -sf "$O"/debug/bin/batond "$O"/debug/bin/baton-zygote "$WORK/bin/"
BIN=$WORK/bin
export BATON_ZYGOTE=$O/debug/bin/baton-zygote
port_tap && batond_start || fatal "no batond"
claim sound_game_is_served sound_game_is_served
claim game_stops_in_order batond_stop
rm -f "/dev/hugepages/baton.$INSTANCE.state"
PLUGINS=$BAD
claim unsaved_change_is_named named bad_unsaved 'changed without baton_save: bucket [0-9]+, record [0-9]+, offset 8, from 0x5 to 0xa'
claim write_to_another_bucket_is_named named bad_bucket "wrote to bucket [0-9]+, which is not the entry's: record 0, offset 0"
claim static_counter_is_named named bad_static 'changed a global or static variable at FILE.so\+0x[0-9a-f]+ from 0 to 0x1'
claim write_past_the_end_is_named named bad_past_end 'wrote to byte 5 of a datagram of 5 bytes'
