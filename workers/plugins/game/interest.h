/* Who sees whom. The world is cut into square cells, each with a bucket of its own (CELL_KEY). A player that subscribes
 * tells the cells that its radius touches, four at most, where it is: at each MOVE, HEARTBEAT and SUBSCRIBE, but not
 * more often than `interest.interval`. A cell's tick then tells each of its subscribers who of the others stands in the
 * cell and within the radius. Who does not refresh is forgotten after `interest.lease`. */
#ifndef GAME_INTEREST_H
#define GAME_INTEREST_H

#include "player.h"
#include "wire.h"

#define CELL_SIDE 400.0f /* a circle of the largest radius touches four at most */
#define CELLS     50u    /* each way: those at the far walls are a wall wider */
static_assert((int)CELL_SIDE >= 2 * (int)GAME_RADIUS_MOST && (int)CELL_SIDE * (int)CELLS == 2 * (int)GAME_WORLD_XY,
	      "the world in whole cells");

struct interest_settings {
	uint32_t interval_ms; /* interest.interval */
	uint64_t lease_ns;    /* interest.lease */
};

/* A player as a cell knows it. */
struct presence {
	uint64_t time_ns; /* when it told */
	uint32_t sequence;
	float x, y, z;
	uint32_t radius;
	uint32_t pad;
	struct baton_peer peer;
};
static_assert(sizeof(struct presence) == sizeof(struct player), "one record size");

/* Message from a player's bucket to a cell's. */
struct presence_note {
	uint8_t kind; /* NOTE_PRESENCE */
	uint8_t pad;
	uint16_t radius; /* 0: it has ended its subscription */
	uint32_t player;
	uint32_t cell;
	uint32_t sequence;
	uint64_t time_ns;
	float x, y, z;
	uint32_t pad2;
	struct baton_peer peer;
};
static_assert(sizeof(struct presence_note) == 56 && sizeof(struct presence_note) <= BATON_MESSAGE_MOST, "a message");

uint32_t interest_cell(float x, float y);

/* The player's side: tells its cells if it is time to (`always`: whether or not). radius: 0 takes it out of them. */
void interest_tell(struct baton_ctx *ctx, const struct interest_settings *settings, struct player *player, uint32_t id,
		   uint16_t radius, bool always);

/* The cell's side. */
void interest_told(struct baton_ctx *ctx, const struct presence_note *note);
void interest_tick(struct baton_ctx *ctx, const struct interest_settings *settings, uint64_t number);

#endif
