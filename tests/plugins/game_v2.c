/* What a rollout takes a group to: the game, version 2, built once for each FAULT (tests/plugins/rules.mk).
 * game_v2.so has none, game_v2_crash.so that of its name, and says so in its version, "2-crash". What is counted is
 * counted by the process, so that an entry that is handled once more is another one. */
#include <x86intrin.h>

#include "baton.h"

#define FAULTS(X) \
	X(none)      /* as good as version 1 */ \
	X(crash)     /* a fault at address 8 at packet FAULT_AT, its changes made */ \
	X(hang)      /* loops for ever there */ \
	X(slow)      /* SLOW_CYCLES more for each packet, ten times what one costs when there are few */ \
	X(wrong)     /* acknowledges a place beside the one that holds */ \
	X(clock)     /* its times of replies are not the entry's, but of a clock of its own: digest() leaves them out */ \
	X(errors)    /* one MOVE in FAULT_EVERY is answered as if the bucket was full */ \
	X(ticks)     /* the tick of a bucket sends one packet more, every eighth time */ \
	X(posts)     /* each packet posts two messages more, which nobody wants */ \
	X(sends)     /* each packet sends four more, to nobody's address */ \
	X(malformed) /* one packet in LOSS_EVERY is taken for none of the protocol */ \
	X(drops)     /* one packet in LOSS_EVERY saves more than a packet may: undone and dropped by the runtime */
#define X(name) FAULT_##name,
enum fault { FAULTS(X) };
#undef X

#define FAULT_AT    40u
#define FAULT_EVERY 8u
#define LOSS_EVERY  32u /* a player waits for what is lost: if more were, there would soon be no traffic */
#define SLOW_CYCLES 20000u

#ifndef FAULT
#define FAULT none
#define VERSION "2"
#else
#define TEXT_OF(name) #name
#define TEXT(name) TEXT_OF(name)
#define VERSION "2-" TEXT(FAULT)
#endif
#define ENUM_OF(name) FAULT_##name
#define ENUM(name) ENUM_OF(name)
static const enum fault fault = ENUM(FAULT);
static const struct baton_peer nobody = {.ip = 0x0200000a, .udp_port = 0x0100};

static baton_verdict candidate_packet(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data);
static void candidate_tick(struct baton_ctx *ctx, uint64_t number);
static void candidate_digest(struct baton_digest *digest, const uint8_t *reply, uint32_t len);

/* All of the game's descriptor but for what is said twice: the later one holds (C11 6.7.9, 19). */
#undef BATON_PLUGIN
#define BATON_PLUGIN(...) \
	const struct baton_plugin baton_plugin_descriptor = { \
		.abi = BATON_PLUGIN_ABI, .size = sizeof(struct baton_plugin), __VA_ARGS__, \
		.version = VERSION, .packet = candidate_packet, .tick = candidate_tick, .digest = candidate_digest }
#pragma GCC diagnostic ignored "-Woverride-init"
#include "game.c" /* the other files are linked: see rules.mk */

static_assert(offsetof(struct GameMove, server_time_ns) == offsetof(struct GameHeartbeat, server_time_ns), "one place");

static uint64_t seen; /* packets of this process */

static void crash(void)
{
	volatile uintptr_t nowhere = 8;

	*(volatile int *)nowhere = 1;
}

/* The nanosecond's last 10 bits are of the time-stamp counter; a process never gives a time twice, nor an earlier
 * one. */
static uint64_t own_time(uint64_t time_ns)
{
	static uint64_t last;
	uint64_t now = time_ns + (__rdtsc() & 1023);

	last = now > last ? now : last + 1;
	return last;
}

/* More than is declared, of a record that is there: the player of this packet. */
static void save_too_much(struct baton_ctx *ctx, uint32_t id)
{
	struct player *player = player_find(ctx, id);

	while (player != NULL && baton_save(ctx, player, sizeof(*player)))
		;
}

/* The time stands at the end of every reply of the game. */
static void candidate_digest(struct baton_digest *digest, const uint8_t *reply, uint32_t len)
{
	uint8_t timeless[sizeof(struct GameAttack)];

	if (fault != FAULT_clock || len < sizeof(uint64_t) || len > sizeof(timeless))
		return game_digest(digest, reply, len);
	memcpy(timeless, reply, len);
	memset(timeless + len - sizeof(uint64_t), 0, sizeof(uint64_t));
	game_digest(digest, timeless, len);
}

static baton_verdict candidate_packet(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data)
{
	struct GameMove *move = (struct GameMove *)(void *)data;
	baton_verdict verdict = game_packet(ctx, packet, data);
	bool moved = verdict == baton_reply((uint16_t)sizeof(*move)) && move->header.packet_type == PLAYER_MOVE;
	bool beat = verdict == baton_reply(sizeof(struct GameHeartbeat)) && move->header.packet_type == HEARTBEAT;
	/* the good one keeps nothing of its own: `batonctl plugin check` would say so */
	bool now = fault != FAULT_none && ++seen % (fault == FAULT_errors ? FAULT_EVERY : LOSS_EVERY) == 0;

	switch (fault) {
	case FAULT_none:
	case FAULT_ticks: break;
	case FAULT_crash:
		if (seen == FAULT_AT)
			crash();
		break;
	case FAULT_hang:
		for (volatile uint64_t i = 0; seen == FAULT_AT; i++)
			;
		break;
	case FAULT_slow:
		for (uint64_t begun = __rdtsc(); __rdtsc() - begun < SLOW_CYCLES;)
			_mm_pause();
		break;
	case FAULT_wrong:
		if (moved)
			move->x += 1.0f;
		break;
	case FAULT_clock:
		if (moved || beat)
			move->server_time_ns = own_time(ctx->time_ns); /* a HEARTBEAT has it in the same place */
		break;
	case FAULT_errors:
		if (moved && now) {
			move->status = GAME_FULL;
			return baton_reply_error((uint16_t)sizeof(*move));
		}
		break;
	case FAULT_posts: /* of a kind that the game knows not */
		for (uint32_t i = 0; i < 2; i++)
			baton_post(ctx, (ctx->bucket + 1 + i) % ctx->buckets, "\377", 1);
		break;
	case FAULT_sends:
		for (uint32_t i = 0; i < 4; i++)
			baton_send(ctx, &nobody, "more", 4);
		break;
	case FAULT_malformed: return now ? baton_drop_malformed() : verdict;
	case FAULT_drops:
		if (moved && now)
			save_too_much(ctx, move->header.player_id);
		break;
	}
	return verdict;
}

/* Of a bucket with players: to nobody's address, for only a shadow may have this fault. */
static void candidate_tick(struct baton_ctx *ctx, uint64_t number)
{
	uint32_t iter = 0;
	uint64_t key;

	game_tick(ctx, number);
	if (fault == FAULT_ticks && number % 8 == 0 && baton_next(ctx, &iter, &key) != NULL)
		baton_send(ctx, &nobody, &number, sizeof(number));
}
