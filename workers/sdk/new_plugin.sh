#!/bin/bash
# A new plugin that works: handler, unit test, Makefile. In the tree `make plugin NAME=arena` makes
#
#	workers/plugins/arena/arena.c, rules.mk          built by `make`
#	tests/unit/workers/plugins/arena/test_arena.c    run by `make unit`, or by `make test-arena` alone
#
# and with DIR=path a folder of its own with a Makefile that needs pkg-config, a compiler and an installed Baton; there
# the script is PREFIX/share/baton/new_plugin.sh. A name or a place that will not do is refused before anything is made.
#
#	new_plugin.sh NAME [DIR]    without DIR: run from the top of Baton's tree
set -u
name=${1:-} dir=${2:-}

die() { printf 'new plugin: %s\n' "$*" >&2; exit 2; }

# An installed script's own Baton; empty in the tree.
pc=$(cd "$(dirname "$0")/../../lib/pkgconfig" 2>/dev/null && [ -e baton-plugin.pc ] && pwd)
[[ $pc =~ ^[A-Za-z0-9/._+-]*$ ]] || pc=
usage="make plugin NAME=arena"
[ -z "$pc" ] || usage="$0 arena DIR"

[ -n "$name" ] || die "give it a name: $usage"
case $name in -h | --help) printf 'usage: %s: a plugin that works, with its unit test, in a new folder\n' "$usage"; exit 0 ;; esac
[ -z "$pc" ] || [ -n "$dir" ] || die "give it a folder to be made: $usage"
[[ $name =~ ^[a-z][a-z0-9_]{0,30}$ ]] ||
	die "'$name' will not do: a name is a lower case letter, then at most 30 of a-z, 0-9 and _; it is a file's name and a C prefix"
case $name in
baton | rules | test | plugin) die "'$name' is taken: choose another name" ;;
esac
if [ -n "$dir" ]; then
	source=$dir test=$dir
	[ -d "$(dirname "$dir")" ] || die "$(dirname "$dir") is no folder: make it first"
else
	source=workers/plugins/$name test=tests/unit/workers/plugins/$name
	[ -f workers/sdk/baton.h ] || die "not at the top of Baton's tree: give DIR=path for a plugin elsewhere"
fi
for place in "$source" "$test"; do
	[ ! -e "$place" ] && [ ! -L "$place" ] || die "$place is there already: choose another name, or remove it"
done
upper=$(printf %s "$name" | tr a-z A-Z)

mkdir -p "$source" "$test" || exit 1
fill() { sed -e "s/@NAME@/$name/g" -e "s/@UPPER@/$upper/g" -e "s|@PC@|$pc|g" >"$1" || exit 1; }

fill "$source/$name.c" <<'END'
/* @NAME@: counts points of players. A datagram is a player and how many points it scores; the answer is what it has now.
 * It works as it stands; put your game in its place. The guide is docs/sdk.md, every call is described in baton.h. */
#include "baton.h"

#include <errno.h>
#include <stdlib.h>

/* Request and reply, little-endian. The player's id steers: all of a player's datagrams meet in one bucket. */
struct @NAME@_message {
	uint64_t player;
	uint32_t number; /* of this player, counted up from 1: a repeat scores once */
	uint32_t points; /* request: scored now; reply: what the player has */
};

/* What is remembered of a player: fixed-width types, no pointers. Raise .schema below when it changes. */
struct @NAME@_player {
	uint64_t seen_ns;
	uint32_t number;
	uint32_t points;
};

struct @NAME@_settings {
	uint64_t idle_ns; /* setting `idle_s`: players not heard of for so long are forgotten */
};

#define REMOVED_PER_TICK 16u /* bounds the time and the undo bytes of a tick */
#define SAVED(bytes)     (16u + (((bytes) + 7u) & ~7u))

static int @NAME@_init(struct baton_ctx *ctx)
{
	static struct @NAME@_settings settings = { .idle_ns = 60000000000 };
	const char *idle = baton_setting(ctx, "idle_s");

	if (idle != NULL) {
		char *end;
		unsigned long long seconds = strtoull(idle, &end, 10);

		if (idle[0] < '0' || idle[0] > '9' || *end != 0 || seconds < 1 || seconds > 86400) {
			baton_log(ctx, "@NAME@: setting idle_s is '%s': give seconds from 1 to 86400", idle);
			return -EINVAL;
		}
		settings.idle_ns = seconds * 1000000000;
	}
	ctx->user = &settings; /* read-only from here on */
	return 0;
}

static baton_verdict @NAME@_packet(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data)
{
	struct @NAME@_message message;
	struct @NAME@_player *player;

	if (packet->len < sizeof(message))
		return baton_drop_runt();
	memcpy(&message, data, sizeof(message));
	player = baton_find(ctx, message.player);
	if (player == NULL)
		player = baton_insert(ctx, message.player); /* zero-filled, and saved as a whole */
	else if (!baton_save(ctx, player, sizeof(*player))) /* before the change, never after */
		return baton_no_reply();
	if (player == NULL)
		return baton_reply_error(sizeof(message)); /* the bucket is full; player and number say whose it was */
	if (message.number == player->number + 1) {
		player->number = message.number;
		player->points += message.points;
	}
	player->seen_ns = ctx->time_ns;
	message.number = player->number;
	message.points = player->points;
	memcpy(data, &message, sizeof(message)); /* the reply is written over the request */
	return baton_reply(sizeof(message));
}

/* Once per period for each bucket. */
static void @NAME@_tick(struct baton_ctx *ctx, uint64_t number)
{
	const struct @NAME@_settings *settings = ctx->user;
	struct @NAME@_player *player;
	uint32_t iter = 0, removed = 0;
	uint64_t key;

	(void)number;
	while (removed < REMOVED_PER_TICK && (player = baton_next(ctx, &iter, &key)) != NULL) {
		if (player->seen_ns >= ctx->time_ns || ctx->time_ns - player->seen_ns <= settings->idle_ns)
			continue;
		if (!baton_remove(ctx, player))
			return;
		removed++;
	}
}

BATON_PLUGIN(
	.name = "@NAME@",
	.version = "1",
	.key = BATON_KEY_PAYLOAD, /* or BATON_KEY_FLOW: by addresses and ports */
	.key_offset = offsetof(struct @NAME@_message, player),
	.key_length = sizeof(uint64_t),
	.schema = 1,
	.record_size = sizeof(struct @NAME@_player),
	.max_undo_bytes = REMOVED_PER_TICK * BATON_UNDO_REMOVE, /* a datagram needs less: */
	.init = @NAME@_init,
	.packet = @NAME@_packet,
	.tick = @NAME@_tick,
	.shadow = 1 /* nothing is done but to records and the reply: a rollout may try it on copies first */
);
_Static_assert(REMOVED_PER_TICK * BATON_UNDO_REMOVE >=
	       SAVED(sizeof(struct @NAME@_player) + sizeof(struct baton_record)), "undo bytes of a new player");
END

fill "$test/test_$name.c" <<'END'
/* The @NAME@ plugin. Each datagram and tick is also run, undone, compared and run again by the library: baton_test.h. */
#include "baton_test.h"

struct message {
	uint64_t player;
	uint32_t number, points;
};

static struct baton_test t;

static int set_up(void **state)
{
	(void)state;
	baton_test_create(&t, &baton_plugin_descriptor, 16, 16);
	return baton_test_init(&t);
}

static int tear_down(void **state)
{
	(void)state;
	baton_test_destroy(&t);
	return 0;
}

/* What the player has after scoring. */
static uint32_t score(uint64_t player, uint32_t number, uint32_t points)
{
	struct message m = { player, number, points };
	const struct baton_test_reply *reply = baton_test_send(&t, &m, sizeof(m));

	assert_int_equal(reply->verdict, baton_reply(sizeof(m)));
	memcpy(&m, reply->data, sizeof(m));
	assert_true(m.player == player);
	return m.points;
}

static void points_add_up_for_each_player(void **state)
{
	(void)state;
	for (uint32_t number = 1; number <= 100; number++)
		for (uint64_t player = 1; player <= 3; player++)
			assert_int_equal(score(player, number, (uint32_t)player), number * player);
}

static void a_repeat_scores_once(void **state)
{
	(void)state;
	assert_int_equal(score(7, 1, 5), 5);
	assert_int_equal(score(7, 1, 5), 5);
	assert_int_equal(score(7, 3, 5), 5);
	assert_int_equal(score(7, 2, 5), 10);
}

static void runts_are_dropped(void **state)
{
	struct message m = { 1, 1, 1 };

	(void)state;
	assert_int_equal(baton_test_send(&t, &m, sizeof(m) - 1)->verdict, baton_drop_runt());
}

/* Wherever a worker is killed: the next one finds the records as they were. */
static void a_kill_leaves_nothing_behind(void **state)
{
	struct message m = { 9, 1, 4 };

	(void)state;
	assert_true(baton_test_kill(&t, &m, sizeof(m)) > 0);
	assert_int_equal(score(9, 1, 4), 4);
	m.number = 2;
	assert_true(baton_test_kill(&t, &m, sizeof(m)) > 0);
	assert_int_equal(score(9, 2, 4), 8);
}

static void idle_players_are_forgotten(void **state)
{
	struct message m = { 3, 1, 1 };
	uint32_t bucket = (uint32_t)baton_test_bucket(&t, &m, sizeof(m));

	(void)state;
	score(3, 1, 1);
	baton_test_advance(&t, 59000000000);
	baton_test_tick_all(&t);
	assert_non_null(baton_test_record(&t, bucket, 3));
	baton_test_advance(&t, 2000000000);
	assert_true(baton_test_kill_tick(&t, bucket) > 0);
	baton_test_tick_all(&t);
	assert_null(baton_test_record(&t, bucket, 3));
}

static void a_full_bucket_is_an_error(void **state)
{
	struct message m = { 0, 1, 1 };
	uint32_t full = 0;

	(void)state;
	for (m.player = 1; m.player <= 1000; m.player++)
		full += baton_test_send(&t, &m, sizeof(m))->verdict == baton_reply_error(sizeof(m));
	assert_int_equal(full, 1000 - 16 * 16); /* each of 16 buckets has room for 16 */
}

static void settings_are_checked(void **state)
{
	static const char *const bad[] = { "", "0", "-1", "60s", "86401", "x" };

	(void)state;
	for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		baton_test_setting(&t, "idle_s", bad[i]);
		assert_int_not_equal(baton_test_init(&t), 0);
		assert_non_null(strstr(baton_test_log(&t), "idle_s"));
	}
	baton_test_setting(&t, "idle_s", "86400");
	assert_int_equal(baton_test_init(&t), 0);
}

#define with_plugin(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_plugin(points_add_up_for_each_player),
		with_plugin(a_repeat_scores_once),
		with_plugin(runts_are_dropped),
		with_plugin(a_kill_leaves_nothing_behind),
		with_plugin(idle_players_are_forgotten),
		with_plugin(a_full_bucket_is_an_error),
		with_plugin(settings_are_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
END

if [ -n "$dir" ]; then
	fill "$source/Makefile" <<'END'
# @NAME@.so with nothing but pkg-config and a compiler: `make`, `make check`, `make install` (PREFIX of Baton's own).
# Another Baton than the one this was made with: make PKG_CONFIG_PATH=/opt/baton/lib/pkgconfig
PKG_CONFIG ?= pkg-config
CFLAGS     ?= -O3 -g
WARN       := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes
# Written out: before make 4.4 what is exported does not reach $(shell).
sdk         = $(shell PKG_CONFIG_PATH='$(if $(PKG_CONFIG_PATH),$(PKG_CONFIG_PATH):)@PC@' $(PKG_CONFIG) $1 baton-plugin)
ifneq ($(MAKECMDGOALS),clean)
SDK        := $(call sdk,--cflags)
ifeq ($(SDK),)
$(error no Baton found by $(PKG_CONFIG): `make install` one, or name its place: make PKG_CONFIG_PATH=PREFIX/lib/pkgconfig)
endif
endif
TEST_LIBS   = $(call sdk,--libs)
PLUGINDIR   = $(call sdk,--variable=plugindir)

@NAME@.so: @NAME@.c
	$(CC) -std=gnu11 $(WARN) $(CFLAGS) $(SDK) -fPIC -fvisibility=hidden -shared -Wl,--build-id=sha1 -Wl,-z,now \
		$(LDFLAGS) -o $@.new @NAME@.c -lm && mv -f $@.new $@
test_@NAME@: test_@NAME@.c @NAME@.c
	$(CC) -std=gnu11 $(WARN) $(CFLAGS) $(SDK) $(LDFLAGS) -o $@ test_@NAME@.c @NAME@.c $(TEST_LIBS) -lm

.PHONY: check install clean
check: @NAME@.so test_@NAME@
	./test_@NAME@
install: @NAME@.so
	install -d $(DESTDIR)$(PLUGINDIR)
	install -m 644 @NAME@.so $(DESTDIR)$(PLUGINDIR)
clean:
	rm -f @NAME@.so test_@NAME@
END
else
	fill "$source/rules.mk" <<'END'
# @NAME@ is made of all *.c of this folder. Others that it needs: PLUGIN_SRC_@NAME@; what else it includes:
# PLUGIN_CPPFLAGS_@NAME@.
.PHONY: test-@NAME@
test-@NAME@: $(PLUGINS)/@NAME@.so $(B)/tests/unit/workers/plugins/@NAME@/test_@NAME@ ## unit test of the @NAME@ plugin
	$(Q)$(B)/tests/unit/workers/plugins/@NAME@/test_@NAME@
END
fi

printf 'made:\n'
for file in "$source/"* "$test/"*; do printf '  %s\n' "$file"; done | sort -u
if [ -n "$dir" ]; then
	printf 'next: make -C %s check; then batonctl plugin check %s/%s.so\n' "$dir" "$dir" "$name"
else
	printf 'next: make test-%s; then build/bin/batonctl plugin check build/plugins/%s.so\n' "$name" "$name"
fi
