/* The game plugin: every handler through its descriptor, each call checked as a transaction by the harness. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "plugin_harness.h"
#include "wire.h"
#include "workers/plugins/game/player.h"

#define SECOND 1000000000ull
#define NOW    (1000 * SECOND)

struct game {
	struct plugin_harness h;
	struct baton_packet packet;
	struct baton_peer peer;
	uint8_t data[2048];
};

static int setup(void **state)
{
	struct game *g = calloc(1, sizeof(*g));

	assert_non_null(g);
	harness_create(&g->h, &baton_plugin_descriptor, 4, 16);
	harness_setting("player.idle", "60s");
	assert_int_equal(harness_init(&g->h), 0);
	g->packet = (struct baton_packet){ .bucket = 1, .time_ns = NOW };
	g->peer = (struct baton_peer){ .ip = 1, .udp_port = 2 };
	g->h.ctx.peer = &g->peer;
	*state = g;
	return 0;
}

static int teardown(void **state)
{
	struct game *g = *state;

	harness_destroy(&g->h);
	free(g);
	return 0;
}

static const struct player *player(struct game *g, uint32_t id)
{
	return harness_record(&g->h, g->packet.bucket, id);
}

static struct GameMove move(struct game *g, uint32_t id, uint32_t sequence, float x, float y, float z,
			    baton_verdict want)
{
	struct GamePacketHeader header;
	struct GameMove reply;

	g->packet.len = (uint16_t)wire_build_move(g->data, id, sequence, x, y, z);
	memcpy(&header, g->data, sizeof(header));
	assert_int_equal(harness_packet(&g->h, &g->packet, g->data), want);
	memcpy(&reply, g->data, sizeof(reply));
	assert_memory_equal(&reply.header, &header, sizeof(header));
	assert_int_equal(reply.server_time_ns, g->packet.time_ns);
	return reply;
}

static struct GameHeartbeat beat(struct game *g, uint32_t id, uint32_t sequence, baton_verdict want)
{
	struct GameHeartbeat reply;

	g->packet.len = (uint16_t)wire_build_heartbeat(g->data, id, sequence, 0x1122334455667788ull);
	assert_int_equal(harness_packet(&g->h, &g->packet, g->data), want);
	memcpy(&reply, g->data, sizeof(reply));
	assert_int_equal(reply.header.player_id, id);
	assert_int_equal(reply.header.sequence, sequence);
	return reply;
}

static void expect_at(const struct GameMove *reply, uint32_t status, float x, float y, float z)
{
	const float want[3] = { x, y, z };
	float shown[3] = { reply->x, reply->y, reply->z };

	assert_int_equal(reply->status, status);
	assert_memory_equal(shown, want, sizeof(want));
}

static void first_valid_move_creates_the_player(void **state)
{
	struct game *g = *state;
	struct GameMove reply = move(g, 7, 100, 1, -2, 3, baton_reply(48));

	expect_at(&reply, GAME_OK, 1, -2, 3);
	const struct player *p = player(g, 7);
	assert_non_null(p);
	assert_int_equal(p->sequence, 100);
	assert_int_equal(p->time_ns, NOW);
	assert_int_equal(p->peer.ip, 1);
	assert_memory_equal(&p->peer, &g->peer, sizeof(p->peer));
}

static void a_move_saves_only_what_it_changes(void **state)
{
	struct game *g = *state;

	move(g, 7, 1, 1, 2, 3, baton_reply(48));
	move(g, 7, 2, 4, 5, 6, baton_reply(48));
	assert_int_equal(g->h.undo_bytes, 16 + 24);
	move(g, 7, 2, 0, 0, 0, baton_reply(48));
	assert_int_equal(g->h.undo_bytes, 0);
	beat(g, 7, 1, baton_reply(48));
	assert_int_equal(g->h.undo_bytes, 16 + 8);
}

static void moves_out_of_the_world_are_refused(void **state)
{
	static const float bad_xy[] = { 10000.001f, -10000.001f, 3.4e38f, INFINITY, -INFINITY, NAN, -NAN };
	static const float bad_z[] = { INFINITY, -INFINITY, NAN };
	struct game *g = *state;
	struct GameMove reply;

	for (uint32_t known = 0; known < 2; known++) {
		float x = known ? 5 : 0, y = known ? 6 : 0, z = known ? 7 : 0;
		if (known)
			move(g, 7, 1, x, y, z, baton_reply(48));
		for (uint32_t i = 0; i < 7; i++) {
			reply = move(g, 7, 2, bad_xy[i], 0, 0, baton_reply_error(48));
			expect_at(&reply, GAME_OUTSIDE_WORLD, x, y, z);
			reply = move(g, 7, 2, 0, bad_xy[i], 0, baton_reply_error(48));
			expect_at(&reply, GAME_OUTSIDE_WORLD, x, y, z);
		}
		for (uint32_t i = 0; i < 3; i++) {
			reply = move(g, 7, 2, 0, 0, bad_z[i], baton_reply_error(48));
			expect_at(&reply, GAME_OUTSIDE_WORLD, x, y, z);
		}
		assert_int_equal(harness_records(&g->h, 1), known); /* none was created by them */
	}
	assert_int_equal(player(g, 7)->sequence, 1);
}

static void the_walls_belong_to_the_world(void **state)
{
	static const float edge[] = { 10000.0f, -10000.0f, 0.0f, -0.0f, 1e-42f };
	static const float high[] = { 3.4e38f, -3.4e38f, 0.0f };
	struct game *g = *state;
	uint32_t sequence = 0;

	for (uint32_t x = 0; x < 5; x++)
		for (uint32_t y = 0; y < 5; y++)
			for (uint32_t z = 0; z < 3; z++) {
				struct GameMove reply =
				    move(g, 7, ++sequence, edge[x], edge[y], high[z], baton_reply(48));
				expect_at(&reply, GAME_OK, edge[x], edge[y], high[z]);
			}
}

static void an_older_move_changes_nothing_and_gets_the_position_that_holds(void **state)
{
	static const uint32_t older[] = { 99, 50, 0, UINT32_MAX, 101 + 0x7fffffffu };
	struct game *g = *state;

	move(g, 7, 100, 1, 2, 3, baton_reply(48));
	struct player before = *player(g, 7);
	g->packet.time_ns += SECOND;
	g->peer.udp_port = 99;
	for (uint32_t i = 0; i < 5; i++) {
		struct GameMove reply = move(g, 7, older[i], 9, 9, 9, baton_reply(48));
		expect_at(&reply, GAME_STALE, 1, 2, 3);
	}
	assert_memory_equal(player(g, 7), &before, sizeof(before));
}

static void a_repeated_move_is_acknowledged_again(void **state)
{
	struct game *g = *state;

	move(g, 7, 100, 1, 2, 3, baton_reply(48));
	struct player before = *player(g, 7);
	g->packet.time_ns += SECOND;
	struct GameMove reply = move(g, 7, 100, 9, 9, 9, baton_reply(48));
	expect_at(&reply, GAME_OK, 1, 2, 3);
	assert_memory_equal(player(g, 7), &before, sizeof(before));
}

static void sequences_pass_the_end_of_the_circle(void **state)
{
	struct game *g = *state;
	struct GameMove reply;

	move(g, 7, UINT32_MAX - 1, 1, 0, 0, baton_reply(48));
	for (uint32_t i = 0; i < 5; i++) {
		reply = move(g, 7, UINT32_MAX + i, (float)i, 0, 0, baton_reply(48));
		expect_at(&reply, GAME_OK, (float)i, 0, 0);
	}
	reply = move(g, 7, UINT32_MAX, 9, 0, 0, baton_reply(48));
	expect_at(&reply, GAME_STALE, 4, 0, 0);
}

static void the_way_back_follows_the_last_packet(void **state)
{
	struct game *g = *state;

	move(g, 7, 1, 0, 0, 0, baton_reply(48));
	for (uint32_t i = 0; i < 16; i++) {
		((uint8_t *)&g->peer)[i] ^= 0x5a;
		if (i % 2 == 0)
			move(g, 7, 2 + i, 0, 0, 0, baton_reply(48));
		else
			beat(g, 7, i, baton_reply(48));
		assert_memory_equal(&player(g, 7)->peer, &g->peer, 16);
	}
}

static void a_heartbeat_returns_both_clocks_and_keeps_the_player(void **state)
{
	struct game *g = *state;
	struct GameHeartbeat reply = beat(g, 7, 5, baton_reply(48));

	assert_int_equal(reply.header.packet_size, 48);
	assert_int_equal(reply.header.packet_type, HEARTBEAT);
	assert_int_equal(reply.status, GAME_OK);
	assert_true(reply.client_time_ns == 0x1122334455667788ull);
	assert_int_equal(reply.server_time_ns, NOW);
	assert_non_null(player(g, 7));

	/* its sequence is no MOVE's: any first MOVE is taken */
	struct GameMove first = move(g, 7, 3, 1, 1, 1, baton_reply(48));
	expect_at(&first, GAME_OK, 1, 1, 1);
	g->packet.time_ns += SECOND;
	beat(g, 7, 4, baton_reply(48));
	assert_int_equal(player(g, 7)->time_ns, NOW + SECOND);
	assert_int_equal(player(g, 7)->sequence, 3);
}

static void a_full_bucket_is_said_and_the_others_play_on(void **state)
{
	struct game *g = *state;
	struct GameMove reply;

	for (uint32_t id = 0; id < 16; id++)
		move(g, id, 1, (float)id, 0, 0, baton_reply(48));
	reply = move(g, 99, 1, 5, 5, 5, baton_reply_error(48));
	expect_at(&reply, GAME_FULL, 0, 0, 0);
	assert_int_equal(beat(g, 99, 1, baton_reply_error(48)).status, GAME_FULL);
	assert_int_equal(g->h.ctx.table_full, 2);
	assert_null(player(g, 99));
	for (uint32_t id = 0; id < 16; id++) {
		reply = move(g, id, 1, 9, 9, 9, baton_reply(48));
		expect_at(&reply, GAME_OK, (float)id, 0, 0);
	}
	g->packet.bucket = 2;
	move(g, 99, 1, 5, 5, 5, baton_reply(48));
}

static void shorter_than_the_reply_is_a_runt(void **state)
{
	struct game *g = *state;

	for (uint32_t len = 0; len < 48; len++)
		for (uint32_t type = PLAYER_MOVE; type <= HEARTBEAT; type += 2) {
			wire_build_move(g->data, 7, 1, 0, 0, 0);
			memcpy(g->data, &len, sizeof(len));
			memcpy(g->data + 4, &type, sizeof(type));
			g->packet.len = (uint16_t)len;
			assert_int_equal(harness_packet(&g->h, &g->packet, g->data), baton_drop_runt());
		}
	assert_int_equal(harness_records(&g->h, 1), 0);
}

static void wrong_headers_are_malformed(void **state)
{
	/* offset and value of one wrong byte in an otherwise good MOVE */
	static const uint8_t wrong[][2] = { { 0, 47 }, { 0, 49 }, { 3, 1 }, { 4, 0 }, { 4, 5 }, { 7, 0x80 },
					    { 16, 1 }, { 23, 0x80 } };
	struct game *g = *state;

	for (uint32_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		g->packet.len = (uint16_t)wire_build_move(g->data, 7, 1, 0, 0, 0);
		g->data[wrong[i][0]] = wrong[i][1];
		assert_int_equal(harness_packet(&g->h, &g->packet, g->data), baton_drop_malformed());
	}
	assert_int_equal(harness_records(&g->h, 1), 0);
}

static void padding_is_not_sent_back(void **state)
{
	struct game *g = *state;

	for (uint32_t len = 48; len <= 1472; len += 89) {
		wire_build_move(g->data, 7, len, 1, 2, 3);
		memcpy(g->data, &len, sizeof(len));
		g->packet.len = (uint16_t)len;
		assert_int_equal(harness_packet(&g->h, &g->packet, g->data), baton_reply(48));
		assert_int_equal(g->data[0], 48);
		assert_int_equal(g->data[1], 0);
	}
}

static void the_descriptor_steers_by_player(void **state)
{
	const struct baton_plugin *plugin = &baton_plugin_descriptor;

	(void)state;
	assert_int_equal(plugin->abi, BATON_PLUGIN_ABI);
	assert_int_equal(plugin->key, BATON_KEY_PAYLOAD);
	assert_int_equal(plugin->key_offset, offsetof(struct GamePacketHeader, player_id));
	assert_int_equal(plugin->key_length, 4);
	assert_int_equal(plugin->record_size + sizeof(struct baton_record), 64);
}

int main(void)
{
#define GAME_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		GAME_TEST(first_valid_move_creates_the_player),
		GAME_TEST(a_move_saves_only_what_it_changes),
		GAME_TEST(moves_out_of_the_world_are_refused),
		GAME_TEST(the_walls_belong_to_the_world),
		GAME_TEST(an_older_move_changes_nothing_and_gets_the_position_that_holds),
		GAME_TEST(a_repeated_move_is_acknowledged_again),
		GAME_TEST(sequences_pass_the_end_of_the_circle),
		GAME_TEST(the_way_back_follows_the_last_packet),
		GAME_TEST(a_heartbeat_returns_both_clocks_and_keeps_the_player),
		GAME_TEST(a_full_bucket_is_said_and_the_others_play_on),
		GAME_TEST(shorter_than_the_reply_is_a_runt),
		GAME_TEST(wrong_headers_are_malformed),
		GAME_TEST(padding_is_not_sent_back),
		cmocka_unit_test(the_descriptor_steers_by_player),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
