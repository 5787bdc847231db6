/* Players who attack each other in the plugin test library; results are kept as they are told. */
#ifndef BATON_TEST_ATTACK_RIG_H
#define BATON_TEST_ATTACK_RIG_H

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

static inline uint32_t ask(uint32_t id, uint32_t sequence, uint32_t target, uint32_t skill, float x, float y)
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

#endif
