/* The game, until it goes wild: each process at the packet that `wild.after` (2000) says, counted from its start, or
 * the first one after it when there is something to undo. It loops for ever, or with `wild.how: crash` faults. The
 * next process is past that packet: it is no poison. */
#include <stdlib.h>

#include "baton.h"
#undef BATON_PLUGIN
#define BATON_PLUGIN(...) static const struct baton_plugin tame = {__VA_ARGS__}
#include "game.c" /* the other files are linked: see rules.mk */

static unsigned long after = 2000, seen;
static int crashes;

static int wild_init(struct baton_ctx *ctx)
{
	const char *number = baton_setting(ctx, "wild.after"), *how = baton_setting(ctx, "wild.how");

	if (number != NULL)
		after = strtoul(number, NULL, 10);
	crashes = how != NULL && strcmp(how, "crash") == 0;
	return tame.init(ctx);
}

static baton_verdict wild_packet(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data)
{
	volatile uintptr_t nowhere = 8;
	baton_verdict verdict = game_packet(ctx, packet, data);

	if (++seen < after || ctx->used == 0)
		return verdict;
	if (crashes)
		*(volatile int *)nowhere = 1;
	for (volatile int i = 0;; i++) /* the changes of this packet are made: they must be undone */
		;
}

const struct baton_plugin baton_plugin_descriptor = {
	.abi = BATON_PLUGIN_ABI, .size = sizeof(struct baton_plugin), .name = "game", .version = "wild",
	.key = BATON_KEY_PAYLOAD, .key_offset = GAME_KEY_OFFSET, .key_length = GAME_KEY_LENGTH, .schema = 2,
	.record_size = GAME_RECORD, .max_undo_bytes = GAME_MAX_UNDO, .max_posts = BATON_POSTS_MOST,
	.max_sends = BATON_SENDS_MOST, .init = wild_init, .prefetch = game_prefetch, .packet = wild_packet,
	.tick = game_tick, .message = game_message,
};
