/* PLAYER_ATTACK: what is refused, what a hit does, and that it is applied and told exactly once whatever the order of
 * messages, the repeats of clients and the deaths of primaries. The seed is printed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "workers/plugins/game/fight.h"

#include "message_rig.h"

#define SECOND  1000000000ull
#define PLAYERS 24u
#define BUCKETS 8u

/* the last packet that was started */
static struct GameAttack told;
static struct baton_peer told_to;
static uint32_t told_count;

static void started(const struct baton_test_out *out)
{
	assert_int_equal(out->len, sizeof(told));
	memcpy(&told, out->data, sizeof(told));
	told_to = out->peer;
	told_count++;
}

static uint32_t move(uint32_t id, uint32_t sequence, float x, float y)
{
	uint8_t data[64];
	uint32_t len = wire_build_move(data, id, sequence, x, y, 0);
	const struct baton_test_reply *reply = baton_test_send(&t, data, len);

	return ((const struct GameMove *)(const void *)reply->data)->status;
}

static struct GameAttack request(uint32_t id, uint32_t sequence, uint32_t target, uint32_t skill, float x, float y)
{
	struct GameAttack attack;

	wire_build_attack((uint8_t *)&attack, id, sequence, target, skill, x, y, 0);
	return attack;
}

/* Returns the reply of the entry itself; *status UINT32_MAX: there was none. */
static struct GameAttack send(const struct GameAttack *attack, uint32_t *status)
{
	const struct baton_test_reply *r = baton_test_send(&t, attack, sizeof(*attack));
	struct GameAttack reply;

	collect();
	memcpy(&reply, r->data, sizeof(reply));
	*status = r->len != 0 ? reply.status : UINT32_MAX;
	return reply;
}

static uint32_t ask(uint32_t id, uint32_t sequence, uint32_t target, uint32_t skill, float x, float y)
{
	struct GameAttack attack = request(id, sequence, target, skill, x, y);
	uint32_t status;

	send(&attack, &status);
	return status;
}

#define OPEN UINT32_MAX

static int set_up(void **state)
{
	(void)state;
	in_flight = told_count = 0;
	baton_test_create(&t, &baton_plugin_descriptor, BUCKETS, 128);
	assert_int_equal(baton_test_init(&t), 0);
	for (uint32_t id = 1; id <= PLAYERS; id++)
		assert_int_equal(move(id, 1, (float)id, 0), GAME_OK);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	baton_test_destroy(&t);
	return 0;
}

static void a_hit_is_answered_when_the_target_has_taken_it(void **state)
{
	static const struct baton_peer home = {.ip = 7, .udp_port = 8, .mac = {1}};

	(void)state;
	t.ctx.peer = &home;
	uint64_t then = t.time_ns;
	assert_int_equal(ask(1, 77, 2, GAME_SHOT, 2, 0), OPEN);
	assert_int_equal(told_count, 0);
	deliver_all();
	assert_int_equal(told_count, 1);
	assert_int_equal(told.header.packet_size, sizeof(told));
	assert_int_equal(told.header.packet_type, PLAYER_ATTACK);
	assert_int_equal(told.header.player_id, 1);
	assert_int_equal(told.header.sequence, 77);
	assert_int_equal(told.status, GAME_OK);
	assert_int_equal(told.target, 2);
	assert_int_equal(told.skill, GAME_SHOT);
	assert_int_equal(told.damage, 4);
	assert_int_equal(told.result.hit_points, 96);
	assert_int_equal(told.result.hits, 1);
	assert_int_equal(told.result.healed, 0);
	assert_int_equal(told.server_time_ns, then);
	assert_memory_equal(&told_to, &home, sizeof(home));
}

static void a_repeat_is_answered_from_the_stored_result(void **state)
{
	struct GameAttack attack = request(1, 5, 2, GAME_SHOT, 2, 0), first;
	uint32_t status;

	(void)state;
	send(&attack, &status);
	deliver_all();
	first = told;
	t.time_ns += 10 * SECOND;
	struct GameAttack again = send(&attack, &status);
	assert_int_equal(status, GAME_OK);
	assert_memory_equal(&again, &first, sizeof(first));
	assert_int_equal(in_flight, 0);
	/* what it asks for now is not looked at */
	attack.target = 9;
	attack.skill = 99;
	again = send(&attack, &status);
	assert_memory_equal(&again, &first, sizeof(first));
}

static void a_repeat_while_it_is_open_posts_the_same_hit_again(void **state)
{
	(void)state;
	assert_int_equal(ask(1, 5, 2, GAME_SHOT, 2, 0), OPEN);
	assert_int_equal(move(1, 9, 9000, 9000), GAME_OK); /* out of range by now: not checked again */
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(ask(1, 5, 2, GAME_SHOT, 2, 0), OPEN);
	assert_int_equal(in_flight, 5);
	deliver_all();
	assert_int_equal(told_count, 1);
	assert_int_equal(told.result.hits, 1);
	assert_int_equal(told.result.hit_points, 96);
}

static void refusals_change_nothing(void **state)
{
	const float nowhere = __builtin_nanf("");

	(void)state;
	assert_int_equal(ask(999, 1, 2, GAME_SHOT, 2, 0), GAME_NO_PLAYER);
	assert_int_equal(ask(1, 1, 2, 0, 2, 0), GAME_NO_SKILL);
	assert_int_equal(ask(1, 1, 2, 4, 2, 0), GAME_NO_SKILL);
	assert_int_equal(ask(1, 1, 2, GAME_SHOT, 10001, 0), GAME_OUTSIDE_WORLD);
	assert_int_equal(ask(1, 1, 2, GAME_SHOT, nowhere, 0), GAME_OUTSIDE_WORLD);
	assert_int_equal(ask(1, 1, 1, GAME_SHOT, 1, 0), GAME_NO_TARGET);
	assert_int_equal(ask(1, 1, 2, GAME_STRIKE, 102, 0), GAME_TOO_FAR);
	assert_int_equal(ask(1, 1, 2, GAME_STRIKE, 101, 0), OPEN); /* the sequence was not used up; and this misses */
	assert_int_equal(ask(1, 2, 2, GAME_SHOT, 2, 0), GAME_BUSY);
	assert_int_equal(ask(1, 0, 2, GAME_SHOT, 2, 0), GAME_STALE);
	deliver_all();
	assert_int_equal(told.status, GAME_MISSED);
	assert_int_equal(told.result.hit_points, 100);
	assert_int_equal(ask(1, 2, 2, GAME_SHOT, 2, 0), GAME_COOLDOWN);
	t.time_ns += 200000000 - 100;
	assert_int_equal(ask(1, 2, 2, GAME_SHOT, 2, 0), GAME_COOLDOWN);
	t.time_ns += 100;
	assert_int_equal(ask(1, 2, 2, GAME_SHOT, 2, 0), OPEN);
	deliver_all();
	assert_int_equal(told.result.hits, 1);
}

static void a_refusal_says_what_was_asked_and_nothing_of_the_target(void **state)
{
	struct GameAttack attack = request(1, 3, 2, GAME_STRIKE, 4000, 0);
	uint32_t status;

	(void)state;
	uint64_t now = t.time_ns;
	struct GameAttack reply = send(&attack, &status);
	assert_int_equal(status, GAME_TOO_FAR);
	assert_int_equal(reply.target, 2);
	assert_int_equal(reply.skill, GAME_STRIKE);
	assert_int_equal(reply.damage, 0);
	assert_int_equal(reply.result.hit_points + reply.result.hits + reply.result.healed + reply.result.reserved, 0);
	assert_int_equal(reply.server_time_ns, now);
}

static void a_target_goes_down_and_ticks_bring_it_up_again(void **state)
{
	uint32_t sequence = 0;

	(void)state;
	for (uint32_t left = 100; left > 0; left -= 10, t.time_ns += SECOND) {
		assert_int_equal(ask(1, ++sequence, 2, GAME_STRIKE, 2, 0), OPEN);
		deliver_all();
		assert_int_equal(told.status, GAME_OK);
		assert_int_equal(told.result.hit_points, left - 10);
	}
	assert_int_equal(ask(1, ++sequence, 2, GAME_STRIKE, 2, 0), OPEN);
	deliver_all();
	assert_int_equal(told.status, GAME_TARGET_DOWN);
	assert_int_equal(told.damage, 0);
	assert_int_equal(told.result.hits, 10);
	for (uint32_t i = 0; i < 3; i++)
		baton_test_tick_all(&t);
	t.time_ns += SECOND;
	assert_int_equal(ask(1, ++sequence, 2, GAME_STRIKE, 2, 0), OPEN);
	deliver_all();
	assert_int_equal(told.status, GAME_OK);
	assert_int_equal(told.damage, 3); /* no more than there was */
	assert_int_equal(told.result.hit_points, 0);
	assert_int_equal(told.result.healed, 3);
	for (uint32_t i = 0; i < 150; i++)
		baton_test_tick_all(&t);
	t.time_ns += SECOND;
	assert_int_equal(ask(1, ++sequence, 2, GAME_METEOR, 2, 0), OPEN);
	deliver_all();
	assert_int_equal(told.result.healed, 103); /* up to a new player's hit points */
	assert_int_equal(told.result.hit_points, 99);
}

static uint32_t memories(void)
{
	uint32_t count = 0;

	for (uint32_t b = 0; b < BUCKETS; b++) {
		uint32_t iter = 0;
		uint64_t key;

		t.ctx.bucket = b;
		while (baton_next(&t.ctx, &iter, &key) != NULL)
			count += record_kind(key) == RECORD_MEMORY;
	}
	return count;
}

static void memory_goes_with_the_last_hit_and_the_forget(void **state)
{
	(void)state;
	assert_int_equal(ask(1, 5, 2, GAME_SHOT, 2, 0), OPEN);
	assert_int_equal(ask(1, 5, 2, GAME_SHOT, 2, 0), OPEN);
	deliver(0); /* a hit; its result flies */
	assert_int_equal(memories(), 1);
	deliver(1);
	deliver(1); /* the result, the forget: one hit is still on its way */
	assert_int_equal(memories(), 1);
	deliver_all();
	assert_int_equal(memories(), 0);
}

static void memory_whose_hits_died_with_the_primary_goes_after_a_minute(void **state)
{
	(void)state;
	assert_int_equal(ask(1, 5, 2, GAME_SHOT, 2, 0), OPEN);
	in_flight = 0; /* the primary died */
	assert_int_equal(ask(1, 5, 2, GAME_SHOT, 2, 0), OPEN);
	deliver_all();
	assert_int_equal(told.result.hits, 1);
	assert_int_equal(memories(), 1); /* two were posted, one came */
	t.time_ns += 59 * SECOND;
	for (uint32_t id = 1; id <= PLAYERS; id++)
		move(id, 2, (float)id, 0);
	baton_test_tick_all(&t);
	assert_int_equal(memories(), 1);
	t.time_ns += 2 * SECOND;
	baton_test_tick_all(&t);
	assert_int_equal(memories(), 0);
}

static void a_result_that_died_with_the_primary_is_told_again_by_a_tick(void **state)
{
	(void)state;
	assert_int_equal(ask(1, 5, 2, GAME_SHOT, 2, 0), OPEN);
	deliver(0);
	in_flight = 0;
	baton_test_tick_all(&t);
	collect();
	assert_int_equal(in_flight, 0);
	t.time_ns += 6 * SECOND;
	for (uint32_t b = 0; b < BUCKETS; b++) {
		baton_test_tick(&t, b);
		collect();
	}
	assert_int_equal(in_flight, 1);
	deliver_all();
	assert_int_equal(told_count, 1);
	assert_int_equal(told.result.hits, 1);
	assert_int_equal(memories(), 0);
}

static void without_room_to_remember_a_hit_is_not_applied(void **state)
{
	(void)state;
	baton_test_destroy(&t);
	baton_test_create(&t, &baton_plugin_descriptor, BUCKETS, 128);
	baton_test_setting(&t, "attack.memory", "2");
	assert_int_equal(baton_test_init(&t), 0);
	for (uint32_t id = 1; id <= PLAYERS; id++)
		assert_int_equal(move(id, 1, (float)id, 0), GAME_OK);
	for (uint32_t id = 2; id < 6; id++) {
		assert_int_equal(ask(id, 5, 1, GAME_SHOT, 1, 0), OPEN);
		deliver(0);
		in_flight = 0; /* never told: remembered */
	}
	assert_int_equal(memories(), 2);
	const struct fighter *fighter = baton_test_record(&t, baton_bucket(&t.ctx, 1), FIGHTER_KEY(1));
	assert_int_equal(fighter->vitals.hits, 2);
}

/* ---- at random ---- */

struct claim {
	bool open, known;
	struct GameAttack asked, answer;
};
static struct claim claim[PLAYERS + 1];
static uint32_t heard[PLAYERS + 1][20000]; /* by target and ordinal: who is told of it (attacker << 16 | sequence) */
static uint32_t damage[PLAYERS + 1];

static void judge(const struct GameAttack *answer)
{
	struct claim *c = &claim[answer->header.player_id];

	assert_int_equal(answer->header.sequence, c->asked.header.sequence);
	if (c->known) {
		assert_memory_equal(answer, &c->answer, sizeof(*answer));
		return;
	}
	c->known = true;
	c->open = false;
	c->answer = *answer;
	assert_int_equal(answer->target, c->asked.target);
	if (answer->status != GAME_OK) {
		assert_true(answer->status == GAME_MISSED || answer->status == GAME_TARGET_DOWN);
		return;
	}
	assert_true(answer->result.hits > 0 && answer->result.hits < 20000);
	assert_int_equal(heard[answer->target][answer->result.hits], 0); /* nobody else was told of it */
	heard[answer->target][answer->result.hits] = answer->header.player_id << 16 | (answer->header.sequence & 0xffff);
	damage[answer->target] += answer->damage;
}

static void try_one(uint32_t id, uint32_t target)
{
	struct claim *c = &claim[id];
	uint32_t status, before = told_count;
	struct GameAttack reply;

	if (c->open || (c->known && rand() % 4 == 0)) {
		reply = send(&c->asked, &status);
		if (status != OPEN)
			judge(&reply);
	} else {
		struct GameAttack attack =
			request(id, c->asked.header.sequence + 1, target, 1 + (uint32_t)rand() % 3,
				(float)target + (rand() % 8 == 0 ? 90 : 0), 0);
		reply = send(&attack, &status);
		assert_true(status == OPEN || status == GAME_COOLDOWN || status == GAME_TOO_FAR);
		if (status == OPEN)
			*c = (struct claim){.open = true, .asked = attack};
	}
	assert_int_equal(told_count, before);
}

static void deliver_one(void)
{
	uint32_t before = told_count;

	if (in_flight == 0)
		return;
	deliver((uint32_t)rand() % in_flight);
	if (told_count != before)
		judge(&told);
}

static void everything_is_applied_and_told_once_in_any_order(void **state)
{
	unsigned seed = getenv("SEED") != NULL ? (unsigned)strtoul(getenv("SEED"), NULL, 0) : (unsigned)time(NULL);
	uint32_t deaths = 0, landed = 0;

	(void)state;
	printf("SEED=%u\n", seed);
	srand(seed);
	memset(claim, 0, sizeof(claim));
	memset(heard, 0, sizeof(heard));
	memset(damage, 0, sizeof(damage));
	for (uint32_t step = 0; step < 100000; step++) {
		uint32_t what = (uint32_t)rand() % 1000, id = 1 + (uint32_t)rand() % PLAYERS;

		t.time_ns += (uint64_t)rand() % 3000000;
		if (what < 400) {
			try_one(id, 1 + (id + (uint32_t)rand() % (PLAYERS - 1)) % PLAYERS);
		} else if (what < 980) {
			deliver_one();
		} else if (what < 998) {
			uint32_t bucket = (uint32_t)rand() % BUCKETS;
			move(id, step + 2, (float)id, 0);
			baton_test_tick(&t, bucket);
			collect();
		} else {
			in_flight = 0;
			deaths++;
		}
		if (step % 500 == 0) /* nobody is idle */
			for (uint32_t p = 1; p <= PLAYERS; p++)
				move(p, step + 1, (float)p, 0);
	}
	for (uint32_t round = 0; round < 20; round++) {
		for (uint32_t id = 1; id <= PLAYERS; id++)
			if (claim[id].open)
				try_one(id, 0);
		while (in_flight > 0)
			deliver_one();
	}
	for (uint32_t id = 1; id <= PLAYERS; id++) {
		const struct fighter *f = baton_test_record(&t, baton_bucket(&t.ctx, id), FIGHTER_KEY(id));

		assert_false(claim[id].open);
		if (f == NULL)
			continue;
		assert_int_equal(f->vitals.hit_points, 100 - damage[id] + f->vitals.healed);
		for (uint32_t n = 1; n <= f->vitals.hits; n++)
			assert_int_not_equal(heard[id][n], 0); /* each one that landed was told */
		assert_int_equal(heard[id][f->vitals.hits + 1], 0);
		landed += f->vitals.hits;
	}
	printf("%u hits landed, %u deaths of primaries\n", landed, deaths);
	assert_true(landed > 3000 && deaths > 50);
	/* results that nobody confirmed are told again, then confirmed; a minute later all is forgotten */
	for (uint32_t i = 0; i < 20; i++) {
		t.time_ns += 6 * SECOND;
		for (uint32_t id = 1; id <= PLAYERS; id++)
			move(id, 1000000 + i, (float)id, 0);
		for (uint32_t b = 0; b < BUCKETS; b++) {
			baton_test_tick(&t, b);
			collect();
		}
		deliver_all();
	}
	assert_int_equal(memories(), 0);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(a_hit_is_answered_when_the_target_has_taken_it),
		CASE(a_repeat_is_answered_from_the_stored_result),
		CASE(a_repeat_while_it_is_open_posts_the_same_hit_again),
		CASE(refusals_change_nothing),
		CASE(a_refusal_says_what_was_asked_and_nothing_of_the_target),
		CASE(a_target_goes_down_and_ticks_bring_it_up_again),
		CASE(memory_goes_with_the_last_hit_and_the_forget),
		CASE(memory_whose_hits_died_with_the_primary_goes_after_a_minute),
		CASE(a_result_that_died_with_the_primary_is_told_again_by_a_tick),
		CASE(without_room_to_remember_a_hit_is_not_applied),
		CASE(everything_is_applied_and_told_once_in_any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
