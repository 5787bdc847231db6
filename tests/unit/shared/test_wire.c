/* The game protocol's bytes, and what wire_parse() refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hash.h"
#include "wire.h"

static void a_move_has_the_documented_bytes(void **state)
{
	static const uint8_t want[48] = {
		48, 0, 0, 0, 1, 0, 0, 0, 0x44, 0x33, 0x22, 0x11, 0x04, 0x03, 0x02, 0x01, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0x00, 0x00, 0x80, 0x3f, 0x00, 0x00, 0x00, 0xc0, 0x00, 0x40, 0x1c, 0xc6, 0, 0, 0, 0,
		0, 0, 0, 0,
	};
	uint8_t data[64];

	(void)state;
	assert_int_equal(wire_build_move(data, 0x11223344, 0x01020304, 1.0f, -2.0f, -10000.0f), 48);
	assert_memory_equal(data, want, 48);
}

static void a_heartbeat_has_the_documented_bytes(void **state)
{
	static const uint8_t want[48] = {
		48, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0,
	};
	uint8_t data[64];

	(void)state;
	assert_int_equal(wire_build_heartbeat(data, 1, 2, 0x0102030405060708ull), 48);
	assert_memory_equal(data, want, 48);
}

static void an_attack_has_the_documented_bytes(void **state)
{
	static const uint8_t want[64] = {
		64, 0, 0, 0, 2, 0, 0, 0, 0x44, 0x33, 0x22, 0x11, 0x08, 0x07, 0x06, 0x05, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0x88, 0x77, 0x66, 0x55, 2, 0, 0, 0, 0, 0, 0, 0, 0x00, 0x00, 0x80, 0x3f,
		0x00, 0x00, 0x00, 0xc0, 0x00, 0x40, 0x1c, 0xc6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	};
	uint8_t data[64];

	(void)state;
	assert_int_equal(wire_build_attack(data, 0x11223344, 0x05060708, 0x55667788, GAME_SHOT, 1.0f, -2.0f,
					   -10000.0f), 64);
	assert_memory_equal(data, want, 64);
}

static void skills_are_found_by_their_numbers(void **state)
{
	struct game_skill skill = { 77, 77, 77 };

	(void)state;
	assert_false(game_skill_find(0, &skill));
	assert_false(game_skill_find(4, &skill));
	assert_false(game_skill_find(UINT32_MAX, &skill));
	assert_int_equal(skill.damage, 77);
	assert_true(game_skill_find(GAME_STRIKE, &skill));
	assert_true(skill.damage == 10 && skill.range >= 100.0f && skill.range <= 100.0f && skill.cooldown_ms == 200);
	assert_true(game_skill_find(GAME_METEOR, &skill));
	assert_true(skill.damage == 1 && skill.cooldown_ms == 20);
	assert_true(GAME_STRIKE == 1 && GAME_SHOT == 2 && GAME_METEOR == 3);
}

static void put(uint8_t *data, uint32_t at, uint32_t value)
{
	memcpy(data + at, &value, sizeof(value));
}

static void what_was_built_is_accepted(void **state)
{
	uint8_t data[64];
	uint32_t type = 0;

	(void)state;
	assert_int_equal(wire_parse(data, wire_build_move(data, 1, 2, 0, 0, 0), &type), WIRE_OK);
	assert_int_equal(type, PLAYER_MOVE);
	assert_int_equal(wire_parse(data, wire_build_heartbeat(data, 1, 2, 3), &type), WIRE_OK);
	assert_int_equal(type, HEARTBEAT);
	assert_int_equal(wire_parse(data, wire_build_attack(data, 1, 2, 3, GAME_STRIKE, 0, 0, 0), &type), WIRE_OK);
	assert_int_equal(type, PLAYER_ATTACK);
}

static void each_shorter_length_is_a_runt(void **state)
{
	uint8_t data[64];
	uint32_t type = 77;

	(void)state;
	for (uint32_t len = 0; len < 48; len++) {
		wire_build_move(data, 1, 2, 0, 0, 0);
		put(data, 0, len);
		assert_int_equal(wire_parse(data, len, &type), WIRE_RUNT);
	}
	for (uint32_t len = 24; len < 64; len++) {
		wire_build_attack(data, 1, 2, 3, GAME_STRIKE, 0, 0, 0);
		put(data, 0, len);
		assert_int_equal(wire_parse(data, len, &type), WIRE_RUNT);
	}
	assert_int_equal(type, 77);
}

static void padding_is_accepted_and_counted(void **state)
{
	uint8_t data[2048] = { 0 };
	uint32_t type;

	(void)state;
	for (uint32_t len = 48; len <= 1472; len++) {
		wire_build_heartbeat(data, 1, 2, 3);
		assert_int_equal(wire_parse(data, len, &type), len == 48 ? WIRE_OK : WIRE_MALFORMED);
		put(data, 0, len);
		assert_int_equal(wire_parse(data, len, &type), WIRE_OK);
	}
}

static void wrong_size_type_or_token_is_malformed(void **state)
{
	static const uint32_t sizes[] = { 0, 24, 47, 49, 48u << 8, UINT32_MAX };
	static const uint32_t types[] = { 0, NEIGHBOURS, 6, 0x01000000u, 0x10001u, 0x80000001u, UINT32_MAX };
	uint8_t data[64];
	uint32_t type = 77;

	(void)state;
	for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		wire_build_move(data, 1, 2, 0, 0, 0);
		put(data, 0, sizes[i]);
		assert_int_equal(wire_parse(data, 48, &type), WIRE_MALFORMED);
	}
	for (uint32_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		wire_build_move(data, 1, 2, 0, 0, 0);
		put(data, 4, types[i]);
		assert_int_equal(wire_parse(data, 48, &type), WIRE_MALFORMED);
	}
	for (uint32_t at = 16; at < 24; at++) {
		wire_build_move(data, 1, 2, 0, 0, 0);
		data[at] = 1;
		assert_int_equal(wire_parse(data, 48, &type), WIRE_MALFORMED);
	}
	assert_int_equal(type, 77);
}

/* Against a second reading of the rules, over bytes near the valid ones. */
static void near_misses_are_judged_by_the_rules(void **state)
{
	uint64_t random = 1;
	uint32_t accepted = 0;

	(void)state;
	for (uint32_t i = 0; i < 200000; i++) {
		uint8_t data[64];
		uint64_t r = hash_mix64(random += 0x9e3779b97f4a7c15ull);
		uint32_t len = r % 8 == 0 ? (uint32_t)(r >> 8) % 65 : r % 8 == 1 ? 64 : 48, type = 0;
		wire_build_attack(data, 1, 2, 3, 0, 0, 0, 0);
		put(data, 0, len);
		put(data, 4, (uint32_t)(r >> 16) % 6);
		if (r % 3 == 0)
			data[(r >> 24) % 24] ^= (uint8_t)(1u << (r >> 32) % 8);
		uint32_t words[6];
		memcpy(words, data, sizeof(words));
		bool shape = words[0] == len && words[1] >= 1 && words[1] <= 4 && words[4] == 0 && words[5] == 0;
		uint32_t least = words[1] == 2 ? 64 : 48;
		int want = len < 24 ? WIRE_RUNT : !shape ? WIRE_MALFORMED : len < least ? WIRE_RUNT : WIRE_OK;
		assert_int_equal(wire_parse(data, len, &type), want);
		accepted += want == WIRE_OK;
	}
	assert_in_range(accepted, 10000, 150000); /* the test saw both sides */
}

static void serial_numbers_pass_the_end_of_the_circle(void **state)
{
	(void)state;
	assert_true(game_serial_newer(1, 0));
	assert_true(game_serial_newer(0, UINT32_MAX));
	assert_true(game_serial_newer(5, 0xfffffff0u));
	assert_true(game_serial_newer(0x7fffffffu, 0));
	assert_false(game_serial_newer(0x80000000u, 0)); /* half way */
	assert_false(game_serial_newer(0, 0x80000000u));
	assert_false(game_serial_newer(UINT32_MAX, 0));
	assert_false(game_serial_newer(7, 7));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_move_has_the_documented_bytes),
		cmocka_unit_test(a_heartbeat_has_the_documented_bytes),
		cmocka_unit_test(an_attack_has_the_documented_bytes),
		cmocka_unit_test(skills_are_found_by_their_numbers),
		cmocka_unit_test(what_was_built_is_accepted),
		cmocka_unit_test(each_shorter_length_is_a_runt),
		cmocka_unit_test(padding_is_accepted_and_counted),
		cmocka_unit_test(wrong_size_type_or_token_is_malformed),
		cmocka_unit_test(near_misses_are_judged_by_the_rules),
		cmocka_unit_test(serial_numbers_pass_the_end_of_the_circle),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
