/* The game, until it goes wild: each process at the packet that `wild.after` (2000) says, counted from its start, or
 * the first one after it when there is something to undo. It loops for ever, or dies as `wild.how` says: crash, call,
 * abort, divide, deep, exit; or `any` of them, by its pid. The next process is past that packet: it is no poison. */
#include <stdlib.h>
#include <unistd.h>

#include "baton.h"
#undef BATON_PLUGIN
#define BATON_PLUGIN(...) static const struct baton_plugin tame = {__VA_ARGS__}
#include "game.c" /* the other files are linked: see rules.mk */

static unsigned long after = 2000, seen;

/* ---- ways to die, each a function of its own for `batonctl crash` to name ---- */

#define WAY static __attribute__((noinline)) void
static volatile uintptr_t nowhere = 8;
static void (*volatile nobody)(void);
static volatile int zero;

WAY wild_crash(void)
{
	*(volatile int *)nowhere = 1;
}

WAY wild_call(void)
{
	nobody();
	zero = 0; /* else it would be a jump, and leave no return address */
}

WAY wild_abort(void)
{
	abort();
}

WAY wild_divide(void)
{
	volatile int dividend = 7; /* of a constant 1 the compiler makes a comparison */

	zero = dividend / zero;
}

WAY wild_deep(void)
{
	volatile char room[2000];

	room[0] = 1;
	if (room[0] != 0)
		wild_deep();
	zero = room[0];
}

WAY wild_exit(void)
{
	_exit(3);
}

static const struct {
	const char *how;
	void (*die)(void);
} ways[] = {
	{"crash", wild_crash}, {"call", wild_call}, {"abort", wild_abort},
	{"divide", wild_divide}, {"deep", wild_deep}, {"exit", wild_exit},
};
#define WAYS (sizeof(ways) / sizeof(ways[0]))
static void (*die)(void); /* NULL: it loops */

static int wild_init(struct baton_ctx *ctx)
{
	const char *number = baton_setting(ctx, "wild.after"), *how = baton_setting(ctx, "wild.how");

	if (number != NULL)
		after = strtoul(number, NULL, 10);
	for (size_t i = 0; how != NULL && i < WAYS; i++)
		if (strcmp(how, ways[i].how) == 0 || (strcmp(how, "any") == 0 && (size_t)getpid() % WAYS == i))
			die = ways[i].die;
	return tame.init(ctx);
}

static baton_verdict wild_packet(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data)
{
	baton_verdict verdict = game_packet(ctx, packet, data);

	if (++seen < after || ctx->used == 0)
		return verdict;
	if (die != NULL) {
		baton_log(ctx, "wild: packet %lu is the last", seen);
		die();
	}
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
