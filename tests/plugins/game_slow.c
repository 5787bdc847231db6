/* The game, but each packet takes `slow.ns` (3000) longer, between its changes and its verdict: so slow that packets
 * wait for the worker, not it for them. Whoever kills it then finds an open burst. */
#include <stdlib.h>
#include <x86intrin.h>

#include "baton.h"
#undef BATON_PLUGIN
#define BATON_PLUGIN(...) static const struct baton_plugin quick = {__VA_ARGS__}
#include "game.c" /* the other files are linked: see rules.mk */

static unsigned long slow_cycles;

static int slow_init(struct baton_ctx *ctx)
{
	const char *ns = baton_setting(ctx, "slow.ns");

	slow_cycles = (ns != NULL ? strtoul(ns, NULL, 10) : 3000) * 3; /* of a 3 GHz counter: none of the figures matters */
	return quick.init(ctx);
}

static baton_verdict slow_packet(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data)
{
	baton_verdict verdict = game_packet(ctx, packet, data);
	unsigned long long begun = __rdtsc();

	while (__rdtsc() - begun < slow_cycles)
		_mm_pause();
	return verdict;
}

const struct baton_plugin baton_plugin_descriptor = {
	.abi = BATON_PLUGIN_ABI, .size = sizeof(struct baton_plugin), .name = "game", .version = "slow",
	.key = BATON_KEY_PAYLOAD, .key_offset = GAME_KEY_OFFSET, .key_length = GAME_KEY_LENGTH, .schema = 2,
	.record_size = GAME_RECORD, .max_undo_bytes = GAME_MAX_UNDO, .max_posts = BATON_POSTS_MOST,
	.max_sends = BATON_SENDS_MOST, .init = slow_init, .prefetch = game_prefetch, .packet = slow_packet,
	.tick = game_tick, .message = game_message,
};
