/* Ticks of the game plugin: who is removed, when, how many at once, and the setting that says so. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "plugin_harness.h"
#include "wire.h"
#include "workers/plugins/game/player.h"

#define SECOND 1000000000ull
#define NOW    (1000 * SECOND)

static uint32_t move(struct plugin_harness *h, uint16_t bucket, uint32_t id, uint32_t sequence, uint64_t time_ns)
{
	struct baton_packet packet = { .bucket = bucket, .time_ns = time_ns };
	struct GameMove reply;
	uint8_t data[64];

	packet.len = (uint16_t)wire_build_move(data, id, sequence, 1, 2, 3);
	assert_int_equal(harness_packet(h, &packet, data), baton_reply(48));
	memcpy(&reply, data, sizeof(reply));
	return reply.status;
}

static void beat(struct plugin_harness *h, uint16_t bucket, uint32_t id, uint64_t time_ns)
{
	struct baton_packet packet = { .bucket = bucket, .time_ns = time_ns };
	uint8_t data[64];

	packet.len = (uint16_t)wire_build_heartbeat(data, id, 1, 1);
	assert_int_equal(harness_packet(h, &packet, data), baton_reply(48));
}

static void idle_players_are_removed_by_the_tick_and_only_they(void **state)
{
	struct plugin_harness h;

	(void)state;
	harness_create(&h, &baton_plugin_descriptor, 4, 16);
	harness_setting("player.idle", "60s");
	assert_int_equal(harness_init(&h), 0);
	assert_int_equal(move(&h, 1, 1, 9, NOW), GAME_OK);
	assert_int_equal(move(&h, 1, 2, 9, NOW + 1), GAME_OK);
	beat(&h, 1, 3, NOW);
	beat(&h, 1, 3, NOW + 10 * SECOND);
	assert_int_equal(move(&h, 2, 4, 9, NOW), GAME_OK);

	harness_tick(&h, 1, 1, NOW - 60 * SECOND); /* one that was missed: all players are newer */
	harness_tick(&h, 1, 2, NOW + 60 * SECOND); /* not more than 60 s ago */
	assert_int_equal(harness_records(&h, 1), 3);
	harness_tick(&h, 1, 3, NOW + 60 * SECOND + 1);
	assert_int_equal(harness_records(&h, 1), 2);
	assert_null(harness_record(&h, 1, 1));
	harness_tick(&h, 1, 4, NOW + 61 * SECOND);
	assert_int_equal(harness_records(&h, 1), 1);
	assert_non_null(harness_record(&h, 1, 3));
	assert_int_equal(harness_records(&h, 2), 1); /* another bucket has its own tick */

	/* who was removed starts anew, with any sequence */
	assert_int_equal(move(&h, 1, 1, 8, NOW + 61 * SECOND), GAME_OK);
	harness_destroy(&h);
}

/* Refused and outdated requests are no sign of life that is worth a write. */
static void moves_that_change_nothing_keep_no_player(void **state)
{
	struct plugin_harness h;

	(void)state;
	harness_create(&h, &baton_plugin_descriptor, 4, 16);
	assert_int_equal(harness_init(&h), 0);
	assert_int_equal(move(&h, 1, 1, 9, NOW), GAME_OK);
	assert_int_equal(move(&h, 1, 1, 8, NOW + 30 * SECOND), GAME_STALE);
	assert_int_equal(move(&h, 1, 1, 9, NOW + 30 * SECOND), GAME_OK);
	harness_tick(&h, 1, 1, NOW + 61 * SECOND);
	assert_int_equal(harness_records(&h, 1), 0);
	harness_destroy(&h);
}

static void a_tick_removes_a_bounded_number(void **state)
{
	struct plugin_harness h;

	(void)state;
	harness_create(&h, &baton_plugin_descriptor, 1, 64);
	assert_int_equal(harness_init(&h), 0);
	for (uint32_t id = 0; id < 64; id++)
		beat(&h, 0, id, NOW);
	for (uint32_t tick = 1; tick <= 4; tick++) {
		harness_tick(&h, 0, tick, NOW + 3600 * SECOND);
		assert_int_equal(harness_records(&h, 0), 64 - tick * PLAYER_REMOVED_PER_TICK);
		assert_true(h.undo_bytes <= baton_plugin_descriptor.max_undo_bytes);
	}
	assert_int_equal(h.undone, 0);
	harness_destroy(&h);
}

static void player_idle_is_a_duration(void **state)
{
	static const struct { const char *text; uint64_t ns; } good[] = {
		{ "1000000ns", 1000000 }, { "1000us", 1000000 }, { "100ms", 100000000 }, { "60s", 60 * SECOND },
		{ "10m", 600 * SECOND }, { "168h", 604800 * SECOND }, { NULL, 60 * SECOND },
	};
	static const char *const bad[] = {
		"", "5", "s", "60 s", "60S", "60sec", "-1s", "+1s", " 1s", "1.5s", "0s", "999us", "169h",
		"18446744073709551616s", "18446744073709551615h", "0x10s", "1s1s",
	};
	struct plugin_harness h;

	(void)state;
	harness_create(&h, &baton_plugin_descriptor, 1, 16);
	for (uint32_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		harness_setting("player.idle", good[i].text);
		assert_int_equal(harness_init(&h), 0);
		assert_int_equal(*(const uint64_t *)h.ctx.user, good[i].ns);
	}
	for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		harness_setting("player.idle", bad[i]);
		assert_int_equal(harness_init(&h), -EINVAL);
		assert_non_null(strstr(harness_log(), "player.idle"));
		assert_non_null(strstr(harness_log(), "for example '60s'"));
	}
	harness_destroy(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(idle_players_are_removed_by_the_tick_and_only_they),
		cmocka_unit_test(moves_that_change_nothing_keep_no_player),
		cmocka_unit_test(a_tick_removes_a_bounded_number),
		cmocka_unit_test(player_idle_is_a_duration),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
