/* PLAYER_ATTACK: what is refused, what a hit does, what is remembered and for how long. */
#include "attack_rig.h"

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
	const struct fighter *target = baton_test_record(&t, baton_bucket(&t.ctx, 2), FIGHTER_KEY(2));
	assert_int_equal(target->vitals.hits, 1); /* and not only as it was told */
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

/* Whatever bits a client sends as aim, skill and target: a refusal, or a result, and never a hit for nothing. */
static void extremes_are_refused_or_miss(void **state)
{
	const float huge = 3.4e38f, least = 1e-45f;
	struct GameAttack attack;
	uint32_t status;

	(void)state;
	assert_int_equal(ask(1, 1, 2, UINT32_MAX, 2, 0), GAME_NO_SKILL);
	assert_int_equal(ask(1, 1, 2, 256 + GAME_STRIKE, 2, 0), GAME_NO_SKILL); /* a byte of it would be a skill */
	assert_int_equal(ask(1, 1, 2, GAME_METEOR, __builtin_inff(), 0), GAME_OUTSIDE_WORLD);
	assert_int_equal(ask(1, 1, 2, GAME_METEOR, 0, -__builtin_inff()), GAME_OUTSIDE_WORLD);
	attack = request(1, 1, 2, GAME_METEOR, 2, 0);
	attack.aim.z = __builtin_nanf("");
	send(&attack, &status);
	assert_int_equal(status, GAME_OUTSIDE_WORLD);
	for (uint32_t i = 0; i < 2; i++) { /* the square of it is more than a float holds */
		attack.aim.z = i == 0 ? huge : -huge;
		send(&attack, &status);
		assert_int_equal(status, GAME_TOO_FAR);
	}
	attack = request(1, 1, UINT32_MAX, GAME_METEOR, 2, 0); /* nobody of that name */
	send(&attack, &status);
	assert_int_equal(status, OPEN);
	deliver_all();
	assert_int_equal(told.status, GAME_NO_TARGET);
	t.time_ns += SECOND;
	attack = request(1, 2, 2, GAME_STRIKE, 2 + least, -0.0f);
	send(&attack, &status);
	deliver_all();
	assert_int_equal(told.status, GAME_OK);
	assert_int_equal(told.result.hits, 1);
}

static void sequences_pass_the_end_of_the_circle(void **state)
{
	static const uint32_t at[] = {UINT32_MAX - 1, UINT32_MAX, 0, 1, 0x7fffffff, 0x80000000, UINT32_MAX};

	(void)state;
	for (uint32_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		t.time_ns += SECOND;
		assert_int_equal(ask(1, at[i], 2, GAME_METEOR, 2, 0), OPEN);
		assert_int_equal(ask(1, at[i] - 1, 2, GAME_METEOR, 2, 0), GAME_STALE);
		/* neither newer nor older */
		assert_int_equal(ask(1, at[i] + 0x80000000u, 2, GAME_METEOR, 2, 0), GAME_STALE);
		deliver_all();
		assert_int_equal(told.header.sequence, at[i]);
		assert_int_equal(told.result.hits, i + 1);
	}
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
		if (id < 4)
			in_flight = 0; /* never told: remembered */
		deliver_all();
		assert_int_equal(told_count, id < 4 ? 0 : id - 3);
	}
	assert_int_equal(told.status, GAME_TARGET_FULL);
	assert_int_equal(memories(), 2);
	const struct fighter *fighter = baton_test_record(&t, baton_bucket(&t.ctx, 1), FIGHTER_KEY(1));
	assert_int_equal(fighter->vitals.hits, 2);
}

/* Found by tests/model/attack.pml. */
static void a_hit_that_finds_no_room_leaves_the_memory_of_an_older_one(void **state)
{
	uint32_t id = 3;

	(void)state;
	baton_test_destroy(&t);
	baton_test_create(&t, &baton_plugin_descriptor, 1, 16);
	assert_int_equal(baton_test_init(&t), 0);
	for (uint32_t i = 1; i <= id; i++)
		assert_int_equal(move(i, 1, (float)i, 0), GAME_OK);
	assert_int_equal(ask(1, 5, 2, GAME_SHOT, 2, 0), OPEN);
	assert_int_equal(ask(1, 5, 2, GAME_SHOT, 2, 0), OPEN);
	deliver(0);
	deliver(1);
	deliver(1); /* told and forgotten; the second hit is still on its way */
	assert_int_equal(told.result.hits, 1);
	while (move(id + 1, 1, 3, 0) == GAME_OK)
		id++;
	t.time_ns += SECOND;
	assert_int_equal(ask(1, 6, 3, GAME_SHOT, 3, 0), OPEN);
	assert_int_equal(in_flight, 2);
	deliver(1); /* its target has no record yet, and gets none */
	assert_int_equal(in_flight, 2);
	assert_non_null(baton_test_record(&t, 0, MEMORY_KEY(1)));
	deliver(1); /* that says so */
	assert_int_equal(told.header.sequence, 6);
	assert_int_equal(told.status, GAME_TARGET_FULL);
	deliver(0);
	const struct fighter *fighter = baton_test_record(&t, 0, FIGHTER_KEY(2));
	assert_int_equal(fighter->vitals.hits, 1);
	assert_null(baton_test_record(&t, 0, MEMORY_KEY(1))); /* all that were posted have come */
}

/* One bucket that remembers one hit, and does: of the player 3. No other finds room until make_room(). */
static void set_up_full(void)
{
	baton_test_destroy(&t);
	baton_test_create(&t, &baton_plugin_descriptor, 1, 128);
	baton_test_setting(&t, "attack.memory", "1");
	assert_int_equal(baton_test_init(&t), 0);
	for (uint32_t id = 1; id <= PLAYERS; id++)
		assert_int_equal(move(id, 1, (float)id, 0), GAME_OK);
	assert_int_equal(ask(3, 1, 4, GAME_SHOT, 4, 0), OPEN);
	deliver(0);
	in_flight = 0; /* its result died with the primary: remembered */
}

static void make_room(void)
{
	assert_int_equal(ask(3, 1, 4, GAME_SHOT, 4, 0), OPEN);
	deliver(in_flight - 1); /* the hit again */
	deliver(in_flight - 1); /* its result */
	deliver(in_flight - 1); /* and its end: both hits have come */
	assert_null(baton_test_record(&t, 0, MEMORY_KEY(3)));
	told_count = 0;
}

static void a_hit_that_finds_no_room_ends_its_attack(void **state)
{
	uint32_t status;

	(void)state;
	set_up_full();
	uint64_t then = t.time_ns;
	struct GameAttack attack = request(1, 5, 2, GAME_SHOT, 2, 0);
	send(&attack, &status);
	assert_int_equal(status, OPEN);
	deliver_all();
	assert_int_equal(in_flight, 0);
	assert_int_equal(told_count, 1);
	assert_int_equal(told.status, GAME_TARGET_FULL);
	assert_int_equal(told.header.sequence, 5);
	assert_int_equal(told.target, 2);
	assert_int_equal(told.damage + told.result.hit_points + told.result.hits + told.result.healed, 0);
	assert_int_equal(told.server_time_ns, then);
	struct GameAttack again = send(&attack, &status);
	assert_memory_equal(&again, &told, sizeof(told));
	make_room();
	again = send(&attack, &status); /* it never lands */
	assert_int_equal(status, GAME_TARGET_FULL);
	assert_int_equal(in_flight, 0);
	t.time_ns += SECOND;
	assert_int_equal(ask(1, 6, 2, GAME_SHOT, 2, 0), OPEN); /* not BUSY for ever */
	deliver_all();
	assert_int_equal(told.status, GAME_OK);
	assert_int_equal(told.result.hits, 1);
	assert_null(baton_test_record(&t, 0, MEMORY_KEY(1)));
}

static void an_attack_ends_with_the_last_of_its_hits_that_find_no_room(void **state)
{
	(void)state;
	set_up_full();
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(ask(1, 5, 2, GAME_SHOT, 2, 0), OPEN);
	deliver(0);
	deliver(in_flight - 1);
	assert_int_equal(ask(1, 5, 2, GAME_SHOT, 2, 0), OPEN); /* posts no more */
	assert_int_equal(in_flight, 2);
	deliver(0);
	deliver(in_flight - 1);
	assert_int_equal(told_count, 0);
	make_room();
	deliver_all(); /* the third lands */
	assert_int_equal(told_count, 1);
	assert_int_equal(told.status, GAME_OK);
	assert_int_equal(told.result.hits, 1);
	assert_null(baton_test_record(&t, 0, MEMORY_KEY(1))); /* two of three are known to have come, and gone */
}

static void an_attack_whose_last_hits_died_with_the_primary_ends_too(void **state)
{
	(void)state;
	set_up_full();
	assert_int_equal(ask(1, 5, 2, GAME_SHOT, 2, 0), OPEN);
	in_flight = 0; /* the primary died */
	assert_int_equal(ask(1, 5, 2, GAME_SHOT, 2, 0), OPEN);
	deliver_all();
	assert_int_equal(told_count, 0);
	t.time_ns += 60 * SECOND;
	assert_int_equal(ask(1, 5, 2, GAME_SHOT, 2, 0), OPEN);
	assert_int_equal(in_flight, 0); /* it might be on its way */
	t.time_ns += SECOND;
	assert_int_equal(ask(1, 5, 2, GAME_SHOT, 2, 0), OPEN);
	assert_int_equal(in_flight, 1);
	deliver_all();
	assert_int_equal(told_count, 1);
	assert_int_equal(told.status, GAME_TARGET_FULL);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(a_hit_is_answered_when_the_target_has_taken_it),
		CASE(a_repeat_is_answered_from_the_stored_result),
		CASE(a_repeat_while_it_is_open_posts_the_same_hit_again),
		CASE(refusals_change_nothing),
		CASE(extremes_are_refused_or_miss),
		CASE(sequences_pass_the_end_of_the_circle),
		CASE(a_refusal_says_what_was_asked_and_nothing_of_the_target),
		CASE(a_target_goes_down_and_ticks_bring_it_up_again),
		CASE(memory_goes_with_the_last_hit_and_the_forget),
		CASE(memory_whose_hits_died_with_the_primary_goes_after_a_minute),
		CASE(a_result_that_died_with_the_primary_is_told_again_by_a_tick),
		CASE(without_room_to_remember_a_hit_is_not_applied),
		CASE(a_hit_that_finds_no_room_leaves_the_memory_of_an_older_one),
		CASE(a_hit_that_finds_no_room_ends_its_attack),
		CASE(an_attack_ends_with_the_last_of_its_hits_that_find_no_room),
		CASE(an_attack_whose_last_hits_died_with_the_primary_ends_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
