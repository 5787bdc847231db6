/* Interest: players tell cells where they are, cells tell subscribers who is near. */
#include "interest.h"

#define EXPIRED_PER_TICK 16u

static uint32_t along(float at)
{
	int32_t cell = (int32_t)((at + GAME_WORLD_XY) / CELL_SIDE);

	return cell < 0 ? 0 : cell >= (int32_t)CELLS ? CELLS - 1 : (uint32_t)cell;
}

uint32_t interest_cell(float x, float y)
{
	return along(y) * CELLS + along(x);
}

/* ---- the player's side ---- */

static void tell_cell(struct baton_ctx *ctx, const struct player *player, uint32_t id, uint16_t radius, uint32_t cell)
{
	const struct presence_note note = {
		.kind = NOTE_PRESENCE, .radius = radius, .player = id, .cell = cell, .sequence = player->sequence,
		.time_ns = ctx->time_ns, .x = player->x, .y = player->y, .z = player->z, .peer = player->peer,
	};

	baton_post(ctx, baton_bucket(ctx, CELL_KEY(cell)), &note, sizeof(note));
}

void interest_tell(struct baton_ctx *ctx, const struct interest_settings *settings, struct player *player, uint32_t id,
		   uint16_t radius, bool always)
{
	uint32_t now_ms = (uint32_t)(ctx->time_ns / 1000000);
	float reach = player->radius;

	if (!always && (int32_t)(now_ms - player->seen_ms) < (int32_t)settings->interval_ms)
		return;
	if (!baton_save(ctx, &player->seen_ms, sizeof(player->seen_ms)))
		return;
	player->seen_ms = now_ms;
	uint32_t left = along(player->x - reach), right = along(player->x + reach);
	uint32_t low = along(player->y - reach), high = along(player->y + reach);
	/* at most two each way, whatever rounding says */
	for (uint32_t y = low; y <= high && y <= low + 1; y++)
		for (uint32_t x = left; x <= right && x <= left + 1; x++)
			tell_cell(ctx, player, id, radius, y * CELLS + x);
}

/* ---- the cell's side ---- */

void interest_told(struct baton_ctx *ctx, const struct presence_note *note)
{
	uint64_t key = PRESENCE_KEY(note->cell, note->player);
	struct presence *presence = baton_find(ctx, key);

	if (presence != NULL && presence->time_ns >= note->time_ns)
		return; /* messages may overtake each other */
	if (note->radius == 0) {
		if (presence != NULL)
			baton_remove(ctx, presence);
		return;
	}
	if (presence == NULL && (presence = baton_insert(ctx, key)) == NULL)
		return; /* a full bucket is counted; it is there when others have gone */
	if (!baton_save(ctx, presence, sizeof(*presence)))
		return;
	*presence = (struct presence){
		.time_ns = note->time_ns, .sequence = note->sequence, .x = note->x, .y = note->y, .z = note->z,
		.radius = note->radius, .peer = note->peer,
	};
}

struct seen {
	const struct presence *presence;
	uint64_t key;
};
#define SEEN_MOST 256u /* of a bucket; beyond it nobody is told of */

static bool is_near(const struct presence *a, const struct presence *b)
{
	float x = a->x - b->x, y = a->y - b->y, z = a->z - b->z, reach = (float)a->radius;

	return x * x + y * y + z * z <= reach * reach;
}

static void tell_subscriber(struct baton_ctx *ctx, const struct seen *seen, uint32_t count, uint32_t who,
			    uint64_t number)
{
	struct {
		struct GameNeighbours head;
		struct GameNeighbour neighbour[GAME_NEIGHBOURS_MOST];
	} __attribute__((packed)) packet;
	const struct presence *subscriber = seen[who].presence;
	uint32_t cell = (uint32_t)(seen[who].key >> 32) & 0xffffu, found = 0;

	for (uint32_t n = 0; n < count && found < GAME_NEIGHBOURS_MOST; n++) {
		uint32_t i = (uint32_t)((number * GAME_NEIGHBOURS_MOST + n) % count); /* in a crowd others each time */
		const struct presence *other = seen[i].presence;

		/* another cell may share the bucket; and who stands in another cell is told of by that one */
		if (i == who || ((seen[i].key ^ seen[who].key) >> 32) != 0 ||
		    interest_cell(other->x, other->y) != cell || !is_near(subscriber, other))
			continue;
		packet.neighbour[found++] = (struct GameNeighbour){
			.player_id = (uint32_t)seen[i].key, .sequence = other->sequence, .x = other->x, .y = other->y,
			.z = other->z,
		};
	}
	if (found == 0)
		return;
	uint32_t bytes = (uint32_t)(sizeof(packet.head) + found * sizeof(packet.neighbour[0]));
	packet.head = (struct GameNeighbours){
		.header = {.packet_size = bytes, .packet_type = NEIGHBOURS, .player_id = (uint32_t)seen[who].key,
			   .sequence = (uint32_t)number},
		.count = found, .cell = cell, .server_time_ns = ctx->time_ns,
	};
	baton_send(ctx, &subscriber->peer, &packet, bytes);
}

void interest_tick(struct baton_ctx *ctx, const struct interest_settings *settings, uint64_t number)
{
	struct seen seen[SEEN_MOST];
	uint32_t iter = 0, count = 0, expired = 0;
	struct presence *presence;
	uint64_t key;

	while (count < SEEN_MOST && (presence = baton_next(ctx, &iter, &key)) != NULL) {
		if (record_kind(key) != RECORD_PRESENCE)
			continue;
		/* it may be newer than the tick: those that were missed are caught up with their own times */
		if (ctx->time_ns > presence->time_ns && ctx->time_ns - presence->time_ns > settings->lease_ns) {
			if (expired++ < EXPIRED_PER_TICK && !baton_remove(ctx, presence))
				return;
			continue;
		}
		seen[count++] = (struct seen){presence, key};
	}
	/* if there are more than may be told in one tick, others come first in the next */
	for (uint32_t i = 0; i < count && ctx->sends > 0; i++)
		tell_subscriber(ctx, seen, count, (uint32_t)((number * BATON_SENDS_MOST + i) % count), number);
}
