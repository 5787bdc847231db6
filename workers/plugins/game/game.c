/* game: the seed protocol of shared/wire.h. Descriptor, settings and dispatch; one file per request type beside it. */
#include "game.h"

#include <errno.h>
#include <stdlib.h>

/* Of a tick that removes as many players, fighters, memories and presences as it may and heals as many: packets and
 * messages need far less, two insertions, one removal and four saves. */
#define GAME_MAX_UNDO (4 * PLAYER_REMOVED_PER_TICK * BATON_UNDO_REMOVE + \
		       FIGHTERS_HEALED_PER_TICK * PLAYER_UNDO(sizeof(struct vitals)) + \
		       BATON_POSTS_MOST * PLAYER_UNDO(sizeof(uint64_t)))
static_assert(GAME_MAX_UNDO >= 2 * PLAYER_UNDO_INSERT + 2 * BATON_UNDO_REMOVE + 4 * PLAYER_UNDO(sizeof(struct fighter)),
	      "undo bytes of a packet or message");
#define GAME_RECORD (sizeof(struct player) > sizeof(struct fighter) ? sizeof(struct player) : sizeof(struct fighter))
static_assert(GAME_RECORD == 48, "with struct baton_record one cache line");

struct game_handler {
	baton_verdict (*handle)(struct baton_ctx *ctx, uint8_t *data);
	uint16_t min_len; /* wire_parse() has checked it */
	const char *name;
};

static const struct game_handler handlers[] = {
#define X(type, body, word) [type] = { .handle = game_##word, .min_len = sizeof(body), .name = #word },
	GAME_PACKETS(X)
#undef X
};

static baton_verdict game_packet(struct baton_ctx *ctx, const struct baton_packet *packet, uint8_t *data)
{
	uint32_t type;
	int rc = wire_parse(data, packet->len, &type);

	if (__builtin_expect(rc != WIRE_OK, 0))
		return rc == WIRE_RUNT ? baton_drop_runt() : baton_drop_malformed();
	return handlers[type].handle(ctx, data);
}

static void game_prefetch(struct baton_ctx *ctx, const struct baton_packet *packet, const uint8_t *data)
{
	uint32_t id;

	if (packet->len < GAME_KEY_OFFSET + GAME_KEY_LENGTH)
		return;
	memcpy(&id, data + GAME_KEY_OFFSET, sizeof(id));
	baton_prefetch(ctx, packet->bucket, id);
}

static void game_tick(struct baton_ctx *ctx, uint64_t number)
{
	const struct game_settings *settings = ctx->user;

	player_remove_idle(ctx, settings->idle_ns);
	if (settings->regen != 0)
		fighter_heal_all(ctx, settings->regen);
	hit_tick(ctx);
	interest_tick(ctx, &settings->interest, number);
}

static void game_message(struct baton_ctx *ctx, const struct baton_packet *message, const uint8_t *data)
{
	const struct game_settings *settings = ctx->user;
	struct presence_note presence;
	struct note note;

	/* other lengths are of another version of this plugin */
	if (message->len == sizeof(presence) && data[0] == NOTE_PRESENCE) {
		memcpy(&presence, data, sizeof(presence));
		return interest_told(ctx, &presence);
	}
	if (message->len != sizeof(note))
		return;
	memcpy(&note, data, sizeof(note));
	switch (note.kind) {
	case NOTE_HIT: return hit_arrived(ctx, &note, settings->memories);
	case NOTE_RESULT: return attack_result(ctx, &note);
	case NOTE_FORGET: return hit_forgotten(ctx, &note);
	default: return;
	}
}

/* A whole number and a unit, at most 7 days. Returns 0 or -EINVAL. */
static int parse_duration(const char *text, uint64_t *out_ns)
{
	static const struct { const char *unit; uint64_t ns; } units[] = {
		{ "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 },
		{ "m", 60000000000 }, { "h", 3600000000000 },
	};
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	for (size_t i = 0; errno == 0 && i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].unit) != 0)
			continue;
		if (value > 7ull * 24 * 3600000000000 / units[i].ns)
			return -EINVAL;
		*out_ns = value * units[i].ns;
		return 0;
	}
	return -EINVAL;
}

/* The duration in `key`, from 1 ms on. Returns 0, or -EINVAL with a line in the log; absent: *out stays as it is. */
static int read_duration(struct baton_ctx *ctx, const char *key, const char *example, uint64_t *out_ns)
{
	const char *text = baton_setting(ctx, key);

	if (text == NULL || (parse_duration(text, out_ns) == 0 && *out_ns >= 1000000))
		return 0;
	baton_log(ctx, "game: setting %s is '%s'; give a whole number and a unit (ns us ms s m h), 1ms to 168h, for "
		  "example '%s'", key, text, example);
	return -EINVAL;
}

/* A whole number from least to most. Returns 0, or -EINVAL with a line in the log; absent: *out stays as it is. */
static int read_number(struct baton_ctx *ctx, const char *key, uint32_t least, uint32_t most, uint32_t *out)
{
	const char *text = baton_setting(ctx, key);
	char *end;

	if (text == NULL)
		return 0;
	errno = 0;
	unsigned long value = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != 0 || errno != 0 || value < least || value > most) {
		baton_log(ctx, "game: setting %s is '%s'; give a whole number from %u to %u", key, text, least, most);
		return -EINVAL;
	}
	*out = (uint32_t)value;
	return 0;
}

static int game_init(struct baton_ctx *ctx)
{
	static struct game_settings settings;
	uint64_t interval_ns = 100000000;

	settings.idle_ns = 60000000000;
	settings.interest.lease_ns = 2000000000;
	if (read_duration(ctx, "player.idle", "60s", &settings.idle_ns) != 0 ||
	    read_duration(ctx, "interest.interval", "100ms", &interval_ns) != 0 ||
	    read_duration(ctx, "interest.lease", "2s", &settings.interest.lease_ns) != 0)
		return -EINVAL;
	settings.interest.interval_ms = (uint32_t)(interval_ns / 1000000);
	settings.regen = 1;
	settings.memories = 64;
	if (read_number(ctx, "regen.per_tick", 0, GAME_HIT_POINTS, &settings.regen) != 0 ||
	    read_number(ctx, "attack.memory", 1, 65536, &settings.memories) != 0)
		return -EINVAL;
	ctx->user = &settings;
	baton_log(ctx, "game: answers %s, %s, %s and %s; removes players idle for more than %llu ms",
		  handlers[PLAYER_MOVE].name, handlers[PLAYER_ATTACK].name, handlers[HEARTBEAT].name,
		  handlers[PLAYER_SUBSCRIBE].name, (unsigned long long)(settings.idle_ns / 1000000));
	return 0;
}

BATON_PLUGIN(
	.name = "game",
	.version = "1",
	.key = BATON_KEY_PAYLOAD, /* the player's id, so that it keeps its bucket when its address changes */
	.key_offset = GAME_KEY_OFFSET,
	.key_length = GAME_KEY_LENGTH,
	.schema = 2,
	.record_size = GAME_RECORD,
	.max_undo_bytes = GAME_MAX_UNDO,
	.max_posts = BATON_POSTS_MOST,
	.max_sends = BATON_SENDS_MOST,
	.init = game_init,
	.prefetch = game_prefetch,
	.packet = game_packet,
	.tick = game_tick,
	.message = game_message,
	.shadow = 1, /* it does nothing but what is compared */
	.digest = game_digest
);
