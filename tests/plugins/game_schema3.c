/* The game with records of another layout, as a later version might have them: what is generated of its sources beside
 * the objects (rules.mk) has a player's position in front of the sequence. Migrates from schema 2, and back unless it
 * is built as game_oneway. */
#include "baton.h"
#undef BATON_PLUGIN
#define BATON_PLUGIN(...) static const struct baton_plugin usual __attribute__((unused)) = {__VA_ARGS__}
#include "game.c"
/* a plugin of one object: so that no part of it has the other layout */
#include "attack.c"
#include "fight.c"
#include "heartbeat.c"
#include "hit.c"
#include "interest.c"
#define apply apply_move /* hit.c has one, too */
#include "move.c"
#undef apply
#include "player.c"
#include "subscribe.c"

#ifdef ONE_WAY
#define VERSION "3-oneway"
#define DOWN    0
#else
#ifdef POISONED_PLAYER
#define VERSION "3-badback"
#else
#define VERSION "3"
#endif
#define DOWN    1
#endif

/* The same bytes in schema 2. */
struct player_of_2 {
	uint64_t time_ns;
	uint32_t sequence;
	float at[3];
};
static_assert(offsetof(struct player, x) == 8 && offsetof(struct player, sequence) == 20, "the other layout");

static bool is_player(uint64_t key)
{
	return record_kind(key) == RECORD_PLAYER;
}

static bool up(struct baton_ctx *ctx, uint64_t key, void *record, uint32_t from)
{
	struct player_of_2 was;
	struct player *player = record;

	(void)ctx;
	if (from != 2)
		return false;
	if (!is_player(key))
		return true;
	memcpy(&was, record, sizeof(was));
	player->x = was.at[0];
	player->y = was.at[1];
	player->z = was.at[2];
	player->sequence = was.sequence;
	return true;
}

static bool down(struct baton_ctx *ctx, uint64_t key, void *record, uint32_t to)
{
	struct player is;

	(void)ctx;
	if (to != 2)
		return false;
	if (!is_player(key))
		return true;
#ifdef POISONED_PLAYER
	if (key == POISONED_PLAYER) {
		memset(record, 0xee, sizeof(is)); /* half of it is done when it happens */
		*(volatile uint32_t *)NULL = 1;
	}
#endif
	memcpy(&is, record, sizeof(is));
	const struct player_of_2 back = {.time_ns = is.time_ns, .sequence = is.sequence, .at = {is.x, is.y, is.z}};
	memcpy(record, &back, sizeof(back));
	return true;
}

static const struct baton_older older_schemas[] = {{.schema = 2, .record_size = GAME_RECORD, .down = DOWN}};

const struct baton_plugin baton_plugin_descriptor = {
	.abi = BATON_PLUGIN_ABI, .size = sizeof(struct baton_plugin), .name = "game", .version = VERSION,
	.key = BATON_KEY_PAYLOAD, .key_offset = GAME_KEY_OFFSET, .key_length = GAME_KEY_LENGTH, .schema = 3,
	.record_size = GAME_RECORD, .max_undo_bytes = GAME_MAX_UNDO, .max_posts = BATON_POSTS_MOST,
	.max_sends = BATON_SENDS_MOST, .init = game_init, .prefetch = game_prefetch, .packet = game_packet,
	.tick = game_tick, .message = game_message, .older = older_schemas, .olders = 1, .migrate = up, .down = down,
};
