#!/bin/bash
# The SDK in a stranger's hands: `make plugin` in a tree, and outside of it with nothing but what `make install` puts down,
# pkg-config and a compiler. What is made builds without a warning, passes its own test, runs and is hot-restarted.
. "$(dirname "$0")/_init.sh"
PLUGIN=arena
TOP=$WORK/baton   # a tree of our own: new plugins are written into it
OUT=$WORK/elsewhere
PREFIX=$WORK/prefix
export PKG_CONFIG_PATH=$PREFIX/lib/pkgconfig
in_tree() { (cd "$TOP" && env -u O -u MAKEFLAGS -u MAKELEVEL make O="$WORK/o" "$@"); }
# Everything of the tree that has been built is taken over, so that only what is new is compiled.
copy_tree() {
	mkdir "$TOP" "$OUT"
	cp -a "$TREE"/{Makefile,shared,config,workers,primary,monitor,tests,bench} "$TOP/"
	mkdir -p "$WORK/o"
	cp -a "$O/tools.ok" "$O/release" "$O/bin" "$O/plugins" "$O/test-plugins" "$WORK/o/"
	in_tree build >"$WORK/make.log" 2>&1 || { tail -20 "$WORK/make.log"; return 1; }
}
quiet() { "$@" >"$WORK/said" 2>&1 || { cat "$WORK/said"; return 1; }; if grep -i warning "$WORK/said"; then return 1; fi; }
passes() { sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$WORK/said"; }

skeleton_in_the_tree_builds_and_passes() {
	in_tree plugin NAME=arena
	quiet in_tree test-arena
	equal "tests passed" "$(passes)" 7
	[ -s "$WORK/o/plugins/arena.so" ]
	"$BIN/batonctl" plugin check "$WORK/o/plugins/arena.so" | tee "$WORK/check"
	grep -q ' 0 errors, 0 warnings' "$WORK/check"
}
bad_names_and_places_are_refused() {
	local name before
	before=$(find "$TOP" | sort | md5sum)
	for name in "" Arena 9lives with-dash "with space" "quote'd" '$(id)' ../up a/b "$(printf 'a%.0s' {1..32})" echo arena rules; do
		must_fail in_tree plugin NAME="$name" >"$WORK/said" 2>&1
		grep -q '^new plugin: ' "$WORK/said" || { cat "$WORK/said"; echo "no reason for '$name'"; return 1; }
	done
	must_fail in_tree plugin NAME=fine DIR="$OUT"
	must_fail in_tree plugin NAME=fine DIR="$OUT/no/such"
	equal "the tree" "$(find "$TOP" | sort | md5sum)" "$before"
	must_fail [ -e "$OUT/fine" ]
}
install_puts_down_what_a_build_needs() {
	in_tree install PREFIX="$PREFIX" >"$WORK/make.log" 2>&1
	in_tree install-sdk PREFIX=/opt/baton DESTDIR="$WORK/staged" >>"$WORK/make.log" 2>&1
	grep -qx 'prefix=/opt/baton' "$WORK/staged/opt/baton/lib/pkgconfig/baton-plugin.pc"
	must_fail grep -rqF "$WORK" "$WORK/staged/opt/baton/lib/pkgconfig" "$WORK/staged/opt/baton/include"
	must_fail in_tree install-sdk PREFIX=relative
	equal abi "$(pkg-config --variable=abi baton-plugin)" "$(sed -n 's/^#define BATON_PLUGIN_ABI *\([0-9]*\).*/\1/p' "$TREE/workers/sdk/baton.h")"
	equal version "$("$PREFIX/bin/batonctl" --version | grep -o "baton[^ ]* $(pkg-config --modversion baton-plugin)" | head -1)" \
		"batonctl $(pkg-config --modversion baton-plugin)"
	equal plugindir "$(pkg-config --variable=plugindir baton-plugin)" "$PREFIX/lib/baton/plugins"
	[ -s "$PREFIX/lib/baton/plugins/echo.so" ] && [ -s "$PREFIX/share/baton/examples/echo.c" ]
}
# skeleton_elsewhere CC: by the script that was installed, without the tree; and the installed example.
skeleton_elsewhere() {
	"$PREFIX/share/baton/new_plugin.sh" arena "$OUT/$1"
	quiet env -u PKG_CONFIG_PATH make -C "$OUT/$1" CC="$1" CFLAGS="-O2 -g -Werror" check
	equal "tests passed" "$(passes)" 7
	quiet "$1" -std=gnu11 -Wall -Wextra -Werror -fPIC -shared -Wl,--build-id=sha1 $(pkg-config --cflags baton-plugin) \
		-o "$OUT/echo-$1.so" "$PREFIX/share/baton/examples/echo.c"
	"$PREFIX/bin/batonctl" plugin check "$OUT/echo-$1.so"
}
a_missing_baton_is_named() {
	in_tree plugin NAME=lost DIR="$OUT/lost"
	must_fail env PKG_CONFIG_PATH="$OUT" make -C "$OUT/lost" >"$WORK/said" 2>&1
	grep -F 'make PKG_CONFIG_PATH=PREFIX/lib/pkgconfig' "$WORK/said"
	quiet env -u PKG_CONFIG_PATH make -C "$OUT/lost" PKG_CONFIG_PATH="$PREFIX/lib/pkgconfig"
	must_fail "$PREFIX/share/baton/new_plugin.sh" arena 2>"$WORK/said"
	grep -F "$PREFIX/share/baton/new_plugin.sh arena DIR" "$WORK/said"
}
# --plan asks the plugins' files.
installed_examples_find_the_installed_plugins() {
	local example count=0
	for example in "$PREFIX"/share/baton/*.yaml; do
		"$PREFIX/bin/batond" --plan "$example" >/dev/null 2>"$WORK/said" || { cat "$WORK/said"; return 1; }
		must_fail grep -F "$TOP" "$WORK/said"
		count=$((count + 1))
	done
	equal examples "$count" "$(ls "$TOP"/config/*.yaml | wc -l)"
}
header_compiles_as_cpp() {
	local standard
	cat >"$WORK/cpp.cc" <<-END
		#include "baton.h"
		static baton_verdict handle(baton_ctx *ctx, const baton_packet *packet, uint8_t *)
		{
			void *record = baton_find(ctx, 1);
			if (record == nullptr)
				record = baton_insert(ctx, 1);
			return record != nullptr && baton_save(ctx, record, 8) ? baton_reply(packet->len) : baton_no_reply();
		}
		BATON_PLUGIN(.name = "cpp", .version = "1", .key = BATON_KEY_FLOW, .key_offset = 0, .key_length = 0, .schema = 1,
			     .record_size = 8, .max_undo_bytes = 64, .init = nullptr, .prefetch = nullptr, .packet = handle,
			     .tick = nullptr);
	END
	for standard in c++17 c++20; do
		"$1" -std=$standard -Wall -O2 -g -fPIC -fvisibility=hidden -shared -Wl,--build-id=sha1 \
			$(pkg-config --cflags baton-plugin) -o "$WORK/cpp.so" "$WORK/cpp.cc"
		"$PREFIX/bin/batonctl" plugin check "$WORK/cpp.so"
	done
}
# A datagram of player 5: number, points; answered with the points it has. A repeat is answered alike, so it is asked again
# if the answer takes longer than nc waits on a busy machine.
score() {
	local got tries
	for ((tries = 0; tries < 20; tries++)); do
		got=$(ask_score "$1" "$2" 2>/dev/null)
		[ -z "$got" ] || { echo "$got"; return; }
	done
	return 1
}
ask_score() {
	printf '\5\0\0\0\0\0\0\0'"$(printf '\\%o\\0\\0\\0\\%o\\0\\0\\0' "$1" "$2")" | in_client nc -u -w 1 -W 1 "$BATON_IP" "$UDP_PORT" |
		od -An -j12 -N4 -tu4 | tr -d ' '
}
it_runs() { equal points "$(score 1 10)" 10; equal "points after a repeat" "$(score 1 10)" 10; }
it_is_hot_restarted_with_its_records() {
	local builds
	make -C "$OUT/gcc" CC=gcc install >/dev/null
	builds=$(ctl --json worker list | jq -c '[.workers[].build_id] | unique')
	ctl worker restart arena --version "$(pkg-config --variable=plugindir baton-plugin)/arena.so"
	must_fail [ "$(ctl --json worker list | jq -c '[.workers[].build_id] | unique')" = "$builds" ]
	equal points "$(score 2 7)" 17
	batond_stop
	ledger_balances
}

claim tree_is_copied copy_tree
claim skeleton_in_the_tree_builds_and_passes skeleton_in_the_tree_builds_and_passes
claim bad_names_and_places_are_refused bad_names_and_places_are_refused
claim install_puts_down_what_a_build_needs install_puts_down_what_a_build_needs
claim skeleton_elsewhere_builds_with_gcc skeleton_elsewhere gcc
if command -v clang >/dev/null; then claim skeleton_elsewhere_builds_with_clang skeleton_elsewhere clang
else skip skeleton_elsewhere_builds_with_clang "no clang"; fi
claim a_missing_baton_is_named a_missing_baton_is_named
claim installed_examples_find_the_installed_plugins installed_examples_find_the_installed_plugins
CXX=$(command -v g++ || command -v clang++)
if [ -n "$CXX" ]; then claim header_compiles_as_cpp header_compiles_as_cpp "$CXX"
else skip header_compiles_as_cpp "no C++ compiler"; fi
PLUGINS=$WORK/o/plugins
port_tap && batond_start || fatal "no batond"
claim it_runs it_runs
claim it_is_hot_restarted_with_its_records it_is_hot_restarted_with_its_records
