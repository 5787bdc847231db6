/* SUBSCRIBE and NEIGHBOURS: who is told of whom, when, and how much. The seed of the random part is printed. */
#include <math.h>
#include <stdio.h>
#include <time.h>

#include "workers/plugins/game/interest.h"

#include "message_rig.h"

#define MS      1000000ull
#define BUCKETS 32u
#define PLAYERS 120u

/* What was told in one tick: by subscriber and neighbour. */
static struct GameNeighbour told[PLAYERS + 1][PLAYERS + 1];
static uint8_t is_told[PLAYERS + 1][PLAYERS + 1];
static uint32_t packets;
static struct baton_peer last_to;
static struct GameNeighbours last;

static void started(const struct baton_test_out *out)
{
	struct GameNeighbours head;

	memcpy(&head, out->data, sizeof(head));
	assert_int_equal(head.header.packet_type, NEIGHBOURS);
	assert_int_equal(head.header.packet_size, out->len);
	assert_int_equal(head.header.session_token, 0);
	assert_true(head.count > 0 && head.count <= GAME_NEIGHBOURS_MOST);
	assert_int_equal(out->len, sizeof(head) + head.count * sizeof(struct GameNeighbour));
	assert_true(head.header.player_id > 0 && head.header.player_id <= PLAYERS);
	for (uint32_t i = 0; i < head.count; i++) {
		struct GameNeighbour n;

		memcpy(&n, out->data + sizeof(head) + i * sizeof(n), sizeof(n));
		assert_true(n.player_id > 0 && n.player_id <= PLAYERS && n.player_id != head.header.player_id);
		assert_int_equal(interest_cell(n.x, n.y), head.cell);
		assert_int_equal(is_told[head.header.player_id][n.player_id], 0); /* once a tick */
		is_told[head.header.player_id][n.player_id] = 1;
		told[head.header.player_id][n.player_id] = n;
	}
	packets++;
	last = head;
	last_to = out->peer;
}

static uint32_t move(uint32_t id, uint32_t sequence, float x, float y)
{
	uint8_t data[64];
	const struct baton_test_reply *r = baton_test_send(&t, data, wire_build_move(data, id, sequence, x, y, 0));

	collect();
	return ((const struct GameMove *)(const void *)r->data)->status;
}

static void beat(uint32_t id)
{
	uint8_t data[64];

	baton_test_send(&t, data, wire_build_heartbeat(data, id, 1, 1));
	collect();
}

static struct GameSubscribe subscribe(uint32_t id, float radius)
{
	uint8_t data[64];
	const struct baton_test_reply *r = baton_test_send(&t, data, wire_build_subscribe(data, id, 9, radius));
	struct GameSubscribe reply;

	collect();
	memcpy(&reply, r->data, sizeof(reply));
	assert_int_equal(r->len, sizeof(reply));
	return reply;
}

/* One tick of every bucket, all messages before it delivered. */
static void tick(void)
{
	deliver_all();
	memset(is_told, 0, sizeof(is_told));
	packets = 0;
	for (uint32_t b = 0; b < BUCKETS; b++) {
		baton_test_tick(&t, b);
		collect();
	}
}

static void create(const char *interval)
{
	in_flight = 0;
	baton_test_create(&t, &baton_plugin_descriptor, BUCKETS, 256);
	baton_test_setting(&t, "interest.interval", interval);
	assert_int_equal(baton_test_init(&t), 0);
	t.time_ns += 1000 * MS;
}

static int set_up(void **state)
{
	(void)state;
	create("100ms");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	baton_test_destroy(&t);
	return 0;
}

static void both_see_each_other_within_their_own_radius(void **state)
{
	static const struct baton_peer home = {.ip = 7, .udp_port = 8, .mac = {1}};

	(void)state;
	t.ctx.peer = &home;
	assert_int_equal(move(1, 5, 100, 100), GAME_OK);
	assert_int_equal(move(2, 6, 150, 100), GAME_OK);
	tick();
	assert_int_equal(packets, 0); /* nobody has asked */
	assert_int_equal((uint32_t)subscribe(1, 100).radius, 100);
	assert_int_equal((uint32_t)subscribe(2, 20).radius, 20);
	tick();
	assert_int_equal(packets, 1);
	assert_int_equal(is_told[1][2], 1);
	assert_int_equal(told[1][2].sequence, 6);
	assert_true(told[1][2].x == 150 && told[1][2].y == 100 && told[1][2].z == 0);
	assert_memory_equal(&last_to, &home, sizeof(home));
	assert_int_equal(last.header.player_id, 1);
	assert_int_equal(last.server_time_ns, t.time_ns);
	t.time_ns += 100 * MS;
	assert_int_equal(move(2, 7, 110, 100), GAME_OK);
	tick();
	assert_int_equal(packets, 2);
	assert_int_equal(told[1][2].sequence, 7);
	assert_int_equal(told[2][1].sequence, 5);
}

static void who_has_not_subscribed_is_neither_told_nor_told_of(void **state)
{
	(void)state;
	move(1, 1, 0, 0);
	move(2, 1, 1, 1);
	subscribe(1, 200);
	tick();
	assert_int_equal(packets, 0);
	subscribe(2, 1);
	tick();
	assert_int_equal(packets, 1);
}

static void a_subscription_ends_when_it_is_given_up_or_not_refreshed(void **state)
{
	(void)state;
	move(1, 1, 0, 0);
	move(2, 1, 1, 1);
	subscribe(1, 200);
	subscribe(2, 200);
	tick();
	assert_int_equal(packets, 2);
	assert_int_equal((uint32_t)subscribe(2, 0).radius, 0);
	tick();
	assert_int_equal(packets, 0);
	move(2, 2, 2, 2);
	tick();
	assert_int_equal(packets, 0);
	subscribe(2, 200);
	t.time_ns += 1900 * MS;
	beat(1); /* a heartbeat refreshes, too */
	tick();
	assert_int_equal(packets, 2);
	t.time_ns += 200 * MS;
	tick();
	assert_int_equal(packets, 0);
}

static void a_radius_that_is_none_is_refused(void **state)
{
	const float bad[] = {-1, 200.5f, __builtin_nanf(""), __builtin_inff(), -__builtin_inff()};

	(void)state;
	move(1, 1, 0, 0);
	subscribe(1, 50);
	for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct GameSubscribe reply = subscribe(1, bad[i]);
		assert_int_equal(reply.status, GAME_NO_RADIUS);
		assert_int_equal((uint32_t)reply.radius, 50); /* what holds */
	}
	assert_int_equal(subscribe(77, -1).status, GAME_NO_RADIUS);
	assert_int_equal((uint32_t)subscribe(77, 10.2f).radius, 11); /* made on the way, and rounded up */
}

static void cells_are_told_at_most_once_an_interval(void **state)
{
	(void)state;
	move(1, 1, 10, 10);
	subscribe(1, 1);
	deliver_all();
	move(1, 2, 15, 15);
	assert_int_equal(in_flight, 0);
	t.time_ns += 90 * MS;
	move(1, 3, 16, 16);
	assert_int_equal(in_flight, 0);
	t.time_ns += 10 * MS;
	move(1, 4, 17, 17);
	assert_int_equal(in_flight, 1);
	t.time_ns += 200 * MS;
	move(1, 5, 399.5f, 399.5f); /* a corner where four cells meet */
	assert_int_equal(in_flight, 1 + 4);
}

/* Who repeats what holds makes no more messages than who moves; what is new is told at once. */
static void a_flood_of_subscribes_is_told_at_most_once_an_interval(void **state)
{
	(void)state;
	move(1, 1, 399.5f, 399.5f); /* four cells */
	subscribe(1, 100);
	assert_int_equal(in_flight, 4);
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(subscribe(1, 100).status, GAME_OK);
	assert_int_equal(in_flight, 4);
	t.time_ns += 100 * MS;
	subscribe(1, 100);
	assert_int_equal(in_flight, 8);
	subscribe(1, 99);
	assert_int_equal(in_flight, 12);
	for (uint32_t i = 0; i < 1000; i++)
		subscribe(1, -0.0f); /* is 0: what does not hold is not ended again */
	assert_int_equal(in_flight, 16);
}

static void more_neighbours_than_a_packet_holds_are_cut(void **state)
{
	(void)state;
	for (uint32_t id = 1; id <= 100; id++) {
		move(id, 1, 200, 200);
		subscribe(id, 50);
	}
	tick();
	assert_true(packets > 0);
	for (uint32_t id = 1; id <= 100; id++) {
		uint32_t seen = 0;
		for (uint32_t other = 1; other <= 100; other++)
			seen += is_told[id][other];
		assert_true(seen == 0 || seen == GAME_NEIGHBOURS_MOST);
	}
}

/* A tick starts so many packets at most; all subscribers have their turn. */
static void in_a_crowd_everybody_has_a_turn(void **state)
{
	uint32_t turns[PLAYERS + 1] = {0};

	(void)state;
	for (uint32_t id = 1; id <= 100; id++) {
		move(id, 1, 200, 200);
		subscribe(id, 50);
	}
	for (uint32_t i = 0; i < 8; i++) {
		tick();
		assert_int_equal(packets, BATON_SENDS_MOST);
		for (uint32_t id = 1; id <= 100; id++)
			turns[id] += memchr(is_told[id], 1, PLAYERS + 1) != NULL;
	}
	for (uint32_t id = 1; id <= 100; id++)
		assert_in_range(turns[id], 2, 3);
}

static void an_older_message_changes_nothing(void **state)
{
	(void)state;
	move(1, 1, 10, 10);
	move(2, 1, 11, 11);
	subscribe(1, 100);
	subscribe(2, 1);
	deliver_all();
	t.time_ns += 100 * MS;
	move(2, 2, 20, 20);
	t.time_ns += 100 * MS;
	move(2, 3, 30, 30);
	assert_int_equal(in_flight, 2);
	deliver(1);
	deliver(0);
	tick();
	assert_int_equal(told[1][2].sequence, 3);
}

static float x[PLAYERS + 1], y[PLAYERS + 1];
static uint32_t radius[PLAYERS + 1];
static uint8_t seen[PLAYERS + 1][PLAYERS + 1];

static void place_all(uint32_t round)
{
	float at = round % 3 == 0 ? -10000 : round % 3 == 1 ? 10000 : (float)(rand() % 50) * CELL_SIDE - 10000;

	for (uint32_t id = 1; id <= PLAYERS; id++) {
		x[id] = fminf(10000, fmaxf(-10000, at + (float)(rand() % 80000 - 40000) / 100));
		y[id] = fminf(10000, fmaxf(-10000, at + (float)(rand() % 80000 - 40000) / 100));
		radius[id] = 1 + (uint32_t)rand() % 200;
		/* else cells that only the old radius touches would have it for the time of a lease */
		subscribe(id, 0);
		assert_int_equal(move(id, round + 1, x[id], y[id]), GAME_OK);
		assert_int_equal(subscribe(id, (float)radius[id]).status, GAME_OK);
	}
	while (in_flight > 0)
		deliver((uint32_t)rand() % in_flight);
}

/* Ticks until everybody had a turn. */
static void watch(uint32_t round)
{
	memset(seen, 0, sizeof(seen));
	for (uint32_t i = 0; i < 60; i++) {
		tick();
		for (uint32_t a = 1; a <= PLAYERS; a++)
			for (uint32_t b = 1; b <= PLAYERS; b++) {
				if (!is_told[a][b])
					continue;
				assert_true(told[a][b].x == x[b] && told[a][b].y == y[b]);
				assert_int_equal(told[a][b].sequence, round + 1);
				seen[a][b] = 1;
			}
	}
}

/* Wherever the borders of cells are. */
static void everybody_near_is_told_of_and_nobody_else(void **state)
{
	unsigned seed = getenv("SEED") != NULL ? (unsigned)strtoul(getenv("SEED"), NULL, 0) : (unsigned)time(NULL);
	uint32_t pairs = 0;

	(void)state;
	printf("SEED=%u\n", seed);
	srand(seed);
	baton_test_destroy(&t);
	create("1ms");
	for (uint32_t round = 0; round < 12; round++) {
		t.time_ns += 3000 * MS; /* what was told before is forgotten */
		place_all(round);
		watch(round);
		for (uint32_t a = 1; a <= PLAYERS; a++)
			for (uint32_t b = 1; b <= PLAYERS; b++) {
				float dx = x[a] - x[b], dy = y[a] - y[b], reach = (float)radius[a];
				bool near = a != b && dx * dx + dy * dy <= reach * reach;
				assert_int_equal(seen[a][b], near);
				pairs += near;
			}
	}
	printf("%u pairs\n", pairs);
	assert_true(pairs > 1000);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(both_see_each_other_within_their_own_radius),
		CASE(who_has_not_subscribed_is_neither_told_nor_told_of),
		CASE(a_subscription_ends_when_it_is_given_up_or_not_refreshed),
		CASE(a_radius_that_is_none_is_refused),
		CASE(cells_are_told_at_most_once_an_interval),
		CASE(a_flood_of_subscribes_is_told_at_most_once_an_interval),
		CASE(more_neighbours_than_a_packet_holds_are_cut),
		CASE(in_a_crowd_everybody_has_a_turn),
		CASE(an_older_message_changes_nothing),
		CASE(everybody_near_is_told_of_and_nobody_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
