/* The game, but what comes from player `poison.player` (666) ends the worker that handles it, when its changes have
 * been made: by `poison.how`: crash (a fault at address 8), abort, or stall. With `tick` it is each tick of the bucket
 * that knows the player. With `record` it is a packet that finds the player at sequence `poison.sequence`: it depends on the
 * record, as it was before the packet has changed it. */
#include <stdlib.h>

#include "baton.h"
#undef BATON_PLUGIN
#define BATON_PLUGIN(...) static const struct baton_plugin tame = {__VA_ARGS__}
#include "player.h"
#include "game.c" /* the other files are linked: see rules.mk */

static uint32_t player = 666, wanted_sequence = UINT32_MAX;
static char how = 'c';

static int poison_init(struct baton_ctx *ctx)
{
	const char *number = baton_setting(ctx, "poison.player"), *word = baton_setting(ctx, "poison.how");

	if (number != NULL)
		player = (uint32_t)strtoul(number, NULL, 10);
	if (word != NULL)
		how = word[0];
	number = baton_setting(ctx, "poison.sequence");
	if (number != NULL)
		wanted_sequence = (uint32_t)strtoul(number, NULL, 10);
	return tame.init(ctx);
}

static void end(void)
{
	volatile uintptr_t nowhere = 8;

	if (how == 'a')
		abort();
	for (volatile int i = 0; how == 's'; i++)
		;
	*(volatile int *)nowhere = 1;
}

static baton_verdict poison_packet(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data)
{
	uint32_t id = 0;

	if (packet->len >= GAME_KEY_OFFSET + GAME_KEY_LENGTH)
		memcpy(&id, data + GAME_KEY_OFFSET, sizeof(id));
	const struct player *record = id == player ? player_find(ctx, id) : NULL;
	bool met = how == 'r' ? record != NULL && record->sequence == wanted_sequence : id == player && how != 't';
	baton_verdict verdict = game_packet(ctx, packet, data);
	if (met)
		end();
	return verdict;
}

static void poison_tick(struct baton_ctx *ctx, uint64_t number)
{
	game_tick(ctx, number);
	if (how == 't' && baton_find(ctx, player) != NULL)
		end();
}

const struct baton_plugin baton_plugin_descriptor = {
	.abi = BATON_PLUGIN_ABI, .size = sizeof(struct baton_plugin), .name = "game", .version = "poison",
	.key = BATON_KEY_PAYLOAD, .key_offset = GAME_KEY_OFFSET, .key_length = GAME_KEY_LENGTH, .schema = 2,
	.record_size = GAME_RECORD, .max_undo_bytes = GAME_MAX_UNDO, .max_posts = BATON_POSTS_MOST,
	.max_sends = BATON_SENDS_MOST, .init = poison_init, .prefetch = game_prefetch, .packet = poison_packet,
	.tick = poison_tick, .message = game_message,
};
